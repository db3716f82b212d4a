"""The UI inside other Blocks and other apps; in a browser: `tests/browser/test_embedding.py`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from fastrtc_core import Stream
from fastrtc_handlers import Echo

from ..later import Later

if TYPE_CHECKING:
    import gradio as gr

    from fastrtc_core import ui as fastrtc_ui
else:
    gr = Later("gradio")
    fastrtc_ui = Later("fastrtc_core.ui")


def widgets(blocks: gr.Blocks) -> list[gr.HTML]:
    return [
        block
        for block in blocks.blocks.values()
        if isinstance(block, gr.HTML) and "fastrtc-widget" in (block.elem_classes or [])
    ]


async def test_asking_for_it_shows_nothing() -> None:
    """Within other Blocks the UI is built apart; they stay open for what comes after."""
    stream = Stream(Echo())
    with gr.Blocks(analytics_enabled=False) as page:
        ui = stream.ui
        after = gr.Markdown("After")
    assert widgets(page) == []
    assert len(widgets(ui)) == 1
    assert page.children == [after]


async def test_rendering_shows_one() -> None:
    """With its events, and without the layout of a page of its own."""
    stream = Stream(Echo())
    with gr.Blocks(analytics_enabled=False) as page:
        stream.ui.render()  # type: ignore[no-untyped-call]
    [widget] = widgets(page)
    targets = {target for function in page.fns.values() for target in function.targets}
    assert (widget._id, "offer") in targets
    ui = stream.ui
    assert isinstance(ui, fastrtc_ui.StreamBlocks)
    assert "max-width" not in str(ui.header.html_template)


async def test_components_stay_where_they_were_placed() -> None:
    """An input that stands in the page already is not rendered a second time."""
    with gr.Blocks(analytics_enabled=False) as page:
        with gr.Row() as row:
            gain = gr.Slider(0, 1, label="Gain")
        place = gain.parent
        rest = gr.Number(label="Rest", render=False)
        stream = Stream(Echo(), additional_inputs=[gain, rest])
        stream.ui.render()  # type: ignore[no-untyped-call]
    assert gain.parent is place
    assert row.children == [place]
    assert [one for one in page.blocks.values() if isinstance(one, gr.Slider)] == [gain]
    assert rest.is_rendered


async def test_a_chosen_theme_is_kept() -> None:
    """Gradio's own theme gives way to that of the UI, any other does not."""
    ui = Stream(Echo()).ui
    assert isinstance(ui, fastrtc_ui.StreamBlocks)
    ui.theme = gr.themes.Default()
    assert "#6366f1" in ui.theme._get_theme_css()  # type: ignore[no-untyped-call]
    for chosen in (gr.themes.Soft(), gr.themes.Default(primary_hue="red")):
        ui.theme = chosen
        assert ui.theme is chosen


@pytest.mark.parametrize("rendered", [False, True])
async def test_drained_with_the_app(monkeypatch: pytest.MonkeyPatch, rendered: bool) -> None:
    """Whichever Blocks show the widget, the app of Gradio drains; a server's signals go on."""
    stream = Stream(Echo())
    drained: list[Any] = []

    async def drain(timeout: float | None = None, patience: float = 0.0) -> None:
        drained.append(timeout)

    monkeypatch.setattr(stream._registry, "drain", drain)
    blocks: gr.Blocks = stream.ui
    if rendered:
        with gr.Blocks(analytics_enabled=False) as blocks:
            stream.ui.render()  # type: ignore[no-untyped-call]
    app = gr.routes.App.create_app(blocks)
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        server = signal.getsignal(signal.SIGTERM)
        async with app.router.lifespan_context(app):
            assert drained == []
            signal.raise_signal(signal.SIGTERM)
            await app.stop_event.wait()  # heartbeats of pages end on it
        assert signal.getsignal(signal.SIGTERM) is server
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(drained) == 2  # at the signal, and once more for who came in since
    assert received == [signal.SIGTERM]


async def test_other_apps_are_left_alone() -> None:
    """An app without a widget has the lifespan that Gradio gave it, and the signals it had."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.Markdown("Nothing of ours.")
    app = gr.routes.App.create_app(blocks)
    before = signal.getsignal(signal.SIGTERM)
    async with app.router.lifespan_context(app):
        assert signal.getsignal(signal.SIGTERM) is before
