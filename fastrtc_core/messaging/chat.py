"""`Chat`: what the participants of a channel write to each other.

The `sequence` of a message counts what its sender has written, and puts in order what did not come
in order from another server.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from ..errors import ConfigurationError, MessageError
from .assembler import MAX_MESSAGE_ID, is_message_id
from .naming import MAX_UID, is_unicode

MAX_TEXT = 4096
"""Longest chat message, in characters."""

HISTORY = 200
"""How many messages are kept for those who come later."""

_MAX_SEQUENCE = 2**53 - 1
"""Largest whole number that every reader of JSON gets right (RFC 8259 section 6)."""

MAX_AGE = 10 * 365 * 86_400.0
"""Longest time in s since a message came: further back, the times would lose their fractions."""

_EXPORTED = ("sender", "id", "seq", "text", "final", "age")

_FORGOTTEN = -1
"""Before every number that a sender who comes back begins with."""


@dataclass(frozen=True)
class ChatMessage:
    """One chat message: to be sent, or as it stands now.

    Attributes:
        message: What it says; `text` is the same.
        msg_id: Tells it from the other messages of its sender; `id` is the same. One that is sent
            without is given one.
        sender: The uid of who wrote it.
        time: When it came first, in s, by the clock of the room.
        final: Whether it is complete. Otherwise more of it follows under the same id, as the text
            of an agent that is still speaking.
    """

    message: str
    msg_id: str = ""
    sender: int = 0
    time: float = 0.0
    final: bool = True

    @property
    def text(self) -> str:
        """What it says."""
        return self.message

    @property
    def id(self) -> str:
        """Tells it from the other messages of its sender."""
        return self.msg_id


class Written(NamedTuple):
    """What a member writes, or a change of what it wrote.

    Attributes:
        id: Tells it from the other messages of its sender.
        sequence: Counts what its sender writes.
        text: What it says, all of it.
        final: Whether it is complete.
    """

    id: str
    sequence: int
    text: str
    final: bool = True


@dataclass
class _Entry:
    message: ChatMessage
    sequence: int


class ChatMember(Protocol):
    """A member that can write."""

    async def send_chat_message(
        self, text: str, *, msg_id: str | None = None, final: bool = True
    ) -> None:
        """See `Channel.send_chat_message`."""


class Chat:
    """What one member writes; see `Channel.chat`.

    Args:
        channel: The member.
    """

    def __init__(self, channel: ChatMember) -> None:
        self.channel = channel

    async def send_message(self, item: ChatMessage) -> None:
        """Write to the chat.

        Args:
            item: Its `message`, its `msg_id` and whether it is `final`; the rest is not looked at.

        Raises:
            ConfigurationError: If the token does not allow it, or the channel is not connected.
            MessageError: If it is too long.
        """
        await self.channel.send_chat_message(
            item.message, msg_id=item.msg_id or None, final=item.final
        )


class ChatLog:
    """Builds chat messages, reads those of others, and keeps the latest.

    Args:
        history_size: How many messages are kept; beyond it the oldest is dropped.
    """

    def __init__(self, *, history_size: int = HISTORY) -> None:
        if history_size < 0:
            raise ConfigurationError("history_size must not be negative")
        self._history_size = history_size
        self._entries: list[_Entry] = []
        self._sequence = 0

    @property
    def history(self) -> list[ChatMessage]:
        """The latest messages: by when they came first, and for each sender as it sent them."""
        return [entry.message for entry in self._entries]

    def compose(self, text: str, *, msg_id: str | None = None, final: bool = True) -> Written:
        """Build a message to write.

        Args:
            text: What it says, all of it: an update replaces what came before.
            msg_id: Its id; that of an earlier message to update it. By default a new one.
            final: Whether it is complete.

        Raises:
            MessageError: If it is longer than 4096 characters or no Unicode text, or the id is
                not a text of 1 to 128 characters.
        """
        msg_id = secrets.token_hex(8) if msg_id is None else msg_id
        _check(msg_id, text)
        written = Written(msg_id, self._sequence, text, bool(final))
        self._sequence += 1
        return written

    def take(self, sender: int, written: Written, time: float) -> ChatMessage | None:
        """Take a message that came.

        One with an id that its sender has used before replaces the earlier one, which keeps its
        place and time. Others who use the same id write messages of their own.

        Args:
            sender: The uid of who sent it.
            written: What it wrote.
            time: When it came, in s, by the clock of the room.

        Returns:
            The message as it stands now; `None` if what was there is as new or newer.
        """
        message = ChatMessage(written.text, written.id, sender, time, written.final)
        sequence = written.sequence
        for entry in self._entries:
            if (entry.message.sender, entry.message.id) == (sender, message.id):
                if sequence <= entry.sequence:
                    return None
                entry.message = replace(message, time=entry.message.time)
                entry.sequence = sequence
                return entry.message
        self._insert(_Entry(message, sequence))
        return message

    def export(self, now: float) -> list[dict[str, Any]]:
        """What was written, for another server; `restore` takes it there.

        Args:
            now: The time of the room, in s.
        """
        return [
            {
                "sender": entry.message.sender,
                "id": entry.message.id,
                "seq": entry.sequence,
                "text": entry.message.text,
                "final": entry.message.final,
                "age": now - entry.message.time,
            }
            for entry in self._entries
        ]

    def restore(self, exported: list[Any], now: float) -> list[ChatMessage]:
        """Take what another server has exported; what is known already stays as it is.

        Args:
            exported: The messages.
            now: The time of the room, in s.

        Returns:
            Those that are new, in their order.

        Raises:
            MessageError: If one is malformed, or they are too many. None has been taken then.
        """
        if len(exported) > HISTORY:
            raise MessageError(f"at most {HISTORY} chat messages are taken at once")
        known = {(entry.message.sender, entry.message.id) for entry in self._entries}
        new = []
        for entry in [_parse_exported(item, now) for item in exported]:
            if (entry.message.sender, entry.message.id) not in known:
                self._entries.append(entry)
                new.append(entry.message)
        self._entries.sort(key=lambda entry: entry.message.time)
        del self._entries[: max(0, len(self._entries) - self._history_size)]
        return new

    def forget(self, sender: int) -> None:
        """Let a sender that left begin to count anew; what it wrote stays."""
        for entry in self._entries:
            if entry.message.sender == sender:
                entry.sequence = _FORGOTTEN

    def _insert(self, new: _Entry) -> None:
        place = len(self._entries)
        for index, entry in enumerate(self._entries):
            if entry.message.sender == new.message.sender and entry.sequence > new.sequence:
                place = index
                break
        self._entries.insert(place, new)
        if len(self._entries) > self._history_size:
            del self._entries[0]


def read_written(data: Mapping[str, Any]) -> Written:
    """Read what another server was sent: `id`, `seq`, `text`, `final`.

    Raises:
        MessageError: If it is malformed or too long.
    """
    msg_id: Any = data.get("id")
    sequence: Any = data.get("seq")
    text: Any = data.get("text")
    final: Any = data.get("final", True)
    _check(msg_id, text)
    # `True` is an int, and not meant.
    if type(sequence) is not int or not 0 <= sequence <= _MAX_SEQUENCE:
        raise MessageError(
            f"the seq of a chat message must be a whole number from 0 to {_MAX_SEQUENCE}"
        )
    if not isinstance(final, bool):
        raise MessageError("the final of a chat message must be true or false")
    return Written(msg_id, sequence, text, final)


def _parse_exported(item: Any, now: float) -> _Entry:
    if not isinstance(item, dict):
        raise MessageError("a chat message of another server must be an object")
    fields: list[Any] = [item.get(key) for key in _EXPORTED]
    sender, msg_id, sequence, text, final, age = fields
    _check(msg_id, text)
    if type(sender) is not int or not 0 < sender <= MAX_UID:
        raise MessageError(f"the sender of a chat message must be a uid, 1 to {MAX_UID}")
    if type(sequence) is not int or not _FORGOTTEN <= sequence <= _MAX_SEQUENCE:
        raise MessageError(f"the seq of a chat message must be at most {_MAX_SEQUENCE}")
    if not isinstance(final, bool):
        raise MessageError("the final of a chat message must be true or false")
    # `NaN` is within no bounds.
    if type(age) not in (int, float) or not -MAX_AGE <= age <= MAX_AGE:
        raise MessageError(f"the age of a chat message must be at most {MAX_AGE:g} s")
    return _Entry(ChatMessage(text, msg_id, sender, now - age, final), sequence)


def _check(msg_id: Any, text: Any) -> None:
    if not is_message_id(msg_id):
        raise MessageError(
            f"the id of a chat message must be a text of 1 to {MAX_MESSAGE_ID} characters"
        )
    if not isinstance(text, str) or not is_unicode(text):
        raise MessageError("the text of a chat message must be Unicode text")
    if len(text) > MAX_TEXT:
        raise MessageError(f"a chat message has at most {MAX_TEXT} characters")
