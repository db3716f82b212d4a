"""Whose certificate a connection accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, certificate_digest
from cryptography.x509 import Certificate

_BY_STRENGTH = ["sha-256", "sha-384", "sha-512"]
"""The hash functions that aiortc knows."""


def accept_one_of_several(dtls: Any) -> None:
    """Let a peer show one of the certificates that its description names.

    Gateways have one of each kind, RSA and ECDSA, name both, and show the one that fits the suite.
    aiortc wants every fingerprint to be that of the one certificate.

    Args:
        dtls: A DTLS transport of aiortc.
    """
    validate = dtls._validate_peer_identity

    def validate_one(remote: RTCDtlsParameters) -> None:
        certificate = dtls._ssl.get_peer_certificate(as_cryptography=True)
        validate(replace(remote, fingerprints=_decisive(remote.fingerprints, certificate)))

    dtls._validate_peer_identity = validate_one


def _decisive(
    fingerprints: Sequence[RTCDtlsFingerprint], certificate: Certificate
) -> list[RTCDtlsFingerprint]:
    """Of the strongest hash function (RFC 8122 section 5.1), one that matches; all if none does."""
    offered = {one.algorithm.lower() for one in fingerprints}
    strongest = max(offered & set(_BY_STRENGTH), key=_BY_STRENGTH.index, default="")
    candidates = [one for one in fingerprints if one.algorithm.lower() == strongest]
    for one in candidates:
        if one.value.upper() == certificate_digest(certificate, strongest):
            return [one]
    return candidates
