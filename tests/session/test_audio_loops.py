"""Rules 1, 2, 5, 6, 7 and 8, as a handler and its client see them."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from typing import Any

import numpy as np
import pytest

from fastrtc_core import (
    AdditionalOutputs,
    AsyncStreamHandler,
    AudioFrame,
    HandlerError,
    StreamHandler,
)
from fastrtc_core.testing import InProcessPeer, connect, delay_of, fit_sine, tone
from fastrtc_handlers import Echo

from .handlers import Recording, SyncEcho, heard_samples


def handler_of(peer: InProcessPeer) -> Recording:
    handler = peer.session.handler
    assert isinstance(handler, Recording)
    return handler


@pytest.mark.virtual_clock
async def test_an_echo_comes_back_whole_and_at_once() -> None:
    """Every sample comes back, in order, without waiting for a second frame."""
    speech = tone(440, duration=2)
    async with connect(Echo()) as peer:
        start = asyncio.get_running_loop().time()
        await peer.speak(speech)
        await asyncio.sleep(0.1)
        assert peer.heard[0][0] - start < 0.005
        assert all(when - start - 0.02 * n < 0.005 for n, (when, _) in enumerate(peer.heard))
        assert np.array_equal(heard_samples(peer.heard), speech.data[0])


@pytest.mark.virtual_clock
@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000])
async def test_receive_gets_20_ms_frames_at_its_own_rate(rate: int) -> None:
    """Fifty frames a second of shape (1, rate / 50), whatever comes in."""
    async with connect(Recording(input_sample_rate=rate)) as peer:
        await peer.speak(tone(1000, duration=1.0, sample_rate=48000, num_channels=2))
        await asyncio.sleep(0.01)
        frames = handler_of(peer).frames
    assert len(frames) == 50
    assert {(f.sample_rate, f.data.shape, f.data.dtype) for f in frames} == {
        (rate, (1, rate // 50), np.dtype(np.int16))
    }
    joined = np.concatenate([f.data[0] for f in frames])[rate // 10 :]
    assert fit_sine(joined, 1000, rate).snr > 50


@pytest.mark.virtual_clock
async def test_stereo_stays_stereo() -> None:
    """Two different channels come in, go out, and are never mixed."""
    left, right = tone(300, 0.5), tone(700, 0.5)
    both = AudioFrame(48000, np.concatenate([left.data, right.data]))
    async with connect(Echo(stereo=True)) as peer:
        await peer.speak(both)
        await asyncio.sleep(0.1)
        out = np.concatenate([timed.data for _, timed in peer.heard], axis=1)
    assert np.array_equal(out, both.data)


@pytest.mark.virtual_clock
async def test_one_exception_in_receive_loses_one_frame(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets one error, the log one record with the session id; the rest is delivered."""

    class Failing(Recording):
        async def receive(self, frame: AudioFrame) -> None:
            await super().receive(frame)
            if len(self.frames) == 3:
                raise ValueError("secret")

    with caplog.at_level(logging.ERROR):
        async with connect(Failing(), id="abc") as peer:
            await peer.speak(tone(duration=0.4))
            assert len(handler_of(peer).frames) == 20
            assert peer.of_type("error") == ["The server failed in receive."]
    records = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(records) == 1
    assert "abc" in records[0].getMessage()
    assert "secret" in caplog.text


@pytest.mark.virtual_clock
async def test_one_exception_in_emit_is_reported_and_the_next_turn_plays() -> None:
    """A `HandlerError` shows its text; what is emitted after it is heard."""

    class Failing(Recording):
        async def emit(self) -> Any:
            item = await self.to_emit.get()
            if isinstance(item, Exception):
                raise item
            return item

    async with connect(Failing(output_sample_rate=48000)) as peer:
        queue = handler_of(peer).to_emit
        queue.put_nowait(HandlerError("out of credit"))
        queue.put_nowait(StopIteration())
        queue.put_nowait((48000, tone(duration=0.2).data))
        await asyncio.sleep(0.5)
        assert peer.of_type("error") == ["out of credit", "The server failed in emit."]
        assert len(peer.heard) == 10


@pytest.mark.virtual_clock
async def test_a_handler_that_always_fails_does_not_flood() -> None:
    """Fifty failures a second become ten messages a second."""

    class Failing(Recording):
        async def receive(self, frame: AudioFrame) -> None:
            raise ValueError("always")

    async with connect(Failing()) as peer:
        await peer.speak(tone(duration=2))
        assert len(peer.of_type("error")) <= 30


@pytest.mark.virtual_clock
async def test_emit_is_not_called_more_often_than_the_frame_rate() -> None:
    """`None`, no samples, outputs alone and exceptions: fifty calls a second, never two at once."""
    for result in (None, (24000, np.zeros(0, np.int16)), AdditionalOutputs(1), ValueError()):

        class Idle(AsyncStreamHandler):
            calls = 0
            running = 0
            most = 0

            async def receive(self, frame: AudioFrame) -> None: ...

            async def emit(self, result: Any = result) -> Any:
                self.calls += 1
                self.running += 1
                self.most = max(self.most, self.running)
                await asyncio.sleep(0)
                self.running -= 1
                if isinstance(result, Exception):
                    raise result
                return result

            def copy(self) -> AsyncStreamHandler:
                return type(self)()

        async with connect(Idle()) as peer:
            await asyncio.sleep(2)
            handler = peer.session.handler
            assert isinstance(handler, Idle)
            assert 90 <= handler.calls <= 102
            assert handler.most == 1
            assert peer.heard == []


@pytest.mark.virtual_clock
async def test_emit_is_held_back_while_the_playout_is_full() -> None:
    """A handler that always has audio is called at the pace of the clock, 200 ms ahead."""

    class Endless(Recording):
        async def emit(self) -> AudioFrame:
            self.calls.append("emit")
            return tone(duration=0.02, sample_rate=24000)

    async with connect(Endless()) as peer:
        await asyncio.sleep(2)
        calls = handler_of(peer).calls.count("emit")
        assert len(peer.heard) == pytest.approx(102, abs=2)
        assert calls - len(peer.heard) <= 11
    assert peer.session.local_audio is not None


@pytest.mark.virtual_clock
async def test_clear_queue_silences_the_next_packet() -> None:
    """Nothing that was queued before `clear_queue` is heard after it."""
    async with connect(Recording(output_sample_rate=48000)) as peer:
        handler = handler_of(peer)
        handler.to_emit.put_nowait((48000, np.full(48000 * 5, 1000, np.int16)))
        await asyncio.sleep(1)
        handler.clear_queue()
        heard = len(peer.heard)
        handler.to_emit.put_nowait((48000, np.full(960 * 5, 2000, np.int16)))
        await asyncio.sleep(1)
        after = np.concatenate([timed.data[0] for _, timed in peer.heard[heard:]])
        assert set(after) == {2000}
        assert peer.session.local_audio is not None
        ledger = peer.session.local_audio.source.statistics()
        assert ledger.pushed == ledger.played + ledger.queued + ledger.cleared
        assert ledger.cleared > 48000 * 3


@pytest.mark.virtual_clock
async def test_a_short_tail_is_played_and_is_no_prefix_of_the_next_utterance() -> None:
    """13 ms of audio are padded to one packet; the next utterance starts in a packet of its own."""
    async with connect(Recording(output_sample_rate=48000)) as peer:
        queue = handler_of(peer).to_emit
        queue.put_nowait((48000, np.full(624, 7, np.int16)))
        await asyncio.sleep(1)
        queue.put_nowait((48000, np.full(960, 9, np.int16)))
        await asyncio.sleep(1)
        first, second = (timed for _, timed in peer.heard)
    assert list(first.data[0]) == [7] * 624 + [0] * 336
    assert set(second.data[0]) == {9}
    assert second.resumed
    assert second.timestamp - first.timestamp == pytest.approx(48000, abs=2 * 960)


@pytest.mark.virtual_clock
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
async def test_frames_of_another_rate_are_converted_without_a_click(rate: int) -> None:
    """A handler may emit at any rate and in any chunk size; the whole of it is played."""
    signal = tone(500, duration=1.0, sample_rate=rate).data[0]
    async with connect(Recording(output_sample_rate=48000)) as peer:
        position = 0
        for size in [1, 7, 441, 1000, len(signal)]:
            chunk = signal[position : position + size]
            handler_of(peer).to_emit.put_nowait((rate, chunk))
            position += len(chunk)
        await asyncio.sleep(2)
        played = heard_samples(peer.heard)
    assert len(played) == pytest.approx(48000, abs=2 * 960)
    assert fit_sine(played[2000:46000], 500, 48000).snr > 45


@pytest.mark.virtual_clock
async def test_what_cannot_be_played_is_an_error_for_the_client() -> None:
    """Each wrong shape or type is named to the client, and the session goes on."""
    wrong: list[Any] = [
        "audio",
        (24000, [1, 2, 3]),
        (24000, np.zeros((3, 480), np.int16)),
        (24000, np.zeros((480, 1), np.int16)),
        (24000, np.zeros(480, np.uint8)),
        (24000, np.zeros(480, complex)),
        (24000.5, np.zeros(480, np.int16)),
        (0, np.zeros(480, np.int16)),
        np.zeros(480, np.int16),
    ]
    async with connect(Recording()) as peer:
        for item in wrong:
            handler_of(peer).to_emit.put_nowait(item)
        handler_of(peer).to_emit.put_nowait((24000, np.ones(480, np.float32)))
        await asyncio.sleep(1)
        errors = peer.of_type("error")
        assert len(errors) == len(wrong)
        assert "(3, 480)" in errors[2]
        assert "transpose" in errors[3]
        assert "uint8" in errors[4]
        assert len(peer.heard) == 1
        assert set(peer.heard[0][1].data[0]) == {32767}


@pytest.mark.virtual_clock
async def test_additional_outputs_reach_the_application_and_the_client() -> None:
    """They are kept, streamed in order, and announced; a frame beside them is played."""
    async with connect(Recording(output_sample_rate=48000)) as peer:
        outputs: list[Any] = []

        async def collect() -> None:
            async for output in peer.session.outputs.subscribe():
                outputs.append(output.args)

        collecting = asyncio.create_task(collect())
        await asyncio.sleep(0)
        queue = handler_of(peer).to_emit
        queue.put_nowait(AdditionalOutputs("a", 1))
        queue.put_nowait(((48000, np.ones(960, np.int16)), AdditionalOutputs("b", 2)))
        await asyncio.sleep(0.2)
        assert outputs == [("a", 1), ("b", 2)]
        assert peer.session.outputs.latest is not None
        assert peer.session.outputs.latest.args == ("b", 2)
        assert len(peer.heard) == 1
        assert peer.of_type("fetch_output") == [[], []]
    await collecting  # ends with the session


@pytest.mark.virtual_clock
async def test_an_idle_session_does_nothing() -> None:
    """Ten minutes in which nobody says anything: no packet, and next to no turn of the loop."""
    loop = asyncio.get_running_loop()
    async with connect(Echo()) as peer:
        await asyncio.sleep(1)
        turns = 0
        run_once = loop._run_once  # type: ignore[attr-defined]

        def counting() -> None:
            nonlocal turns
            turns += 1
            run_once()

        loop._run_once = counting  # type: ignore[attr-defined]
        await asyncio.sleep(600)
        assert peer.heard == []
        assert turns < 10


@pytest.mark.virtual_clock
async def test_time_stamps_track_the_clock_across_silence() -> None:
    """After ten silent minutes the timestamp stands ten minutes further."""
    async with connect(Echo()) as peer:
        for _ in range(3):
            await peer.speak(tone(duration=0.5))
            await asyncio.sleep(600)
    for when, timed in peer.heard:
        assert timed.timestamp / 48000 == pytest.approx(when - peer.heard[0][0], abs=0.1)


@pytest.mark.virtual_clock
async def test_a_turn_of_ninety_seconds_is_heard_to_its_end() -> None:
    """`emit` may be silent for a minute and then return half a minute at once."""

    class Thinking(Recording):
        async def emit(self) -> Any:
            await asyncio.sleep(60)
            return tone(440, duration=90, sample_rate=24000)

    async with connect(Thinking()) as peer:
        await asyncio.sleep(151)
        assert len(peer.heard) == pytest.approx(4500, abs=3)


class SlowAsync(Recording):
    """100 ms of work per frame, on the loop's time."""

    async def receive(self, frame: AudioFrame) -> None:
        await asyncio.sleep(0.1)
        self.to_emit.put_nowait(frame)


@pytest.mark.virtual_clock
async def test_a_slow_async_handler_drops_the_oldest_and_keeps_up() -> None:
    """With 100 ms of work per 20 ms frame, what is handled is never older than 300 ms."""
    options = {"input_sample_rate": 48000, "output_sample_rate": 48000}
    async with connect(SlowAsync(**options)) as peer:
        ages = await _speak_numbered(peer, seconds=10)
        assert max(ages) < 0.3
        stream = peer.session.media.audio_stream
        assert stream is not None
        assert stream.dropped == pytest.approx(400, abs=15)


class SlowSync(SyncEcho):
    """100 ms of work per frame, blocking."""

    def receive(self, frame: AudioFrame) -> None:
        time.sleep(0.1)
        self.queue.put(frame)


async def test_a_slow_sync_handler_drops_the_oldest_and_keeps_up() -> None:
    """The same on a thread, in real time."""
    options = {"input_sample_rate": 48000, "output_sample_rate": 48000}
    async with connect(SlowSync(**options)) as peer:
        ages = await _speak_numbered(peer, seconds=2)
        assert len(ages) >= 12
        # If nothing were dropped, the last would be more than a second old.
        assert statistics.median(ages[-8:]) < 0.3


async def _speak_numbered(peer: InProcessPeer, seconds: float) -> list[float]:
    """Send frames that carry their number, and return how old each was when it came back."""
    loop = asyncio.get_running_loop()
    sent: list[float] = []
    due = loop.time()
    for number in range(1, int(seconds * 50) + 1):
        await asyncio.sleep(max(0.0, due - loop.time()))
        due += 0.02
        sent.append(loop.time())
        peer.push(AudioFrame(48000, np.full((1, 960), number, np.int16)))
    return [when - sent[int(timed.data[0, 0]) - 1] for when, timed in peer.heard]


async def test_a_blocking_sync_handler_does_not_stall_the_event_loop() -> None:
    """While `receive` blocks for 200 ms again and again, the loop turns every few ms."""

    class Blocking(StreamHandler):
        def receive(self, frame: AudioFrame) -> None:
            time.sleep(0.2)

        def emit(self) -> None:
            time.sleep(0.2)

        def copy(self) -> Blocking:
            return Blocking()

    loop = asyncio.get_running_loop()
    async with connect(Blocking()) as peer:
        speaking = asyncio.create_task(peer.speak(tone(duration=1)))
        gaps = []
        while not speaking.done():
            before = loop.time()
            await asyncio.sleep(0.001)
            gaps.append(loop.time() - before)
        await speaking
    # The median tells a blocked loop from a busy machine; the worst gap is printed for the curious.
    print(f"worst gap {max(gaps) * 1000:.1f} ms")
    assert sorted(gaps)[int(len(gaps) * 0.99)] < 0.02


async def test_blocked_sessions_do_not_delay_another() -> None:
    """A hundred sessions whose handlers block for ever; the next one echoes as if it were alone."""

    class Blocked(StreamHandler):
        def receive(self, frame: AudioFrame) -> None:
            time.sleep(1)

        def emit(self) -> None:
            import queue

            queue.Queue[None]().get()

        def copy(self) -> Blocked:
            return Blocked()

    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        blocked = [
            await stack.enter_async_context(connect(Blocked(), id=str(i))) for i in range(100)
        ]
        for peer in blocked:
            peer.push(tone(duration=0.02))
        speech = tone(440, duration=0.5)
        async with connect(SyncEcho(output_sample_rate=48000), id="101") as peer:
            await peer.speak(speech)
            await asyncio.sleep(0.2)
            delay, correlation = delay_of(heard_samples(peer.heard), speech.data[0], 48000)
            assert correlation > 0.99
            assert delay < 0.05
