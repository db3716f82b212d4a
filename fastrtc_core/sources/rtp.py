"""`RtpSource`: audio in RTP packets, such as AES67 multicast."""

from __future__ import annotations

import io
import time
from os import PathLike, fspath
from pathlib import Path

import av
from av.container import InputContainer

from ..errors import ConfigurationError, SourceError
from .block import Block
from .rtp_clock import RtpClock
from .rtp_decoder import OPUS_RATE, Decoded, FrameDecoder, OpusPackets, PacketDecoder
from .sdp import describe, parse_address
from .source import Source

READ_TIMEOUT = 0.2
"""How often in s it is looked whether the source is to stop while no packet comes."""

OPEN_TIMEOUT = 0.3
"""How long in s the receiver looks into the stream before it goes on with what it was told."""


class RtpSource(Source):
    """Receives one RTP stream, unicast or multicast.

    L16 and L24 with any number of channels (RFC 3190, AES67), Opus with concealment of what is
    lost (RFC 7587), and whatever else FFmpeg can take from RTP. Packets are put in order by their
    numbers. The `pts` of blocks are RTP timestamps, counted from the first packet: a lost packet is
    a hole in them, which is flagged, and shifts nothing.

    Args:
        source: An SDP: the path of a file, or its text. Or an address, such as
            `rtp://239.1.2.3:5004`, with `encoding`. Or an `rtsp://` URL.
        encoding: What comes at an address, as in `a=rtpmap`: `L24/48000/8`. Without one, only the
            payload types that RFC 3551 numbers are understood.
        payload_type: Number of the encoding in the packets.
        interface: IP address of the network interface to receive on; the system's choice by
            default.
        reorder: How long in s a missing packet is waited for when later ones have come.
        timeout: After how long in s without a packet the source ends with an error; `None` for
            never.

    Raises:
        ConfigurationError: If the address or the encoding is not understood.
        SourceError: If there is no such file.

    Attributes:
        lost: Samples per channel that never came.
        concealed: Samples per channel that Opus made up for.
    """

    def __init__(
        self,
        source: str | PathLike[str],
        *,
        encoding: str | None = None,
        payload_type: int = 96,
        interface: str | None = None,
        reorder: float = 0.05,
        timeout: float | None = None,
    ) -> None:
        super().__init__()
        self._sdp, self._url = _describe(fspath(source), encoding, payload_type)
        self._interface = interface
        self._reorder = reorder
        self._timeout = timeout
        self.lost = 0
        self.concealed = 0

    def _run(self) -> None:
        self._clock: RtpClock | None = None
        self._heard = time.monotonic()
        while self._continue:
            container = self._open()
            if container is None:
                self._check_silence()
                continue
            with container:
                self._receive(container)
            if self._sdp is None:
                return
            # A sender has said goodbye (RTCP BYE): another one may come.

    def _open(self) -> InputContainer | None:
        """Open the receiver; `None` if its first packet keeps it waiting."""
        options = {
            "protocol_whitelist": "file,data,crypto,udp,rtp,tcp,tls,https,http",
            "analyzeduration": "1",
            "probesize": "32",
            "max_delay": str(round(self._reorder * 1e6)),
            "reorder_queue_size": "200",
            **({"localaddr": self._interface} if self._interface else {}),
        }
        file = self._url if self._sdp is None else io.BytesIO(self._sdp.encode())
        kind = "sdp" if self._sdp is not None else None
        timeout = (OPEN_TIMEOUT if self._sdp else 5.0, READ_TIMEOUT)
        try:
            container = av.open(file, format=kind, options=options, timeout=timeout)
        except av.ExitError:
            return None
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SourceError(f"RTP cannot be received: {reason}. {_HINT}") from None
        assert isinstance(container, InputContainer)
        if not container.streams.audio:
            container.close()
            raise SourceError(f"the description has no audio stream. {_HINT}")
        return container

    def _receive(self, container: InputContainer) -> None:
        stream = container.streams.audio[0]
        decoder: PacketDecoder = FrameDecoder()
        rate = stream.sample_rate
        if stream.codec_context.name in ("opus", "libopus"):
            decoder, rate = OpusPackets(min(2, stream.channels)), OPUS_RATE
        if self._clock is None:
            self._clock = RtpClock(rate)
        self._clock.restart()
        packets = container.demux(stream)
        while self._continue:
            try:
                packet = next(packets)
            except av.ExitError:  # nothing came for a while; the receiver goes on
                self._check_silence()
                packets = container.demux(stream)
                continue
            except (StopIteration, av.EOFError):
                return
            except av.FFmpegError as error:
                raise SourceError(f"RTP cannot be received any more: {error.strerror}") from None
            self._heard = time.monotonic()
            for decoded in decoder.decode(packet):
                self._deliver(decoded, self._clock)

    def _deliver(self, decoded: Decoded, clock: RtpClock) -> None:
        expected = clock.next
        samples = decoded.data.shape[1]
        pts = clock.place(decoded.pts, samples, self._heard)
        if pts is None:
            return
        self.lost += pts - expected
        self.concealed += samples if decoded.concealed else 0
        flag = pts != expected or decoded.concealed
        self._emit(Block(decoded.data, clock.sample_rate, pts, flag))

    def _check_silence(self) -> None:
        silent = time.monotonic() - self._heard
        if self._timeout is not None and silent > self._timeout:
            where = self._url or "the address of the description"
            raise SourceError(f"no RTP packet has come for {silent:.1f} s at {where}")


_HINT = (
    "RtpSource takes the path or text of an SDP, an address such as rtp://239.1.2.3:5004 with "
    "encoding='L24/48000/8', or an rtsp:// URL"
)


def _describe(
    source: str, encoding: str | None, payload_type: int
) -> tuple[str | None, str | None]:
    """The SDP that is meant, or the URL where FFmpeg finds out itself."""
    if source.lstrip().startswith("v=0"):
        return source, None
    if "://" in source:
        if encoding is None:
            return None, source
        return describe(parse_address(source), encoding, payload_type), source
    if encoding is not None:
        raise ConfigurationError(f"encoding= goes with an address, and {source!r} is none")
    path = Path(source)
    if not path.is_file():
        raise SourceError(f"there is no file {path}. {_HINT}")
    return path.read_text("utf-8", errors="replace"), None
