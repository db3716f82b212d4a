"""What flows in a session: the offer held against modality and mode."""

from __future__ import annotations

import itertools

import pytest

from fastrtc_core import Modality, ModalityError, Mode
from fastrtc_core.webrtc.flows import negotiate
from fastrtc_core.webrtc.sdp.media import Direction, MediaSection
from fastrtc_core.webrtc.sdp.offers import Offer

MODALITIES: tuple[Modality, ...] = ("audio", "video", "audio-video")
MODES: tuple[Mode, ...] = ("send-receive", "send", "receive")
DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")


def offer(*sections: tuple[str, str] | str) -> Offer:
    """An offer of these kinds and directions; a kind alone is sendrecv."""
    media = tuple(
        MediaSection(section, "sendrecv") if isinstance(section, str) else MediaSection(*section)
        for section in sections
    )
    return Offer("", media)


@pytest.mark.parametrize("kind", ["audio", "video"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_medium_flows_where_both_sides_want_it(
    kind: Modality, mode: Mode, direction: Direction
) -> None:
    """The mode is the client's view: with `send` it sends, with `receive` it receives."""
    client_sends = direction in ("sendrecv", "sendonly") and mode in ("send-receive", "send")
    client_receives = direction in ("sendrecv", "recvonly") and mode in ("send-receive", "receive")
    asked = offer((kind, direction))
    if not client_sends and not client_receives:
        with pytest.raises(ModalityError, match=f"nothing would flow: with mode='{mode}'"):
            negotiate(asked, kind, mode)
        return
    flows = negotiate(asked, kind, mode)
    assert flows.receives == ({kind} if client_sends else set())
    assert flows.sends == ({kind} if client_receives else set())


@pytest.mark.parametrize(("modality", "mode"), list(itertools.product(MODALITIES, MODES)))
def test_a_data_channel_alone_is_a_session_of_messages(modality: Modality, mode: Mode) -> None:
    """Whatever the stream is made for, a client may come for its messages only."""
    assert negotiate(offer("application"), modality, mode) == (frozenset(), frozenset())


@pytest.mark.parametrize(("modality", "brought"), [("audio", "video"), ("video", "audio")])
def test_an_offer_of_media_that_the_stream_has_not_is_refused(
    modality: Modality, brought: str
) -> None:
    """The error names what the stream is and what the offer brings."""
    unwanted = "audio" if modality == "video" else "video"
    with pytest.raises(ModalityError, match=f"stream of {modality}; the offer brings {unwanted}"):
        negotiate(offer(*brought.split("-"), "application"), modality, "send-receive")


def test_a_medium_that_the_stream_has_not_is_left_out() -> None:
    """The rest of the offer runs (RFC 3264 section 6: the answer rejects that section)."""
    flows = negotiate(offer("video", "audio", "application"), "audio", "send-receive")
    assert flows.receives == flows.sends == {"audio"}


def test_of_sections_of_a_medium_that_which_serves_most_is_used() -> None:
    """A session has one track of each medium in each direction."""
    flows = negotiate(
        offer(("video", "inactive"), ("video", "recvonly"), "video", "video"),
        "audio-video",
        "send-receive",
    )
    assert flows.receives == flows.sends == {"video"}
    flows = negotiate(offer(("audio", "recvonly"), ("audio", "sendonly")), "audio", "send")
    assert (set(flows.receives), set(flows.sends)) == ({"audio"}, set())


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_stream_of_both_serves_a_client_with_one(kind: str) -> None:
    """A client without a camera, or without a microphone, is welcome."""
    flows = negotiate(offer(kind, "application"), "audio-video", "send-receive")
    assert flows.receives == flows.sends == {kind}


def test_both_media_may_flow_in_different_directions() -> None:
    """Each section counts by itself; one that is inactive is only left out."""
    flows = negotiate(
        offer(("audio", "sendonly"), ("video", "recvonly")), "audio-video", "send-receive"
    )
    assert (set(flows.receives), set(flows.sends)) == ({"audio"}, {"video"})
    flows = negotiate(offer("audio", ("video", "inactive")), "audio-video", "send-receive")
    assert (set(flows.receives), set(flows.sends)) == ({"audio"}, {"audio"})


def test_nothing_that_flows_is_refused_beside_a_data_channel_too() -> None:
    """A client that offers media in the wrong direction has made a mistake and is told."""
    with pytest.raises(ModalityError, match="the client must send media"):
        negotiate(offer(("audio", "recvonly"), "application"), "audio", "send")
    with pytest.raises(ModalityError, match="the client must receive media"):
        negotiate(offer(("audio", "sendonly"), "application"), "audio", "receive")
