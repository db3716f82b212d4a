"""Outgoing audio as Opus: decoded again, it is what was encoded."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.media.libopus import NATIVE_RATES, OpusDecoder
from fastrtc_core.testing import fit_sine, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_core.tracks import TimedAudioFrame
from fastrtc_core.webrtc.audio_encoder import AudioTrackEncoder
from fastrtc_core.webrtc.internals import EncodedFrame

RATES = (*NATIVE_RATES, 22050, 32000, 44100)


def timed(sound: AudioFrame, start: int = 0) -> list[TimedAudioFrame]:
    """The packets of a sound as a track gives them."""
    size = sound.sample_rate // 50
    return [
        TimedAudioFrame(sound.sample_rate, frame.data, start + k * size, resumed=k == 0)
        for k, frame in enumerate(frames_of(sound))
    ]


def encode(encoder: AudioTrackEncoder, frames: list[TimedAudioFrame]) -> list[EncodedFrame]:
    return [encoder.encode(frame) for frame in frames]


def decode(packets: list[EncodedFrame]) -> NDArray[np.int16]:
    """Both channels at 48 kHz, as a peer hears them."""
    decoder = OpusDecoder(48000, 2)
    parts = [decoder.decode(packet.payload) for packet in packets]
    assert {part.shape for part in parts} == {(2, 960)}, "one packet is 20 ms"
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sine_comes_through(rate: int, channels: int) -> None:
    """At every rate, native to Opus or not: level within 0.5 dB, SNR of 40 dB and more."""
    encoder = AudioTrackEncoder(rate, channels)
    sound = tone(1000, 1.0, rate, num_channels=channels)
    heard = decode(encode(encoder, timed(sound)))
    assert heard.shape == (2, 48000)
    for channel in heard:
        fit = fit_sine(channel[9600:43200], 1000, 48000)
        assert fit.snr > 40
        assert abs(20 * math.log10(fit.amplitude / 16384)) < 0.5


def test_stereo_stays_separate() -> None:
    """Two sines, one on each side, are heard on their own sides."""
    left, right = tone(500, 1.0), tone(1700, 1.0)
    both = AudioFrame(48000, np.concatenate([left.data, right.data]))
    heard = decode(encode(AudioTrackEncoder(48000, 2), timed(both)))
    for channel, own, other in ((heard[0], 500, 1700), (heard[1], 1700, 500)):
        assert fit_sine(channel[9600:43200], own, 48000).snr > 25
        assert fit_sine(channel[9600:43200], own, 48000).amplitude > 16000
        assert fit_sine(channel[9600:43200], other, 48000).amplitude < 160


@pytest.mark.parametrize("rate", RATES)
def test_timestamps_are_at_48_khz(rate: int) -> None:
    """Whatever the rate of the audio, packets are 960 apart on the clock of Opus (RFC 7587)."""
    packets = encode(AudioTrackEncoder(rate, 1), timed(tone(500, 0.2, rate), start=3 * rate + 7))
    times = [packet.timestamp for packet in packets]
    assert times[0] == (3 * rate + 7) * 48000 // rate
    assert all(b - a == 960 for a, b in itertools.pairwise(times))


@pytest.mark.parametrize("rate", [24000, 44100])
def test_after_a_pause_the_timestamps_jump_and_the_sound_is_clean(rate: int) -> None:
    """The encoder needs no packets for the silence, and no turn is heard in the next."""
    encoder = AudioTrackEncoder(rate, 1)
    before = encode(encoder, timed(tone(440, 0.5, rate)))
    after = encode(encoder, timed(tone(1000, 0.5, rate), start=60 * rate))
    assert before[-1].timestamp == 24 * 960
    assert [packet.timestamp for packet in after] == [60 * 48000 + k * 960 for k in range(25)]
    heard = decode(before + after)
    assert heard.shape == (2, 48000)
    assert fit_sine(heard[0, 9600:23000], 440, 48000).snr > 35
    assert fit_sine(heard[0, 33600:47000], 1000, 48000).snr > 40


def test_a_turn_after_a_pause_starts_at_once() -> None:
    """No part of the second turn is swallowed: it is heard within 10 ms."""
    encoder = AudioTrackEncoder(44100, 1)
    silence = AudioFrame(44100, np.zeros((1, 4410), np.int16))
    frames = timed(silence) + timed(tone(1000, 0.2, 44100), start=44100)
    heard = decode(encode(encoder, frames))[0]
    start = int(np.argmax(np.abs(heard) > 1600))
    assert 4800 - 96 <= start <= 4800 + 480


def test_what_the_resampler_held_is_not_heard_in_the_next_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A turn starts with silence in place of what is held back, and with nothing else."""
    encoder = AudioTrackEncoder(44100, 1)
    encoded: list[NDArray[np.int16]] = []

    def note(data: NDArray[np.int16]) -> bytes:
        encoded.append(data)
        return b""

    monkeypatch.setattr(encoder._encoder, "encode", note)
    loud = AudioFrame(44100, np.full((1, 8820), 20_000, np.int16))
    encode(encoder, timed(loud) + timed(loud, start=441_000))
    assert {data.shape for data in encoded} == {(1, 960)}
    for first, second in zip(encoded[:10], encoded[10:], strict=True):
        np.testing.assert_array_equal(first, second)
    assert not encoded[10][0, :10].any()
    assert encoded[10][0, 20:].all()


def test_silence_is_encoded_as_silence() -> None:
    """Digital silence stays within one step of it, and costs next to no bits."""
    packets = encode(
        AudioTrackEncoder(48000, 1), timed(AudioFrame(48000, np.zeros((1, 48000), np.int16)))
    )
    assert np.abs(decode(packets)).max() <= 1
    assert sum(len(packet.payload) for packet in packets) < 50 * 100


@pytest.mark.parametrize(("channels", "rate"), [(1, 64_000), (2, 128_000)])
def test_the_bit_rate_is_bounded(channels: int, rate: int) -> None:
    """A second of noise takes about as many bits as were asked for."""
    noise = np.random.default_rng(0).integers(-8000, 8000, (channels, 48000)).astype(np.int16)
    packets = encode(AudioTrackEncoder(48000, channels), timed(AudioFrame(48000, noise)))
    assert sum(len(packet.payload) for packet in packets) * 8 < 1.4 * rate


def test_a_full_scale_frame_does_not_wrap() -> None:
    """The loudest sine is heard as a sine."""
    sound = tone(1000, 0.5, level=1.0)
    heard = decode(encode(AudioTrackEncoder(48000, 1), timed(sound)))
    assert fit_sine(heard[0, 9600:], 1000, 48000).snr > 30
