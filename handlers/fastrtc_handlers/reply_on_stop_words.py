"""`ReplyOnStopWords`: replies only when it is called by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastrtc_core import AudioFrame, ConfigurationError

from .reply_on_pause import ReplyOnPause
from .stt import STTModel, get_stt_model
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
        stt: What recognises them, on the thread on which frames arrive; `get_stt_model()` by
            default.
        clock: The time in s; by default that of the session's event loop.
        options: All else that `ReplyOnPause` takes.

    Raises:
        ConfigurationError: If there is no stop word.
    """

    carried_settings = (*ReplyOnPause.carried_settings, "stop_words")

    def __init__(
        self,
        fn: Callable[..., Any],
        stop_words: Sequence[str],
        startup_fn: Callable[..., Any] | None = None,
        *,
        stt: STTModel | None = None,
        clock: Callable[[], float] | None = None,
        **options: Any,
    ) -> None:
        if isinstance(stop_words, str) or not any(words_of(phrase) for phrase in stop_words):
            raise ConfigurationError("stop_words must be a list with at least one word in it")
        super().__init__(fn, startup_fn, stt=stt or get_stt_model(), **options)
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
