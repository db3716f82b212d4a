"""Plain functions as handlers: a filter from frame to frame, or a generator of frames."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Literal, TypeVar

from .errors import ConfigurationError
from .handler import StreamHandlerBase
from .outputs import CloseStream
from .usercode import guarded

Modality = Literal["audio", "video", "audio-video"]
Mode = Literal["send-receive", "send", "receive"]

H = TypeVar("H", bound=StreamHandlerBase)

FINISHED = "The stream has finished."
"""What the client is shown when a generator has yielded everything."""


class Function:
    """A callable of the user, and what is known of its signature."""

    def __init__(self, function: Callable[..., Any], leading: int) -> None:
        """`leading` is the number of arguments that come before the additional inputs."""
        target: Any = function
        while isinstance(target, functools.partial):
            target = target.func
        if not inspect.isroutine(target):
            target = getattr(target, "__call__", target)  # noqa: B004 - its kind is asked next
        self.call = function
        self.is_coroutine = inspect.iscoroutinefunction(target)
        self.is_generator = inspect.isgeneratorfunction(target)
        self.is_async_generator = inspect.isasyncgenfunction(target)
        self.is_any_generator = self.is_generator or self.is_async_generator
        self.required, self.accepted = _count_arguments(function, leading)

    def pick(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """As many of the additional inputs as the function takes."""
        return args if self.accepted is None else args[: self.accepted]


def _count_arguments(function: Callable[..., Any], leading: int) -> tuple[int, int | None]:
    """How many arguments after the leading ones are required, and accepted (`None`: any)."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin without a signature
        return 0, None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        accepted = None
    else:
        accepted = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    required = sum(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in parameters
    )
    if accepted is not None and accepted < leading:
        raise ConfigurationError(
            f"{function!r} takes {accepted} positional argument(s); it is called with a frame"
        )
    return max(0, required - leading), None if accepted is None else accepted - leading


def pick_arguments(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The first of the arguments, as many as the function takes."""
    return Function(function, leading=0).pick(args)


class _FunctionHandler(StreamHandlerBase):
    """What filters and generators share."""

    def _with_settings(self, copy: H) -> H:
        """Give a copy what was set on the prototype after it was made."""
        copy.video_format = self.video_format
        copy.max_input_latency = self.max_input_latency
        return copy


class _FilterHandler(_FunctionHandler):
    """Calls a function with each frame; what it returns is emitted."""

    def __init__(self, callable: Callable[..., Any], **options: Any) -> None:
        super().__init__(**options)
        self._options = options
        self.callable = callable
        if Function(callable, leading=0).is_any_generator:
            raise ConfigurationError(
                f"{callable!r} is a generator; generators serve with mode='receive'"
            )
        self._function = Function(callable, leading=1)
        self._process = self._process_async if self._function.is_coroutine else self._process_sync

    def _process_sync(self, frame: Any) -> Any:
        if self._ready():
            return self._function.call(frame, *self._function.pick(self.args))
        return None

    async def _process_async(self, frame: Any) -> Any:
        if self._ready():
            return await self._function.call(frame, *self._function.pick(self.args))
        return None

    def _ready(self) -> bool:
        """Whether the additional inputs that the function cannot do without have arrived."""
        return len(self.args) >= self._function.required


class AudioFunctionHandler(_FilterHandler):
    """Runs a function over the audio: `(sample_rate, array)` in, anything `emit` may return out.

    Args:
        callable: `fn(frame, *additional_inputs)`, sync or async.
        options: The arguments of `StreamHandlerBase`.
    """

    def __init__(self, callable: Callable[..., Any], **options: Any) -> None:
        options.setdefault("input_sample_rate", 48000)
        options.setdefault("output_sample_rate", options["input_sample_rate"])
        super().__init__(callable, **options)
        self.receive = self._process

    def copy(self) -> AudioFunctionHandler:
        """Make the handler of one session."""
        return self._with_settings(type(self)(self.callable, **self._options))


class VideoStreamHandler(_FilterHandler):
    """Runs a function over the video: a picture in, anything `video_emit` may return out.

    Args:
        callable: `fn(picture, *additional_inputs)`, sync or async. Pictures are uint8 arrays of
            shape `(height, width, 3)`, `bgr24`.
        fps: Pictures per second that are processed at most.
        skip_frames: Whether a slow function gets the latest picture alone. Otherwise a few are
            queued, so that an occasional slow call loses none.
    """

    def __init__(
        self, callable: Callable[..., Any], fps: int = 30, skip_frames: bool = False
    ) -> None:
        super().__init__(callable, fps=fps)
        self.skip_frames = skip_frames
        self.video_receive = self._process

    def copy(self) -> VideoStreamHandler:
        """Make the handler of one session."""
        return self._with_settings(type(self)(self.callable, self.fps, self.skip_frames))


class _GeneratorHandler(_FunctionHandler):
    """Emits what a generator yields; the session ends when the generator does."""

    def __init__(self, callable: Callable[..., Any], **options: Any) -> None:
        super().__init__(**options)
        self._options = options
        self.callable = callable
        self._function = Function(callable, leading=0)
        self._iterator: Generator[Any, None, None] | AsyncGenerator[Any, None] | None = None
        if self._function.is_generator:
            self._next: Callable[[], Any] = self._next_sync
        elif self._function.is_async_generator:
            self._next = self._next_async
        else:
            raise ConfigurationError(
                f"{callable!r} is not a generator: with mode='receive' nothing comes in, so a "
                "function must yield what is to be sent"
            )

    def _next_sync(self) -> Any:
        if self._iterator is None:
            if len(self.args) < self._function.required:
                self.wait_for_args_sync()
            self._iterator = self._function.call(*self._function.pick(self.args))
        assert isinstance(self._iterator, Generator)
        return next(self._iterator, CloseStream(FINISHED))

    async def _next_async(self) -> Any:
        if self._iterator is None:
            if len(self.args) < self._function.required:
                await self.wait_for_args()
            self._iterator = self._function.call(*self._function.pick(self.args))
        return await anext(self._iterator, CloseStream(FINISHED))  # type: ignore[arg-type]

    def shutdown(self) -> None:
        """Close the generator, so that its `finally` runs; if it still runs, its thread does."""
        iterator = self._iterator
        if isinstance(iterator, AsyncGenerator):
            asyncio.run_coroutine_threadsafe(guarded(iterator.aclose()), self.loop).result()
        elif iterator is not None and inspect.getgeneratorstate(iterator) != inspect.GEN_RUNNING:
            iterator.close()


class AudioGeneratorHandler(_GeneratorHandler):
    """Plays what a generator of audio yields.

    Args:
        callable: `fn(*additional_inputs)`, a sync or async generator of what `emit` may return.
        options: The arguments of `StreamHandlerBase`.
    """

    def __init__(self, callable: Callable[..., Any], **options: Any) -> None:
        super().__init__(callable, **options)
        self.emit = self._next

    def copy(self) -> AudioGeneratorHandler:
        """Make the handler of one session."""
        return self._with_settings(type(self)(self.callable, **self._options))


class VideoGeneratorHandler(_GeneratorHandler):
    """Shows what a generator of pictures yields, at `fps` pictures per second at most.

    Args:
        callable: `fn(*additional_inputs)`, a sync or async generator of what `video_emit` may
            return.
        options: The arguments of `StreamHandlerBase`.
    """

    def __init__(self, callable: Callable[..., Any], **options: Any) -> None:
        super().__init__(callable, **options)
        self.video_emit = self._next

    def copy(self) -> VideoGeneratorHandler:
        """Make the handler of one session."""
        return self._with_settings(type(self)(self.callable, **self._options))


def as_handler(handler: Any, modality: Modality, mode: Mode) -> StreamHandlerBase:
    """The handler that serves a modality and mode, made from a function where one was given.

    Raises:
        ConfigurationError: If it cannot serve them; the text says what is missing.
    """
    if isinstance(handler, type) and issubclass(handler, StreamHandlerBase):
        raise ConfigurationError(f"pass an instance of {handler.__name__}, not the class")
    made: StreamHandlerBase = (
        handler
        if isinstance(handler, StreamHandlerBase)
        else _from_function(handler, modality, mode)
    )
    if not hasattr(made, "args_set"):
        raise ConfigurationError(
            f"{type(made).__name__}.__init__ must call super().__init__() first"
        )
    missing = [
        name for name in _needed_methods(modality, mode) if not callable(getattr(made, name, 0))
    ]
    # A filter's result is its output: it has no method to emit.
    if isinstance(made, _FilterHandler) and mode == "send-receive":
        missing = [name for name in missing if not name.endswith("emit")]
    if missing:
        raise ConfigurationError(
            f"modality={modality!r} with mode={mode!r} needs a handler with "
            f"{' and '.join(missing)}; {type(made).__name__} has none"
        )
    return made


def _needed_methods(modality: Modality, mode: Mode) -> list[str]:
    names = []
    for medium, prefix in (("audio", ""), ("video", "video_")):
        if medium in modality:
            names += [prefix + "receive"] * (mode != "receive") + [prefix + "emit"] * (
                mode != "send"
            )
    return names


def _from_function(function: Any, modality: Modality, mode: Mode) -> StreamHandlerBase:
    if not callable(function):
        raise ConfigurationError(
            f"a handler is an instance of a StreamHandler class or a function, not {function!r}"
        )
    if modality == "audio-video":
        raise ConfigurationError(
            "modality='audio-video' needs a handler class (AudioVideoStreamHandler or "
            "AsyncAudioVideoStreamHandler): a function has one medium"
        )
    if mode == "receive":
        return (
            AudioGeneratorHandler(function)
            if modality == "audio"
            else VideoGeneratorHandler(function)
        )
    return AudioFunctionHandler(function) if modality == "audio" else VideoStreamHandler(function)
