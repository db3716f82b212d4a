"""What each member of a room hears."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from fastrtc_core import Participant, RemoteAudioTrack
from fastrtc_core.media.limiter import CEILING, Limiter
from fastrtc_core.room.room_mixer import FRAME_SIZE, Mix, RoomMixer
from fastrtc_core.testing import fit_sine, noise, tone
from fastrtc_core.testing.signals import frames_of

pytestmark = pytest.mark.virtual_clock
RATE = 48000


class Table:
    """Members who speak in tones, and what each hears."""

    def __init__(self, members: int) -> None:
        self.spoke: list[int | None] = []
        self.mixer = RoomMixer(self.spoke.append)
        self.tracks = [RemoteAudioTrack() for _ in range(members)]
        self.heard: list[list[Mix]] = [[] for _ in range(members)]
        for uid, track in enumerate(self.tracks):
            participant = Participant(str(uid))
            participant.publish("microphone", track)
            self.mixer.add_speaker(uid, participant)
            self.mixer.add_listener(uid, self.heard[uid].append)

    async def speak(self, uid: int, frequency: float, seconds: float, level: float = 0.2) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for frame in frames_of(tone(frequency, seconds, RATE, level)):
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.tracks[uid].push(frame)

    def sound(self, uid: int) -> NDArray[np.int16]:
        return np.concatenate([mix.data[0] for mix in self.heard[uid]])


async def test_everybody_hears_the_others_and_not_itself() -> None:
    """Three tones: each member hears the two that are not its own, unchanged."""
    table = Table(4)
    frequencies = [500, 900, 1500]
    async with asyncio.TaskGroup() as tasks:
        for uid, frequency in enumerate(frequencies):
            tasks.create_task(table.speak(uid, frequency, 2.0))
    await asyncio.sleep(0.3)
    for uid in range(4):
        sound = table.sound(uid)[RATE // 2 : 3 * RATE // 2]
        for other, frequency in enumerate(frequencies):
            level = fit_sine(sound, frequency, RATE).amplitude / 32768
            assert level == pytest.approx(0.0 if other == uid else 0.2, abs=0.005)
    table.mixer.close()


async def test_members_who_are_silent_share_one_mix() -> None:
    """The same object, to be encoded once; whoever speaks has one of its own."""
    table = Table(5)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(table.speak(0, 500, 1.0))
        tasks.create_task(table.speak(1, 900, 1.0))
    await asyncio.sleep(0.3)
    shared = [{id(mix) for mix in heard if mix.shared} for heard in table.heard]
    assert len(shared[2]) >= 49
    assert shared[2] == shared[3] == shared[4]
    assert sum(not mix.shared for mix in table.heard[0]) >= 45
    table.mixer.close()


async def test_who_is_muted_shares_the_mix_and_wakes_nobody() -> None:
    """Two send silence without end: they hear the same as who sends nothing; alone, no mix runs."""
    table = Table(4)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(table.speak(0, 500, 1.0))
        tasks.create_task(table.speak(1, 900, 3.0, 0.0))
        tasks.create_task(table.speak(2, 900, 3.0, 0.0))
        await asyncio.sleep(2.0)
        assert table.mixer.idle
    assert [id(mix) for mix in table.heard[1]] == [id(mix) for mix in table.heard[3]]
    assert [id(mix) for mix in table.heard[2]] == [id(mix) for mix in table.heard[3]]
    assert len(table.heard[3]) >= 49
    assert table.heard[0] == []
    assert table.spoke == [0, None]
    table.mixer.close()


async def test_silence_costs_nothing_and_time_goes_on() -> None:
    """No mix and no timer; afterwards the position has moved on."""
    table = Table(2)
    await table.speak(0, 500, 0.5)
    await asyncio.sleep(2)
    count = len(table.heard[1])
    await asyncio.sleep(600)
    assert len(table.heard[1]) == count
    assert table.mixer.idle
    await table.speak(0, 500, 0.5)
    await asyncio.sleep(0.2)
    positions = [mix.position for mix in table.heard[1]]
    steps = np.diff(positions)
    assert steps[count - 1] == pytest.approx(602 * RATE, rel=0.01)
    assert set(np.delete(steps, count - 1)) == {FRAME_SIZE}
    table.mixer.close()


async def test_the_active_speaker_is_the_loudest_for_a_while() -> None:
    """A short word changes nothing; the end of all speech is told."""
    table = Table(3)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(table.speak(0, 500, 3.0, 0.2))
        await asyncio.sleep(1.0)
        tasks.create_task(table.speak(1, 900, 0.2, 0.8))
    assert table.spoke == [0]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(table.speak(0, 500, 3.0, 0.2))
        await asyncio.sleep(1.0)
        tasks.create_task(table.speak(1, 900, 2.0, 0.8))
    await asyncio.sleep(1.0)
    assert table.spoke == [0, 1, None]
    table.mixer.remove(1)
    table.mixer.remove(1)
    table.mixer.close()


async def test_many_loud_voices_do_not_crackle() -> None:
    """Ten at full level: limited, and no sample wraps."""
    table = Table(11)
    async with asyncio.TaskGroup() as tasks:
        for uid in range(10):
            tasks.create_task(table.speak(uid, 300 + 100 * uid, 1.0, 0.9))
    await asyncio.sleep(0.2)
    sound = table.sound(10)[RATE // 5 : RATE * 4 // 5].astype(int)
    assert np.abs(sound).max() <= 32767
    assert np.mean(np.abs(sound) >= 32767) < 0.001
    table.mixer.close()


def test_the_limiter_leaves_what_fits_and_recovers() -> None:
    """Quiet sound is the same to the sample; after a loud second the level comes back."""
    limiter = Limiter()
    quiet = noise(0.02, RATE, 0.05).data.astype(np.int32)
    assert np.array_equal(limiter.push(quiet), quiet)
    loud = tone(500, 0.02, RATE, 0.9).data.astype(np.int32) * 3
    for _ in range(50):
        out = limiter.push(loud)
    assert np.abs(out).max() <= CEILING + 1
    for _ in range(60):
        out = limiter.push(quiet)
    assert np.array_equal(out, quiet)
