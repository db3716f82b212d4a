"""The Gradio UI of a stream: the widget, the additional inputs and outputs, and their wiring."""

from __future__ import annotations

import asyncio
import html
import inspect
import json
from typing import TYPE_CHECKING, Any

import gradio as gr

from ..errors import UnknownSessionError
from .theme import CSS, make_theme
from .widget import make_widget

if TYPE_CHECKING:
    from gradio.components import Component

    from ..stream import Stream


class StreamBlocks(gr.Blocks):
    """Blocks that launch with the theme of the UI unless another one is asked for."""

    def launch(self, *args: Any, **kwargs: Any) -> Any:
        """See `gr.Blocks.launch`; everything that is passed here goes before the UI's own taste."""
        kwargs.setdefault("theme", make_theme())
        kwargs.setdefault("css", CSS)
        kwargs.setdefault("footer_links", ["gradio", "settings"])
        kwargs.setdefault("run_history", False)
        return super().launch(*args, **kwargs)


def build_ui(stream: Stream) -> StreamBlocks:
    """Build the Gradio UI of a stream.

    `stream.ui_args` may hold `title`, `subtitle` and `hide_title`.
    """
    ui_args = stream.ui_args or {}
    title = ui_args.get("title") or f"{stream.modality.capitalize()} stream"
    inputs = list(stream.additional_inputs or [])
    outputs = list(stream.additional_outputs or [])
    with StreamBlocks(title=title, analytics_enabled=False) as blocks:
        if not ui_args.get("hide_title"):
            _make_header(title, ui_args.get("subtitle"))
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                widget = make_widget(
                    {
                        "modality": stream.modality,
                        "mode": stream.mode,
                        "trackConstraints": stream.track_constraints or {},
                    }
                )
            if inputs or outputs:
                with gr.Column(scale=2, min_width=280, elem_classes="fastrtc-side"):
                    for component in dict.fromkeys(inputs + outputs):
                        component.render()
        _wire(stream, widget, inputs, outputs)
    return blocks


def _make_header(title: str, subtitle: str | None) -> None:
    text = f"<h1 style='text-align:center;margin:0'>{html.escape(title)}</h1>"
    if subtitle:
        text += f"<p style='text-align:center;margin:8px 0 0;opacity:.75'>{html.escape(subtitle)}</p>"
    gr.HTML(value=text)


def _wire(
    stream: Stream, widget: gr.HTML, inputs: list[Component], outputs: list[Component]
) -> None:
    """Connect the events of the widget and of the inputs with the stream."""

    async def offer(event: gr.EventData, *values: Any) -> str:
        body = {"sdp": event.sdp, "type": event.type, "args": list(values)}
        return json.dumps({"request": event.request, "answer": await stream.offer(body)})

    async def send_input(answer: str, *values: Any) -> None:
        session = _session_of(answer)
        if session:
            try:
                stream.set_input(session, *values)
            except UnknownSessionError:
                pass  # the session has ended: the next one gets the values with its offer

    async def fetch_output(answer: str, *old: Any) -> Any:
        try:
            latest = stream.fetch_latest_output(_session_of(answer))
        except UnknownSessionError:
            return gr.skip()
        new = await _call(stream.additional_outputs_handler, *old, *latest.args)
        return new

    how: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "queue": False,
        "trigger_mode": "always_last",
    }
    widget.offer(offer, inputs, widget, **how)
    if inputs:
        changes = [component.change for component in inputs if hasattr(component, "change")]
        gr.on(changes, send_input, [widget, *inputs], **how)
        widget.send_input(send_input, [widget, *inputs], **how)
    if outputs:
        widget.fetch_output(fetch_output, [widget, *outputs], outputs, **how)


def _session_of(answer: str) -> str:
    """The id of the session that the widget holds, empty if there was none yet."""
    if not answer:
        return ""
    session: str = json.loads(answer)["answer"].get("webrtc_id", "")
    return session


async def _call(function: Any, *args: Any) -> Any:
    """Call what the user wrote, on a thread unless it is async."""
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    return await asyncio.to_thread(function, *args)
