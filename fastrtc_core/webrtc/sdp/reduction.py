"""An offer as aiortc is shown it, and its answer as the client gets it (RFC 3264, 8829, 9143).

aiortc answers every section that it is shown, in a BUNDLE group of its own, and knows one protocol
and two profiles of H.264. So it is shown the sections that are used, put in the words that it
knows; the rest is rejected in the text of its answer, and what was offered is echoed there.
"""

from __future__ import annotations

from collections.abc import Collection

from . import h264
from .description import Description, Section
from .offers import NAMELESS


class Reduction:
    """One offer, and the answer to it.

    Args:
        offer: The offer, normalised.
        keep: The mids of the sections that are used.
        forwarded: Whether pictures of others are handed on as they came.

    Attributes:
        sdp: What aiortc is shown.
        mids: The sections in it, in their order.
        h264: The parameters of H.264 to answer in place of aiortc's, by mid and payload type.
    """

    def __init__(
        self, offer: Description, keep: Collection[str], *, forwarded: bool = False
    ) -> None:
        self._offer = offer
        kept = [section for section in offer.sections if section.live and section.mid in keep]
        self.mids = [section.mid for section in kept]
        self.h264: dict[str, dict[int, str]] = {}
        shown: list[Section] = []
        for mid, section in zip(self.mids, kept, strict=True):
            section, self.h264[mid] = h264.in_known_words(section, single=not forwarded)
            shown.append(section)
        self.sdp = str(offer.only(shown))

    def complete(self, answer: Description) -> Description:
        """The answer to the whole offer.

        Args:
            answer: That of aiortc, to what it was shown.
        """
        by_mid = {section.mid: section for section in answer.sections}
        sections: list[Section] = []
        accepted: set[str] = set()
        for offered in self._offer.sections:
            section = by_mid.get(offered.mid) if offered.mid in self.mids else None
            if section is None:
                sections.append(_rejected(offered))
            else:
                accepted.add(offered.mid)
                sections.append(_echoing(section, offered))
        group = [mid for mid in self._offer.bundle if mid in accepted]
        session = [line for line in answer.session if not line.startswith("a=group:")]
        if group:
            session.append(f"a=group:BUNDLE {' '.join(group)}")
        return Description(session, sections)


def _rejected(offered: Section) -> Section:
    """The answer to a section that is not used (RFC 3264 section 6; RFC 8829 section 5.3.1)."""
    kind, _, rest = offered.lines[0][2:].split(" ", 2)
    lines = [f"m={kind} 0 {rest}", "c=IN IP4 0.0.0.0"]
    lines += [f"a=mid:{mid}" for mid in offered.values("mid") if not mid.startswith(NAMELESS)]
    return Section([*lines, *(["a=inactive"] if kind in ("audio", "video") else [])])


def _echoing(section: Section, offered: Section) -> Section:
    """An accepted section in the protocol of the offer, and without a mid that it had not."""
    kind, port, _, formats = section.lines[0][2:].split(" ", 3)
    protocol = offered.lines[0].split(" ")[2]
    named = [line for line in section.lines[1:] if not line.startswith(f"a=mid:{NAMELESS}")]
    return Section([f"m={kind} {port} {protocol} {formats}", *named])
