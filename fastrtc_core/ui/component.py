"""A widget inside one's own Blocks: what it connects to is said after it was placed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ConfigurationError
from ..stream import Stream, UIArgs
from .lifespan import drain_with_app
from .look import check_ui_args, look_settings
from .sessions import UISessions
from .widget import Widget, behaviour, look
from .wiring import wire_inputs, wire_offers, wire_outputs


class StreamWidget(Widget):
    """A widget that does nothing before `connect` gives it a stream.

    Hidden with `visible=False`, it ends its session, as Gradio takes it out of the page; in a tab
    that is not shown, and with `visible="hidden"`, its session goes on.

    Args:
        ui_args: See `UIArgs`; `title` and `subtitle` have no effect. A transcript is shown by
            default unless `show_outputs` shows something.
        elem_classes: As of `gr.HTML`.
        layout: More arguments of `gr.HTML`: `visible`, `elem_id`, `scale` and the like.

    Raises:
        ConfigurationError: If there is no such argument in `ui_args`.
    """

    def __init__(
        self,
        *,
        ui_args: UIArgs | None = None,
        elem_classes: list[str] | str | None = None,
        **layout: Any,
    ) -> None:
        check_ui_args(ui_args or {})
        self._ui_args: UIArgs = ui_args or {}
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
        self._describe()
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
        self._describe()
        wire_outputs(self, lambda: self._sessions, fn, inputs, outputs)

    def start_on(self, trigger: Callable[..., Any]) -> None:
        """Start a session when an event of another component comes, such as `button.click`."""
        root = f"document.querySelector('#{self.elem_id} [data-part=root]')"
        # Nothing where it is not in the page, or has a session already.
        trigger(None, None, None, js=f"() => {{ {root}?.connection?.connect(); }}")

    def _describe(self) -> None:
        """Say what the page is to do, as far as it is known."""
        if self._stream is None:
            # Gradio knows an event by its name in the script.
            self.js_on_load = '"fetch_output"'
        else:
            looks = look_settings(self._ui_args, transcript=not self._shows)
            self.js_on_load = behaviour(self._stream, looks)
