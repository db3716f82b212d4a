"""`LocalUplink`: what a model gets of the user where it does not listen for turns itself."""

from __future__ import annotations

from collections import deque

from fastrtc_core import AudioFrame

from .upstream import Upstream

DETECTION = 0.5
"""How long in s a detector of speech takes at most, beside the time that is kept before speech."""

BESIDE = 15.0
"""Audio in s that is kept of somebody who speaks beside an answer, until it interrupts."""


class LocalUplink:
    """Sends the turns of the user, each from its beginning on, while it is being spoken.

    It is used on the event loop alone.

    Args:
        upstream: Where they go.
        pre_roll: How much in s of the time before its first sound belongs to a turn.
    """

    def __init__(self, upstream: Upstream, pre_roll: float) -> None:
        self._upstream = upstream
        self._kept = pre_roll + DETECTION
        self._frames: deque[AudioFrame] = deque()
        self._length = 0.0
        self._in_turn = False
        self._open = False
        """Whether a turn is being sent."""

    def hear(self, frame: AudioFrame) -> None:
        """The next frame of the user."""
        if self._open:
            self._upstream.hear(frame)
            return
        self._frames.append(frame)
        self._length += frame.duration
        self._forget(BESIDE if self._in_turn else self._kept)

    def follow(self, in_turn: bool, has_floor: bool) -> None:
        """What the frame was: part of what may be a turn, and whether it surely is one."""
        if not in_turn and self._open:
            self.drop()
        self._in_turn = in_turn
        if has_floor and not self._open:
            self._open = True
            self._upstream.send(self._upstream.dialect.begin_turn())
            for frame in self._frames:
                self._upstream.hear(frame)
            self._forget(0.0)

    def drop(self) -> None:
        """What was heard so far is no turn, or is to be forgotten."""
        self._forget(0.0)
        if self._open:
            self._open = False
            self._upstream.send(self._upstream.dialect.drop_turn())

    def begin_again(self) -> None:
        """Another connection knows nothing of the turn that is being sent: it begins there."""
        if self._open:
            self._upstream.send_first(self._upstream.dialect.begin_turn())

    def end(self) -> bool:
        """The turn is over; returns whether anything of it was sent."""
        was_open, self._open = self._open, False
        self._forget(0.0)
        return was_open

    def _forget(self, kept: float) -> None:
        while self._frames and self._length > kept:
            self._length -= self._frames.popleft().duration
