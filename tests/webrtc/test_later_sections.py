"""A page that knows nothing of `tracks` stops its sections and adds others, over bare aiortc."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from numpy.typing import NDArray

from fastrtc_core import (
    AsyncAudioVideoStreamHandler,
    AudioFrame,
    AudioStream,
    Mode,
    Stream,
    VideoStream,
)
from fastrtc_core.webrtc.sdp.description import Description

from .answers import check_answer
from .support import connected, eventually, gone, make_offer, raw_peer, take_answer


class Mirror(AsyncAudioVideoStreamHandler):
    """Notes what comes, and sends grey pictures and a constant sound."""

    made: list[Mirror]

    def __init__(self, made: list[Mirror]) -> None:
        super().__init__()
        self.made = made
        self.heard = self.seen = 0
        self.tracks: list[tuple[str, Any]] = []

    async def start_up(self) -> None:
        self.made.append(self)

    async def receive(self, frame: AudioFrame) -> None:
        self.heard += 1

    async def emit(self) -> Any:
        return 24000, np.full(480, 8000, np.int16)

    async def video_receive(self, frame: NDArray[np.uint8]) -> None:
        self.seen += 1

    async def video_emit(self) -> Any:
        return np.full((48, 64, 3), 200, np.uint8)

    async def on_track(self, source: Any, track: Any) -> None:
        self.tracks.append((source, track))

    def copy(self) -> Mirror:
        return type(self)(self.made)


class Page:
    """A client that negotiates by itself, over the data channel."""

    def __init__(self, pc: RTCPeerConnection, stream: Stream) -> None:
        self.pc = pc
        self.received: dict[str, int] = {"audio": 0, "video": 0}
        self.level = 0.0
        """Of the latest picture."""
        self.errors: list[str] = []
        self._stream = stream
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._channel = pc.createDataChannel("text")
        self._channel.on("message", self._take)
        self._stopped: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        pc.on("track", lambda track: self._tasks.append(asyncio.create_task(self._watch(track))))

    async def connect(self) -> None:
        """The first offer."""
        await take_answer(self.pc, await self._stream.offer(await make_offer(self.pc)))
        await connected(self.pc)
        await eventually(lambda: self._channel.readyState == "open", "the data channel")

    async def negotiate(self, **fields: Any) -> list[str]:
        """A further offer; returns what each section was answered with."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        own = self.pc.localDescription.sdp
        offer = self._without_stopped(own)
        data = {"sdp": offer, **fields}
        self._channel.send(json.dumps({"type": "offer", "data": data}))
        async with asyncio.timeout(5):
            answer = await self._answers.get()
        assert "sdp" in answer, answer
        kinds = check_answer(offer, answer["sdp"])
        assert all(kinds[n] == "-" for n, mid in enumerate(_mids(own)) if mid in self._stopped)
        await self.pc.setRemoteDescription(
            RTCSessionDescription(self._with_stopped(answer["sdp"]), "answer")
        )
        return kinds

    def stop(self, mid: str) -> None:
        """What `transceiver.stop()` does before the next offer."""
        self._stopped.add(mid)
        (transceiver,) = (t for t in self.pc.getTransceivers() if t.mid == mid)
        transceiver.direction = "inactive"

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, text: str) -> None:
        message = json.loads(text)
        if message["type"] == "answer":
            self._answers.put_nowait(message["data"])
        elif message["type"] == "error":
            self.errors.append(message["data"])

    async def _watch(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                self.received[track.kind] += 1
                if isinstance(frame, av.VideoFrame):
                    self.level = frame.to_ndarray(format="gray").mean()
        except MediaStreamError:
            return

    def _without_stopped(self, sdp: str) -> str:
        """As browsers offer them: port 0, no ICE, not in the bundle (RFC 8829 section 5.2.2)."""
        session, sections = split(sdp)
        shown = []
        for section in sections:
            mid = _mid(section)
            if mid in self._stopped:
                bits = section[0].split(" ")
                section = [" ".join([bits[0], "0", *bits[2:]]), "c=IN IP4 0.0.0.0"]
                section += [f"a=mid:{mid}", "a=inactive"]
            shown.append(section)
        live = " ".join(mid for mid in _mids(sdp) if mid not in self._stopped)
        session = [line for line in session if not line.startswith("a=group")]
        session.append(f"a=group:BUNDLE {live}")
        return "".join(f"{line}\r\n" for lines in (session, *shown) for line in lines)

    def _with_stopped(self, sdp: str) -> str:
        """An answer that aiortc takes: it knows no section that is rejected."""
        own = {_mid(section): section for section in split(self.pc.localDescription.sdp)[1]}
        session, sections = split(sdp)
        accepted = next(section for section in sections if " 0 " not in section[0])
        transport = [line for line in accepted if line.startswith(_TRANSPORT)]
        shown = [
            [
                *(line for line in own[_mid(section)] if not line.startswith(_NOT_ECHOED)),
                *transport,
                "a=inactive",
            ]
            if " 0 " in section[0]
            else section
            for section in sections
        ]
        mids = " ".join(_mid(section) for section in sections)
        session = [line for line in session if not line.startswith("a=group")]
        session.append(f"a=group:BUNDLE {mids}")
        return "".join(f"{line}\r\n" for lines in (session, *shown) for line in lines)


_TRANSPORT = ("a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup")
_NOT_ECHOED = (*_TRANSPORT, "a=candidate", "a=ssrc", "a=msid", "a=sendrecv", "a=sendonly")


def split(sdp: str) -> tuple[list[str], list[list[str]]]:
    """The lines of the session, and those of each section."""
    description = Description.parse(sdp)
    return description.session, [section.lines for section in description.sections]


def _mid(section: list[str]) -> str:
    return next(line[6:] for line in section if line.startswith("a=mid:"))


def _mids(sdp: str) -> list[str]:
    return [_mid(section) for section in split(sdp)[1]]


@asynccontextmanager
async def page(
    *kinds: str, modality: Any = "audio-video", mode: Mode = "send-receive", made: list[Mirror]
) -> AsyncIterator[Page]:
    """A page that is connected with these media, each of which it sends and takes."""
    stream = Stream(Mirror(made), modality=modality, mode=mode)
    async with raw_peer() as pc:
        client = Page(pc, stream)
        for kind in kinds:
            pc.addTrack(source_of(kind))
        await client.connect()
        await eventually(lambda: made, "the session")
        try:
            yield client
        finally:
            await client.close()
    await gone(stream)
    assert client.errors == []


def source_of(kind: str) -> MediaStreamTrack:
    """A microphone or a camera."""
    return AudioStreamTrack() if kind == "audio" else VideoStreamTrack()


async def grows(count: Callable[[], int], what: str, by: int = 5) -> None:
    """Wait until something has happened so many more times."""
    before = count()
    await eventually(lambda: count() >= before + by, what)


async def stands_still(count: Callable[[], int]) -> None:
    """Nothing more of it happens, once what was on its way has come."""
    await asyncio.sleep(0.5)
    before = count()
    await asyncio.sleep(0.5)
    assert count() == before


@pytest.mark.parametrize("kind", ["audio", "video"])
async def test_a_section_that_is_stopped_ends_its_track_and_the_call_goes_on(kind: str) -> None:
    """Who reads the track learns that it ended; the other medium goes on, both ways."""
    made: list[Mirror] = []
    async with page("audio", "video", made=made) as client:
        (handler,) = made
        counts = {"audio": lambda: handler.heard, "video": lambda: handler.seen}
        for count in counts.values():
            await grows(count, "media")
        source: Any = "microphone" if kind == "audio" else "camera"
        track = handler.participant.tracks[source]
        reading: Any = AudioStream(track) if kind == "audio" else VideoStream(track)
        mid = next(t.mid for t in client.pc.getTransceivers() if t.kind == kind)
        other = "video" if kind == "audio" else "audio"
        client.stop(mid or "")
        assert sorted(await client.negotiate()) == sorted(["-", other, "application"])
        assert track.ended
        assert source not in handler.participant.tracks
        async with asyncio.timeout(5):
            async for _ in reading:
                pass
        await stands_still(counts[kind])
        await grows(counts[other], "the other medium")
        await grows(lambda: client.received[other], "the other medium, from the server")
        assert sorted(await client.negotiate()) == sorted(["-", other, "application"])
        await grows(counts[other], "the other medium, after one more offer")


@pytest.mark.parametrize("kind", ["audio", "video"])
async def test_another_takes_its_place(kind: str) -> None:
    """A new section brings the handler its medium again, and what it emits goes out there."""
    made: list[Mirror] = []
    async with page("audio", "video", made=made) as client:
        (handler,) = made
        heard: Callable[[], int] = lambda: handler.heard if kind == "audio" else handler.seen  # noqa: E731
        await grows(heard, "media")
        for number in range(2):
            client.stop([t.mid or "" for t in client.pc.getTransceivers() if t.kind == kind][-1])
            client.pc.addTransceiver(source_of(kind))
            kinds = await client.negotiate()
            assert kinds.count(kind) == 1, kinds
            assert len(handler.tracks) == number + 1
            await grows(heard, "media of the new section")
            await grows(lambda: client.received[kind], "media from the server")


async def test_a_camera_that_is_added_is_the_video_of_the_handler() -> None:
    """Without `tracks`: `video_receive` gets it, `on_track` is told, and `video_emit` is shown."""
    made: list[Mirror] = []
    async with page("audio", made=made) as client:
        (handler,) = made
        await grows(lambda: handler.heard, "audio")
        client.pc.addTrack(VideoStreamTrack())
        assert await client.negotiate() == ["audio", "application", "video"]
        await grows(lambda: handler.seen, "pictures")
        await grows(lambda: client.received["video"], "pictures of the handler")
        assert client.level == pytest.approx(200, abs=5)
        await grows(lambda: handler.heard, "audio, as before")
        assert [source for source, _ in handler.tracks] == ["camera"]
        assert handler.participant.tracks["camera"] is handler.tracks[0][1]
        client.pc.addTrack(VideoStreamTrack())
        assert await client.negotiate() == ["audio", "application", "video", "-"]
        await grows(lambda: handler.seen, "pictures of the first camera")


async def test_a_microphone_that_is_added_to_a_call_of_messages_alone() -> None:
    """The handler hears it, and is heard."""
    made: list[Mirror] = []
    async with page(made=made) as client:
        (handler,) = made
        client.pc.addTrack(AudioStreamTrack())
        assert await client.negotiate() == ["application", "audio"]
        await grows(lambda: handler.heard, "audio")
        await grows(lambda: client.received["audio"], "the voice of the handler")
        assert handler.sends_audio


async def test_a_section_that_becomes_sendrecv_brings_a_camera() -> None:
    """At first the page only watched."""
    made: list[Mirror] = []
    stream = Stream(Mirror(made), modality="audio-video")
    async with raw_peer() as pc:
        client = Page(pc, stream)
        pc.addTrack(AudioStreamTrack())
        watching = pc.addTransceiver("video", "recvonly")
        await client.connect()
        await grows(lambda: client.received["video"], "pictures of the handler")
        watching.sender.replaceTrack(VideoStreamTrack())
        watching.direction = "sendrecv"
        assert await client.negotiate() == ["audio", "video", "application"]
        await grows(lambda: made[0].seen, "pictures")
        await grows(lambda: client.received["video"], "pictures of the handler, as before")
        await client.close()
    await gone(stream)


@pytest.mark.parametrize(
    ("modality", "mode"), [("audio", "send-receive"), ("audio-video", "receive")]
)
async def test_what_the_stream_does_not_take_is_rejected(modality: Any, mode: Mode) -> None:
    """A camera to a stream of audio, or one that only sends; the call goes on."""
    made: list[Mirror] = []
    async with page("audio", modality=modality, mode=mode, made=made) as client:
        client.pc.addTransceiver(VideoStreamTrack(), "sendonly")
        assert await client.negotiate() == ["audio", "application", "-"]
        await grows(lambda: client.received["audio"], "audio")
        assert made[0].seen == 0


async def test_many_cameras_one_after_the_other_leave_nothing_behind() -> None:
    """Each section is gone from the server once it is stopped, and so are its tasks."""
    made: list[Mirror] = []
    async with page("audio", made=made) as client:
        (handler,) = made
        server = handler._link.tracks.publisher._peer._pc  # type: ignore[union-attr]
        tasks: list[int] = []
        for _ in range(3):
            client.pc.addTransceiver(VideoStreamTrack())
            await client.negotiate()
            await grows(lambda: handler.seen, "pictures")
            client.stop(client.pc.getTransceivers()[-1].mid or "")
            await client.negotiate()
            assert len(server.getTransceivers()) == 1
            await stands_still(lambda: handler.seen)
            tasks.append(sum("fastrtc" in repr(task.get_coro()) for task in asyncio.all_tasks()))
        assert len(set(tasks)) == 1, tasks
