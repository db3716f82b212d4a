"""Which codecs this side takes and sends."""

from __future__ import annotations

from collections.abc import Sequence

from aiortc import RTCRtpSender, RTCRtpTransceiver


def prefer_codecs(
    transceiver: RTCRtpTransceiver, video: Sequence[str] = (), *, forwarded: bool = False
) -> None:
    """Choose the codecs of a section.

    For audio Opus alone: every WebRTC client speaks it (RFC 7874), and it is what this side
    encodes. For video that is forwarded, VP8 before H.264: every browser speaks both (RFC 7742
    section 5), so that all speak the same.

    Args:
        transceiver: The section.
        video: Codecs of video that come before others: `vp8`, `h264`.
        forwarded: Whether the pictures are those of others.
    """
    codecs = RTCRtpSender.getCapabilities(transceiver.kind).codecs
    if transceiver.kind == "audio":
        transceiver.setCodecPreferences([c for c in codecs if c.mimeType == "audio/opus"])
    elif video or forwarded:
        names = [f"video/{name}" for name in video or ("vp8",)]
        first = [c for name in names for c in codecs if c.mimeType.lower() == name]
        transceiver.setCodecPreferences(first + [c for c in codecs if c not in first])
