"""Messages of SCTP from their pieces: in any order, with pieces given up, and within bounds."""

from __future__ import annotations

import random

import pytest

from fastrtc_core.webrtc.reassembly import (
    FIRST,
    LAST,
    UNORDERED,
    MessageTooLongError,
    Piece,
    Reassembly,
    SctpMessage,
)


def pieces_of(
    text: bytes, tsn: int, number: int, *, stream: int = 0, size: int = 2, flags: int = 0
) -> list[Piece]:
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    last = len(parts) - 1
    return [
        Piece(
            tsn + i,
            flags | (FIRST if i == 0 else 0) | (LAST if i == last else 0),
            stream,
            number,
            51,
            part,
        )
        for i, part in enumerate(parts)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_of_the_pieces(seed: int) -> None:
    """Each message comes once; those of one stream in order, unless they are unordered."""
    dice = random.Random(seed)
    pieces: list[Piece] = []
    sent: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    for number in range(40):
        stream = dice.randrange(3)
        text = dice.randbytes(dice.randrange(1, 12))
        pieces += pieces_of(
            text,
            1000 + len(pieces),
            65530 + len(sent[stream]) & 0xFFFF if stream else number,
            stream=stream,
            flags=0 if stream else UNORDERED,
        )
        sent[stream].append(text)
    reassembly = Reassembly(1000)
    for stream in (1, 2):  # their numbers wrap
        for number in (32000, 64000, 65529):
            reassembly.forward(999, [(stream, number)])
    dice.shuffle(pieces)
    heard: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    for piece in pieces:
        for message in reassembly.push(piece):
            heard[message.stream].append(message.data)
    assert heard[1] == sent[1]
    assert heard[2] == sent[2]
    assert sorted(heard[0]) == sorted(sent[0])
    assert reassembly.held == reassembly.pieces == 0


def test_a_message_that_never_ends() -> None:
    """It is too long with the piece that makes it so, from whichever side they come."""
    for direction in (1, -1):
        reassembly = Reassembly(100)
        for number in range(33):
            assert reassembly.push(Piece(1000 + direction * number, 0, 0, 0, 51, b"...")) == []
        with pytest.raises(MessageTooLongError):
            reassembly.push(Piece(1000 + direction * 33, 0, 0, 0, 51, b"..."))
        assert reassembly.held <= 100


def test_what_was_given_up_is_not_waited_for() -> None:
    """Half a message is dropped, and those that waited for it come, in order."""
    reassembly = Reassembly(100)
    half = pieces_of(b"abcdef", 10, 0)
    assert reassembly.push(half[1]) == []
    assert reassembly.push(half[2]) == []
    assert reassembly.push(*pieces_of(b"B", 13, 1)) == []
    assert reassembly.push(*pieces_of(b"C", 14, 2)) == []
    assert reassembly.forward(12, [(0, 0)]) == [SctpMessage(0, 51, b"B"), SctpMessage(0, 51, b"C")]
    assert reassembly.held == reassembly.pieces == 0


def test_a_message_that_goes_on_is_kept() -> None:
    """Nothing of it is missing so far (RFC 3758 section 3.6)."""
    reassembly = Reassembly(100)
    whole = pieces_of(b"abcdef", 10, 0)
    reassembly.push(whole[0])
    reassembly.push(whole[1])
    assert reassembly.forward(11, []) == []
    assert reassembly.push(whole[2]) == [SctpMessage(0, 51, b"abcdef")]


def test_a_stream_that_is_reset_counts_from_zero() -> None:
    """What waited there is dropped."""
    reassembly = Reassembly(100)
    assert reassembly.push(*pieces_of(b"A", 10, 0)) == [SctpMessage(0, 51, b"A")]
    assert reassembly.push(*pieces_of(b"C", 12, 2)) == []
    reassembly.reset(0)
    assert reassembly.held == reassembly.pieces == 0
    assert reassembly.push(*pieces_of(b"D", 13, 0)) == [SctpMessage(0, 51, b"D")]
