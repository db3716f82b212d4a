"""libopus itself: what is encoded comes back, and what was lost is made up for."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core.media import libopus
from fastrtc_core.media.libopus import (
    MAX_PACKET,
    NATIVE_RATES,
    OpusDecoder,
    OpusEncoder,
    OpusError,
    is_digital_silence,
    samples_in,
)
from fastrtc_core.testing import fit_sine, speech_like, tone
from fastrtc_core.testing.signals import frames_of

from ..examples import tries


def packets_of(encoder: OpusEncoder, data: NDArray[np.int16]) -> list[bytes]:
    size = encoder.sample_rate // 50
    return [
        encoder.encode(data[:, start : start + size])
        for start in range(0, data.shape[1] - size + 1, size)
    ]


@pytest.mark.parametrize("rate", NATIVE_RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sine_comes_back(rate: int, channels: int) -> None:
    """At every rate of Opus, mono and stereo, in frames of 20 ms."""
    sound = tone(1000, 1.0, rate, num_channels=channels)
    encoder = OpusEncoder(rate, channels, bit_rate=64_000 * channels)
    packets = packets_of(encoder, sound.data)
    decoder = OpusDecoder(rate, channels)
    parts = [decoder.decode(packet) for packet in packets]
    assert {part.shape for part in parts} == {(channels, rate // 50)}
    assert all(part.dtype == np.int16 and part.flags.c_contiguous for part in parts)
    heard = np.concatenate(parts, axis=1)
    for channel in heard:
        assert fit_sine(channel[rate // 5 :], 1000, rate).snr > 40


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (24000, 2), (48000, 1)])
def test_the_decoder_chooses_its_own_format(rate: int, channels: int) -> None:
    """A stereo stream at 48 kHz is decoded at any rate and layout."""
    packets = packets_of(OpusEncoder(48000, 2), tone(1000, 0.5, num_channels=2).data)
    decoder = OpusDecoder(rate, channels)
    heard = np.concatenate([decoder.decode(packet) for packet in packets], axis=1)
    assert heard.shape == (channels, rate // 2)
    assert fit_sine(heard[0, rate // 5 :], 1000, rate).snr > 35


@pytest.mark.parametrize("milliseconds", [2.5, 5, 10, 20, 40, 60])
def test_the_length_of_a_packet_is_known(milliseconds: float) -> None:
    """`samples_in` reads it from the packet, at any rate, without decoding."""
    count = int(48 * milliseconds)
    packet = OpusEncoder(48000, 1).encode(np.zeros((1, count), np.int16))
    assert samples_in(packet, 48000) == count
    assert samples_in(packet, 8000) == count // 6
    assert OpusDecoder(48000, 1).decode(packet).shape == (1, count)


@pytest.mark.parametrize("count", [0, 1, 100, 961, 48000])
def test_a_length_that_opus_does_not_know_is_refused(count: int) -> None:
    """A packet has 2.5, 5, 10, 20, 40 or 60 ms."""
    with pytest.raises(OpusError):
        OpusEncoder(48000, 1).encode(np.zeros((1, count), np.int16))


def test_samples_may_lie_in_memory_in_any_way() -> None:
    """A view with strides is encoded like a copy of it."""
    data = tone(1000, 0.02, num_channels=2).data
    strided = np.asfortranarray(np.repeat(data, 2, axis=1))[:, ::2]
    packets = [OpusEncoder(48000, 2).encode(samples) for samples in (data, strided)]
    assert packets[0] == packets[1]


def test_a_lost_packet_is_concealed() -> None:
    """What is made up in place of a packet goes on with the sound, without a hole."""
    packets = packets_of(OpusEncoder(48000, 1), tone(200, 1.0).data)
    decoder = OpusDecoder(48000, 1)
    for packet in packets[:25]:
        decoder.decode(packet)
    made_up = decoder.conceal(960)
    assert made_up.shape == (1, 960)
    assert np.abs(made_up).max() > 4000
    assert decoder.decode(packets[26]).shape == (1, 960)


def test_the_next_packet_may_carry_the_lost_one() -> None:
    """With in-band FEC, the lost frame is closer to the original than one that is made up."""
    sound = speech_like(3.0, 48000).data
    encoder = OpusEncoder(48000, 1, application="voip", bit_rate=32_000)
    encoder.expect_loss(20)
    packets = packets_of(encoder, sound)
    errors = {"recovered": 0.0, "made up": 0.0}
    for lost in range(20, 140, 10):
        good, fec, plc = (OpusDecoder(48000, 1) for _ in range(3))
        for packet in packets[:lost]:
            for decoder in (good, fec, plc):
                decoder.decode(packet)
        wanted = good.decode(packets[lost]).astype(float)
        errors["recovered"] += np.sum((fec.recover(packets[lost + 1], 960) - wanted) ** 2)
        errors["made up"] += np.sum((plc.conceal(960) - wanted) ** 2)
    assert errors["recovered"] < 0.5 * errors["made up"]


def test_a_reset_forgets_the_stream() -> None:
    """After it, a decoder is as good as new."""
    first, second = (packets_of(OpusEncoder(48000, 1), tone(f, 0.2).data) for f in (300, 2000))
    used, new = OpusDecoder(48000, 1), OpusDecoder(48000, 1)
    for packet in first:
        used.decode(packet)
    used.reset()
    for packet in second:
        np.testing.assert_array_equal(used.decode(packet), new.decode(packet))


@pytest.mark.parametrize("percent", [0, 1, 100, 200, -3])
def test_any_loss_may_be_expected_while_it_encodes(percent: int) -> None:
    """The setting changes between packets; out of range is the nearest in range."""
    encoder = OpusEncoder(48000, 1, application="voip", bit_rate=24_000)
    decoder = OpusDecoder(48000, 1)
    for number, frame in enumerate(frames_of(speech_like(0.4))):
        if number == 10:
            encoder.expect_loss(percent)
        assert decoder.decode(encoder.encode(frame.data)).shape == (1, 960)


@pytest.mark.parametrize("rate", [0, 44100, 22050, -1])
def test_a_rate_that_is_not_one_of_opus_is_refused(rate: int) -> None:
    """Neither side takes it."""
    with pytest.raises((OpusError, ValueError)):
        OpusDecoder(rate, 1)
    with pytest.raises(OpusError):
        OpusEncoder(rate, 1)


def test_settings_out_of_range_are_refused() -> None:
    """What libopus refuses is an error where the encoder is made, and nothing is leaked."""
    with pytest.raises(OpusError):
        OpusEncoder(48000, 3)
    with pytest.raises(OpusError):
        OpusEncoder(48000, 1, complexity=11)
    with pytest.raises(OpusError):
        OpusEncoder(48000, 1, bit_rate=-5)
    gc.collect()


@given(payload=st.binary(max_size=MAX_PACKET))
@settings(deadline=None, max_examples=tries(200))
def test_any_bytes_are_decoded_or_refused(payload: bytes) -> None:
    """Nonsense from the network is audio of some length or an `OpusError`, never a crash."""
    decoder = OpusDecoder(24000, 2)
    try:
        count = samples_in(payload, 24000)
        data = decoder.decode(payload)
    except OpusError:
        data = decoder.conceal(480)
        count = 480
    assert data.shape == (2, count)
    assert count <= 24000 * 120 // 1000


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_that_goes_on_is_not_decoded(channels: int) -> None:
    """And what follows sounds as if it had been: speech, ten muted seconds, speech, one lost."""
    encoder = OpusEncoder(48000, channels, application="audio")
    speech = np.repeat(speech_like(1.0, 48000).data, channels, axis=0)
    silence = np.zeros((channels, 480_000), np.int16)
    packets = packets_of(encoder, np.concatenate([speech, silence, speech], axis=1))
    muted = [number for number, packet in enumerate(packets) if is_digital_silence(packet)]
    assert muted[-1] - muted[0] == len(muted) - 1 > 450
    assert len(packets) == 50 + 500 + 50
    ours, whole = OpusDecoder(48000, channels), OpusDecoder(48000, channels)
    skipped = 0
    for number, packet in enumerate(packets):
        if number == 580:
            heard, expected = ours.conceal(960), whole.conceal(960)
        else:
            skipped += packet == ours._silence
            heard, expected = ours.decode(packet), whole._decode(packet, 5760, fec=0)
        assert heard.shape == expected.shape == (channels, 960)
        assert np.abs(heard.astype(int) - expected).max() <= 1
        heard[:] = 7  # what is given is the taker's own
    assert skipped > 440


def test_silence_is_told_from_other_packets() -> None:
    """What Chromium sends muted, mono or stereo; and neither SILK nor several frames."""
    assert is_digital_silence(bytes.fromhex("f8fffe"))
    assert is_digital_silence(bytes.fromhex("fcfffe"))
    for other in ("", "f8", "f8ff", "f8ffff", "f8fffe00", "78fffe", "fbfffe", "f9fffe"):
        assert not is_digital_silence(bytes.fromhex(other))


@given(st.binary(max_size=8))
def test_the_length_is_that_of_the_library(payload: bytes) -> None:
    """For packets of one frame it is remembered; it is the same, or refused in the same way."""
    library = libopus._library()
    for rate in (8000, 48000):
        expected = library.opus_packet_get_nb_samples(payload, len(payload), rate)
        if expected < 0:
            with pytest.raises(OpusError):
                samples_in(payload, rate)
        else:
            assert samples_in(payload, rate) == expected
