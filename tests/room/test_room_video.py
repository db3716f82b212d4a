"""Video of a channel, with real peers: who sees whom, and that nothing is transcoded for it."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCRtpSender
from aiortc.codecs.vpx import Vp8Encoder

from fastrtc_core import MalformedOfferError
from fastrtc_core.channel import RtcEngine, RtcOptions, build_token
from fastrtc_core.client import Client
from fastrtc_core.media.video_frames import EncodedVideoFrame
from fastrtc_core.room.browser_member import BrowserMember
from fastrtc_core.room.video_router import Feed
from fastrtc_core.webrtc.incoming_video import EncodedRemoteVideo, IncomingVideo
from fastrtc_core.webrtc.internals.flow import Flow
from fastrtc_core.webrtc.keyframes import KeyframeRequests
from fastrtc_core.webrtc.picture_decoder import PictureDecoder
from fastrtc_core.webrtc.video_encoders import VideoEncoder

from ..inside import client_peer, connection_of
from ..webrtc.impairment import impaired_video
from ..webrtc.support import eventually, make_offer, raw_peer
from ..webrtc.wire import Wire
from .cameras import FRAME_RATE, filming, join, picture, shown

SECRET = "a secret of thirty-two characters"


def incoming(engine: RtcEngine, uid: int) -> IncomingVideo:
    """What receives the camera of a browser."""
    member = engine.room("room").members[uid]
    assert isinstance(member, BrowserMember)
    assert isinstance(member.remote_video, EncodedRemoteVideo)
    video = member.remote_video._incoming
    assert video is not None
    return video


def requests(engine: RtcEngine, uid: int) -> KeyframeRequests:
    """Those for keyframes of that camera, which comes in one size."""
    return incoming(engine, uid)._layers[""].keyframes


@contextmanager
def codecs_counted() -> Iterator[Counter[str]]:
    """Counts what encoders and decoders do, and notes nothing else."""
    calls: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for kind, method, name in (
            (VideoEncoder, "encode_picture", "encode"),
            (PictureDecoder, "_decode", "decode"),
        ):
            original = getattr(kind, method)

            def counting(
                self: Any, *args: Any, _original: Any = original, _name: str = name, **kwargs: Any
            ) -> Any:
                calls[_name] += 1
                return _original(self, *args, **kwargs)

            patch.setattr(kind, method, counting)
        yield calls


async def test_everybody_sees_who_speaks() -> None:
    """And who speaks sees who spoke before; each is told whom it sees."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        ada, bob, cleo = [await join(stack, engine.accept, uid) for uid in (1, 2, 3)]
        await asyncio.gather(ada.sees(2), bob.sees(1), cleo.sees(1))
        await cleo.speak()
        await asyncio.gather(ada.sees(3), bob.sees(3))
        assert cleo.seen[-1] == 1
        await bob.speak()
        await asyncio.gather(ada.sees(2), cleo.sees(2))
        assert bob.seen[-1] == 3
        assert (ada.sources, bob.sources, cleo.sources) == ([2, 3, 2], [1, 3], [1, 2])
        for viewer in (ada, bob, cleo):
            assert None not in viewer.seen, "no picture is damaged, whoever is shown"
            steps = [b - a for a, b in itertools.pairwise(viewer.times)]
            assert min(steps) > 0, "time goes on"
            assert max(steps) < 2.0
        (welcome,) = cleo.events("joined")
        assert all(user["tracks"] == ["camera", "microphone"] for user in welcome["users"])
        told = [(data["uid"], data["source"]) for data in bob.events("track_published")]
        assert told == [(3, "microphone"), (3, "camera")]


async def test_who_has_chosen_sees_that_user() -> None:
    """Until it chooses otherwise, or that user leaves; then somebody else is seen at once."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        ada, bob = [await join(stack, engine.accept, uid) for uid in (1, 2)]
        async with AsyncExitStack() as brief:
            await join(brief, engine.accept, 3)
            await ada.sees(2)
            await ada.client.send({"event": "choose_video", "data": "3"})
            await ada.sees(3)
            await bob.speak()
            await eventually(lambda: ada.events("active_speaker"), "that he speaks")
            await asyncio.sleep(0.5)
            assert ada.seen[-1] == 3
            await ada.client.send({"event": "choose_video", "data": ""})
            await ada.sees(2)
            await ada.client.send({"event": "choose_video", "data": "3"})
            await ada.sees(3)
        await ada.sees(2, within=2.0)
        await bob.sees(1)
        assert not ada.errors


@pytest.mark.parametrize("data", ["1", "77", "x", 2, None])
async def test_a_choice_that_cannot_be_meant(data: Any) -> None:
    """Oneself, nobody, or no uid: answered with an error, and nothing changes."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        ada = await join(stack, engine.accept, 1)
        await join(stack, engine.accept, 2)
        await ada.sees(2)
        await ada.client.send({"event": "choose_video", "data": data})
        await eventually(lambda: ada.errors, "the error")
        assert ada.sources == [2]


async def test_what_is_seen_is_what_was_sent() -> None:
    """Byte by byte: the server neither decodes nor encodes."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        with codecs_counted() as calls:
            sent: list[bytes] = []
            packed = Vp8Encoder._packetize.__func__  # type: ignore[attr-defined]

            def packetize(kind: Any, buffer: bytes, picture_id: int) -> Any:
                sent.append(buffer)
                return packed(kind, buffer, picture_id)

            received: list[bytes] = []
            decode = PictureDecoder.push

            def note(self: Any, frame: Any) -> Any:
                received.append(frame.data)
                return decode(self, frame)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Vp8Encoder, "_packetize", classmethod(packetize))
                patch.setattr(PictureDecoder, "push", note)
                ada = await join(stack, engine.accept, 1, camera=False)
                other = await join(stack, engine.accept, 3, camera=False)
                await join(stack, engine.accept, 2)
                await asyncio.gather(ada.sees(2), other.sees(2))
                await eventually(lambda: len(received) > 60, "pictures")
                pictures = calls["encode"]
        assert engine.snapshot().channels["room"].encoders == 0
    copies = Counter(sent)
    assert set(received) <= set(sent)
    # The camera packs each picture once, and the server once for each of two who see it.
    assert sum(count == 3 for count in copies.values()) >= len(copies) - 5
    # One encoder (the camera's), two decoders (those who see it), and none of the server.
    assert pictures == pytest.approx(len(copies), abs=2)
    assert calls["decode"] <= 2 * calls["encode"]


async def test_the_server_decodes_only_for_who_reads() -> None:
    """A member in this process sees pictures, beginning with a keyframe, and what it costs ends."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        inside = engine.create_channel(RtcOptions(channel_name="room", uid=9))
        await inside.connect()
        await join(stack, engine.accept, 2)
        with codecs_counted() as calls:
            await eventually(lambda: calls["encode"] > 10, "pictures")
            assert calls["decode"] == 0
            asked = requests(engine, 2).asked
            async with inside.get_video_frames(2) as stream:
                async with asyncio.timeout(2):
                    assert shown(await stream.read()) == 2
                assert requests(engine, 2).asked == asked + 1
            await asyncio.sleep(0.2)
            before = calls["decode"]
            assert before > 0
            await asyncio.sleep(0.3)
            assert calls["decode"] == before
            async with inside.get_video_frames(2) as stream:  # once more
                async with asyncio.timeout(2):
                    assert shown(await stream.read()) == 2


async def test_who_comes_late_sees_a_picture_soon() -> None:
    """Within 2 s of the welcome, by a keyframe that is asked for; those who are there see on."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        await join(stack, engine.accept, 1)
        bob = await join(stack, engine.accept, 2, camera=False)
        await bob.sees(1)
        before = requests(engine, 1).asked
        for uid in (3, 9):
            late = await join(stack, engine.accept, uid, camera=False)
            await late.sees(1, within=2.0)
        assert requests(engine, 1).asked - before in (1, 2)
        assert None not in bob.seen


@pytest.mark.soak
async def test_who_has_a_narrow_line_misses_pictures_and_nobody_else_does() -> None:
    """Its sound hardly waits. Keyframes are asked for, but not so many that others suffer."""
    flows: list[Flow] = []
    begin = Flow.__init__

    def note(self: Flow, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        flows.append(self)

    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Flow, "__init__", note)
            narrow = await join(stack, engine.accept, 1, camera=False)
        (flow,) = (flow for flow in flows if flow._forwards)
        wide = await join(stack, engine.accept, 3, camera=False)
        camera = await join(stack, engine.accept, 2, noise=True)
        await asyncio.gather(narrow.sees(2), wide.sees(2))
        await eventually(lambda: flow.line and flow.line.heard, "feedback")
        wire = Wire([flow._sender])
        stack.push_async_callback(wire.close)
        await asyncio.sleep(2)
        size = sum(len(s.payload) for s in wire.of(flow._sender) if s.time > wire.now - 1)
        wire.rate = 0.5 * 8 * size
        await asyncio.sleep(1)
        wire.waits.clear()
        await camera.speak(2)
        (seen, others), asked = (len(narrow.seen), len(wide.seen)), requests(engine, 2)
        before = asked.asked
        await asyncio.sleep(6)
        assert narrow.seen[-1] == wide.seen[-1] == 2
        assert 3 < len(narrow.seen) - seen < 0.8 * (len(wide.seen) - others)
        assert len(wide.seen) - others > 0.8 * 6 * FRAME_RATE
        assert asked.asked - before <= 4
        waits = sorted(wire.waits)
        assert waits[len(waits) // 2] < 0.2


async def test_a_loss_is_told_to_the_publisher() -> None:
    """A Picture Loss Indication of one who sees reaches the camera, which sends a keyframe."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        keyframes: list[bool] = []
        original = VideoEncoder.encode_picture

        def encode(self: Any, frame: Any, timestamp: int, keyframe: bool) -> Any:
            keyframes.append(keyframe)
            return original(self, frame, timestamp, keyframe)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(VideoEncoder, "encode_picture", encode)
            ada = await join(stack, engine.accept, 1, camera=False)
            await join(stack, engine.accept, 2)
            await ada.sees(2)
            await asyncio.sleep(1.0)  # what was asked for at the start is done
            seen = len(keyframes)
            (receiver,) = (
                one for one in _connection(ada.client).getReceivers() if one.track.kind == "video"
            )
            ssrc, *_ = receiver._RTCRtpReceiver__remote_streams  # type: ignore[attr-defined]
            for _ in range(20):
                await receiver._send_rtcp_pli(ssrc)
            await eventually(lambda: any(keyframes[seen:]), "the keyframe")
            await asyncio.sleep(0.3)
            assert keyframes[seen:].count(True) == 1, "many requests are one"


async def test_losses_on_both_ways() -> None:
    """A packet of twenty is lost to the server and again from it: it is sent again, or skipped."""
    chance = random.Random(1)
    lossy = False

    def fate(packet: Any) -> tuple[float, ...]:
        return () if lossy and chance.random() < 0.05 else (0,)

    async with impaired_video(fate), RtcEngine("app") as engine, AsyncExitStack() as stack:
        ada = await join(stack, engine.accept, 1, camera=False)
        await join(stack, engine.accept, 2, size=(640, 480), noise=True)
        await ada.sees(2)
        lossy = True
        for _ in range(3):
            seen = len(ada.seen)
            await eventually(lambda: len(ada.seen) > seen + 25, "pictures", within=10)  # noqa: B023
        late = await join(stack, engine.accept, 3, camera=False)
        await late.sees(2, within=8.0)


async def test_a_member_of_this_process_is_seen() -> None:
    """Its pictures are encoded once for all, and only while somebody looks."""
    async with RtcEngine("app") as engine, AsyncExitStack():
        inside = engine.create_channel(RtcOptions(channel_name="room", uid=9))
        await inside.connect()
        with codecs_counted() as calls, filming(9, inside.push_video_frame):
            await asyncio.sleep(0.3)
            assert calls["encode"] == 0
            async with AsyncExitStack() as brief:
                viewers = [await join(brief, engine.accept, uid, camera=False) for uid in (1, 2)]
                await asyncio.gather(*(viewer.sees(9, within=2.0) for viewer in viewers))
                (encoder,) = engine.room("room").video.encoders.values()
                await eventually(lambda: len(viewers[1].seen) > 20, "pictures")
                assert calls["encode"] <= encoder.encoded + 1
            await eventually(lambda: not engine.snapshot().channels["room"].encoders, "its end")
            before = calls["encode"]
            await asyncio.sleep(0.3)
            assert calls["encode"] <= before + 1
        await inside.disconnect()


async def test_one_picture_is_enough() -> None:
    """A slide that is shown once is seen by all who come, whenever they do."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        inside = engine.create_channel(RtcOptions(channel_name="room", uid=9))
        await inside.connect()
        inside.push_video_frame(picture(9))
        for uid in (1, 2, 3):
            viewer = await join(stack, engine.accept, uid, camera=False)
            await viewer.sees(9, within=2.0)


async def test_codecs_that_do_not_match() -> None:
    """For one who takes H.264 alone, a camera in VP8 is transcoded; for the others it is not."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            _speak_only(patch, "video/H264")
            limited = await join(stack, engine.accept, 1)
        bob = await join(stack, engine.accept, 2)
        cleo = await join(stack, engine.accept, 3, camera=False)
        await asyncio.gather(limited.sees(2), bob.sees(1), cleo.sees(1))
        (feed,) = engine.room("room").video.encoders
        assert feed == Feed(2, "video/h264"), "what is in H.264 is seen by those who take both"
        await cleo.client.send({"event": "choose_video", "data": "2"})
        await cleo.sees(2)
        assert list(engine.room("room").video.encoders) == [feed]
        assert None not in [*limited.seen, *bob.seen, *cleo.seen]


async def test_a_camera_of_a_codec_that_nobody_speaks_is_refused() -> None:
    """Its section is rejected; who offers nothing else is, and leaves nothing behind."""
    async with RtcEngine("app") as engine, raw_peer() as pc:
        pc.addTransceiver("audio")
        pc.addTransceiver("video")
        offer = await make_offer(pc)
        offer["sdp"] = offer["sdp"].replace("VP8/90000", "VP7/90000").replace("H264/", "H263/")
        answer = await engine.accept({**offer, "params": {"channel": "room"}})
        assert re.findall(r"^m=(\w+) (\d)", answer["sdp"], re.MULTILINE)[1] == ("video", "0")
        alone = offer["sdp"].replace("opus/48000/2", "speex/48000/2")
        with pytest.raises(MalformedOfferError):
            await engine.accept({**offer, "sdp": alone, "params": {"channel": "other"}})
        assert "other" not in engine.snapshot().channels


async def test_what_a_token_does_not_allow() -> None:
    """A camera without `publish_video` is ignored; without `subscribe` nothing is seen."""
    permissions: dict[int, list[Any]] = {
        1: ["subscribe", "publish_audio"],
        2: ["publish_audio", "publish_video"],
        3: ["subscribe", "publish_audio", "publish_video"],
    }
    async with RtcEngine("app", SECRET) as engine, AsyncExitStack() as stack:
        ada, bob, cleo = [
            await join(
                stack,
                engine.accept,
                uid,
                token=build_token(
                    "app", SECRET, channel="room", uid=uid, ttl=60, permissions=allowed
                ),
            )
            for uid, allowed in permissions.items()
        ]
        await asyncio.gather(ada.sees(2), cleo.sees(2))
        await ada.speak()
        await eventually(lambda: cleo.events("active_speaker"), "that she speaks")
        await asyncio.sleep(0.5)
        assert cleo.seen[-1] == 2
        assert 1 not in cleo.seen
        assert bob.seen == []
        assert bob.sources == []
        (welcome,) = cleo.events("joined")
        tracks = {user["uid"]: user["tracks"] for user in welcome["users"]}
        assert tracks == {1: ["microphone"], 2: ["camera", "microphone"]}
        await bob.client.send({"event": "choose_video", "data": "1"})
        await eventually(lambda: bob.errors, "the error")


@pytest.mark.parametrize("modality", ["audio", "video", None])
async def test_other_offers_are_served_as_they_are(modality: Any) -> None:
    """Sound alone, pictures alone, or messages alone, beside who has both."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        bob = await join(stack, engine.accept, 2)
        async with Client(
            engine.accept, modality=modality, params={"channel": "room", "uid": 1}
        ) as client:
            await eventually(lambda: bob.events("user_joined"), "the other")
            if modality == "video":
                assert client.video_stream is not None
                async with asyncio.timeout(3):
                    assert shown(await client.video_stream.read()) == 2
            elif modality == "audio":
                assert client.audio_stream is not None
                await bob.speak()
                async with asyncio.timeout(3):
                    await client.audio_stream.read()
            assert "camera" not in [data["source"] for data in bob.events("track_published")] or (
                modality == "video"
            )
        await eventually(lambda: bob.events("user_left"), "the end")
    assert engine.snapshot().channels == {}


async def test_one_that_takes_nothing_delays_nobody() -> None:
    """Its pictures are dropped and counted; the next it gets is a keyframe."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        ada, slow = [await join(stack, engine.accept, uid, camera=False) for uid in (1, 3)]
        await join(stack, engine.accept, 2)
        await asyncio.gather(ada.sees(2), slow.sees(2))
        member = engine.room("room").members[3]
        assert isinstance(member, BrowserMember)
        assert member.local_video is not None
        pictures: Any = member.local_video._pictures
        blocked, original = asyncio.Event(), pictures.get

        async def get() -> Any:
            await blocked.wait()
            return await original()

        pictures.get = get
        await eventually(lambda: member.local_video.dropped > 30, "drops")  # type: ignore[union-attr]
        seen = len(ada.seen)
        await asyncio.sleep(1.0)
        assert len(ada.seen) > seen + 15
        blocked.set()
        seen = len(slow.seen)
        await eventually(lambda: len(slow.seen) > seen + 10, "pictures again")
        assert slow.seen[-1] == 2
        assert None not in slow.seen


def _connection(client: Client) -> RTCPeerConnection:
    return connection_of(client_peer(client))


def _speak_only(patch: pytest.MonkeyPatch, mime_type: str) -> None:
    """Have connections that make an offer know this codec of video alone."""
    original = RTCPeerConnection.createOffer

    async def create_offer(self: RTCPeerConnection) -> Any:
        codecs = RTCRtpSender.getCapabilities("video").codecs
        for transceiver in self.getTransceivers():
            if transceiver.kind == "video":
                transceiver.setCodecPreferences([c for c in codecs if c.mimeType == mime_type])
        return await original(self)

    patch.setattr(RTCPeerConnection, "createOffer", create_offer)


async def test_a_picture_that_cannot_be_packed_ends_nothing() -> None:
    """It is dropped, and the viewer sees what comes next."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        ada, bob = [await join(stack, engine.accept, uid) for uid in (1, 2)]
        await ada.sees(2)
        member = engine.room("room").members[1]
        assert isinstance(member, BrowserMember)
        assert member.local_video is not None
        empty = b"\0\0\1\x67\x42\0\0\1\0\0\1\x65\x88"
        for codec in member.local_video.codecs:
            member.local_video.push(EncodedVideoFrame(codec, empty, 0, True))
        seen = len(ada.seen)
        await eventually(lambda: len(ada.seen) > seen + 10, "further pictures")
        await ada.sees(2)
        assert bob.seen[-1] == 1
