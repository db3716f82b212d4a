"""What an agent remembers of a user from one session to the next."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Protocol

from fastrtc_core import ConfigurationError

from .models import Message


class Memory(Protocol):
    """Keeps the history of each user; the methods may be coroutines, and run on threads if not.

    A `dict` will do as well: it forgets with the process.
    """

    def load(self, user: Any) -> Any:
        """The messages of earlier sessions; `None` or none if there were none."""

    def save(self, user: Any, messages: list[Message]) -> Any:
        """Keep these, which are all of them, in place of those before."""


class FileMemory:
    """Keeps the history of each user in a file of its own.

    Args:
        folder: Where; it is made if it is not there.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)

    def load(self, user: Any) -> list[Message]:
        """The messages of earlier sessions."""
        try:
            messages: list[Message] = json.loads(self._path(user).read_text("utf-8"))
        except FileNotFoundError:
            return []
        return messages

    def save(self, user: Any, messages: list[Message]) -> None:
        """Keep these; a reader sees those before or these, and nothing between."""
        path = self._path(user)
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=self._folder, suffix=".tmp", delete=False
        ) as file:
            json.dump(messages, file, ensure_ascii=False, default=str)
        os.replace(file.name, path)

    def _path(self, user: Any) -> Path:
        if isinstance(user, bool) or not isinstance(user, str | int):
            raise ConfigurationError(
                f"FileMemory knows users by a text or a number, not by {type(user).__name__}: give "
                "VoiceAgent a memory_key"
            )
        # A name may hold anything, also what leads out of the folder.
        return self._folder / f"{hashlib.sha256(str(user).encode()).hexdigest()}.json"


class DictMemory:
    """Keeps the history of each user in a `dict`."""

    def __init__(self, kept: MutableMapping[Any, list[Message]]) -> None:
        self._kept = kept

    async def load(self, user: Any) -> list[Message]:
        """The messages of earlier sessions."""
        return self._kept.get(user, [])

    async def save(self, user: Any, messages: list[Message]) -> None:
        """Keep these."""
        self._kept[user] = messages


def as_memory(memory: Memory | MutableMapping[Any, list[Message]] | None) -> Memory | None:
    """A memory, or a `dict` as one."""
    return DictMemory(memory) if isinstance(memory, MutableMapping) else memory
