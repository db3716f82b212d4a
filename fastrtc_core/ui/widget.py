"""The widget of the UI: one `gr.HTML` around the browser client, no front-end build."""

from __future__ import annotations

import json
from abc import ABCMeta
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta, updateable

from .. import browser
from ..stream import Stream
from .look import look_settings

_LOADER = r"""
const events = ["offer", "fetch_output", "send_input"];
const load = (modules) => {
  const addresses = {};
  for (const [name, source] of modules) {
    const linked = source.replace(/from "[.]\/(\w+[.]js)";/g, (_, of) => `from "${addresses[of]}"`);
    addresses[name] = URL.createObjectURL(new Blob([linked], { type: "text/javascript" }));
  }
  const all = Object.values(addresses);
  return import(all.at(-1)).finally(() => all.forEach((address) => URL.revokeObjectURL(address)));
};
Promise.all([load(%(client)s), load(%(widget)s)]).then(([client, widget]) =>
  widget.mount(element, { trigger, watch, props, server }, client, %(settings)s),
);
"""
"""What `gr.HTML` runs. The modules come as text and not by address: so the UI works behind every
proxy and mount path, and needs no file route of its own. Each gets an address in the page (a Blob
URL) after those that it imports, in which their addresses take the place of their file names.
gr.HTML knows its events from here too."""


def _read(name: str) -> str:
    return files("fastrtc_core.ui").joinpath(name).read_text(encoding="utf-8")


class _WithoutStub(ComponentMeta):
    """Makes classes of components without what Gradio writes beside their source: a `.pyi` file."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]
    ) -> _WithoutStub:
        if "__init__" in attributes:
            attributes["__init__"] = updateable(attributes["__init__"])  # type: ignore[no-untyped-call]
        made: _WithoutStub = ABCMeta.__new__(cls, name, bases, attributes)
        return made


class Widget(gr.HTML, metaclass=_WithoutStub):
    """The component with start/stop, meters, mute, devices and video.

    Its value is a JSON text: the last answer that it got to an offer, and the notice of a failure.
    Functions that have it as an input get the id of its session, empty before the first.
    """

    def get_config(self) -> dict[str, Any]:  # type: ignore[override]
        """What the page is told: arguments of `gr.HTML` alone, nothing that a subclass keeps."""
        config: dict[str, Any] = super(gr.HTML, self).get_config(gr.HTML)
        return {**config, "component_class_name": "HTML"}

    def preprocess(self, payload: str | None) -> str:
        """The id of the session."""
        session: str = json.loads(payload)["answer"].get("webrtc_id", "") if payload else ""
        return session


def make_widget(stream: Stream) -> Widget:
    """The widget of a stream.

    Raises:
        ConfigurationError: If the `ui_args` of the stream make no sense.
    """

    async def rtc_configuration() -> dict[str, Any]:
        return await stream.client_rtc_configuration()

    looks = look_settings(stream.ui_args, transcript=not stream.additional_outputs)
    script = behaviour(stream, looks)
    return Widget(**look(), js_on_load=script, server_functions=[rtc_configuration])


def look() -> dict[str, Any]:
    """Arguments of a widget: what it looks like."""
    return {
        "value": "",
        "html_template": f"<style>\n{_read('widget.css')}</style>\n{_read('widget.html')}",
        "apply_default_css": False,
        "padding": False,
        "elem_classes": "fastrtc-widget",
    }


def behaviour(stream: Stream, looks: Mapping[str, Any]) -> str:
    """What a widget does: `js_on_load`.

    Args:
        stream: What it opens sessions of.
        looks: Of `look_settings`.
    """
    settings = {
        "modality": stream.modality,
        "mode": stream.mode,
        "trackConstraints": dict(stream.track_constraints or {}),
        "stereo": stream.handler.expected_layout == "stereo",
        "hasIceServers": stream.rtc_configuration is not None,
        "resume": stream.resume_timeout is not None,
        **looks,
    }
    own = browser.read_modules("fastrtc_core.ui")
    # The one that the others are for is the last to be loaded.
    return _LOADER % {
        "client": json.dumps(list(browser.modules().items())),
        "widget": json.dumps([*own.items()]),
        "settings": json.dumps(settings),
    }
