"""Peers with an RSA certificate, as GStreamer, Asterisk, FreeSWITCH and many devices have."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import RTCCertificate, generate_certificate
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from fastrtc_core import Stream

from .support import Silent, connected, eventually, gone, make_offer, raw_peer, take_answer

FINGERPRINT = re.compile(r"a=fingerprint:(sha-\d+) (.*)\r\n")


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


def of_another(line: re.Match[str]) -> str:
    """The same line for a certificate that the peer does not show."""
    digest = line[2][3:] + ":" + line[2][:2]
    return f"a=fingerprint:{line[1]} {digest}\r\n"


@pytest.mark.parametrize(
    "both",
    [lambda line: line[0] + of_another(line), lambda line: of_another(line) + line[0]],
    ids=["shows-the-first", "shows-the-second"],
)
async def test_a_peer_shows_one_of_its_certificates(both: Callable[[re.Match[str]], str]) -> None:
    """Its description names all of them (RFC 8122 section 5.1)."""
    stream = Stream(handler := Silent())
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        offer = await make_offer(pc)
        offer["sdp"] = FINGERPRINT.sub(both, offer["sdp"])
        await take_answer(pc, await stream.offer(offer))
        await eventually(lambda: handler.only.calls == ["start_up"], "a session")
    await gone(stream)


@pytest.mark.parametrize("wrong", ["sha-(256|384|512)", "sha-512"])
async def test_a_peer_with_a_certificate_of_its_own_is_not_connected(wrong: str) -> None:
    """Whoever changed the description on its way cannot know what has the right digest; the
    strongest hash function decides."""
    stream = Stream(handler := Silent())
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        offer = await make_offer(pc)
        offer["sdp"] = FINGERPRINT.sub(
            lambda line: of_another(line) if re.fullmatch(wrong, line[1]) else line[0],
            offer["sdp"],
        )
        await take_answer(pc, await stream.offer(offer))
        await gone(stream, 30)
    assert not handler.only.calls
