"""Which session the running code belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal


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
    _tell: Callable[[str, Any], None] | None = field(default=None, repr=False, compare=False)


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
    _tell("warning", text)


def send_status(text: str | None) -> None:
    """Show the client what is being done, in a few words; works wherever `send_warning` does.

    The UI shows it until the next one, or until the agent listens, thinks or speaks.

    Args:
        text: Such as `"Looking it up…"`; `None` or `""` for what the UI knows by itself.

    Raises:
        RuntimeError: If no session runs the calling code.
    """
    _tell("status", text or "")


def send_transcript(
    text: str, *, role: Literal["user", "assistant"] = "user", final: bool = True
) -> None:
    """Show the client what was said, as a `transcript`; works wherever `send_warning` does.

    What `say` is given as text is told by itself: this is for what a recogniser has made of the
    user's words, and for answers that are audio.

    Args:
        text: What was said.
        role: By whom.
        final: Whether it stands, or the next one takes its place.

    Raises:
        RuntimeError: If no session runs the calling code.
    """
    _tell("transcript", {"role": role, "text": text, "final": final})


def _tell(type: str, data: Any) -> None:
    tell = get_current_context()._tell
    if tell is None:
        raise RuntimeError(f"this session has no way to show a {type}")
    tell(type, data)
