"""What the agent takes as heard, beside what was: word by word."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from fastrtc_core import Playback

from .turns import Spoken


def compare(playbacks: Sequence[Playback], heard: Sequence[str]) -> list[Spoken]:
    """Find out how many words of each speech are wrong: in the ledger and not heard, or missing.

    Args:
        playbacks: What became of each speech, in the order in which they were said.
        heard: The words that arrived, all of them.
    """
    noted = [
        (number, word)
        for number, playback in enumerate(playbacks)
        for word in playback.text.split()
        if any(map(str.isalnum, word))  # marks are not said
    ]
    owners = [number for number, _ in noted]
    wrong = [0] * len(playbacks)
    texts: list[list[str]] = [[] for _ in playbacks]
    matcher = difflib.SequenceMatcher(None, [word for _, word in noted], heard, autojunk=False)
    for kind, start, end, first, last in matcher.get_opcodes():
        # What is heard beyond the words of a speech is the rest of its last one.
        owner = owners[max(0, start - 1)] if owners else len(playbacks) - 1
        if kind == "equal":
            for place, word in zip(range(start, end), heard[first:last], strict=True):
                texts[owners[place]].append(word)
            continue
        for place in range(start, end):
            wrong[owners[place]] += 1
        more = (last - first) - (end - start)
        if more > 0 and playbacks:
            wrong[owner] += more
    return [
        Spoken(playback, " ".join(words), count)
        for playback, words, count in zip(playbacks, texts, wrong, strict=True)
    ]
