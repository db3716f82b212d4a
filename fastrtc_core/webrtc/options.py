"""How media are encoded, and over which ports they go."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from ..context import Context
from ..errors import ConfigurationError
from ..media.libopus import Application
from ..media.picture_ladder import Content
from ..session.calls import call_once
from ..usercode import guarded
from .sockets import PortNumber, watches_sockets

FRAME_DURATIONS = (0.02, 0.04, 0.06)

Options = TypeVar("Options")

VideoPreset = Literal["fast", "balanced", "quality"]

VideoCodec = Literal["vp8", "h264"]


@dataclass(frozen=True)
class AudioOptions:
    """Settings of the Opus encoder of each session.

    Attributes:
        bit_rate: Bits per second, 6,000 to 510,000; by default 64,000 for mono and 128,000 for
            stereo.
        complexity: 0 (least CPU) to 10.
        application: `lowdelay` looks 2.5 ms ahead, `voip` and `audio` 6.5 ms.
        fec: Whether to carry in-band FEC (RFC 6716 section 2.1.7), as much as the loss calls for
            that the client reports. Not with `lowdelay`, which cannot carry it.
        frame_duration: How much audio in s each packet holds: 0.02, 0.04 or 0.06. Longer packets
            mean fewer of them, and as much more delay.

    Raises:
        ConfigurationError: If a setting is out of range.
    """

    bit_rate: int | None = None
    complexity: int = 5
    application: Application = "lowdelay"
    fec: bool = False
    frame_duration: float = 0.02

    def __post_init__(self) -> None:
        if self.bit_rate is not None and not 6_000 <= self.bit_rate <= 510_000:
            raise ConfigurationError("bit_rate of Opus must be 6,000 to 510,000 bits per second")
        if not 0 <= self.complexity <= 10:
            raise ConfigurationError("complexity of Opus must be 0 to 10")
        if self.application not in ("voip", "audio", "lowdelay"):
            raise ConfigurationError("application must be 'voip', 'audio' or 'lowdelay'")
        if self.fec and self.application == "lowdelay":
            raise ConfigurationError("fec needs application='voip' or 'audio'")
        if self.frame_duration not in FRAME_DURATIONS:
            raise ConfigurationError("frame_duration must be 0.02, 0.04 or 0.06 s")

    def bit_rate_for(self, num_channels: int) -> int:
        """The bit rate for one or two channels."""
        return self.bit_rate or 64_000 * num_channels


@dataclass(frozen=True)
class VideoOptions:
    """Settings of the video of each session.

    Attributes:
        bit_rate: Bits per second to start with.
        min_bit_rate: Lower bound, however little the client says it can take.
        max_bit_rate: Upper bound, however much the client says it can take.
        client_bit_rate: Bits per second with which the client is asked to start to send; from
            there its own estimate goes up or down. Browsers other than Firefox follow it, in whole
            kb/s. `None` leaves it to the client: browsers start with 300,000, at a quarter of the
            width and height of a 720p camera, and take many seconds to the whole picture.
        preset: What the encoder spends on a picture. `balanced` takes 1.4 times as long as `fast`
            in VP8, which at 0.3 Mb/s looks 1.3 dB better, and up to 1.7 times in H.264; `quality`
            takes longer still.
        codecs: Those that are used before others, best first: `vp8`, `h264`. By default it is the
            client that chooses.
        frame_rate: Pictures that are sent in a second at most; by default all are.
        scale_down_by: How much smaller width and height are sent than they come, 1 or more.
        max_size: Width and height that pictures are made to fit into, with their shape kept.
        content: What is kept where the bit rate does not do: of a `camera` the frame rate, with
            smaller pictures; of a `screen` the size, with fewer pictures.

    Raises:
        ConfigurationError: If the bounds are not in order, something is out of range, or there is
            no such preset, codec or content.
    """

    bit_rate: int = 1_000_000
    min_bit_rate: int = 150_000
    max_bit_rate: int = 3_000_000
    client_bit_rate: int | None = 1_000_000
    preset: VideoPreset = "fast"
    codecs: tuple[VideoCodec, ...] = ()
    frame_rate: float | None = None
    scale_down_by: float = 1.0
    max_size: tuple[int, int] | None = None
    content: Content = "camera"

    def __post_init__(self) -> None:
        self._check_pictures()
        if self.client_bit_rate is not None and not 30_000 <= self.client_bit_rate <= 100_000_000:
            raise ConfigurationError(
                "client_bit_rate must be 30,000 to 100,000,000 bits per second, or None"
            )
        if self.preset not in get_args(VideoPreset):
            raise ConfigurationError("preset of video must be 'fast', 'balanced' or 'quality'")
        if not 0 < self.min_bit_rate <= self.bit_rate <= self.max_bit_rate:
            raise ConfigurationError(
                "bit rates of video must be positive, with min_bit_rate <= bit_rate <= max_bit_rate"
            )

    def _check_pictures(self) -> None:
        codecs: Any = self.codecs
        known = get_args(VideoCodec)
        if not isinstance(codecs, tuple) or any(codec not in known for codec in codecs):
            raise ConfigurationError("codecs of video must be a tuple of 'vp8' and 'h264'")
        if len(set(codecs)) < len(codecs):
            raise ConfigurationError("codecs of video must each be named once")
        if self.frame_rate is not None and not 1 <= self.frame_rate <= 120:
            raise ConfigurationError("frame_rate of video must be 1 to 120 pictures a second")
        if not 1 <= self.scale_down_by <= 64:
            raise ConfigurationError("scale_down_by must be 1 to 64")
        lengths: Any = self.max_size
        if lengths is not None and not (
            isinstance(lengths, tuple)
            and len(lengths) == 2
            and all(isinstance(length, int) and 2 <= length <= 16_384 for length in lengths)
        ):
            raise ConfigurationError("max_size must be (width, height), each 2 to 16,384 pixels")
        if self.content not in get_args(Content):
            raise ConfigurationError("content of video must be 'camera' or 'screen'")


@dataclass(frozen=True)
class MediaPorts:
    """The ports over which media go.

    Attributes:
        own: The UDP ports of which each session takes its own, where none is shared; `None` for
            any.
        udp: The one UDP port that all sessions share; 0 for any, a range for the first of it that
            no other process has, `None` if each has its own.
        tcp: The TCP port for clients without UDP; 0 and a range as above, `None` for none.
        lite: Whether no checks go out from a shared port, as nobody needs any who can reach it.
        chosen: Whether somebody asked for just these. If not, each session has ports of its own on
            an event loop that cannot share any.
    """

    own: range | None = None
    udp: PortNumber | None = None
    tcp: PortNumber | None = None
    lite: bool = True
    chosen: bool = True

    def on(self, loop: asyncio.AbstractEventLoop) -> MediaPorts:
        """Those that are used on an event loop."""
        return self if self.chosen or watches_sockets(loop) else MediaPorts()


def media_ports(
    udp_port_range: tuple[int, int] | None,
    udp_port: PortNumber | None,
    tcp_port: PortNumber | None,
) -> MediaPorts:
    """The ports that were asked for: one that all share, unless each is to have its own.

    A TCP port comes with a shared UDP port. Where nobody chose the UDP port, no firewall is open
    for it, and the server may be behind a NAT: checks that go out open the way.

    Raises:
        ConfigurationError: If there are no such ports, or one excludes the other.
    """
    for name, port in (("udp_port", udp_port), ("tcp_port", tcp_port)):
        if port is None:
            continue
        if isinstance(port, range):
            if not port or not 0 < min(port) <= max(port) <= 65535:
                raise ConfigurationError(f"{name} must be a range of ports within 1 to 65535")
        elif type(port) is not int or not 0 <= port <= 65535:
            raise ConfigurationError(f"{name} must be 0 to 65535, or a range of ports")
        if udp_port_range is not None:
            raise ConfigurationError(f"{name} and udp_port_range exclude each other")
    if udp_port_range is None:
        chosen = udp_port is not None or tcp_port is not None
        return MediaPorts(udp=udp_port or 0, tcp=tcp_port, lite=udp_port is not None, chosen=chosen)
    first, last = udp_port_range
    if not 0 < first <= last <= 65535:
        raise ConfigurationError("udp_port_range must be (first, last) within 1 to 65535")
    return MediaPorts(range(first, last + 1))


OptionsSource: TypeAlias = Options | Callable[[Context], Options | Awaitable[Options]] | None
"""Options for every session, or a sync or async function that chooses them for each."""


async def resolve(source: OptionsSource[Options], kind: type[Options], context: Context) -> Options:
    """The options of one session; a sync function runs on a thread.

    Raises:
        ConfigurationError: If it is none of the forms above.
    """
    value = source
    if callable(value):
        value = await call_once(value, "options", context)
        if inspect.isawaitable(value):
            value = await guarded(value)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise ConfigurationError(f"options are {kind.__name__}, not {type(value).__name__}")
    return value
