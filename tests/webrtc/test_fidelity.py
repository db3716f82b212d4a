"""What a client sends is what it hears back, over two real peers."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, Stream
from fastrtc_core.client import Client
from fastrtc_core.testing import delay_of, fit_sine, longest_silence, noise, tone
from fastrtc_handlers import Echo

from ..inside import session_of
from .support import eventually, gone, hear

WARM_UP = 0.5
"""Seconds until codecs, buffers and connection have settled."""

ATTEMPTS = 4
"""How often a measurement is made anew when the machine stood still in the middle of it."""

LEVEL = 0.5


async def echoed(
    signal: AudioFrame, handler_rate: int, *, stereo: bool = False, stereo_client: bool = False
) -> NDArray[np.int16]:
    """What comes back of a signal, from the first sound on, the warm-up taken off.

    Both peers run on one event loop. Where the machine gives it no time for longer than the jitter
    buffers wait, packets are late and frames are made up for; that is no measurement of fidelity.
    """
    for _ in range(ATTEMPTS):
        stream = Stream(Echo(handler_rate, stereo))
        async with Client(stream.offer, stereo=stereo or stereo_client) as client:
            assert client.audio_source is not None
            assert client.audio_stream is not None
            assert client.remote_audio is not None
            assert client.webrtc_id is not None
            server_side = session_of(stream, client.webrtc_id).remote_audio
            assert server_side is not None
            sending = asyncio.create_task(client.audio_source.capture_frame(signal))
            heard = await hear(client.audio_stream, signal.duration - 0.3)
            await sending
            networks = client.remote_audio.network, server_side.network
            disturbed = any(network is None or network.late for network in networks)
        await gone(stream)
        if not disturbed:
            return heard[:, round(WARM_UP * 48000) :]
        print("disturbed:", networks)
    pytest.fail(f"late packets in each of {ATTEMPTS} attempts, within one process")


def decibels(ratio: float) -> float:
    return float(20 * np.log10(ratio))


@pytest.mark.parametrize("rate", [48000, 24000, 16000, 44100])
async def test_a_sine_comes_back_as_a_sine(rate: int) -> None:
    """At every handler rate: 40 dB of signal to noise, no gap or repeat, and the same level."""
    heard = await echoed(tone(1000, 2.1, level=LEVEL), rate)

    # One phase and one amplitude over the whole: a lost or repeated sample would break the fit.
    amplitude, snr = fit_sine(heard[0], 1000, 48000)
    level = decibels(amplitude / (LEVEL * 32768))
    print(f"{rate} Hz: SNR {snr:.1f} dB, level {level:+.2f} dB")
    assert heard.shape[1] > 1.2 * 48000
    assert snr >= 40
    assert abs(level) <= 0.5
    assert longest_silence(heard[0], 48000, 200) < 0.001


async def test_stereo_stays_stereo() -> None:
    """Two tones, one on each side, stay apart by 30 dB and keep their sides and levels."""
    left, right = tone(1000, 1.9, level=0.4), tone(1700, 1.9, level=0.4)
    signal = AudioFrame(48000, np.concatenate([left.data, right.data]))
    heard = await echoed(signal, 48000, stereo=True)

    assert heard.shape[0] == 2
    for side, own, other in ((0, 1000, 1700), (1, 1700, 1000)):
        level = decibels(fit_sine(heard[side], own, 48000).amplitude / (0.4 * 32768))
        leak = decibels(fit_sine(heard[side], other, 48000).amplitude / (0.4 * 32768))
        print(f"side {side}: {level:+.2f} dB, crosstalk {leak:.1f} dB")
        assert abs(level) <= 0.5
        assert leak <= -30


async def test_a_mono_handler_is_heard_on_both_sides() -> None:
    """A mono handler is heard by a stereo client at full level on both sides."""
    signal = tone(1000, 1.5, level=LEVEL, num_channels=2)
    heard = await echoed(signal, 48000, stereo_client=True)

    assert heard.shape[0] == 2
    for side in heard:
        amplitude = fit_sine(side, 1000, 48000).amplitude
        assert abs(decibels(amplitude / (LEVEL * 32768))) <= 0.5


async def test_the_echo_comes_back_in_real_time() -> None:
    """The round trip is measured and printed; only a delay that no call can bear fails."""
    stream = Stream(Echo(48000))
    async with Client(stream.offer) as client:
        assert client.audio_source is not None
        loop = asyncio.get_running_loop()
        heard: list[NDArray[np.int16]] = []
        arrivals: list[float] = []

        async def listen() -> None:
            assert client.audio_stream is not None
            async for event in client.audio_stream:
                heard.append(event.frame.data[0])
                arrivals.append(loop.time())

        listening = asyncio.create_task(listen())
        try:
            quiet = AudioFrame(48000, np.zeros((1, 48000 * 6 // 10), np.int16))
            burst = noise(0.2, level=0.2)
            await client.audio_source.capture_frame(quiet)
            sent = loop.time() + client.audio_source.queued_duration
            await client.audio_source.capture_frame(burst)
            await client.audio_source.capture_frame(quiet)
            await eventually(lambda: len(arrivals) >= 60, "1.2 s of echo")
        finally:
            listening.cancel()
    await gone(stream)

    position, likeness = delay_of(np.concatenate(heard), burst.data, 48000)
    # The burst began a packet, which left at `sent`; the codecs shift it within the packet.
    delay = arrivals[int(position / 0.02)] - sent + position % 0.02
    print(f"round trip {1000 * delay:.0f} ms, correlation {likeness:.2f}")
    assert likeness > 0.5
    assert 0 < delay < 0.6
