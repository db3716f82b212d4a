"""Plain functions as handlers: a filter from frame to frame, or a generator of frames."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Literal, Self

from ..abandonment import wait_for_sync
from ..errors import ConfigurationError
from ..outputs import CloseStream
from ..usercode import guarded
from .base import StreamHandlerBase
from .kinds import implements

Modality = Literal["audio", "video", "audio-video"]
Mode = Literal["send-receive", "send", "receive"]

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
    """Serves a function: a filter by what comes in, a generator by what is to go out.

    Args:
        callable: The function.
        prefix: Of the methods of its medium: none for audio, `video_` for video.
        options: The arguments of `StreamHandlerBase`.
    """

    def __init__(self, callable: Callable[..., Any], prefix: str, **options: Any) -> None:
        super().__init__(**options)
        self.callable = callable
        self._options = options
        self._asked = False
        self._iterator: Generator[Any, None, None] | AsyncGenerator[Any, None] | None = None
        self._function = function = Function(callable, leading=0)
        if function.is_any_generator:
            emit = self._next_async if function.is_async_generator else self._next_sync
            setattr(self, f"{prefix}emit", emit)
        else:
            self._function = Function(callable, leading=1)
            process = self._process_async if function.is_coroutine else self._process_sync
            setattr(self, f"{prefix}receive", process)

    @property
    def is_generator(self) -> bool:
        """Whether it emits what a generator yields; otherwise it calls a filter."""
        return self._function.is_any_generator

    def shutdown(self) -> None:
        """Close the generator, so that its `finally` runs; if it still runs, its thread does."""
        iterator = self._iterator
        if isinstance(iterator, AsyncGenerator):
            wait_for_sync(guarded(iterator.aclose()), self.loop)
        elif iterator is not None and inspect.getgeneratorstate(iterator) != inspect.GEN_RUNNING:
            iterator.close()

    def _lacks_args(self) -> bool:
        """Whether the function accepts inputs, and none have arrived."""
        return self._function.accepted != 0 and not self.args_set.is_set()

    # Filters

    def _process_sync(self, frame: Any) -> Any:
        if self._ready():
            return self._function.call(frame, *self._function.pick(self.args))
        return None

    async def _process_async(self, frame: Any) -> Any:
        if self._ready():
            return await self._function.call(frame, *self._function.pick(self.args))
        return None

    def _ready(self) -> bool:
        """Whether the additional inputs that the filter cannot do without have arrived.

        The first frame asks for them; no frame waits for the answer.
        """
        enough = len(self.args) >= self._function.required
        if self._link is None or not self._lacks_args():
            return enough
        if not self._can_ask:
            return True  # the call tells what is missing
        if not self._asked:
            self._asked = True
            self.post_message({"type": "send_input", "data": []})
        return enough

    # Generators

    def _next_sync(self) -> Any:
        if self._iterator is None:
            if self._lacks_args():
                self._wait_for(self._fetch_args)
            self._iterator = self._function.call(*self._function.pick(self.args))
        assert isinstance(self._iterator, Generator)
        return next(self._iterator, CloseStream(FINISHED))

    async def _next_async(self) -> Any:
        if self._iterator is None:
            if self._lacks_args():
                await self._fetch_args()
            self._iterator = self._function.call(*self._function.pick(self.args))
        return await anext(self._iterator, CloseStream(FINISHED))  # type: ignore[arg-type]

    async def _fetch_args(self) -> None:
        """Get the inputs that the generator accepts; only those that it requires are a must."""
        if self._function.required:
            await self.wait_for_args()
        else:
            await self.refresh_args()


class AudioFunctionHandler(_FunctionHandler):
    """Runs a function over the audio, or plays what a generator yields.

    Args:
        callable: `fn(frame, *additional_inputs)`, sync or async: `(sample_rate, array)` in,
            anything `emit` may return out. Or, with `mode="receive"`, `fn(*additional_inputs)`, a
            sync or async generator of what `emit` may return.
        options: The arguments of `StreamHandlerBase`. A filter has 48 kHz by default, both ways.
    """

    def __init__(self, callable: Callable[..., Any], **options: Any) -> None:
        if not Function(callable, leading=0).is_any_generator:
            options.setdefault("input_sample_rate", 48000)
            options.setdefault("output_sample_rate", options["input_sample_rate"])
        super().__init__(callable, "", **options)

    def copy(self) -> Self:
        """Make the handler of one session."""
        return type(self)(self.callable, **self._options).take_settings(self)


class VideoStreamHandler(_FunctionHandler):
    """Runs a function over the video, or shows what a generator yields.

    Args:
        callable: `fn(picture, *additional_inputs)`, sync or async: a picture in, anything
            `video_emit` may return out. Pictures are uint8 arrays of shape `(height, width, 3)`,
            `bgr24`. Or, with `mode="receive"`, `fn(*additional_inputs)`, a sync or async generator
            of what `video_emit` may return.
        fps: Pictures per second: those that are processed at most, or those that a generator is
            asked for.
        skip_frames: Whether a slow filter gets the latest picture alone. Otherwise a few are
            queued, so that an occasional slow call loses none.
    """

    carried_settings = (*StreamHandlerBase.carried_settings, "skip_frames")

    def __init__(
        self, callable: Callable[..., Any], fps: int = 30, skip_frames: bool = False
    ) -> None:
        super().__init__(callable, "video_", fps=fps)
        self.skip_frames = skip_frames

    def copy(self) -> Self:
        """Make the handler of one session."""
        return type(self)(self.callable, self.fps, self.skip_frames).take_settings(self)


class AudioGeneratorHandler(AudioFunctionHandler):
    """Plays what a generator of audio yields.

    Args:
        callable: `fn(*additional_inputs)`, a sync or async generator of what `emit` may return.
        options: The arguments of `StreamHandlerBase`.
    """

    def __init__(self, callable: Callable[..., Any], **options: Any) -> None:
        _check_generator(callable)
        super().__init__(callable, **options)


class VideoGeneratorHandler(_FunctionHandler):
    """Shows what a generator of pictures yields, at `fps` pictures per second at most.

    Args:
        callable: `fn(*additional_inputs)`, a sync or async generator of what `video_emit` may
            return.
        options: The arguments of `StreamHandlerBase`.
    """

    def __init__(self, callable: Callable[..., Any], **options: Any) -> None:
        _check_generator(callable)
        super().__init__(callable, "video_", **options)

    def copy(self) -> Self:
        """Make the handler of one session."""
        return type(self)(self.callable, **self._options).take_settings(self)


def _check_generator(function: Any) -> None:
    if not Function(function, leading=0).is_any_generator:
        raise ConfigurationError(
            f"{function!r} is not a generator: with mode='receive' nothing comes in, so a "
            "function must yield what is to be sent"
        )


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
    missing = [name for name in _needed_methods(modality, mode) if not implements(made, name)]
    if isinstance(made, _FunctionHandler):
        if made.is_generator and mode != "receive":
            raise ConfigurationError(
                f"{made.callable!r} is a generator; generators serve with mode='receive'"
            )
        # A filter's result is its output: it has no method to emit.
        if not made.is_generator and mode == "send-receive":
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
