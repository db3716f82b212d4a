"""`WebRTC` in Blocks of one's own. Async, since Gradio makes an event loop where none runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import fastrtc_core
from fastrtc_core import ConfigurationError
from fastrtc_core.compat import AdditionalOutputs, ReplyOnPause, Stream
from fastrtc_handlers import Echo

from ..later import Later

if TYPE_CHECKING:
    import gradio as gr

    from fastrtc_core import compat
    from fastrtc_core.compat import WebRTC
else:
    gr = Later("gradio")
    compat = Later("fastrtc_core.compat")


def reply(audio: Any, *inputs: Any) -> Any:
    yield AdditionalOutputs(*inputs)


def page_with(**options: Any) -> tuple[gr.Blocks, WebRTC, gr.Textbox]:
    with gr.Blocks(analytics_enabled=False) as page:
        box = gr.Textbox(label="Name")
        webrtc = compat.WebRTC(modality="audio", mode="send", **options)
        webrtc.stream(ReplyOnPause(reply), inputs=[webrtc, box], outputs=[webrtc], time_limit=9)
        webrtc.on_additional_outputs(lambda old, new: new, inputs=[box], outputs=[box])
    return page, webrtc, box


def targets(page: gr.Blocks) -> set[tuple[int | None, str]]:
    return {target for function in page.fns.values() for target in function.targets}


async def test_it_is_wired_where_it_stands() -> None:
    page, webrtc, box = page_with()
    assert {
        (webrtc._id, "offer"),
        (webrtc._id, "send_input"),
        (webrtc._id, "fetch_output"),
        (box._id, "change"),
    } <= targets(page)
    assert webrtc.get_stream().time_limit == 9
    assert webrtc.get_stream().concurrency_limit == 1


async def test_inputs_may_be_sent_on_submit() -> None:
    with gr.Blocks(analytics_enabled=False) as page:
        box = gr.Textbox()
        webrtc = compat.WebRTC(modality="audio", mode="send")
        webrtc.stream(ReplyOnPause(reply), inputs=[webrtc, box], send_input_on="submit")
    assert (box._id, "submit") in targets(page)
    assert (box._id, "change") not in targets(page)


async def test_outputs_may_be_named_before_the_handler() -> None:
    with gr.Blocks(analytics_enabled=False) as page:
        shown = gr.Textbox()
        webrtc = compat.WebRTC(modality="audio", mode="send")
        webrtc.on_additional_outputs(lambda new: new, outputs=shown)
        webrtc.stream(ReplyOnPause(reply), inputs=[webrtc])
    assert (webrtc._id, "fetch_output") in targets(page)


async def test_the_page_is_told_no_secrets() -> None:
    """Gradio sends what a component keeps under the names of its arguments."""
    secret = {"iceServers": [{"urls": "turn:t.example", "username": "u", "credential": "SECRET"}]}
    page, webrtc, _ = page_with(
        server_rtc_configuration=secret, rtc_configuration=lambda: secret, elem_classes="own"
    )
    config = json.dumps(page.get_config_file())
    assert "SECRET" not in config
    [shown] = [c for c in json.loads(config)["components"] if c["id"] == webrtc._id]
    assert shown["type"] == "html"
    assert shown["props"]["elem_classes"] == ["fastrtc-widget", "own"]


async def test_as_an_input_it_is_the_id_of_its_session() -> None:
    """Also the widget of `Stream.ui`, whose handlers one may look up."""
    stream = Stream(Echo(), modality="audio")
    for widget in (compat.WebRTC(), stream.webrtc_component):
        assert widget.preprocess("") == ""
        assert widget.preprocess(None) == ""
        assert widget.preprocess(json.dumps({"answer": {"webrtc_id": "mine"}})) == "mine"
        assert widget.preprocess(json.dumps({"answer": {"status": "failed"}})) == ""
        assert dict(widget.handlers) == {}
    assert stream.webrtc_component in stream.ui.blocks.values()


async def test_a_ui_of_ones_own() -> None:
    stream = Stream(Echo(), modality="audio", ui_args={"hide_title": True, "variant": "textbox"})
    assert stream.ui is stream.ui
    assert '"textBox": true' in stream.webrtc_component.js_on_load
    assert stream.ui.header.visible is False  # type: ignore[attr-defined]
    with gr.Blocks(analytics_enabled=False) as own:
        pass
    stream.ui = own
    assert stream.ui is own
    assert stream.webrtc_component not in own.blocks.values()


async def test_a_text_box_is_a_part_of_it() -> None:
    page, webrtc, _ = page_with(variant="textbox")
    assert '"textBox": true' in (webrtc.js_on_load or "")
    assert len([b for b in page.blocks.values() if isinstance(b, gr.Textbox)]) == 1
    handler: Any = webrtc.get_stream().handler
    assert handler.gives_webrtc_data


async def test_looks_have_the_names_of_fastrtc() -> None:
    """And what FastRTC has none of, those of `UIArgs`."""
    _, webrtc, _ = page_with(
        icon="https://example.test/i.svg",
        icon_button_color="red",
        pulse_color="blue",
        icon_radius=5,
        button_labels={"start": "Go", "waiting": "Wait"},
        ui_args={"push_to_talk": True},
    )
    script = webrtc.js_on_load or ""
    settings = json.JSONDecoder().raw_decode(script[script.rindex("client, {") + 8 :])[0]
    assert settings["icon"] == "https://example.test/i.svg"
    assert settings["labels"] == {"start": "Go", "connecting": "Wait"}
    style = settings["style"]
    assert (style["--accent"], style["--answer"]) == ("red", "blue")
    assert style["--icon-radius"] == "5px"
    assert settings["pushToTalk"] is True


async def test_a_trigger_starts_it() -> None:
    with gr.Blocks(analytics_enabled=False) as page:
        button = gr.Button("Go")
        webrtc = compat.WebRTC(modality="audio", mode="receive")

        def tones() -> Any:
            yield None

        webrtc.stream(tones, outputs=[webrtc], trigger=button.click)
    [press] = [f for f in page.fns.values() if (button._id, "click") in f.targets]
    assert str(webrtc.elem_id) in str(press.js)


async def test_what_cannot_work_says_what_to_do() -> None:
    with gr.Blocks(analytics_enabled=False):
        webrtc = compat.WebRTC(modality="audio", mode="send")
        with pytest.raises(ConfigurationError, match="first of inputs"):
            webrtc.stream(ReplyOnPause(reply), inputs=[gr.Textbox()])
        with pytest.raises(ConfigurationError, match=r"call its stream"):
            webrtc.get_stream()
        webrtc.stream(ReplyOnPause(reply), inputs=[webrtc])
        with pytest.raises(ConfigurationError, match="add another component"):
            webrtc.stream(ReplyOnPause(reply), inputs=[webrtc])
        webrtc.on_additional_outputs(lambda new: new, outputs=gr.Textbox())
        with pytest.raises(ConfigurationError, match="one function"):
            webrtc.on_additional_outputs(lambda new: new, outputs=gr.Textbox())
        with pytest.raises(TypeError, match="colour"):
            compat.WebRTC(colour="red")


async def test_one_warning_names_what_is_ignored() -> None:
    with pytest.warns(UserWarning, match="ignored") as caught:
        compat.WebRTC(label="Talk", every=3, width=300, mirror_webcam=True)
    [warning] = caught
    assert "WebRTC(every, label, width): ignored" in str(warning.message)


async def test_gradio_writes_no_files_beside_the_source() -> None:
    """For a class of components it makes a `.pyi` file there, which read-only installs refuse."""
    compat.WebRTC()
    core = Path(fastrtc_core.__file__).parent
    folders = (core / "ui", core / "compat")
    assert [file for folder in folders for file in folder.glob("*.pyi")] == []
