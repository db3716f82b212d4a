"""What was said: by the user, by tools, and by the agent as far as it was heard."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .models import Message


class Exchange:
    """One turn of the user and the answer to it; or what the agent said of its own accord.

    Attributes:
        messages: In their order, in the form of OpenAI's chat completions.
    """

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self.messages = list(messages)
        self._spoken: list[tuple[Message | None, str]] = []

    @property
    def acted(self) -> bool:
        """Whether tools were called in it."""
        return any("tool_calls" in message for message in self.messages)

    def write(self, message: Message | None, text: str) -> None:
        """Note that a text goes to the voice: of a message, or of none that a model is told of."""
        self._spoken.append((message, text))
        if message is not None:
            message["content"] += text

    def cut(self, heard: str) -> None:
        """Keep of what was given to the voice only what was heard of it, from its beginning."""
        left = _letters(heard)
        for message, _ in self._spoken:
            if message is not None:
                message["content"] = ""
        for message, text in self._spoken:
            if message is not None:
                message["content"] += _first(text, left)
            left = max(0, left - _letters(text))
        self.finish()

    def finish(self) -> None:
        """All of it was heard."""
        for message in self.messages:
            if message["role"] == "assistant":
                message["content"] = message["content"].strip()
        self.messages = [message for message in self.messages if _says_something(message)]


class History:
    """The exchanges of one conversation, of which the oldest are forgotten.

    Args:
        max_messages: How many messages are kept at most; whole exchanges are forgotten.
        max_characters: Length of all of them together, as JSON.
    """

    def __init__(self, max_messages: int = 200, max_characters: int = 200_000) -> None:
        self._max_messages = max_messages
        self._max_characters = max_characters
        self._exchanges: list[Exchange] = []

    @property
    def messages(self) -> list[Message]:
        """All of them, as a model is given them."""
        return [message for exchange in self._exchanges for message in exchange.messages]

    def add(self, exchange: Exchange) -> None:
        """Add what is over."""
        if not exchange.messages:
            return
        self._exchanges.append(exchange)
        while len(self._exchanges) > 1 and self._too_much():
            self._exchanges.pop(0)

    def take_back(self, exchange: Exchange) -> None:
        """Forget an exchange that is part of the next one; what tools did stays known."""
        if exchange in self._exchanges and not exchange.acted:
            self._exchanges.remove(exchange)

    def load(self, messages: Iterable[Message]) -> None:
        """Begin with the messages of an earlier conversation."""
        exchange: list[Message] = []
        for message in messages:
            if message.get("role") == "user" and exchange:
                self.add(Exchange(exchange))
                exchange = []
            exchange.append(dict(message))
        self.add(Exchange(exchange))

    def clear(self) -> None:
        """Forget everything."""
        self._exchanges.clear()

    def _too_much(self) -> bool:
        messages = self.messages
        return (
            len(messages) > self._max_messages
            or len(json.dumps(messages, default=str)) > self._max_characters
        )


def _letters(text: str) -> int:
    """How long a text is without white space, which a voice may be given differently."""
    return sum(map(len, text.split()))


def _first(text: str, letters: int) -> str:
    """The beginning of a text with so many letters."""
    for index, character in enumerate(text):
        if not character.isspace():
            if not letters:
                return text[:index]
            letters -= 1
    return text


def _says_something(message: Message) -> bool:
    return message["role"] != "assistant" or bool(message["content"] or "tool_calls" in message)
