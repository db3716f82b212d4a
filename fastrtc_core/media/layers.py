"""Simulcast: one camera in several sizes at once, and which of them a line takes.

Nothing here knows a clock or a socket; every call is told the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

WINDOW, MIN_SPAN = 1.0, 0.5
"""In s: bit rates are those of the last one to two windows, so that a keyframe weighs little. Of
one that has just begun they are those since then, over no less than this."""

STOPPED, STOPPED_PICTURES = 0.5, 8
"""For how long in s a layer has sent nothing, and how many pictures others have meanwhile, when it
counts no longer: a browser whose line is narrow sends the upper ones no more."""

ROOM = 1.15
"""How much more than a layer takes a line must carry before that is chosen."""

FAR_TOO_MUCH = 1.5
"""With a layer that takes so much more than the line carries, nothing is waited for."""

DOWN_AFTER = 0.7
"""For how long in s a layer may take more than the line carries."""

FIRST_UP_AFTER, UP_AFTER, MAX_UP_AFTER = 0.2, 1.0, 30.0
"""For how long in s a line must carry a larger layer before it is chosen: until one was too large;
afterwards; and at most."""

BLIND_UP_AFTER = 10.0
"""The same for a line of which only is known what was too much."""

SOON = 10.0
"""A layer that was too large within so many s was chosen too early: the time doubles."""


class Layer(NamedTuple):
    """One size of a camera.

    Attributes:
        name: Its `rid` (RFC 8851).
        bit_rate: What it takes, in bit/s.
    """

    name: str
    bit_rate: float


class Layers:
    """Measures the layers of one camera."""

    def __init__(self) -> None:
        self._meters: dict[str, _Meter] = {}
        self._latest = -math.inf
        self._pictures = 0

    def note(self, name: str, size: int, area: int, now: float) -> None:
        """A picture has come.

        Args:
            name: Of its layer.
            size: Its bytes.
            area: Its width times its height, if it tells that; else 0.
            now: The time in s.
        """
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters[name] = _Meter(now)
        meter.note(size, area, now)
        self._latest = now
        self._pictures += 1
        meter.place = self._pictures

    def ranked(self, now: float) -> list[Layer]:
        """The layers that are sent now, the smallest first."""
        sent = [
            (meter.area, Layer(name, meter.bit_rate(now)))
            for name, meter in self._meters.items()
            if self._latest - meter.latest < STOPPED
            or self._pictures - meter.place < STOPPED_PICTURES
        ]
        sent.sort(key=lambda one: (one[0], one[1].bit_rate))
        return [layer for _, layer in sent]


class _Meter:
    """The pictures of one layer."""

    def __init__(self, now: float) -> None:
        self.area = 0
        self.latest = now
        self.place = 0
        """Of the latest picture among those of all layers."""
        self._since = now
        self._bytes = self._before = 0
        self._behind = 0.0
        """For how long in s `_before` was counted."""

    def note(self, size: int, area: int, now: float) -> None:
        self._turn(now)
        self._bytes += size
        self.area = area or self.area
        self.latest = now

    def bit_rate(self, now: float) -> float:
        self._turn(now)
        span = self._behind + now - self._since
        return 8 * (self._before + self._bytes) / max(span, MIN_SPAN)

    def _turn(self, now: float) -> None:
        if now - self._since >= WINDOW:
            old = now - self._since >= 2 * WINDOW
            self._before, self._behind = (0, 0.0) if old else (self._bytes, WINDOW)
            self._bytes = 0
            self._since = now if old else self._since + WINDOW


class LayerChoice:
    """Chooses for one viewer: the largest layer that its line takes, and not another all the time.

    It goes down soon, and as far as it must; up a layer at a time, later each time that this was
    too early.

    Attributes:
        chosen: The name of the layer; `None` before the first choice.
        wanted: What the line would have to carry for the next larger layer, or for this one to be
            safe if there is none, in bit/s.
    """

    def __init__(self) -> None:
        self.chosen: str | None = None
        self.wanted = 0.0
        self._up_after = FIRST_UP_AFTER
        self._overflowed = False
        self._over_since: float | None = None
        self._room_since: float | None = None
        self._rose = -math.inf

    def note_overflow(self) -> None:
        """Pictures were dropped, for they could not be sent in time."""
        self._overflowed = True

    def choose(self, layers: Sequence[Layer], carries: float | None, now: float) -> str:
        """Look anew.

        Args:
            layers: What is sent, the smallest first; at least one.
            carries: What the line carries, in bit/s; `None` if nobody knows.
            now: The time in s.

        Returns:
            The name of the layer to be seen.
        """
        names = [layer.name for layer in layers]
        limit = math.inf if carries is None else carries
        if self.chosen not in names:  # the first choice, or it is sent no longer
            place = _largest(layers, limit)
            self._over_since = self._room_since = None
        else:
            before = names.index(self.chosen)
            place = self._down(before, layers, limit, now)
            if place == before:
                place = self._up(before, layers, limit, now)
        self._overflowed = False
        self.chosen = names[place]
        above = min(place + 1, len(layers) - 1)
        self.wanted = layers[above].bit_rate * ROOM
        return self.chosen

    def _down(self, place: int, layers: Sequence[Layer], limit: float, now: float) -> int:
        takes = layers[place].bit_rate
        if takes <= limit:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = now
        over = self._over_since is not None and now - self._over_since >= DOWN_AFTER
        if not place or not (over or takes > FAR_TOO_MUCH * limit or self._overflowed):
            return place
        early = now - self._rose < SOON
        least = UP_AFTER if limit < math.inf else BLIND_UP_AFTER
        self._up_after = min(max(least, self._up_after * (1 + early)), MAX_UP_AFTER)
        self._over_since = self._room_since = None
        return min(place - 1, _largest(layers, limit))

    def _up(self, place: int, layers: Sequence[Layer], limit: float, now: float) -> int:
        if now - self._rose >= MAX_UP_AFTER:  # it was right
            self._up_after = min(self._up_after, UP_AFTER if limit < math.inf else BLIND_UP_AFTER)
        if place + 1 == len(layers) or layers[place + 1].bit_rate * ROOM > limit:
            self._room_since = None
            return place
        if self._room_since is None:
            self._room_since = now
        if now - self._room_since < self._up_after:
            return place
        self._room_since = None
        self._rose = now
        return place + 1


def _largest(layers: Sequence[Layer], limit: float) -> int:
    """The place of the largest layer that takes no more than this; 0 if each takes more."""
    return max((place for place, layer in enumerate(layers) if layer.bit_rate <= limit), default=0)
