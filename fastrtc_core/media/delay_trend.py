"""Whether packets take longer and longer: what a line does that is sent more than it carries.

After draft-ietf-rmcat-gcc-02 section 5, with the filter that libwebrtc came to later: a straight
line through the last delays in place of a Kalman filter. Times are arguments.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

GROUP = 0.005
"""Packets that are sent within so many s are one group (section 5.2); a burst that waited and
arrives at once is one, too."""

LONGEST_GROUP = 0.1
"""Time in s over which a group may arrive."""

WINDOW = 20
"""Groups through whose delays the line is laid."""

SMOOTHING = 0.9
GAIN = 4.0
MAX_DELTAS = 60
"""How the slope becomes an offset in ms, to be compared with the threshold."""

THRESHOLD, LEAST, MOST = 12.5, 6.0, 600.0
"""The threshold in ms to begin with, and its bounds."""

UP, DOWN = 0.0087, 0.039
"""How fast the threshold goes up and down, in 1 / ms (section 5.4)."""

SPIKE = 15.0
"""An offset further above the threshold, in ms, does not move it."""

SUSTAINED = 0.010
"""For how long in s there is more than the threshold, before the line is taken for overused."""

GAP = 3.0
"""Time in s by which the clock of the other side may jump, before all is begun anew."""


class Usage(Enum):
    """How a line is used."""

    NORMAL = "normal"
    OVER = "over"
    UNDER = "under"


class DelayTrend:
    """Follows the delay from group to group, and says whether it grows.

    Attributes:
        usage: How the line is used, by the latest group.
    """

    def __init__(self) -> None:
        self.usage = Usage.NORMAL
        self._group: _Group | None = None
        self._before: _Group | None = None
        self._begin()

    def _begin(self) -> None:
        self._deltas = 0
        self._total = self._smooth = 0.0
        self._first: float | None = None
        self._points: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._trend = self._last_trend = 0.0
        self._threshold = THRESHOLD
        self._updated: float | None = None
        self._over_for: float | None = None
        self._times_over = 0

    def add(self, sent: float, arrived: float) -> None:
        """Take a packet that came.

        Args:
            sent: When it was sent, in s.
            arrived: When it came, in s on a clock with any beginning.
        """
        group = self._group
        if group is None:
            self._group = _Group(sent, arrived)
        elif sent < group.first_sent:
            return  # it was overtaken
        elif group.holds(sent, arrived):
            group.last_sent = max(group.last_sent, sent)
            group.arrived = max(group.arrived, arrived)
        else:
            if self._before is not None:
                self._compare(self._before, group)
            self._before, self._group = group, _Group(sent, arrived)

    def _compare(self, before: _Group, group: _Group) -> None:
        sent = group.last_sent - before.last_sent
        arrived = group.arrived - before.arrived
        if abs(arrived - sent) > GAP:
            self._begin()
            self.usage = Usage.NORMAL
            return
        if arrived < 0:
            return
        self._deltas = min(self._deltas + 1, 1000)
        self._total += 1000 * (arrived - sent)
        self._smooth = SMOOTHING * self._smooth + (1 - SMOOTHING) * self._total
        if self._first is None:
            self._first = group.arrived
        self._points.append((1000 * (group.arrived - self._first), self._smooth))
        if len(self._points) == WINDOW:
            self._trend = _slope(self._points, self._trend)
        self._detect(max(0.0, sent), group.arrived)

    def _detect(self, lasted: float, now: float) -> None:
        if self._deltas < 2:
            return
        offset = min(self._deltas, MAX_DELTAS) * self._trend * GAIN
        if offset > self._threshold:
            self._over_for = lasted / 2 if self._over_for is None else self._over_for + lasted
            self._times_over += 1
            if (
                self._over_for > SUSTAINED
                and self._times_over > 1
                and self._trend >= self._last_trend
            ):
                self._over_for, self._times_over = 0.0, 0
                self.usage = Usage.OVER
        else:
            self._over_for, self._times_over = None, 0
            self.usage = Usage.UNDER if offset < -self._threshold else Usage.NORMAL
        self._last_trend = self._trend
        self._adapt(abs(offset), now)

    def _adapt(self, offset: float, now: float) -> None:
        """Move the threshold, or a flow that fills queues would starve this one (section 5.4)."""
        passed = 0.0 if self._updated is None else 1000 * min(max(0.0, now - self._updated), 0.1)
        self._updated = now
        if offset > self._threshold + SPIKE:
            return
        pace = DOWN if offset < self._threshold else UP
        moved = self._threshold + pace * (offset - self._threshold) * passed
        self._threshold = min(max(moved, LEAST), MOST)


class _Group:
    """Packets that were sent together."""

    __slots__ = ("arrived", "first_arrived", "first_sent", "last_sent")

    def __init__(self, sent: float, arrived: float) -> None:
        self.first_sent = self.last_sent = sent
        self.first_arrived = self.arrived = arrived

    def holds(self, sent: float, arrived: float) -> bool:
        """Whether a packet belongs to it."""
        if sent - self.first_sent <= GROUP:
            return True
        between = arrived - self.arrived
        return (
            between - (sent - self.last_sent) < 0
            and between <= GROUP
            and arrived - self.first_arrived < LONGEST_GROUP
        )


def _slope(points: deque[tuple[float, float]], otherwise: float) -> float:
    """Of the line through some points, by least squares."""
    count = len(points)
    middle_x = sum(x for x, _ in points) / count
    middle_y = sum(y for _, y in points) / count
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    if not spread:
        return otherwise
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread
