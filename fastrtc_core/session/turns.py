"""The turns of a session: each is timed while it is answered, and told of when that is over."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from ..speech import LiveTurn, Playback, Speech, TurnRecord
from ..speech.live_turn import TurnTracer
from ..speech.turn_record import TurnEnding
from ..threads import on_loop
from ..tracks import AudioSource, LocalAudioTrack
from ..tracks.signal import Signal
from .calls import UserCall
from .life import Life
from .reports import Reporter
from .turn_totals import TurnTotals

logger = logging.getLogger("fastrtc_core.turns")

MAX_UNTOLD = 64
"""Records that wait for a slow `on_turn`; then the oldest is dropped."""


class Turns:
    """Times the answers of one session.

    Args:
        session_id: Named in the log.
        life: The life of the session.
        reporter: Tells the client.
        behind: How long ago in s that came which the handler hears now.
        track: Returns what is sent, if anything is.

    Attributes:
        latest: The turn that is being answered, or was last.
        totals: What became of those that are over.
        asked: Whether `on_turn` wants to be called: what waits for it is kept.
        find_travel: Finds out how long in s what has just left travels until it is heard; set by a
            transport whose client tells. Else it is half of the round trip, where that is known.
        dropped: How many records `on_turn` was too slow for.
    """

    def __init__(
        self,
        session_id: str,
        life: Life,
        reporter: Reporter,
        behind: Callable[[], float],
        track: Callable[[], LocalAudioTrack | None],
    ) -> None:
        self.latest: LiveTurn | None = None
        self.totals = TurnTotals()
        self._tracer: Callable[[LiveTurn], TurnTracer] | None = None
        self.asked = False
        self.find_travel: Callable[[], Awaitable[float | None]] = self._half_round_trip
        self.dropped = 0
        self._session_id = session_id
        self._life = life
        self._loop = life.loop
        self._reporter = reporter
        self._behind = behind
        self._track = track
        self._number = 0
        self._observers: list[Callable[[TurnRecord], None]] = []
        self._untold: deque[TurnRecord] = deque(maxlen=MAX_UNTOLD)
        self._changed = Signal()

    def observe(self, observer: Callable[[TurnRecord], None]) -> None:
        """Have a function called with each record, on the event loop, when its turn is over."""
        self._observers.append(observer)

    def trace(self, make: Callable[[LiveTurn], TurnTracer]) -> None:
        """Have a tracer made for each turn; one traces at a time."""
        self._tracer = make

    def open(self, silence: float) -> LiveTurn:
        """Time a turn that may be over; safe from any thread.

        Args:
            silence: For how long in s the user has been silent, as the handler heard it.
        """
        heard = self._loop.time() - silence
        turn = LiveTurn(self._loop.time, heard - self._behind(), heard)
        if self._tracer is not None:
            turn.tracer = self._tracer(turn)
        return turn

    def decide(self, turn: LiveTurn, ending: TurnEnding, *, queued: bool = False) -> None:
        """The turn is over for the user, and is answered; safe from any thread."""
        self._number += 1
        turn.decide(self._number, ending, queued=queued)
        before, self.latest = self.latest, turn
        if before is not None and not before.bound and not before.over:
            on_loop(self._loop, lambda: self._close(before, Playback(0.0, "", True), ""))

    def follow(self, speech: Speech) -> None:
        """A speech answers its turn, which is over when that is; called on the event loop."""
        turn = speech.turn
        if turn is not None:
            speech.when_done(lambda playback: self._close(turn, playback, speech.said.strip()))

    def listen(self, turn: LiveTurn, source: AudioSource) -> None:
        """The first sound of what is queued from now on answers it; called on the event loop."""
        source.await_sound(lambda at: turn.reach("lead"), lambda at: self._sounds(turn, at))

    async def tell_last(self, on_turn: Callable[..., Any]) -> None:
        """The session is over, and with it its turns: call `on_turn` with what it has not told."""
        if self.latest is not None and not self.latest.bound:
            self._close(self.latest, Playback(0.0, "", True), "")
        if self._untold:
            hook = UserCall(on_turn, f"on_turn-{self._session_id[:8]}")
            try:
                await self.tell(hook)
            finally:
                hook.close()

    async def run(self, hook: UserCall) -> None:
        """Call `on_turn` with each record, one after the other, until cancelled."""
        while True:
            while not self._untold:
                await self._changed.wait()
            await self.tell(hook)

    async def tell(self, hook: UserCall) -> None:
        """Call `on_turn` with the records that wait."""
        while self._untold:
            try:
                await hook(self._untold.popleft())
            except Exception as error:
                self._reporter.error(error, "on_turn")

    def _sounds(self, turn: LiveTurn, at: float) -> None:
        if turn.sounded or turn.over:
            return
        turn.sound(at)
        if self._life.running:
            self._life.own(self._add_travel(turn))

    async def _add_travel(self, turn: LiveTurn) -> None:
        """Add the way to the client, as far as the transport knows it."""
        try:
            travel = await self.find_travel()
        except Exception:
            logger.exception("session %s: the way to the client is not known", self._session_id)
            travel = None
        if travel is not None:
            turn.add("play", travel)
        if not turn.bound:  # it was emitted, and that has no end
            self._close(turn, Playback(0.0, "", False), "")

    async def _half_round_trip(self) -> float | None:
        track = self._track()
        for statistics in [] if track is None else await track.get_stats():
            if statistics.round_trip_time:
                return statistics.round_trip_time / 2
        return None

    def _close(self, turn: LiveTurn, playback: Playback, said: str) -> None:
        if turn.over:
            return
        record = turn.close(
            said=said,
            heard=playback.text,
            heard_seconds=playback.heard,
            interrupted=playback.interrupted,
            error=playback.error,
        )
        self.totals.add(record)
        if logger.isEnabledFor(logging.INFO):
            logger.info("session %s: %s", self._session_id, record)
        self._reporter.tell("turn_record", record.as_message())
        if self.asked:
            self.dropped += len(self._untold) == MAX_UNTOLD
            self._untold.append(record)
            self._changed.notify()
        if turn.tracer is not None:
            turn.tracer.end(record)
        for observer in self._observers:
            observer(record)
