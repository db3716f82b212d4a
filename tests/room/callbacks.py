"""Callbacks for tests."""

from __future__ import annotations

from typing import Any


def noting(told: list[Any]) -> Any:
    """A callback that notes what it is told: on the event loop, so that it is there at once."""

    async def note(*details: Any) -> None:
        told.append(details[0] if len(details) == 1 else details)

    return note
