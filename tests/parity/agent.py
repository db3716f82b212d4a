"""The handler that all of these tests talk to."""

from __future__ import annotations

from typing import Any

from fastrtc_core import Context, Playback, TurnRecord, get_current_context

from ..webrtc.support import Silent


class Agent(Silent):
    """Notes what happens to it, and emits what a test puts into `to_emit`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.context: Context | None = None
        self.keys: list[str] = []
        self.playbacks: list[Playback] = []
        self.records: list[TurnRecord] = []

    async def start_up(self) -> None:
        self.context = get_current_context()
        await super().start_up()

    async def on_dtmf(self, digit: str) -> None:
        self.keys.append(digit)

    async def on_interrupted(self, playback: Playback) -> None:
        self.playbacks.append(playback)

    async def on_turn(self, record: TurnRecord) -> None:
        self.records.append(record)

    def emits(self, *values: Any) -> None:
        """Have these emitted, one after the other; exceptions are raised."""
        for value in values:
            self.to_emit.put_nowait(value)
