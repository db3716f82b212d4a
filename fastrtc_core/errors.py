"""The errors of fastrtc_core, one tree:

FastRTCError
├── HandlerError                its text is shown to the client
│   └── InvalidFrameError       a frame of an invalid shape, dtype or rate (ValueError)
├── UserCodeError               code of the application awaited something that was cancelled
│   └── UserExitError           it tried to end the program, `sys.exit()` for one: its session ends
├── ConfigurationError          a Stream or handler that cannot work as asked (ValueError)
├── OfferError                  an offer that is refused; carries a code and an HTTP status
│   ├── MalformedOfferError         the body or its SDP cannot be read
│   ├── ModalityError               the offered media do not fit the stream
│   ├── DuplicateSessionError       the session id is taken
│   ├── ConcurrencyLimitError       as many sessions as allowed are connected
│   ├── UnavailableError            the stream is draining or its ICE servers cannot be had
│   ├── OriginError                 the page of a request, or the name it asks for, is not admitted
│   ├── TokenError                  the token of a participant of a channel does not hold
│   ├── MalformedCandidateError     a trickled candidate cannot be read
│   ├── NoIceRestartError           the ICE credentials of a connection cannot change
│   └── SessionGoneError            it is for a session that has ended
├── ConnectionFailedError       a client reached no server, or no media path to it
├── MessageError                a message that is malformed, unknown or too large (ValueError)
├── UnknownSessionError         no such session (LookupError)
├── ChannelClosedError          the message channel is closed, or was never opened
├── QueueFullError              a bounded queue is full and its producer would not wait
├── SourceClosedError           a push to a source that is closed
├── SourceError                 an input source cannot be opened or read; the text says which
├── BusError                    the bus between servers is away, or refuses what was asked
├── StreamError                 a stream to or of another participant that failed; the text says why
├── RpcError                    a call to another participant that failed; carries a code
└── EndOfStreamError            a read past the end of a track
"""

from __future__ import annotations

from typing import Any, ClassVar


class FastRTCError(Exception):
    """Base of every error that this package raises on purpose."""


class HandlerError(FastRTCError):
    """Raise this in a handler to show its text to the client.

    Any other exception reaches the client as a neutral sentence and the log in full.
    """


class InvalidFrameError(HandlerError, ValueError):
    """An emitted or pushed frame has an invalid shape, dtype or rate."""


class UserCodeError(FastRTCError):
    """Code of the application awaited something that was cancelled, while it was not itself.

    It is reported like any other exception, its own traceback as the cause.
    """


class UserExitError(UserCodeError):
    """Code of the application raised `SystemExit`, `KeyboardInterrupt` or the like.

    The session whose code it was ends with `CloseReason.ERROR`; the server goes on.
    """


class ConfigurationError(FastRTCError, ValueError):
    """A stream or a handler cannot work as it was asked to; the text says what to change."""


class OfferError(FastRTCError):
    """An offer or candidate is refused.

    `code` is the stable word that clients compare, `http_status` the status of the answer,
    `meta` what the answer says beside the code.
    """

    code: ClassVar[str] = "offer_refused"
    http_status: ClassVar[int] = 400

    def __init__(self, message: str, **meta: Any) -> None:
        super().__init__(message)
        self.meta = meta

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer, in the shape that FastRTC's clients know."""
        return {
            "status": "failed",
            "meta": {"error": self.code, "message": str(self), **self.meta},
        }


class MalformedOfferError(OfferError):
    """The body of an offer, or the SDP in it, cannot be read."""

    code = "malformed_offer"


class ModalityError(OfferError):
    """The media of an offer do not fit the modality and mode of the stream."""

    code = "wrong_modality"


class DuplicateSessionError(OfferError):
    """The session id of an offer is taken."""

    code = "connection_already_exists"
    http_status = 409


class ConcurrencyLimitError(OfferError):
    """As many sessions as `concurrency_limit` allows are connected."""

    code = "concurrency_limit_reached"
    http_status = 429


class UnavailableError(OfferError):
    """The stream takes no sessions right now."""

    code = "unavailable"
    http_status = 503


class OriginError(OfferError):
    """The page that a request comes from may not connect, or asks for a server of another name."""

    code = "origin_refused"
    http_status = 403


class TokenError(OfferError):
    """The token of a participant does not let it into the channel; the text says why."""

    code = "token_refused"
    http_status = 403


class MalformedCandidateError(OfferError):
    """A trickled ICE candidate cannot be read."""

    code = "malformed_candidate"


class NoIceRestartError(OfferError):
    """An offer has new ICE credentials for a connection that cannot take them."""

    code = "no_ice_restart"
    http_status = 422


class SessionGoneError(OfferError):
    """A later offer of a client whose session has ended."""

    code = "unknown_session"
    http_status = 404


class ConnectionFailedError(FastRTCError):
    """A client could not reach its server, or found no path for media to it."""


class MessageError(FastRTCError, ValueError):
    """A message is malformed, of an unknown type, or larger than allowed."""


class UnknownSessionError(FastRTCError, LookupError):
    """No session with this id is connected."""


class ChannelClosedError(FastRTCError):
    """The message channel of a session is closed, or there is none."""


class QueueFullError(FastRTCError):
    """A bounded queue is full, and the call would not wait."""


class SourceClosedError(FastRTCError):
    """A frame was pushed to a source after it was closed."""


class SourceError(FastRTCError):
    """An input source cannot be opened or read; the text says which, and why."""


class BusError(FastRTCError):
    """The bus between the servers of a channel is not connected, or refuses what was asked."""


class RpcError(FastRTCError):
    """A call to another participant of a channel has failed.

    Raise it in a method to have the caller see code and text; anything else that a method raises
    reaches the caller as a neutral sentence.

    Args:
        code: One of `fastrtc_core.channel.RpcErrorCode`, or a number of the application's own.
        message: What went wrong.
        data: More of it, for programs.
    """

    def __init__(self, code: int, message: str, data: str = "") -> None:
        super().__init__(message)
        self.code = int(code)
        self.message = message
        self.data = data


class StreamError(FastRTCError):
    """A stream of text or bytes cannot be sent, or read to its end; the text says why."""


class EndOfStreamError(FastRTCError):
    """The track has ended and everything it held was read."""
