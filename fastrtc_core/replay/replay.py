"""A recorded session again, with the same handler or with other settings."""

from __future__ import annotations

import asyncio
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError
from ..handler import StreamHandlerBase
from ..messages import Message
from ..operations.recording import Event, Header, read
from ..session import CloseReason, Medium
from ..speech import TurnRecord
from ..testing import InProcessPeer, connect, run_virtual

TAIL = 2.0
"""How long in s a session goes on after the last event of a recording without an end."""

AUDIO: frozenset[Medium] = frozenset({"audio"})
NOTHING: frozenset[Medium] = frozenset()


@dataclass(frozen=True)
class Replayed:
    """What came of a session.

    Attributes:
        messages: What the client was sent, each with its time in s since the session began.
        audio: What was said: int16 samples of shape `(channels, samples)` of each frame, with its
            time.
        close_reason: Why it ended.
        turns: The record of each turn.
    """

    messages: list[tuple[float, Message]]
    audio: list[tuple[float, NDArray[np.int16]]]
    close_reason: CloseReason | None
    turns: list[TurnRecord]

    def lines(self) -> list[str]:
        """The messages as text, and each turn in one line."""
        lines = []
        turns = iter(self.turns)
        for at, message in self.messages:
            data: Any = json.dumps(message.data, default=repr)
            if message.type == "turn_record":
                data = next(turns, data)
            lines.append(f"{at:8.2f} s  {message.type}  {data}")
        return lines


def replay(
    recording: str | Path | tuple[Header, list[Event]],
    handler: StreamHandlerBase,
    settings: Mapping[str, Any] | None = None,
) -> Replayed:
    """Run a session again: what came in comes in at the same times, on virtual time.

    What a handler gets from elsewhere (a language model, a clock of its own, chance) it gets anew;
    give it stand-ins where that must be the same. What the client played meanwhile
    (`wants_played`) is not recorded.

    Args:
        recording: A file, or what `read` made of one.
        handler: The prototype; a copy of it runs.
        settings: Attributes that it gets instead, its own or those of its `options`:
            `{"silence": 0.4}` for a `ReplyOnPause`.

    Raises:
        ConfigurationError: If the file is no recording, or the handler has no such attribute.
        OSError: If the file cannot be opened.
        RuntimeError: If an event loop is running on this thread.
    """
    header, events = recording if isinstance(recording, tuple) else read(recording)
    handler = handler.copy()
    for name, value in (settings or {}).items():
        _set(handler, name, value)
    return run_virtual(_run(header, events, handler))


def difference(before: Replayed, after: Replayed) -> list[str]:
    """What messages came earlier, later, or otherwise; empty if the two are alike."""
    return list(
        difflib.unified_diff(before.lines(), after.lines(), "before", "after", lineterm="", n=1)
    )


def turn_difference(before: Replayed, after: Replayed) -> list[str]:
    """How the turns differ: the gap and each stage in ms, before and after; empty if they do not.

    Turns are compared in their order.
    """
    lines = []
    for number, (one, other) in enumerate(zip_longest(before.turns, after.turns), 1):
        if one is None or other is None:
            missing, there = ("before", other) if one is None else ("after", one)
            lines.append(f"turn {number}: none {missing}; {there}")
            continue
        rows = [
            f"    {name:12} {a:>6} -> {b:>6}"
            for name in ("gap", *_stages(one, other))
            if (a := _ms(one, name)) != (b := _ms(other, name))
        ]
        rows += [
            f"    {name:12} {a!r} -> {b!r}"
            for name in ("ending", "interrupted", "user", "heard", "errors")
            if (a := getattr(one, name)) != (b := getattr(other, name))
        ]
        if rows:
            lines += [f"turn {number}:", *rows]
    return lines


def _stages(one: TurnRecord, other: TurnRecord) -> list[str]:
    """The names of the stages of both, in order."""
    return list(dict.fromkeys([*one.stages, *other.stages]))


def _ms(record: TurnRecord, name: str) -> str:
    if name == "gap":
        return f"{1000 * record.gap:.0f}" if record.answered else "none"
    return f"{1000 * record.stages[name]:.0f}" if name in record.stages else "-"


def _set(handler: Any, name: str, value: Any) -> None:
    options = getattr(handler, "options", None)
    if hasattr(handler, name):
        setattr(handler, name, value)
    elif is_dataclass(options) and hasattr(options, name):
        handler.options = replace(options, **{name: value})  # type: ignore[type-var]
    else:
        raise ConfigurationError(f"{type(handler).__name__} has no setting {name!r}")


async def _run(header: Header, events: list[Event], handler: StreamHandlerBase) -> Replayed:
    loop = asyncio.get_running_loop()
    sent: list[tuple[float, Message]] = []
    async with connect(
        handler,
        receives=AUDIO if header.receives else NOTHING,
        sends=AUDIO if header.sends else NOTHING,
        args=header.args,
        params=header.params,
        time_limit=header.time_limit,
        id=header.webrtc_id,
    ) as peer:
        began = loop.time()
        peer.on_message = lambda message: sent.append((loop.time() - began, message))
        for event in events:
            await asyncio.sleep(max(0.0, began + event.at - loop.time()))
            if peer.close_reason is not None:
                break
            _happen(peer, event)
        if not events or events[-1].kind != "end":
            await asyncio.sleep(TAIL)
    heard = [(at - began, timed.data) for at, timed in peer.heard]
    return Replayed(sent, heard, peer.close_reason, peer.turns)


def _happen(peer: InProcessPeer, event: Event) -> None:
    session = peer.session
    if event.kind == "audio" and session.remote_audio is not None:
        session.remote_audio.push(event.data)
    elif event.kind == "message":
        session.take_message(event.data)
    elif event.kind == "key":
        session.take_key(event.data)
