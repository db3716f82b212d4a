"""From a script to what a microphone hears, and the truth about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...frames import AudioFrame, to_int16
from ..signals import frames_of
from . import acoustics
from .recordings import LEVEL, RATE, Recordings, Samples
from .scripts import AGENT_DELAY, AGENT_PAUSE, Script, Utterance

Kind = Literal["utterance", "backchannel", "cough", "click", "laugh", "agent"]


@dataclass(frozen=True)
class Segment:
    """One thing that is heard; all in samples.

    Attributes:
        kind: What it is.
        start: Its first sample.
        end: The sample after its last; of speech in a room, where the speaker is done.
        pauses: Pauses inside it, from their first sample to the one after their last.
    """

    kind: Kind
    start: int
    end: int
    pauses: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Conversation:
    """What one microphone hears, and what is true of it.

    Attributes:
        script: What it was made of.
        audio: What the microphone hears: mono at 16 kHz.
        agent: What the agent says, at the same time and of the same length: the reference of an
            echo canceller, if there is an echo.
        segments: The truth, in order of the beginnings.
    """

    script: Script
    audio: AudioFrame
    agent: AudioFrame
    segments: tuple[Segment, ...]

    def of(self, *kinds: Kind) -> list[Segment]:
        """The segments of some kinds."""
        return [segment for segment in self.segments if segment.kind in kinds]

    def frames(self, milliseconds: int = 20) -> Iterator[AudioFrame]:
        """The audio as it arrives."""
        return frames_of(self.audio, milliseconds)


def render(
    script: Script,
    recordings: Recordings,
    *,
    music: Sequence[Samples] = (),
    backchannels: Sequence[Samples] = (),
) -> Conversation:
    """Make the sound of a script; the same for the same arguments.

    Args:
        script: What is heard.
        recordings: Those that it was drawn up from.
        music: Recorded pieces; synthetic music when left out.
        backchannels: Recorded short words; the beginnings of phrases when left out.
    """
    tracks = _Tracks()
    phrases, voice = recordings.phrases[script.speaker], recordings.phrases[script.agent]
    for item in script.items:
        tracks.pause(item.gap)
        if isinstance(item.what, Utterance):
            tracks.say([phrases[number % len(phrases)] for number in item.what.phrases],
                       item.what.pauses)  # fmt: skip
            if item.answer is not None:
                tracks.pause(AGENT_DELAY)
                tracks.answer(voice[item.answer % len(voice)])
                tracks.pause(AGENT_PAUSE)
        else:
            random = np.random.default_rng(item.seed)
            if item.what == "backchannel":
                sound = _backchannel(backchannels or phrases, random)
            else:
                sound = acoustics.SOUNDS[item.what](random)
            tracks.add(item.what, sound)
    tracks.pause(script.tail)

    speech, agent = np.concatenate(tracks.speech), np.concatenate(tracks.agent)
    if script.agent_talks:
        agent = np.resize(recordings.talk[script.agent], len(speech))
    heard = _microphone(script, recordings, speech, agent, music)
    return Conversation(script, _frame(heard), _frame(agent), tuple(tracks.segments))


class _Tracks:
    """What the speaker and the agent say, side by side, and what is where."""

    def __init__(self) -> None:
        self.speech: list[Samples] = []
        self.agent: list[Samples] = []
        self.segments: list[Segment] = []
        self.length = 0

    def pause(self, seconds: float) -> None:
        silence = np.zeros(round(seconds * RATE), np.float32)
        self._append(silence, silence)

    def add(self, kind: Kind, sound: Samples) -> None:
        start = self.length
        self._append(sound, np.zeros_like(sound))
        self.segments.append(Segment(kind, start, self.length))

    def say(self, phrases: Sequence[Samples], pauses: Sequence[float]) -> None:
        start, inside = self.length, []
        for number, phrase in enumerate(phrases):
            if number:
                begin = self.length
                self.pause(pauses[number - 1])
                inside.append((begin, self.length))
            self._append(phrase, np.zeros_like(phrase))
        self.segments.append(Segment("utterance", start, self.length, tuple(inside)))

    def answer(self, phrase: Samples) -> None:
        start = self.length
        self._append(np.zeros_like(phrase), phrase)
        self.segments.append(Segment("agent", start, self.length))

    def _append(self, speech: Samples, agent: Samples) -> None:
        self.speech.append(speech)
        self.agent.append(agent)
        self.length += len(speech)


def _microphone(
    script: Script,
    recordings: Recordings,
    speech: Samples,
    agent: Samples,
    music: Sequence[Samples],
) -> Samples:
    setting = script.setting
    # Each has numbers of its own: what is left out changes nothing of the rest.
    of_room, of_noise, of_floor = np.random.default_rng(script.seed).spawn(3)
    heard = acoustics.in_room(speech, setting.t60, of_room) if setting.t60 > 0 else speech
    if setting.echo is not None:
        late = min(round(setting.echo_delay * RATE), len(agent))
        echo = np.concatenate((np.zeros(late, np.float32), agent[: len(agent) - late]))
        heard = heard + echo * np.float32(10 ** (setting.echo / 20))
    if setting.noise != "none":
        noise = _noise(script, recordings, music, of_noise)
        heard = heard + np.resize(noise, len(heard)) * np.float32(10 ** (-setting.snr / 20))
    floor = np.float32(LEVEL * 10 ** (setting.room / 20))
    heard = heard + floor * of_floor.standard_normal(len(heard), dtype=np.float32)
    if setting.telephone:
        heard = acoustics.over_telephone(heard)
    gained: Samples = heard * np.float32(10 ** (setting.level / 20))
    return gained


def _noise(
    script: Script,
    recordings: Recordings,
    music: Sequence[Samples],
    random: np.random.Generator,
) -> Samples:
    """A loop of what sounds all the time, at the level of the speech."""
    if script.setting.noise == "pink":
        return acoustics.pink(random)
    if script.setting.noise == "music":
        return acoustics.music(music, random)
    others = [
        name for name in recordings.speakers if name not in (script.speaker, script.agent)
    ] or list(recordings.speakers)
    if script.setting.noise == "babble":
        return acoustics.babble(recordings, others, random)
    return acoustics.talker(recordings, others, random)


def _backchannel(sources: Sequence[Samples], random: np.random.Generator) -> Samples:
    """A short word: at most 0.5 s."""
    sound = sources[int(random.integers(len(sources)))][: RATE // 2].copy()
    slope = min(RATE // 50, len(sound))
    sound[-slope:] *= np.linspace(1, 0, slope, dtype=np.float32)
    return sound


def _frame(samples: Samples) -> AudioFrame:
    return AudioFrame(RATE, to_int16(samples[np.newaxis]))
