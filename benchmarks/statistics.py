"""Figures out of many values; infinity stands for what never came, and becomes null in JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many per cent of the values do not exceed; infinite without values.

    Takes a value that is there, where numpy would interpolate: between 20 ms and infinity, that is
    no number.
    """
    if not values:
        return math.inf
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def finite(value: float | None) -> float | None:
    """A value as it goes into JSON: three decimals, `None` for what is not finite."""
    return round(value, 3) if value is not None and math.isfinite(value) else None


def ratio(value: float | None, reference: float | None) -> float | None:
    """One value as a multiple of another, where both are there."""
    if value is None or not reference:
        return None
    return value / reference
