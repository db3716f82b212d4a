"""A camera in several sizes at once, in descriptions (RFC 8853)."""

from __future__ import annotations

import pytest

from fastrtc_core.webrtc.sdp.description import Description
from fastrtc_core.webrtc.sdp.simulcast import REPAIRED_RID, RID, Layering, answer_simulcast

LAYERED = f"""a=extmap:10 {RID}
a=extmap:11 {REPAIRED_RID}
a=rid:l send
a=rid:m send
a=rid:h send
a=simulcast:send l;m;h"""


def video(extra: str = "", direction: str = "sendrecv") -> Description:
    text = f"v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\na={direction}\na=rtpmap:96 VP8/90000\n"
    return Description.parse(text + extra)


def added(offer: str, direction: str = "sendrecv", taken: str = "v") -> tuple[list[str], object]:
    """The lines that the answer gets, and what was agreed."""
    answer = video(direction=direction)
    before = len(answer.sections[0].lines)
    agreed = answer_simulcast(answer, video(offer), {taken})
    return answer.sections[0].lines[before:], agreed


def test_layers_are_accepted() -> None:
    lines, agreed = added(LAYERED)
    assert lines == [
        "a=rid:l recv",
        "a=rid:m recv",
        "a=rid:h recv",
        "a=simulcast:recv l;m;h",
        f"a=extmap:10 {RID}",
        f"a=extmap:11 {REPAIRED_RID}",
    ]
    assert agreed == {"v": Layering(("l", "m", "h"), 10, 11)}


@pytest.mark.parametrize(
    ("direction", "taken"), [("sendonly", "v"), ("inactive", "v"), ("sendrecv", "other")]
)
def test_where_they_are_of_no_use_they_are_not(direction: str, taken: str) -> None:
    assert added(LAYERED, direction, taken) == ([], {})


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("send l;m", ("l", "m")),
        ("recv x send l;m", ("l", "m")),
        ("send l,m;h", ("l", "h")),
        ("send ~l;h", ("l", "h")),
        ("send l;m;h;m", ("l", "m", "h")),
        ("send l", None),
        ("send l;unknown", None),
        ("recv l;m", None),
        ("send", None),
        ("", None),
    ],
)
def test_ways_to_offer_them(said: str, names: tuple[str, ...] | None) -> None:
    """Alternatives, pauses and both directions (RFC 8853 section 5.1); one is none."""
    _, agreed = added(LAYERED.replace("send l;m;h", said))
    assert agreed == ({} if names is None else {"v": Layering(names, 10, 11)})


def test_more_than_three_and_damaged_ones() -> None:
    """Each layer costs this side two sources; a name that no packet can have is left out."""
    many = "\n".join(f"a=rid:{n} send" for n in range(9)) + "\na=rid:no/name send"
    names = ";".join(["no/name", *map(str, range(9))])
    _, agreed = added(f"a=extmap:10 {RID}\n{many}\na=simulcast:send {names}")
    assert agreed == {"v": Layering(("0", "1", "2"), 10, None)}
    assert added(LAYERED.replace(f"a=extmap:10 {RID}\n", ""))[1] == {}, "nobody could tell them"
    bound = LAYERED.replace("a=rid:m send", "a=rid:m send max-width=640")
    assert added(bound)[1] == {"v": Layering(("l", "h"), 10, 11)}
