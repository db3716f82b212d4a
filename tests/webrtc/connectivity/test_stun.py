"""STUN messages: the test vectors of RFC 5769, aioice as the other side, and whatever may come."""

from __future__ import annotations

import contextlib
import random

import aioice.stun
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.webrtc.connectivity import stun
from fastrtc_core.webrtc.connectivity.stun import Attribute, Class, MalformedMessageError

KEY = b"VOkJxbRl1RmTxUk/WvJxBt"

REQUEST = bytes.fromhex("""
    000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e740024
    00046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8
    cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf
""")
"""RFC 5769 section 2.1."""

RESPONSE_IPV4 = bytes.fromhex("""
    0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001
    a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96
""")
"""RFC 5769 section 2.2."""

RESPONSE_IPV6 = bytes.fromhex("""
    010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002
    a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed418028
    0004c8fb0b4c
""")
"""RFC 5769 section 2.3."""


def test_the_request_of_the_standard() -> None:
    """All its attributes, padded with spaces where others pad with zeros."""
    message = stun.parse(REQUEST)
    assert (message.message_class, message.method) == (Class.REQUEST, stun.BINDING)
    assert message.transaction == bytes.fromhex("b7e7a701bc34d686fa87dfae")
    assert message.text(Attribute.SOFTWARE) == "STUN test client"
    assert message.text(Attribute.USERNAME) == "evtj:h6vY"
    assert message.number(Attribute.PRIORITY, 4) == 0x6E0001FF
    assert message.number(Attribute.ICE_CONTROLLED, 8) == 0x932FF9B151263B36
    assert message.has_integrity(KEY)
    assert not message.has_integrity(KEY[:-1])
    assert message.unknown() == []


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (RESPONSE_IPV4, ("192.0.2.1", 32853)),
        (RESPONSE_IPV6, ("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
    ],
    ids=["IPv4", "IPv6"],
)
def test_the_responses_of_the_standard(data: bytes, address: stun.Address) -> None:
    """Both IP versions, read and written."""
    message = stun.parse(data)
    assert message.message_class is Class.RESPONSE
    assert message.mapped_address() == address
    assert message.has_integrity(KEY)
    value = message.attributes[Attribute.XOR_MAPPED_ADDRESS]
    assert stun.pack_address(address, message.transaction) == value


@pytest.mark.parametrize(
    "data", [REQUEST, RESPONSE_IPV4, RESPONSE_IPV6], ids=["request", "IPv4", "IPv6"]
)
def test_one_changed_bit_is_noticed(data: bytes) -> None:
    """By the fingerprint, or by the message integrity where the bit hides the fingerprint."""
    for position in range(len(data) * 8):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        with contextlib.suppress(MalformedMessageError):
            message = stun.parse(bytes(changed))
            assert Attribute.FINGERPRINT not in message.attributes
            # The fingerprint itself is not signed, and so may be missing.
            assert not message.has_integrity(KEY) or position // 8 >= len(data) - 8


def test_aioice_reads_what_is_built() -> None:
    """Integrity, fingerprint and attributes, by another implementation."""
    for address in (("192.0.2.7", 40001), ("2001:db8::7", 1)):
        transaction = random.Random(1).randbytes(12)
        data = stun.build(
            Class.RESPONSE,
            transaction,
            [
                (Attribute.XOR_MAPPED_ADDRESS, stun.pack_address(address, transaction)),
                (Attribute.USERNAME, b"a:bcd"),
            ],
            b"secret",
        )
        theirs = aioice.stun.parse_message(data)
        assert theirs.check_message_integrity(b"secret")
        assert theirs.attributes["XOR-MAPPED-ADDRESS"] == address
        assert theirs.attributes["USERNAME"] == "a:bcd"
        assert "FINGERPRINT" in theirs.attributes


def test_errors_are_read_and_written() -> None:
    """Their code, and what must not be taken for one."""
    value = stun.error_value(487, "Role Conflict")
    data = stun.build(Class.ERROR, bytes(12), [(Attribute.ERROR_CODE, value)], b"key")
    assert stun.parse(data).error_code() == 487
    assert aioice.stun.parse_message(data).error_code == 487
    for damaged in (b"", b"\0\0\x04", b"\0\0\x02\x05", b"\0\0\x04\x64"):
        data = stun.build(Class.ERROR, bytes(12), [(Attribute.ERROR_CODE, damaged)], b"key")
        assert stun.parse(data).error_code() is None


def test_what_is_not_signed_counts_for_nothing() -> None:
    """Attributes behind the message integrity, and the second of two of one type."""
    signed = stun.build(
        Class.REQUEST,
        bytes(12),
        [(Attribute.PRIORITY, b"abcd"), (Attribute.PRIORITY, b"efgh")],
        b"k",
    )
    without_fingerprint = signed[:-8]
    forged = without_fingerprint + bytes.fromhex("00250000")
    forged = forged[:2] + (len(forged) - 20).to_bytes(2) + forged[4:]
    message = stun.parse(forged)
    assert message.has_integrity(b"k")
    assert Attribute.USE_CANDIDATE not in message.attributes
    assert message.attributes[Attribute.PRIORITY] == b"abcd"


def test_attributes_that_must_be_understood() -> None:
    """Those below 0x8000 (RFC 8489 section 14)."""
    body = bytes.fromhex("7fff0001aa000000") + bytes.fromhex("ffff0000")
    header = bytes.fromhex("0001") + len(body).to_bytes(2) + bytes.fromhex("2112a442") + bytes(12)
    assert stun.parse(header + body).unknown() == [0x7FFF]


MUTATIONS = st.tuples(
    st.sampled_from([REQUEST, RESPONSE_IPV4, RESPONSE_IPV6]),
    st.lists(st.tuples(st.integers(0, 107), st.integers(0, 255)), max_size=8),
    st.integers(0, 108),
    st.binary(max_size=24),
)


def exercise(data: bytes) -> None:
    """Parse, and read all that can be read: nothing but the one error comes out."""
    try:
        message = stun.parse(data)
    except MalformedMessageError:
        return
    message.has_integrity(KEY)
    message.mapped_address()
    message.error_code()
    message.unknown()
    for attribute in Attribute:
        message.text(attribute)
        message.number(attribute, 4)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda b: REQUEST[:8] + b))
def test_junk_is_refused_in_one_way(data: bytes) -> None:
    """Whatever comes."""
    exercise(data)


@given(MUTATIONS)
def test_damaged_messages_are_refused_in_one_way(
    mutation: tuple[bytes, list[tuple[int, int]], int, bytes],
) -> None:
    """Messages that were right once, without and with a length and a cookie that fit."""
    original, changes, cut, tail = mutation
    damaged = bytearray(original)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    data = bytes(damaged[: max(20, cut)]) + tail
    exercise(data)
    data += bytes(-len(data) % 4)
    exercise(data[:2] + (len(data) - 20).to_bytes(2) + bytes.fromhex("2112a442") + data[8:])
