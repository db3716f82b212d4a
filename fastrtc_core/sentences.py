"""Sentences out of a text that arrives in pieces, such as the tokens of a language model.

Speech can begin with the first sentence while the rest is still being written. What is pushed
comes out again in order: joined, the sentences are the text, but for the white space between them.
"""

from __future__ import annotations

import re

MAX_LENGTH = 300
"""Characters after which a text without an end is cut, at a space if there is one."""

_ENDS = ".!?…"
_WIDE_ENDS = "。！？"
"""Of scripts that put no space after a sentence."""

_CLOSERS = "\"'”’»)]"
# "No" is left out: it is an answer more often than a number.
_ABBREVIATIONS = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "etc", "e.g", "i.e", "fig", "approx")
)
_LINE = re.compile(r"\n\s*")
_END = re.compile(rf"[{_ENDS}]+[{re.escape(_CLOSERS)}]*\s|[{_WIDE_ENDS}]+")


class Sentences:
    """Cuts a text into what can be spoken by itself.

    A full stop ends a sentence when white space follows, and when it does not belong to an
    abbreviation or an initial; so "3.5" and "e.g. this" stay whole. So does a line break.
    """

    def __init__(self) -> None:
        self._rest = ""

    def push(self, text: str) -> list[str]:
        """Add text; returns the sentences that it completes, without white space around them."""
        self._rest += text
        sentences = []
        while (end := self._end()) is not None:
            sentences.append(self._rest[:end].strip())
            self._rest = self._rest[end:]
        return [sentence for sentence in sentences if sentence]

    def flush(self) -> list[str]:
        """What is left, as a sentence."""
        rest, self._rest = self._rest.strip(), ""
        return [rest] if rest else []

    def _end(self) -> int | None:
        """Where the first sentence ends, if it is known to."""
        text = self._rest
        line = _LINE.search(text, len(text) - len(text.lstrip()))
        for match in _END.finditer(text, 0, MAX_LENGTH):
            if line is not None and line.start() < match.start():
                break
            if not _is_abbreviation(text[: match.start()], match[0]):
                return match.end()
        if line is not None and line.start() <= MAX_LENGTH:
            return line.end()
        if len(text) <= MAX_LENGTH:
            return None
        space = text.rfind(" ", 1, MAX_LENGTH)
        return MAX_LENGTH if space < 0 or not text[:space].strip() else space


def _is_abbreviation(before: str, end: str) -> bool:
    """Whether a full stop belongs to the word before it."""
    if end.strip() != ".":
        return False
    word = before.rsplit(maxsplit=1)[-1] if before.split() else ""
    word = word.lstrip("(\"'“‘«")
    return word.lower() in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "I")
