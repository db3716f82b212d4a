"""The Gradio UI builds for every kind of stream; nothing here starts a server.

The tests are coroutines because gradio makes an event loop of its own, and leaves it open, where
none runs.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from fastrtc_core import (
    AdditionalOutputs,
    AsyncAudioVideoStreamHandler,
    AudioFrame,
    ConfigurationError,
    Modality,
    Mode,
    Stream,
    UIArgs,
    UnknownSessionError,
)
from fastrtc_core.browser import read_modules

from ..failures import Failure, every_failure, first
from ..later import Later

if TYPE_CHECKING:
    import gradio as gr

    from fastrtc_core import ui as fastrtc_ui
    from fastrtc_core.ui import look, wiring
    from fastrtc_core.ui import sessions as ui_sessions
else:
    gr = Later("gradio")
    fastrtc_ui = Later("fastrtc_core.ui")
    look = Later("fastrtc_core.ui.look")
    ui_sessions = Later("fastrtc_core.ui.sessions")
    wiring = Later("fastrtc_core.ui.wiring")


class Everything(AsyncAudioVideoStreamHandler):
    """Does nothing, but could do everything."""

    async def receive(self, frame: AudioFrame) -> None:
        pass

    async def emit(self) -> None:
        return None

    async def video_receive(self, frame: Any) -> None:
        pass

    async def video_emit(self) -> None:
        return None

    def copy(self) -> Everything:
        return Everything()


KINDS = list(itertools.product(get_args(Modality), get_args(Mode)))


@pytest.mark.parametrize(("modality", "mode"), KINDS)
async def test_builds_for_every_kind(modality: Modality, mode: Mode) -> None:
    """Whatever can be streamed has a UI, and its widget knows what it is."""
    stream = Stream(Everything(), modality=modality, mode=mode)
    ui = stream.ui
    assert isinstance(ui, fastrtc_ui.StreamBlocks)
    assert stream.ui is ui
    settings = _settings(ui)
    assert (settings["modality"], settings["mode"]) == (modality, mode)
    assert settings["hasIceServers"] is False


async def test_settings_reach_the_widget() -> None:
    """Constraints, stereo and ICE servers are told to the browser; the servers only on demand."""
    handler = Everything(expected_layout="stereo")
    ice: list[Mapping[str, Any]] = [
        {"urls": "turn:example.test", "username": "u", "credential": "hush-hush"}
    ]
    constraints = {"audio": {"echoCancellation": False}}
    stream = Stream(handler, rtc_configuration=ice, track_constraints=constraints)
    settings = _settings(stream.ui)
    assert settings["stereo"] is True
    assert settings["trackConstraints"] == constraints
    assert settings["hasIceServers"] is True
    assert "hush-hush" not in json.dumps(stream.ui.get_config_file(), default=str)


async def test_looks_reach_the_widget(tmp_path: Path) -> None:
    """Words, colours and parts; an icon that is a file goes along, whatever its address."""
    icon = tmp_path / "icon.svg"
    icon.write_text("<svg/>")
    args: UIArgs = {
        "icon": icon,
        "icon_radius": 8,
        "color": "#facc15",
        "answer_color": "teal",
        "labels": {"start": "Los", "agent": "Ada"},
        "push_to_talk": True,
    }
    settings = _settings(Stream(Everything(), ui_args=args).ui)
    assert settings["icon"] == "data:image/svg+xml;base64,PHN2Zy8+"
    assert settings["labels"] == {"start": "Los", "agent": "Ada"}
    assert settings["style"]["--accent"] == "#facc15"
    assert settings["style"]["--answer"] == "teal"
    assert settings["style"]["--icon-radius"] == "8px"
    assert (settings["pushToTalk"], settings["textBox"]) == (True, False)
    for address in ("https://example.test/i.png", "data:image/png;base64," + "A" * 9000):
        assert look.look_settings({"icon": address}, transcript=True)["icon"] == address


async def test_a_transcript_is_shown_where_nothing_else_may_show_it() -> None:
    """Outputs often are a conversation; `transcript` decides where it is given."""
    plain, given = Stream(Everything()), Stream(Everything(), ui_args={"transcript": False})
    outputs = Stream(Everything(), additional_outputs=[gr.Textbox(render=False)])
    shown = [_settings(stream.ui)["transcript"] for stream in (plain, given, outputs)]
    assert shown == [True, False, False]
    with gr.Blocks(analytics_enabled=False):
        for first in (True, False):  # whatever is said first
            widget = fastrtc_ui.StreamWidget(ui_args={"text_box": True})
            if first:
                widget.show_outputs(None, [], [gr.Textbox()])
            widget.connect(Stream(Everything()))
            assert _settings_in(widget)["transcript"] is not first
            assert _settings_in(widget)["textBox"] is True
            if not first:
                widget.show_outputs(None, [], [gr.Textbox()])
            assert _settings_in(widget)["transcript"] is False


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"tittle": "T"}, "unknown 'tittle'; known are"),
        ({"labels": {"begin": "Go"}}, "labels of ui_args: unknown 'begin'"),
        ({"icon": "no/such/file.svg"}, "There is no icon 'no/such/file.svg'"),
    ],
)
async def test_looks_that_make_no_sense_are_named(args: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        _ = Stream(Everything(), ui_args=args).ui


async def test_nobody_can_press_start_before_it_works() -> None:
    """The page is there before the script, and a press would be lost."""
    template = _widget(Stream(Everything()).ui).html_template
    assert re.search(r'data-part="toggle"\s+disabled', template)


async def test_the_words_are_those_of_the_widget() -> None:
    """`labels` can replace each, and no other."""
    source = read_modules("fastrtc_core.ui")["labels.js"]
    assert set(re.findall(r"^  (\w+): \"", source, re.MULTILINE)) == look.LABELS


async def test_texts_are_escaped() -> None:
    """Title and subtitle are text, whatever characters they hold."""
    ui = Stream(Everything(), ui_args={"title": "<b>&", "subtitle": "${1} {{x}}"}).ui
    assert ui.title == "<b>&"
    headers = [block.value for block in ui.blocks.values() if isinstance(block, gr.HTML)]
    assert "<h1>&lt;b&gt;&amp;</h1><p>${1} {{x}}</p>" in headers


async def test_components_are_shown_once() -> None:
    """A component that is both an input and an output is in the page once."""
    both = gr.Textbox(label="Both", render=False)
    stream = Stream(Everything(), additional_inputs=[both], additional_outputs=[both])
    boxes = [block for block in stream.ui.blocks.values() if isinstance(block, gr.Textbox)]
    assert boxes == [both]


async def test_no_external_host_is_named() -> None:
    """Neither the theme nor the widget loads anything from another host."""
    ui = Stream(Everything()).ui
    theme = ui_theme_css()
    for text in (theme, _widget(ui).html_template, _widget(ui).js_on_load or ""):
        assert "//fonts." not in text
        assert "cdn" not in text.lower()


def ui_theme_css() -> str:
    from fastrtc_core.ui.theme import HEADER_CSS, PAGE_CSS, make_theme

    theme = make_theme()
    css: str = theme._get_theme_css()  # type: ignore[no-untyped-call]
    return PAGE_CSS + HEADER_CSS + css + "".join(theme._stylesheets)


@pytest.mark.parametrize(
    ("handler", "old", "shown"),
    [
        (None, (1, 2), (3, 4)),
        (lambda *values: values[1] + values[3], (1, 2), None),
        (lambda *values: [values[0], values[3]], (1, 2), (1, 4)),
        (lambda old, *new: [old, *new], (1,), ([1, 3, 4],)),
        (lambda *values: 5, (1,), (5,)),
        (None, (1,), None),
    ],
)
async def test_one_value_for_each_output(
    handler: Callable[..., Any] | None, old: tuple[Any, ...], shown: tuple[Any, ...] | None
) -> None:
    """Outputs show the new values, or what the handler makes of old and new; all of them."""
    if shown is None:
        with pytest.raises((ValueError, TypeError)):
            await wiring._show(handler, old, (3, 4), len(old))
    else:
        assert await wiring._show(handler, old, (3, 4), len(old)) == shown


class OutputsOf:
    """As much of a stream as `UISessions` needs."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[AdditionalOutputs | None] = asyncio.Queue()
        self.open = True

    async def output_stream(self, session: str) -> AsyncIterator[AdditionalOutputs]:
        while (outputs := await self.queue.get()) is not None:
            yield outputs

    def close(self, session: str) -> None:
        if not self.open:
            raise UnknownSessionError(session)
        self.open = False
        self.queue.put_nowait(None)


@pytest.fixture
def outputs() -> OutputsOf:
    return OutputsOf()


@pytest.mark.virtual_clock
async def test_no_output_is_lost_between_two_fetches(outputs: OutputsOf) -> None:
    """Each output is handed out once, oldest first; a slow page loses the oldest alone."""
    sessions = ui_sessions.UISessions(outputs)  # type: ignore[arg-type]
    sessions.follow("a")
    for number in range(3):
        outputs.queue.put_nowait(AdditionalOutputs(number))
    await asyncio.sleep(0.1)
    assert [one.args for one in sessions.take("a")] == [(0,), (1,), (2,)]
    assert sessions.take("a") == []
    for number in range(ui_sessions.CAPACITY + 5):
        outputs.queue.put_nowait(AdditionalOutputs(number))
    await asyncio.sleep(0.1)
    assert [one.args[0] for one in sessions.take("a")] == list(range(5, ui_sessions.CAPACITY + 5))
    outputs.close("a")
    await asyncio.sleep(0.1)


@pytest.mark.virtual_clock
async def test_last_outputs_outlive_their_session(outputs: OutputsOf) -> None:
    """What was put out right before the end can still be fetched for a while, then is dropped."""
    sessions = ui_sessions.UISessions(outputs)  # type: ignore[arg-type]
    sessions.follow("a")
    outputs.queue.put_nowait(AdditionalOutputs("last words"))
    outputs.close("a")
    await asyncio.sleep(1)
    assert [one.args for one in sessions.take("a")] == [("last words",)]
    assert sessions.note_failure("a") is True
    assert sessions.note_failure("a") is False
    await asyncio.sleep(20)
    assert sessions.take("a") == []


async def test_closing_ends_the_sessions(outputs: OutputsOf) -> None:
    """`close`, called on another thread, returns when the sessions are gone."""
    sessions = ui_sessions.UISessions(outputs)  # type: ignore[arg-type]
    sessions.follow("a")
    await asyncio.to_thread(sessions.close, 1.0)
    assert not outputs.open


def _widget(ui: gr.Blocks) -> gr.HTML:
    [widget] = [
        block
        for block in ui.blocks.values()
        if isinstance(block, gr.HTML) and "fastrtc-widget" in (block.elem_classes or [])
    ]
    return widget


def _settings(ui: gr.Blocks) -> dict[str, Any]:
    return _settings_in(_widget(ui))


def _settings_in(widget: gr.HTML) -> dict[str, Any]:
    script = widget.js_on_load or ""
    last = script.rindex("server }, client, ") + len("server }, client, ")
    settings: dict[str, Any] = json.JSONDecoder().raw_decode(script[last:])[0]
    return settings


@every_failure
async def test_a_handler_of_outputs_may_raise_anything(failure: Failure) -> None:
    """It is an error like any other, which the page is told of; the next outputs are shown."""
    handler = first(failure, lambda *args: args[-1])
    with pytest.raises(failure.error):
        await wiring._show(handler, ("old",), ("new",), 1)
    assert await wiring._show(handler, ("old",), ("new",), 1) == ("new",)
