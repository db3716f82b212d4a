"""What a client that was sent audio cannot have played yet, without I/O."""

from __future__ import annotations


class Unplayed:
    """How much of what was sent a client still holds, and can be told to discard.

    No protocol tells of each sample when it is played. But clients play in real time, and not
    before it has come: what left ahead of time waits there. So this is the least that they hold;
    with a buffer of their own they hold more. What delays the audio delays the word to discard it
    as well, so the network matters only as far as it changes in between. All times and lengths are
    in s.
    """

    def __init__(self) -> None:
        self._until = 0.0
        """When what has left will have been played."""
        self._leaving = 0.0
        """What waits for the socket."""
        self._since = 0.0
        """What was sent since something was last taken back."""
        self._taken = 0.0
        """How much was taken back since something was last sent."""

    def leave(self, length: float) -> None:
        """Audio is handed to the socket."""
        self._leaving += length
        self._since += length
        self._taken = 0.0

    def left(self, now: float) -> None:
        """What was handed to the socket is on its way."""
        self._until = max(self._until, now) + self._leaving
        self._leaving = 0.0

    def length(self, now: float) -> float:
        """What it holds."""
        return max(0.0, self._until - now) + self._leaving

    def take_back(self, now: float) -> float:
        """The client is told to discard what it holds; returns how much that is."""
        length = self.length(now)
        self._until, self._leaving = min(self._until, now), 0.0
        return self._note(length)

    def correct(self, length: float) -> float:
        """The client tells that it has not played so much of what was sent last.

        Returns:
            By how much that is more than was taken back.
        """
        more = min(length, self._since) if self._since else max(0.0, length - self._taken)
        return self._note(more)

    def _note(self, length: float) -> float:
        self._taken += length
        self._since = 0.0
        return length
