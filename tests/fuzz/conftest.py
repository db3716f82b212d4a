"""Fails a fuzz test that leaves a complaint in the log."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest

THEIRS = ("asyncio", "aiortc", "aioice")
"""Whose warnings are complaints too: what they did not expect was not kept from them."""

NOT_OURS = (
    # Text that is no UTF-8 is an error to uvicorn, and a second such frame one in it. Both end the
    # connection, and nothing else.
    "Invalid UTF-8 sequence received from client",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)


@pytest.fixture(autouse=True)
def no_complaints() -> Iterator[None]:
    """No exception in a task that nobody awaits, in a callback, or in a request."""
    complaints: list[str] = []
    formatter = logging.Formatter("%(name)s: %(message)s")
    # Not a handler: uvicorn's loggers keep their records to themselves.
    original = logging.getLogRecordFactory()

    def note(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = original(*args, **kwargs)
        level = logging.WARNING if record.name.startswith(THEIRS) else logging.ERROR
        if record.levelno >= level:
            text = formatter.format(record)
            if "fastrtc_core/" in text or not any(known in text for known in NOT_OURS):
                complaints.append(text)
        return record

    logging.setLogRecordFactory(note)
    try:
        yield
        gc.collect()  # a task tells of its exception when it goes
    finally:
        logging.setLogRecordFactory(original)
    assert not complaints, "\n".join(complaints[:3])
