"""Telephone calls, with a service that speaks as Twilio, Telnyx and Plivo do."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any, get_args
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from fastapi import HTTPException
from websockets.exceptions import InvalidStatus

from fastrtc_core import (
    AudioFrame,
    CloseStream,
    ConfigurationError,
    IncomingCall,
    Stream,
    TelephoneOptions,
    TurnRecord,
)
from fastrtc_core.errors import MalformedOfferError
from fastrtc_core.telephone.answers import twiml
from fastrtc_core.telephone.dialect import parse_call
from fastrtc_core.telephone.signatures import signature
from fastrtc_core.testing import delay_of, fit_sine, phone_call, speech_like, tone
from fastrtc_core.testing.phone import Service, calling
from fastrtc_handlers import Echo

from ..failures import Failure, every_failure, first
from ..webrtc.support import eventually
from ..websocket.test_server import Agent, copies, on_a_server

SERVICES: tuple[Service, ...] = get_args(Service)


class Clerk(Agent):
    """Notes the keys that are pressed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.keys: list[str] = []

    async def on_dtmf(self, digit: str) -> None:
        self.keys.append(digit)


@pytest.fixture(autouse=True)
def no_copies() -> None:
    copies.clear()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_call_is_a_session_as_any_other(service: Service) -> None:
    """What the caller says comes back; keys reach the handler, and the end does."""
    speech = speech_like(1.5, 8000)
    async with on_a_server(Stream(Echo(sample_rate=16000))) as url, calling(url, service) as phone:
        await phone.speak(speech)
        await eventually(lambda: len(phone.heard) >= 75, "the echo")
        await phone.hang_up()
    heard = np.concatenate(phone.heard)
    _, correlation = delay_of(heard, speech.data[0], 8000)
    assert correlation > 0.95


@pytest.mark.parametrize("service", SERVICES)
async def test_keys_and_what_is_known_of_the_call(service: Service) -> None:
    """In order; in the context; `phone_mode` is set, and inputs are not waited for."""
    async with on_a_server(Stream(Clerk())) as url, calling(url, service) as phone:
        for digit in "12#*":
            await phone.press(digit)
        await eventually(lambda: copies and len(clerk().keys) == 4, "the keys")
        assert clerk().keys == ["1", "2", "#", "*"]
        assert clerk().phone_mode
        await clerk().wait_for_args()
        context = clerk().context
        assert context is not None
        assert context.transport == "telephone"
        assert context.params["service"] == service
        assert context.params["call_id"] == "CA1"
        await phone.hang_up()
        await eventually(lambda: clerk().calls[-1] == "shutdown", "the end")


def clerk() -> Clerk:
    (agent,) = copies
    assert isinstance(agent, Clerk)
    return agent


@pytest.mark.parametrize("service", SERVICES)
async def test_an_interruption_clears_what_the_service_holds(service: Service) -> None:
    """Nothing old is played after it."""
    async with on_a_server(Stream(Clerk())) as url, calling(url, service) as phone:
        await eventually(lambda: copies, "the session")
        clerk().say(tone(500, 5.0, 24000))
        await asyncio.sleep(0.6)
        clerk().interrupt()
        await asyncio.sleep(0.3)
        assert phone.received[-1]["event"] in ("clear", "clearAudio")
        assert len(phone.heard) <= 31
        clerk().say(tone(800, 0.2, 24000))
        await asyncio.sleep(0.5)
        assert fit_sine(np.concatenate(phone.heard[-8:]), 800, 8000).snr > 25
        assert not [message for message in phone.received if "type" in message]


@pytest.mark.parametrize("service", SERVICES)
async def test_the_last_word_is_heard_before_we_hang_up(service: Service) -> None:
    """The service says when it has played it."""
    async with on_a_server(Stream(Clerk())) as url, calling(url, service) as phone:
        await eventually(lambda: copies, "the session")
        clerk().say([tone(500, 1.0, 24000), CloseStream()])
        await phone.socket.wait_closed()
        # The resampler puts as much silence in front as it holds back, 2 ms.
        assert len(np.concatenate(phone.heard)) == 8160
        assert phone.received[-1]["event"] in ("mark", "checkpoint")


async def test_what_to_do_with_a_call() -> None:
    """TwiML: a greeting, and the address of the socket as the service sees it."""
    options = TelephoneOptions(greeting="Hello & <welcome>", language="en-GB")
    async with on_a_server(Stream(Clerk()), path="/voice", telephone=options) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            reply = await http.post("/voice/telephone/incoming", data={"CallSid": "CA1"})
            assert reply.headers["content-type"].startswith("application/xml")
            root = ElementTree.fromstring(reply.text)
            say = root.find("Say")
            assert say is not None
            assert (say.text, say.get("language")) == ("Hello & <welcome>", "en-GB")
            stream = root.find("Connect/Stream")
            assert stream is not None
            assert stream.get("url") == f"{url.replace('http', 'ws')}/voice/telephone/handler"
            behind = {"x-forwarded-proto": "https", "x-forwarded-host": "example.org:8443"}
            reply = await http.post("/voice/telephone/incoming", headers=behind)
            assert "wss://example.org:8443/voice/telephone/handler" in reply.text
            reply = await http.post("/voice/telephone/incoming", content=b"x" * 70_000)
            assert reply.status_code == 413


async def test_only_signed_requests_are_served() -> None:
    """Both the request that tells of a call and the socket of the call itself."""
    options = TelephoneOptions(auth_token="secret", public_url="https://example.org/")
    async with on_a_server(Stream(Clerk()), telephone=options) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            fields = {"CallSid": "CA1", "From": "+1 555"}
            assert (await http.post("/telephone/incoming", data=fields)).status_code == 403
            signed = signature(
                "secret", "https://example.org/telephone/incoming", list(fields.items())
            )
            headers = {"x-twilio-signature": signed}
            reply = await http.post("/telephone/incoming", data=fields, headers=headers)
            assert reply.status_code == 200
            assert "wss://example.org/telephone/handler" in reply.text
            other = await http.post("/telephone/incoming", data={"CallSid": "2"}, headers=headers)
            assert other.status_code == 403
        with pytest.raises(InvalidStatus):
            async with calling(url):
                pass
        signed = signature("secret", "wss://example.org/telephone/handler", [])
        headers = {"x-twilio-signature": signed}
        async with calling(url, additional_headers=headers) as phone:
            await eventually(lambda: copies, "the session")
            await phone.hang_up()


def test_the_signature_is_twilios() -> None:
    """The example of Twilio's documentation on the security of requests."""
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+12349013030",
        "Digits": "1234",
        "From": "+12349013030",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, list(fields.items())) == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


def test_an_address_must_be_one() -> None:
    """Without a scheme it is none."""
    with pytest.raises(ConfigurationError, match="public_url"):
        TelephoneOptions(public_url="example.org")
    assert "<Say" not in twiml("wss://example.org", TelephoneOptions())


async def test_calls_count_as_any_session() -> None:
    """Against the one limit."""
    stream = Stream(Clerk(), concurrency_limit=1)
    async with on_a_server(stream) as url, calling(url) as phone:
        await eventually(lambda: stream.sessions == 1, "the session")
        async with calling(url) as refused:
            await refused.socket.wait_closed()
            assert refused.socket.close_code == 1013
        await phone.hang_up()


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"event": "media"}, "begins with"),
        ({"event": "start"}, "begins with"),
        ({"event": "start", "start": {}}, "streamSid, stream_id, streamId"),
        (
            {
                "event": "start",
                "stream_id": "x",
                "start": {"media_format": {"encoding": "OPUS", "sample_rate": 16000}},
            },
            "8000 Hz",
        ),
    ],
)
def test_what_is_no_call(message: dict[str, Any], error: str) -> None:
    """The error says what to change."""
    with pytest.raises(MalformedOfferError, match=error):
        parse_call(json.dumps(message))


NUMBERS = {
    "twilio": {"From": "+15550100", "To": "+15550199"},
    "telnyx": {"From": "+15550100", "To": "+15550199"},
    "plivo": {"From": "15550100", "To": "15550199"},
}


@pytest.mark.parametrize("service", SERVICES)
async def test_the_caller_and_own_parameters_reach_the_handler(service: Service) -> None:
    """Each service is told in its own XML to hand them on, and does it in its own words."""
    own = {"who": 'Ada, "L" & <co>=;', "seat": 7, "none": None, "ä b": "}"}
    options = TelephoneOptions(greeting="Hello", parameters=own)
    async with on_a_server(Stream(Clerk()), telephone=options) as url:
        async with phone_call(url, service=service) as phone:
            assert phone.greeting == "Hello"
            await eventually(lambda: copies and clerk().context, "the session")
            context = clerk().context
            assert context is not None
            expected = {**NUMBERS[service], "who": own["who"], "seat": "7", "ä b": "}"}
            assert {key: context.params.get(key) for key in expected} == expected
            assert context.params["service"] == service
            assert "none" not in context.params


def by_number(call: IncomingCall) -> dict[str, Any]:
    assert threading.current_thread() is not threading.main_thread()
    return {"customer": f"{call.service} {call.fields['From']}", "From": "hidden"}


async def by_number_later(call: IncomingCall) -> dict[str, Any]:
    assert (await call.body()).startswith(b"AccountSid")
    await asyncio.sleep(0)
    return {"customer": f"{call.service} {call.fields['From']}", "From": "hidden"}


@pytest.mark.parametrize("function", [by_number, by_number_later])
async def test_parameters_may_depend_on_the_call(function: Any) -> None:
    """A function of the request: on a thread, or on the loop if it is async."""
    options = TelephoneOptions(parameters=function)
    async with on_a_server(Stream(Clerk()), telephone=options) as url, phone_call(url):
        await eventually(lambda: copies and clerk().context, "the session")
        context = clerk().context
        assert context is not None
        assert context.params["customer"] == "twilio +15550100"
        assert (context.params["From"], context.params["To"]) == ("hidden", "+15550199")


@pytest.mark.parametrize("wrong", [[("a", "b")], {7: "x"}, {"": "x"}])
def test_parameters_are_names_and_values(wrong: Any) -> None:
    """What is none is refused at once."""
    with pytest.raises(ConfigurationError, match="parameter"):
        TelephoneOptions(parameters=wrong)


@pytest.mark.parametrize(
    ("fields", "service"),
    [
        ({"CallSid": "CA1", "AccountSid": "AC1"}, "twilio"),
        ({}, "twilio"),
        ({"CallSid": "v3:abc", "AccountSid": "5c0e"}, "telnyx"),
        ({"CallSid": "x", "CallSidLegacy": "x"}, "telnyx"),
        ({"CallUUID": "x", "From": "1555"}, "plivo"),
    ],
)
async def test_each_service_gets_its_own_answer(fields: dict[str, str], service: str) -> None:
    """On one route; they are told apart by what they say of the call."""
    async with on_a_server(Stream(Clerk())) as url, httpx.AsyncClient(base_url=url) as http:
        root = ElementTree.fromstring((await http.post("/telephone/incoming", data=fields)).text)
        address = f"{url.replace('http', 'ws')}/telephone/handler"
        if service == "plivo":
            (stream,) = root
            assert (stream.tag, stream.text) == ("Stream", address)
            assert stream.get("bidirectional") == stream.get("keepCallAlive") == "true"
            assert stream.get("contentType") == "audio/x-mulaw;rate=8000"
            return
        found = root.find("Connect/Stream")
        assert found is not None
        assert found.get("url") == address
        assert found.get("bidirectionalMode") == ("rtp" if service == "telnyx" else None)


@pytest.mark.parametrize(
    ("signed", "headers"),
    [
        ("https://example.org", {"host": "example.org"}),
        ("https://example.org", {"host": "example.org:443"}),
        ("https://example.org:443", {"host": "example.org"}),
        ("https://example.org", {"x-forwarded-host": "example.org:8443", "host": "inner"}),
        ("https://example.org:8443", {"host": "example.org", "x-forwarded-port": "8443"}),
        ("https://example.org", {"host": "example.org", "x-forwarded-port": "8443, 80"}),
        ("https://example.org", {"host": "example.org", "x-forwarded-port": "443"}),
    ],
)
async def test_ports_do_not_matter_to_a_signature(signed: str, headers: dict[str, str]) -> None:
    """Twilio signs with or without them, and proxies add, remove or tell them."""
    async with on_a_server(Stream(Clerk()), telephone=TelephoneOptions(auth_token="secret")) as url:
        fields = [("A", "1"), ("A", "2"), ("A", "1"), ("B", "")]
        given = signature("secret", f"{signed}/telephone/incoming", [*fields[:2], fields[3]])
        sent = {"x-forwarded-proto": "https", "x-twilio-signature": given, **headers}
        async with httpx.AsyncClient(base_url=url) as http:
            data = {"A": ["1", "2", "1"], "B": ""}
            reply = await http.post("/telephone/incoming", data=data, headers=sent)
            assert reply.status_code == 200
            other = sent | {"x-twilio-signature": signature("other", "", [])}
            reply = await http.post("/telephone/incoming", data=data, headers=other)
            assert reply.status_code == 403


async def test_the_port_that_a_proxy_tells_of_is_part_of_the_address() -> None:
    """Unless it is the default, which need not be named and is wrong where TLS ends earlier."""
    async with on_a_server(Stream(Clerk())) as url, httpx.AsyncClient(base_url=url) as http:
        for port, shown in (("8443", ":8443"), ("80", ""), ("443", ""), ("x", "")):
            headers = {"host": "a.org", "x-forwarded-proto": "https", "x-forwarded-port": port}
            reply = await http.post("/telephone/incoming", headers=headers)
            assert f'"wss://a.org{shown}/telephone/handler"' in reply.text


@every_failure
async def test_parameters_that_cannot_be_had(failure: Failure) -> None:
    """Whatever their function raises refuses one call, and the next is connected."""
    options = TelephoneOptions(parameters=first(failure, lambda call: {"a": "1"}))
    async with on_a_server(Stream(Clerk()), telephone=options) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            replies = [await http.post("/telephone/incoming") for _ in range(2)]
    assert [reply.status_code for reply in replies] == [500, 200]


async def test_a_function_that_fails_connects_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """What it raises is in the log, or the answer if it is meant to be one."""
    problems = iter([KeyError("customer"), SystemExit(3), HTTPException(404, "who?"), None])

    def refuse(call: IncomingCall) -> Any:
        if (problem := next(problems)) is not None:
            raise problem
        return 5

    options = TelephoneOptions(parameters=refuse)
    async with on_a_server(Stream(Clerk()), telephone=options) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            replies = [await http.post("/telephone/incoming") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [500, 500, 404, 500]
    assert len([record for record in caplog.records if record.exc_info]) == 3
    assert "must be a dict" in caplog.text


class Presses(Agent):
    """Answers keys, with a little silence first."""

    async def on_dtmf(self, digit: str) -> None:
        turn = self.take_turn()
        with self.stage("look up"):
            await asyncio.sleep(0.3)
        lead = np.zeros((1, 2400), np.int16)
        self.say(AudioFrame(24000, np.hstack([lead, tone(440, 0.5, 24000).data])), turn=turn)


@pytest.mark.parametrize("service", SERVICES)
async def test_the_gap_of_a_turn_goes_up_to_what_the_caller_hears(service: Service) -> None:
    """By the mark that a service returns when it has played the first sound."""
    stream = Stream(Presses())
    async with on_a_server(stream) as url, calling(url, service) as phone:
        await eventually(lambda: copies)
        (session,) = stream._registry.running()
        records: list[TurnRecord] = []
        session.turns.observe(records.append)
        loop, began = asyncio.get_running_loop(), phone._began
        await phone.press("1")
        pressed = loop.time()
        await eventually(lambda: records)
        heard = next(
            began + at
            for at, samples in zip(phone.times, phone.heard, strict=True)
            if np.abs(samples).max() > 500
        )
    (record,) = records
    assert list(record.stages)[-2:] == ["lead", "play"]
    assert record.stages["look up"] == pytest.approx(0.3, abs=0.02)
    assert record.gap == pytest.approx(heard - pressed, abs=0.02)
