"""`Stream` with FastRTC's arguments, defaults and attributes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from .. import stream as core
from ..errors import ConfigurationError, UnknownSessionError
from ..handler import StreamHandlerBase
from ..handler.functions import Modality, Mode
from ..outputs import AdditionalOutputs
from ..registry import Registry
from .arguments import as_limit, as_ui_args, warn_of_ignored, warn_of_ui_args

if TYPE_CHECKING:
    import gradio


class UIArgs(TypedDict, total=False):
    """What the Gradio UI shows, by FastRTC's names; what is ignored is warned of.

    Attributes:
        title: Heading of the page; text, no HTML.
        subtitle: Line under it; text, no HTML.
        hide_title: Whether both are left out.
        full_screen: No effect.
        variant: `textbox` adds a text box; `fn` of `ReplyOnPause` then gets a `WebRTCData`.
        icon: Picture in the middle: a file, or an address.
        icon_button_color: Colour of the user and of the buttons.
        pulse_color: Colour of what the server says.
        icon_radius: Radius of the corners of the icon in px.
        transcript: See `fastrtc_core.UIArgs`.
        push_to_talk: See `fastrtc_core.UIArgs`.
        send_input_on: Ignored: inputs are sent when they change.
    """

    title: str
    subtitle: str
    hide_title: bool
    full_screen: bool
    variant: Literal["textbox", "wave"]
    icon: str
    icon_button_color: str
    pulse_color: str
    icon_radius: int
    transcript: bool
    push_to_talk: bool
    send_input_on: Literal["submit", "change"]


class Stream(core.Stream):
    """Serves a handler to any number of clients, as FastRTC's `Stream` does.

    It is `fastrtc_core.Stream` with FastRTC's defaults and attributes; `options` are what FastRTC
    has none of, such as `on_connect` and `udp_port_range`.

    Args:
        handler: An instance of a handler class, or a function.
        additional_outputs_handler: Called with the present values of the outputs, then the new.
        mode: What the client does: `send-receive`, `send` or `receive`.
        modality: `video`, `audio` or `audio-video`.
        concurrency_limit: Sessions at once; `None` and `"default"` are one, as in FastRTC.
        time_limit: Longest session in s.
        allow_extra_tracks: No effect: media that do not flow are always answered as inactive.
        rtp_params: Ignored, with a warning.
        rtc_configuration: ICE servers for the client: a dictionary, or a function that returns it.
        server_rtc_configuration: The same for the server's side.
        track_constraints: `MediaTrackConstraints` for the client's microphone and camera.
        additional_inputs: Gradio components whose values the handler gets as arguments.
        additional_outputs: Gradio components that show the handler's `AdditionalOutputs`.
        ui_args: What the Gradio UI shows.
        verbose: No effect: nothing is printed when the server starts.
        options: More arguments of `fastrtc_core.Stream`.

    Raises:
        ConfigurationError: If the handler cannot serve the modality and mode, or an argument makes
            no sense.
    """

    def __init__(
        self,
        handler: StreamHandlerBase | Callable[..., Any],
        *,
        additional_outputs_handler: Callable[..., Any] | None = None,
        mode: Mode = "send-receive",
        modality: Modality = "video",
        concurrency_limit: int | Literal["default"] | None = "default",
        time_limit: float | None = None,
        allow_extra_tracks: bool = False,
        rtp_params: dict[str, Any] | None = None,
        rtc_configuration: Any = None,
        server_rtc_configuration: Any = None,
        track_constraints: dict[str, Any] | None = None,
        additional_inputs: Sequence[gradio.components.Component] | None = None,
        additional_outputs: Sequence[gradio.components.Component] | None = None,
        ui_args: UIArgs | None = None,
        verbose: bool = True,
        **options: Any,
    ) -> None:
        warn_of_ignored(
            "Stream",
            ["rtp_params"] if rtp_params else [],
            "Set parameters of what a browser sends in its page, with RTCRtpSender.setParameters; "
            "of what the server sends, with audio_options and video_options",
        )
        given: dict[str, Any] = dict(ui_args or {})
        warn_of_ui_args(given)
        super().__init__(
            handler,
            modality=modality,
            mode=mode,
            concurrency_limit=as_limit(concurrency_limit),
            time_limit=time_limit,
            rtc_configuration=rtc_configuration,
            server_rtc_configuration=server_rtc_configuration,
            track_constraints=track_constraints,
            additional_inputs=additional_inputs,
            additional_outputs=additional_outputs,
            additional_outputs_handler=additional_outputs_handler,
            ui_args=as_ui_args(given),
            **options,
        )
        self.allow_extra_tracks = allow_extra_tracks
        self.rtp_params = rtp_params
        self.verbose = verbose
        self._hides_title = bool(given.get("hide_title"))
        if given.get("variant") == "textbox":
            self.handler.gives_webrtc_data = True  # type: ignore[attr-defined]
        self._ui: gradio.Blocks | None = None
        self._built: Any = None

    @property
    def event_handler(self) -> StreamHandlerBase:
        """The handler that each session gets a copy of."""
        return self.handler

    @property
    def handlers(self) -> Mapping[str, StreamHandlerBase]:
        """The handlers of the sessions that there are now, by their ids."""
        return _Handlers(self._registry)

    @property
    def connections(self) -> Mapping[str, list[StreamHandlerBase]]:
        """The sessions that there are now, by their ids; each a list with its handler.

        FastRTC has the tracks of the session there, and its `set_args` and `latest_args` are those
        of the handler here.
        """
        return {id: [handler] for id, handler in self.handlers.items()}

    # The UI

    @property
    def ui(self) -> gradio.Blocks:
        """The Gradio UI; another one may be put in its place.

        Raises:
            ConfigurationError: If gradio is not installed.
        """
        return self._ui or self._built or self._build()

    @ui.setter
    def ui(self, blocks: gradio.Blocks) -> None:
        self._ui = blocks

    @property
    def webrtc_component(self) -> Any:
        """The component of the UI; an event that has it as an input gets the id of its session.

        Its `handlers` are those of this stream.
        """
        if self._built is None:
            self._build()
        return self._built.widget

    def _build(self) -> gradio.Blocks:
        built: Any = core.Stream.ui.func(self)  # type: ignore[attr-defined]
        built.widget.handlers = self.handlers
        built.header.visible = not self._hides_title
        self._built = built
        blocks: gradio.Blocks = built
        return blocks

    # What FastRTC's clients call

    async def offer(self, body: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Serve the body of an offer; a model of pydantic will do as well as a dictionary."""
        if hasattr(body, "model_dump"):
            body = body.model_dump(exclude_none=True)
        return await super().offer(body, *args, **kwargs)

    def set_input(self, webrtc_id: str, *args: Any) -> None:
        """Give a session its additional inputs; as in FastRTC, one that is gone is no error."""
        with suppress(UnknownSessionError):
            super().set_input(webrtc_id, *args)

    async def output_stream(self, webrtc_id: str) -> AsyncGenerator[AdditionalOutputs, None]:
        """Yields every additional output of a session until it ends.

        As in FastRTC it may be asked for before the offer: it then waits for that, 10 s at most.

        Raises:
            UnknownSessionError: If no offer with this id was taken within that time.
        """
        async with aclosing(self.anywhere.output_stream(webrtc_id)) as stream:
            async for outputs in stream:
                yield outputs

    def fastphone(self, *args: Any, **kwargs: Any) -> None:
        """Not here: FastPhone is a service that the makers of FastRTC run for its users.

        Raises:
            ConfigurationError: Always; the text says what to do.
        """
        raise ConfigurationError(
            "FastPhone is a service of FastRTC's makers, and only for FastRTC. Mount the stream on "
            "an app, serve it at a public https address, and give your number at Twilio, Telnyx or "
            "Plivo the webhook https://…/telephone/incoming"
        )


class _Handlers(Mapping[str, StreamHandlerBase]):
    """A view of the sessions of a registry: it changes with them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, id: str) -> StreamHandlerBase:
        try:
            return self._registry.session(id).handler
        except UnknownSessionError:
            raise KeyError(id) from None

    def __iter__(self) -> Iterator[str]:
        return iter([session.id for session in self._registry.running()])

    def __len__(self) -> int:
        return len(self._registry.running())
