"""How audio is encoded, and on which event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
import uvloop

from fastrtc_core import (
    AudioOptions,
    ConfigurationError,
    Context,
    Stream,
    UnavailableError,
    VideoOptions,
)
from fastrtc_core.client import Client
from fastrtc_core.testing import fit_sine, tone
from fastrtc_core.tracks import TimedAudioFrame
from fastrtc_core.webrtc import internals, peer
from fastrtc_core.webrtc.audio_encoder import AudioTrackEncoder
from fastrtc_handlers import AudioVideoEcho, Echo

from ..inside import connection_of, peer_of, peers_of
from .impairment import impaired_audio
from .support import Silent, eventually, gone, hear, speak


@pytest.mark.parametrize(
    "make",
    [
        lambda: AudioOptions(bit_rate=5_000),
        lambda: AudioOptions(complexity=11),
        lambda: AudioOptions(application="music"),  # type: ignore[arg-type]
        lambda: AudioOptions(fec=True),
        lambda: AudioOptions(frame_duration=0.03),
        lambda: VideoOptions(bit_rate=1, min_bit_rate=2),
        lambda: VideoOptions(max_bit_rate=10),
        lambda: VideoOptions(codecs=("av1",)),  # type: ignore[arg-type]
        lambda: VideoOptions(codecs="vp8"),  # type: ignore[arg-type]
        lambda: VideoOptions(codecs=("vp8", "vp8")),
        lambda: VideoOptions(frame_rate=0),
        lambda: VideoOptions(frame_rate=float("nan")),
        lambda: VideoOptions(scale_down_by=0.5),
        lambda: VideoOptions(scale_down_by=float("inf")),
        lambda: VideoOptions(max_size=(1, 720)),
        lambda: VideoOptions(max_size=(1280,)),  # type: ignore[arg-type]
        lambda: VideoOptions(content="film"),  # type: ignore[arg-type]
    ],
)
def test_settings_out_of_range_are_refused(make: Any) -> None:
    """The error says what is allowed."""
    with pytest.raises(ConfigurationError, match=r"must|needs"):
        make()


def test_the_bit_rate_is_kept() -> None:
    """A lower bit rate makes smaller packets of the same sound."""
    sound = np.random.default_rng(0).normal(0, 3000, (1, 960)).astype(np.int16)
    sizes = []
    for bit_rate in (16_000, 64_000, 256_000):
        encoder = AudioTrackEncoder(48000, 1, AudioOptions(bit_rate=bit_rate))
        packets = [
            encoder.encode(TimedAudioFrame(48000, sound, n * 960, n == 0)) for n in range(20)
        ]
        sizes.append(np.mean([len(packet.payload) for packet in packets]) * 50 * 8)
    assert sizes[0] < 25_000 < sizes[1] < 80_000 < sizes[2]


async def test_the_encoder_follows_the_loss_that_the_client_reports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With FEC asked for, a report of 25 % loss reaches the encoder."""
    monkeypatch.setattr(peer, "LOSS_INTERVAL", 0.05)
    monkeypatch.setattr(internals, "reported_loss", lambda _sender: 0.25)
    noted: list[float] = []
    monkeypatch.setattr(AudioTrackEncoder, "note_loss", lambda _self, loss: noted.append(loss))
    stream = Stream(Echo(), audio_options=AudioOptions(application="voip", fec=True))
    async with Client(stream.offer) as client:
        await speak(client, tone(duration=0.5))
        await eventually(lambda: noted, "a report")
    assert set(noted) == {0.25}
    await gone(stream)


async def test_reports_of_the_client_are_read_from_aiortc() -> None:
    """Without loss, the fraction that a real receiver report carries is 0."""
    stream = Stream(Echo())
    async with Client(stream.offer) as client:
        assert client.audio_stream is not None
        speaking = asyncio.create_task(speak(client, tone(duration=3)))
        await hear(client.audio_stream, 2.0)
        (sender,) = connection_of(peer_of(stream)).getSenders()
        stats = await sender.getStats()
        await eventually(lambda: any(s.type == "remote-inbound-rtp" for s in stats.values()))
        assert internals.reported_loss(sender) == 0.0
        speaking.cancel()
    await gone(stream)


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_both_event_loops_carry_a_session(factory: Any) -> None:
    """The echo is whole on asyncio's loop and on uvloop."""

    async def echo() -> None:
        stream = Stream(Echo())
        async with Client(stream.offer) as client:
            assert client.audio_stream is not None
            speaking = asyncio.create_task(speak(client, tone(duration=2)))
            heard = await hear(client.audio_stream, 1.5)
            speaking.cancel()
        await gone(stream)
        # In real time, where a machine that is busy elsewhere may be late once.
        parts = np.split(heard[0, 24000:72000], 8)
        assert max(fit_sine(part, 1000, 48000).snr for part in parts) > 40

    def run(coro: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(coro)

    run(echo())


@pytest.mark.parametrize("duration", [0.02, 0.04, 0.06])
async def test_a_packet_holds_as_much_as_is_asked_for(duration: float) -> None:
    """The sound is whole whatever it is cut into; the handler's frames stay 20 ms."""
    packets = 1  # the first, from which the peer learns the source

    def count(_packet: Any) -> tuple[float]:
        nonlocal packets
        packets += 1
        return (0,)

    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, mode="receive", audio_options=AudioOptions(frame_duration=duration))
    async with impaired_audio(count), Client(stream.offer, mode="receive") as client:
        assert client.audio_stream is not None
        handler.only.to_emit.put_nowait(tone(1000, 1.51))
        heard = await hear(client.audio_stream, 1.5)
    await gone(stream)
    assert packets == pytest.approx(1.51 / duration, abs=1)
    # In one half of it at least: on a machine that stumbles the peer conceals a gap in the other.
    halves = np.array_split(heard[0][4800:], 2)
    assert max(fit_sine(half, 1000, 48000).snr for half in halves) > 40


async def test_options_may_differ_from_session_to_session() -> None:
    """A function gets the context; it may be sync, on a thread, or async."""

    async def choose(context: Context) -> AudioOptions:
        return AudioOptions(bit_rate=16_000 if context.params.get("slow") else 64_000)

    bounds = VideoOptions(bit_rate=300_000, max_bit_rate=400_000)
    stream = Stream(
        AudioVideoEcho(),
        modality="audio-video",
        audio_options=choose,
        video_options=lambda context: bounds,
    )
    for params, bit_rate in (({"slow": True}, 16_000), ({}, 64_000)):
        async with Client(stream.offer, modality="audio-video", params=params) as client:
            assert client.webrtc_id is not None
            peer = peers_of(stream)[client.webrtc_id]
            assert peer._audio_options.bit_rate == bit_rate
            assert peer._video_options is bounds
        await gone(stream)


@pytest.mark.parametrize("wrong", [lambda _: {"bit_rate": 1}, lambda _: 1 / 0])
async def test_a_function_that_returns_no_options_is_the_fault_of_the_server(
    wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets a refusal, the log the reason, and nothing is left."""
    stream = Stream(Echo(), audio_options=wrong)
    with pytest.raises(UnavailableError):
        async with Client(stream.offer):
            pass
    assert "options are AudioOptions" in caplog.text or "ZeroDivisionError" in caplog.text
    await gone(stream)


@pytest.mark.parametrize("rate", [0, 29_999, 100_000_001, -1])
def test_the_rate_to_start_with_is_checked(rate: int) -> None:
    with pytest.raises(ConfigurationError, match="client_bit_rate"):
        VideoOptions(client_bit_rate=rate)
