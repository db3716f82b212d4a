"""Sessions end with the app that shows their UI, in whatever way Gradio was told to show it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import gradio as gr
from gradio.routes import App

from ..stream import _drain_at_shutdown

if TYPE_CHECKING:
    from ..stream import Stream

_streams: WeakKeyDictionary[gr.HTML, Stream] = WeakKeyDictionary()


def drain_with_app(widget: gr.HTML, stream: Stream) -> None:
    """Drain a stream when an app shuts down that shows its widget, in whichever Blocks that is."""
    _streams[widget] = stream


def _drained(create_app: Any) -> Any:
    """`App.create_app`, for apps that drain the streams of their widgets.

    Gradio calls nothing of a Blocks when its app shuts down, and the widget may stand in Blocks
    that are not ours. Every app of Gradio comes from here: that of `launch`, and that of
    `mount_gradio_app`, whose lifespan becomes a part of the other app's.
    """

    @wraps(create_app)
    def create(blocks: gr.Blocks, *args: Any, **kwargs: Any) -> App:
        app: App = create_app(blocks, *args, **kwargs)
        inner = app.router.lifespan_context

        def lifespan(running: Any) -> Any:
            context = inner
            for block in list(blocks.blocks.values()):
                if isinstance(block, gr.HTML) and block in _streams:
                    context = _drain_at_shutdown(_streams[block], context)
            return context(running)

        app.router.lifespan_context = lifespan
        return app

    return create


App.create_app = staticmethod(_drained(App.create_app))
