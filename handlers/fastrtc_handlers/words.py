"""Words and phrases in what a recogniser returns."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+(?:['’]\w+)*")


def words_of(text: str) -> list[str]:
    """The words of a text, without case and punctuation."""
    return [word.replace("’", "'") for word in _WORD.findall(text.casefold())]


def after_phrase(text: str, phrases: Sequence[str]) -> list[str] | None:
    """The words behind the first of some phrases, wherever it stands between other words.

    Returns:
        What is left of the text; `None` if no phrase is in it. Of phrases that begin at the same
        word, the longest counts.
    """
    words = words_of(text)
    wanted = sorted((words_of(phrase) for phrase in phrases), key=len, reverse=True)
    for start in range(len(words)):
        for phrase in wanted:
            if phrase and words[start : start + len(phrase)] == phrase:
                return words[start + len(phrase) :]
    return None
