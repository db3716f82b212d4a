"""Messages that are longer than one packet: cut into chunks, and put together again.

A chunk is the JSON text `{"msg_id", "part_idx", "total_parts", "content"}`. The parts of a message
may arrive in any order and mixed with those of others. A `msg_id` names one message on its way:
give each message one of its own, or parts of two could be taken for one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard

from .. import strict_json
from ..errors import ConfigurationError, MessageError
from ..messages import MAX_MESSAGE_BYTES
from .naming import is_unicode

CHUNK_LIMIT = 1024
"""Largest chunk that is sent, in bytes: Agora's limit for a stream message."""

WHOLE = 16_384
"""Characters of a message that a browser is sent whole, and otherwise in parts; every browser takes
as many bytes (RFC 8831 section 6.6)."""

MAX_MESSAGE = 1 << 18
"""Longest message, in bytes of UTF-8."""

MAX_PARTS = 512
"""Most parts of a message."""

MAX_MESSAGE_ID = 128
"""Longest id of a message, in characters."""

_SHORT_ESCAPES = frozenset('"\\\b\f\n\r\t')


def split_message(
    text: str,
    msg_id: str,
    *,
    limit: int = CHUNK_LIMIT,
    max_message: int = MAX_MESSAGE,
    max_parts: int = MAX_PARTS,
) -> list[str]:
    """Cut a message into chunks. An empty message is one chunk.

    Args:
        text: The message.
        msg_id: Its id, 1 to 128 characters, used for no other message of this sender.
        limit: Size that no chunk exceeds, in bytes of UTF-8; receivers take 65,536 at most.
        max_message: Longest message that receivers take, in bytes of UTF-8.
        max_parts: Most parts that receivers take.

    Raises:
        MessageError: If the message is too long for its receivers, or no Unicode text.
        ConfigurationError: If a chunk of this size is too small for one character, or too large.
    """
    if not is_message_id(msg_id):
        raise MessageError(f"an id of a message must be a text of 1 to {MAX_MESSAGE_ID} characters")
    if not is_unicode(text):
        raise MessageError("a message must be Unicode text, without halves of surrogate pairs")
    if len(text) > max_message or len(text.encode()) > max_message:
        raise MessageError(f"the message is longer than {max_message} bytes")
    if limit > MAX_MESSAGE_BYTES:
        raise ConfigurationError(f"the limit of a chunk must be {MAX_MESSAGE_BYTES} bytes or less")
    # How much room the numbers take depends on how many parts there are, and the other way round.
    most = 1
    while True:
        frame = _encode(msg_id, most, most, "")
        parts = _cut(text, limit - len(frame.encode()))
        if len(parts) <= most:
            break
        most = 10 ** len(str(len(parts))) - 1
    if len(parts) > max_parts:
        raise MessageError(
            f"the message would be {len(parts)} parts; at most {max_parts} are taken"
        )
    return [_encode(msg_id, index, len(parts), part) for index, part in enumerate(parts)]


def is_message_id(value: Any) -> TypeGuard[str]:
    """Whether it can be the id of a message."""
    return is_unicode(value) and 0 < len(value) <= MAX_MESSAGE_ID


class AssembledMessage(NamedTuple):
    """A message of which all parts have come.

    Attributes:
        msg_id: Its id.
        sender: The uid of who sent it.
        text: The message.
    """

    msg_id: str
    sender: int
    text: str


class AssemblerStatistics(NamedTuple):
    """What an assembler did so far.

    Attributes:
        completed: Messages that were put together.
        malformed: Chunks that were refused.
        expired: Messages whose parts did not all come in time.
        evicted: Messages that were dropped to make room, or because their sender left.
        duplicates: Parts that came once more.
        pending: Messages that wait for parts.
    """

    completed: int
    malformed: int
    expired: int
    evicted: int
    duplicates: int
    pending: int


class _Chunk(NamedTuple):
    msg_id: str
    part: int
    total: int
    content: str


@dataclass
class _Pending:
    """A message of which parts are missing."""

    total: int
    since: float
    parts: dict[int, str] = field(default_factory=dict)
    size: int = 0


class MessageAssembler:
    """Puts messages together from their chunks.

    What one sender sends never touches the messages of another. It holds
    `max_senders * max_pending * max_message` bytes at the worst.

    Args:
        max_message: Longest message, in bytes of UTF-8.
        max_parts: Most parts of a message.
        max_pending: Most messages of one sender that wait for parts; beyond it the oldest is
            dropped.
        max_senders: Most senders with such messages; beyond it everything of the one that has had
            some for longest is dropped.
        deadline: How long a message waits for its parts after the first of them came, in s.
    """

    def __init__(
        self,
        *,
        max_message: int = MAX_MESSAGE,
        max_parts: int = MAX_PARTS,
        max_pending: int = 16,
        max_senders: int = 256,
        deadline: float = 30.0,
    ) -> None:
        if min(max_message, max_parts, max_pending, max_senders, deadline) <= 0:
            raise ConfigurationError("the limits of an assembler must be above 0")
        self._max_message = max_message
        self._max_parts = max_parts
        self._max_pending = max_pending
        self._max_senders = max_senders
        self._deadline = deadline
        # By sender and id; the oldest comes first. No sender is there without a message.
        self._senders: dict[int, dict[str, _Pending]] = {}
        self._completed = self._malformed = self._expired = self._evicted = self._duplicates = 0

    def push(self, sender: int, chunk_text: str, now: float) -> AssembledMessage | None:
        """Take a chunk; the message, if it was the last part that was missing.

        A part that is there already is dropped, whatever it says.

        Args:
            sender: The uid of who sent it.
            chunk_text: The chunk.
            now: The time, by any clock that does not go back, in s.

        Raises:
            MessageError: If the chunk is malformed, does not fit to the other parts, or makes the
                message too long, which drops it. Nothing else is lost.
        """
        self.expire(now)
        try:
            return self._take(sender, self._parse(chunk_text), now)
        except MessageError:
            self._malformed += 1
            raise

    def expire(self, now: float) -> None:
        """Drop the messages whose time is over."""
        for sender, pending in tuple(self._senders.items()):
            while pending:
                msg_id, oldest = next(iter(pending.items()))
                if now - oldest.since < self._deadline:
                    break
                self._drop(sender, msg_id)
                self._expired += 1

    def forget(self, sender: int) -> None:
        """Drop what a sender has begun and not finished."""
        self._evicted += len(self._senders.pop(sender, ()))

    def statistics(self) -> AssemblerStatistics:
        """What it did so far."""
        return AssemblerStatistics(
            completed=self._completed,
            malformed=self._malformed,
            expired=self._expired,
            evicted=self._evicted,
            duplicates=self._duplicates,
            pending=sum(map(len, self._senders.values())),
        )

    def _parse(self, text: Any) -> _Chunk:
        if not isinstance(text, str):
            raise MessageError("a chunk must be a text")
        # A character is one to four bytes of UTF-8: count the bytes only where the length is near.
        if len(text) * 4 > MAX_MESSAGE_BYTES and _size(text) > MAX_MESSAGE_BYTES:
            raise MessageError(f"the chunk is larger than {MAX_MESSAGE_BYTES} bytes")
        try:
            parsed = strict_json.load(text)
        except ValueError:
            raise MessageError("the chunk is not JSON") from None
        if not isinstance(parsed, dict):
            raise MessageError("a chunk must be a JSON object")
        msg_id, part, total, content = (
            parsed.get(key) for key in ("msg_id", "part_idx", "total_parts", "content")
        )
        if not is_message_id(msg_id):
            raise MessageError(f"msg_id must be a text of 1 to {MAX_MESSAGE_ID} characters")
        # `True` is an int, and not meant.
        if type(total) is not int or not 1 <= total <= self._max_parts:
            raise MessageError(f"total_parts must be a whole number from 1 to {self._max_parts}")
        if type(part) is not int or not 0 <= part < total:
            raise MessageError("part_idx must be a whole number from 0 to total_parts - 1")
        if not isinstance(content, str):
            raise MessageError("content must be a text")
        return _Chunk(msg_id, part, total, content)

    def _take(self, sender: int, chunk: _Chunk, now: float) -> AssembledMessage | None:
        message = self._senders.get(sender, {}).get(chunk.msg_id)
        if message is None:
            message = _Pending(chunk.total, now)
        elif message.total != chunk.total:
            raise MessageError("total_parts is not what the other parts of this message say")
        elif chunk.part in message.parts:
            self._duplicates += 1
            return None
        message.parts[chunk.part] = chunk.content
        message.size += _size(chunk.content)
        if message.size > self._max_message:
            self._drop(sender, chunk.msg_id)
            raise MessageError(f"the message is longer than {self._max_message} bytes")
        if len(message.parts) < message.total:
            self._keep(sender, chunk.msg_id, message)
            return None
        self._drop(sender, chunk.msg_id)
        text = _join(message)
        self._completed += 1
        return AssembledMessage(chunk.msg_id, sender, text)

    def _keep(self, sender: int, msg_id: str, message: _Pending) -> None:
        pending = self._senders.get(sender)
        if pending is None:
            while len(self._senders) >= self._max_senders:
                self.forget(next(iter(self._senders)))
            pending = self._senders[sender] = {}
        if msg_id not in pending and len(pending) >= self._max_pending:
            del pending[next(iter(pending))]
            self._evicted += 1
        pending[msg_id] = message

    def _drop(self, sender: int, msg_id: str) -> None:
        """Remove a message, if it is there."""
        pending = self._senders.get(sender, {})
        pending.pop(msg_id, None)
        if not pending:
            self._senders.pop(sender, None)


def _join(message: _Pending) -> str:
    text = "".join(message.parts[index] for index in range(message.total))
    if is_unicode(text):
        return text
    # Who cuts by UTF-16 units, as JavaScript does, may cut a character in half.
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise MessageError("the message is no Unicode text") from None


def _encode(msg_id: str, part: int, total: int, content: str) -> str:
    chunk = {"msg_id": msg_id, "part_idx": part, "total_parts": total, "content": content}
    return json.dumps(chunk, ensure_ascii=False, separators=(",", ":"))


def _cut(text: str, room: int) -> list[str]:
    """Cut a text into pieces that take no more than so many bytes as JSON."""
    widths = {character: _width(character) for character in set(text)}
    if room < max(widths.values(), default=0):
        raise ConfigurationError("the limit of a chunk is too small for its content")
    parts = []
    start = used = 0
    for index, character in enumerate(text):
        width = widths[character]
        if used + width > room:
            parts.append(text[start:index])
            start, used = index, 0
        used += width
    return [*parts, text[start:]]


def _width(character: str) -> int:
    """Bytes of UTF-8 that a character takes inside a JSON string."""
    if character in _SHORT_ESCAPES:
        return 2
    code = ord(character)
    if code < 0x20:
        return 6
    return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
