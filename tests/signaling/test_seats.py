"""The seat of a client that comes and goes: any order of what may happen, against a model."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import AsyncStreamHandler, CloseReason, Context
from fastrtc_core.errors import OfferError
from fastrtc_core.session import Session
from fastrtc_core.session.life import SessionState
from fastrtc_core.signaling.seats import Seat
from fastrtc_core.signaling.standing import StandingClients
from fastrtc_core.testing import run_virtual
from fastrtc_core.webrtc.attachment import Attachment
from fastrtc_core.webrtc.flows import Flows

from ..examples import tries

TIMEOUT = 10.0
BOTH = Flows(frozenset({"audio"}), frozenset({"audio"}))


class Counting(AsyncStreamHandler):
    """Counts how often its client was away and back."""

    def __init__(self) -> None:
        super().__init__()
        self.away = self.back = self.ended = 0

    async def receive(self, frame: Any) -> None:
        pass

    async def emit(self) -> None:
        await asyncio.Event().wait()

    async def on_pause(self) -> None:
        assert self.away == self.back
        self.away += 1

    def on_resume(self) -> None:
        self.back += 1
        assert self.away == self.back

    async def shutdown(self) -> None:
        self.ended += 1

    def copy(self) -> Counting:
        return Counting()


class Trial:
    """A seat, and what should be true of it."""

    def __init__(self) -> None:
        self.handler = Counting()
        self.session = Session(self.handler, Context("one"), resumable=True)
        self.seats = StandingClients[Seat]()
        self.seat = Seat(self.session, TIMEOUT, self.seats)
        self.made: list[Attachment] = []
        self.coming: Attachment | None = None
        self.there: Attachment | None = None
        self.away_since: float | None = None
        self.tokens: list[str] = []
        """All that ever counted; the last one does now."""

    async def offer(self) -> None:
        """An offer with the token that counts."""
        try:
            attachment = self.seat.expect(BOTH)
        except OfferError:
            assert self.over or self.late
            return
        assert not self.late
        before, self.coming = self.coming, attachment
        self.made.append(attachment)
        if before is not None:
            assert before.over, "it has given way"
        if self.there is not None:
            self.leave()
        self.tokens.append(self.seat.offered)

    async def connect(self) -> None:
        """It stands."""
        if self.coming is None:
            return
        taken = self.seat.take(self.coming, cast(Any, object()))
        assert taken != self.over
        if taken:
            self.there, self.coming, self.away_since = self.coming, None, None

    async def fail(self) -> None:
        """It never stands."""
        if self.coming is not None:
            self.seat.give_up(self.coming)
            self.coming = None

    async def lose(self) -> None:
        """The connection that stands is lost."""
        if self.there is not None:
            self.there.stop(CloseReason.CLIENT)
            if not self.over:
                self.leave()

    async def lose_an_old_one(self) -> None:
        """A connection says late that it is over: nobody cares."""
        for attachment in self.made:
            if attachment not in (self.there, self.coming):
                attachment.stop(CloseReason.LOST)

    async def wait(self) -> None:
        await asyncio.sleep(TIMEOUT / 3)

    def leave(self) -> None:
        self.there, self.away_since = None, asyncio.get_running_loop().time()

    @property
    def over(self) -> bool:
        return self.session.close_reason is not None

    @property
    def late(self) -> bool:
        if self.away_since is None:
            return False
        return asyncio.get_running_loop().time() >= self.away_since + TIMEOUT

    def check(self) -> None:
        alive = [one for one in self.made if not one.over]
        if not self.over:
            assert alive == [one for one in (self.there, self.coming) if one is not None]
            assert (self.session.state is SessionState.PAUSED) == (self.there is None)
            assert self.late <= (self.coming is not None), "it waits for what was in time alone"
        for token in self.tokens:
            try:
                found = self.seats.find("one", token)
            except OfferError:
                continue
            assert found is self.seat
            assert token == self.valid

    @property
    def valid(self) -> str:
        return self.seat._known.secret if self.seat._known is not None else ""


STEPS = ["offer", "connect", "fail", "lose", "lose_an_old_one", "wait"]


@settings(deadline=None, max_examples=tries(150))
@given(st.lists(st.sampled_from(STEPS), max_size=14))
def test_any_order(steps: list[str]) -> None:
    """One connection at a time, and a session that waits no longer than it should."""

    async def live() -> Counting:
        trial = Trial()
        await trial.offer()
        async with asyncio.TaskGroup() as tasks:
            await trial.connect()
            running = tasks.create_task(trial.session.run())
            await asyncio.sleep(0.01)
            for step in steps:
                await getattr(trial, step)()
                await asyncio.sleep(0.01)
                trial.check()
            await trial.fail()
            await trial.lose()
            await asyncio.sleep(TIMEOUT + 0.1)
            assert trial.over
            assert await running is CloseReason.LOST
        trial.seat.close()
        assert all(one.over for one in trial.made)
        assert trial.handler.away - trial.handler.back in (0, 1)
        return trial.handler

    handler = run_virtual(live())
    assert handler.ended == 1
    assert handler.away >= 1
