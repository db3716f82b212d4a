"""Which session the running code belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass(frozen=True)
class Caller:
    """Who asks for a session, as far as its HTTP request tells.

    Attributes:
        headers: Of the request, names in lower case.
        address: The IP address it came from, where that is known.
        user: What the application's `user` dependency returned.
        state: The `request.state`.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    user: Any = None
    state: Any = field(default_factory=SimpleNamespace)


@dataclass(frozen=True)
class Context:
    """What is known of the session that runs a handler.

    Attributes:
        webrtc_id: The id of the session, whatever its transport.
        transport: `webrtc`, `websocket`, `telephone`, `realtime` or `in-process`.
        params: What the client sent as `params` with its offer.
        headers: Headers of the HTTP request of the offer, names in lower case.
        user: What the `user` dependency of `mount` returned for that request.
        state: The `request.state` of that request, with what dependencies and middleware put there.
    """

    webrtc_id: str
    transport: str = "webrtc"
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    user: Any = None
    state: Any = field(default_factory=SimpleNamespace)
    _warn: Callable[[str], None] | None = field(default=None, repr=False, compare=False)


current_context: ContextVar[Context] = ContextVar("fastrtc_context")


def get_current_context() -> Context:
    """The context of the session that runs the calling code.

    Works in every method of a handler, sync or async, and in the tasks that they start.

    Raises:
        RuntimeError: If no session runs the calling code.
    """
    try:
        return current_context.get()
    except LookupError:
        raise RuntimeError(
            "there is no session here: call get_current_context() from a handler's methods"
        ) from None


def send_warning(text: str) -> None:
    """Show the client a warning; works in every method of a handler, on any thread.

    Raises:
        RuntimeError: If no session runs the calling code.
    """
    warn = get_current_context()._warn
    if warn is None:
        raise RuntimeError("this session has no way to show a warning")
    warn(text)
