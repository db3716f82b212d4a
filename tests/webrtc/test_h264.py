"""H.264 of other profiles and of packetisation mode 0, both ways, over bare aiortc."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpReceiver
from aiortc.codecs.h264 import H264Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray

from fastrtc_core import AsyncAudioVideoStreamHandler, Stream, VideoOptions
from fastrtc_core.media.pictures import PictureConverter
from fastrtc_core.media.video_frames import VIDEO_CLOCK_RATE
from fastrtc_core.webrtc.sdp.description import Section
from fastrtc_core.webrtc.sdp.h264 import forms
from fastrtc_core.webrtc.video_encoders import LATE, make_encoder

from .answers import check_answer
from .impairment import impaired_video
from .support import connected, eventually, gone, make_offer, raw_peer, take_answer

SLICES = {"x264-params": "slice-max-size=1100"}
MTU = 1300
"""Bytes of a payload; aiortc's own bound."""

MAIN, HIGH = "4d001f", "640c1f"


class Disguise:
    """Offers what aiortc cannot, and shows it an answer that it understands.

    Args:
        parameters: The `fmtp` of H.264 to offer; empty for none.
    """

    def __init__(self, parameters: str) -> None:
        self.parameters = parameters
        self.answered = ""
        self._own: dict[str, str] = {}

    async def connect(self, pc: RTCPeerConnection, stream: Stream) -> None:
        """Connect to a stream."""
        body = await make_offer(pc)
        self._own = dict(re.findall(r"a=fmtp:(\d+) (level-asymmetry.*)\r\n", body["sdp"]))
        body["sdp"] = self._with(body["sdp"], dict.fromkeys(self._own, self.parameters))
        answer = await stream.offer(body)
        assert check_answer(body["sdp"], answer["sdp"]) == ["video"]
        described = dict(re.findall(r"a=fmtp:(\d+) (.*)\r\n", answer["sdp"]))
        (self.answered,) = {described.get(number, "") for number in self._own}
        answer["sdp"] = self._with(answer["sdp"], self._own)
        await take_answer(pc, answer)
        await connected(pc)

    def _with(self, sdp: str, parameters: dict[str, str]) -> str:
        for number, text in parameters.items():
            sdp = re.sub(rf"a=fmtp:{number} .*\r\n", "", sdp)
            described = rf"\g<0>a=fmtp:{number} {text}\r\n" if text else r"\g<0>"
            sdp = re.sub(rf"a=rtpmap:{number} H264/90000\r\n", described, sdp)
        return sdp


def only_h264(transceiver: Any) -> None:
    """Leave no other codec."""
    known = RTCRtpReceiver.getCapabilities("video")
    assert known is not None
    h264 = [codec for codec in known.codecs if codec.mimeType == "video/H264"]
    transceiver.setCodecPreferences(h264)


def level_of(number: int) -> int:
    """The grey of a picture; each has one of eight."""
    return 40 + 20 * (number % 8)


class Camera(MediaStreamTrack):
    """Pictures that libx264 has encoded in a profile, as packets; each grey stays for five."""

    kind = "video"

    def __init__(self, profile: str, options: dict[str, str]) -> None:
        super().__init__()
        self.profile = 0
        """The `profile_idc` of the stream, once there is one."""
        self._encoder = av.CodecContext.create("libx264", "w")
        self._encoder.width, self._encoder.height = 320, 240
        self._encoder.pix_fmt = "yuv420p"
        self._encoder.framerate, self._encoder.time_base = Fraction(30), Fraction(1, 30)
        self._encoder.bit_rate, self._encoder.gop_size = 600_000, 30
        self._encoder.options = {"tune": "zerolatency", **options}
        self._encoder.profile = profile
        self._number = 0

    async def recv(self) -> Any:
        while True:
            await asyncio.sleep(1 / 30)
            noise = np.random.default_rng(self._number).integers(-15, 15, (240, 320, 3))
            pixels = (level_of(self._number // 5) + noise).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = self._number, Fraction(1, 30)
            self._number += 1
            for packet in self._encoder.encode(frame):
                data = bytes(packet)
                if (
                    parameters := re.search(rb"\x00\x00\x01[\x07\x27\x47\x67](.)", data, re.S)
                ) is not None:
                    self.profile = parameters[1][0]
                return packet


class Slices(H264Encoder):
    """Sends each NAL unit in a packet of its own (RFC 6184 section 6.2)."""

    @classmethod
    def _packetize(cls, packages: Iterable[bytes]) -> list[bytes]:
        return list(packages)


class Watching(AsyncAudioVideoStreamHandler):
    """Notes the mean of each picture."""

    levels: list[float]

    async def video_receive(self, frame: NDArray[np.uint8]) -> None:
        type(self).levels.append(float(frame.mean()))

    async def video_emit(self) -> Any:
        await asyncio.Event().wait()

    def copy(self) -> Watching:
        return type(self)()


@pytest.mark.parametrize(
    ("offered", "encoded", "single", "answered"),
    [
        (f"packetization-mode=1;profile-level-id={MAIN}", "Main", False, MAIN),
        (f"profile-level-id={HIGH};packetization-mode=1;max-fs=3600", "High", False, HIGH),
        (f"profile-level-id={HIGH};packetization-mode=0", "High", True, HIGH),
        (f"profile-level-id={MAIN}", "Main", True, MAIN),
        ("profile-level-id=42e01f", "Baseline", True, "42e01f"),
        ("", "Baseline", True, ""),
    ],
)
async def test_pictures_of_other_profiles_and_in_single_packets_are_seen(
    offered: str, encoded: str, single: bool, answered: str
) -> None:
    """What libx264 encodes in a profile reaches the handler, in either form of packets."""

    class Seeing(Watching):
        pass

    Seeing.levels = []
    options = VideoOptions(client_bit_rate=None)  # it would stand beside the profile
    stream = Stream(Seeing(), modality="video", mode="send", video_options=options)
    # Pictures that are told in another order than they are shown come in the right one.
    order = {} if encoded == "Baseline" else {"tune": "film", "bf": "2", "rc-lookahead": "0"}
    camera = Camera(encoded, SLICES | order if single else order)
    payloads: list[bytes] = []

    def note(packet: RtpPacket) -> tuple[float, ...]:
        payloads.append(packet.payload)
        return (0,)

    async with impaired_video(note), raw_peer() as pc:
        transceiver = pc.addTransceiver(camera, "sendonly")
        only_h264(transceiver)
        packer = Slices() if single else H264Encoder()
        transceiver.sender.__dict__["_RTCRtpSender__encoder"] = packer
        disguise = Disguise(offered)
        await disguise.connect(pc, stream)
        assert disguise.answered.endswith(answered) or answered in disguise.answered
        assert bool(disguise.answered) == bool(answered)
        assert "max-fs" not in disguise.answered, "it says what the other side can take"
        await eventually(lambda: len(Seeing.levels) >= 40, "forty pictures")
    await gone(stream)
    assert camera.profile == {"Baseline": 66, "Main": 77, "High": 100}[encoded]
    kinds = {payload[0] & 0x1F for payload in payloads}
    assert max(kinds) < 24 if single else max(kinds) >= 24
    shown = [min(range(8), key=lambda n: abs(level_of(n) - mean)) for mean in Seeing.levels]
    far = [
        mean for mean, n in zip(Seeing.levels, shown, strict=True) if abs(mean - level_of(n)) > 5
    ]
    assert not far, "each is one of those that were encoded"
    changes = [(b - a) % 8 for a, b in itertools.pairwise(shown) if a != b]
    assert set(changes) == {1}, "they come in their order"


def showing() -> Iterator[NDArray[np.uint8]]:
    """Pictures that are hard to compress: grey with noise."""
    for number in range(10_000):
        noise = np.random.default_rng(number).integers(-30, 30, (240, 320, 3))
        yield (128 + noise).astype(np.uint8)


@pytest.mark.parametrize(
    ("offered", "single"),
    [
        ("", True),
        ("profile-level-id=42e01f", True),
        (f"profile-level-id={HIGH};packetization-mode=0", True),
        (f"profile-level-id={HIGH};packetization-mode=1", False),
    ],
)
async def test_pictures_are_sent_in_the_mode_that_was_answered(offered: str, single: bool) -> None:
    """In mode 0 each packet is one NAL unit, whole (RFC 6184 section 6.2); and all is seen."""
    payloads: list[bytes] = []

    def note(packet: RtpPacket) -> tuple[float, ...]:
        payloads.append(packet.payload)
        return (0,)

    stream = Stream(showing, modality="video", mode="receive")
    async with impaired_video(note), raw_peer() as pc:
        transceiver = pc.addTransceiver("video", "recvonly")
        only_h264(transceiver)
        await Disguise(offered).connect(pc, stream)
        for _ in range(20):
            frame = await transceiver.receiver.track.recv()
            assert isinstance(frame, av.VideoFrame)
            assert frame.to_ndarray(format="gray").mean() == pytest.approx(128, abs=4)
    await gone(stream)
    assert max(map(len, payloads)) <= MTU
    kinds = {payload[0] & 0x1F for payload in payloads}
    if single:
        assert kinds <= {1, 5, 6, 7, 8}
        assert len(payloads) > 40, "a picture has several slices"
    else:
        assert 28 in kinds


@pytest.mark.parametrize("size", [(320, 240), (1280, 720)])
def test_slices_are_small_and_whole_pictures_come_of_them(size: tuple[int, int]) -> None:
    """Noise, at any bit rate, across a change of it and a keyframe that is asked for."""
    parameters = RTCRtpCodecParameters("video/H264", 90000, payloadType=96)
    encoder = make_encoder(parameters, VideoOptions(content="screen"))  # which keeps its size
    decoder = av.CodecContext.create("h264", "r")
    converter = PictureConverter()
    at = LATE * VIDEO_CLOCK_RATE
    for number in range(12):
        width, height = size
        pixels = np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)
        if number == 6:
            encoder.target_bitrate = 3_000_000
        picture = av.VideoFrame.from_ndarray(pixels, format="bgr24")
        time = number * 3000 + (round(at) if number >= 6 else 0)
        units = encoder.encode_picture(picture, time, number == 9)
        assert max(map(len, units)) <= MTU
        assert {unit[0] & 0x1F for unit in units} <= {1, 5, 6, 7, 8}
        data = b"".join(b"\0\0\0\1" + unit for unit in units)
        (decoded,) = decoder.decode(av.Packet(data))
        assert converter.array(decoded, "gray").shape[:2] == (height, width)
        assert any(unit[0] & 0x1F == 5 for unit in units) == (number in (0, 9))


@pytest.mark.parametrize(
    ("parameters", "answered"),
    [
        ("", ""),
        ("packetization-mode=1", "packetization-mode=1"),
        ("profile-level-id=6E001F;packetization-mode=1", None),
        ("profile-level-id=6e101f;packetization-mode=1", "-"),
        ("profile-level-id=f4001f;packetization-mode=1", None),
        ("profile-level-id=58001f;packetization-mode=1", "-"),
        ("profile-level-id=2c001f;packetization-mode=1", "-"),
        ("profile-level-id=42e01f;packetization-mode=2", "-"),
        ("profile-level-id=none;packetization-mode=1", "-"),
        (
            "sprop-parameter-sets=Z0IAH5WoFAFuQA==,aM48gA==; packetization-mode=1; "
            "profile-level-id=42001f; max-mbps=40500",
            "packetization-mode=1;profile-level-id=42001f",
        ),
    ],
)
def test_forms_that_are_taken(parameters: str, answered: str | None) -> None:
    """Those that FFmpeg decodes; the answer says what holds for both sides."""
    described = [f"a=fmtp:102 {parameters}"] if parameters else []
    lines = ["m=video 9 UDP/TLS/RTP/SAVPF 102", "a=rtpmap:102 H264/90000", *described]
    taken = forms(Section(lines))
    if answered == "-":
        assert taken == {}
    else:
        assert sorted(taken[102].parameters.split(";")) == sorted(
            (parameters if answered is None else answered).split(";")
        )


def test_a_profile_is_taken_in_the_better_mode_alone() -> None:
    """Browsers offer each in both; another profile may come in mode 0 beside it."""
    lines = ["m=video 9 UDP/TLS/RTP/SAVPF 102 104 106"]
    for number, text in {
        102: "profile-level-id=42001f;packetization-mode=0",
        104: "profile-level-id=42e01f;packetization-mode=1",
        106: "profile-level-id=64001f",
    }.items():
        lines += [f"a=rtpmap:{number} H264/90000", f"a=fmtp:{number} {text}"]
    assert list(forms(Section(lines))) == [104, 106]
