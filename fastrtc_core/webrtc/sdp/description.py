"""A session description as lines that can be asked and edited (RFC 8866), section by section."""

from __future__ import annotations

import re
from collections.abc import Iterator

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
KINDS = ("audio", "video", "application")

_NUMBERED = re.compile(r"a=(?:rtpmap|fmtp):(\d{1,9}) (.*)")


class Section:
    """One `m=` section.

    Args:
        lines: Its lines, the `m=` line first; they are edited in place.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    @property
    def kind(self) -> str:
        """`audio`, `video` or `application`; another text for what is not known here."""
        return self.lines[0][2:].split(" ", 1)[0]

    @property
    def mid(self) -> str:
        """Its name (RFC 5888 section 4); empty if it has none."""
        return self.value("mid")

    @property
    def direction(self) -> str | None:
        """What it says of its direction itself (RFC 8866 section 6.7)."""
        return next((line[2:] for line in self.lines if line[2:] in DIRECTIONS), None)

    @property
    def live(self) -> bool:
        """Whether it can be accepted (RFC 3264 section 8.2; RFC 9143 section 6)."""
        bits = self.lines[0][2:].split(" ")
        if len(bits) < 4:
            return True  # it cannot be read, which is for the reader to say
        if bits[0] == "application" and "SCTP" not in bits[2]:
            return False  # it controls something else, such as who may speak (BFCP)
        return bits[0] in KINDS and (bits[1] != "0" or "a=bundle-only" in self.lines)

    def value(self, name: str) -> str:
        """The value of the first attribute of a name; empty if there is none."""
        return next(iter(self.values(name)), "")

    def values(self, name: str) -> list[str]:
        """The values of all attributes of a name."""
        start = f"a={name}:"
        return [line.removeprefix(start) for line in self.lines if line.startswith(start)]

    def extensions(self) -> dict[str, int]:
        """The ids of header extensions, by URI (RFC 8285 section 8)."""
        found: dict[str, int] = {}
        for value in self.values("extmap"):
            number, _, rest = value.partition(" ")
            number = number.partition("/")[0]
            if number.isdecimal() and len(number) < 4:
                found[rest.split(" ")[0]] = int(number)
        return found

    def codecs(self) -> dict[int, str]:
        """The codecs by payload type, in small letters: `opus/48000/2` (RFC 8866 section 6.6)."""
        return {number: codec.strip().lower() for number, codec in _numbered(self.values("rtpmap"))}

    def parameters(self) -> dict[int, str]:
        """The parameters of codecs by payload type (RFC 8866 section 6.15)."""
        return dict(_numbered(self.values("fmtp")))

    def set_parameters(self, number: int, parameters: str) -> None:
        """Have these be the parameters of a payload type, in place of all others."""
        lines: list[str] = []
        for line in self.lines:
            if _number_of(line) != number:
                lines.append(line)
            elif line.startswith("a=rtpmap:"):
                lines += [line, f"a=fmtp:{number} {parameters}"]
        self.lines[:] = lines

    def describe(self, codec: str, wish: str, *, add: bool = False) -> None:
        """Say how a codec is to be used, where nothing is said of it yet.

        Args:
            codec: Such as `opus/48000/2`.
            wish: Its parameters.
            add: Whether they are added to what is said already, once.
        """
        numbers = [number for number, name in self.codecs().items() if name == codec]
        described = self.parameters()
        lines: list[str] = []
        for line in self.lines:
            number = _number_of(line)
            if number not in numbers:
                lines.append(line)
            elif line.startswith("a=rtpmap:"):
                lines += [line] + [f"a=fmtp:{number} {wish}"] * (number not in described)
            else:
                said = not add or wish.split(";")[0] in re.split("[ ;]", line)
                lines.append(line if said else f"{line};{wish}")
        self.lines[:] = lines


class Description:
    """A whole description.

    Args:
        session: The lines before the first section.
        sections: The sections.
    """

    def __init__(self, session: list[str], sections: list[Section]) -> None:
        self.session = session
        self.sections = sections

    @classmethod
    def parse(cls, sdp: str) -> Description:
        """Take a text apart; any text can be. Empty lines are left out."""
        session: list[str] = []
        sections: list[Section] = []
        for line in sdp.splitlines():
            if line.startswith("m="):
                sections.append(Section([line]))
            elif line:
                (sections[-1].lines if sections else session).append(line)
        return cls(session, sections)

    def __str__(self) -> str:
        """The text, whose lines end as the standard says (RFC 8866 section 5)."""
        return "".join(f"{line}\r\n" for line in self.lines())

    def lines(self) -> Iterator[str]:
        """All lines."""
        yield from self.session
        for section in self.sections:
            yield from section.lines

    @property
    def mids(self) -> list[str]:
        """The names of all sections; empty where one has none."""
        return [section.mid for section in self.sections]

    @property
    def bundle(self) -> list[str]:
        """The mids of the first BUNDLE group; this server makes no second one (RFC 9143)."""
        groups = (line.split()[1:] for line in self.session if line.startswith("a=group:BUNDLE"))
        return next(groups, [])

    def ice_credentials(self) -> dict[str, tuple[str, str]]:
        """User name fragment and password of each live section by its mid (RFC 8839 section 5.4).

        Those of the first section of the BUNDLE group come first: for the whole of it, they count.
        """
        session = Section(self.session)
        names = "ice-ufrag", "ice-pwd"
        group = self.bundle
        found: dict[str, tuple[str, str]] = {}
        for section in sorted(self.sections, key=lambda section: section.mid not in group[:1]):
            if not section.live:
                continue
            ufrag, password = (section.value(name) or session.value(name) for name in names)
            if ufrag and password:
                found[section.mid] = ufrag, password
        return found

    def only(self, sections: list[Section]) -> Description:
        """A description of these sections alone, and a group of those of them that were in it."""
        mids = [section.mid for section in sections]
        group = [mid for mid in self.bundle if mid in mids]
        kept = [line for line in self.session if not line.startswith("a=group:BUNDLE")]
        return Description(kept + [f"a=group:BUNDLE {' '.join(group)}"] * bool(group), sections)

    def live(self) -> Description:
        """One without the sections that are rejected, or of an unknown kind."""
        return self.only([section for section in self.sections if section.live])


def _numbered(values: list[str]) -> Iterator[tuple[int, str]]:
    for value in values:
        number, space, rest = value.partition(" ")
        if space and number.isdecimal() and len(number) < 10:
            yield int(number), rest


def _number_of(line: str) -> int | None:
    match = _NUMBERED.match(line)
    return None if match is None else int(match[1])
