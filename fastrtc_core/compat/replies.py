"""`ReplyOnPause` and `ReplyOnStopWords` with what functions of FastRTC expect of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import fastrtc_handlers
from fastrtc_handlers import AlgoOptions, TurnOptions
from fastrtc_handlers.stt import STTModel
from fastrtc_handlers.turns import TurnDetector

from ..context import get_current_context
from ..frames import AudioFrame, Layout
from .data import WebRTCData
from .pauses import ModelOptions, PauseDetectionModel, SileroModel, as_vad_options


class _WithTextBox:
    """Gives `fn` the text that was typed, where FastRTC would."""

    gives_webrtc_data: bool = False
    """Whether `fn` gets a `WebRTCData` in place of the audio: `variant="textbox"`."""

    def trigger_response(self, *, empty: bool = True) -> bool:
        """Answer what was said so far; as in FastRTC, even if that is nothing."""
        answered: bool = super().trigger_response(empty=empty)  # type: ignore[misc]
        return answered

    def first_argument(self, audio: AudioFrame, text: str) -> Any:
        """What `fn` gets as its first argument."""
        if self.gives_webrtc_data:
            return WebRTCData(get_current_context().webrtc_id, text, audio)
        return audio


class ReplyOnPause(_WithTextBox, fastrtc_handlers.ReplyOnPause):
    """Replies to each turn of the speaker with what a function says.

    It is `fastrtc_handlers.ReplyOnPause`, and takes FastRTC's models and options.

    Args:
        fn: `fn(audio, *additional_inputs)`, where `audio` is `(sample_rate, array)` and the array
            int16 of shape `(channels, samples)`.
        startup_fn: Says a greeting.
        algo_options: When a turn begins and ends.
        model_options: `SileroVadOptions`, of which `threshold` counts; or what `model` takes.
        can_interrupt: Whether the speaker can interrupt.
        expected_layout: Layout of `audio`.
        output_sample_rate: Rate at which replies are sent, in Hz; replies may have any.
        output_frame_size: Deprecated and ignored.
        input_sample_rate: Rate of `audio`, in Hz.
        model: A `PauseDetectionModel` or a `VAD` of `fastrtc_handlers`; `SileroVAD` by default.
        needs_args: Whether to wait for the additional inputs before the first reply.
        turn_detector: As of `fastrtc_handlers.ReplyOnPause`.
        tts: As of `fastrtc_handlers.ReplyOnPause`.
        stt: As of `fastrtc_handlers.ReplyOnPause`.

    Raises:
        ConfigurationError: If arguments contradict each other.
    """

    carried_settings = (*fastrtc_handlers.ReplyOnPause.carried_settings, "gives_webrtc_data")

    def __init__(
        self,
        fn: Callable[..., Any],
        startup_fn: Callable[..., Any] | None = None,
        algo_options: TurnOptions | AlgoOptions | None = None,
        model_options: ModelOptions | None = None,
        can_interrupt: bool = True,
        expected_layout: Layout = "mono",
        output_sample_rate: int = 24000,
        output_frame_size: int | None = None,
        input_sample_rate: int = 48000,
        model: PauseDetectionModel | Any = None,
        needs_args: bool = False,
        *,
        turn_detector: TurnDetector | None = None,
        tts: Any = None,
        stt: STTModel | None = None,
    ) -> None:
        super().__init__(
            fn,
            startup_fn,
            algo_options,
            as_vad_options(model_options),
            can_interrupt,
            expected_layout,
            output_sample_rate,
            output_frame_size,
            input_sample_rate,
            None if isinstance(model, SileroModel) else model,
            needs_args,
            turn_detector=turn_detector,
            tts=tts,
            stt=stt,
        )


class ReplyOnStopWords(_WithTextBox, fastrtc_handlers.ReplyOnStopWords):
    """Replies to turns in which a stop word is said, and to the turn after one that stood alone.

    It is `fastrtc_handlers.ReplyOnStopWords`, and takes FastRTC's models and options.

    Args:
        fn: As of `ReplyOnPause`. It gets the whole turn, the stop word included.
        stop_words: Words or phrases, found at word boundaries, whatever their case.
        startup_fn: As of `ReplyOnPause`.
        algo_options: As of `ReplyOnPause`.
        model_options: As of `ReplyOnPause`.
        can_interrupt: As of `ReplyOnPause`.
        expected_layout: As of `ReplyOnPause`.
        output_sample_rate: As of `ReplyOnPause`.
        output_frame_size: As of `ReplyOnPause`.
        input_sample_rate: As of `ReplyOnPause`.
        model: As of `ReplyOnPause`.
        needs_args: As of `ReplyOnPause`.
        turn_detector: As of `ReplyOnPause`.
        tts: As of `ReplyOnPause`.
        stt: What recognises the stop words; `get_stt_model()` by default.

    Raises:
        ConfigurationError: If there is no stop word.
    """

    carried_settings = (*fastrtc_handlers.ReplyOnStopWords.carried_settings, "gives_webrtc_data")

    def __init__(
        self,
        fn: Callable[..., Any],
        stop_words: Sequence[str],
        startup_fn: Callable[..., Any] | None = None,
        algo_options: TurnOptions | AlgoOptions | None = None,
        model_options: ModelOptions | None = None,
        can_interrupt: bool = True,
        expected_layout: Layout = "mono",
        output_sample_rate: int = 24000,
        output_frame_size: int | None = None,
        input_sample_rate: int = 48000,
        model: PauseDetectionModel | Any = None,
        needs_args: bool = False,
        *,
        turn_detector: TurnDetector | None = None,
        tts: Any = None,
        stt: STTModel | None = None,
    ) -> None:
        super().__init__(
            fn,
            stop_words,
            startup_fn,
            algo_options,
            as_vad_options(model_options),
            can_interrupt,
            expected_layout,
            output_sample_rate,
            output_frame_size,
            input_sample_rate,
            None if isinstance(model, SileroModel) else model,
            needs_args,
            turn_detector=turn_detector,
            tts=tts,
            stt=stt,
        )
