"""`Stream`: a handler, what flows, and its limits; mounted on an app or shown in a UI."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum
from functools import cached_property, partial
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from .context import Caller
from .errors import ConfigurationError, OfferError, UnknownSessionError
from .handler import StreamHandlerBase
from .handler.functions import Modality, Mode, as_handler
from .media.jitter import JitterStatistics
from .operations.draining import drained
from .operations.lag import LoopLag, watched
from .origins import OriginRule
from .outputs import AdditionalOutputs
from .registry import ENTERING_PER_ADDRESS, Entering, Registry, StreamSnapshot
from .session import Around, CloseReason, Hooks, Observed, unobserved
from .signaling.acceptor import Acceptor, ConnectionOptions
from .signaling.fastrtc import handle
from .signaling.resources import Resources, Take
from .signaling.sessions import SessionOptions, Sessions
from .signaling.trickling import Trickling
from .speech import Speech
from .telephone.options import TelephoneOptions
from .webrtc import ice
from .webrtc.addresses import candidate_filter
from .webrtc.options import AudioOptions, OptionsSource, VideoOptions, media_ports
from .websocket.manager import SocketManager
from .websocket.options import SocketOptions
from .workers.anywhere import OUTPUT_TIMEOUT, Anywhere
from .workers.workers import Workers

if TYPE_CHECKING:
    import gradio
    from fastapi import FastAPI
    from fastapi.params import Depends

    from .cluster.bus import Bus
    from .operations.flight_recorder import FlightRecorder
    from .operations.metrics import StreamMetrics
    from .runs import RunResult
    from .runs.sinks import Sink
    from .sources import Channels, SourceInterface

Transport = Literal["webrtc", "websocket", "telephone", "realtime"]
"""What `Stream.mount` adds routes for."""


class UIArgs(TypedDict, total=False):
    """What the Gradio UI shows, and what it looks like.

    Attributes:
        title: Heading of the page.
        subtitle: Line under it.
        icon: Picture in the middle of the widget: a file, or an address.
        icon_radius: Radius of its corners in px; a circle by default.
        color: Colour of the user and of the buttons, as CSS has them.
        answer_color: Colour of the server.
        labels: Words in place of those of the widget: `start`, `stop`, `ready`, `connecting`,
            `connected`, `reconnecting`, `ended`, `failed`, `listening`, `thinking`, `speaking`,
            `you`, `server`, `agent`, `talk`, `message`.
        transcript: Whether what both sides say is shown; by default where there are no
            additional outputs.
        text_box: Whether the user can also type, to `ReplyOnPause` or to `on_message`.
        push_to_talk: Whether the user talks while a button is held, to `ReplyOnPause`.
    """

    title: str
    subtitle: str
    icon: str | PathLike[str]
    icon_radius: float
    color: str
    answer_color: str
    labels: Mapping[str, str]
    transcript: bool
    text_box: bool
    push_to_talk: bool


class Stream:
    """Serves a handler to any number of clients.

    Args:
        handler: An instance of a handler class, or a function; see `docs/handlers.md`. Each
            session gets a copy of it.
        modality: `audio`, `video` or `audio-video`.
        mode: What the client does: `send-receive`, `send` or `receive`.
        concurrency_limit: Sessions at once; `None` for any number. `"default"` is one, as in
            FastRTC.
        connecting_per_address: How many one client address may be opening at once; `None` for any
            number.
        time_limit: Longest session in s; `None` for any length.
        drain_timeout: How long in s sessions may go on when the server shuts down. They end at once
            by default. Clients get the message `draining`.
        rtc_configuration: ICE servers for the client: an `RTCConfiguration` dict, a list of
            servers, or a sync or async function that returns either. None by default.
        server_rtc_configuration: The same for the server's side.
        track_constraints: `MediaTrackConstraints` for the client's microphone and camera.
        additional_inputs: Gradio components whose values the handler gets as arguments.
        additional_outputs: Gradio components that show the handler's `AdditionalOutputs`.
        additional_outputs_handler: Called with the present values of the outputs and then the new
            ones; returns what to show. The new ones are shown by default.
        ui_args: What the Gradio UI shows; see `UIArgs`.
        on_connect: Called with the `Context` of a session before its `start_up`.
        on_disconnect: Called with the `CloseReason` and the `Context` after its `shutdown`.
        tracing: Whether each session is a span of OpenTelemetry; needs the extra `opentelemetry`.
        flight_recorder: Records what each session is given, so that it can be run again.
        udp_port_range: First and last UDP port for media: each session takes ports of its own. By
            default all sessions of this process share one port, with other streams and engines.
        udp_port: The UDP port that they share, with others that name it; 0 for any. The server then
            sends checks to no address that a client has only named. By default it is any port, and
            such checks are sent. `range(40000, 40004)` is for four processes: each takes the first
            port of these that is free.
        tcp_port: One TCP port for the media of clients whose network lets no UDP through; 0 for
            any, or a range as above. It may be the number of `udp_port`.
        advertised_address: The IP address to put into host candidates, for a server behind a
            one-to-one NAT or in a container.
        allowed_candidates: Networks such as `["10.0.0.0/8"]`. Of the addresses that a client names,
            the server sends checks to those within them; by default to public ones, and to private
            ones while it has no public address itself.
        audio_options: How the audio that is sent is encoded; or a sync or async function that takes
            the `Context` of a session and returns that.
        video_options: The same for video.
        resume_timeout: How long in s a session of WebRTC waits for its client when its connection
            is lost or its page is reloaded, if the client can come back; it counts toward
            `concurrency_limit` meanwhile. `None`: it ends within 6 s, or at once.
        bus: What this process shares with others that serve the same stream, such as the workers of
            one server: a `LocalBus` or `RedisBus` of its own. What comes here of a session that
            lives elsewhere is then handed on; see `docs/deploy.md`.

    Attributes:
        anywhere: Reaches sessions in all processes that share the bus.

    Raises:
        ConfigurationError: If the handler cannot serve the modality and mode, or an argument makes
            no sense; the text says what to change.
    """

    def __init__(
        self,
        handler: StreamHandlerBase | Callable[..., Any],
        *,
        modality: Modality = "audio",
        mode: Mode = "send-receive",
        concurrency_limit: int | Literal["default"] | None = None,
        connecting_per_address: int | None = ENTERING_PER_ADDRESS,
        time_limit: float | None = None,
        drain_timeout: float = 0.0,
        rtc_configuration: ice.RtcConfigurationSource = None,
        server_rtc_configuration: ice.RtcConfigurationSource = None,
        track_constraints: Mapping[str, Any] | None = None,
        additional_inputs: Sequence[gradio.components.Component] | None = None,
        additional_outputs: Sequence[gradio.components.Component] | None = None,
        additional_outputs_handler: Callable[..., Any] | None = None,
        ui_args: UIArgs | None = None,
        on_connect: Callable[..., Any] | None = None,
        on_disconnect: Callable[..., Any] | None = None,
        tracing: bool = False,
        flight_recorder: FlightRecorder | None = None,
        udp_port_range: tuple[int, int] | None = None,
        udp_port: int | range | None = None,
        tcp_port: int | range | None = None,
        advertised_address: str | None = None,
        allowed_candidates: Sequence[str] | None = None,
        audio_options: OptionsSource[AudioOptions] = None,
        video_options: OptionsSource[VideoOptions] = None,
        resume_timeout: float | None = None,
        bus: Bus | None = None,
    ) -> None:
        _check_choice("modality", modality, get_args(Modality))
        _check_choice("mode", mode, get_args(Mode))
        if time_limit is not None and time_limit <= 0:
            raise ConfigurationError("time_limit must be a positive number of seconds, or None")
        if not 0 <= drain_timeout < math.inf:
            raise ConfigurationError("drain_timeout must be a number of seconds, 0 or more")
        if resume_timeout is not None and resume_timeout <= 0:
            raise ConfigurationError("resume_timeout must be a positive number of seconds, or None")
        self.modality: Modality = modality
        self.mode: Mode = mode
        self.handler = as_handler(handler, modality, mode)
        self.concurrency_limit = _limit(concurrency_limit)
        self.time_limit = time_limit
        self.drain_timeout = drain_timeout
        self.resume_timeout = resume_timeout
        self.rtc_configuration = rtc_configuration
        self.server_rtc_configuration = server_rtc_configuration
        self.track_constraints = track_constraints
        self.additional_inputs = list(additional_inputs or ())
        self.additional_outputs = list(additional_outputs or ())
        self.additional_outputs_handler = additional_outputs_handler
        self.ui_args: UIArgs = ui_args or {}
        self._registry = Registry(self.concurrency_limit, Entering(connecting_per_address))
        self._hooks = hooks = Hooks(on_connect, on_disconnect, _around(tracing, flight_recorder))
        self._sockets = SocketManager(
            self.handler, self._registry, SocketOptions(mode, time_limit, hooks)
        )
        asked = SessionOptions(modality, mode, time_limit, hooks, resume_timeout)
        sessions = Sessions(self.handler, self._registry, asked)
        connections = ConnectionOptions(
            rtc_configuration=server_rtc_configuration,
            ports=media_ports(udp_port_range, udp_port, tcp_port),
            advertised_address=advertised_address,
            may_check=candidate_filter(allowed_candidates, advertised_address),
            audio=audio_options,
            video=video_options,
        )
        self._trickling = Trickling()
        self._acceptor = Acceptor(
            sessions.admit, self._registry.entering, connections, self._trickling
        )
        self._workers = (
            None if bus is None else Workers(bus, self._registry, self._trickling, self._handle)
        )
        self.anywhere = Anywhere(self, self._workers)
        self._path = ""
        self._lag = LoopLag()

    @property
    def sessions(self) -> int:
        """How many sessions there are, those that are still connecting included."""
        return len(self._registry)

    def snapshot(self) -> StreamSnapshot:
        """What goes on now, in each session; safe from any thread, for tests and monitoring."""
        return self._registry.snapshot()

    # Serving

    def mount(
        self,
        app: FastAPI,
        path: str = "",
        tags: list[str | Enum] | None = None,
        dependencies: Sequence[Depends] | None = None,
        *,
        transports: Collection[Transport] = get_args(Transport),
        origins: Sequence[str] | None = None,
        allowed_hosts: Sequence[str] | None = None,
        user: Depends | Callable[..., Any] | None = None,
        telephone: TelephoneOptions | None = None,
        health: bool = False,
        metrics: bool = False,
    ) -> None:
        """Add the routes to an app: of WebRTC, WebSockets, telephone calls, and the Realtime API.

        Those of WebRTC take FastRTC's offers, and those of WHIP and WHEP.

        When the app shuts down, the sessions are drained.

        Args:
            app: The app.
            path: Prefix of the routes, such as `/voice`.
            tags: Tags of the routes in the OpenAPI document.
            dependencies: Dependencies of every route, for authentication. The script of the browser
                client alone is public.
            transports: Which there are; all by default. Only WebRTC has video.
            origins: Origins of further pages that may open sessions, such as `https://example.org`;
                `["*"]` for all. Those of the same host and port always may.
            allowed_hosts: Names of this server, such as `example.org` or `*.example.org`; requests
                to other names are then refused. By default only pages are that come without https,
                and by a public name, to a private address: their name was made to lead here.
            user: A dependency, `Depends(f)` or `f`, whose result is the `user` of the context.
            telephone: How calls are taken.
            health: Whether to add the health checks `/healthz` and `/readyz`. `dependencies` does
                not guard them; see `docs/monitoring.md`.
            metrics: Whether to add `/metrics` for Prometheus, unguarded too; needs the extra
                `metrics`.

        Raises:
            ConfigurationError: If a transport is unknown, an argument makes no sense, or the extra
                is not installed.
        """
        for transport in transports:
            _check_choice("transports", transport, get_args(Transport))
        # Imported here: FastAPI is a third of the time that importing this package takes, and of no
        # use to a process that only connects to a stream.
        from .door import Door
        from .operations.health import add_health_routes
        from .operations.metrics import StreamMetrics, add_metrics_route
        from .realtime import routes as realtime
        from .signaling import routes as webrtc
        from .signaling import whip
        from .telephone import routes as calls
        from .websocket import routes as websocket

        rule = OriginRule(origins, allowed_hosts)
        door = Door(rule, path, tags, dependencies, user, self._registry.count_refusal)
        if "webrtc" in transports:
            webrtc.add_routes(door, self._take_offer, self.client_rtc_configuration)
            resources = Resources(self._registry, self._trickling)
            take: Take = resources.take
            if self._workers is not None:
                take = self._workers.relayed(take)
            whip.add_routes(
                door,
                self._acceptor,
                self._registry,
                resources,
                take,
                self.client_rtc_configuration,
            )
        if "websocket" in transports and "audio" in self.modality:
            websocket.add_offer_route(door, self._sockets.serve)
        if "realtime" in transports and "audio" in self.modality:
            realtime.add_route(door, self._sockets.serve)
        if "telephone" in transports and "audio" in self.modality:
            calls.add_routes(door, self._sockets.serve, telephone or TelephoneOptions())
        if health:
            add_health_routes(door.public, self._registry.closed_for, self._lag)
        if metrics:
            add_metrics_route(door.public, StreamMetrics(self._registry, self._lag))
        door.open(app)
        if health or metrics:
            app.router.lifespan_context = watched(app.router.lifespan_context, self._lag)
        self._path = self._path or door.prefix
        app.router.lifespan_context = self.drained(app.router.lifespan_context)

    @cached_property
    def ui(self) -> gradio.Blocks:
        """The Gradio demo UI; needs the extra `ui`.

        Raises:
            ConfigurationError: If gradio is not installed.
        """
        try:
            # By its name, as a plug-in is: the UI knows streams, a stream knows no UI.
            ui = import_module(".ui", __package__)
        except ModuleNotFoundError as error:
            if error.name != "gradio":
                raise
            raise ConfigurationError(
                "the UI needs gradio: pip install 'fastrtc-core[ui]'"
            ) from None
        blocks: gradio.Blocks = ui.build_ui(self)
        return blocks

    async def offer(
        self,
        body: Any,
        headers: Mapping[str, str] | None = None,
        *,
        user: Any = None,
        address: str | None = None,
    ) -> dict[str, Any]:
        """Serve the body of an offer or candidate; what `mount` does for each request.

        Which pages may send it is up to the caller.

        Args:
            body: The JSON body.
            headers: Of the request, for the context.
            user: For the context.
            address: The IP address of the client, for `connecting_per_address`.

        Returns:
            The answer, or the body of a refusal: `{"status": "failed", "meta": {…}}`.
        """
        try:
            return await self._take_offer(body, Caller(headers or {}, address, user))
        except OfferError as error:
            return error.body()

    def collector(self, **labels: str) -> StreamMetrics:
        """A collector for your own registry of `prometheus_client`; needs the extra `metrics`.

        Args:
            labels: Added to every sample: `REGISTRY.register(stream.collector(stream="support"))`.

        Raises:
            ConfigurationError: If the extra is not installed.
        """
        from .operations.metrics import StreamMetrics

        return StreamMetrics(self._registry, labels=labels)

    async def _take_offer(self, body: Any, caller: Caller) -> dict[str, Any]:
        with self._registry.refusals():
            if self._workers is not None:
                return await self._workers.take_offer(body, caller)
            return await self._handle(body, caller)

    async def _handle(self, body: Any, caller: Caller) -> dict[str, Any]:
        return await handle(body, caller, self._acceptor, self._trickling)

    async def client_rtc_configuration(self) -> dict[str, Any]:
        """The `RTCConfiguration` for a client, fresh from its function if it is one."""
        return await ice.resolve(self.rtc_configuration)

    def run_source(
        self,
        source: SourceInterface,
        sink: Sink = None,
        *,
        channels: Channels = None,
        tail: float = 2.0,
        args: Sequence[Any] | None = None,
        on_output: Callable[..., Any] | None = None,
        progress: bool = False,
    ) -> RunResult:
        """Run one session over an input source instead of a client, to its end.

        It blocks, and has an event loop of its own. Over a source that is not in real time, such as
        `FileSource(…, real_time=False)`, the handler gets every frame as soon as it is done with
        the one before, and its clock goes by the samples.

        Args:
            source: What the handler hears.
            sink: Where to write what it emits, silence between it included: a file, by its suffix
                `.wav`, `.flac`, `.mp3`, `.ogg` or `.m4a`, or a sync or async function that takes
                each `AudioFrame`.
            channels: Which channels of the source it hears: an index for mono, two for stereo,
                `"mix"` for the mean of all; by default one or two as they are.
            tail: How long in s it hears silence after the end of the source, so that it can answer.
            args: The additional inputs.
            on_output: A sync or async function, called with the values of each `AdditionalOutputs`.
            progress: Whether to show on standard error how far it is.

        Raises:
            ConfigurationError: If the handler hears no audio, or the sink cannot be written.
            OfferError: If the stream has no room for one more session, or is draining.
            RuntimeError: If an event loop is running on this thread.
            Exception: What went wrong in the source or the sink.
        """
        if "audio" not in self.modality or self.mode == "receive":
            raise ConfigurationError(
                f"a handler of modality={self.modality!r} and mode={self.mode!r} hears no source"
            )
        # Imported here: a server has no use for it, nor for what reads and writes files.
        from .runs import RunOptions, run_source

        return run_source(
            self.handler,
            self._registry,
            RunOptions(self.mode == "send-receive", self.time_limit, self._hooks),
            source,
            sink=sink,
            channels=channels,
            tail=tail,
            args=None if args is None else list(args),
            on_output=on_output,
            progress=progress,
        )

    # Sessions

    def set_input(self, webrtc_id: str, *args: Any) -> None:
        """Give a session its additional inputs; safe from any thread.

        Raises:
            UnknownSessionError: If there is no such session.
        """
        self._registry.session(webrtc_id).handler.set_args(args)

    async def fetch_latest_output(
        self, webrtc_id: str, timeout: float = OUTPUT_TIMEOUT
    ) -> AdditionalOutputs:
        """The latest additional outputs of a session; waits for the first.

        Args:
            webrtc_id: The session; known from the moment that its offer was taken.
            timeout: Longest wait in s.

        Raises:
            UnknownSessionError: If there is no such session, or it ends before the first.
            TimeoutError: If there are none after `timeout` s.
        """
        hub = self._registry.outputs(webrtc_id)
        latest = await hub.fetch(timeout)
        if latest is not None:
            return latest
        if hub.ended:
            raise UnknownSessionError(f"session {webrtc_id!r} has ended and put out nothing")
        raise TimeoutError(f"session {webrtc_id!r} has put out nothing within {timeout:g} s")

    def output_stream(self, webrtc_id: str) -> AsyncGenerator[AdditionalOutputs, None]:
        """Yields every additional output of a session until it ends.

        It may be called from the moment that the offer with this id was taken. What was put out
        while nobody subscribed, up to 64 outputs, is yielded first.

        Raises:
            UnknownSessionError: At the call, if there is no such session.
        """
        return self._registry.outputs(webrtc_id).subscribe()

    async def wait_for_output_stream(
        self, webrtc_id: str, timeout: float = OUTPUT_TIMEOUT
    ) -> AsyncGenerator[AdditionalOutputs, None]:
        """`output_stream` for a caller that may be earlier than the offer.

        Args:
            webrtc_id: The id that the client is going to offer.
            timeout: Longest wait in s.

        Raises:
            UnknownSessionError: If no offer with this id was taken within `timeout` s.
            QueueFullError: If 256 callers wait already.
        """
        return (await self._registry.wait_for_outputs(webrtc_id, timeout)).subscribe()

    def say(
        self, webrtc_id: str, source: Any, *, priority: int = 0, interruptible: bool = True
    ) -> Speech:
        """Say something in a session; safe from any thread. See `StreamHandlerBase.say`.

        Raises:
            UnknownSessionError: If there is no such session.
        """
        handler = self._registry.session(webrtc_id).handler
        return handler.say(source, priority=priority, interruptible=interruptible)

    def interrupt(self, webrtc_id: str, *, force: bool = False) -> None:
        """End what is being said in a session; safe from any thread.

        Raises:
            UnknownSessionError: If there is no such session.
        """
        self._registry.session(webrtc_id).handler.interrupt(force=force)

    def network_statistics(self, webrtc_id: str) -> JitterStatistics | None:
        """What the network did to the incoming audio of a session; `None` where none comes in.

        Raises:
            UnknownSessionError: If there is no such session.
        """
        remote = self._registry.session(webrtc_id).remote_audio
        return None if remote is None else remote.network

    def close(self, webrtc_id: str) -> None:
        """End a session; safe from any thread.

        Raises:
            UnknownSessionError: If there is no such session.
        """
        self._registry.stop(webrtc_id, CloseReason.CLOSED)

    async def drain(self, timeout: float | None = None, *, patience: float = 0.0) -> None:
        """Take no more sessions, end those there are, and wait until they are gone.

        An app that starts again takes sessions again.

        Args:
            timeout: Longest wait in s for sessions that were told to end.
            patience: How long in s sessions may go on before that. Clients get the message
                `draining`.

        Raises:
            TimeoutError: If some are still there after `timeout` s.
        """
        await self._registry.drain(timeout, patience)

    def drained(self, lifespan: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Wrap the lifespan of an app so that sessions end with it; `mount` does it for its app."""
        ending = drained(lifespan, self._registry, self.drain_timeout)
        return ending if self._workers is None else self._workers.joined(ending, self._path)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigurationError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _limit(limit: Any) -> int | None:
    if limit == "default":
        return 1
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise ConfigurationError(
            "concurrency_limit must be at least 1, or None for no limit, or 'default' for 1"
        )
    return limit


def _around(tracing: bool, recorder: FlightRecorder | None) -> Around:
    """Who looks on while a session runs."""
    observers: list[Around] = []
    if tracing:
        # Imported here: only who traces has the package that it needs.
        from .operations.tracing import SessionSpans

        observers.append(SessionSpans())
    if recorder is not None:
        observers.append(recorder)
    if len(observers) == 1:
        return observers[0]
    return partial(_all_around, observers) if observers else unobserved


@contextmanager
def _all_around(
    observers: list[Around], session: Observed
) -> Iterator[Callable[[CloseReason], None]]:
    with ExitStack() as stack:
        ends = [stack.enter_context(observer(session)) for observer in observers]

        def end(reason: CloseReason) -> None:
            for one in ends:
                one(reason)

        yield end
