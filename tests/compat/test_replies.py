"""`ReplyOnPause` with FastRTC's models, options and text box."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.compat import (
    AdditionalOutputs,
    AlgoOptions,
    ReplyOnPause,
    ReplyOnStopWords,
    SileroVadOptions,
    WebRTCData,
    get_silero_model,
)
from fastrtc_core.testing import InProcessPeer, connect
from fastrtc_handlers.tts import EspeakTTS
from fastrtc_handlers.vad import SileroVAD

virtual = pytest.mark.virtual_clock


def outputs(audio: Any, *inputs: Any) -> Any:
    yield AdditionalOutputs(audio, *inputs)


async def latest(peer: InProcessPeer) -> tuple[Any, ...]:
    hub = peer.session.outputs
    for _ in range(200):
        if hub.latest is not None:
            found, hub.latest = hub.latest, None
            return found.args
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was put out")


def handler_of(peer: InProcessPeer) -> ReplyOnPause:
    handler = peer.session.handler
    assert isinstance(handler, ReplyOnPause)
    return handler


@virtual
async def test_a_triggered_response_needs_no_speech() -> None:
    """FastRTC's calls the function with no samples; what was typed comes as an input."""
    async with connect(ReplyOnPause(outputs), args=["typed"]) as peer:
        assert handler_of(peer).trigger_response()
        audio, text = await latest(peer)
        assert text == "typed"
        assert audio[0] == 48000
        assert audio[1].shape == (1, 0)


@virtual
async def test_with_a_text_box_the_function_gets_both() -> None:
    """A `WebRTCData` in place of the audio, in copies as well."""
    handler = ReplyOnPause(outputs)
    handler.gives_webrtc_data = True
    async with connect(handler, args=["input"]) as peer:
        handler_of(peer).add_text("typed")
        data, given = await latest(peer)
        assert given == "input"
        assert isinstance(data, WebRTCData)
        assert data.textbox == "typed"
        assert data.webrtc_id == "in-process"
        assert data.audio is not None
        assert data.audio[1].size == 0


def test_options_of_silero() -> None:
    """The threshold counts; the others are named in one warning."""
    with pytest.warns(UserWarning, match="ignored") as caught:
        handler = ReplyOnPause(
            outputs,
            algo_options=AlgoOptions(audio_chunk_duration=0.5),
            model_options=SileroVadOptions(
                threshold=0.75, speech_pad_ms=100, window_size_samples=512
            ),
        )
    [warning] = caught
    assert "speech_pad_ms, window_size_samples" in str(warning.message).replace(
        "window_size_samples, speech_pad_ms", "speech_pad_ms, window_size_samples"
    )
    assert "TurnOptions" in str(warning.message)
    assert warning.filename == __file__
    assert isinstance(handler._vad, SileroVAD)
    assert handler._vad.options.threshold == 0.75
    assert handler.options.silence == 0.5


def test_the_model_of_fastrtc_is_our_detector() -> None:
    """And not a second one behind it that hears chunks."""
    handler = ReplyOnPause(outputs, model=get_silero_model())
    assert isinstance(handler._vad, SileroVAD)


def test_stop_words_take_positions() -> None:
    class Recogniser:
        def stt(self, audio: Any) -> str:
            return ""

    handler = ReplyOnStopWords(
        outputs, ["computer"], None, AlgoOptions(), SileroVadOptions(), False, stt=Recogniser()
    )
    assert handler.can_interrupt is False
    assert handler.copy().stop_words == ["computer"]


@pytest.fixture(scope="module")
def spoken() -> AudioFrame:
    """Two seconds of silence, a sentence, two seconds of silence, and a sentence; 22.05 kHz."""
    voice = EspeakTTS().tts("The quick brown fox jumps over the lazy dog.")
    silence = np.zeros((1, 2 * voice.sample_rate), np.int16)
    pieces = [silence, voice.data, silence, voice.data, silence]
    return AudioFrame(voice.sample_rate, np.concatenate(pieces, axis=1))


def test_where_speech_lies(spoken: AudioFrame) -> None:
    """In samples at 16 kHz, whatever the rate; floats and a flat array as well."""
    options = SileroVadOptions(min_silence_duration_ms=500, speech_pad_ms=100)
    seconds, chunks = get_silero_model().vad(spoken, options)
    assert len(chunks) == 2
    length = (spoken.duration - 6) / 2
    for chunk, start in zip(chunks, (2, 4 + length), strict=True):
        assert abs(chunk["start"] / 16000 - (start - 0.1)) < 0.25
        assert abs(chunk["end"] / 16000 - (start + length + 0.1)) < 0.35
    assert seconds == pytest.approx(sum(c["end"] - c["start"] for c in chunks) / 16000)
    floats = spoken.data[0].astype(np.float32) / 32768
    assert get_silero_model().vad((spoken.sample_rate, floats), options) == (seconds, chunks)


def test_the_options_of_the_model(spoken: AudioFrame) -> None:
    model = get_silero_model()
    assert get_silero_model() is model
    model.warmup()
    joined = model.vad(spoken, SileroVadOptions(min_silence_duration_ms=4000))[1]
    assert len(joined) == 1
    cut = model.vad(
        spoken, SileroVadOptions(min_silence_duration_ms=500, max_speech_duration_s=1.0)
    )[1]
    assert len(cut) > 2
    assert all(a["end"] <= b["start"] for a, b in itertools.pairwise(cut))
    none = model.vad(spoken, SileroVadOptions(min_speech_duration_ms=60_000))
    assert none == (0.0, [])
    assert model.vad((16000, np.zeros((1, 0), np.int16)), None) == (0.0, [])
