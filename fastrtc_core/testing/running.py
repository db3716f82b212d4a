"""`run_handler`: what a handler makes of some audio, in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..frames import AudioFrame
from ..handler import StreamHandlerBase
from ..messages import Message
from ..outputs import AdditionalOutputs
from ..session import CloseReason
from ..speech import TurnRecord
from ..threads import running_loop
from .inprocess import InProcessPeer, connect
from .virtual_clock import run_virtual


@dataclass(frozen=True)
class HandlerResult:
    """What came of a session.

    Attributes:
        audio: What the client heard, from the beginning of the session on; silence where nothing
            was sent. It has the rate and layout in which the handler's audio is sent.
        messages: What the client was sent beside audio.
        outputs: The additional outputs.
        errors: What the client was told of exceptions.
        turns: The record of each turn that is over.
        close_reason: Why the session ended: `CloseReason.CLIENT` unless the handler ended it.
    """

    audio: AudioFrame
    messages: list[Message]
    outputs: list[AdditionalOutputs]
    errors: list[str]
    turns: list[TurnRecord]
    close_reason: CloseReason | None


def run_handler(
    handler: StreamHandlerBase,
    audio: AudioFrame | None = None,
    *,
    tail: float = 1.0,
    messages: Sequence[Any] = (),
    args: Sequence[Any] | None = None,
    params: Mapping[str, Any] | None = None,
    time_limit: float | None = None,
    real_time: bool = False,
    allow_errors: bool = False,
) -> HandlerResult:
    """Run a session of a copy of a handler, speak to it, and return what came of it.

    Args:
        handler: The prototype.
        audio: What the client says, from the beginning on; nothing by default.
        tail: How long in s the session lasts beyond that.
        messages: What the client sends at the beginning, each for `on_message`.
        args: Additional inputs that come with the offer.
        params: Parameters that come with the offer.
        time_limit: As of `Stream`, in s.
        real_time: Whether to run on the real clock: for sync handlers that work for more than a
            moment. On the virtual clock, minutes pass at once.
        allow_errors: Whether exceptions of the handler are merely collected.

    Raises:
        AssertionError: If a method of the handler raised, unless that is allowed; what it was
            stands in the log.
        RuntimeError: If an event loop is running: there, use `connect`.
    """
    if running_loop() is not None:
        raise RuntimeError("an event loop is running: use `async with connect(handler)` instead")

    async def session() -> HandlerResult:
        async with connect(handler, args=args, params=params, time_limit=time_limit) as peer:
            outputs = peer.session.outputs.subscribe()
            for message in messages:
                peer.send(message)
            if audio is not None:
                await peer.speak(audio)
            await asyncio.sleep(tail)
        return HandlerResult(
            _sound(peer),
            peer.messages,
            [output async for output in outputs],
            peer.of_type("error"),
            peer.turns,
            peer.close_reason,
        )

    result = asyncio.run(session()) if real_time else run_virtual(session())
    if result.errors and not allow_errors:
        raise AssertionError(f"the handler failed; see the log: {result.errors}")
    return result


def _sound(peer: InProcessPeer) -> AudioFrame:
    """Everything that was sent, each frame at its time."""
    track = peer.session.local_audio
    assert track is not None
    rate, channels = track.source.sample_rate, track.source.num_channels
    end = max((timed.timestamp + timed.data.shape[1] for _, timed in peer.heard), default=0)
    data = np.zeros((channels, end), np.int16)
    for _, timed in peer.heard:
        data[:, timed.timestamp : timed.timestamp + timed.data.shape[1]] = timed.data
    return AudioFrame(rate, data)
