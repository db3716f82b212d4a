"""Plain functions as handlers, and which handler serves which modality and mode."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fastrtc_core import (
    AdditionalOutputs,
    AsyncAudioVideoStreamHandler,
    AsyncStreamHandler,
    AudioFrame,
    AudioVideoStreamHandler,
    CloseReason,
    CloseStream,
    ConfigurationError,
    Modality,
    Mode,
    StreamHandler,
    StreamHandlerBase,
    VideoStreamHandler,
)
from fastrtc_core.handler import implements
from fastrtc_core.handler.functions import (
    AudioFunctionHandler,
    AudioGeneratorHandler,
    VideoGeneratorHandler,
    as_handler,
    pick_arguments,
)
from fastrtc_core.session import session
from fastrtc_core.testing import connect, tone

from ..failures import Failure, every_failure
from ..webrtc.support import eventually

FRAME = AudioFrame(48000, np.arange(960, dtype=np.int16)[np.newaxis])
PICTURE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def filter_of(function: Callable[..., Any]) -> Any:
    """The handler of a filter, typed loosely: its methods are made per instance."""
    return as_handler(function, "audio", "send-receive")


# What may be a filter


def negate(frame: Any) -> Any:
    rate, data = frame
    return rate, -data


async def negate_later(frame: Any) -> Any:
    return negate(frame)


class Negator:
    def method(self, frame: Any) -> Any:
        return negate(frame)

    async def async_method(self, frame: Any) -> Any:
        return negate(frame)

    @staticmethod
    def static(frame: Any) -> Any:
        return negate(frame)

    @classmethod
    def of_class(cls, frame: Any) -> Any:
        return negate(frame)


class SyncCallable:
    func = "an attribute that a partial has as well"

    def __call__(self, frame: Any) -> Any:
        return negate(frame)


class AsyncCallable:
    func = "an attribute that a partial has as well"

    async def __call__(self, frame: Any) -> Any:
        return negate(frame)


def scaled(factor: int, frame: Any) -> Any:
    return frame[0], frame[1] * factor


async def scaled_later(factor: int, frame: Any) -> Any:
    return scaled(factor, frame)


FILTERS: dict[str, Callable[..., Any]] = {
    "function": negate,
    "lambda": lambda frame: negate(frame),
    "bound method": Negator().method,
    "static method": Negator.static,
    "class method": Negator.of_class,
    "callable": SyncCallable(),
    "partial": functools.partial(scaled, -1),
    "partial of partial": functools.partial(functools.partial(scaled), -1),
    "partial of method": functools.partial(Negator().method),
    "partial of callable": functools.partial(SyncCallable()),
    "coroutine": negate_later,
    "async method": Negator().async_method,
    "async callable": AsyncCallable(),
    "async partial": functools.partial(scaled_later, -1),
    "partial of async callable": functools.partial(AsyncCallable()),
    "wrapped": functools.wraps(negate)(lambda *args: negate(*args)),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_every_kind_of_callable_is_a_filter(name: str) -> None:
    """Functions, methods, partials and callable objects run; the async ones on the loop."""
    handler = filter_of(FILTERS[name])
    assert inspect.iscoroutinefunction(handler.receive) == ("async" in name or name == "coroutine")
    result = handler.receive(FRAME)
    rate, data = await result if inspect.isawaitable(result) else result
    assert rate == 48000
    np.testing.assert_array_equal(data, -FRAME.data)


@pytest.mark.parametrize("function", [tuple, np.ascontiguousarray, max])
def test_builtins_are_filters_too(function: Any) -> None:
    """A builtin serves, whether it tells its signature or not."""
    handler: Any = as_handler(function, "video", "send")
    np.testing.assert_array_equal(handler.video_receive(PICTURE[0, 0]), function(PICTURE[0, 0]))


async def test_a_filter_runs_in_a_session() -> None:
    """What comes in goes out changed, at the rate of the filter, sync or async."""
    for function in (negate, negate_later):
        async with connect(filter_of(function)) as peer:
            assert peer.session.handler.output_sample_rate == 48000
            peer.push(FRAME)
            await eventually(lambda: peer.heard)
            np.testing.assert_array_equal(peer.heard[0][1].data, -FRAME.data)
            assert peer.messages == []


# Additional inputs


def with_required(frame: Any, a: Any, b: Any) -> Any:
    return (a, b)


def with_optional(frame: Any, a: Any = "A", b: Any = "B") -> Any:
    return (a, b)


def with_mixed(frame: Any, a: Any, b: Any = "B") -> Any:
    return (a, b)


def with_any(frame: Any, *args: Any) -> Any:
    return args


def with_keyword(frame: Any, *, a: Any = "A") -> Any:
    return a


@pytest.mark.parametrize(
    ("function", "args", "result"),
    [
        (with_required, None, None),
        (with_required, [1], None),
        (with_required, [1, 2], (1, 2)),
        (with_required, [1, 2, 3], (1, 2)),
        (with_optional, None, ("A", "B")),
        (with_optional, [1], (1, "B")),
        (with_optional, [1, 2, 3], (1, 2)),
        (with_mixed, None, None),
        (with_mixed, [1], (1, "B")),
        (with_any, None, ()),
        (with_any, [1, 2, 3], (1, 2, 3)),
        (with_keyword, [1], "A"),
        (functools.partial(with_required, b=9), [1], (1, 9)),
        (lambda frame, a: a, [7, 8], 7),
    ],
)
def test_a_filter_gets_as_many_inputs_as_it_takes(
    function: Callable[..., Any], args: list[Any] | None, result: Any
) -> None:
    """Required ones are waited for, optional ones have their defaults, the rest is left out."""
    handler = filter_of(function)
    if args is not None:
        handler.set_args(args)
    assert handler.receive(FRAME) == result


async def test_an_async_filter_gets_its_inputs_too() -> None:
    """The same holds for coroutines, and the latest inputs count."""

    async def function(frame: Any, a: Any) -> Any:
        return a

    handler = filter_of(function)
    assert await handler.receive(FRAME) is None
    for value in (1, 2):
        handler.set_args([value])
        assert await handler.receive(FRAME) == value


def test_hooks_get_as_many_arguments_as_they_take() -> None:
    """`pick_arguments` cuts a list of arguments to the signature."""
    assert pick_arguments(lambda: None, (1, 2)) == ()
    assert pick_arguments(lambda a: a, (1, 2)) == (1,)
    assert pick_arguments(lambda *a: a, (1, 2)) == (1, 2)


# Generators


def beeps(*numbers: int) -> Iterator[Any]:
    for _ in numbers or (1, 2):
        yield tone(1000, 0.02, 24000)


async def beeps_later(*numbers: int) -> AsyncIterator[Any]:
    for beep in beeps(*numbers):
        yield beep


class Beeper:
    def __call__(self) -> Iterator[Any]:
        return (yield from beeps())

    async def method(self) -> AsyncIterator[Any]:
        for beep in beeps():
            yield beep


GENERATORS: dict[str, Callable[..., Any]] = {
    "generator": beeps,
    "callable": Beeper(),
    "partial": functools.partial(beeps, 1, 2),
    "async generator": beeps_later,
    "async method": Beeper().method,
    "async partial": functools.partial(beeps_later, 1, 2),
}


@pytest.mark.parametrize("name", GENERATORS)
async def test_every_kind_of_generator_is_played_to_its_end(name: str) -> None:
    """What it yields is heard; then the client is told, and the session ends."""
    handler = as_handler(GENERATORS[name], "audio", "receive")
    assert isinstance(handler, AudioGeneratorHandler)
    async with connect(handler, receives=frozenset(), args=[]) as peer:
        await eventually(lambda: peer.close_reason)
    assert peer.close_reason is CloseReason.CLOSE_STREAM
    assert peer.of_type("end_stream") == ["The stream has finished."]
    sound = np.concatenate([timed.data for _, timed in peer.heard], axis=1)
    np.testing.assert_array_equal(sound, np.tile(tone(1000, 0.02, 24000).data, 2))


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_generator_waits_for_the_inputs_that_it_requires(is_async: bool) -> None:
    """The client is asked for them before the generator starts."""
    given: list[Any] = []

    def generator(a: Any, b: Any = "B") -> Iterator[Any]:
        given.append((a, b))
        yield None

    async def generator_later(a: Any, b: Any = "B") -> AsyncIterator[Any]:
        given.append((a, b))
        yield None

    handler = as_handler(generator_later if is_async else generator, "audio", "receive")
    async with connect(handler, receives=frozenset()) as peer:
        await eventually(lambda: peer.of_type("send_input"))
        assert given == []
        peer.send([1], type="send_input")
        await eventually(lambda: given)
    assert given == [(1, "B")]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_generator_that_is_interrupted_cleans_up(is_async: bool) -> None:
    """When the client leaves in the middle, the generator's `finally` runs."""
    log: list[str] = []

    def generator() -> Iterator[Any]:
        try:
            while True:
                yield tone(1000, 0.02, 24000)
        finally:
            log.append("closed")

    async def generator_later() -> AsyncIterator[Any]:
        try:
            while True:
                yield tone(1000, 0.02, 24000)
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    handler = as_handler(generator_later if is_async else generator, "audio", "receive")
    async with connect(handler, receives=frozenset()) as peer:
        await eventually(lambda: peer.heard)
    assert log == ["closed"]


@pytest.mark.parametrize("yields_first", [True, False])
@every_failure
async def test_the_end_of_a_generator_may_raise_anything(
    failure: Failure, yields_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """When the client leaves, or in the midst of it: it is reported once, and all is closed."""
    is_async = inspect.iscoroutinefunction(failure.function)

    def generator() -> Iterator[Any]:
        try:
            while yields_first:
                yield tone(1000, 0.02, 24000)
        finally:
            failure.function()

    async def generator_later() -> AsyncIterator[Any]:
        try:
            while yields_first:
                yield tone(1000, 0.02, 24000)
        finally:
            await failure.function()

    handler = as_handler(generator_later if is_async else generator, "audio", "receive")
    async with connect(handler, receives=frozenset()) as peer:
        await eventually(lambda: peer.heard if yields_first else peer.of_type("error"))
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1, caplog.text


async def test_an_end_that_lasts_is_not_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What an async generator still awaits when its session no longer waits for it is cancelled."""
    monkeypatch.setattr(session, "SHUTDOWN_TIMEOUT", 0.2)
    log: list[str] = []

    async def generator() -> AsyncIterator[Any]:
        try:
            while True:
                yield tone(1000, 0.02, 24000)
        finally:
            try:
                await asyncio.Event().wait()
            finally:
                log.append("cancelled")

    handler = as_handler(generator, "audio", "receive")
    async with connect(handler, receives=frozenset()) as peer:
        await eventually(lambda: peer.heard)
    await eventually(lambda: log)
    assert "shutdown takes over" in caplog.text


def test_each_session_has_a_generator_of_its_own() -> None:
    """A copy starts from the beginning, whatever the prototype has yielded."""
    handler: Any = as_handler(lambda: (yield 1), "video", "receive")
    copy: Any = handler.copy()
    for one in (handler, copy):
        assert one.video_emit() == 1
        assert isinstance(one.video_emit(), CloseStream)


# Which handler serves what


class AudioHandler(AsyncStreamHandler):
    async def receive(self, frame: AudioFrame) -> None: ...

    async def emit(self) -> None: ...

    def copy(self) -> AudioHandler:
        return AudioHandler()


class AvHandler(AsyncAudioVideoStreamHandler):
    async def receive(self, frame: AudioFrame) -> None: ...

    async def emit(self) -> None: ...

    async def video_receive(self, frame: Any) -> None: ...

    async def video_emit(self) -> None: ...

    def copy(self) -> AvHandler:
        return AvHandler()


class AudioReceiveOnly(StreamHandler):
    """For `mode="receive"`: nothing comes in."""

    def emit(self) -> None: ...

    def copy(self) -> AudioReceiveOnly:
        return AudioReceiveOnly()


class AudioSendOnly(AsyncStreamHandler):
    """For `mode="send"`: nothing goes out."""

    async def receive(self, frame: AudioFrame) -> None: ...

    def copy(self) -> AudioSendOnly:
        return AudioSendOnly()


class AvReceiveOnly(AudioVideoStreamHandler):
    def emit(self) -> None: ...

    def video_emit(self) -> None: ...

    def copy(self) -> AvReceiveOnly:
        return AvReceiveOnly()


class AvSendOnly(AsyncAudioVideoStreamHandler):
    async def receive(self, frame: AudioFrame) -> None: ...

    async def video_receive(self, frame: Any) -> None: ...

    def copy(self) -> AvSendOnly:
        return AvSendOnly()


class VideoOnly(AsyncAudioVideoStreamHandler):
    """A class for video alone, both ways."""

    async def video_receive(self, frame: Any) -> None: ...

    async def video_emit(self) -> None: ...

    def copy(self) -> VideoOnly:
        return VideoOnly()


class Empty(AsyncAudioVideoStreamHandler):
    def copy(self) -> Empty:
        return Empty()


MODALITIES: tuple[Modality, ...] = ("audio", "video", "audio-video")
MODES: tuple[Mode, ...] = ("send-receive", "send", "receive")

KINDS: dict[str, Callable[[], Any]] = {
    "audio class": AudioHandler,
    "audio-video class": AvHandler,
    "function": lambda: negate,
    "async function": lambda: negate_later,
    "generator": lambda: beeps,
    "async generator": lambda: beeps_later,
    "VideoStreamHandler": lambda: VideoStreamHandler(negate),
    "VideoStreamHandler of a generator": lambda: VideoStreamHandler(beeps, fps=60),
    "VideoGeneratorHandler": lambda: VideoGeneratorHandler(beeps_later),
    "AudioFunctionHandler": lambda: AudioFunctionHandler(negate),
    "AudioFunctionHandler of a generator": lambda: AudioFunctionHandler(beeps_later),
    "AudioGeneratorHandler": lambda: AudioGeneratorHandler(beeps),
    "audio receive-only class": AudioReceiveOnly,
    "audio send-only class": AudioSendOnly,
    "audio-video receive-only class": AvReceiveOnly,
    "audio-video send-only class": AvSendOnly,
    "video class": VideoOnly,
    "empty class": Empty,
}


def lacks(*methods: str) -> str:
    return f"needs a handler with {' and '.join(methods)}; "


def three(*modalities: tuple[str, str, str]) -> list[str]:
    """Of audio, video, and both: for each of the three modes."""
    return [reason for modality in modalities for reason in modality]


NO_VIDEO = "needs a handler with video_"
NO_AUDIO = "needs a handler with {}; VideoStreamHandler has none"
FUNCTION = "a function has one medium"
NO_GENERATOR = "must yield what is to be sent"
GENERATOR = "generators serve with mode='receive'"

# For each kind, the reason why it is refused, in the order of the nine combinations; "" if not.
TABLE: dict[str, list[str]] = {
    "audio class": ["", "", ""]
    + [NO_VIDEO + "receive and video_emit", NO_VIDEO + "receive", NO_VIDEO + "emit"] * 2,
    "audio-video class": [""] * 9,
    "function": ["", "", NO_GENERATOR] * 2 + [FUNCTION] * 3,
    "async function": ["", "", NO_GENERATOR] * 2 + [FUNCTION] * 3,
    "generator": [GENERATOR, GENERATOR, ""] * 2 + [FUNCTION] * 3,
    "async generator": [GENERATOR, GENERATOR, ""] * 2 + [FUNCTION] * 3,
    "VideoStreamHandler": [
        NO_AUDIO.format("receive"),
        NO_AUDIO.format("receive"),
        NO_AUDIO.format("emit"),
        "",
        "",
        NO_AUDIO.format("video_emit"),
        NO_AUDIO.format("receive"),
        NO_AUDIO.format("receive"),
        NO_AUDIO.format("emit and video_emit"),
    ],
    "VideoStreamHandler of a generator": three(
        (GENERATOR, GENERATOR, lacks("emit")),
        (GENERATOR, GENERATOR, ""),
        (GENERATOR, GENERATOR, lacks("emit")),
    ),
    "VideoGeneratorHandler": three(
        (GENERATOR, GENERATOR, lacks("emit")),
        (GENERATOR, GENERATOR, ""),
        (GENERATOR, GENERATOR, lacks("emit")),
    ),
    "AudioFunctionHandler": three(
        ("", "", lacks("emit")),
        (lacks("video_receive"), lacks("video_receive"), lacks("video_emit")),
        (lacks("video_receive"), lacks("video_receive"), lacks("emit", "video_emit")),
    ),
    "AudioFunctionHandler of a generator": three(
        (GENERATOR, GENERATOR, ""),
        (GENERATOR, GENERATOR, lacks("video_emit")),
        (GENERATOR, GENERATOR, lacks("video_emit")),
    ),
    "AudioGeneratorHandler": three(
        (GENERATOR, GENERATOR, ""),
        (GENERATOR, GENERATOR, lacks("video_emit")),
        (GENERATOR, GENERATOR, lacks("video_emit")),
    ),
    "audio receive-only class": three(
        (lacks("receive"), lacks("receive"), ""),
        (lacks("video_receive", "video_emit"), lacks("video_receive"), lacks("video_emit")),
        (
            lacks("receive", "video_receive", "video_emit"),
            lacks("receive", "video_receive"),
            lacks("video_emit"),
        ),
    ),
    "audio send-only class": three(
        (lacks("emit"), "", lacks("emit")),
        (lacks("video_receive", "video_emit"), lacks("video_receive"), lacks("video_emit")),
        (
            lacks("emit", "video_receive", "video_emit"),
            lacks("video_receive"),
            lacks("emit", "video_emit"),
        ),
    ),
    "audio-video receive-only class": three(
        (lacks("receive"), lacks("receive"), ""),
        (lacks("video_receive"), lacks("video_receive"), ""),
        (lacks("receive", "video_receive"), lacks("receive", "video_receive"), ""),
    ),
    "audio-video send-only class": three(
        (lacks("emit"), "", lacks("emit")),
        (lacks("video_emit"), "", lacks("video_emit")),
        (lacks("emit", "video_emit"), "", lacks("emit", "video_emit")),
    ),
    "video class": three(
        (lacks("receive", "emit"), lacks("receive"), lacks("emit")),
        ("", "", ""),
        (lacks("receive", "emit"), lacks("receive"), lacks("emit")),
    ),
    "empty class": three(
        (lacks("receive", "emit"), lacks("receive"), lacks("emit")),
        (lacks("video_receive", "video_emit"), lacks("video_receive"), lacks("video_emit")),
        (
            lacks("receive", "emit", "video_receive", "video_emit"),
            lacks("receive", "video_receive"),
            lacks("emit", "video_emit"),
        ),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("index", "modality", "mode"),
    [(3 * i + j, a, b) for i, a in enumerate(MODALITIES) for j, b in enumerate(MODES)],
)
def test_every_combination_works_or_is_refused(
    kind: str, index: int, modality: Modality, mode: Mode
) -> None:
    """Each handler in each of the nine combinations has its methods, or the reason is said."""
    reason = TABLE[kind][index]
    made = KINDS[kind]()
    if reason:
        with pytest.raises(ConfigurationError, match=re.escape(reason)):
            as_handler(made, modality, mode)
        return
    handler = as_handler(made, modality, mode)
    assert isinstance(handler, StreamHandlerBase)
    for medium, prefix in (("audio", ""), ("video", "video_")):
        if medium in modality.split("-"):
            if mode != "receive":
                assert callable(getattr(handler, f"{prefix}receive"))
            if mode == "receive":
                assert callable(getattr(handler, f"{prefix}emit"))


def test_a_handler_is_taken_as_it_is() -> None:
    """An instance is the prototype itself, not a wrapper."""
    handler = AudioHandler()
    assert as_handler(handler, "audio", "send-receive") is handler


@pytest.mark.parametrize(
    ("function", "modality", "mode", "made"),
    [
        (negate, "audio", "send", AudioFunctionHandler),
        (negate, "video", "send-receive", VideoStreamHandler),
        (beeps, "audio", "receive", AudioGeneratorHandler),
        (beeps, "video", "receive", VideoGeneratorHandler),
    ],
)
def test_a_function_becomes_a_handler_of_its_medium(
    function: Any, modality: Modality, mode: Mode, made: type[StreamHandlerBase]
) -> None:
    """Filters and generators each have a class for audio and one for video."""
    assert type(as_handler(function, modality, mode)) is made


def test_a_class_in_place_of_an_instance_is_refused() -> None:
    """The commonest slip is answered with what to do."""
    with pytest.raises(ConfigurationError, match="an instance of AudioHandler, not the class"):
        as_handler(AudioHandler, "audio", "send-receive")


@pytest.mark.parametrize("value", [None, 1, "echo", [negate], object()])
def test_what_cannot_be_called_is_refused(value: Any) -> None:
    """A handler is a handler or a function; anything else is named."""
    with pytest.raises(ConfigurationError, match=re.escape(repr(value))):
        as_handler(value, "audio", "send-receive")


def test_a_function_that_takes_no_frame_is_refused() -> None:
    """A filter is called with a frame; one without arguments cannot be meant."""
    with pytest.raises(ConfigurationError, match="takes 0 positional"):
        as_handler(lambda: None, "audio", "send-receive")


def test_a_forgotten_super_init_is_refused() -> None:
    """A handler that never called `super().__init__()` is told so, by name."""

    class Forgetful(StreamHandler):
        def __init__(self) -> None:
            self.ready = True

        def receive(self, frame: AudioFrame) -> None: ...

        def emit(self) -> None: ...

        def copy(self) -> Forgetful:
            return Forgetful()

    with pytest.raises(ConfigurationError, match=r"Forgetful.__init__ must call super"):
        as_handler(Forgetful(), "audio", "send-receive")


# Copies


def test_a_copy_of_a_video_filter_keeps_its_settings() -> None:
    """Function, rate and policy are those of the prototype, and what was set on it later."""
    prototype = VideoStreamHandler(negate, fps=12, skip_frames=True)
    prototype.video_format = "gray"
    prototype.max_input_latency = 1.5
    copy = prototype.copy()
    assert copy is not prototype
    assert copy.callable is negate
    assert (copy.fps, copy.skip_frames) == (12, True)
    assert (copy.video_format, copy.max_input_latency) == ("gray", 1.5)


@pytest.mark.parametrize(
    ("handler", "function"),
    [
        (AudioFunctionHandler, negate),
        (AudioGeneratorHandler, beeps),
        (VideoGeneratorHandler, beeps_later),
    ],
)
def test_copies_of_functions_keep_their_options(handler: Any, function: Any) -> None:
    """Rates and layout of the prototype are those of every session; nothing else is shared."""
    prototype = handler(function, expected_layout="stereo", output_sample_rate=16000)
    copy = prototype.copy()
    assert type(copy) is handler
    assert (copy.expected_layout, copy.output_sample_rate) == ("stereo", 16000)
    assert copy.callable is function
    assert copy.args_set is not prototype.args_set


def test_a_subclass_survives_its_copy() -> None:
    """A session runs the class that the application wrote, not the one it inherits from."""

    class Grey(VideoStreamHandler):
        video_format = "gray"

    copy = Grey(negate, fps=5).copy()
    assert type(copy) is Grey
    assert (copy.video_format, copy.fps) == ("gray", 5)


def test_an_audio_filter_has_one_rate_unless_told_otherwise() -> None:
    """What comes in at a rate goes out at it."""
    assert AudioFunctionHandler(negate).output_sample_rate == 48000
    handler = AudioFunctionHandler(negate, input_sample_rate=16000)
    assert (handler.input_sample_rate, handler.output_sample_rate) == (16000, 16000)
    handler = AudioFunctionHandler(negate, input_sample_rate=16000, output_sample_rate=24000)
    assert (handler.input_sample_rate, handler.output_sample_rate) == (16000, 24000)


# Inputs that nobody has sent yet


@pytest.mark.virtual_clock
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("required", [False, True])
async def test_a_filter_asks_for_its_inputs(is_async: bool, required: bool) -> None:
    """Once; no frame waits for the answer, and only without what it requires it is not called."""

    def optional(frame: Any, a: Any = "A") -> Any:
        return AdditionalOutputs(a)

    def must(frame: Any, a: Any) -> Any:
        return AdditionalOutputs(a)

    function = must if required else optional

    async def function_later(frame: Any, *args: Any) -> Any:
        return function(frame, *args)

    functools.update_wrapper(function_later, function)
    async with connect(filter_of(function_later if is_async else function)) as peer:
        outputs = peer.session.outputs
        for _ in range(3):
            peer.push(FRAME)
            await peer.session.wait_until_heard()
        assert peer.of_type("send_input") == [[]]
        assert (outputs.latest is None) == required
        peer.send([7], type="send_input")
        peer.push(FRAME)
        await peer.session.wait_until_heard()
        assert outputs.latest is not None
        assert outputs.latest.args == (7,)
        assert peer.of_type("send_input") == [[]]


@pytest.mark.virtual_clock
async def test_a_filter_that_needs_what_nobody_can_give_says_so() -> None:
    """A client that cannot be asked gets an error, and not silence for ever."""
    async with connect(filter_of(with_required)) as peer:
        peer.asks = False
        peer.push(FRAME)
        await peer.session.wait_until_heard()
        assert peer.of_type("send_input") == []
        assert peer.of_type("error") == ["The server failed in receive."]


@pytest.mark.virtual_clock
@pytest.mark.parametrize("answers", [False, True])
async def test_a_generator_asks_for_inputs_with_defaults(answers: bool) -> None:
    """It waits for a second; then the defaults serve."""
    given: list[Any] = []

    async def generator(a: Any = "A") -> AsyncIterator[Any]:
        given.append((asyncio.get_running_loop().time(), a))
        yield None

    handler = as_handler(generator, "audio", "receive")
    start = asyncio.get_running_loop().time()
    async with connect(handler, receives=frozenset()) as peer:
        await asyncio.sleep(0.5)
        assert peer.of_type("send_input") == [[]]
        if answers:
            peer.send([7], type="send_input")
        await asyncio.sleep(0.6)
    assert given == [(pytest.approx(start + (0.5 if answers else 1)), 7 if answers else "A")]


async def test_a_session_that_ends_while_it_asks_leaves_nothing_behind() -> None:
    """A sync generator waits on its thread; the fixture finds what would be left."""

    def generator(a: Any) -> Iterator[Any]:
        yield None

    handler = as_handler(generator, "audio", "receive")
    before = asyncio.all_tasks()
    async with connect(handler, receives=frozenset()) as peer:
        await eventually(lambda: peer.of_type("send_input"))
    await eventually(lambda: asyncio.all_tasks() == before)


# Wrappers of generators


@pytest.mark.virtual_clock
@pytest.mark.parametrize("wrap", [AudioFunctionHandler, AudioGeneratorHandler])
@pytest.mark.parametrize("function", [beeps, beeps_later])
async def test_a_generator_may_be_wrapped_as_audio(wrap: Any, function: Any) -> None:
    """With the options of its wrapper, in each session."""
    handler = as_handler(wrap(function, output_sample_rate=16000), "audio", "receive")
    async with connect(handler, receives=frozenset(), args=[]) as peer:
        assert peer.session.handler.output_sample_rate == 16000
        for _ in range(50):
            await asyncio.sleep(0.02)
            await asyncio.to_thread(lambda: None)  # a sync generator has a thread of its own
    assert peer.close_reason is CloseReason.CLOSE_STREAM
    assert peer.heard


def test_a_handler_without_a_method_is_not_asked_for_frames() -> None:
    """What a class leaves out counts as missing, what it inherits from one that has it does not."""

    class Speaks(AvReceiveOnly):
        pass

    assert implements(Speaks(), "emit")
    assert not implements(Speaks(), "receive")
    assert not implements(Speaks(), "no_such_method")
