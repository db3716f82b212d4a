"""Pictures are put together from packets, in order, and never out of parts of two."""

from __future__ import annotations

import random
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import VideoOptions
from fastrtc_core.media.video_frames import (
    MAX_PACKETS,
    PATIENCE,
    FrameAssembler,
    WholeFrame,
    elapsed_ticks,
    is_keyframe,
    is_sound,
    vp8_payload,
)
from fastrtc_core.webrtc.video_encoders import PictureEncoder

from ..examples import tries

Sent = tuple[int, int, bool, bytes]


def packets(sizes: list[int], first: int = 0) -> list[Sent]:
    """Packets of pictures that consist of so many each: sequence number, time, marker, payload."""
    made: list[Sent] = []
    for number, size in enumerate(sizes):
        for part in range(size):
            data = b"%d.%d " % (number, part)
            made.append(
                ((first + len(made)) % 65536, 3000 * number % (1 << 32), part == size - 1, data)
            )
    return made


def pictures(sizes: list[int]) -> list[bytes]:
    return [
        b"".join(b"%d.%d " % (number, part) for part in range(size))
        for number, size in enumerate(sizes)
    ]


def receive(arrivals: list[Sent], step: float = 0.001) -> tuple[list[WholeFrame], FrameAssembler]:
    assembler = FrameAssembler()
    frames: list[WholeFrame] = []
    for index, packet in enumerate(arrivals):
        frames += assembler.push(*packet, index * step)
    return frames, assembler


@given(st.binary(min_size=1, max_size=8))
def test_descriptors_of_vp8(payload: bytes) -> None:
    """They are as long as aiortc finds them, and too short ones are errors for both."""
    try:
        _, expected = VpxPayloadDescriptor.parse(payload)
    except ValueError:
        with pytest.raises(ValueError, match="too short"):
            vp8_payload(payload)
    else:
        assert vp8_payload(payload) == expected


def test_a_keyframe_that_is_whole_ends_the_wait_for_what_was_lost_before_it() -> None:
    """Pictures before it, and parts of them, are of no use; one that is not whole ends nothing."""
    sent = packets([2, 3, 2, 2, 1, 1])
    assembler = FrameAssembler()
    frames: list[WholeFrame] = []
    for index in (0, 1, 2, 4, 5, 7, 8, 6, 9, 10):  # 3 is lost; 5 begins a keyframe, whole with 6
        frames += assembler.push(*sent[index], index * 0.001, beginning=index == 5)
    assert [frame.data for frame in frames] == [
        data for number, data in enumerate(pictures([2, 3, 2, 2, 1, 1])) if number != 1
    ]
    assert [frame.after_gap for frame in frames] == [True, True, False, False, False]
    assert assembler.lost == 1
    assert len(assembler) == 0
    assert assembler.push(*sent[3], 1.0) == [], "too late"


def test_a_picture_is_there_with_its_last_packet() -> None:
    """The marker tells; the next picture is not waited for."""
    frames, assembler = receive(packets([3, 1, 2]))
    assert [frame.data for frame in frames] == pictures([3, 1, 2])
    assert [frame.timestamp for frame in frames] == [0, 3000, 6000]
    assert [frame.after_gap for frame in frames] == [True, False, False]
    assert assembler.lost == 0


def test_without_markers_the_next_time_tells() -> None:
    sent = [(number, time, False, data) for number, time, _, data in packets([2, 2, 1])]
    frames, _ = receive(sent)
    assert [frame.data for frame in frames] == pictures([2, 2])


def test_padding_is_no_picture() -> None:
    """Packets without a payload fill the time of probes for bandwidth."""
    sent = packets([1, 1])
    padded = [sent[0], (1, 0, False, b""), (2, 0, False, b""), (3, 3000, True, sent[1][3])]
    frames, _ = receive(padded)
    assert [frame.data for frame in frames] == pictures([1, 1])
    assert not frames[1].after_gap


@settings(max_examples=tries(200))
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=30),
    first=st.integers(0, 65535),
    seed=st.integers(0, 1000),
)
def test_order_and_copies_make_no_difference(sizes: list[int], first: int, seed: int) -> None:
    """Whatever overtakes what, within 8 packets, and across the end of the numbers."""
    sent = packets(sizes, first)
    chance = random.Random(seed)
    due = {index: index + chance.uniform(0, 8) * (index > 0) for index in range(len(sent))}
    arrivals = [sent[index] for index in sorted(due, key=lambda index: due[index])]
    arrivals += chance.choices(sent, k=3)
    frames, assembler = receive(arrivals)
    assert [frame.data for frame in frames] == pictures(sizes)
    assert assembler.lost == 0


@settings(max_examples=tries(200))
@given(
    sizes=st.lists(st.integers(1, 6), min_size=20, max_size=60),
    losses=st.sets(st.integers(1, 100), max_size=10),
)
def test_what_is_lost_costs_whole_pictures(sizes: list[int], losses: set[int]) -> None:
    """Nothing comes out that was not sent, and what follows a hole says so."""
    sent = packets(sizes)
    arrivals = [packet for packet in sent if packet[0] not in losses]
    frames, assembler = receive(arrivals, step=PATIENCE / 4)
    whole = pictures(sizes)
    numbers = [whole.index(frame.data) for frame in frames]
    assert numbers == sorted(set(numbers))
    for before, after in zip([-1, *numbers], numbers, strict=False):
        assert frames[numbers.index(after)].after_gap == (after > before + 1 or before == -1)
    assert assembler.lost <= len(losses)


def test_a_hole_is_waited_for_as_long_as_a_packet_may_take() -> None:
    """Until then nothing is lost; after it, the picture behind the hole is given up as well."""
    sent = packets([1, 2, 1, 1])
    assembler = FrameAssembler()
    assert len(assembler.push(*sent[0], 0.0)) == 1
    assert not assembler.push(*sent[2], 0.1)
    assert not assembler.push(*sent[3], 0.1 + PATIENCE * 0.9)
    late = assembler.push(*sent[1], 0.1 + PATIENCE * 0.95)
    assert [frame.data for frame in late] == pictures([1, 2, 1])[1:]
    assembler = FrameAssembler()
    assembler.push(*sent[0], 0.0)
    assembler.push(*sent[2], 0.1)
    frames = assembler.push(*sent[3], 0.1 + PATIENCE)
    assert [(frame.data, frame.after_gap) for frame in frames] == [(pictures([1, 2, 1])[2], True)]
    assert not assembler.push(*sent[1], 0.7), "it comes too late"
    assert assembler.lost == 1


def test_what_waits_is_bounded() -> None:
    """A sender that leaves one packet out for good, and all in one instant."""
    sent = packets([1] * (3 * MAX_PACKETS))
    frames, assembler = receive([sent[0], *sent[2:]], step=0.0)
    assert len(frames) >= 2 * MAX_PACKETS - 1
    assert len(assembler) <= MAX_PACKETS


def test_another_beginning() -> None:
    """Numbers that jump are those of a sender that has begun anew."""
    frames, _ = receive(packets([1, 1, 1]) + packets([1, 1, 1], first=20_000))
    assert [frame.data for frame in frames] == pictures([1, 1, 1]) + pictures([1, 1, 1])[1:]
    assert [frame.after_gap for frame in frames] == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("earlier", "later", "ticks"),
    [(0, 3000, 3000), (2**32 - 1000, 2000, 3000), (3000, 0, -3000), (500, 2**32 - 500, -1000)],
)
def test_time_between_pictures(earlier: int, later: int, ticks: int) -> None:
    assert elapsed_ticks(earlier, later) == ticks


@pytest.mark.parametrize("codec", ["video/vp8", "video/h264"])
def test_keyframes_are_known(codec: str) -> None:
    """By what a real encoder puts out; parts of a keyframe are none."""
    encoder = PictureEncoder(codec, VideoOptions())
    wanted = [True, False, False, True, False]
    decoder = av.CodecContext.create("libvpx" if codec == "video/vp8" else "h264", "r")
    shown = 0
    for number, keyframe in enumerate(wanted):
        noise = np.random.default_rng(number).integers(0, 255, (120, 161, 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(noise, "rgb24")
        frame.pts, frame.time_base = 77, Fraction(1, 5)
        encoded = encoder.encode(frame, 3000 * number, keyframe=keyframe)
        assert encoded is not None
        assert encoded.keyframe == keyframe
        assert (frame.pts, frame.width) == (77, 161), "the picture is left as it is"
        assert not is_keyframe(codec, encoded.data[40:])
        shown += len(decoder.decode(av.Packet(encoded.data)))
    assert shown == len(wanted)
    assert not is_keyframe("video/av1", b"\x00" * 100)
    assert not is_keyframe(codec, b"")


@pytest.mark.parametrize(
    ("codec", "data", "sound"),
    [
        ("video/h264", b"\0\0\1\x67\x42\0\0\1\x65\x88", True),
        ("video/h264", b"\0\0\0\1\x67\x42\0\0\0\1\x65\x88", True),
        ("video/h264", b"\0\0\1\x67\x42\0\0\1\0\0\1\x65\x88", False),
        ("video/h264", b"\0\0\1\x67\x42\0\0\1\0\0\0\1\x65", False),
        ("video/h264", b"\0\0\1\x67\x42\0\0\1", False),
        ("video/h264", b"", False),
        ("video/vp8", b"\0\0\1\0\0\1", True),
        ("video/vp8", b"", False),
    ],
)
def test_what_cannot_be_sent_on(codec: str, data: bytes, sound: bool) -> None:
    """A NAL unit without a byte breaks those who pack it."""
    assert is_sound(codec, data) is sound
