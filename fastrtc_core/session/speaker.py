"""`Speaker`: says one thing after the other, and falls silent at once.

A source of speech is worked through ahead of what is heard, in a task of its own, so that a slow
engine has the next sentence ready. What it makes goes through a short queue to the playout. To
interrupt discards both, and waits for nothing: what the source still does ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from ..errors import (
    ConfigurationError,
    HandlerError,
    InvalidFrameError,
    QueueFullError,
    SourceClosedError,
)
from ..frames import read_audio
from ..handler import StreamHandlerBase
from ..outputs import CloseStream, split_emitted
from ..speech import Playback, Speech
from ..speech.live_turn import model_name
from ..speech.sentences import Sentences
from ..speech.spoken import Spoken
from ..speech.words import Pace, SpokenFrame, SpokenSentence
from ..threads import on_loop
from ..tracks import AudioSource
from ..tracks.signal import Signal
from .audio_loops import AudioOutput
from .life import Life
from .pieces import NOBODY_HEARS, is_sound, pieces_of, voice_of
from .reports import Reporter
from .session_thread import SessionThread
from .speech_progress import SpeechProgress
from .turns import Turns
from .types import CloseReason, DeliverExtras

MAX_WAITING = 64
"""Speeches that may wait to be said; then `say` raises."""

AHEAD = 16
"""Pieces that are made ahead of what is played; then the source is held back."""


Arrived = Callable[[], Awaitable[None]]


class _Piece(NamedTuple):
    """Something to play; the first of a sentence carries that.

    Without a value, it is a sentence that is only for the eye.
    """

    value: Any
    sentence: SpokenSentence | None = None


class _End(NamedTuple):
    """The end of a source, and what it raised."""

    error: Exception | None = None


class Speaker:
    """Says what `say` was given, in order of priority.

    Args:
        handler: Has the voice that speaks texts.
        output: Where it is played; `None` if the session sends no audio. Then sources are worked
            through for what else they hand out, and their sounds are dropped, with an error.
        name: Names the threads.
        life: The life of the session.
        reporter: Tells what is said, and what went wrong.
        turns: The turns that are answered.
        deliver_extras: Takes what comes beside what is said.
        unplayed: How much in s of what was sent the client certainly holds yet.
        on_the_way: How much in s of what was sent is not known to have arrived.
        arrived: Gives what waits until that which was sent before has certainly arrived, where what
            has not is put back.
    """

    def __init__(
        self,
        handler: StreamHandlerBase,
        output: AudioOutput | None,
        *,
        name: str,
        life: Life,
        reporter: Reporter,
        turns: Turns,
        deliver_extras: DeliverExtras,
        unplayed: Callable[[], float],
        on_the_way: Callable[[], float] = lambda: 0.0,
        arrived: Callable[[], Arrived | None] = lambda: None,
    ) -> None:
        self.current: Speech | None = None
        self._handler = handler
        self._mute = output is None
        # Where nobody hears, nothing is ever put into this playout.
        self._output = output or AudioOutput(AudioSource(), deliver_extras)
        self._source = self._output.source
        self._name = name
        self._life = life
        self._reporter = reporter
        self._turns = turns
        self._deliver_extras = deliver_extras
        self._unplayed = unplayed
        self._on_the_way = on_the_way
        self._arrived = arrived
        self._waiting: list[Speech] = []
        self._progress: SpeechProgress | None = None
        self._pace = Pace()
        self._playing: asyncio.Task[None] | None = None
        self._changed = Signal()
        self._closed = False

    def speak_through(self, output: AudioOutput) -> None:
        """Be heard from now on, through this output, in a session that sent no audio before."""
        self._mute = False
        self._output, self._source = output, output.source

    def admit(self, speech: Speech) -> None:
        """Let a speech know how it is cancelled; safe from any thread, before `say`.

        Raises:
            ConfigurationError: If it is a sound, and nobody hears it.
            QueueFullError: If too many wait.
        """
        if self._mute and is_sound(speech.source):
            raise ConfigurationError(NOBODY_HEARS)
        if len(self._waiting) >= MAX_WAITING:
            raise QueueFullError(f"{MAX_WAITING} speeches wait to be said already")
        loop = self._life.loop
        speech.admit(lambda: on_loop(loop, lambda: self.cancel(speech)))

    def say(self, speech: Speech) -> None:
        """Say it after those of its priority that wait; called on the event loop."""
        if speech.done:
            return
        if self._closed:
            speech.finish(Playback(0.0, "", True))
            return
        later = (n for n, other in enumerate(self._waiting) if other.priority < speech.priority)
        self._waiting.insert(next(later, len(self._waiting)), speech)
        self._changed.notify()

    def cancel(self, speech: Speech) -> None:
        """End a speech, whether it is being said or waits."""
        if speech is self.current:
            self._stop()
        else:
            with contextlib.suppress(ValueError):
                self._waiting.remove(speech)
            speech.finish(Playback(0.0, "", True))

    def interrupt(self, *, force: bool = False) -> Playback | None:
        """End what is being said, and what waits behind it, where it may be interrupted.

        Returns:
            What became of the speech that was being said; `None` if none ended.
        """
        for speech in tuple(self._waiting):
            if force or speech.interruptible:
                self.cancel(speech)
        if self.current is None or not (force or self.current.interruptible):
            return None
        return self._stop()

    def pause(self) -> None:
        """Fall silent for now, if what is being said may be interrupted."""
        if self.current is not None and self.current.interruptible:
            self._source.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._source.resume()

    def note_clear(self) -> None:
        """The queue of the playout is about to be cleared."""
        if self._progress is not None:
            self._progress.note_clear()

    @property
    def waiting(self) -> int:
        """Speeches that wait to be said."""
        return len(self._waiting)

    async def wait_until_idle(self) -> None:
        """Wait until nothing is being said, and nothing waits to be."""
        while self.current is not None or self._waiting:
            await self._changed.wait()

    async def run(self) -> None:
        """Say everything until the session ends."""
        try:
            while True:
                while not self._waiting:
                    await self._changed.wait()
                self.current = speech = self._waiting.pop(0)
                self._playing = self._life.own(self._play(speech))
                await asyncio.wait({self._playing})
                self.current = self._playing = None
                self._source.resume()  # where it was paused and had nothing to say
                self._changed.notify()
        finally:
            self._closed = True
            if self.current is not None:
                # What ends with `CloseStream` was played, and a client may still hold its end.
                closing = self._life.reason is CloseReason.CLOSE_STREAM
                self._stop(clear=not closing)
            for speech in tuple(self._waiting):
                self.cancel(speech)

    def _stop(self, *, clear: bool = True) -> Playback:
        """End what is being said, at once."""
        assert self.current is not None
        if not clear and self._progress is not None:
            self._progress.settle()
        playback = self._playback(interrupted=True)
        self.current.finish(playback)
        if clear and self._progress is not None:  # it has the floor: all that waits is its own
            self._output.clear()
        self._source.resume()
        if self._playing is not None:
            self._playing.cancel()
        return playback

    def _playback(self, *, interrupted: bool, error: Exception | None = None) -> Playback:
        progress = self._progress
        if progress is None:
            return Playback(0.0, "", interrupted, error)
        if not interrupted:  # it is played to its end
            progress.settle()
        return Playback(progress.heard(), progress.text(), interrupted, error)

    async def _play(self, speech: Speech) -> None:
        """Say one speech, from the first piece of its source until everything was sent."""
        pieces: asyncio.Queue[_Piece | _End] = asyncio.Queue(AHEAD)
        made: list[SpokenSentence] = []
        making = self._life.own(self._make(speech, pieces, made))
        error = None
        finishing = False
        try:
            async with self._output.floor:
                self._output.flush()  # what came before
                self._source.begin_speech()
                self._reporter.tell("log", "response_starting")
                self._progress = progress = SpeechProgress(
                    self._source, self._unplayed, self._on_the_way, made
                )
                speech.begin(progress.heard, progress.words)
                while not isinstance(piece := await pieces.get(), _End):
                    await self._deliver(piece, speech)
                error = piece.error
                self._output.flush()
                await self._source.wait_for_playout()
                playback = self._playback(interrupted=False, error=error)
                if (arrived := self._arrived()) is None:
                    speech.finish(playback)
                else:
                    finishing = True
                    self._life.own(self._finish_later(speech, playback, progress, arrived))
        except SourceClosedError:
            pass  # the session ends
        except Exception as failure:
            # The source yielded what cannot be played.
            error = failure
        finally:
            making.cancel()
            if error is not None:
                self._reporter.error(error, speech.what)
            if not finishing:
                speech.finish(self._playback(interrupted=True, error=error))
            if self._progress is not None:
                self._source.end_speech()
                self._reporter.tell("log", "response_done")
            self._progress = None

    async def _finish_later(
        self, speech: Speech, playback: Playback, progress: SpeechProgress, arrived: Arrived
    ) -> None:
        """A speech was sent to its end: it is over when that has arrived."""
        source = self._source
        cleared = source.statistics().cleared
        speech.begin(lambda: min(playback.heard, progress.heard()), progress.words)
        try:
            await arrived()
            while progress.heard() < playback.heard:  # it has not: it is played once more
                if source.closed or source.statistics().cleared > cleared:
                    return  # or would be
                await source.wait_for_change()
                if progress.heard() >= playback.heard:
                    await arrived()
        finally:
            if progress.heard() >= playback.heard:
                speech.finish(playback)
            speech.finish(Playback(progress.heard(), progress.text(), True, playback.error))

    async def _deliver(self, piece: _Piece, speech: Speech) -> None:
        value, extras = split_emitted(piece.value)
        audio = None if value is None else read_audio(value)
        if piece.sentence is not None and self._progress is not None:
            self._progress.note_sentence(piece.sentence, silent=audio is None)
            said = {"role": "assistant", "text": piece.sentence.text.strip(), "final": True}
            self._reporter.tell("transcript", said)
        if audio is not None:
            if speech.turn is not None and not speech.sounds:
                self._turns.listen(speech.turn, self._source)
            speech.sound()
            await self._output.play(audio, ahead=0.0)
        await self._deliver_extras(extras, said=True)

    async def _make(
        self, speech: Speech, pieces: asyncio.Queue[_Piece | _End], made: list[SpokenSentence]
    ) -> None:
        """Work through the source of a speech."""
        if speech.turn is None:
            await self._work_through(speech, pieces, made)
            return
        speech.turn.go()
        with speech.turn.running():
            await self._work_through(speech, pieces, made)

    async def _work_through(
        self, speech: Speech, pieces: asyncio.Queue[_Piece | _End], made: list[SpokenSentence]
    ) -> None:
        end = _End()
        thread = SessionThread(f"say-{self._name}")
        sentences = Sentences()
        spoken = Spoken()
        try:
            async with contextlib.aclosing(pieces_of(speech.source, thread)) as source:
                async for value in source:
                    text, extras = split_emitted(value)
                    if self._mute:
                        if text is not None:
                            end = _End(HandlerError(NOBODY_HEARS))
                        value = tuple(extras)
                    elif isinstance(text, str):
                        if text.strip():
                            _reach(speech, "sentence")
                        await self._voice(sentences.cut(text), spoken, speech, pieces, made)
                        value = tuple(extras)
                    if _ends_sentence(text, extras, sentences):
                        await self._voice(sentences.rest(), spoken, speech, pieces, made)
                    if text is not None and not isinstance(text, str):
                        _reach(speech, "send")
                    if value is not None and value != ():
                        await pieces.put(_Piece(value))
            await self._voice(sentences.rest(), spoken, speech, pieces, made)
        except Exception as error:
            end = _End(error)
        finally:
            thread.close()
        await pieces.put(end)

    async def _voice(
        self,
        sentences: list[str],
        spoken: Spoken,
        speech: Speech,
        pieces: asyncio.Queue[_Piece | _End],
        made: list[SpokenSentence],
    ) -> None:
        """Have sentences spoken by the voice of the handler."""
        handler = self._handler
        for text in sentences:
            words = spoken.clean(text) if handler.clean_text else text.strip()
            sentence = SpokenSentence(text, words, self._pace)
            made.append(sentence)
            speech.said += text
            first: SpokenSentence | None = sentence
            if words:
                _reach(speech, "tts", handler.tts)
                thread = SessionThread(f"tts-{self._name}")
                try:
                    speak = voice_of(handler.tts)
                    async with contextlib.aclosing(pieces_of(speak(words), thread)) as voice:
                        async for value in voice:
                            _measure(sentence, value)
                            _reach(speech, "send")
                            await pieces.put(_Piece(value, first))
                            first = None
                finally:
                    thread.close()
            sentence.complete()
            if first is not None:
                await pieces.put(_Piece(None, first))


def _reach(speech: Speech, stage: str, model: Any = None) -> None:
    """The answer to a turn has come to a stage, in which a model works."""
    if speech.turn is not None:
        speech.turn.reach(stage)
        if model is not None:
            speech.turn.models.setdefault(stage, model_name(model))


def _measure(sentence: SpokenSentence, value: Any) -> None:
    """Let a sentence know its audio; what cannot be played is found out where it would be."""
    frame, _ = split_emitted(value)
    with contextlib.suppress(InvalidFrameError):
        audio = read_audio(frame)
        words = frame.words if isinstance(frame, SpokenFrame) else ()
        sentence.add(audio.sample_rate, audio.rows, words)


def _ends_sentence(text: Any, extras: list[Any], sentences: Sentences) -> bool:
    """Whether what a source yielded ends the sentence before it.

    Audio does, as it is heard between; so does the end of the session. Outputs do not, unless the
    sentence is at its end anyway: they are published before the one in which they stand.
    """
    if any(isinstance(extra, CloseStream) for extra in extras):
        return True
    if text is None or isinstance(text, str):
        return bool(extras) and sentences.ended
    return True
