"""What is set on a prototype holds for every session of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastrtc_core import (
    AsyncStreamHandler,
    AudioFrame,
    ConfigurationError,
    Stream,
    StreamHandlerBase,
    VideoStreamHandler,
    get_current_context,
)
from fastrtc_core.handler.functions import as_handler
from fastrtc_core.session import copy_handler
from fastrtc_core.testing import connect
from fastrtc_handlers import (
    AlgoOptions,
    AudioVideoEcho,
    Echo,
    ReplyOnPause,
    ReplyOnStopWords,
    Transcriber,
    TurnOptions,
)
from fastrtc_handlers.turns import SilenceTurnDetector
from fastrtc_handlers.vad import EnergyVAD


def filter_(frame: Any) -> Any:
    return frame


def generator() -> Any:
    yield None


class Hears:
    def stt(self, audio: Any) -> str:
        return ""


VOICE = object()

COMMON: dict[str, Any] = {
    "expected_layout": "stereo",
    "input_sample_rate": 16000,
    "output_sample_rate": 32000,
    "fps": 10,
    "video_format": "gray",
    "max_input_latency": 1.25,
    "tts": VOICE,
}
"""Every public setting of all handlers, none of them as it is by default."""

OF_AGENTS: dict[str, Any] = {
    "fn": print,
    "startup_fn": print,
    "options": TurnOptions(silence=1.5, min_words=2),
    "can_interrupt": False,
    "needs_args": True,
    "turn_detector": SilenceTurnDetector(0.9),
    "stt": Hears(),
}


class Own(AsyncStreamHandler):
    """A class whose `copy` knows nothing of what is set later."""

    def __init__(self) -> None:
        super().__init__(input_sample_rate=8000)
        self.tts = object()
        self.max_input_latency = 0.5

    async def receive(self, frame: AudioFrame) -> None: ...
    async def emit(self) -> None: ...

    def copy(self) -> Own:
        return Own()


class Derived(Own):
    def __init__(self) -> None:
        super().__init__()
        self.fps = 25

    def copy(self) -> Derived:
        return Derived()


class Inherits(Derived):
    video_format = "rgb24"

    def copy(self) -> Inherits:
        return Inherits()


KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "audio filter": (lambda: as_handler(filter_, "audio", "send"), {}),
    "video filter": (lambda: as_handler(filter_, "video", "send"), {"skip_frames": True}),
    "audio generator": (lambda: as_handler(generator, "audio", "receive"), {}),
    "video generator": (lambda: as_handler(generator, "video", "receive"), {}),
    "wrapped generator": (lambda: VideoStreamHandler(generator), {}),
    "echo": (Echo, {}),
    "audio-video echo": (AudioVideoEcho, {}),
    "agent": (lambda: ReplyOnPause(filter_, model=EnergyVAD()), OF_AGENTS),
    "agent with stop words": (
        lambda: ReplyOnStopWords(filter_, ["hello"], stt=Hears(), model=EnergyVAD()),
        {**OF_AGENTS, "stop_words": ["computer"]},
    ),
    "transcriber": (lambda: Transcriber(Hears(), model=EnergyVAD()), {}),
    "own": (Own, {}),
    "derived": (Derived, {}),
    "inherits": (Inherits, {}),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_setting_of_the_prototype_is_that_of_its_sessions(kind: str) -> None:
    """Of ready-made handlers, of functions, and of classes whose `copy` builds a new object."""
    make, more = KINDS[kind]
    prototype: StreamHandlerBase = make()
    for name, value in {**COMMON, **more}.items():
        assert hasattr(prototype, name), name
        setattr(prototype, name, value)
    copy = await copy_handler(prototype, "id")
    assert {name: getattr(copy, name) for name in {**COMMON, **more}} == {**COMMON, **more}
    assert copy.output_frame_size == 640, "derived from the rate"
    if kind not in ("own", "derived", "inherits"):
        own = prototype.copy()
        assert {name: getattr(own, name) for name in {**COMMON, **more}} == {**COMMON, **more}


async def test_what_copy_sets_on_purpose_stays() -> None:
    """And what nobody changed is as its constructor has it."""
    voices = {"ada": object()}

    class Personal(Own):
        def copy(self) -> Personal:
            copy = Personal()
            copy.tts = voices[get_current_context().params["name"]]
            return copy

    prototype = Personal()
    prototype.tts = VOICE
    prototype.fps = 10
    async with connect(prototype, params={"name": "ada"}) as peer:
        handler = peer.session.handler
        assert handler.tts is voices["ada"]
        assert handler.fps == 10
        assert handler.max_input_latency == 0.5
        assert handler.input_sample_rate == 8000


async def test_a_setting_that_makes_no_sense_is_named() -> None:
    """No session begins with it."""
    stream = Stream(Own())
    for name, value, words in (
        ("fps", 0, "fps must be"),
        ("input_sample_rate", 7, "Own: "),
        ("expected_layout", "5.1", "Own: "),
    ):
        before = getattr(stream.handler, name)
        setattr(stream.handler, name, value)
        with pytest.raises(ConfigurationError, match=words):
            await copy_handler(stream.handler, "id")
        setattr(stream.handler, name, before)
    agent = ReplyOnPause(filter_, model=EnergyVAD())
    agent.options = TurnOptions(min_words=1)
    with pytest.raises(ConfigurationError, match="stt"):
        await copy_handler(agent, "id")


async def test_options_of_fastrtc_may_be_set_later_too() -> None:
    """They become ours."""
    agent = ReplyOnPause(filter_, model=EnergyVAD())
    agent.options = AlgoOptions()  # type: ignore[assignment]
    copy = await copy_handler(agent, "id")
    assert isinstance(copy, ReplyOnPause)
    assert isinstance(copy.options, TurnOptions)
    assert copy.turns._options is copy.options


@pytest.mark.virtual_clock
@pytest.mark.parametrize("wrapped", [False, True])
async def test_the_rate_of_a_generator_is_that_which_was_set(wrapped: bool) -> None:
    """A film of ten pictures a second is played at ten pictures a second."""
    calls = 0

    def film() -> Any:
        nonlocal calls
        while True:
            calls += 1
            yield None

    stream = Stream(
        VideoStreamHandler(film, fps=20) if wrapped else film, modality="video", mode="receive"
    )
    if not wrapped:
        stream.handler.fps = 10
    async with connect(stream.handler, receives=frozenset(), sends=frozenset({"video"})):
        for _ in range(100):
            await asyncio.sleep(0.02)
            await asyncio.to_thread(lambda: None)  # the generator has a thread of its own
    assert calls == pytest.approx(40 if wrapped else 20, abs=2)
