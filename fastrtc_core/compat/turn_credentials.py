"""Credentials for TURN servers, from the services that FastRTC knows.

Each function returns an `RTCConfiguration` dictionary for `rtc_configuration`. The credentials
expire, so pass the function itself where clients come later than the start of the server.
"""

from __future__ import annotations

import base64
import inspect
import os
import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..errors import ConfigurationError, FastRTCError

if TYPE_CHECKING:
    import httpx

HF_URL = "https://turn.fastrtc.org/credentials"
"""Cloudflare's TURN servers for the tokens of Hugging Face, run by the makers of FastRTC."""
CLOUDFLARE_URL = "https://rtc.live.cloudflare.com/v1/turn/keys"
TWILIO_URL = "https://api.twilio.com/2010-04-01/Accounts"

TIMEOUT = 10.0
"""How long in s a service may keep silent."""

Method = Literal["hf", "twilio", "cloudflare"]


class TurnCredentialsError(FastRTCError, RuntimeError):
    """A service gave no credentials; the text says why."""


class _Request(NamedTuple):
    """What is asked of a service."""

    method: str
    url: str
    authorization: str
    params: dict[str, Any] | None = None
    json: dict[str, Any] | None = None
    name: str = "Cloudflare"


def get_hf_turn_credentials(token: str | None = None, ttl: int = 600) -> dict[str, Any]:
    """TURN credentials for a token of Hugging Face; deprecated, as in FastRTC.

    Args:
        token: `HF_TOKEN` of the environment by default.
        ttl: For how long in s they are valid.

    Raises:
        ValueError: If there is no token.
        TurnCredentialsError: If the service cannot be reached, or refuses.
        ConfigurationError: If httpx is not installed.
    """
    _deprecated("get_hf_turn_credentials", "get_cloudflare_turn_credentials")
    return _fetch(_hf_request(token, ttl))


async def get_hf_turn_credentials_async(
    token: str | None = None, ttl: int = 600, client: httpx.AsyncClient | None = None
) -> dict[str, Any]:
    """The same on an event loop.

    Args:
        token: `HF_TOKEN` of the environment by default.
        ttl: For how long in s they are valid.
        client: What sends the request; one of its own by default.

    Raises:
        Exception: As of `get_hf_turn_credentials`.
    """
    _deprecated("get_hf_turn_credentials_async", "get_cloudflare_turn_credentials_async")
    return await _fetch_async(_hf_request(token, ttl), client)


def get_cloudflare_turn_credentials(
    turn_key_id: str | None = None,
    turn_key_api_token: str | None = None,
    hf_token: str | None = None,
    ttl: int = 600,
) -> dict[str, Any]:
    """TURN credentials of Cloudflare: for a TURN key of yours, or a token of Hugging Face.

    Args:
        turn_key_id: `CLOUDFLARE_TURN_KEY_ID` of the environment by default.
        turn_key_api_token: `CLOUDFLARE_TURN_KEY_API_TOKEN` by default.
        hf_token: `HF_TOKEN` by default; it goes before the key.
        ttl: For how long in s they are valid.

    Raises:
        ValueError: If there is neither a token nor a key.
        TurnCredentialsError: If the service cannot be reached, or refuses.
        ConfigurationError: If httpx is not installed.
    """
    return _fetch(_cloudflare_request(turn_key_id, turn_key_api_token, hf_token, ttl))


async def get_cloudflare_turn_credentials_async(
    turn_key_id: str | None = None,
    turn_key_api_token: str | None = None,
    hf_token: str | None = None,
    ttl: int = 600,
    client: httpx.AsyncClient | None = None,
) -> dict[str, Any]:
    """The same on an event loop.

    Args:
        turn_key_id: As of `get_cloudflare_turn_credentials`.
        turn_key_api_token: As of `get_cloudflare_turn_credentials`.
        hf_token: As of `get_cloudflare_turn_credentials`.
        ttl: For how long in s they are valid.
        client: What sends the request; one of its own by default.

    Raises:
        Exception: As of `get_cloudflare_turn_credentials`.
    """
    request = _cloudflare_request(turn_key_id, turn_key_api_token, hf_token, ttl)
    return await _fetch_async(request, client)


def get_twilio_turn_credentials(
    twilio_sid: str | None = None, twilio_token: str | None = None
) -> dict[str, Any]:
    """TURN credentials of Twilio. The package `twilio` is not needed.

    Args:
        twilio_sid: `TWILIO_ACCOUNT_SID` of the environment by default.
        twilio_token: `TWILIO_AUTH_TOKEN` by default.

    Returns:
        Its ICE servers, and the policy `relay`: media go over its servers alone.

    Raises:
        ValueError: If one of the two is missing.
        TurnCredentialsError: If the service cannot be reached, or refuses.
        ConfigurationError: If httpx is not installed.
    """
    return _of_twilio(_fetch(_twilio_request(twilio_sid, twilio_token)))


async def get_twilio_turn_credentials_async(
    twilio_sid: str | None = None,
    twilio_token: str | None = None,
    client: httpx.AsyncClient | None = None,
) -> dict[str, Any]:
    """The same on an event loop; FastRTC has none.

    Args:
        twilio_sid: As of `get_twilio_turn_credentials`.
        twilio_token: As of `get_twilio_turn_credentials`.
        client: What sends the request; one of its own by default.

    Raises:
        Exception: As of `get_twilio_turn_credentials`.
    """
    return _of_twilio(await _fetch_async(_twilio_request(twilio_sid, twilio_token), client))


def get_turn_credentials(method: Method = "cloudflare", **kwargs: Any) -> dict[str, Any]:
    """TURN credentials of one of the services.

    Args:
        method: `cloudflare`, `twilio` or `hf`.
        kwargs: Arguments of its function; those that it does not take are left out, as in FastRTC.

    Raises:
        ValueError: If there is no such method.
        Exception: As of its function.
    """
    functions: dict[str, Any] = {
        "hf": get_hf_turn_credentials,
        "twilio": get_twilio_turn_credentials,
        "cloudflare": get_cloudflare_turn_credentials,
    }
    function = functions[_known(method)]
    credentials: dict[str, Any] = function(**_taken(function, kwargs))
    return credentials


async def get_turn_credentials_async(
    method: Method = "cloudflare", **kwargs: Any
) -> dict[str, Any]:
    """The same on an event loop, for Twilio as well.

    Args:
        method: `cloudflare`, `twilio` or `hf`.
        kwargs: Arguments of its function; those that it does not take are left out, as in FastRTC.

    Raises:
        ValueError: If there is no such method.
        Exception: As of its function.
    """
    functions: dict[str, Any] = {
        "hf": get_hf_turn_credentials_async,
        "twilio": get_twilio_turn_credentials_async,
        "cloudflare": get_cloudflare_turn_credentials_async,
    }
    function = functions[_known(method)]
    credentials: dict[str, Any] = await function(**_taken(function, kwargs))
    return credentials


# What is asked


def _hf_request(token: str | None, ttl: int) -> _Request:
    token = token or os.environ.get("HF_TOKEN", "").strip()
    if not token:
        raise ValueError("Pass token, or set the environment variable HF_TOKEN")
    return _Request("GET", HF_URL, f"Bearer {token}", params={"ttl": ttl}, name="Hugging Face")


def _cloudflare_request(
    key: str | None, key_token: str | None, hf_token: str | None, ttl: int
) -> _Request:
    if hf_token is None:
        hf_token = os.environ.get("HF_TOKEN", "").strip()
    if hf_token:
        return _hf_request(hf_token, ttl)
    if not key or not key_token:
        key = os.environ.get("CLOUDFLARE_TURN_KEY_ID")
        key_token = os.environ.get("CLOUDFLARE_TURN_KEY_API_TOKEN")
    if not key or not key_token:
        raise ValueError(
            "Pass turn_key_id and turn_key_api_token, or hf_token, or set the environment "
            "variables CLOUDFLARE_TURN_KEY_ID and CLOUDFLARE_TURN_KEY_API_TOKEN, or HF_TOKEN"
        )
    url = f"{CLOUDFLARE_URL}/{key}/credentials/generate-ice-servers"
    return _Request("POST", url, f"Bearer {key_token}", json={"ttl": ttl})


def _twilio_request(sid: str | None, token: str | None) -> _Request:
    if not sid and not token:
        sid = os.environ.get("TWILIO_ACCOUNT_SID")
        token = os.environ.get("TWILIO_AUTH_TOKEN")
    if not sid or not token:
        raise ValueError(
            "Pass twilio_sid and twilio_token, or set the environment variables TWILIO_ACCOUNT_SID "
            "and TWILIO_AUTH_TOKEN"
        )
    basic = base64.b64encode(f"{sid}:{token}".encode()).decode()
    return _Request("POST", f"{TWILIO_URL}/{sid}/Tokens.json", f"Basic {basic}", name="Twilio")


def _of_twilio(answer: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(servers := answer.get("ice_servers"), list):
        raise TurnCredentialsError("Twilio answered without ice_servers")
    return {"iceServers": servers, "iceTransportPolicy": "relay"}


# How it is asked


def _fetch(request: _Request) -> dict[str, Any]:
    httpx = _httpx()
    try:
        with httpx.Client(timeout=TIMEOUT) as client:
            return _content(request, client.request(**_how(request)))
    except httpx.HTTPError as error:
        raise _unreachable(request, error) from error


async def _fetch_async(request: _Request, client: httpx.AsyncClient | None) -> dict[str, Any]:
    httpx = _httpx()
    try:
        if client is not None:
            return _content(request, await client.request(**_how(request)))
        async with httpx.AsyncClient(timeout=TIMEOUT) as own:
            return _content(request, await own.request(**_how(request)))
    except httpx.HTTPError as error:
        raise _unreachable(request, error) from error


def _how(request: _Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "headers": {"Authorization": request.authorization},
        "params": request.params,
        "json": request.json,
    }


def _content(request: _Request, reply: Any) -> dict[str, Any]:
    if not reply.is_success:
        raise TurnCredentialsError(
            f"{request.name} gave no TURN credentials: {reply.status_code} {reply.text[:300]}"
        )
    try:
        content = reply.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise TurnCredentialsError(f"{request.name} answered with something else than credentials")
    return content


def _unreachable(request: _Request, error: Exception) -> TurnCredentialsError:
    what = str(error) or type(error).__name__
    return TurnCredentialsError(f"{request.name} cannot be reached: {what}")


def _httpx() -> Any:
    try:
        import httpx
    except ModuleNotFoundError:
        raise ConfigurationError("TURN credentials need httpx: pip install httpx") from None
    return httpx


def _known(method: str) -> str:
    if method not in ("hf", "twilio", "cloudflare"):
        raise ValueError(f"method must be 'cloudflare', 'twilio' or 'hf', not {method!r}")
    return method


def _taken(function: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    names = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in names}


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(f"{name} is deprecated: call {instead}", UserWarning, stacklevel=3)
