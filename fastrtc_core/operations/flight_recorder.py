"""`FlightRecorder`: keeps what a session was given, so that it can be run again."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import queue
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..frames import AudioFrame
from ..session import CloseReason, Observed
from .recording import Event, Header, Kind, pack, pack_header

logger = logging.getLogger(__name__)

CAPACITY = 2048
"""Events that wait for a slow disk, 40 s of audio; then the recording ends."""

FLUSH_INTERVAL = 5.0
"""How often in s what was written is made readable for who looks while the session runs."""

Redact = Callable[[Event], "Event | None"]


class FlightRecorder:
    """Records sessions, each to a file of its own, for `fastrtc-core replay`.

    A recording holds the audio of the client and all messages. That is personal data: record only
    with consent, keep the folder private, and use `redact` to leave out what you may not keep.

    A minute of mono audio at 24 kHz takes some 3 MB. Pictures are not recorded.

    Args:
        folder: Where files go; made if it does not exist. Their names are the time and the id.
        redact: Called with each `Event`, on a thread; returns it, another one in its place, or
            `None` to leave it out.

    Raises:
        ConfigurationError: If the folder cannot be made.
    """

    def __init__(self, folder: str | Path, *, redact: Redact | None = None) -> None:
        self.folder = Path(folder)
        self._redact = redact
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"recordings cannot be kept in {folder}: {error}") from None

    @contextmanager
    def __call__(self, session: Observed) -> Iterator[Callable[[CloseReason], None]]:
        """Record a session while it runs; call what it yields with the reason of the end."""
        loop = asyncio.get_running_loop()
        context, began = session.context, loop.time()
        args = session.handler.args
        header = Header(
            context.webrtc_id,
            context.transport,
            dict(context.params),
            list(args) if args else None,
            session.remote_audio is not None,
            session.local_audio is not None,
            session.time_limit,
            version("fastrtc-core"),
        )
        writer = _Writer(self.folder / _name_of(context.webrtc_id), header, self._redact)

        def note(kind: Kind, data: Any) -> None:
            writer.put(Event(loop.time() - began, kind, data))

        session.observe(note)
        if session.remote_audio is not None:
            session.remote_audio._attach(_AudioTap(note))
        try:
            yield lambda reason: note("end", reason.value)
        finally:
            session.observe(None)
            writer.close()


class _AudioTap:
    """Reads a track; it has ended before the recorder does."""

    def __init__(self, note: Callable[[Kind, Any], None]) -> None:
        self._note = note

    def _push(self, frame: AudioFrame) -> None:
        self._note("audio", frame)

    def _end(self) -> None:
        pass


class _Writer:
    """Writes events on a thread of its own, so that no disk delays the event loop."""

    def __init__(self, path: Path, header: Header, redact: Redact | None) -> None:
        self._path = path
        self._header = header
        self._redact = redact
        self._events: queue.Queue[Event | None] = queue.Queue(CAPACITY)
        self._failed = False
        threading.Thread(target=self._run, name=f"record-{path.name}", daemon=True).start()

    def put(self, event: Event) -> None:
        """Have an event written; where the disk is too slow, the recording ends before it."""
        if self._failed:
            return
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._failed = True
            logger.warning("the recording %s ends early: the disk is too slow", self._path)

    def close(self) -> None:
        """Write what waits, and close the file, without waiting for it."""
        # A full queue is drained by the thread, which ends by the flag then.
        self._failed = True
        with contextlib.suppress(queue.Full):
            self._events.put_nowait(None)

    def _run(self) -> None:
        try:
            with gzip.open(self._path, "wt", compresslevel=1, encoding="utf-8") as file:
                file.write(pack_header(self._header))
                flushed = time.monotonic()
                while (event := self._next()) is not None:
                    kept = event if self._redact is None else self._redact(event)
                    if kept is not None:
                        file.write(pack(kept))
                    if time.monotonic() - flushed > FLUSH_INTERVAL:
                        file.flush()
                        flushed = time.monotonic()
        except OSError as error:
            self._failed = True
            logger.error("the recording %s ends early; the session goes on: %s", self._path, error)
        except Exception:
            self._failed = True
            logger.exception("the recording %s has failed; the session goes on", self._path)

    def _next(self) -> Event | None:
        while True:
            try:
                return self._events.get(timeout=FLUSH_INTERVAL)
            except queue.Empty:
                if self._failed:
                    return None


def _name_of(webrtc_id: str) -> str:
    # Ids are chosen by clients, and two sessions may have the same one after the other.
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", webrtc_id)[:32]
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{safe}-{secrets.token_hex(3)}.jsonl.gz"
