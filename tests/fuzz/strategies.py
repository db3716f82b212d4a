"""What strangers send: nonsense, and what is right but for a detail."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ..examples import FACTOR, tries


def examples(count: int) -> settings:
    """Try half as many examples, the same in every run; or so many times `FUZZ`, always others."""
    return settings(
        max_examples=tries(count),
        derandomize=not FACTOR,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


ODD_TEXTS: Sequence[str] = (
    *("", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\u2028", "\ufeff", "\x1b[31m"),
    *("é" * 70_000, "x" * 300_000, "'\"<>&]]>", "${jndi:x}", "../..", "%s%n{0}", "__proto__"),
    *("1" * 5000, "-1", "NaN", "null", "١", "=", "====", "AA=A", "A", "AAAA\n", "gA=="),
)
ODD_NUMBERS: Sequence[Any] = (
    *(0, -1, 1, 2**31, 2**63, -(2**63), 10**4000, 0.5, -0.0, 1e308, 5e-324),
    *(float("nan"), float("inf"), float("-inf"), True, False),
)

odd_texts = st.sampled_from(ODD_TEXTS) | st.text(max_size=20)
odd_values = (
    st.none()
    | st.sampled_from(ODD_NUMBERS)
    | st.integers()
    | st.floats()
    | odd_texts
    | st.sampled_from(["[]", "{}", "[[]]", '{"": {}}', "[" * 300 + "]" * 300]).map(json.loads)
)
json_values = st.recursive(
    odd_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_texts, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value, with each of its keys."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            found += places(value[key])
    return found


@st.composite
def damaged_json(draw: st.DrawFn, originals: Sequence[Any]) -> Any:
    """A JSON value in which something is missing, replaced, doubled or wrapped."""
    value = copy.deepcopy(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 3))):
        where = places(value)
        if not where:
            break
        container, key = draw(st.sampled_from(where))
        match draw(st.sampled_from(["lose", "replace", "wrap", "retype", "rename", "add"])):
            case "lose":
                del container[key]
            case "replace":
                container[key] = draw(json_values)
            case "wrap":
                container[key] = draw(st.sampled_from([[container[key]], {"x": container[key]}]))
            case "retype":
                container[key] = str(container[key])
            case "rename" if isinstance(container, dict):
                container[draw(odd_texts)] = container.pop(key)
            case _ if isinstance(container, dict):
                container[draw(odd_texts)] = draw(json_values)
    return value


def dumped(value: Any) -> str:
    """The JSON text of a value, `NaN` and all; numbers that Python would not write stay whole."""
    try:
        return json.dumps(value)
    except ValueError:  # a number of more digits than Python reads or writes
        return '{"event": "media", "type": "message", "data": ' + "9" * 5000 + "}"


@st.composite
def damaged_text(draw: st.DrawFn, originals: Sequence[str]) -> str:
    """A text that was cut, doubled, or written over."""
    text = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 20)))
        new = draw(
            st.sampled_from(["", text[start:end] * 2, "[" * 2000, '{"a":' * 2000]) | odd_texts
        )
        text = text[:start] + new + text[end:]
    return text


@st.composite
def damaged_bytes(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """Bytes that were cut, lengthened, or flipped."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        match draw(st.sampled_from(["flip", "write", "cut", "append"])):
            case "flip" if data:
                data[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
            case "write" if data:
                # Lengths, counts and types stand in front.
                at = draw(st.integers(0, min(40, len(data)) - 1))
                data[at] = draw(st.sampled_from([0, 1, 2, 127, 128, 254, 255]))
            case "cut":
                del data[draw(st.integers(0, len(data))) :]
            case _:
                data += draw(st.binary(max_size=30) | st.just(bytes(2000)))
    return bytes(data)


def messages(originals: Sequence[Any]) -> st.SearchStrategy[str | bytes]:
    """Text and binary messages around some that are right."""
    texts = [json.dumps(original) for original in originals]
    return (
        damaged_json(originals).map(dumped)
        | damaged_text(texts)
        | json_values.map(dumped)
        | odd_texts
        | st.binary(max_size=60)
        | st.sampled_from(texts)
    )
