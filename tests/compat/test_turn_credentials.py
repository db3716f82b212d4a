"""Each service is asked as it documents, and its documented answer is understood."""

from __future__ import annotations

import asyncio
import base64
import inspect
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from fastrtc_core import Stream
from fastrtc_core.compat import (
    TurnCredentialsError,
    get_cloudflare_turn_credentials,
    get_cloudflare_turn_credentials_async,
    get_hf_turn_credentials,
    get_hf_turn_credentials_async,
    get_turn_credentials,
    get_turn_credentials_async,
    get_twilio_turn_credentials,
    get_twilio_turn_credentials_async,
    turn_credentials,
)
from fastrtc_handlers import Echo

from .services import Service

CLOUDFLARE = {
    "iceServers": [
        {"urls": ["stun:stun.cloudflare.com:3478", "stun:stun.cloudflare.com:53"]},
        {
            "urls": ["turn:turn.cloudflare.com:3478?transport=udp"],
            "username": "bc91b63e2b5d759f8eb9f3b58062439e",
            "credential": "ebd71f1d3edbc2b0edae3cd5a6d82284",
        },
    ]
}
"""As Cloudflare documents `generate-ice-servers`; that for Hugging Face passes it on."""

TWILIO = {
    "username": "dc2d2894d5a9023620c467b0e71cfa6a35457e6679785ed6ae9856fe5bdfa269",
    "ice_servers": [
        {"url": "stun:global.stun.twilio.com:3478", "urls": "stun:global.stun.twilio.com:3478"},
        {
            "url": "turn:global.turn.twilio.com:3478?transport=udp",
            "username": "dc2d2894d5a9023620c467b0e71cfa6a35457e6679785ed6ae9856fe5bdfa269",
            "urls": "turn:global.turn.twilio.com:3478?transport=udp",
            "credential": "tE2DajzSJwnsSbc123",
        },
    ],
    "date_updated": "Fri, 01 May 2020 01:42:57 +0000",
    "account_sid": "ACXXX",
    "ttl": "86400",
    "date_created": "Fri, 01 May 2020 01:42:57 +0000",
    "password": "tE2DajzSJwnsSbc123",
}
"""As Twilio documents it for its resource Token."""

Function = Callable[..., Any]


@pytest.fixture(autouse=True)
def stand_in(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_URL", "CLOUDFLARE_URL", "TWILIO_URL"):
        monkeypatch.setattr(turn_credentials, name, f"{service.url}/{name.lower()}")
    for name in (
        "HF_TOKEN",
        "CLOUDFLARE_TURN_KEY_ID",
        "CLOUDFLARE_TURN_KEY_API_TOKEN",
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)


async def call(function: Function, *args: Any, **kwargs: Any) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


@pytest.mark.parametrize(
    "function", [get_cloudflare_turn_credentials, get_cloudflare_turn_credentials_async]
)
async def test_cloudflare(service: Service, function: Function) -> None:
    service.answer = CLOUDFLARE
    service.status = 201
    assert await call(function, "key", "secret", ttl=60) == CLOUDFLARE
    [asked] = service.asked
    assert asked.method == "POST"
    assert asked.path == "/cloudflare_url/key/credentials/generate-ice-servers"
    assert asked.headers["authorization"] == "Bearer secret"
    assert asked.body == {"ttl": 60}


@pytest.mark.parametrize(
    "function",
    [
        get_hf_turn_credentials,
        get_hf_turn_credentials_async,
        get_cloudflare_turn_credentials,
        get_cloudflare_turn_credentials_async,
    ],
)
@pytest.mark.filterwarnings("ignore:.*is deprecated:UserWarning")
async def test_a_token_of_hugging_face(
    service: Service, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment, and before a key."""
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    service.answer = CLOUDFLARE
    assert await call(function, ttl=60) == CLOUDFLARE
    [asked] = service.asked
    assert (asked.method, asked.path) == ("GET", "/hf_url?ttl=60")
    assert asked.headers["authorization"] == "Bearer hf_x"


@pytest.mark.parametrize(
    "function", [get_twilio_turn_credentials, get_twilio_turn_credentials_async]
)
async def test_twilio(service: Service, function: Function) -> None:
    """Without its package; a stream takes the answer as it is."""
    service.answer = TWILIO
    service.status = 201
    configuration = await call(function, "AC1", "secret")
    assert configuration == {
        "iceServers": TWILIO["ice_servers"],
        "iceTransportPolicy": "relay",
    }
    [asked] = service.asked
    assert (asked.method, asked.path) == ("POST", "/twilio_url/AC1/Tokens.json")
    basic = base64.b64encode(b"AC1:secret").decode()
    assert asked.headers["authorization"] == f"Basic {basic}"
    stream = Stream(Echo(), rtc_configuration=configuration)
    assert await stream.client_rtc_configuration() == configuration


async def test_the_dispatchers(service: Service) -> None:
    """They leave out what the chosen function does not take, as FastRTC's do."""
    service.answer = CLOUDFLARE
    everything = {"turn_key_id": "key", "turn_key_api_token": "secret", "twilio_sid": "AC1"}
    assert await call(get_turn_credentials, **everything) == CLOUDFLARE
    assert await get_turn_credentials_async("cloudflare", **everything) == CLOUDFLARE
    service.answer = TWILIO
    answer = await get_turn_credentials_async("twilio", twilio_sid="AC1", twilio_token="x")
    assert answer["iceTransportPolicy"] == "relay"
    with pytest.warns(UserWarning, match="deprecated"):
        await call(get_turn_credentials, "hf", token="x")
    for function in (get_turn_credentials, get_turn_credentials_async):
        with pytest.raises(ValueError, match="'cloudflare', 'twilio' or 'hf'"):
            await call(function, "stun")


async def test_a_client_of_ones_own(service: Service) -> None:
    service.answer = CLOUDFLARE
    async with httpx.AsyncClient(headers={"x-own": "yes"}) as client:
        await get_cloudflare_turn_credentials_async("key", "secret", client=client)
        assert not client.is_closed
    assert service.asked[0].headers["x-own"] == "yes"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (get_cloudflare_turn_credentials, {}),
        (get_cloudflare_turn_credentials_async, {"turn_key_id": "alone"}),
        (get_twilio_turn_credentials, {}),
        (get_twilio_turn_credentials_async, {"twilio_sid": "alone"}),
        (get_hf_turn_credentials, {}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is deprecated:UserWarning")
async def test_what_is_missing_is_named(function: Function, arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"Pass .*environment variable"):
        await call(function, **arguments)


@pytest.mark.parametrize(
    "function", [get_cloudflare_turn_credentials, get_cloudflare_turn_credentials_async]
)
@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, {"error": "Unauthorized"}, "401 .*Unauthorized"),
        (200, b"<html>", "something else"),
        (200, [1], "something else"),
    ],
)
async def test_a_service_that_refuses(
    service: Service, function: Function, status: int, answer: Any, said: str
) -> None:
    service.status, service.answer = status, answer
    with pytest.raises(TurnCredentialsError, match=said) as caught:
        await call(function, "key", "secret")
    assert "secret" not in str(caught.value)


async def test_twilio_without_servers_and_nobody_there(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TurnCredentialsError, match="without ice_servers"):
        await get_twilio_turn_credentials_async("AC1", "secret")
    monkeypatch.setattr(turn_credentials, "TWILIO_URL", "http://127.0.0.1:1")
    for function in (get_twilio_turn_credentials, get_twilio_turn_credentials_async):
        with pytest.raises(TurnCredentialsError, match="Twilio cannot be reached"):
            await call(function, "AC1", "secret")
