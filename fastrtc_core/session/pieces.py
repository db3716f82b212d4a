"""What a source of speech says, piece by piece, whatever kind of source it is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any

import numpy as np

from ..errors import ConfigurationError
from ..handler.functions import Function
from ..outputs import AdditionalOutputs, CloseStream, split_emitted
from ..usercode import call_guarded, guarded
from .session_thread import SessionThread

_END = object()

NO_TTS = (
    "a text cannot be said without a voice: set self.tts in the handler to an object with "
    "stream_tts(text), stream_tts_sync(text) or tts(text)"
)

NOBODY_HEARS = (
    "The server has something to say, but this session receives no audio: mode='send', or a client "
    "that only sends. Use mode='send-receive', or put out AdditionalOutputs alone."
)


async def pieces_of(source: Any, thread: SessionThread) -> AsyncGenerator[Any]:
    """Yield what a source says; its sync code runs on the thread.

    Args:
        source: A text, what `emit` may return, a sync or async iterator of these, an awaitable of
            any, or a function of no arguments that returns any.
        thread: A thread for this source alone; its owner closes it. A generator that is not at its
            end then is closed on it.
    """
    while True:
        if callable(source):
            source = await _called(source, thread)
        elif inspect.isawaitable(source):
            source = await guarded(source)
        else:
            break
    if isinstance(source, AsyncIterable):
        async for piece in _closing(call_guarded(aiter, source)):
            yield piece
    elif _is_one(source):
        yield source
    elif isinstance(source, Iterable):
        iterator = await thread.run(iter, source)
        close = getattr(iterator, "close", None)
        if close is not None:
            thread.at_close(close)
        while (piece := await thread.run(next, iterator, _END)) is not _END:
            yield piece
    elif source is not None:
        yield source  # nothing that can be said: whoever plays it tells why


def voice_of(tts: Any) -> Callable[[str], Any]:
    """How a text-to-speech engine is called: text in, a source of speech out.

    Raises:
        ConfigurationError: If there is none, or it has none of the methods.
    """
    for name in ("stream_tts", "stream_tts_sync", "tts"):
        method = getattr(tts, name, None)
        if callable(method):
            return functools.partial(functools.partial, method)
    raise ConfigurationError(NO_TTS)


def is_sound(source: Any) -> bool:
    """Whether a source is itself something to be heard, and not a way to get at it."""
    value = split_emitted(source)[0]
    return value is not None and _is_one(value)


async def _called(source: Callable[..., Any], thread: SessionThread) -> Any:
    function = Function(source, leading=0)
    if function.is_coroutine or function.is_any_generator:
        return call_guarded(source)  # this runs nothing of it yet
    return await thread.run(source)


def _is_one(source: Any) -> bool:
    """Whether it is one piece, although some of these can be iterated over."""
    return isinstance(source, (str, bytes, tuple, dict, np.ndarray, AdditionalOutputs, CloseStream))


async def _closing(iterator: AsyncIterator[Any]) -> AsyncGenerator[Any]:
    try:
        while True:
            try:
                piece = await guarded(anext(iterator))
            except StopAsyncIteration:
                return
            yield piece
    finally:
        if isinstance(iterator, AsyncGenerator):
            await guarded(iterator.aclose())
