"""Encoded pictures on their way in: whole ones to the tap, and to a decoder only for who reads."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc.codecs import CODECS
from aiortc.rtp import RtcpByePacket, RtcpRrPacket

from fastrtc_core.media.video_frames import PATIENCE, EncodedVideoFrame
from fastrtc_core.tracks import RemoteVideoTrack, VideoStream
from fastrtc_core.webrtc.incoming_video import MAX_WAITING, EncodedRemoteVideo, IncomingVideo

pytestmark = pytest.mark.virtual_clock
VP8 = CODECS["video"][0]


def payload(number: int, *, keyframe: bool) -> bytes:
    """The beginning of a VP8 picture."""
    start = b"\x00\x00\x00\x9d\x01\x2a" if keyframe else b"\x01\x00\x00"
    return start + b"%08d" % number


class Camera:
    """Sends packets, one for each picture, to a receiver of which only the parts in use exist."""

    def __init__(self) -> None:
        self.indications: list[int] = []
        self.nacks: list[list[int]] = []
        self.receiver = SimpleNamespace(
            _RTCRtpReceiver__codecs={97: VP8},
            _RTCRtpReceiver__stop_decoder=lambda: None,
            _RTCRtpReceiver__remote_streams={},
            _send_rtcp_pli=self._indicate,
            _send_rtcp_nack=self._ask_again,
        )
        self.track = EncodedRemoteVideo()
        self.tapped: list[EncodedVideoFrame] = []
        self.track.tap = self.tapped.append
        self.incoming = IncomingVideo(self.track, self.receiver, self._run)  # type: ignore[arg-type]
        self.decoded: list[EncodedVideoFrame] = []
        self.waiting = 0
        """Of those, how many the decoder has not done."""
        self.incoming._decoder = self  # type: ignore[assignment]
        self.keyframes = False
        """Whether it does what it is asked for."""
        self.ssrc = 5
        self._numbers: Iterator[int] = iter(range(10_000))
        self._asked = True
        self._packets: list[Any] = []

    async def _indicate(self, ssrc: int) -> None:
        self.indications.append(ssrc)
        self._asked = self.keyframes

    async def _ask_again(self, ssrc: int, numbers: list[int]) -> None:
        assert ssrc == 5
        self.nacks.append(numbers)

    # The decoder, which is as slow as a test wants it

    slow = False

    def __len__(self) -> int:
        return self.waiting

    def push(self, frame: EncodedVideoFrame) -> None:
        self.decoded.append(frame)
        self.waiting += self.slow

    def close(self) -> None:
        self.waiting = 0

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        with pytest.raises(StopIteration):
            coroutine.send(None)

    async def send(self, count: int = 1, *, keyframe: bool = False, lost: bool = False) -> None:
        for _ in range(count):
            number = next(self._numbers)
            keyframe = keyframe or self._asked
            self._asked = False
            packet = SimpleNamespace(
                payload_type=97,
                sequence_number=number,
                timestamp=3000 * number,
                marker=1,
                ssrc=self.ssrc,
                _data=payload(number, keyframe=keyframe),
            )
            self._packets.append(packet)
            if not lost:
                await self.repeat(number)
            keyframe = False
            await asyncio.sleep(1 / 30)

    async def repeat(self, number: int) -> None:
        buffer: Any = self.receiver._RTCRtpReceiver__jitter_buffer
        assert buffer.add(self._packets[number]) == (False, None)


async def test_each_picture_is_tapped_and_none_decoded() -> None:
    camera = Camera()
    await camera.send(10)
    assert [frame.keyframe for frame in camera.tapped] == [True] + [False] * 9
    assert [frame.timestamp for frame in camera.tapped] == [3000 * n for n in range(10)]
    assert camera.tapped[3] == EncodedVideoFrame(
        "video/vp8", payload(3, keyframe=False), 9000, False
    )
    assert camera.decoded == []
    assert camera.track.frames == 10, "it counts what comes, whether or not anybody looks"
    assert camera.indications == []


async def test_a_beginning_without_a_keyframe() -> None:
    """Nothing is handed on before one; it is asked for."""
    camera = Camera()
    camera._asked = False
    camera.keyframes = True
    await camera.send(3)
    assert camera.indications == [5]
    assert [frame.keyframe for frame in camera.tapped] == [True, False]
    assert camera.incoming.incomplete == 1


async def test_after_a_loss_nothing_is_handed_on_before_a_keyframe() -> None:
    """A picture whose forerunner is lost would show rubbish; a request that is lost is repeated."""
    camera = Camera()
    await camera.send(5)
    await camera.send(lost=True)
    await camera.send(round(PATIENCE * 30) + 60)
    assert len(camera.tapped) == 5
    assert len(camera.indications) in (4, 5), "two a second"
    camera.keyframes = True
    await camera.send(30)
    assert camera.tapped[5].keyframe
    assert len(camera.tapped) > 15


@pytest.mark.parametrize("first", [0, 190, 199, 5000, 40_000])
async def test_another_source_takes_its_place(first: int) -> None:
    """Its numbers have nothing to do with those before: none of it is taken for a copy or late."""
    camera = Camera()
    camera._numbers = iter(range(200))
    await camera.send(200)
    camera._packets.clear()
    camera._packets += [None] * first
    camera._numbers = iter(range(first, 60_000))
    camera.ssrc = 6
    camera.keyframes = True
    await camera.send(keyframe=True)
    await camera.send(20)
    assert len(camera.tapped) == 221
    assert camera.tapped[200].keyframe


async def test_the_first_keyframe_of_another_source_is_decoded() -> None:
    """Though it is one packet: what follows is not held back until there is a second keyframe."""
    camera = Camera()
    async with VideoStream(camera.track):
        await camera.send(5)
        camera.ssrc = 6
        await camera.send(keyframe=True)
        await camera.send(5)
    assert len(camera.decoded) == 11
    assert camera.incoming.undecoded == 0


async def test_a_timer_that_outlives_its_track() -> None:
    """Something is missing when the section is given to another track: no error, and it goes on."""
    camera = Camera()
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    await camera.send(5)
    await camera.send(lost=True)
    await camera.send()
    camera.incoming.carry(None)
    camera.incoming.carry(EncodedRemoteVideo())
    await asyncio.sleep(1)
    assert not errors


async def test_who_reads_begins_with_a_keyframe() -> None:
    """What comes before it cannot be decoded; the decoder rests when nobody reads."""
    camera = Camera()
    await camera.send(5)
    camera.keyframes = True
    stream = VideoStream(camera.track)
    await camera.send(5)
    assert camera.decoded[0].keyframe
    assert len(camera.decoded) == 5
    await stream.aclose()
    await camera.send(5)
    assert len(camera.decoded) == 5
    async with VideoStream(camera.track), VideoStream(camera.track):
        await camera.send(30)
        assert len(camera.decoded) > 25
        assert len(camera.indications) == 2, "one for each beginning"
    assert len(camera.tapped) == 45


async def test_a_decoder_that_is_too_slow_is_not_given_more() -> None:
    """It goes on with a keyframe once it has done what it has."""
    camera = Camera()
    camera.keyframes = True
    camera.slow = True
    async with VideoStream(camera.track):
        await camera.send(100)
        assert len(camera.decoded) == MAX_WAITING
        assert camera.incoming.undecoded > 60
        camera.waiting = 0
        await camera.send(30)
        assert camera.decoded[MAX_WAITING].keyframe
    assert len(camera.tapped) == 130, "who sees it encoded misses nothing"


async def test_after_the_end_nothing_is_asked() -> None:
    camera = Camera()
    await camera.send(2)
    camera.incoming.close()
    camera.track.request_keyframe()
    await asyncio.sleep(1)
    assert camera.indications == []


async def test_a_keyframe_that_comes_serves_all_who_asked() -> None:
    camera = Camera()
    camera.keyframes = True
    await camera.send(2)
    camera.track.request_keyframe()
    camera.track.request_keyframe()
    await camera.send(60)
    assert camera.indications == [5]


async def test_a_lost_packet_is_asked_for_until_it_comes() -> None:
    """And nothing is lost with it; a keyframe is not asked for."""
    camera = Camera()
    await camera.send(5)
    await camera.send(lost=True)
    await camera.send()
    assert camera.nacks == [[5]]
    assert len(camera.tapped) == 5
    await camera.repeat(5)
    assert len(camera.tapped) == 7
    assert camera.indications == []
    await camera.send(30)
    assert camera.nacks == [[5]]


async def test_what_does_not_come_is_asked_for_again_and_then_a_keyframe() -> None:
    """Which is shown as soon as it is there."""
    camera = Camera()
    camera.keyframes = True
    await camera.send(5)
    await camera.send(lost=True)
    await camera.send(8)
    assert len(camera.nacks) > 1
    assert camera.nacks == [[5]] * len(camera.nacks)
    await camera.send(round(PATIENCE * 30))
    assert camera.indications == [5]
    assert camera.tapped[5].keyframe
    assert camera.tapped[5].timestamp < 3000 * (6 + PATIENCE * 30), "sooner than patience ends"
    assert camera.incoming.incomplete == 0
    asked = len(camera.nacks)
    await camera.send(30)
    assert len(camera.nacks) == asked


async def test_another_track_goes_on_with_a_keyframe() -> None:
    """What came while there was none was not looked at."""
    camera = Camera()
    await camera.send(5)
    camera.incoming.carry(None)
    await camera.send(5)
    camera.keyframes = True
    track = RemoteVideoTrack()
    async with VideoStream(track):
        camera.incoming.carry(track)
        await camera.send(10)
    assert camera.indications == [5]
    assert camera.decoded[0].keyframe
    assert len(camera.decoded) > 7
    assert camera.nacks == []


class Layers:
    """A camera that sends two sizes, each from a source of its own, named by its first packets."""

    def __init__(self) -> None:
        self.indications: list[int] = []
        self.nacks: list[tuple[int, list[int]]] = []
        self.handled: list[Any] = []
        self.receiver = SimpleNamespace(
            _RTCRtpReceiver__codecs={97: VP8},
            _RTCRtpReceiver__stop_decoder=lambda: None,
            _RTCRtpReceiver__remote_streams={},
            _RTCRtpReceiver__rtx_ssrc={},
            _send_rtcp_pli=self._indicate,
            _send_rtcp_nack=self._ask_again,
            _handle_rtcp_packet=self._handle,
        )
        self.track = EncodedRemoteVideo()
        self.tapped: list[EncodedVideoFrame] = []
        self.track.tap = self.tapped.append
        self.incoming = IncomingVideo(self.track, self.receiver, self._run)  # type: ignore[arg-type]
        self.incoming._tap.take_layers(["l", "h"])
        self.decoded: list[EncodedVideoFrame] = []
        self.incoming._decoder = self  # type: ignore[assignment]
        self.due: set[int] = set()
        self._numbers: Counter[int] = Counter()

    async def _indicate(self, ssrc: int) -> None:
        self.indications.append(ssrc)
        self.due.add(ssrc)

    async def _ask_again(self, ssrc: int, numbers: list[int]) -> None:
        self.nacks.append((ssrc, numbers))

    async def _handle(self, packet: Any) -> None:
        """As aiortc does."""
        self.handled.append(packet)
        if isinstance(packet, RtcpByePacket):
            self.receiver._RTCRtpReceiver__stop_decoder()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        with pytest.raises(StopIteration):
            coroutine.send(None)

    def __len__(self) -> int:
        return 0

    def push(self, frame: EncodedVideoFrame) -> None:
        self.decoded.append(frame)

    def close(self) -> None:
        """Nothing waits."""

    def packet(self, ssrc: int, rid: str | None = None, *, lost: bool = False) -> None:
        """A picture; the sources from 6 on are of the large size."""
        number = self._numbers[ssrc]
        self._numbers[ssrc] += 1
        keyframe = not number or ssrc in self.due
        self.due.discard(ssrc)
        size = (32 if ssrc < 6 else 64).to_bytes(2, "little") * 2
        start = b"\x00\x00\x00\x9d\x01\x2a" + size if keyframe else b"\x01\x00\x00"
        packet = SimpleNamespace(
            payload_type=97,
            sequence_number=number,
            timestamp=3000 * number + ssrc * 2**28,
            marker=1,
            ssrc=ssrc,
            extensions=SimpleNamespace(rtp_stream_id=rid),
            _data=start + b"%08d" % number,
        )
        if not lost:
            buffer: Any = self.receiver._RTCRtpReceiver__jitter_buffer
            assert buffer.add(packet) == (False, None)


async def test_layers_are_told_apart_and_asked_for_by_themselves() -> None:
    """By the names in their first packets; what has none that was agreed is dropped."""
    camera = Layers()
    for ssrc, rid in ((5, "l"), (6, "h"), (7, None), (8, "other"), (5, None), (6, None)):
        camera.packet(ssrc, rid)
    assert [frame.layer for frame in camera.tapped] == ["l", "h", "l", "h"]
    assert [frame.keyframe for frame in camera.tapped] == [True, True, False, False]
    camera.packet(5, lost=True)
    camera.packet(5)
    camera.packet(6)
    assert camera.nacks == [(5, [2])]
    assert camera.tapped[-1].layer == "h", "what one has lost holds up no other"
    camera.track.request_keyframe("h")
    camera.track.request_keyframe("x")
    assert camera.indications == [6]
    camera.incoming._tap.note_repair(15, "l")
    camera.incoming._tap.note_repair(16, "x")
    assert camera.receiver._RTCRtpReceiver__rtx_ssrc == {15: 5}


async def test_a_layer_that_says_goodbye_ends_no_track() -> None:
    """A browser says it when its page sends a size no longer; the others go on."""
    camera = Layers()
    camera.packet(5, "l")
    camera.packet(6, "h")
    report = RtcpRrPacket(ssrc=6)
    for packet in (report, RtcpByePacket(sources=[6])):
        await camera.receiver._handle_rtcp_packet(packet)
    assert camera.handled == [report]
    assert not camera.track.ended


async def test_a_later_offer_brings_no_further_layers() -> None:
    """Else each offer would, and something is kept of each."""
    camera = Layers()
    for number in range(3):
        camera.incoming._tap.take_layers([f"l{number}", f"h{number}"])
        camera.packet(20 + number, f"h{number}")
    camera.packet(5, "l")
    assert [frame.layer for frame in camera.tapped] == ["l"]
    assert [*camera.incoming._layers] == ["l"]


async def test_another_source_of_a_layer_leaves_the_other_alone() -> None:
    camera = Layers()
    camera.packet(5, "l")
    camera.packet(7, "h")
    camera.packet(6, "h")
    camera.packet(5)
    camera.packet(6)
    assert [frame.layer for frame in camera.tapped] == ["l", "h", "h", "l", "h"]
    assert [frame.keyframe for frame in camera.tapped] == [True, True, True, False, False]


async def test_the_largest_layer_is_decoded() -> None:
    """From a keyframe of it on; while it is not sent, the other one is."""
    camera = Layers()
    async with VideoStream(camera.track):
        for number in range(60):
            camera.packet(5, "l")
            if not 20 <= number < 40:
                camera.packet(6, "h")
            await asyncio.sleep(1 / 30)
    names = [frame.layer for frame in camera.decoded]
    runs = [(name, len(list(run))) for name, run in itertools.groupby(names)]
    assert [name for name, _ in runs] == ["l", "h", "l", "h"]
    assert all(length < 15 for name, length in runs if name == "l"), runs
    begins = [a for b, a in itertools.pairwise(camera.decoded) if a.layer != b.layer]
    assert all(frame.keyframe for frame in begins)
