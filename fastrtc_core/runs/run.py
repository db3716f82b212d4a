"""One run: from an input source to a session, and from the session to a sink."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from ..context import Context, current_context
from ..errors import EndOfStreamError, UserExitError
from ..frames import AudioFrame, channels_of
from ..handler import StreamHandlerBase
from ..messages import parse_server_message
from ..registry import Registry
from ..session import CloseReason, Medium, Session, copy_handler
from ..session.calls import UserCall
from ..sources import Channels, SourceInterface, aiter_source
from ..threads import running_loop
from .busy import Busy
from .feeding import Feeder
from .progress import Progress, terminal
from .sample_clock import SampleClockLoop
from .sinks import GapFiller, Output, Sink, open_sink
from .types import RunOptions, RunResult

logger = logging.getLogger("fastrtc_core.runs")

MAX_ERRORS = 100
"""Errors of the handler that are kept; all of them stand in the log."""

PLAYOUT_LIMIT = 120.0
"""How long in s of output is waited for after the end of a source."""

AUDIO: frozenset[Medium] = frozenset({"audio"})


def run_source(
    prototype: StreamHandlerBase,
    registry: Registry,
    options: RunOptions,
    source: SourceInterface,
    *,
    sink: Sink,
    channels: Channels,
    tail: float,
    args: list[Any] | None,
    on_output: Callable[..., Any] | None,
    progress: bool,
) -> RunResult:
    """Run a session over a source to its end, on an event loop of its own; see `Stream`.

    Raises:
        RuntimeError: If an event loop is running on this thread.
    """
    if running_loop() is not None:
        raise RuntimeError(
            "an event loop is running here: use `await asyncio.to_thread(stream.run_source, …)`"
        )
    run = _Run(source, sink, channels, tail, on_output, progress)
    # A source that waits is run as fast as it can be, and the clock goes by its samples.
    real_time = getattr(source, "real_time", True)
    with asyncio.Runner(loop_factory=None if real_time else SampleClockLoop) as runner:
        return runner.run(run.serve(prototype, registry, options, args))


class _Run:
    """The client's end of the session.

    Args:
        source: What it says.
        sink: Where what it hears goes.
        channels: Which channels of the source it says.
        tail: How long in s it listens on after its last word.
        on_output: Called with the additional outputs.
        progress: Whether to show how far it is.
    """

    raw = None
    asks = False

    def __init__(
        self,
        source: SourceInterface,
        sink: Sink,
        channels: Channels,
        tail: float,
        on_output: Callable[..., Any] | None,
        progress: bool,
    ) -> None:
        self._source = source
        self._sink = sink
        self._channels = channels
        self._tail = tail
        self._on_output = on_output
        self._progress = progress
        self._result = RunResult()
        self._failure: Exception | None = None

    async def serve(
        self,
        prototype: StreamHandlerBase,
        registry: Registry,
        options: RunOptions,
        args: list[Any] | None,
    ) -> RunResult:
        """Serve the session from its beginning to its end."""
        async with registry.slot() as slot:
            context = Context(slot.id, "source")
            token = current_context.set(context)
            try:
                handler = await copy_handler(prototype, slot.id)
            finally:
                current_context.reset(token)
            if args is not None:
                handler.set_args(args)
            output = open_sink(
                self._sink, handler.output_sample_rate, channels_of(handler.expected_layout)
            )
            try:
                session = Session(
                    handler,
                    context,
                    receives=AUDIO,
                    sends=AUDIO if options.sends else frozenset(),
                    time_limit=options.time_limit,
                    hooks=options.hooks,
                )
                slot.attach(session)
                session.open_channel(self)
                await self._serve(session, output)
            finally:
                output.close()
        if self._failure is not None:
            raise self._failure
        return self._result

    async def _serve(self, session: Session, output: Output) -> None:
        busy = Busy()
        async with asyncio.TaskGroup() as tasks:
            if session.local_audio is not None:
                tasks.create_task(self._play(session, output, busy))
            if self._on_output is not None:
                call = UserCall(self._on_output, "on_output")
                tasks.create_task(self._hand_out(session, call, busy))
            feeding = tasks.create_task(self._feed(session, busy))
            try:
                await session.run()
            finally:
                feeding.cancel()
        self._result.close_reason = session.close_reason

    async def _feed(self, session: Session, busy: Busy) -> None:
        """Say what comes from the source, listen on for a while, and end the session."""
        feeder = Feeder(session, self._channels, busy)
        duration = getattr(self._source, "duration", None) if self._progress else None
        progress = Progress(duration, terminal(self._progress))
        blocks = aiter_source(self._source)
        expected = 0
        try:
            try:
                async for block in blocks:
                    await feeder.feed(block, expected)
                    expected = block.end
                    self._result.duration = block.end / block.sample_rate
                    progress.show(self._result.duration)
            except Exception as error:
                self._fail(error)  # what the handler makes of the rest is written all the same
            await feeder.rest(self._tail)
            await feeder.play_out(PLAYOUT_LIMIT)
        except Exception as error:
            self._fail(error)
        finally:
            progress.finish(self._result.duration)
            self._result.dropped = blocks.dropped
            session.stop(CloseReason.CLIENT)
            with contextlib.suppress(Exception):  # reported when it happened
                await blocks.aclose()

    async def _play(self, session: Session, output: Output, busy: Busy) -> None:
        """Write what the session sends, until it ends."""
        track = session.local_audio
        assert track is not None
        rate = track.source.sample_rate
        gap_filler = GapFiller(output, rate, track.source.num_channels)
        try:
            while True:
                timed = await track.next_frame()
                with busy:
                    await gap_filler.write(timed.timestamp, AudioFrame(rate, timed.data))
                self._result.written = gap_filler.written / rate
        except EndOfStreamError:
            return
        except Exception as error:
            self._fail(error)
            session.stop(CloseReason.CLIENT)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error

    async def _hand_out(self, session: Session, call: UserCall, busy: Busy) -> None:
        try:
            async for output in session.outputs.subscribe():
                with busy:
                    try:
                        await call(*output.args)
                    except UserExitError as error:
                        self._fail(error)
                        session.stop(CloseReason.ERROR)
                    except Exception:
                        logger.exception("on_output failed")
        finally:
            call.close()

    # The message channel of the session

    def post(self, text: str) -> None:
        """Take a message from the session: what is an error is kept, the rest has no reader."""
        message = parse_server_message(text)
        if message.type == "error" and len(self._result.errors) < MAX_ERRORS:
            self._result.errors.append(str(message.data))

    async def drain(self) -> None:
        """There is always room."""
