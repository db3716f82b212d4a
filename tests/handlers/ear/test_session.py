"""An agent whose voice comes back to it, through a session."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame, ConfigurationError, Playback, StreamHandler
from fastrtc_core.testing import connect, delay_of
from fastrtc_handlers import Ear, ReplyOnPause

from ..conversations import Speaker, Voices
from .room import RATE, Room

SPEECH = (
    "I would like to tell you about the second floor of the library, which is next to the garden.",
    "The report that Margaret sent before noon says that the larger one costs twenty pounds.",
    "There is a window seat left on the next train to Cambridge, if you would like to take it.",
    "The kitchen light flickers all the time, and the keys are in the shed behind the house.",
)
OBJECTION = "Please change my appointment, I cannot come on Thursday."


def greeting(voices: Voices) -> AudioFrame:
    """What the agent says: some 20 s."""
    speaker = Speaker("en-gb-scotland", 150, 40)
    said = [voices.say(text, speaker) for text in SPEECH]
    pause = np.zeros(RATE // 2)
    sound = np.concatenate([part for sentence in said for part in (sentence, pause)])
    return AudioFrame(RATE, (1.5 * sound * 32767).astype(np.int16)[np.newaxis])


class Agent(ReplyOnPause):
    """Notes what happens to it."""

    def __init__(self, said: AudioFrame, ear: Ear | None, **options: Any) -> None:
        self.said = said
        super().__init__(
            self.reply,
            startup_fn=lambda: said,
            input_sample_rate=RATE,
            output_sample_rate=RATE,
            ear=ear,
            **options,
        )

    def copy(self) -> Agent:
        copied = Agent(self.said, self.ear)
        self.session = copied
        copied.turns_taken = []
        copied.interruptions = []
        copied.pauses = 0
        return copied

    turns_taken: list[AudioFrame]
    interruptions: list[Playback]
    pauses: int

    def reply(self, audio: AudioFrame) -> None:
        self.session_of().turns_taken.append(audio)

    def session_of(self) -> Agent:
        return self

    def pause_speech(self) -> None:
        self.pauses += 1
        super().pause_speech()

    def on_interrupted(self, playback: Playback) -> None:
        self.interruptions.append(playback)


async def talk(agent: Agent, room: dict[str, Any], seconds: float) -> Agent:
    async with connect(agent) as peer:
        await Room(peer, **room).run(seconds)
        assert not peer.of_type("error")
    return agent.session


async def test_without_an_ear_an_agent_interrupts_itself(voices: Voices) -> None:
    """It stops at each few words, hears nothing any more, and goes on."""
    session = await talk(Agent(greeting(voices), None), {}, 10)
    assert session.pauses > 5


@pytest.mark.parametrize(
    ("ear", "delay"),
    [(Ear(), 0.04), (Ear(), 0.5), (Ear(cancel_echo=True, suppress_noise=1), 0.25)],
)
async def test_with_an_ear_it_does_not(voices: Voices, ear: Ear, delay: float) -> None:
    session = await talk(Agent(greeting(voices), ear), {"delay": delay}, 12)
    assert (session.interruptions, session.turns_taken, session.pauses) == ([], [], 0)


@pytest.mark.parametrize(
    ("ear", "level"), [(Ear(), -10.0), (Ear(), -100.0), (Ear(cancel_echo=True), -10.0)]
)
async def test_somebody_who_speaks_over_it_is_heard_at_once(
    voices: Voices, ear: Ear, level: float
) -> None:
    """Whether the agent's voice comes back or not; and what they say is answered."""
    objection = voices.say(OBJECTION, Speaker("en-us+f2", 150, 60))
    agent = Agent(greeting(voices), ear)
    silent: list[float] = []
    async with connect(agent) as peer:
        start = asyncio.get_running_loop().time()
        await Room(peer, level=level, voices=[(6.0, 1.5 * objection)]).run(11)
        silent = [when - start for when, _ in peer.heard if when - start > 5.5]
    gaps = np.flatnonzero(np.diff(silent) > 0.1)
    quiet = silent[gaps[0]] if len(gaps) else silent[-1]
    assert 5.9 < quiet < 6.3, "silent within 0.3 s"
    assert len(agent.session.interruptions) == 1
    assert len(agent.session.turns_taken) == 1


async def test_a_turn_can_be_handed_on_without_the_echo(voices: Voices) -> None:
    """The objection is in it; what the agent said meanwhile is 10 dB lower than it came back."""
    objection = voices.say(OBJECTION, Speaker("en-us+f2", 150, 60))
    said = greeting(voices)
    # They begin 0.2 s after a loud word was played, the echo of which is in the pre-roll.
    words = np.convolve(said.data[0, : 9 * RATE].astype(float) ** 2, np.ones(RATE // 5), "same")
    at = 0.2 + (5 * RATE + int(words[5 * RATE :].argmax())) / RATE
    levels = []
    for clean in (False, True):
        ear = Ear(cancel_echo=True, clean_turns=clean)
        room = {"level": -6.0, "voices": [(at, 1.5 * objection)]}
        session = await talk(Agent(said, ear), room, 13)
        (turn,) = session.turns_taken
        assert delay_of(turn.data[0], (objection * 32767).astype(np.int16), RATE)[1] > 0.4
        levels.append(10 * np.log10(np.mean(turn.data[0, : RATE // 5].astype(float) ** 2) + 1))
    assert levels[0] - levels[1] > 10


class Listener(StreamHandler):
    """Plays noise, and keeps what comes."""

    wants_played = True

    def __init__(self, rate: int = 48000) -> None:
        super().__init__(input_sample_rate=RATE, output_sample_rate=rate)
        self.frames: list[AudioFrame] = []

    def copy(self) -> Listener:
        type(self).latest = copied = type(self)(self.output_sample_rate)
        return copied

    latest: Listener

    def start_up(self) -> None:
        random = np.random.default_rng(3)
        sound = random.standard_normal(3 * self.output_sample_rate) * 3000
        # What both rates carry.
        spectrum = np.fft.rfft(sound)
        spectrum[len(spectrum) * 6000 * 2 // self.output_sample_rate :] = 0
        sound = np.fft.irfft(spectrum, len(sound))
        rate = self.output_sample_rate
        self.say(AudioFrame(rate, sound.astype(np.int16)[np.newaxis]))

    def receive(self, frame: AudioFrame) -> None:
        self.frames.append(frame)

    def emit(self) -> None:
        return None


class Deaf(Listener):
    wants_played = False


async def test_frames_know_what_was_played() -> None:
    """The echo lies behind it by the delay of the room, less what is held back."""
    async with connect(Listener(RATE)) as peer:
        await Room(peer, level=0.0, delay=0.2).run(4)
    frames = Listener.latest.frames
    assert len(frames) > 150
    near = np.concatenate([frame.data[0] for frame in frames])
    played = [frame.played for frame in frames]
    assert all(part is not None and part.shape == (1, 320) for part in played)
    far = np.concatenate([part[0] for part in played if part is not None])
    delay, likeness = delay_of(near, far[RATE // 2 : 2 * RATE], RATE)
    assert delay - 0.5 == pytest.approx(0.19, abs=0.011), (
        "whichever comes first of two at one moment"
    )
    assert likeness > 0.1, "a room"


async def test_a_session_that_does_not_ask_keeps_nothing() -> None:
    async with connect(Deaf(RATE)) as peer:
        await Room(peer).run(1)
        assert peer.session.local_audio is not None
        assert not peer.session.local_audio._readers
    assert len(Deaf.latest.frames) > 40
    assert all(frame.played is None for frame in Deaf.latest.frames)


def test_an_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    Ear()
    with pytest.raises(ConfigurationError, match=r"fastrtc-core\[ear\]"):
        Ear(cancel_echo=True)
    with pytest.raises(ConfigurationError, match=r"fastrtc-core\[ear\]"):
        Ear(suppress_noise=1)
