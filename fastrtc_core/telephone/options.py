"""What a stream asks of its calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError
from .incoming import IncomingCall

Parameters = Mapping[str, Any]
"""Names and values that a telephone service hands on to the handler of a call, as text."""


@dataclass(frozen=True)
class TelephoneOptions:
    """How calls are taken.

    Attributes:
        greeting: Spoken by the telephone service before the session begins; nothing by default.
        language: Of the greeting.
        auth_token: With it, only requests that Twilio signed are served.
        public_url: Where the service reaches this server, such as `https://example.org`, if that
            is not what the headers of its requests say.
        parameters: What the service hands on to the handler, in the params of its context, beside
            `From` and `To`: values, or a function (sync or async) of the `IncomingCall` that
            returns them; an `HTTPException` of it refuses the call. Values become text, and
            `None` is left out. Twilio takes names and values of up to 500 characters together,
            Plivo 512 bytes in all.

    Raises:
        ConfigurationError: If `public_url` is no address, or `parameters` are no names and values.
    """

    greeting: str | None = None
    language: str = "en-US"
    auth_token: str | None = None
    public_url: str | None = None
    parameters: (
        Parameters
        | Callable[[IncomingCall], Parameters | Awaitable[Parameters | None] | None]
        | None
    ) = None

    def __post_init__(self) -> None:
        if isinstance(self.parameters, Mapping):
            texts_of(self.parameters)
        elif self.parameters is not None and not callable(self.parameters):
            raise ConfigurationError("parameters must be a dict, or a function of the request")
        if self.public_url is not None and not self.public_url.startswith(("http://", "https://")):
            raise ConfigurationError("public_url must begin with http:// or https://")


def texts_of(parameters: Parameters) -> dict[str, str]:
    """Parameters as the text that they become.

    Raises:
        ConfigurationError: If a name is no text, or empty.
    """
    names: list[Any] = list(parameters)
    for name in names:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"the name of a parameter must be a text, not {name!r}")
    return {name: str(value) for name, value in parameters.items() if value is not None}
