"""Which DTLS cipher suites a connection agrees to."""

from __future__ import annotations

from typing import Any

from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import RTCCertificate

CIPHERS = ":".join(
    f"ECDHE-{signature}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "CHACHA20-POLY1305", "AES128-SHA", "AES256-SHA")
    for signature in ("ECDSA", "RSA")
)
"""aiortc's suites for ECDSA certificates, and the same ones for RSA certificates. GStreamer,
Asterisk, FreeSWITCH, Kurento and many devices have RSA certificates. All are of the kind that
RFC 8827 section 6.5 asks for: with forward secrecy."""


def accept_rsa(pc: RTCPeerConnection) -> None:
    """Let a new connection speak with a peer that has an RSA certificate.

    The certificate of this side stays an ECDSA one. Where this side is the DTLS server, the peer
    must take that; every implementation of WebRTC does (RFC 8827 section 6.5).
    """
    private: Any = pc
    private._RTCPeerConnection__certificates = [
        _Certificate(certificate._key, certificate._cert)
        for certificate in private._RTCPeerConnection__certificates
    ]


class _Certificate(RTCCertificate):
    def _create_ssl_context(self, srtp_profiles: Any) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(CIPHERS.encode())
        return context
