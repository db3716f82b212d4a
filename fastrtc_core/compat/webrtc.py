"""`WebRTC`: the component for one's own Blocks, on the widget of `Stream.ui`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ..errors import ConfigurationError
from ..handler import StreamHandlerBase
from ..handler.functions import Modality, Mode
from ..stream import UIArgs
from ..ui import StreamWidget
from .arguments import as_limit, as_ui_args, warn_of_ignored
from .stream import Stream

_IGNORED = {
    "value": None,
    "label": None,
    "every": None,
    "inputs": None,
    "show_label": None,
    "interactive": None,
    "mirror_webcam": True,
    "rtp_params": None,
}
"""Arguments that the widget has no use for, and their defaults."""


class WebRTC(StreamWidget):
    """A component of Gradio with start/stop, meters, mute, devices and video.

    `fn` of an event that has it as an input gets the id of its session, empty before the first.

    Args:
        height: Smallest height in pixels.
        width: Ignored, with a warning: the widget is as wide as its column.
        container: As of `gr.HTML`.
        scale: As of `gr.HTML`.
        min_width: As of `gr.HTML`.
        visible: As of `gr.HTML`.
        elem_id: As of `gr.HTML`.
        elem_classes: As of `gr.HTML`.
        render: As of `gr.HTML`.
        key: As of `gr.HTML`.
        rtc_configuration: As of `Stream`.
        server_rtc_configuration: As of `Stream`.
        track_constraints: As of `Stream`.
        time_limit: Longest session in s; that of `stream` goes before it.
        allow_extra_tracks: No effect: media that do not flow are always answered as inactive.
        mode: What the client does: `send-receive`, `send` or `receive`.
        modality: `audio`, `video` or `audio-video`.
        variant: `textbox` adds a text box; `fn` of `ReplyOnPause` then gets a `WebRTCData`.
        full_screen: No effect: the widget stands where it is placed, and has a button for it.
        icon: Picture in the middle: a file, or an address.
        icon_button_color: Colour of the user and of the buttons.
        pulse_color: Colour of what the server says.
        icon_radius: Radius of the corners of the icon in px.
        button_labels: Words of the buttons: `start`, `stop`, and `waiting` while it connects.
        ui_args: More of what FastRTC has none of, such as `push_to_talk`; see `UIArgs`.
        others: All else that FastRTC's takes; ignored, with a warning.
    """

    def __init__(
        self,
        value: None = None,
        height: int | None = None,
        width: int | str | None = None,
        *,
        container: bool = False,
        scale: int | None = None,
        min_width: int = 160,
        visible: bool = True,
        elem_id: str | None = None,
        elem_classes: list[str] | str | None = None,
        render: bool = True,
        key: int | str | None = None,
        rtc_configuration: Any = None,
        server_rtc_configuration: Any = None,
        track_constraints: dict[str, Any] | None = None,
        time_limit: float | None = None,
        allow_extra_tracks: bool = False,
        mode: Mode = "send-receive",
        modality: Modality = "video",
        variant: Literal["textbox", "wave"] = "wave",
        full_screen: bool | None = True,
        icon: str | None = None,
        icon_button_color: str | None = None,
        pulse_color: str | None = None,
        icon_radius: int | None = None,
        button_labels: dict[str, str] | None = None,
        ui_args: UIArgs | None = None,
        **others: Any,
    ) -> None:
        unknown = [name for name in others if name not in _IGNORED]
        if unknown:
            raise TypeError(f"WebRTC() got an unexpected argument {unknown[0]!r}")
        ignored = [name for name, given in others.items() if given != _IGNORED[name]]
        if width is not None:
            ignored.append("width")
        if isinstance(height, str):
            ignored.append("height")
            height = None
        warn_of_ignored("WebRTC", ignored, "gr.Column and CSS of your own set its place and size")
        self._serves: dict[str, Any] = {
            "mode": mode,
            "modality": modality,
            "rtc_configuration": rtc_configuration,
            "server_rtc_configuration": server_rtc_configuration,
            "track_constraints": track_constraints,
        }
        self._time_limit = time_limit
        self._has_text_box = variant == "textbox"
        given = {
            "icon": icon,
            "icon_button_color": icon_button_color,
            "pulse_color": pulse_color,
            "icon_radius": icon_radius,
            "button_labels": button_labels,
            "variant": variant,
        }
        super().__init__(
            ui_args={**as_ui_args(given), **(ui_args or {})},
            container=container,
            scale=scale,
            min_width=min_width,
            min_height=height,
            visible=visible,
            elem_id=elem_id or f"webrtc-{uuid.uuid4().hex[:12]}",
            render=render,
            key=key,
            elem_classes=elem_classes,
        )

    @property
    def handlers(self) -> Mapping[str, StreamHandlerBase]:
        """The handlers of the sessions that there are now, by their ids."""
        stream = self._stream  # asked for by Gradio before it is set, too
        return stream.handlers if isinstance(stream, Stream) else {}

    def stream(  # type: ignore[override]
        self,
        fn: Any = None,
        inputs: Any = None,
        outputs: Any = None,
        js: str | None = None,
        concurrency_limit: int | Literal["default"] | None = "default",
        concurrency_id: str | None = None,
        time_limit: float | None = None,
        trigger: Callable[..., Any] | None = None,
        send_input_on: Literal["submit", "change"] = "change",
    ) -> Stream:
        """Say what serves the sessions of this component; within the Blocks that it stands in.

        Args:
            fn: A handler or a function, as `Stream` takes it.
            inputs: This component, then those whose values are the additional inputs. With
                `mode="receive"` only the latter.
            outputs: No effect: the component shows its media by itself.
            js: Ignored, with a warning.
            concurrency_limit: Sessions at once; `None` and `"default"` are one.
            concurrency_id: Ignored, with a warning.
            time_limit: Longest session in s.
            trigger: The event that starts a session, such as `button.click`; for `mode="receive"`.
            send_input_on: When inputs are sent: when they `change`, or on their `submit`.

        Returns:
            The stream; mount it on an app of your own if others than Gradio shall reach it.

        Raises:
            ConfigurationError: If the handler cannot serve the mode and modality, the first of
                `inputs` is not this component, or it has a stream already.
        """
        ignored = [
            name for name, value in {"js": js, "concurrency_id": concurrency_id}.items() if value
        ]
        warn_of_ignored("WebRTC.stream", ignored, "Use an event of another component", level=3)
        components = _listed(inputs)
        if self._serves["mode"] != "receive":
            if not components or components[0] is not self:
                raise ConfigurationError("The first of inputs must be the WebRTC component itself")
            components = components[1:]
        stream = Stream(
            fn,
            **self._serves,
            concurrency_limit=as_limit(concurrency_limit),
            time_limit=time_limit or self._time_limit,
        )
        if self._has_text_box:
            stream.handler.gives_webrtc_data = True  # type: ignore[attr-defined]
        self.connect(stream, components, send_on=send_input_on)
        if trigger is not None:
            self.start_on(trigger)
        return stream

    def on_additional_outputs(
        self,
        fn: Callable[..., Any],
        inputs: Any = None,
        outputs: Any = None,
        js: str | None = None,
        concurrency_limit: int | Literal["default"] | None = "default",
        concurrency_id: str | None = None,
        show_progress: Literal["full", "minimal", "hidden"] = "full",
        queue: bool = True,
    ) -> None:
        """Show the `AdditionalOutputs` of the handler.

        Args:
            fn: `fn(*inputs, *new)`, sync or async; returns the values of `outputs`.
            inputs: Components whose present values it gets first.
            outputs: Components that show what it returns.
            js: Ignored, with a warning.
            concurrency_limit: No effect: each session shows its outputs in their order.
            concurrency_id: Ignored, with a warning.
            show_progress: No effect.
            queue: No effect.

        Raises:
            ConfigurationError: If there is a function already.
        """
        ignored = [
            name for name, value in {"js": js, "concurrency_id": concurrency_id}.items() if value
        ]
        warn_of_ignored("WebRTC.on_additional_outputs", ignored, "Remove them", level=3)
        self.show_outputs(fn, _listed(inputs), _listed(outputs))


def _listed(components: Any) -> list[Any]:
    if components is None:
        return []
    if isinstance(components, Sequence | set | frozenset):
        return list(components)
    return [components]
