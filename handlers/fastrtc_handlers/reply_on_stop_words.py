"""`ReplyOnStopWords`: replies only when it is called by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.toolkit import Layout

from .reply_on_pause import ReplyOnPause
from .stt import STTModel, get_stt_model
from .turns import AlgoOptions, TurnDetector, TurnOptions
from .vad import VAD
from .words import after_phrase, words_of

LISTENS_FOR = 8.0
"""How long in s a turn may begin after a stop word that stood alone."""


class ReplyOnStopWords(ReplyOnPause):
    """Replies to turns in which a stop word is said, and to the turn after one that stood alone.

    `fn` gets the whole turn, from before the stop word to its end. The client is told of the stop
    word (`stopword`, with what was recognised behind it).

    Args:
        fn: As of `ReplyOnPause`.
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
        stt: What recognises them, on the thread on which frames arrive; `get_stt_model()` by
            default.
        clock: The time in s; by default that of the session's event loop.

    Raises:
        ConfigurationError: If there is no stop word.
    """

    carried_settings = (*ReplyOnPause.carried_settings, "stop_words")

    def __init__(
        self,
        fn: Callable[..., Any],
        stop_words: Sequence[str],
        startup_fn: Callable[..., Any] | None = None,
        algo_options: TurnOptions | AlgoOptions | None = None,
        model_options: Any = None,
        can_interrupt: bool = True,
        expected_layout: Layout = "mono",
        output_sample_rate: int = 24000,
        output_frame_size: int | None = None,
        input_sample_rate: int = 48000,
        model: VAD | Any = None,
        needs_args: bool = False,
        *,
        turn_detector: TurnDetector | None = None,
        tts: Any = None,
        stt: STTModel | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if isinstance(stop_words, str) or not any(words_of(phrase) for phrase in stop_words):
            raise ConfigurationError("stop_words must be a list with at least one word in it")
        super().__init__(
            fn,
            startup_fn,
            algo_options,
            model_options,
            can_interrupt,
            expected_layout,
            output_sample_rate,
            output_frame_size,
            input_sample_rate,
            model,
            needs_args,
            turn_detector=turn_detector,
            tts=tts,
            stt=stt or get_stt_model(),
        )
        self.stop_words = list(stop_words)
        self._clock = clock
        self._awake_until = float("-inf")

    def determine_reply(self, audio: AudioFrame) -> bool:
        """Whether the turn has a stop word with something behind it, or follows one."""
        now = self.loop.time() if self._clock is None else self._clock()
        if now < self._awake_until:
            self._awake_until = float("-inf")
            return True
        assert self.stt is not None
        rest = after_phrase(self.stt.stt(audio), self.stop_words)
        if rest is None:
            return False
        self.send_message_sync({"type": "stopword", "data": " ".join(rest)})
        if not rest:
            self._awake_until = now + LISTENS_FOR
        return bool(rest)
