"""Reads JSON that came from outside: every number in it is one that can be calculated with.

`json.loads` takes `NaN`, `Infinity` and `1e999`, which RFC 8259 (section 6) does not know or lets a
reader refuse: compared, added or kept, such a number spoils what it touches. And a whole number of
a thousand digits is none that a `float` could hold.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DIGITS = 300
"""Characters of a whole number: what is no longer is within the range of a `float`."""


def load(data: str | bytes) -> Any:
    """Read a JSON text.

    Args:
        data: The text, or its UTF-8.

    Raises:
        ValueError: If it is not JSON, is nested too deeply, or has a number that is not finite.
    """
    try:
        return _decode(data if isinstance(data, str) else data.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is beyond the range of numbers")
    return value


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits is beyond the range of numbers")
    return int(text)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_float=_finite, parse_int=_whole, parse_constant=_refuse).decode
