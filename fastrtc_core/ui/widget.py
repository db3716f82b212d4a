"""The widget of the UI: one `gr.HTML` around the browser client, no front-end build."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import gradio as gr

from .. import browser
from ..stream import Stream

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
  widget.mount(element, { trigger, watch, props, server }, client.Connection, %(settings)s),
);
"""
"""What `gr.HTML` runs. The modules come as text and not by address: so the UI works behind every
proxy and mount path, and needs no file route of its own. Each gets an address in the page (a Blob
URL) after those that it imports, in which their addresses take the place of their file names.
gr.HTML knows its events from here too."""


def _read(name: str) -> str:
    return files("fastrtc_core.ui").joinpath(name).read_text(encoding="utf-8")


def make_widget(stream: Stream) -> gr.HTML:
    """The component with start/stop, meters, mute, devices and video.

    Its value is a JSON text: the last answer that it got to an offer, and the notice of a failure.
    """
    settings = {
        "modality": stream.modality,
        "mode": stream.mode,
        "trackConstraints": dict(stream.track_constraints or {}),
        "stereo": stream.handler.expected_layout == "stereo",
        "hasIceServers": stream.rtc_configuration is not None,
    }

    async def rtc_configuration() -> dict[str, Any]:
        return await stream.client_rtc_configuration()

    style = _read("widget.css")
    script = _LOADER % {
        "client": json.dumps(list(browser.modules().items())),
        "widget": json.dumps([("widget.js", _read("widget.js"))]),
        "settings": json.dumps(settings),
    }
    return gr.HTML(
        value="",
        html_template=f"<style>\n{style}</style>\n{_read('widget.html')}",
        js_on_load=script,
        server_functions=[rtc_configuration],
        apply_default_css=False,
        padding=False,
        elem_classes="fastrtc-widget",
    )
