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

    The certificate of this side stays an ECDSA one. A DTLS client with `a=setup:active` in its
    offer must take that, whatever its own certificate is: RFC 8827 section 6.5 makes such a suite
    the one that all must have, and browsers show no other certificate either. A second one with an
    RSA key would help nobody who can talk with a browser, and its fingerprints in the answer would
    keep out each client which, as aiortc does, wants all of them to match.
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
