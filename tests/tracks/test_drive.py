"""What pulls a track that no transport pulls."""

from __future__ import annotations

import asyncio

import uvloop

from fastrtc_core.tracks.drive import Drive
from fastrtc_core.tracks.signal import Signal


class Due:
    """Something of it is always due now."""

    def __init__(self) -> None:
        self._changed = Signal()
        self.pulled = 0

    def _pull_due(self, now: float) -> float | None:
        self.pulled += 1
        return now + self.pulled / 1e9


def test_a_change_while_something_is_due() -> None:
    """On uvloop, whose timers that are due already are of another kind."""

    async def main() -> int:
        track = Due()
        drive = Drive(track)
        for _ in range(3):
            track._changed.notify()
        await asyncio.sleep(0)
        drive.stop()
        return track.pulled

    assert uvloop.run(main()) >= 4
