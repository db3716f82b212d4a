"""What FastRTC's functions get and raise beside audio and pictures."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..context import send_warning
from ..errors import HandlerError


@dataclass
class WebRTCData:
    """One turn, where the client has a text box: `variant="textbox"`.

    Attributes:
        webrtc_id: The session.
        textbox: What was typed.
        audio: What was said: `(sample_rate, array)`, of shape `(channels, samples)`.
    """

    webrtc_id: str
    textbox: str = ""
    audio: Any | None = None


class WebRTCError(HandlerError):
    """Raise this in a handler to show its text to the client.

    In FastRTC to make one is enough; here it must be raised.
    """


def Warning(message: str = "Warning issued.") -> None:
    """Show the client of the running session a warning. Where no session runs, it does nothing."""
    with suppress(RuntimeError):
        send_warning(message)


async def wait_for_item(queue: asyncio.Queue[Any], timeout: float = 0.1) -> Any:
    """The next item of a queue; `None` if there is none within `timeout` s.

    Here an `emit` may wait for its queue as long as it likes: `await queue.get()` is cheaper.
    """
    try:
        async with asyncio.timeout(timeout):
            return await queue.get()
    except TimeoutError:
        return None
