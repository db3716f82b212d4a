"""The Gradio UI of a stream: the widget, the additional inputs and outputs, and their wiring."""

from __future__ import annotations

import html
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.context import Context, LocalContext

from ..stream import Stream
from .lifespan import drain_with_app
from .sessions import UISessions
from .theme import HEADER_CSS, PAGE_CSS, is_default, make_theme
from .widget import Widget, make_widget
from .wiring import wire_inputs, wire_offers, wire_outputs

CLOSE_TIMEOUT = 3.0
"""How long in s a UI that is closed waits for its sessions to end."""


class StreamBlocks(gr.Blocks):
    """Blocks that keep their look wherever they are shown, and end their sessions when closed.

    They can be launched, mounted with `gr.mount_gradio_app`, or rendered inside other Blocks.
    """

    sessions: UISessions
    header: gr.HTML
    widget: Widget

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
                    blocks.widget = widget = make_widget(stream)
                if side:
                    with gr.Column(scale=2, min_width=280, elem_classes="fastrtc-side"):
                        for component in side:
                            component.render()  # type: ignore[no-untyped-call]
            blocks.sessions = UISessions(stream)
            wire_offers(widget, stream, blocks.sessions, inputs)
            wire_inputs(widget, stream, inputs)
            if outputs:
                handler = stream.additional_outputs_handler
                wire_outputs(widget, lambda: blocks.sessions, handler, outputs, outputs)
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
