"""Peers with an RSA certificate, as GStreamer, Asterisk, FreeSWITCH and many devices have."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import RTCCertificate, generate_certificate
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from fastrtc_core import Stream

from .support import Silent, connected, eventually, gone, make_offer, raw_peer, take_answer


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    """Made once: it takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class RsaCertificate(RTCCertificate):
    """What such a peer brings: an RSA certificate, and the suites that OpenSSL has by default."""

    def __init__(self) -> None:
        key: Any = rsa_key()
        super().__init__(key, generate_certificate(key))

    def _create_ssl_context(self, srtp_profiles: Any) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"DEFAULT")
        return context


def use_rsa(pc: RTCPeerConnection) -> None:
    """Give a new connection an RSA certificate."""
    private: Any = pc
    private._RTCPeerConnection__certificates = [RsaCertificate()]


@pytest.mark.parametrize("setup", ["active", "passive"])
async def test_a_peer_with_an_rsa_certificate_connects_in_both_roles(setup: str) -> None:
    """As DTLS client, and as DTLS server, which picks a suite for its own certificate."""
    handler = Silent()
    stream = Stream(handler)
    async with raw_peer() as pc:
        use_rsa(pc)
        channel = pc.createDataChannel("text")
        offer = await make_offer(pc)
        offer["sdp"] = offer["sdp"].replace("a=setup:actpass", f"a=setup:{setup}")
        await take_answer(pc, await stream.offer(offer))
        await connected(pc)
        await eventually(lambda: channel.readyState == "open", "the data channel")
        channel.send('{"type": "message", "data": "hello"}')
        await eventually(lambda: handler.only.messages == ["hello"], "the message")
    await gone(stream)
