"""One camera in several sizes at once, as it is negotiated (RFC 8853, RFC 8851).

Which packet is of which size stands in a header extension, until the sender knows that its sources
are known (RFC 8852).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from .description import Description, Section

RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"

MAX_LAYERS = 3
"""Layers that are taken of one camera: with what is sent again, each has two sources."""

_NAME = re.compile("[A-Za-z0-9]{1,16}")
"""Of a layer (RFC 8852 section 3.3); longer ones do not fit into every header extension."""


class Layering(NamedTuple):
    """The layers of one section.

    Attributes:
        names: Their `rid`s.
        rid: The id of the header extension that names the layer of a packet.
        repaired: That of one which names it in a packet that is sent again; `None` without.
    """

    names: tuple[str, ...]
    rid: int
    repaired: int | None


def answer_simulcast(
    answer: Description, offer: Description, taken: Collection[str]
) -> dict[str, Layering]:
    """Accept several layers where they are offered.

    Args:
        answer: Of this side, complete otherwise; its lines are added to.
        offer: What it answers.
        taken: The mids of the sections of which several are of use. Of others the other side sends
            the first one alone.

    Returns:
        What was agreed, by mid.
    """
    offered = {section.mid: section for section in offer.sections}
    agreed: dict[str, Layering] = {}
    for section in answer.sections:
        theirs = offered.get(section.mid)
        if theirs is None or section.mid not in taken:
            continue
        if section.direction not in ("sendrecv", "recvonly"):
            continue
        names, extensions = _names(theirs), theirs.extensions()
        if len(names) < 2 or RID not in extensions:
            continue
        section.lines += [f"a=rid:{name} recv" for name in names]
        section.lines.append(f"a=simulcast:recv {';'.join(names)}")
        section.lines += [f"a=extmap:{extensions[u]} {u}" for u in _URIS if u in extensions]
        agreed[section.mid] = Layering(names, extensions[RID], extensions.get(REPAIRED_RID))
    return agreed


_URIS = (RID, REPAIRED_RID)


def _names(section: Section) -> tuple[str, ...]:
    """The layers that the other side offers to send, the first of each choice (RFC 8853 §5.1)."""
    # Those that are bound to some codecs or sizes are not taken.
    described = {name for name, _, rest in map(_parted, section.values("rid")) if rest == "send"}
    words = section.value("simulcast").split()
    sent = dict(zip(words[::2], words[1::2], strict=False)).get("send", "")
    names = (choice.split(",")[0].removeprefix("~") for choice in sent.split(";"))
    known = [name for name in names if name in described and _NAME.fullmatch(name)]
    return tuple(dict.fromkeys(known))[:MAX_LAYERS]


def _parted(value: str) -> tuple[str, str, str]:
    return value.strip().partition(" ")
