"""A widget inside one's own Blocks: what it connects to is said after it was placed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from ..errors import ConfigurationError, UnknownSessionError
from ..stream import Stream
from .lifespan import drain_with_app
from .sessions import UISessions
from .widget import Widget, behaviour, look
from .wiring import wire_inputs, wire_offers, wire_outputs


class StreamWidget(Widget):
    """A widget that does nothing before `connect` gives it a stream.

    Args:
        layout: Arguments of `gr.HTML`: `visible`, `elem_id`, `scale` and the like.
    """

    def __init__(self, *, elem_classes: list[str] | str | None = None, **layout: Any) -> None:
        self._stream: Stream | None = None
        self._sessions: UISessions | None = None
        self._shows = False

        async def rtc_configuration() -> dict[str, Any]:
            return await self.get_stream().client_rtc_configuration()

        more = [elem_classes] if isinstance(elem_classes, str) else elem_classes or []
        arguments = {**look(), **layout, "elem_classes": ["fastrtc-widget", *more]}
        super().__init__(**arguments, js_on_load=None, server_functions=[rtc_configuration])

    def get_stream(self) -> Stream:
        """The stream that it opens sessions of.

        Raises:
            ConfigurationError: If there is none.
        """
        if self._stream is None:
            raise ConfigurationError("This component has no stream yet: call its stream(…) first")
        return self._stream

    def connect(
        self, stream: Stream, inputs: Sequence[Any] = (), *, send_on: str = "change"
    ) -> None:
        """Open sessions of a stream; within the Blocks that the widget stands in.

        Args:
            stream: The stream.
            inputs: Components whose values are the additional inputs.
            send_on: The event of theirs that sends them: `change` or `submit`.

        Raises:
            ConfigurationError: If it has a stream already.
        """
        if self._stream is not None:
            raise ConfigurationError("This component has a stream already: add another component")
        self._stream = stream
        self._sessions = UISessions(stream)
        self.js_on_load = behaviour(stream)["js_on_load"]
        wire_offers(self, stream, self._sessions, inputs)
        wire_inputs(self, stream, inputs, on=send_on)
        drain_with_app(self, stream)

    def show_outputs(
        self, fn: Callable[..., Any] | None, inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> None:
        """Show the `AdditionalOutputs` of the sessions.

        Args:
            fn: `fn(*inputs, *new)`, sync or async: what to show; the new ones by default.
            inputs: Components whose present values it gets.
            outputs: Components that show what it returns.

        Raises:
            ConfigurationError: If they are shown already.
        """
        if self._shows:
            raise ConfigurationError(
                "This component has a function for its additional outputs already: let one "
                "function return the values of all components"
            )
        self._shows = True
        if self.js_on_load is None:
            # Gradio knows an event by its name in the script.
            self.js_on_load = '"fetch_output"'
        wire_outputs(self, lambda: self._sessions, fn, inputs, outputs)

    def start_on(self, trigger: Callable[..., Any]) -> None:
        """Press Start when an event of another component comes, such as `button.click`."""
        press = f"() => document.querySelector('#{self.elem_id} [data-part=toggle]').click()"
        trigger(None, None, None, js=press)


def add_text_box(widget: Widget, stream: Callable[[], Stream]) -> gr.Textbox:
    """A text box below a widget; what is typed there goes to `add_text` of the handler.

    Args:
        widget: What opens the session.
        stream: Returns its stream; asked when something is sent.
    """
    box = gr.Textbox(placeholder="Type a message", show_label=False, submit_btn=True)

    def send(session: str, text: str) -> str:
        try:
            handler: Any = stream()._registry.session(session).handler
        except UnknownSessionError:
            gr.Warning("Press Start before you send a message.")
            return text
        handler.add_text(text)
        return ""

    box.submit(send, [widget, box], box, api_visibility="private", queue=False)
    return box
