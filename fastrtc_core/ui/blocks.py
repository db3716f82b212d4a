"""The Gradio UI of a stream: the widget, the additional inputs and outputs, and their wiring."""

from __future__ import annotations

import asyncio
import html
import inspect
import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gradio as gr
from gradio.context import Context, LocalContext

from ..errors import OriginError, UnknownSessionError
from ..origins import OriginRule
from ..stream import Stream
from ..usercode import guarded
from .lifespan import drain_with_app
from .sessions import UISessions
from .theme import HEADER_CSS, PAGE_CSS, is_default, make_theme
from .widget import make_widget

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 3.0
"""How long in s a UI that is closed waits for its sessions to end."""

_RULE = OriginRule(allowed_hosts=["*"])
"""Pages of others cannot open sessions; under which names Gradio is reached is its own affair."""

_CANNOT_SHOW = "The server could not show its outputs."


class StreamBlocks(gr.Blocks):
    """Blocks that keep their look wherever they are shown, and end their sessions when closed.

    They can be launched, mounted with `gr.mount_gradio_app`, or rendered inside other Blocks.
    """

    sessions: UISessions
    header: gr.HTML

    @property  # type: ignore[override]
    def theme(self) -> gr.themes.Base:
        """The theme of the page: that of the UI unless another was chosen."""
        return self._theme

    @theme.setter
    def theme(self, theme: gr.themes.Base | None) -> None:
        # `launch` and `mount_gradio_app` put Gradio's own theme here where none was chosen.
        self._theme = make_theme() if theme is None or is_default(theme) else theme

    def launch(self, *args: Any, **kwargs: Any) -> Any:
        """See `gr.Blocks.launch`; everything that is passed here goes before the UI's own taste."""
        kwargs.setdefault("footer_links", ["gradio", "settings"])
        kwargs.setdefault("run_history", False)
        return super().launch(*args, **kwargs)

    def render(self) -> StreamBlocks:
        """Show the UI inside other Blocks, whose page keeps its own layout."""
        self.header.html_template = _header_template(page=False)
        super().render()  # type: ignore[no-untyped-call]
        return self

    def close(self, verbose: bool = True) -> None:
        """End the sessions, then the server."""
        self.sessions.close(CLOSE_TIMEOUT)
        super().close(verbose)

    def block_thread(self) -> None:
        """Serve until Ctrl+C or SIGTERM.

        Gradio's own way out of Ctrl+C waits five seconds for the pages that are open, and then
        leaves without ending anything; SIGTERM it does not notice at all.
        """
        with _interrupted_by_sigterm():
            try:
                while self.is_running:
                    time.sleep(0.1)
            except (KeyboardInterrupt, OSError):
                self.close()


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Within it, SIGTERM acts as Ctrl+C does; after it, as it would have without."""
    received: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGTERM)
    # Only the main thread may set handlers, and one of the application's own goes before ours.
    if threading.current_thread() is not threading.main_thread() or before != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if received:
            signal.raise_signal(signal.SIGTERM)


@contextmanager
def _outside_of_other_blocks() -> Iterator[gr.Blocks | None]:
    """Build something that does not belong to the Blocks whose `with` this may run in."""
    root, block = Context.root_block, Context.block
    renderable = LocalContext.renderable.set(None)
    Context.root_block = Context.block = None
    try:
        yield root
    finally:
        Context.root_block, Context.block = root, block
        LocalContext.renderable.reset(renderable)


def build_ui(stream: Stream) -> StreamBlocks:
    """Build the Gradio UI of a stream: `title` and `subtitle` come from `stream.ui_args`.

    Within the `with` of other Blocks it shows nothing there before it is rendered. Additional
    inputs and outputs that stand in those Blocks stay where they are.
    """
    title = stream.ui_args.get("title", f"{stream.modality.capitalize()} stream")
    inputs, outputs = stream.additional_inputs, stream.additional_outputs
    with _outside_of_other_blocks() as other:
        placed = other.blocks if other is not None else {}
        side = [one for one in dict.fromkeys(inputs + outputs) if one._id not in placed]
        blocks = StreamBlocks(title=title, analytics_enabled=False)
        with blocks:
            blocks.header = _make_header(title, stream.ui_args.get("subtitle", ""))
            with gr.Row(equal_height=False):
                with gr.Column(scale=3, min_width=320):
                    widget = make_widget(stream)
                if side:
                    with gr.Column(scale=2, min_width=280, elem_classes="fastrtc-side"):
                        for component in side:
                            component.render()  # type: ignore[no-untyped-call]
            blocks.sessions = UISessions(stream)
            _wire(stream, blocks.sessions, widget)
    drain_with_app(widget, stream)
    return blocks


def _make_header(title: str, subtitle: str) -> gr.HTML:
    text = f"<h1>{html.escape(title)}</h1>"
    if subtitle:
        text += f"<p>{html.escape(subtitle)}</p>"
    template = _header_template(page=True)
    return gr.HTML(value=text, html_template=template, elem_classes="fastrtc-header")


def _header_template(page: bool) -> str:
    """The header with its style, and with that of the page where the page is ours."""
    return f"<style>{PAGE_CSS if page else ''}{HEADER_CSS}</style>${{value}}"


def _wire(stream: Stream, sessions: UISessions, widget: gr.HTML) -> None:
    """Connect the events of the widget and of the additional inputs with the stream."""
    inputs, outputs = stream.additional_inputs, stream.additional_outputs

    async def offer(event: gr.EventData, request: gr.Request, *values: Any) -> str:
        body = {"sdp": event.sdp, "type": event.type, "args": list(values)}
        headers = dict(request.headers)
        try:
            _RULE.check(headers)
            answer = await stream.offer(body, headers)
        except OriginError as error:
            answer = error.body()
        if "webrtc_id" in answer:
            sessions.follow(answer["webrtc_id"])
        return json.dumps({"request": event.request, "answer": answer})

    def send_input(answer: str, *values: Any) -> None:
        # Where there is no session yet or any more, the next one gets the values with its offer.
        with suppress(UnknownSessionError):
            stream.set_input(_session_of(answer), *values)

    async def fetch_output(answer: str, *values: Any) -> Any:
        session = _session_of(answer)
        waiting = sessions.take(session)
        if not waiting:
            return gr.skip()
        try:
            for new in waiting:
                values = await _show(stream.additional_outputs_handler, values, new.args)
        except Exception:
            # Outputs come many times a second, and so would this.
            if not sessions.note_failure(session):
                return gr.skip()
            logger.exception("session %s: the additional_outputs_handler failed", session)
            notice = json.dumps({**json.loads(answer), "notice": _CANNOT_SHOW})
            return notice, *(gr.skip() for _ in outputs)
        return gr.skip(), *values

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
        widget.fetch_output(fetch_output, [widget, *outputs], [widget, *outputs], **how)


def _session_of(answer: str) -> str:
    """The id of the session that the widget holds, empty if there was none yet."""
    session: str = json.loads(answer)["answer"].get("webrtc_id", "") if answer else ""
    return session


async def _show(
    handler: Callable[..., Any] | None, old: tuple[Any, ...], new: tuple[Any, ...]
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
    values = tuple(shown) if isinstance(shown, tuple) or len(old) > 1 else (shown,)
    if len(values) != len(old):
        raise ValueError(f"{len(values)} values for {len(old)} additional outputs")
    return values
