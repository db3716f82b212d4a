"""`Turn`: one answer of a realtime model, as something that `say` plays.

The model speaks faster than in real time, in items of its own. What it has said waits here, bounded
in seconds; how much of which item was heard follows from how much was heard of the whole.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from fastrtc_core import AudioFrame

from .events import RealtimeError

PIECE = 0.1
"""Longest piece in s that is handed on at once: so little is in the hands of others."""

CHARACTERS = 15.0
"""Characters that are spoken in one s, where it is not known how long a text lasts."""

_WORD = re.compile(r"\S+\s*")


class Item:
    """Part of what the model says.

    Attributes:
        id: By which it is truncated.
        start: After how much of the turn it begins, in s.
        length: Of its audio that came so far, in s, what was dropped included.
        kept: The same without what was dropped.
        text: Its words so far.
        done: Whether these are all.
    """

    def __init__(self, id: str, start: float) -> None:
        self.id = id
        self.start = start
        self.length = 0.0
        self.kept = 0.0
        self.text = ""
        self.done = False

    def heard(self, heard: float) -> float:
        """How much of it in s was heard, if so much of the turn was."""
        return min(max(0.0, heard - self.start), self.kept)

    def words(self, heard: float) -> str:
        """Its words up to there, as far as they can be told from their letters."""
        lasts = self.length if self.done else max(self.length, len(self.text) / CHARACTERS)
        part = self.heard(heard) / lasts if lasts else 0.0
        if part >= 0.999:
            return self.text.strip()
        end = 0
        for word in _WORD.finditer(self.text):
            # A word counts as heard if its middle was.
            middle = (word.start() + len(word[0].rstrip()) / 2) / max(1, len(self.text))
            if middle >= part:
                break
            end = word.end()
        return self.text[:end].strip()


class Turn:
    """What the model says and does until it is done.

    Args:
        number: Tells it apart.
        ahead: How much audio in s may wait; what comes then is dropped.
        patience: How long in s the model may be silent while it is waited for.
        audible: Whether anybody hears it; if not, its words alone are known.

    Attributes:
        items: What it says, in order.
        answers: Ids of the answers of which more may come.
        asked: How many answers were asked for that have not begun.
        calls: The tools that are running: by the id of the call, their names and tasks.
        results: How many results the model has got since it was asked last.
        rounds: How often it was asked.
        sounds: Whether anything of it was heard.
        cut: Whether it was interrupted, or failed: nothing more of it is heard.
        settled: Whether it is known how much was heard.
        dropped: How much audio in s was too far ahead.
    """

    def __init__(self, number: int, *, ahead: float, patience: float, audible: bool = True) -> None:
        self.number = number
        self.items: list[Item] = []
        self.answers: set[str] = set()
        self.asked = 0
        self.calls: dict[str, tuple[str, asyncio.Task[str]]] = {}
        self.results = 0
        self.rounds = 0
        self.sounds = False
        self.cut = False
        self.settled = False
        self.dropped = 0.0
        self._ahead = ahead
        self._patience = patience
        self._audible = audible
        self._pieces: deque[Any] = deque()
        self._waits = 0.0
        """Audio in s that waits."""
        self._ended = False
        self._problem: str = ""
        self._changed = asyncio.Event()

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self._ended or self.cut

    def has(self, id: str) -> bool:
        """Whether there is an item with this id."""
        return any(item.id == id for item in self.items)

    def item(self, id: str) -> Item:
        """The item with this id; a new one comes last."""
        for item in reversed(self.items):
            if item.id == id:
                return item
        self.items.append(item := Item(id, self.length))
        return item

    @property
    def length(self) -> float:
        """Of all that is heard of it unless it is interrupted, in s."""
        return self.items[-1].start + self.items[-1].kept if self.items else 0.0

    @property
    def text(self) -> str:
        """All that it says, as far as it is known."""
        return " ".join(item.text.strip() for item in self.items if item.text.strip())

    def words(self, heard: float) -> str:
        """The words of it that were heard, if so many s of it were; about."""
        return " ".join(filter(None, (item.words(heard) for item in self.items)))

    def sound(self, id: str, frame: AudioFrame) -> None:
        """More of an item."""
        item = self.item(id)
        item.length += frame.duration
        if not self._audible:
            return self.note()
        if item is not self.items[-1] or self._waits + frame.duration > self._ahead:
            self.dropped += frame.duration
            return
        item.kept += frame.duration
        size = round(PIECE * frame.sample_rate)
        for start in range(0, frame.samples_per_channel, size):
            piece = AudioFrame(frame.sample_rate, frame.data[:, start : start + size])
            self._waits += piece.duration
            self.put(piece)

    def put(self, piece: Any) -> None:
        """Something that is said, or handed out, after what waits already."""
        self._pieces.append(piece)
        self._changed.set()

    def note(self) -> None:
        """The model is alive: it has longer to go on."""
        self._changed.set()

    def end(self, problem: str = "") -> None:
        """Nothing more comes; a problem is reported when all was heard."""
        self._ended = True
        self._problem = self._problem or problem
        self._changed.set()

    def unheard(self, heard: float) -> list[tuple[str, int]]:
        """The items of which something was not heard, and how many ms were, if so many s were.

        Of one that is still being said, more may be known to the model than has come yet.
        """
        last = self.items[-1] if self.items and self.answers else None
        return [
            (item.id, int(1000 * item.heard(heard) + 1e-6))
            for item in self.items
            if item is last or item.length - item.heard(heard) > 0.001
        ]

    async def pieces(self) -> AsyncGenerator[Any]:
        """What is said, as it comes.

        Raises:
            RealtimeError: If the model fails, or is silent for too long.
        """
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                if isinstance(piece, AudioFrame):
                    self._waits -= piece.duration
                yield piece
            if self._ended:
                break
            self._changed.clear()
            # A tool has a patience of its own.
            patience = None if self.calls else self._patience
            try:
                async with asyncio.timeout(patience):
                    await self._changed.wait()
            except TimeoutError:
                problem = f"The model has not answered for {self._patience:g} s."
                raise RealtimeError(problem) from None
        if self._problem:
            raise RealtimeError(self._problem)
