"""Sessions end with the app that shows their UI, in whatever way Gradio was told to show it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
from gradio.routes import App

from ..stream import Stream

_streams: WeakKeyDictionary[Any, Stream] = WeakKeyDictionary()


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
            shown = [_streams[one] for one in blocks.blocks.values() if one in _streams]
            context = inner
            for stream in shown:
                context = stream.drained(context)
            return _letting_go(app, context(running)) if shown else context(running)

        app.router.lifespan_context = lifespan
        return app

    return create


@asynccontextmanager
async def _letting_go(app: App, lifespan: Any) -> AsyncIterator[Any]:
    with _heartbeats_end_with_server(app):
        async with lifespan as state:
            yield state


@contextmanager
def _heartbeats_end_with_server(app: App) -> Iterator[None]:
    """On SIGINT and SIGTERM, end the requests with which pages of Gradio show that they are open.

    A server shuts its app down when no request is left. Pages whose Blocks hold a `gr.State` have
    one that never ends, so that nothing would be drained before they are all closed.
    """
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def stop(number: int, frame: Any) -> None:
        loop.call_soon_threadsafe(app.stop_event.set)
        before[number](number, frame)

    app.stop_event.clear()
    if threading.current_thread() is threading.main_thread():
        for number in (int(signal.SIGINT), int(signal.SIGTERM)):
            if callable(handler := signal.getsignal(number)):  # that of the server
                before[number] = handler
                signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is stop:
                signal.signal(number, handler)


App.create_app = staticmethod(_drained(App.create_app))  # type: ignore[method-assign]
