"""RTP packets, beside those of aiortc."""

from __future__ import annotations

import pytest
from aiortc import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap
from aiortc.rtp import RtpPacket as Reference
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.media.rtp import build_packet, find_extension, parse_packet

numbers = {
    "payload_type": st.integers(0, 127),
    "marker": st.booleans(),
    "sequence_number": st.integers(0, 0xFFFF),
    "timestamp": st.integers(0, 0xFFFFFFFF),
    "ssrc": st.integers(0, 0xFFFFFFFF),
    "payload": st.binary(max_size=1300),
}


@given(
    **numbers,
    contributors=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15),
    mid=st.none() | st.sampled_from(["0", "audio"]),
    padding=st.integers(0, 255),
)
def test_what_aiortc_writes_is_read(
    payload_type: int,
    marker: bool,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    contributors: list[int],
    mid: str | None,
    padding: int,
) -> None:
    """With contributors, header extensions and padding."""
    written = Reference(payload_type, marker, sequence_number, timestamp, ssrc, payload)
    written.csrc = contributors
    written.extensions.mid = mid
    written.padding_size = padding
    packet = parse_packet(written.serialize(mid_extension()))
    assert packet == (payload_type, sequence_number, timestamp, ssrc, payload)


@given(**numbers, mid=st.none() | st.sampled_from(["0", "audio"]))
def test_what_is_built_is_what_aiortc_writes(
    payload_type: int,
    marker: bool,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    mid: str | None,
) -> None:
    """Byte for byte; numbers that have grown past their field wrap."""
    reference = Reference(payload_type, marker, sequence_number, timestamp, ssrc, payload)
    reference.extensions.mid = mid
    written = reference.serialize(mid_extension())
    extension = written[12 : len(written) - len(payload)]
    built = build_packet(
        payload_type, marker, sequence_number + (3 << 16), timestamp, ssrc, extension, payload
    )
    assert built == written


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x40" + bytes(20), id="another version"),
        pytest.param(b"\x8f" + bytes(20), id="contributors are missing"),
        pytest.param(b"\x90" + bytes(13), id="the head of the extension is cut"),
        pytest.param(b"\x90" + bytes(13) + b"\xff\xff", id="the extension is cut"),
        pytest.param(b"\xa0" + bytes(12), id="padding of nothing"),
        pytest.param(b"\xa0" + bytes(11) + b"\x02", id="more padding than packet"),
    ],
)
def test_each_kind_of_damage(data: bytes) -> None:
    """It is `None`, and no exception."""
    assert parse_packet(data) is None


def mid_extension() -> HeaderExtensionsMap:
    """A map in which the name of the track has been negotiated."""
    extensions = HeaderExtensionsMap()
    extensions.configure(
        RTCRtpParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid")
            ]
        )
    )
    return extensions


@given(
    elements=st.lists(
        st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)),
        max_size=5,
        unique_by=lambda element: element[0],
    ),
    contributors=st.lists(st.integers(0, 0xFFFFFFFF), max_size=3),
    long=st.booleans(),
    cut=st.integers(0, 200),
)
def test_elements_of_the_extension_are_found(
    elements: list[tuple[int, bytes]], contributors: list[int], long: bool, cut: int
) -> None:
    """With one byte before each, or two; of a packet that is cut short, or none."""
    body = b""
    for number, value in elements:
        body += bytes([number, len(value)]) if long else bytes([number << 4 | len(value) - 1])
        body += value + bytes(len(value) % 3)  # padding is allowed anywhere
    body += bytes(-len(body) % 4)
    header = (0x1000 if long else 0xBEDE).to_bytes(2) + (len(body) // 4).to_bytes(2)
    sources = b"".join(source.to_bytes(4) for source in contributors)
    packet = bytes([0x90 | len(contributors)]) + bytes(11) + sources + header + body + b"payload"
    known = dict(elements)
    for number in range(1, 15):
        assert find_extension(packet, number) == known.get(number)
        found = find_extension(packet[: max(0, len(packet) - cut)], number)
        assert found in (known.get(number), None)


def test_an_extension_of_another_kind_has_no_elements() -> None:
    """Nor has a packet without one; after the id 15 nothing is read (RFC 8285 section 4.2)."""
    start = bytes([0x90]) + bytes(11)
    assert find_extension(start + b"\xab\xcd\x00\x01\x50\x01\x02\x03", 5) is None
    assert find_extension(bytes([0x80]) + bytes(11) + b"\xbe\xde\x00\x01\x50\x01\0\0", 5) is None
    assert find_extension(start + b"\xbe\xde\x00\x01\xf0\x01\x50\x01", 5) is None
    assert find_extension(start + b"\xbe\xde\x00\x01\x50\x01\0\0", 5) == b"\x01"
    assert find_extension(start + b"\xbe\xde\x00\x01\x5f\x01\0\0", 5) is None, "too long"
    assert find_extension(start + b"\x10\x00\x00\x01\0\0\0\x05", 5) is None, "cut short"
