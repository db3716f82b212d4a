"""GStreamer's `webrtcbin`, which has an RSA certificate and OpenSSL's own choice of suites."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from fastrtc_core import Stream
from fastrtc_core.testing import fit_sine
from fastrtc_handlers import AudioVideoEcho

from ..inside import connection_of, peers_of
from .support import app_of, eventually, serving

PEER = Path(__file__).with_name("gstreamer_peer.py")
PROBE = """
import gi
for name in ("Gst", "GstSdp", "GstWebRTC"):
    gi.require_version(name, "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC
Gst.init(None)
needed = "webrtcbin nicesink dtlssrtpenc opusenc rtpopuspay vp8enc rtpvp8pay appsink"
raise SystemExit(" ".join(n for n in needed.split() if not Gst.ElementFactory.find(n)) or 0)
"""


@pytest.fixture(scope="module")
def webrtcbin() -> None:
    """Skips where GStreamer lacks what the peer needs, and says what."""
    if importlib.util.find_spec("gi") is None:
        pytest.skip("PyGObject is not installed: pip install 'fastrtc-core[gstreamer]'")
    probe = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(
            "GStreamer lacks what webrtcbin needs; on Debian: apt-get install gstreamer1.0-nice "
            "gstreamer1.0-plugins-bad gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-good "
            f"({probe.stderr.strip().splitlines()[-1]})"
        )


def handshakes(stream: Stream) -> list[Any]:
    """The DTLS transports of sessions whose handshake is done."""
    peers: list[Any] = [connection_of(peer) for peer in peers_of(stream).values()]
    transports = [dtls for pc in peers for dtls in pc._RTCPeerConnection__dtlsTransports]
    return [dtls for dtls in transports if dtls.encrypted]


@pytest.mark.real_time  # the client is a process
@pytest.mark.parametrize(
    ("setup", "role", "udp_port"),
    [
        pytest.param("actpass", "client", None, marks=pytest.mark.soak),
        ("active", "server", None),
        ("actpass", "client", 0),
    ],
)
async def test_sound_and_pictures_come_back(
    webrtcbin: None, tmp_path: Path, setup: str, role: str, udp_port: int | None
) -> None:
    """It is the DTLS server, which chooses a suite for its certificate, or the client.

    And once with a lite ICE agent on the other side, that of the shared port.
    """
    stream = Stream(AudioVideoEcho(), modality="audio-video", udp_port=udp_port)
    async with serving(app_of(stream)) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PEER), url, setup, str(tmp_path)), stderr=asyncio.subprocess.PIPE
        )
        try:
            ended = asyncio.create_task(process.communicate())
            await eventually(lambda: ended.done() or handshakes(stream), "the handshake", 40)
            if not ended.done():
                (dtls,) = handshakes(stream)
                assert dtls._role == role
                assert dtls._ssl.get_protocol_version_name() == "DTLSv1.2"
                certificate = dtls._ssl.get_peer_certificate(as_cryptography=True)
                assert isinstance(certificate.public_key(), rsa.RSAPublicKey)
            _, errors = await ended
        finally:
            if process.returncode is None:
                process.kill()
                await ended
        assert process.returncode == 0, errors.decode()
    sound = np.frombuffer((tmp_path / "audio").read_bytes(), np.int16)
    # In pieces of 0.2 s: a machine that was held up may have lost some.
    pieces = [fit_sine(piece, 440, 48000) for piece in np.split(sound[: 10 * 9600], 10)]
    assert np.median([piece.snr for piece in pieces]) > 20
    assert np.median([piece.amplitude for piece in pieces]) == pytest.approx(9830, rel=0.1)
    pictures = np.frombuffer((tmp_path / "video").read_bytes(), np.uint8).reshape(-1, 120, 160, 3)
    assert pictures[-1].mean(axis=(0, 1)) == pytest.approx([0x20, 0xC0, 0x40], abs=8)
