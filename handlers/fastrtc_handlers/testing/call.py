"""`Call`: an agent's caller, who speaks, listens, interrupts and hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastrtc_core import (
    AudioFrame,
    CloseReason,
    Playback,
    Speech,
    StreamHandlerBase,
    TurnRecord,
)
from fastrtc_core.testing import InProcessPeer
from fastrtc_core.toolkit import Converter, to_audio_frame

from .ears import Ears, Sound
from .faults import spoken
from .ledger import compare
from .microphone import Microphone
from .tones import RATE, HeardWord, ToneSpeech
from .turns import CallerTurn, Spoken, Way

SETTLED = 0.3
"""Silence in s after which an answer is over, where the agent says that it has no more."""

OVER = 1.0
"""The same where the handler does not say what it does."""

PATIENCE = 60.0
"""How long in s a caller waits for an answer."""


class NoReplyError(AssertionError):
    """The agent did not answer."""


class Call:
    """One call to an agent, from the caller's end; made by `agent_test`.

    Times are in s since the call began, and lengths of time in s.

    Args:
        peer: The caller's end of the session.
        speech: What both sides speak, where they are stand-ins.
        voice: Another voice of the caller.
        ears: What recognises the agent's words, where it has a voice of its own.
        delay: How long the line takes.

    Attributes:
        peer: As above; `peer.messages` has all that the client was sent.
        turns: What the caller said, each with the answer.
        greeting: What the agent said before the caller said anything.
        state: What the agent does, where it is a `VoiceAgent`: `listening`, `thinking`, `tool` or
            `speaking`.
    """

    def __init__(
        self, peer: InProcessPeer, speech: ToneSpeech, voice: Any, ears: Any, delay: float
    ) -> None:
        self.peer = peer
        self.turns: list[CallerTurn] = []
        self.greeting = CallerTurn("", "greeting", 0.0, 0.0)
        self.state: str | None = None
        self._speech = speech
        self._voice = voice
        self._recogniser = ears
        self._delay = delay
        self._began = asyncio.get_running_loop().time()
        self._ears = Ears(peer, self._began)
        track = peer.session.remote_audio
        # As the agent wants it, where that is no more than a voice needs.
        self._rate = min(RATE, RATE if track is None else track.sample_rate)
        self._microphone = Microphone(peer, self._rate)
        self._answering = self.greeting
        self._bounds: dict[int, float] = {id(self.greeting): 0.0}
        """From when on what is heard belongs to a turn, by its id."""
        self._taken: dict[int, float] = {}
        """When the agent took a turn for over, by the id of that."""
        self._saying = 0
        self._tells = False
        self._speeches: list[Speech] = []
        peer.on_message = self._note

    # What the caller does

    async def say(self, text: str) -> CallerTurn:
        """Say something, and wait until it was said; see `reply` for the answer."""
        return await self._say(text, "spoken")

    async def interrupt(self, text: str, after: float = 0.5) -> CallerTurn:
        """Say something when the answer has been heard for `after` s.

        If the answer is over sooner, it is said then.

        Raises:
            NoReplyError: If nothing is answered.
        """
        beside = await self._hear_for(after)
        return await self._say(text, "interruption" if beside else "spoken")

    async def backchannel(self, text: str = "mhm", after: float = 0.5) -> None:
        """Say something beside the answer that is no turn, when it was heard for `after` s.

        Raises:
            NoReplyError: If nothing is answered.
        """
        await self._hear_for(after)
        await self._microphone.say(await self._sound_of(text))

    async def type(self, text: str) -> CallerTurn:
        """Write something, as in the text box of a page."""
        turn = self._begin(text, "typed")
        turn.end = turn.start
        self.peer.send({"command": "text", "text": text})
        await self._microphone.tick()
        return turn

    async def push_to_talk(self, text: str) -> CallerTurn:
        """Say something with the key of push-to-talk held; it interrupts, too."""
        self.peer.send({"command": "push_to_talk", "on": True})
        turn = await self._say(text, "push-to-talk")
        turn.end = self.now
        self.peer.send({"command": "push_to_talk", "on": False})
        return turn

    async def press(self, key: str) -> CallerTurn:
        """Press a key of a telephone: a digit, `*` or `#`."""
        turn = self._begin("", "key")
        turn.end = turn.start
        self.peer.session.take_key(key)
        await self._microphone.tick()
        return turn

    async def wait(self, seconds: float) -> None:
        """Be silent."""
        await asyncio.sleep(seconds)

    async def reply(self, timeout: float = PATIENCE) -> CallerTurn:
        """Wait until all was heard of the answer to what was said last, or of the greeting.

        Returns:
            The turn, with its answer. It also returns where the agent decided to say nothing, or
            hung up.

        Raises:
            NoReplyError: If there is no answer within `timeout` s, or no end of it.
        """
        turn = self._latest
        await self._until(lambda: self._is_answered(turn), timeout, "no end of an answer")
        await self._settle()
        return turn

    async def hang_up(self) -> None:
        """End the call; idempotent."""
        self._microphone.stop()
        if self.peer.close_reason is None:
            self.peer.session.stop(CloseReason.CLIENT)
        async with asyncio.timeout(PATIENCE):
            while self.peer.close_reason is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await self._settle()

    # What the caller knows

    @property
    def now(self) -> float:
        """Time since the call began."""
        return self._ears.now

    @property
    def ended(self) -> bool:
        """Whether the call is over, whoever hung up."""
        return self.peer.close_reason is not None

    @property
    def agent(self) -> StreamHandlerBase:
        """The agent of this call."""
        return self.peer.session.handler

    @property
    def heard(self) -> str:
        """All words of the agent that have arrived, as far as the stand-in's voice said them."""
        return " ".join(word.text for word in self._heard_words())

    @property
    def conversation(self) -> list[dict[str, str]]:
        """What was said and heard so far: the caller is `user`, the agent `assistant`."""
        said: list[dict[str, str]] = []
        for turn in (self.greeting, *self.turns):
            if turn.said:
                said.append({"role": "user", "content": turn.said})
            if turn.text:
                said.append({"role": "assistant", "content": turn.text})
        return said

    def recording(self) -> AudioFrame:
        """All that the caller heard, from the first sound on."""
        return self._ears.recording()

    @property
    def spoken(self) -> list[Spoken]:
        """What the agent takes as heard of each thing that it has said, beside what was heard.

        Only of what is over, and only where the stand-in's voice says it.
        """
        over: list[Playback] = [speech.wait(0) for speech in self._speeches if speech.done]
        return compare(over, [word.text for word in self._heard_words()])

    def __str__(self) -> str:
        lines = []
        for turn in (self.greeting, *self.turns):
            if turn is not self.greeting:
                lines.append(f"{turn.start:7.2f} s  {turn.how}: {turn.said}")
            about = [] if turn.gap is None else [f"after {turn.gap:.2f} s"]
            about += turn.tools
            if turn.interrupted:
                about.append("interrupted")
            about += [f"error: {error}" for error in turn.errors]
            if turn.text or about:
                more = f" ({', '.join(about)})" if about else ""
                lines.append(f"{'':9}  agent: {turn.text}{more}")
        if self.ended:
            lines.append(f"{self.now:7.2f} s  the call ended: {self.peer.close_reason}")
        return "\n".join(lines)

    # What `agent_test` calls

    def pick_up(self) -> None:
        """Be on the line until the end."""
        self._microphone.start()

    def note_speech(self, speech: Speech) -> None:
        """The agent is going to say something."""
        self._speeches.append(speech)

    def note_state(self, state: str, tool: str) -> None:
        """The agent does something else now."""
        self.state = state
        if state == "tool":
            self._answering.tools.append(tool)

    def note_turn(self, record: TurnRecord) -> None:
        """The agent is done with a turn."""
        self._answering.record = record
        self._answering.outcomes = [each.outcome for each in record.tools]

    @property
    def _latest(self) -> CallerTurn:
        return self.turns[-1] if self.turns else self.greeting

    def _note(self, message: Any) -> None:
        kind, data = message.type, message.data
        if kind == "error":
            self._latest.errors.append(str(data))
        elif kind == "interrupted":
            self._answering.interrupted = True
        elif kind == "log" and data == "pause_detected":
            self._tells = True
            self._answering = self._latest
            self._taken[id(self._answering)] = self.now
        elif kind == "log" and data == "response_starting":
            self._tells = True
            self._saying += 1
            if id(self._latest) not in self._bounds:
                self._bounds[id(self._latest)] = at = self.now + self._delay
                self._ears.cut(at)
        elif kind == "log" and data == "response_done":
            self._saying -= 1

    def _begin(self, text: str, how: Way) -> CallerTurn:
        if self.ended:
            raise NoReplyError("the call is over")
        turn = CallerTurn(text, how, self.now, float("inf"))
        self.turns.append(turn)
        return turn

    async def _say(self, text: str, how: Way) -> CallerTurn:
        samples = await self._sound_of(text)
        turn = self._begin(text, how)
        start, end = await self._microphone.say(samples)
        turn.start, turn.end = start - self._began, end - self._began
        return turn

    async def _sound_of(self, text: str) -> Any:
        """One row of samples at the rate of the microphone."""
        if self._voice is None:
            return self._speech.say(text, self._rate).data[0]
        converter, parts = Converter(self._rate, 1), []
        async for piece in spoken(self._voice, text):
            parts.append(converter.push(to_audio_frame(piece))[0])
        return np.concatenate([*parts, converter.flush()[0]])

    async def _hear_for(self, seconds: float) -> bool:
        """Wait until an answer was heard for so long; `False` if it is over sooner."""
        turn = self._latest

        def heard() -> bool:
            sounds = self._sounds_of(turn)
            return bool(sounds) and self.now - sounds[0].start >= seconds

        await self._until(lambda: heard() or self._is_answered(turn), PATIENCE, "no answer")
        return bool(self._saying) if self._tells else self._ears.quiet_for < SETTLED

    async def _until(self, condition: Callable[[], bool], timeout: float, missing: str) -> None:
        end = self.now + timeout
        while not condition():
            if self.now >= end:
                raise NoReplyError(f"{missing} within {timeout:g} s")
            await self._microphone.tick()

    def _is_answered(self, turn: CallerTurn) -> bool:
        if self.ended:
            return True
        if self._saying or self.state not in (None, "listening"):
            return False  # looked at first, since it is asked with each frame
        sounds = self._sounds_of(turn)
        if not self._tells:
            return bool(sounds) and self._ears.quiet_for >= OVER
        taken = self._taken.get(id(turn), 0.0 if turn is self.greeting and sounds else -1.0)
        quiet = min(self._ears.quiet_for, self.now - taken)
        return taken >= turn.end - 0.02 and quiet >= SETTLED

    def _bound_of(self, turn: CallerTurn) -> float:
        """From when on what is heard is the answer to it."""
        if self._tells:
            return self._bounds.get(id(turn), float("inf"))
        return turn.start

    def _owner(self, at: float) -> CallerTurn:
        """The turn to which what is heard at a time is the answer."""
        owner = self.greeting
        for turn in self.turns:
            if self._bound_of(turn) <= at:
                owner = turn
        return owner

    def _sounds_of(self, turn: CallerTurn) -> list[Sound]:
        self._ears.listen()
        return [sound for sound in self._ears.sounds if self._owner(sound.start) is turn]

    def _heard_words(self) -> list[HeardWord]:
        return self._ears.words(self._speech)

    async def _settle(self) -> None:
        """Bring the turns up to date."""
        texts: dict[int, list[str]] = {}
        if self._recogniser is None:
            for word in self._heard_words():
                middle = (word.start + word.end) / 2
                texts.setdefault(id(self._owner(middle)), []).append(word.text)
        for turn in (self.greeting, *self.turns):
            sounds = self._sounds_of(turn)
            turn.gap = sounds[0].start - turn.end if sounds else None
            if turn.how == "interruption":
                ends = [s.end for s in self._ears.sounds if s.start < turn.start < s.end]
                turn.silent_after = max(ends, default=turn.start) - turn.start
            if self._recogniser is None:
                turn.text = " ".join(texts.get(id(turn), ()))
            elif sounds:
                turn.text = await self._recognise(sounds)

    async def _recognise(self, sounds: Sequence[Sound]) -> str:
        audio = self._ears.recording(sounds[0].start - 0.05, sounds[-1].end + 0.05)
        text = self._recogniser.stt(audio)
        return str(await text if hasattr(text, "__await__") else text).strip()
