"""Events of a widget: an offer, the additional inputs, and the outputs that its page shows.

What functions get of a widget is the id of its session; what they return to it is its value, a JSON
text.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import gradio as gr

from ..errors import OriginError, UnknownSessionError
from ..origins import OriginRule
from ..stream import Stream
from ..usercode import guarded
from .sessions import UISessions
from .widget import Widget

logger = logging.getLogger(__name__)

_RULE = OriginRule(allowed_hosts=["*"])
"""Pages of others cannot open sessions; under which names Gradio is reached is its own affair."""

_CANNOT_SHOW = "The server could not show its outputs."

_HOW: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "queue": False,
    "trigger_mode": "always_last",
}


_AGAIN = ("webrtc_id", "secret", "tracks", "receives")
"""What further offers of a page have; see docs/protocol.md."""


def wire_offers(
    widget: Widget, stream: Stream, sessions: UISessions, inputs: Sequence[Any]
) -> None:
    """Open a session of a stream whenever the widget offers one."""

    async def offer(event: gr.EventData, request: gr.Request, *values: Any) -> str:
        body = {"sdp": event.sdp, "type": event.type, "args": list(values)}
        further = {name: getattr(event, name, None) for name in _AGAIN}
        resume = getattr(event, "resume", None)
        if further["secret"] is not None:  # a session that stands
            body |= further
        elif resume is not None:
            body |= {"resume": resume, "webrtc_id": further["webrtc_id"]}
        headers = dict(request.headers)
        try:
            _RULE.check(headers)
            answer = await stream.offer(body, headers)
        except OriginError as error:
            answer = error.body()
        if "webrtc_id" in answer and further["secret"] is None and not isinstance(resume, str):
            sessions.follow(answer["webrtc_id"])
        return json.dumps({"request": event.request, "answer": answer})

    widget.offer(offer, list(inputs), widget, **_HOW)


def wire_inputs(
    widget: Widget, stream: Stream, inputs: Sequence[Any], *, on: str = "change"
) -> None:
    """Send a session the additional inputs when they change, and when it asks for them.

    Args:
        widget: What opens the session.
        stream: The stream of the session.
        inputs: The components.
        on: The event of theirs that sends: `change` or `submit`.
    """

    def send_input(session: str, *values: Any) -> None:
        # Where there is no session yet or any more, the next one gets the values with its offer.
        with suppress(UnknownSessionError):
            stream.set_input(session, *values)

    if not inputs:
        return
    events = [getattr(component, on) for component in inputs if hasattr(component, on)]
    if events:
        gr.on(events, send_input, [widget, *inputs], **_HOW)
    widget.send_input(send_input, [widget, *inputs], **_HOW)


def wire_outputs(
    widget: Widget,
    sessions: Callable[[], UISessions | None],
    handler: Callable[..., Any] | None,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
) -> None:
    """Show what a handler puts out.

    Args:
        widget: What opens the session.
        sessions: Returns the sessions that it has opened; asked when there is something to show.
        handler: `handler(*present, *new)`, sync or async: what to show. The new ones by default.
        inputs: Components whose present values it gets first.
        outputs: Components that show what it returns.
    """
    inputs, outputs = list(inputs), list(outputs)

    async def fetch_output(session: str, *values: Any) -> Any:
        opened = sessions()
        waiting = opened.take(session) if opened is not None else []
        if opened is None or not waiting:
            return gr.skip()
        present = list(values)
        shown: tuple[Any, ...] = ()
        try:
            for new in waiting:
                shown = await _show(handler, tuple(present), new.args, len(outputs))
                # The next ones find what these have just put there.
                for component, value in zip(outputs, shown, strict=True):
                    if component in inputs:
                        present[inputs.index(component)] = value
        except Exception:
            # Outputs come many times a second, and so would this.
            if not opened.note_failure(session):
                return gr.skip()
            logger.exception("session %s: the additional_outputs_handler failed", session)
            notice = json.dumps({"answer": {"webrtc_id": session}, "notice": _CANNOT_SHOW})
            return notice, *(gr.skip() for _ in outputs)
        return gr.skip(), *shown

    widget.fetch_output(fetch_output, [widget, *inputs], [widget, *outputs], **_HOW)


async def _show(
    handler: Callable[..., Any] | None, old: tuple[Any, ...], new: tuple[Any, ...], count: int
) -> tuple[Any, ...]:
    """What the output components show after `new`; a sync handler runs on a thread.

    Raises:
        ValueError: If it is not one value for each component.
    """
    if handler is None:
        shown: Any = new
    elif inspect.iscoroutinefunction(handler):
        shown = await guarded(handler(*old, *new))
    else:
        shown = await guarded(asyncio.to_thread(handler, *old, *new))
    # As in any function for Gradio: one component takes what is returned, more take a sequence.
    values = tuple(shown) if isinstance(shown, tuple) or count > 1 else (shown,)
    if len(values) != count:
        raise ValueError(f"{len(values)} values for {count} additional outputs")
    return values
