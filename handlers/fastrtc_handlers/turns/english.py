"""Whether an English sentence is complete, by rules."""

from __future__ import annotations

from ..words import words_of

UNKNOWN = 0.5

_COMPLETE, _PERHAPS, _INCOMPLETE = 0.95, 0.9, 0.05

_PREPOSITIONS = frozenset(
    """at between during for from into like of onto than to toward towards until via with
    without""".split()  # noqa: SIM905
)
_DANGLING = frozenset(
    """uh uhm um er erm hmm
    a an the my your its our their every
    and or but because if although unless whereas nor
    i we they i'm i'd i'll i've we're we'll they're gonna wanna""".split()  # noqa: SIM905
)
"""Hesitations, and words that want another one after them."""
_ASKING = frozenset(["what", "who", "whom", "which", "where", "how", "whose"])
"""With one of these a sentence may end in a preposition: "What is it for"."""


def completeness(text: str) -> float:
    """How likely an English sentence is complete, 0 to 1; 0.5 where nothing says.

    A word that wants another after it ("the", "because", "of", "um") makes it incomplete,
    whatever the punctuation: recognisers put a full stop behind everything. Otherwise the
    punctuation says, where there is any.
    """
    text = text.strip().rstrip("\"'”’)")
    words = words_of(text)
    if not words:
        return UNKNOWN
    asked = text.endswith("?")
    if not asked and _dangles(words):
        return _INCOMPLETE
    if text.endswith(("...", "…", ",", ";", ":", "-", "–", "—")):
        return _INCOMPLETE
    if asked or text.endswith("!"):
        return _COMPLETE
    if text.endswith("."):
        return _PERHAPS
    return UNKNOWN


def _dangles(words: list[str]) -> bool:
    last = words[-1]
    if last in _PREPOSITIONS:
        return _ASKING.isdisjoint(words[:-1])
    return last in _DANGLING
