"""Streams of text and bytes between the members of a channel."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError, MessageError, StreamError
from fastrtc_core.channel import (
    ByteStreamInfo,
    Channel,
    Permission,
    RtcEngine,
    RtcOptions,
    TextStreamInfo,
    TextStreamReader,
)
from fastrtc_core.messages import build_message
from fastrtc_core.messaging.streams.answering import Answering
from fastrtc_core.messaging.streams.incoming import Incoming
from fastrtc_core.messaging.streams.outgoing import OutgoingStream
from fastrtc_core.messaging.streams.packets import (
    MAX_BYTES,
    MAX_PACKET,
    Ack,
    Chunk,
    Header,
    Packet,
    Refusal,
    Trailer,
    cut,
    decode,
    decode_bytes,
    encode,
    refusal_of,
)
from fastrtc_core.messaging.streams.window import IDLE, OPEN, PER_SENDER, TIMEOUT, WINDOW, cost
from fastrtc_core.room.events import Event, StreamPacketSent
from fastrtc_core.room.member import Member
from fastrtc_core.room.room import Room
from fastrtc_core.room.snapshot import MemberSnapshot
from fastrtc_core.testing import run_virtual

from ..channel.test_channel import meeting
from ..examples import tries
from ..failures import Failure, every_failure, every_sync_failure, first

pytestmark = pytest.mark.virtual_clock

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(0, 2**53 - 1)
PACKETS = st.one_of(
    st.builds(Header, st.just("s"), st.builds(TextStreamInfo, stream_id=st.just("s"), topic=TEXTS)),
    st.builds(
        Header,
        st.just("s"),
        st.builds(
            ByteStreamInfo,
            stream_id=st.just("s"),
            name=TEXTS,
            attributes=st.dictionaries(TEXTS, TEXTS, max_size=3),
            total_size=st.none() | NUMBERS,
        ),
    ),
    st.builds(Chunk, st.text("ab", max_size=9), NUMBERS, TEXTS),
    st.builds(Trailer, st.text("ab", max_size=9), TEXTS),
    st.builds(Ack, st.text("ab", max_size=9), NUMBERS),
    st.builds(Refusal, st.text("ab", max_size=9), TEXTS),
)


class Collector:
    """Notes what its handler reads."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.pieces: list[Any] = []
        self.infos: list[Any] = []
        self.errors: list[str] = []
        self.senders: list[int] = []

    async def read(self, reader: Any, uid: int) -> None:
        self.infos.append(reader.info)
        self.senders.append(uid)
        try:
            async for piece in reader:
                self.pieces.append(piece)
                if self.delay:
                    await asyncio.sleep(self.delay)
        except StreamError as error:
            self.errors.append(str(error))

    @property
    def size(self) -> int:
        """Bytes that were read."""
        return sum(map(len, self.pieces))


def header(stream: str = "s", **fields: Any) -> str:
    return encode(Header(stream, TextStreamInfo(stream_id=stream, **fields)))


# The packets


@given(packet=PACKETS)
def test_a_packet_is_read_as_it_was_written(packet: Packet) -> None:
    """Whatever it is; reasons are cut."""
    read = decode(encode(packet))
    if isinstance(packet, Trailer | Refusal):
        assert read == packet._replace(reason=packet.reason[:200])
    else:
        assert read == packet


@given(
    text=st.text()
    | st.dictionaries(
        st.sampled_from(["stream", "packet", "index", "content", "kind", "topic", "chunks"]),
        st.sampled_from(["header", "chunk", "ack", "text", "s", -1, 1, True, 1.5, None, "\ud800"])
        | st.text(),
    ).map(json.dumps)
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """With the one error, and the room makes no answer of it that cannot be read."""
    try:
        decode(text)
    except MessageError:
        assert refusal_of(text, "why") is None
    if (answer := refusal_of(text, "why")) is not None:
        assert isinstance(decode(answer), Refusal)


@pytest.mark.parametrize("text", ["", "[]", "7", "[" * 5000, "x" * (MAX_PACKET + 1), '{"a":1}'])
def test_some_that_cannot_be_read(text: str) -> None:
    """No JSON, no object, too deep, too long, of no kind."""
    with pytest.raises(MessageError):
        decode(text)


@settings(max_examples=tries(60), deadline=None)
@given(
    text=st.builds(
        lambda part, times: part * times,
        st.text(st.sampled_from('a"\\\n\x01é中😀'), min_size=1, max_size=20),
        st.integers(1, 3000),
    )
)
def test_texts_are_cut_between_characters_and_fit(text: str) -> None:
    """The parts are the whole, and each packet fits a message of a browser, escapes and all."""
    parts = list(cut(text))
    assert "".join(part for part, _ in parts) == text
    for part, size in parts:
        assert size == len(part.encode())
        packet = encode(Chunk("x" * 16, 2**40, part))
        message = build_message(
            "message", {"event": "data_stream", "uid": 2**32 - 1, "data": packet}
        )
        assert len(message.encode()) <= MAX_PACKET + 150
        assert decode(packet) == Chunk("x" * 16, 2**40, part)


@given(data=st.binary(max_size=3 * MAX_BYTES))
def test_bytes_are_cut(data: bytes) -> None:
    """The parts are the whole; nothing is one empty part."""
    parts = list(cut(data))
    assert b"".join(decode_bytes(part) for part, _ in parts) == data
    assert max(size for _, size in parts) <= MAX_BYTES
    assert len(parts) >= 1


# The window, both sides of it


@settings(max_examples=tries(200))
@given(
    sizes=st.lists(st.integers(0, MAX_BYTES), max_size=60),
    reads=st.lists(st.integers(0, 4), min_size=60, max_size=60),
)
def test_who_sends_and_who_receives_count_alike(sizes: list[int], reads: list[int]) -> None:
    """What the sender may send is never more than the receiver takes, and all of it arrives."""
    outgoing = OutgoingStream([7], TIMEOUT)
    incoming = Incoming(ByteStreamInfo(stream_id="s", total_size=sum(sizes)), 0.0)
    now, sent, got = 0.0, 0, 0

    def read() -> None:
        nonlocal got
        piece = incoming.read(now)
        assert piece is not None
        got += len(piece)
        if (chunks := incoming.acknowledge(now)) is not None:
            assert outgoing.acknowledge(7, chunks, now)

    for number, size in enumerate(sizes):
        now += 0.1
        for _ in range(reads[number]):
            if got < sent or incoming._held:
                read()
        while not outgoing.has_room(size):
            read()
        outgoing.send(size, now)
        (content,) = (part for part, _ in cut(bytes(size)))
        incoming.take_chunk(Chunk("s", number, content), now)
        sent += size
        assert sum(cost(one) for one in outgoing._receivers[7].unread) <= WINDOW
    incoming.take_trailer(Trailer("s", ""))
    while incoming._held:
        read()
    assert got == sent == outgoing.acknowledged == incoming.received
    assert outgoing.settled
    assert incoming.drained


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["send", "ack", "drop", "wait"]), st.integers(1, 4), st.integers(0, 20)
        ),
        max_size=80,
    )
)
def test_whatever_receivers_say(steps: list[tuple[str, int, int]]) -> None:
    """A wrong answer changes nothing; nobody is at once dropped and not; progress goes on only."""
    outgoing, now, chunks, before = OutgoingStream([1, 2, 3], 5.0), 0.0, 0, 0
    for step, uid, number in steps:
        if step == "send" and outgoing.has_room(1000):
            outgoing.send(1000, now)
            chunks += 1
        elif step == "ack":
            try:
                news = outgoing.acknowledge(uid, number, now)
            except MessageError:
                assert uid == 4 or number > chunks or uid not in outgoing.receivers
            else:
                assert not news or number <= chunks
        elif step == "drop":
            outgoing.drop(uid, "why")
        elif step == "wait":
            now += number / 4
            outgoing.expire(now)
            assert outgoing.deadline is None or outgoing.deadline > now
        assert set(outgoing.receivers) | set(outgoing.dropped) == {1, 2, 3}
        assert not set(outgoing.receivers) & set(outgoing.dropped)
        assert chunks * 1000 >= outgoing.acknowledged >= before
        before = outgoing.acknowledged
    assert outgoing.deserted == (not outgoing.receivers)


def test_a_stream_that_breaks_the_rules_fails() -> None:
    """Order, window, size and encoding are checked; what came before can be read."""
    cases: list[tuple[int | None, list[Chunk | Trailer], str]] = [
        (None, [Chunk("s", 1, "")], "chunk 1 came, not 0"),
        (None, [Chunk("s", 0, ""), Chunk("s", 0, "")], "chunk 0 came, not 1"),
        (None, [Chunk("s", n, "x" * 14000) for n in range(5)], "window"),
        (None, [Chunk("s", n, "") for n in range(WINDOW // cost(0) + 1)], "window"),
        (3, [Chunk("s", 0, "ab"), Chunk("s", 1, "cd")], "3 bytes that were announced"),
        (3, [Chunk("s", 0, "ab"), Trailer("s", "")], "2 bytes came, and 3"),
    ]
    for total, packets, why in cases:
        stream = Incoming(TextStreamInfo(stream_id="s", total_size=total), 0.0)
        for packet in packets[:-1]:
            assert isinstance(packet, Chunk)
            stream.take_chunk(packet, 0.0)
        last = packets[-1]
        with pytest.raises(StreamError, match=why):
            stream.take_chunk(last, 0.0) if isinstance(last, Chunk) else stream.take_trailer(last)
        assert stream.error is not None
        assert (stream.read(0.0) is None) == (packets[0] == Chunk("s", 1, ""))
    stream = Incoming(ByteStreamInfo(stream_id="s"), 0.0)
    with pytest.raises(StreamError, match="base64"):
        stream.take_chunk(Chunk("s", 0, "!"), 0.0)


# Between channels


async def test_a_text_arrives_with_what_is_said_of_it() -> None:
    """Of any length, to one or to all, with topic, attributes and size; the sender waits for it."""
    text = 'Größe: 5 中 😀 "\\\n\x01' * 20_000
    async with meeting(1, 2, 3) as (one, two, three):
        collectors = [Collector(), Collector()]
        two.register_text_stream_handler("notes", collectors[0].read)
        three.register_text_stream_handler("notes", collectors[1].read)
        info = await one.send_text(text, topic="notes", attributes={"lang": "de"})
        for collector in collectors:
            assert "".join(collector.pieces) == text
            assert collector.senders == [1]
            (got,) = collector.infos
            assert isinstance(got, TextStreamInfo)
            assert got == info
            assert (got.topic, got.attributes, got.size) == (
                "notes",
                {"lang": "de"},
                len(text.encode()),
            )
        await one.send_text("only two", to=2, topic="notes")
        await one.send_text("", to=[3, 3], topic="notes")
        await asyncio.sleep(0.1)
        assert collectors[0].pieces[-1] == "only two"
        assert len(collectors[0].infos) == len(collectors[1].infos) == 2
        assert "".join(collectors[1].pieces) == text
        assert one.stream_statistics() == (0, 0, 0, 0) == two.stream_statistics()


async def test_a_text_is_read_as_it_is_written() -> None:
    """Piece by piece, with the pace of the writer; long pauses need a word now and then."""
    async with meeting(1, 2) as (one, two):
        collector = Collector()
        two.register_text_stream_handler("", collector.read)
        async with await one.stream_text() as writer:
            for word in ("The ", "quick ", "fox"):
                await writer.write(word)
                await asyncio.sleep(1)
                assert collector.pieces[-1] == word
            for _ in range(3):
                await asyncio.sleep(IDLE - 2)
                await writer.write("")
            await writer.write(".")
        assert "".join(collector.pieces) == "The quick fox."
        assert collector.errors == []
        with pytest.raises(StreamError, match="closed"):
            await writer.write("more")
        await writer.aclose()


async def test_a_slow_reader_slows_the_sender() -> None:
    """No more than a window is ahead of what was read, and the others wait with it."""
    chunks = 60
    async with meeting(1, 2, 3) as (one, two, three):
        slow, fast = Collector(delay=0.5), Collector()
        two.register_byte_stream_handler("", slow.read)
        three.register_byte_stream_handler("", fast.read)
        loop = asyncio.get_running_loop()
        begun, ahead = loop.time(), []
        async with await one.stream_bytes("data") as writer:
            for number in range(chunks):
                await writer.write(bytes(MAX_BYTES))
                ahead.append((number + 1) * MAX_BYTES - slow.size)
        assert 0.5 * WINDOW < max(ahead) <= WINDOW + MAX_BYTES
        assert loop.time() - begun == pytest.approx(0.5 * chunks, abs=4)
        await asyncio.sleep(1)
        assert slow.size == fast.size == chunks * MAX_BYTES


async def test_a_receiver_that_leaves() -> None:
    """The others go on; when nobody is left, the sender learns it and why."""
    async with meeting(1, 2, 3) as (one, two, three):
        collectors = {2: Collector(delay=0.1), 3: Collector(delay=0.1)}
        two.register_byte_stream_handler("", collectors[2].read)
        three.register_byte_stream_handler("", collectors[3].read)
        writer = await one.stream_bytes("data")
        await writer.write(bytes(100_000))
        await two.disconnect()
        await writer.write(bytes(100_000))
        assert writer.dropped == {2: "has left"}
        writing = asyncio.create_task(writer.write(bytes(100_000)))
        await asyncio.sleep(0)
        await three.disconnect()
        with pytest.raises(StreamError, match="user 2: has left; user 3: has left"):
            await writing
        with pytest.raises(StreamError, match="nobody receives"):
            await writer.aclose()
        await asyncio.sleep(1)
        assert collectors[2].errors == collectors[3].errors == ["the channel was left"]


async def test_a_sender_that_leaves_or_fails_or_is_silent() -> None:
    """The reader gets what came, then an error that says why."""
    async with meeting(1, 2) as (one, two):
        collector = Collector()
        two.register_text_stream_handler("", collector.read)

        async def fail() -> None:
            async with await one.stream_text() as writer:
                await writer.write("half")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        writer = await one.stream_text()
        await writer.write("of")
        await writer.aclose(reason="no more")
        writer = await one.stream_text()
        await writer.write("it")
        await asyncio.sleep(IDLE + 1)
        assert len(collector.errors) == 3
        other = await one.stream_text()
        await other.write("!")
        await asyncio.sleep(0)
        await one.disconnect()
        await asyncio.sleep(0.1)
        assert collector.pieces == ["half", "of", "it", "!"]
        assert [
            error.endswith(why)
            for error, why in zip(
                collector.errors,
                ("has failed", "no more", "for 30 s", "user 1 has left"),
                strict=True,
            )
        ] == [True] * 4
        for ended in (writer, other):
            with pytest.raises(StreamError, match="the channel was left"):
                await ended.write("late")
            with pytest.raises(StreamError, match="the channel was left"):
                await ended.aclose()


async def test_a_handler_that_does_not_read() -> None:
    """One that waits is given up after the timeout; one that returns or fails, at once."""
    async with meeting(1, 2) as (one, two):
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        async def wait(reader: Any, uid: int) -> None:
            await ended.wait()

        async def fail(reader: Any, uid: int) -> None:
            raise KeyError("x")

        async def take_some(reader: Any, uid: int) -> None:
            await anext(reader)

        two.register_text_stream_handler("wait", wait)
        two.register_text_stream_handler("fail", fail)
        two.register_text_stream_handler("some", take_some)
        for topic, why, seconds in (
            ("wait", "acknowledged nothing for 10 s", TIMEOUT),
            ("fail", "its handler has failed", 0),
            ("some", "its handler has ended", 0),
            ("none", "nobody takes text of the topic 'none'", 0),
        ):
            begun = loop.time()
            with pytest.raises(StreamError, match=why):
                await one.send_text("x" * 100_000, topic=topic)
            assert loop.time() - begun == pytest.approx(seconds, abs=0.1)
        ended.set()
        two.unregister_text_stream_handler("wait")
        two.register_text_stream_handler("wait", wait)
        with pytest.raises(ConfigurationError, match="already"):
            two.register_text_stream_handler("wait", wait)
        assert one.stream_statistics().sending == 0


async def test_more_than_one_receiver_takes_at_once_waits_its_turn() -> None:
    """Forty texts at once all arrive, sixteen at a time."""
    most = 0
    async with meeting(1, 2) as (one, two):
        collector = Collector(delay=0.01)
        two.register_text_stream_handler("", collector.read)

        async def send(number: int) -> None:
            nonlocal most
            await one.send_text(f"text {number}")
            most = max(most, one.stream_statistics().sending)

        async with asyncio.TaskGroup() as tasks:
            for number in range(40):
                tasks.create_task(send(number))
        assert sorted(collector.pieces) == sorted(f"text {number}" for number in range(40))
        assert most <= PER_SENDER
        assert two.stream_statistics().refused == 0


async def test_who_opens_too_many_is_refused() -> None:
    """Sixteen of one sender, and 64 in all, but who has none may have one; malformed packets are
    counted and dropped."""
    async with meeting(9) as (one,):
        room = one.rtc.room(one.channelId)
        strangers = [Stranger(uid) for uid in range(1, 8)]
        for stranger in strangers:
            room.join(stranger)
        one.register_text_stream_handler("", Collector().read)
        for number in range(PER_SENDER + 3):
            room.carry_stream(strangers[0], header(str(number)), 9)
        assert [decode(text).stream for text in strangers[0].told] == ["16", "17", "18"]
        for stranger in strangers[1:]:
            for number in range(PER_SENDER):
                room.carry_stream(stranger, header(str(number)), 9)
        assert one.stream_statistics().receiving == OPEN + 3
        assert [len(stranger.told) for stranger in strangers[1:]] == [0, 0, 0, 15, 15, 15]
        assert one.stream_statistics().refused == 3 + 3 * 15
        before = one.stream_statistics().malformed
        for text in ("x", "{}", header("0"), encode(Ack("0", 1)), "[" * 9999):
            room.carry_stream(strangers[0], text, 9)
        assert one.stream_statistics().malformed == before + 4  # an ack of no stream is only late
        room.carry_stream(strangers[0], encode(Chunk("0", 5, "x")), 9)
        assert decode(strangers[0].told[-1]) == Refusal("0", "chunk 5 came, not 0")
        room.carry_stream(strangers[0], encode(Chunk("zzz", 0, "x")), 9)
        assert decode(strangers[0].told[-1]) == Refusal("zzz", "no such stream is open")


async def test_answers_that_nobody_asked_for() -> None:
    """Of a stranger, or of more than was sent: they are counted, and the stream goes on."""
    async with meeting(1, 2) as (one, two):
        room = one.rtc.room(one.channelId)
        stranger = Stranger(3)
        collector = Collector()
        two.register_text_stream_handler("", collector.read)
        writer = await one.stream_text(to=2)
        room.join(stranger)
        stream = writer.info.stream_id
        await writer.write("a")
        room.carry_stream(stranger, encode(Refusal(stream, "forged")), 1)
        room.carry_stream(stranger, encode(Ack(stream, 1)), 1)
        room.carry_stream(two, encode(Ack(stream, 2)), 1)
        assert one.stream_statistics().malformed == 3
        await writer.write("b")
        await writer.aclose()
        assert collector.pieces == ["a", "b"]


async def test_what_cannot_be_written() -> None:
    """More or less than announced, no Unicode, another type, a header that is too long."""
    async with meeting(1, 2) as (one, two):
        collector = Collector()
        two.register_text_stream_handler("", collector.read)
        writer = await one.stream_text(total_size=3)
        with pytest.raises(ConfigurationError, match="total size of 3"):
            await writer.write("four")
        with pytest.raises(ConfigurationError, match="write str, not bytes"):
            await writer.write(b"x")  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="surrogate"):
            await writer.write("\ud800")
        await writer.write("12")
        with pytest.raises(StreamError, match="2 bytes were written, not 3"):
            await writer.aclose()
        with pytest.raises(ConfigurationError, match="15000 bytes"):
            await one.send_text("x", attributes={"long": "x" * MAX_PACKET})
        with pytest.raises(ConfigurationError, match="surrogate"):
            await one.send_text("\ud800")
        await asyncio.sleep(0.1)
        assert collector.pieces == ["12"]
        assert collector.errors == ["the sender has ended it: the sender has failed"]
        assert one.stream_statistics().sending == 0


async def test_a_sender_that_is_cancelled() -> None:
    """The stream ends before its time, and its slot is free."""
    async with meeting(1, 2) as (one, two):
        collector = Collector(delay=1)
        two.register_text_stream_handler("", collector.read)
        for seconds in (0.0, 0.5, 8.5):  # at once; while it writes; while it waits for the rest
            sending = asyncio.create_task(one.send_text("x" * 150_000))
            await asyncio.sleep(seconds)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert one.stream_statistics().sending == 0
            await asyncio.sleep(20)
        assert two.stream_statistics().receiving == 0


async def test_a_reader_that_is_asked_for_too_much() -> None:
    """`read_all` has a bound; the event loop is not read on by a plain `for`."""
    errors: list[str] = []

    async def read(reader: TextStreamReader, uid: int) -> None:
        with pytest.raises(ConfigurationError, match="async for"):
            next(iter(reader))
        try:
            await reader.read_all(limit=100)
        except StreamError as error:
            errors.append(str(error))
            raise

    async with meeting(1, 2) as (one, two):
        two.register_text_stream_handler("", read)
        with pytest.raises(StreamError, match="longer than 100 bytes"):
            await one.send_text("x" * 100_000)
        assert len(errors) == 1


# What the room and browsers allow


class Stranger(Member):
    """A member that notes the packets that it is sent."""

    def __init__(self, uid: int, *permissions: Permission) -> None:
        super().__init__(uid, permissions=frozenset(permissions or ("publish_messages",)))
        self.told: list[str] = []

    def tell(self, event: Event) -> None:
        if isinstance(event, StreamPacketSent):
            self.answering.note(event.sender, event.text)
            self.told.append(event.text)

    def snapshot(self) -> MemberSnapshot:
        return self._snapshot("browser")

    def expel(self, reason: str = "") -> None:
        raise NotImplementedError


async def test_who_may_not_send_may_answer() -> None:
    """What it was sent and by whom, and in no words of its own."""
    room = Room("room", lambda room: None)
    sender, silent, other = Stranger(1), Stranger(2, "subscribe"), Stranger(3)
    for member in (sender, silent, other):
        room.join(member)
    room.carry_stream(sender, header("s"), 2)
    for text in (header("t"), encode(Chunk("s", 0, "x")), encode(Trailer("s", "")), "x"):
        with pytest.raises(StreamError, match="does not allow"):
            room.carry_stream(silent, text, 1)
    for stream, to in (("s", 3), ("t", 1)):
        with pytest.raises(StreamError, match="does not allow"):
            room.carry_stream(silent, encode(Ack(stream, 1)), to)
    room.carry_stream(silent, json.dumps({**json.loads(encode(Ack("s", 1))), "note": "hi"}), 1)
    room.carry_stream(silent, encode(Refusal("s", "my own words")), 1)
    assert [decode(text) for text in sender.told] == [Ack("s", 1), Refusal("s", "refused")]
    assert "hi" not in sender.told[0]
    for to in (1, 4):
        with pytest.raises(StreamError, match="no other user"):
            room.carry_stream(sender, header("s"), to)
    with pytest.raises(StreamError, match="15000"):
        room.carry_stream(sender, "x" * 15_001, 2)
    for member in (sender, silent, other):
        room.leave(member.uid, "left")


def test_streams_that_are_remembered_are_bounded() -> None:
    """The oldest are forgotten."""
    answering = Answering()
    for number in range(300):
        answering.note(1, header(str(number)))
    answering.note(1, "x")
    assert len(answering) == 256
    assert answering.answer(1, encode(Ack("0", 1))) is None
    assert answering.answer(1, encode(Ack("299", 1))) is not None


async def test_a_channel_that_is_not_connected_sends_nothing() -> None:
    """As with all its messages."""
    async with RtcEngine("app") as engine:
        channel = engine.create_channel(RtcOptions(channel_name="room"))
        assert isinstance(channel, Channel)
        with pytest.raises(ConfigurationError, match="not connected"):
            await channel.send_text("x")


@settings(max_examples=tries(50), deadline=None)
@given(texts=st.lists(st.text() | PACKETS.map(encode), max_size=30))
def test_whatever_comes_ends_no_channel(texts: list[str]) -> None:
    """Any packets in any order are taken without an exception, and bounded."""

    async def run() -> None:
        async with meeting(1, 2) as (one, two):
            two.register_text_stream_handler("", Collector().read)
            two.register_byte_stream_handler("", Collector().read)
            room = one.rtc.room(one.channelId)
            for text in texts:
                if len(text) <= MAX_PACKET:
                    room.carry_stream(one, text, 2)
            await asyncio.sleep(1)

    run_virtual(run())


@pytest.mark.virtual_clock
async def test_leaving_ends_what_is_waited_for() -> None:
    """Whoever writes or ends a stream hears at once that the channel was left; once each."""
    async with RtcEngine("app") as engine:
        one, two = [
            engine.create_channel(RtcOptions(channel_name="room", uid=uid)) for uid in (1, 2)
        ]
        await one.connect()
        await two.connect()

        async def hold(_reader: Any, _uid: int) -> None:
            await asyncio.sleep(60)

        two.register_text_stream_handler("", hold)
        ended = await one.stream_text(to=2)
        await ended.write("a few words")
        full = await one.stream_text(to=2)
        writing = asyncio.create_task(full.write("x" * 200_000))
        await asyncio.sleep(0.1)
        closing = [asyncio.create_task(writer.aclose()) for writer in (ended, full)]
        await asyncio.sleep(0.1)
        await one.disconnect()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        results = await asyncio.gather(writing, *closing, return_exceptions=True)
        assert loop.time() - begun < 0.5
        assert [type(result) for result in results] == [StreamError] * 3
        assert one.stream_statistics().sending == 0


@every_failure
async def test_who_reads_a_stream_may_raise_anything(failure: Failure) -> None:
    """The sender is told, and the next stream is read."""
    read: list[int] = []
    async with meeting(1, 2) as (one, two):
        two.register_text_stream_handler(
            "notes", first(failure, lambda reader, sender: read.append(sender))
        )
        with pytest.raises(StreamError, match="has failed"):
            await one.send_text("first", topic="notes")
        with pytest.raises(StreamError, match="has ended"):  # it does not read it
            await one.send_text("second", topic="notes")
        assert read == [1]


@every_sync_failure
async def test_who_is_told_of_progress_may_raise_anything(failure: Failure) -> None:
    """The stream goes on."""
    collector = Collector()
    async with meeting(1, 2) as (one, two):
        two.register_text_stream_handler("notes", collector.read)
        await one.send_text("all of it", topic="notes", progress=failure.function)
        assert "".join(collector.pieces) == "all of it"
