"""JSON from outside: what is read can be calculated with, and all else is a `ValueError`."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given

from fastrtc_core import strict_json

from .fuzz.strategies import dumped, examples, json_values


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "[1, {'a': 2}]", '{"a": [1e400]}'),
        *("1" * 301, "-" + "9" * 5000, "[" * 100_000, "", "1 2", "\ufeff1", b"\xff", b'"\xed\xa0"'),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    """Numbers that are not finite are none, wherever they stand."""
    with pytest.raises(ValueError, match=r".+"):
        strict_json.load(text)


@pytest.mark.parametrize("text", ["1e308", "5e-324", "-0.0", "9" * 300, "[1, 2.5]", '{"ä": "é"}'])
def test_what_is_json_is_read(text: str) -> None:
    """As text and as UTF-8; every number can become a `float`."""
    assert strict_json.load(text) == strict_json.load(text.encode()) == json.loads(text)


def numbers(value: Any) -> list[int | float]:
    """All numbers in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [value] if isinstance(value, int | float) else []


@given(json_values.map(dumped))
@examples(100)
def test_every_number_is_finite(text: str) -> None:
    """Whatever else a text says."""
    try:
        value = strict_json.load(text)
    except ValueError:
        return
    assert all(math.isfinite(float(number)) for number in numbers(value))
    assert json.loads(text) == value
