"""STUN messages with short-term credentials, as connectivity checks use them (RFC 8489).

A message is kept as its attributes in bytes; what they mean is read by those who need it. Nothing
that comes from outside raises anything but `MalformedMessageError`.
"""

from __future__ import annotations

import hmac
import ipaddress
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

COOKIE = 0x2112A442
HEADER_SIZE = 20

MAX_SIZE = 1280
"""Bytes of a message. The longest check, with user names of 256 characters each, has 600."""

BINDING = 0x001
"""The one method of connectivity checks (RFC 8445 section 2.2)."""


class TcpAddress(NamedTuple):
    """One end of a TCP connection, or where connections are accepted.

    Attributes:
        host: The IP address.
        port: The TCP port.
        connection: A number that no other connection has, so that each passes a check of its own,
            also one from the same port; 0 for a socket that accepts.
    """

    host: str
    port: int
    connection: int


Address: TypeAlias = tuple[str, int] | TcpAddress
"""An IP address and a UDP port; or the same of TCP."""


class MalformedMessageError(ValueError):
    """A datagram that is no STUN message, or an attribute that cannot be read."""


class Class(IntEnum):
    """What a message is (RFC 8489 section 5)."""

    REQUEST = 0x000
    INDICATION = 0x010
    RESPONSE = 0x100
    ERROR = 0x110


class Attribute(IntEnum):
    """The attributes of connectivity checks (RFC 8489 section 18.3, RFC 8445 section 16.1)."""

    MAPPED_ADDRESS = 0x0001
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    SOFTWARE = 0x8022
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A


_FIRST_OPTIONAL = 0x8000
"""Attributes from here on may be ignored by those who do not know them (RFC 8489 section 14)."""

_KNOWN = frozenset(Attribute)
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_INTEGRITY_SIZE = 20
_FINGERPRINT_SIZE = 4
_FINGERPRINT_XOR = 0x5354554E
_CLASS_BITS = 0x110
_IPV4, _IPV6 = 1, 2


@dataclass(frozen=True)
class StunMessage:
    """A message that was received.

    Attributes:
        message_class: Request, indication, response or error.
        method: `BINDING`, or another.
        transaction: Its 12 bytes.
        attributes: Each attribute by its type; of several of one type the first (RFC 8489 section
            14), and of those behind the message integrity the fingerprint alone (section 14.5).
        signed: What the message integrity covers; empty if there is none.
    """

    message_class: Class
    method: int
    transaction: bytes
    attributes: dict[int, bytes]
    signed: bytes

    def has_integrity(self, key: bytes) -> bool:
        """Whether the message was signed with this key; takes as long whichever byte differs."""
        claimed = self.attributes.get(Attribute.MESSAGE_INTEGRITY)
        return claimed is not None and hmac.compare_digest(claimed, _integrity(self.signed, key))

    def unknown(self) -> list[int]:
        """The attributes that must be understood and are not (RFC 8489 section 6.3.1)."""
        return [type for type in self.attributes if type < _FIRST_OPTIONAL and type not in _KNOWN]

    def text(self, type: Attribute) -> str | None:
        """An attribute as UTF-8 text; `None` where there is none, or where it is not text."""
        value = self.attributes.get(type)
        try:
            return None if value is None else value.decode()
        except UnicodeDecodeError:
            return None

    def number(self, type: Attribute, size: int) -> int | None:
        """An attribute as an unsigned number of so many bytes; `None` if it is not of that size."""
        value = self.attributes.get(type)
        return None if value is None or len(value) != size else int.from_bytes(value)

    def error_code(self) -> int | None:
        """The error code (RFC 8489 section 14.8), 300 to 699; `None` if there is none."""
        value = self.attributes.get(Attribute.ERROR_CODE)
        if value is None or len(value) < 4:
            return None
        code = (value[2] & 7) * 100 + value[3]
        return code if 300 <= code <= 699 and value[3] < 100 else None

    def mapped_address(self) -> Address | None:
        """Where the other side saw us (RFC 8489 section 14.2); `None` if it does not say."""
        value = self.attributes.get(Attribute.XOR_MAPPED_ADDRESS)
        return None if value is None else unpack_address(value, self.transaction)


def parse(data: bytes) -> StunMessage:
    """Read a datagram.

    Raises:
        MalformedMessageError: If it is no STUN message, its fingerprint is wrong, or an attribute
            does not fit into it.
    """
    if not HEADER_SIZE <= len(data) <= MAX_SIZE or len(data) % 4:
        raise MalformedMessageError("a STUN message has 20 to 1,280 bytes, in fours")
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind & 0xC000 or cookie != COOKIE or length != len(data) - HEADER_SIZE:
        raise MalformedMessageError("this is not the header of a STUN message")
    attributes: dict[int, bytes] = {}
    signed = b""
    position = HEADER_SIZE
    while position < len(data):
        type, size = _ATTRIBUTE.unpack_from(data, position)
        start = position + _ATTRIBUTE.size
        if start + size > len(data):
            raise MalformedMessageError("an attribute is longer than its message")
        value = data[start : start + size]
        end = start + size + (-size % 4)
        if type == Attribute.FINGERPRINT:
            if end != len(data) or value != _fingerprint(data[:position]):
                raise MalformedMessageError("the fingerprint is wrong, or not at the end")
            attributes[type] = value
        elif not signed and type not in attributes:
            attributes[type] = value
            if type == Attribute.MESSAGE_INTEGRITY:
                signed = data[:position]
        position = end
    return StunMessage(
        Class(kind & _CLASS_BITS), kind & ~_CLASS_BITS & 0x3FFF, transaction, attributes, signed
    )


def build(
    message_class: Class,
    transaction: bytes,
    attributes: Iterable[tuple[Attribute, bytes]],
    key: bytes,
) -> bytes:
    """A Binding message with these attributes, signed with a key, and with its fingerprint."""
    body = b"".join(_attribute(type, value) for type, value in attributes)
    kind = message_class | BINDING
    unsigned = _HEADER.pack(kind, len(body), COOKIE, transaction) + body
    signed = unsigned + _attribute(Attribute.MESSAGE_INTEGRITY, _integrity(unsigned, key))
    checked = _with_room(signed, _ATTRIBUTE.size + _FINGERPRINT_SIZE)
    return checked + _attribute(Attribute.FINGERPRINT, _fingerprint(signed))


def pack_address(address: Address, transaction: bytes) -> bytes:
    """The value of an XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).

    Raises:
        ValueError: If the host is not an IP address.
    """
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    family = _IPV4 if ip.version == 4 else _IPV6
    plain = address[1].to_bytes(2) + ip.packed
    return bytes([0, family]) + _masked(plain, transaction)


def unpack_address(value: bytes, transaction: bytes) -> Address | None:
    """The address in an XOR-MAPPED-ADDRESS; `None` if it cannot be read."""
    if len(value) < 2 or (value[1], len(value)) not in ((_IPV4, 8), (_IPV6, 20)):
        return None
    plain = _masked(value[2:], transaction)
    return str(ipaddress.ip_address(plain[2:])), int.from_bytes(plain[:2])


def error_value(code: int, reason: str) -> bytes:
    """The value of an ERROR-CODE."""
    return bytes([0, 0, code // 100, code % 100]) + reason.encode()


def _masked(plain: bytes, transaction: bytes) -> bytes:
    """Exchange a port and an address with what is sent in their place."""
    cookie = COOKIE.to_bytes(4)
    mask = cookie[:2] + (cookie + transaction)[: len(plain) - 2]
    return (int.from_bytes(plain) ^ int.from_bytes(mask)).to_bytes(len(plain))


def _attribute(type: Attribute, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(type, len(value)) + value + bytes(-len(value) % 4)


def _with_room(message: bytes, size: int) -> bytes:
    """A message whose header counts so many bytes that are still to follow."""
    return message[:2] + (len(message) - HEADER_SIZE + size).to_bytes(2) + message[4:]


def _integrity(message: bytes, key: bytes) -> bytes:
    """HMAC-SHA1 of all that lies before it, as if nothing came after it (RFC 8489 §14.5)."""
    covered = _with_room(message, _ATTRIBUTE.size + _INTEGRITY_SIZE)
    return hmac.digest(key, covered, "sha1")


def _fingerprint(message: bytes) -> bytes:
    """CRC-32 of all that lies before it (RFC 8489 section 14.7)."""
    covered = _with_room(message, _ATTRIBUTE.size + _FINGERPRINT_SIZE)
    return (zlib.crc32(covered) ^ _FINGERPRINT_XOR).to_bytes(4)
