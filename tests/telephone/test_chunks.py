"""Chunks of a call that come in another order, twice, late or not at all."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core.media.g711 import encode_mulaw
from fastrtc_core.telephone.chunks import DEPTH, MAX_GAP, Chunks
from fastrtc_core.telephone.dialect import Call, CallDialect
from fastrtc_core.testing.phone import STREAM
from fastrtc_core.websocket.dialect import Media, Several, Stop

from ..examples import tries

RATE = 8000
SIZE = RATE // 50


def sound(number: int) -> NDArray[np.int16]:
    return np.full((1, SIZE), number, np.int16)


def heard(chunks: Chunks, sent: list[tuple[int, Any, Any]]) -> list[int]:
    """One number for each 20 ms that comes out."""
    parts = [chunks.push(sound(value), number, time) for value, number, time in sent]
    parts.append(chunks.flush())
    return [
        int(value) for part in parts if part is not None for value in part.reshape(-1, SIZE)[:, 0]
    ]


@given(
    st.lists(st.integers(0, DEPTH - 1), max_size=60),
    st.sets(st.integers(0, 60)),
    st.booleans(),
)
@settings(max_examples=tries(150), deadline=None)
def test_each_is_heard_once_and_in_order(delays: list[int], twice: set[int], as_text: bool) -> None:
    """However late each is, within the bound, and whichever of them come twice."""
    order = sorted(range(len(delays)), key=lambda index: (index + delays[index], index))
    sent: list[tuple[int, Any, Any]] = []
    for index in order:
        number: Any = str(index + 1) if as_text else index + 1
        sent += [(index + 1, number, 20 * index)] * (2 if index in twice else 1)
    chunks = Chunks(RATE, timed=True)
    assert heard(chunks, sent) == list(range(1, len(delays) + 1))
    assert chunks.repeated == len(twice & set(order))


@given(st.lists(st.integers(-1, 2000) | st.just(None) | st.text(max_size=3), max_size=80))
@settings(max_examples=tries(150), deadline=None)
def test_no_number_holds_up_a_call(numbers: list[Any]) -> None:
    """Whatever a service counts, a handful of chunks waits at most."""
    chunks = Chunks(RATE, timed=True)
    parts = [chunks.push(sound(1), number, number) for number in numbers]
    out = sum(part.shape[1] // SIZE for part in parts if part is not None)
    assert out >= len(numbers) - chunks.repeated - DEPTH
    assert out <= len(numbers) * (1 + MAX_GAP * 50)


def test_a_lost_chunk_is_given_up() -> None:
    """What waited for it follows at once."""
    chunks = Chunks(RATE, timed=False)
    assert heard(chunks, [(n, n, None) for n in (1, 2, 4, 5, 6, 7, 8)]) == [1, 2, 4, 5, 6, 7, 8]
    chunks = Chunks(RATE, timed=False)
    given = [(n, n, None) for n in (1, 3, 4, 5, 6, 7)]
    out = [chunks.push(sound(value), number, time) for value, number, time in given]
    assert [part is not None for part in out] == [True] + [False] * 5
    part = chunks.push(sound(8), 8, None)
    assert part is not None
    assert part.shape[1] == 6 * SIZE


def test_a_service_may_count_anew() -> None:
    """A number that is far behind is none that comes late."""
    chunks = Chunks(RATE, timed=False)
    assert heard(chunks, [(1, 1000, None), (2, 1, None), (3, 2, None)]) == [1, 2, 3]


def test_holes_in_the_times_are_silence() -> None:
    """Of their length, up to the bound: a turn ends in them. Jitter is none."""
    chunks = Chunks(RATE, timed=True)
    assert heard(chunks, [(1, 1, "0"), (2, 2, "20"), (3, 3, "540")]) == [1, 2, *[0] * 25, 3]
    chunks = Chunks(RATE, timed=True)
    assert len(heard(chunks, [(1, 1, 0), (2, 2, 10**9), (3, 3, 5)])) == 3 + 50 * MAX_GAP
    chunks = Chunks(RATE, timed=True)
    assert heard(chunks, [(1, 1, 0), (2, 2, 47), (3, 3, 21), (4, 4, 100)]) == [1, 2, 3, 4]


@pytest.mark.parametrize(("service", "silence"), [("twilio", 25), ("telnyx", 25), ("plivo", 0)])
def test_calls_are_put_in_order(service: Any, silence: int) -> None:
    """Of every service; Plivo's times are those of a clock on the wall, and say nothing."""
    dialect = CallDialect(Call(service, STREAM, {}))
    levels: list[int] = []
    for number, time in ((2, 20), (1, 0), (1, 0), (5, 580), (3, 40), (4, 560), (7, 620)):
        samples = np.full(SIZE, 1000 * number, np.int16)
        media = {
            "track": "inbound",
            "chunk": str(number),
            "timestamp": str(time),
            "payload": base64.b64encode(encode_mulaw(samples)).decode(),
        }
        event = dialect.parse(json.dumps({"event": "media", "media": media}))
        assert event is None or isinstance(event, Media)
        levels += levels_of(event)
    end = dialect.parse(json.dumps({"event": "stop"}))
    assert isinstance(end, Several)
    media_left, stop = end.events
    assert isinstance(media_left, Media)
    assert isinstance(stop, Stop)
    levels += levels_of(media_left)
    assert levels == [1, 2, 3, *[0] * silence, 4, 5, 7]


def levels_of(event: Media | None) -> list[int]:
    if event is None:
        return []
    return [round(int(value) / 1000) for value in event.frame.data.reshape(-1, SIZE)[:, 0]]
