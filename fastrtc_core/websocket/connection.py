"""One session over one socket."""

from __future__ import annotations

import asyncio
import logging

from ..allowance import Allowance
from ..errors import EndOfStreamError, MessageError
from ..frames import FRAME_DURATION, AudioFrame
from ..session import CloseReason, Session
from ..tracks import LocalAudioTrack
from .dialect import (
    Dialect,
    Discard,
    Event,
    Interrupt,
    Key,
    Later,
    Mark,
    Media,
    Reply,
    Several,
    Stop,
    Text,
    Truncated,
)
from .intake import Intake
from .outbox import Outbox
from .socket import Close, DisconnectedError, Socket
from .unplayed import Unplayed

logger = logging.getLogger(__name__)

RATE = 1000
BURST = 4000
"""Messages that a client may send in a second, and that it may save up."""

READ_TIMEOUT = 10.0
"""How long in s a client may read nothing of the answers that it asked for."""

FLUSH_TIMEOUT = 2.0
"""How long in s the last messages may take, and the last audio."""

FAREWELL_TIMEOUT = 1.0
"""How long in s the reason may take for which nothing can be sent any more."""

TAIL_GRACE = 0.04
"""How long in s after a frame the next may take that continues it, as in `media.pacing`."""

MAX_LATER = 256
"""Events that may wait until the handler has heard the audio before them."""

MAX_LATER_BYTES = 1 << 20
"""Characters of the texts among them."""

_END = "end"
_HEARD = "heard"
"""Name of the mark behind the last audio."""


_CODES = {
    CloseReason.DRAIN: Close.GOING_AWAY,
    CloseReason.CLOSED: Close.GOING_AWAY,
    CloseReason.REFUSED: Close.POLICY,
    CloseReason.ERROR: Close.INTERNAL,
}
"""How a socket is closed for what; `NORMAL` for the rest."""


class _AbuseError(Exception):
    """The client sends too much; `code` closes its socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Connection:
    """Moves audio and messages between a socket and a session, for as long as that runs.

    Args:
        socket: The client.
        dialect: How it speaks.
        session: The session.
    """

    def __init__(self, socket: Socket, dialect: Dialect, session: Session) -> None:
        self.outbox = Outbox(socket, dialect)
        self._socket = socket
        self._dialect = dialect
        self._session = session
        self._intake = (
            Intake(
                session.remote_audio,
                dialect.num_channels,
                dialect.backlog,
                session.input_room,
                session.wait_until_heard,
                self._report_loss,
            )
            if session.remote_audio
            else None
        )
        self._allowance = Allowance(RATE, BURST, session.link.loop.time())
        self._abuse: _AbuseError | None = None
        self._played = asyncio.Event()
        self._later: asyncio.Queue[Event] = asyncio.Queue(MAX_LATER)
        self._later_bytes = 0
        self._pause: asyncio.TimerHandle | None = None
        self._unplayed = Unplayed()
        self._heard: asyncio.Future[None] | None = None
        """Done when the client has played the first sound of an answer."""

    async def run(self) -> None:
        """Run the session, and close the socket."""
        session = self._session
        session.on_clear = self._clear
        session.unplayed = self._length_unplayed
        session.turns.find_travel = self._find_travel
        session.open_channel(self.outbox)
        try:
            async with asyncio.TaskGroup() as tasks:
                pumps = [self._receive(), self._write(), self._catch_up()]
                if self._intake is not None:
                    pumps.append(self._intake.run())
                if session.local_audio is not None:
                    pumps.append(self._send_audio(session.local_audio))
                running = [tasks.create_task(pump) for pump in pumps]
                try:
                    reason = await session.run()
                    await self.outbox.flush(FLUSH_TIMEOUT)
                    if reason is CloseReason.CLOSE_STREAM:
                        await self._wait_for_playout()
                finally:
                    for task in running:
                        task.cancel()
        finally:
            session.on_clear = None
            if self._pause is not None:
                self._pause.cancel()
        await self._socket.close(*self._closing(reason))

    async def _wait_for_playout(self) -> None:
        """Wait until the client has played everything, if it can tell."""
        text = self._dialect.mark(_END)
        if text is None:
            return
        self.outbox.put(text)
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await self._played.wait()
        except TimeoutError:
            logger.info("session %s: the client did not say that it had played", self._session.id)

    async def _find_travel(self) -> float | None:
        """How long in s the frame that has just left travels until it is played, if clients tell.

        The way back of the news is in it.
        """
        text = self._dialect.mark(_HEARD)
        if text is None:
            return None
        loop = asyncio.get_running_loop()
        self._heard = heard = loop.create_future()
        left = loop.time()
        self.outbox.put(text)
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await heard
        except TimeoutError:
            return None
        return max(0.0, loop.time() - left - FRAME_DURATION)

    def _closing(self, reason: CloseReason) -> tuple[int, str]:
        if self._abuse is not None:
            return self._abuse.code, str(self._abuse)
        return _CODES.get(reason, Close.NORMAL), reason.value

    async def _receive(self) -> None:
        try:
            while True:
                if self.outbox.full:
                    await self._wait_for_reader()
                data = await self._socket.receive()
                self._admit(data)
                self._take(data)
        except DisconnectedError as end:
            self._session.stop(CloseReason.LOST if end.vanished else CloseReason.CLIENT)
        except _AbuseError as abuse:
            logger.warning("session %s: %s", self._session.id, abuse)
            self._abuse = abuse
            self._session.stop(CloseReason.CLOSED)

    async def _wait_for_reader(self) -> None:
        """Take nothing more from a client before it has read some of what it asked for."""
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                await self.outbox.drain()
        except TimeoutError:
            raise _AbuseError(Close.POLICY, "asks for more than it reads") from None

    def _take(self, data: str | bytes) -> None:
        try:
            self._do(self._dialect.parse(data))
        except MessageError as error:
            self._session.reporter.tell("error", str(error))

    def _report_loss(self) -> None:
        self._session.reporter.tell(
            "error",
            f"Audio was lost: it comes faster than in real time, and {self._dialect.backlog:g} s "
            "of it wait already. Send it more slowly.",
        )

    def _do(self, event: Event) -> None:
        if isinstance(event, Media):
            if self._intake is not None:
                self._intake.push(event.frame)
        elif isinstance(event, Text):
            self._session.take_message(event.text)
        elif isinstance(event, Reply):
            self.outbox.put(event.text)
        elif isinstance(event, Key):
            self._session.take_key(event.digit)
        elif isinstance(event, Mark) and event.name == _END:
            self._played.set()
        elif isinstance(event, Mark) and event.name == _HEARD:
            if self._heard is not None and not self._heard.done():
                self._heard.set_result(None)
        elif isinstance(event, Stop):
            self._session.stop(CloseReason.CLIENT)
        elif isinstance(event, Several):
            for part in event.events:
                self._do(part)
        elif isinstance(event, Later):
            self._postpone(event.event)
        elif isinstance(event, Discard):
            if self._intake is not None:
                event.told(self._intake.discard())
        elif isinstance(event, Interrupt):
            self._interrupt()
        elif isinstance(event, Truncated):
            self._take_back(self._unplayed.correct(event.length))

    def _interrupt(self) -> None:
        if self._session.link.speech is not None:
            self._session.link.interrupt()
        else:
            self._session.link.clear_queue()

    def _postpone(self, event: Event) -> None:
        if self._later.full() or self._later_bytes > MAX_LATER_BYTES:
            raise MessageError("too many commands wait for the handler; slow down")
        self._later.put_nowait(event)
        self._later_bytes += _size_of(event)

    async def _catch_up(self) -> None:
        """Do what waits for audio, once the handler has heard that."""
        while True:
            event = await self._later.get()
            self._later_bytes -= _size_of(event)
            if self._intake is not None:
                await self._intake.wait_until_empty()
                await self._session.wait_until_heard()
            self._do(event)

    def _admit(self, data: str | bytes) -> None:
        limit = self._dialect.max_message
        if len(data) > limit:
            raise _AbuseError(Close.TOO_BIG, f"a message is larger than {limit} characters")
        if not self._allowance.take(1, self._session.link.loop.time()):
            raise _AbuseError(Close.POLICY, f"more than {RATE} messages a second")

    async def _write(self) -> None:
        try:
            await self.outbox.run()
        except DisconnectedError:
            # Whether it said goodbye is what `_receive` is about to learn.
            await asyncio.sleep(FAREWELL_TIMEOUT)
            self._session.stop(CloseReason.LOST)

    async def _send_audio(self, track: LocalAudioTrack) -> None:
        """Send each frame when it is due: the client never holds what could not be taken back."""
        while True:
            try:
                timed = await track.next_frame()
            except EndOfStreamError:
                return
            frame = AudioFrame(timed.sample_rate, timed.data)
            self._unplayed.leave(frame.duration)
            await self.outbox.send(self._dialect.audio(frame))
            self._unplayed.left(self._session.link.loop.time())
            self._expect_pause()

    def _expect_pause(self) -> None:
        if self._dialect.pause is None:
            return
        if self._pause is not None:
            self._pause.cancel()
        self._pause = self._session.link.loop.call_later(self._dialect.pause, self._paused)

    def _paused(self) -> None:
        for text in self._dialect.paused():
            self.outbox.put(text)

    def _clear(self) -> None:
        for text in self._dialect.clear():
            self.outbox.put(text)
        self._take_back(self._unplayed.take_back(self._session.link.loop.time()))

    def _length_unplayed(self) -> float:
        return self._unplayed.length(self._session.link.loop.time())

    def _take_back(self, length: float) -> None:
        if self._session.local_audio is not None:
            self._session.local_audio.take_back(length)


def _size_of(event: Event) -> int:
    return len(event.text) if isinstance(event, Text) else 0
