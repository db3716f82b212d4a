"""How large pictures are sent, and how many of them, by the bit rate that there is.

An encoder makes pictures coarser first. Where even that does not do, a camera gets smaller pictures
and keeps their rate, so that it moves; a screen gets fewer and keeps their size, so that it can be
read. Times are arguments.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple

Content = Literal["camera", "screen"]

BITS_PER_PIXEL = 0.02
"""With fewer than this in each picture, an encoder that needs all its bits makes blocks."""

MARGIN = 1.3
"""How much more than that there is to be before it goes up again."""

FULL, EASY = 0.8, 0.4
"""Shares of the bit rate that the encoder uses: it needs all, and it could do with larger ones."""

STARVED, OVERRUN, OVERRUN_TIME = 0.15, 1.2, 2.0
"""The encoder leaves out such a share of the pictures, or makes so much more than it should for so
many s: these pictures are too hard for it, however coarse it makes them."""

HELD = 0.3
"""The share of the time for which pictures are held back: the line is full of those before."""

FAR = 2.0
"""By how much more than that it is to be two steps at once."""

SETTLED = 2.0
"""For how long in s a new encoder pays for its keyframe with pictures that it leaves out."""

REMEMBER = 30.0
"""For how long in s it is remembered at which bit rate a step was too hard."""

SOON, LATE = 1.0, 6.0
"""Time in s from one step to the next one down, and to one up."""

SMALLEST = 90
"""Pixels of the shorter side that pictures have at least, if they have as many."""

BLOCKED = 0.005
"""Time in s: a picture that was held up for longer says nothing of how many there are."""

WINDOW = 1.0
"""Over how many s it is measured what the encoder makes."""

USUAL_RATE = 30.0


class Step(NamedTuple):
    """How pictures are sent.

    Attributes:
        scale: Of width and height.
        rate: The share of the pictures that is sent.
    """

    scale: float
    rate: float


STEPS: dict[Content, tuple[Step, ...]] = {
    "camera": (
        Step(1, 1),
        Step(3 / 4, 1),
        Step(1 / 2, 1),
        Step(3 / 8, 1),
        Step(1 / 4, 1),
        Step(1 / 4, 1 / 2),
    ),
    "screen": (Step(1, 1), Step(1, 2 / 3), Step(1, 1 / 2), Step(1, 1 / 3), Step(1, 1 / 6)),
}


class PictureLadder:
    """Goes down where the bit rate does not do, and up again.

    Args:
        content: What is to be kept.
        frame_rate: Pictures a second at most; `None` for as many as come.
        scale_down_by: How much smaller width and height always are, 1 or more.
        max_size: Width and height that pictures fit into, `None` for any; they keep their shape.

    Attributes:
        step: Where it is.
    """

    def __init__(
        self,
        content: Content = "camera",
        frame_rate: float | None = None,
        scale_down_by: float = 1.0,
        max_size: tuple[int, int] | None = None,
    ) -> None:
        self._steps = STEPS[content]
        self._place = 0
        self._cap = frame_rate
        self._scale = 1 / scale_down_by
        self._max_size = max_size
        self._changed: float | None = None
        self._due = 0.0
        self._came: float | None = None
        self._interval = 1 / USUAL_RATE
        """Between two pictures as they come, smoothed, in s."""
        self._made: deque[tuple[float, int, float, float]] = deque()
        """When each picture of the last while was encoded, its bits, those that it should have had,
        and how long it was held back."""
        self._bits = self._left_out = 0
        self._budget = self._held = 0.0
        self._over_since: float | None = None
        self._restarted = 0.0
        self._failed: dict[int, tuple[float, float]] = {}
        """When a step was too hard, by its place, and at which bit rate."""

    @property
    def step(self) -> Step:
        """How pictures are sent now."""
        return self._steps[self._place]

    @property
    def interval(self) -> float:
        """From one picture that is sent to the next, in s, where nothing holds them up."""
        return 1 / min(self._rate(self._place), 1 / self._interval)

    def takes(self, time: float, blocked: float = 0.0) -> bool:
        """Whether a picture is sent; it is asked of each.

        Args:
            time: When it comes, in s.
            blocked: For how long in s none could come, since those before were being sent.
        """
        if self._came is not None and blocked < BLOCKED:
            gap = min(max(time - self._came, 1 / 120), 1.0)
            self._interval += 0.1 * (gap - self._interval)
        self._came = time
        rate = self._rate(self._place)
        if rate >= 0.99 / self._interval:
            self._due = time
            return True
        # A quarter of an interval of tolerance, since pictures come unevenly.
        if time < self._due - 0.25 / rate:
            return False
        self._due = max(self._due + 1 / rate, time)
        return True

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The size at which a picture of a size is sent: even, and 2 at least."""
        scale = self._whole(width, height) * self.step.scale
        return _even(width * scale), _even(height * scale)

    def restart(self, time: float) -> None:
        """A new encoder begins with a picture of this time, in s."""
        self._restarted = time

    def note(self, bits: int, bit_rate: float, time: float, held: float = 0.0) -> None:
        """The encoder has taken a picture.

        Args:
            bits: What it has made of it; none, where it left it out.
            bit_rate: That the encoder keeps, in bit/s.
            time: Of the picture, in s.
            held: For how long in s it was held back.
        """
        budget = bit_rate * self.interval
        made = self._made
        made.append((time, bits, budget, held))
        self._bits += bits
        self._budget += budget
        self._held += held
        self._left_out += not bits
        while made[0][0] <= time - WINDOW:
            _, bits, budget, held = made.popleft()
            self._bits -= bits
            self._budget -= budget
            self._held -= held
            self._left_out -= not bits

    def look(self, width: int, height: int, bit_rate: float, time: float) -> bool:
        """Go up or down if it is time; whether it has.

        Args:
            width: Of the picture that comes next, as it comes.
            height: The same.
            bit_rate: That there is, in bit/s.
            time: Its time in s.
        """
        if self._changed is None:
            self._changed = time
        since = time - self._changed
        used = self._bits / max(self._budget, 1.0)
        place = self._place
        if used <= OVERRUN:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = time
        over = self._over_since is not None and time - self._over_since >= OVERRUN_TIME
        if since < SOON:
            return False
        lack = max(
            self._left_out / (STARVED * max(1, len(self._made))), self._held / (HELD * WINDOW)
        )
        if over or (lack > 1 and time - self._restarted >= SETTLED):
            for _ in range(2 if lack > FAR else 1):
                self._failed[place] = time, bit_rate
                place += self._allows(width, height, place + 1)
        elif used >= FULL and bit_rate < self._need(width, height, place):
            while bit_rate < self._need(width, height, place) and self._allows(
                width, height, place + 1
            ):
                place += 1
        elif place and since >= LATE:
            enough = bit_rate >= MARGIN * self._need(width, height, place - 1)
            place -= (enough or used < EASY) and self._may_try(place - 1, bit_rate, time)
        if place == self._place:
            return False
        self._place, self._changed, self._over_since = place, time, None
        return True

    def _may_try(self, place: int, bit_rate: float, time: float) -> bool:
        """Whether a step was not too hard at such a bit rate, a moment ago."""
        when, failed = self._failed.get(place, (0.0, 0.0))
        return bit_rate >= MARGIN**2 * failed or time - when > REMEMBER

    def _need(self, width: int, height: int, place: int) -> float:
        """The bit rate that a step needs."""
        scale = self._whole(width, height) * self._steps[place].scale
        rate = min(self._rate(place), 1 / self._interval)
        return BITS_PER_PIXEL * width * height * scale**2 * rate

    def _rate(self, place: int) -> float:
        """Pictures a second of a step."""
        whole = 1 / self._interval
        if self._cap is not None:
            whole = min(whole, self._cap)
        return whole * self._steps[place].rate

    def _whole(self, width: int, height: int) -> float:
        """The scale of the first step."""
        scale = self._scale
        if self._max_size is not None:
            scale = min(scale, self._max_size[0] / width, self._max_size[1] / height)
        return scale

    def _allows(self, width: int, height: int, place: int) -> bool:
        """Whether there is such a step, and pictures are not too small to be made smaller by it."""
        if place == len(self._steps):
            return False
        step = self._steps[place]
        shorter = min(width, height) * self._whole(width, height)
        return step.scale == self._steps[place - 1].scale or shorter * step.scale >= SMALLEST


def _even(length: float) -> int:
    return max(2, int(length + 1e-6) & ~1)
