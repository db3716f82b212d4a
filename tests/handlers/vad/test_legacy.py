"""Detectors that were written for FastRTC."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.testing import tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers.vad import LegacyVAD, VADError, VADEvent

CHUNK = 9600


class Loud:
    """A detector as people wrote them for FastRTC: speech is what is loud."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, NDArray[np.int16], Any]] = []

    def vad(
        self, audio: tuple[int, NDArray[np.int16]], options: Any
    ) -> tuple[float, list[dict[str, int]]]:
        rate, array = audio
        self.heard.append((rate, array, options))
        loud = np.flatnonzero(np.abs(array.astype(int)) > 1000)
        if not len(loud):
            return 0.0, []
        return len(loud) / rate, [{"start": int(loud[0]), "end": int(loud[-1]) + 1}]


def chunks(*seconds: float) -> AudioFrame:
    """Chunks of 0.6 s, each loud for so many seconds."""
    data = np.zeros((len(seconds), CHUNK), np.int16)
    for chunk, loud in zip(data, seconds, strict=True):
        chunk[: round(loud * 16000)] = 5000
    return AudioFrame(16000, data.reshape(1, -1))


def test_speech_begins_and_ends_as_in_fastrtc() -> None:
    """0.2 s in a chunk begin it; it lasts as long as chunks hold 0.1 s."""
    vad = LegacyVAD(Loud())
    sound = chunks(0, 0.15, 0.3, 0.15, 0.05, 0.15)
    found = [event for frame in frames_of(sound) for event in vad.push(frame)]
    assert found == [
        VADEvent("speech_start", 2 * CHUNK, 3 * CHUNK),
        VADEvent("speech_end", 4 * CHUNK, 5 * CHUNK),
    ]
    assert vad.probability == pytest.approx(0.25)


def test_the_model_hears_what_fastrtc_gave_it() -> None:
    """(rate, array of shape (n,)) and its own options, whatever is pushed."""
    model = Loud()
    vad = LegacyVAD(model, {"threshold": 0.4})
    for frame in frames_of(tone(440, 1.3, 48000, num_channels=2)):
        vad.push(frame)
    assert len(model.heard) == 2
    rate, array, options = model.heard[0]
    assert (rate, array.shape, array.dtype.name) == (16000, (CHUNK,), "int16")
    assert options == {"threshold": 0.4}


def test_durations_can_be_chosen() -> None:
    model = Loud()
    vad = LegacyVAD(
        model, audio_chunk_duration=0.3, started_talking_threshold=0.25, speech_threshold=0.2
    ).copy()
    assert vad.push(chunks(0.25)) == [
        VADEvent("speech_start", 0, 4800),
        VADEvent("speech_end", 4800, 9600),
    ]
    assert vad.copy().model is model


def test_more_speech_than_sound_is_certainty() -> None:
    """Some detectors pad what they find."""

    class Padding:
        def vad(self, audio: Any, options: Any) -> Any:
            return 0.8, []

    vad = LegacyVAD(Padding())
    vad.push(chunks(0.6))
    assert vad.probability == 1


class Broken:
    def vad(self, audio: Any, options: Any) -> Any:
        raise RuntimeError("no such device")


def test_a_model_that_raises_is_named() -> None:
    """The error says whose it is; the next frame is heard, at its right position."""
    vad = LegacyVAD(Broken())
    with pytest.raises(VADError, match=r"Broken\.vad failed: RuntimeError: no such device"):
        vad.push(chunks(0.3, 0.3))
    vad.model = Loud()
    assert vad.push(chunks(0.3)) == [VADEvent("speech_start", 2 * CHUNK, 3 * CHUNK)]


@pytest.mark.parametrize(
    "result", [None, 0.5, (0.5,), ("much", []), (None, []), (float("nan"), []), (-1.0, [])]
)
def test_what_cannot_be_meant_is_refused(result: Any) -> None:
    class Odd:
        def vad(self, audio: Any, options: Any) -> Any:
            return result

    with pytest.raises(VADError, match=r"Odd\.vad returned .*it must return \(seconds, chunks\)"):
        LegacyVAD(Odd()).push(chunks(0))


def test_a_model_without_the_method_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="str has no method vad"):
        LegacyVAD("silero")


@pytest.mark.parametrize(
    "durations",
    [
        {"audio_chunk_duration": 0.1},
        {"speech_threshold": 0.0},
        {"speech_threshold": 0.3},
        {"audio_chunk_duration": 600},
    ],
)
def test_durations_that_do_not_fit_are_refused(durations: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="in this order"):
        LegacyVAD(Loud(), **durations)
