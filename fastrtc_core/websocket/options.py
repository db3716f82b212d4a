"""What a stream asks of its sessions over WebSockets and telephones."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ConfigurationError
from ..functions import Mode
from ..session import Hooks


@dataclass(frozen=True)
class SocketOptions:
    """What holds for all of them; see `Stream`."""

    mode: Mode
    time_limit: float | None = None
    hooks: Hooks = field(default_factory=Hooks)


@dataclass(frozen=True)
class TelephoneOptions:
    """How calls are taken.

    Attributes:
        greeting: Spoken by the telephone service before the session begins; nothing by default.
        language: Of the greeting.
        auth_token: With it, only requests that Twilio signed are served.
        public_url: Where the service reaches this server, such as `https://example.org`, if that
            is not what the headers of its requests say.

    Raises:
        ConfigurationError: If `public_url` is no address.
    """

    greeting: str | None = None
    language: str = "en-US"
    auth_token: str | None = None
    public_url: str | None = None

    def __post_init__(self) -> None:
        if self.public_url is not None and not self.public_url.startswith(("http://", "https://")):
            raise ConfigurationError("public_url must begin with http:// or https://")
