"""`RtpSource` over loopback: encodings, multicast, and packets that are lost, late or strange."""

from __future__ import annotations

import random
import socket
import threading
import time
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from fastrtc_core import ConfigurationError, SourceError
from fastrtc_core.media.libopus import OpusEncoder
from fastrtc_core.sources import RtpSource
from fastrtc_core.sources.rtp_clock import RtpClock
from fastrtc_core.testing import fit_sine, tone

from .files import joined, ramp
from .packets import LOOPBACK, PAYLOAD_TYPE, Receiver, free_port, l16, l24, packet, sender

SIZE = 48  # samples in a packet of AES67: 1 ms


def source_at(host: str, port: int, encoding: str, **options: object) -> RtpSource:
    return RtpSource(
        f"rtp://{host}:{port}",
        encoding=encoding,
        payload_type=PAYLOAD_TYPE,
        interface=LOOPBACK,
        **options,  # type: ignore[arg-type]
    )


def pcm(number: int, channels: int = 4) -> bytes:
    """A packet of L24."""
    return packet(number, number * SIZE, l24(ramp(SIZE, channels, start=number * SIZE)))


@pytest.mark.parametrize("host", [LOOPBACK, "239.77.1.2"])
@pytest.mark.parametrize(("encoding", "channels"), [("L24/48000/4", 4), ("L24/48000/8", 8)])
def test_aes67_is_exact(host: str, encoding: str, channels: int) -> None:
    """Every sample of every channel, unicast and multicast, while numbers and times wrap."""
    port = free_port()
    receiver = Receiver(source_at(host, port, encoding))
    with receiver.source, sender(host, port) as send:
        receiver.greet(send, lambda number: pcm(number, channels))
        for number in range(1, 100):
            send(pcm(number, channels))
            time.sleep(0.0005)
        receiver.wait_until(100 * SIZE)
    assert joined(receiver.blocks).tolist() == ramp(100 * SIZE, channels).tolist()
    assert not any(block.discontinuity for block in receiver.blocks)


def test_l16_from_a_description(tmp_path: Path) -> None:
    """An SDP as a file, or as its text."""
    port = free_port()
    text = (
        f"v=0\r\no=- 1 1 IN IP4 {LOOPBACK}\r\ns=Test\r\nc=IN IP4 {LOOPBACK}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} L16/44100/2\r\n"
    )
    path = tmp_path / "stream.sdp"
    path.write_text(text)
    for given in (text, path):
        receiver = Receiver(RtpSource(given))
        with receiver.source, sender(LOOPBACK, port) as send:

            def make(number: int) -> bytes:
                return packet(number, number * 100, l16(ramp(100, 2, start=number * 100)))

            receiver.greet(send, make)
            for number in range(1, 30):
                send(make(number))
            receiver.wait_until(3000)
        assert joined(receiver.blocks).tolist() == ramp(3000, 2).tolist()
        assert receiver.blocks[0].sample_rate == 44100


def test_a_lost_packet_is_a_hole_of_its_length() -> None:
    """In the sample clock, flagged and counted; what follows is in its place."""
    port = free_port()
    receiver = Receiver(source_at(LOOPBACK, port, "L24/48000/4"))
    with receiver.source, sender(LOOPBACK, port) as send:
        receiver.greet(send, pcm)
        for number in range(1, 60):
            if number not in (20, 21, 40):
                send(pcm(number))
            time.sleep(0.002)
        receiver.wait_until(60 * SIZE)
    holes = [block.pts for block in receiver.blocks if block.discontinuity]
    assert holes == [22 * SIZE, 41 * SIZE]
    assert receiver.source.lost == 3 * SIZE
    for block in receiver.blocks:
        assert block.data.tolist() == ramp(block.samples, 4, start=block.pts).tolist()


def test_packets_are_put_in_order_and_taken_once() -> None:
    """Some come before those they follow, some twice."""
    port = free_port()
    receiver = Receiver(source_at(LOOPBACK, port, "L24/48000/4"))
    order = list(range(1, 100))
    generator = random.Random(1)
    for start in range(0, 95, 4):
        part = order[start : start + 4]
        generator.shuffle(part)
        order[start : start + 4] = part
    with receiver.source, sender(LOOPBACK, port) as send:
        receiver.greet(send, pcm)
        for number in order:
            send(pcm(number))
            if number % 7 == 0:
                send(pcm(number))
            time.sleep(0.001)
        receiver.wait_until(100 * SIZE)
    assert joined(receiver.blocks).tolist() == ramp(100 * SIZE, 4).tolist()


def test_opus_makes_up_for_what_is_lost() -> None:
    """One lost packet is concealed, a long hole is none of its business."""
    port = free_port()
    encoder = OpusEncoder(48000, 1)
    wave = tone(440, 1.2, level=0.5).data
    packets = [
        packet(n, n * 960, encoder.encode(wave[:, n * 960 : (n + 1) * 960])) for n in range(60)
    ]
    receiver = Receiver(source_at(LOOPBACK, port, "opus/48000/2"))
    with receiver.source, sender(LOOPBACK, port) as send:
        receiver.greet(send, lambda number: packets[number])
        for number in range(1, 60):
            if number != 20 and not 40 <= number < 50:
                send(packets[number])
            time.sleep(0.01)
        receiver.wait_until(60 * 960)
    source = receiver.source
    assert (source.concealed, source.lost) == (960, 10 * 960)
    assert [block.pts // 960 for block in receiver.blocks if block.discontinuity] == [20, 50]
    whole = joined([block for block in receiver.blocks if block.pts < 40 * 960])
    amplitude, ratio = fit_sine(whole[0, 4800:36000], 440, 48000)
    assert amplitude == pytest.approx(16384, rel=0.1)
    assert ratio > 12


def test_what_ffmpeg_sends_is_received() -> None:
    """A stream from its own muxer, in G.722."""
    port = free_port()
    wave = tone(440, 1.0, 16000)
    receiver = Receiver(RtpSource(f"rtp://{LOOPBACK}:{port}"))
    receiver.source.start()
    with av.open(f"rtp://{LOOPBACK}:{port}", "w", format="rtp") as container:
        stream = container.add_stream("g722", rate=16000, layout="mono")
        assert isinstance(stream, AudioStream)
        for start in range(0, 16000, 320):
            frame = av.AudioFrame.from_ndarray(wave.data[:, start : start + 320], "s16", "mono")
            frame.sample_rate, frame.pts = 16000, start
            container.mux(stream.encode(frame))
            time.sleep(0.01)
    receiver.source.stop()
    data = joined(receiver.blocks)
    assert data.shape[1] > 8000
    amplitude, _ = fit_sine(data[0, 1600:-1600], 440, 16000)
    assert amplitude == pytest.approx(16384, rel=0.1)


def test_strange_packets_do_no_harm() -> None:
    """Noise, and some that are cut off."""
    port = free_port()
    generator = random.Random(2)
    receiver = Receiver(source_at(LOOPBACK, port, "L24/48000/4"))
    with receiver.source, sender(LOOPBACK, port) as send:
        receiver.greet(send, pcm)
        for number in range(1, 60):
            noise = bytearray(generator.randbytes(generator.randrange(2, 200)))
            noise[1] &= 0x3F  # no RTCP: that is for the next test
            send(bytes(noise))
            send(pcm(number)[:11])
            send(pcm(number))
            time.sleep(0.002)
        receiver.wait_until(60 * SIZE)
        assert receiver.source.running


def test_a_goodbye_is_not_the_end() -> None:
    """After an RTCP BYE (RFC 3550 section 6.6) the next sender is heard, its start flagged."""
    port = free_port()
    receiver = Receiver(source_at(LOOPBACK, port, "L24/48000/4"))
    with receiver.source, sender(LOOPBACK, port) as send:
        receiver.greet(send, pcm)
        send(bytes([0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1, 0, 0, 0, 1]))
        heard = len(receiver.blocks)
        for number in range(1, 2000):
            send(pcm(number))
            time.sleep(0.001)
            if len(receiver.blocks) > heard + 20:
                break
        assert receiver.source.running
    assert any(block.discontinuity for block in receiver.blocks[1:])
    for before, after in pairwise(receiver.blocks):
        assert after.pts >= before.end


def test_a_sender_that_starts_anew_is_followed() -> None:
    """Other numbers and times: the sample clock goes on where time has got to."""
    clock = RtpClock(48000)
    assert [clock.place(1000 + n * 480, 480, n * 0.01) for n in range(3)] == [0, 480, 960]
    assert clock.place(9_000_000, 480, 1.02) == 1440 + 48000
    assert clock.place(9_000_480, 480, 1.03) == 1440 + 48480
    assert clock.place(9_000_000, 480, 1.03) is None
    assert clock.place(100, 480, 1.04) is not None


def test_an_outage_keeps_its_length() -> None:
    """A stream that goes on after a minute goes on a minute later."""
    clock = RtpClock(48000)
    assert clock.place(0, 480, 0.0) == 0
    assert clock.place(60 * 48000, 480, 60.0) == 60 * 48000


def test_stop_while_nothing_comes() -> None:
    """Before the first packet and after it, within a moment; the port is free at once."""
    port = free_port()
    receiver = Receiver(source_at(LOOPBACK, port, "L24/48000/4"))
    for heard in (False, True):
        receiver.blocks.clear()
        receiver.source.start()
        with sender(LOOPBACK, port) as send:
            if heard:
                receiver.greet(send, pcm)
            time.sleep(0.1)
        began = time.monotonic()
        receiver.source.stop()
        assert time.monotonic() - began < 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((LOOPBACK, port))


def test_silence_can_be_an_error() -> None:
    """After the time-out, with the address in the text."""
    source = source_at(LOOPBACK, port := free_port(), "L16/48000/1", timeout=0.3)
    ended = threading.Event()
    source.on_end = ended.set
    source.start()
    assert ended.wait(5)
    with pytest.raises(SourceError, match=rf"no RTP packet has come for .* at rtp://.*:{port}"):
        source.stop()


@pytest.mark.parametrize(
    ("given", "options", "text"),
    [
        ("rtp://example.org:5004", {"encoding": "L16/48000/2"}, "no address to receive at"),
        ("rtp://239.1.2.3", {"encoding": "L16/48000/2"}, "no address to receive at"),
        ("rtp://239.1.2.3:5004", {"encoding": "pcm"}, "L24/48000/8"),
        ("none.sdp", {}, r"no file none\.sdp.*rtp://239"),
        ("none.sdp", {"encoding": "L16/48000/2"}, "goes with an address"),
    ],
)
def test_what_is_not_understood_is_explained(
    given: str, options: dict[str, str], text: str
) -> None:
    """At once, with what to write instead."""
    with pytest.raises((ConfigurationError, SourceError), match=text):
        RtpSource(given, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["v=0\r\nnonsense", "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\n"])
def test_a_description_without_audio_is_told(text: str) -> None:
    """Once it is opened."""
    source = RtpSource(text)
    ended = threading.Event()
    source.on_end = ended.set
    source.start()
    assert ended.wait(5)
    with pytest.raises(SourceError, match="RtpSource takes"):
        source.stop()


def test_levels_of_16_bits_survive_24() -> None:
    """The packets of these tests are what they say."""
    assert l24(np.array([[-2], [1]], np.int16)) == b"\xff\xfe\x00\x00\x01\x00"
