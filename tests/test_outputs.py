"""What `emit` may return beside a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastrtc_core import AdditionalOutputs, AudioFrame, CloseStream
from fastrtc_core.outputs import split_emitted

SAMPLES = np.zeros((1, 480), np.int16)
FRAME = AudioFrame(24000, SAMPLES)
PICTURE = np.zeros((4, 4, 3), np.uint8)
OUTPUTS = AdditionalOutputs("text", 3)
CLOSE = CloseStream("bye")


@pytest.mark.parametrize(
    "value", [None, FRAME, (24000, SAMPLES), (24000, SAMPLES, "mono"), PICTURE, "nonsense", ()]
)
def test_a_value_alone_comes_with_nothing(value: Any) -> None:
    """What holds neither outputs nor an end is handed on as it is, right or wrong."""
    frame, extras = split_emitted(value)
    assert frame is value
    assert extras == []


@pytest.mark.parametrize("extra", [OUTPUTS, CLOSE])
def test_an_extra_alone_comes_without_a_frame(extra: Any) -> None:
    """Outputs or an end may be emitted by themselves."""
    assert split_emitted(extra) == (None, [extra])


@pytest.mark.parametrize("extra", [OUTPUTS, CLOSE])
@pytest.mark.parametrize("value", [FRAME, (24000, SAMPLES), (24000, SAMPLES, "stereo"), PICTURE])
def test_a_frame_is_separated_from_what_came_with_it(value: Any, extra: Any) -> None:
    """(frame, extra) is the frame, untouched, and the extra."""
    frame, extras = split_emitted((value, extra))
    assert frame is value
    assert extras == [extra]


def test_a_flat_tuple_is_understood() -> None:
    """(rate, array, outputs), as some FastRTC handlers write it, is a frame and outputs."""
    (rate, samples), extras = split_emitted((24000, SAMPLES, OUTPUTS))
    assert (rate, samples is SAMPLES, extras) == (24000, True, [OUTPUTS])


def test_nothing_may_come_with_an_extra() -> None:
    """(None, extra) is the extra alone."""
    assert split_emitted((None, OUTPUTS)) == (None, [OUTPUTS])


def test_several_extras_keep_their_order() -> None:
    """Outputs that come with an end are delivered before it."""
    assert split_emitted((OUTPUTS, CLOSE)) == (None, [OUTPUTS, CLOSE])
    assert split_emitted((FRAME, CLOSE, OUTPUTS))[1] == [CLOSE, OUTPUTS]


def test_they_show_what_they_hold() -> None:
    """Both have a `repr` for logs, and `CloseStream` a text of its own."""
    assert repr(OUTPUTS) == "AdditionalOutputs('text', 3)"
    assert OUTPUTS.args == ("text", 3)
    assert repr(CLOSE) == "CloseStream('bye')"
    assert CloseStream().msg
