"""The in-process transport, as applications use it in their own tests."""

from __future__ import annotations

import asyncio
from typing import Any

import av
import numpy as np
import pytest

from fastrtc_core import (
    AsyncStreamHandler,
    AudioFrame,
    ChannelClosedError,
    CloseReason,
    CloseStream,
    ConfigurationError,
    get_current_context,
)
from fastrtc_core.session import Hooks
from fastrtc_core.testing import InProcessPeer, connect, fit_sine, tone
from fastrtc_handlers import AudioVideoEcho, Echo

virtual = pytest.mark.virtual_clock


class Talker(AsyncStreamHandler):
    """Answers each message with what it knows of its session."""

    log: list[str]

    async def start_up(self) -> None:
        self.log = []

    async def receive(self, frame: AudioFrame) -> None:
        pass

    async def emit(self) -> Any:
        await asyncio.Event().wait()

    async def on_message(self, message: Any) -> None:
        context = get_current_context()
        await self.send_message([message, context.webrtc_id, context.transport, self.args])

    def copy(self) -> Talker:
        return Talker()


@virtual
async def test_what_is_spoken_is_heard() -> None:
    """`speak` sends in real time, and `heard` holds what came back, each frame with its time."""
    async with connect(Echo(sample_rate=24000)) as peer:
        start = asyncio.get_running_loop().time()
        await peer.speak(tone(1000, 1.0, 24000))
        assert asyncio.get_running_loop().time() - start == pytest.approx(1.0)
        await asyncio.sleep(0.1)
    sound = np.concatenate([timed.data for _, timed in peer.heard], axis=1)
    assert fit_sine(sound[0], 1000, 24000).snr > 80
    times = [when for when, _ in peer.heard]
    assert np.diff(times) == pytest.approx(0.02, abs=0.005)


@virtual
async def test_messages_go_both_ways() -> None:
    """`send` reaches `on_message`; what is sent back is in `messages`, with id and arguments."""
    async with connect(Talker(), args=[5], id="me") as peer:
        peer.send({"a": 1})
        await asyncio.sleep(0.1)
        assert peer.of_type("message") == [[{"a": 1}, "me", "in-process", [5]]]
        assert peer.of_type("error") == []


@virtual
async def test_a_closed_session_takes_and_sends_nothing() -> None:
    """After the context the session has ended, by the client, and the handler cannot post."""
    async with connect(Talker()) as peer:
        assert peer.close_reason is None
    assert peer.close_reason is CloseReason.CLIENT
    with pytest.raises(ChannelClosedError):
        peer.post('{"type": "message", "data": 1}')


@virtual
async def test_a_session_may_end_before_its_context() -> None:
    """`CloseStream`, time limits and errors end it; the reason is there to be looked at."""

    class Farewell(Talker):
        async def emit(self) -> CloseStream:
            return CloseStream("bye")

        def copy(self) -> Farewell:
            return Farewell()

    async with connect(Farewell()) as peer:
        await asyncio.sleep(5)
        assert peer.close_reason is CloseReason.CLOSE_STREAM
        assert peer.of_type("end_stream") == ["bye"]
    async with connect(Talker(), time_limit=3) as peer:
        await asyncio.sleep(5)
        assert peer.close_reason is CloseReason.TIME_LIMIT


@virtual
async def test_a_failed_assertion_arrives_as_it_is() -> None:
    """No group of exceptions stands between a test and its report; the session ends as well."""
    seen: list[InProcessPeer] = []

    async def test() -> None:
        async with connect(Talker()) as peer:
            seen.append(peer)
            raise AssertionError("as it is")

    with pytest.raises(AssertionError, match="as it is"):
        await test()
    assert seen[0].close_reason is CloseReason.CLIENT


@virtual
async def test_a_cancelled_test_ends_its_session() -> None:
    """A time-out around the test leaves no session behind."""
    seen: list[InProcessPeer] = []

    async def test() -> None:
        async with connect(Talker()) as peer:
            seen.append(peer)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(test(), 1)
    assert seen[0].close_reason is not None


@virtual
async def test_media_that_do_not_flow_are_named() -> None:
    """Sending what the session does not receive is a mistake of the test, and said so."""
    async with connect(Talker(), receives=frozenset()) as peer:
        with pytest.raises(AssertionError, match="receives no audio"):
            peer.push(tone(duration=0.02))
        with pytest.raises(AssertionError, match="receives no video"):
            peer.push_picture(picture())


def picture() -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((8, 8, 3), 77, np.uint8), format="bgr24")


async def test_pictures_are_seen() -> None:
    """`push_picture` and `seen` do for video what `push` and `heard` do for audio."""
    both = frozenset({"audio", "video"})
    async with connect(AudioVideoEcho(), receives=both, sends=both) as peer:  # type: ignore[arg-type]
        async with asyncio.timeout(5):
            while not peer.seen:
                peer.push_picture(picture())
                await asyncio.sleep(0.01)
    array = peer.seen[0][1].to_ndarray(format="bgr24")
    assert array.shape == (8, 8, 3)
    assert abs(int(array.mean()) - 77) <= 2


@virtual
async def test_hooks_are_called() -> None:
    """`on_connect` and `on_disconnect` are those of a `Stream`."""
    log: list[Any] = []

    async def on_connect(context: Any) -> None:
        log.append(context.params)

    async def on_disconnect(reason: CloseReason) -> None:
        log.append(reason)

    hooks = Hooks(on_connect, on_disconnect)
    async with connect(Talker(), hooks=hooks, params={"room": 7}):
        await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert log == [{"room": 7}]
    assert log == [{"room": 7}, CloseReason.CLIENT]


@virtual
async def test_a_copy_that_is_none_is_refused() -> None:
    """A handler whose `copy` returns itself is told so before anything runs."""

    class Selfish(Talker):
        def copy(self) -> Selfish:
            return self

    with pytest.raises(ConfigurationError, match="new instance"):
        async with connect(Selfish()):
            pytest.fail("a session of a prototype")
