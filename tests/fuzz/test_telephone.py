"""Telephone services: the request that tells of a call, and the call itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
from typing import Any, get_args
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import example, given
from hypothesis import strategies as st

from fastrtc_core import MessageError, Stream, TelephoneOptions
from fastrtc_core.errors import MalformedOfferError
from fastrtc_core.telephone.answers import twiml
from fastrtc_core.telephone.dialect import Call, CallDialect, parse_call
from fastrtc_core.telephone.routes import MAX_BODY
from fastrtc_core.testing.phone import STREAM, Service
from fastrtc_core.websocket.dialect import Key, Mark, Media, Stop

from ..webrtc.support import Silent
from .strategies import damaged_json, dumped, examples, messages, odd_texts
from .support import brief, visit

SERVICES: tuple[Service, ...] = get_args(Service)
IDS = {"twilio": "streamSid", "telnyx": "stream_id", "plivo": "streamId"}

STARTS: tuple[dict[str, Any], ...] = (
    {
        "event": "start",
        "streamSid": STREAM,
        "sequenceNumber": "1",
        "start": {
            "streamSid": STREAM,
            "callSid": "CA1",
            "tracks": ["inbound"],
            "customParameters": {"who": "ada"},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    },
    {
        "event": "start",
        "stream_id": STREAM,
        "sequence_number": "1",
        "start": {
            "call_control_id": "CA1",
            "client_state": "aGF2",
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        },
    },
    {
        "event": "start",
        "start": {
            "callId": "CA1",
            "streamId": STREAM,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": "8000"},
        },
        "extra_headers": "{}",
    },
)
SOUND = base64.b64encode(bytes(range(160))).decode()
EVENTS: tuple[dict[str, Any], ...] = (
    {"event": "media", "media": {"track": "inbound", "chunk": "2", "payload": SOUND}},
    {"event": "media", "media": {"track": "outbound", "payload": SOUND}},
    {"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "5"}},
    {"event": "mark", "mark": {"name": "end"}},
    {"event": "playedStream", "name": "end"},
    {"event": "stop", "stop": {"callSid": "CA1"}},
    {"event": "error", "payload": {"code": 1}},
)


# The call


@given(messages([{"event": "connected", "protocol": "Call"}, *STARTS]))
@examples(200)
def test_the_beginning_of_a_call_is_read_or_refused(data: str | bytes) -> None:
    """Nothing but `MalformedOfferError` escapes, and it says little of what was sent."""
    try:
        call = parse_call(data)
    except MalformedOfferError as error:
        brief(error)
        return
    if call is not None:
        assert call.service in SERVICES
        assert call.params()["call"] == call.details or "nan" in str(call.details)


@given(messages(EVENTS), st.sampled_from(SERVICES))
@examples(300)
def test_an_event_of_a_call_is_read_or_refused(data: str | bytes, service: Service) -> None:
    """Nothing but `MessageError` escapes, whichever service it is."""
    dialect = CallDialect(Call(service, STREAM, {}))
    try:
        event = dialect.parse(data)
    except MessageError as error:
        brief(error)
        return
    assert event is None or isinstance(event, (Media, Key, Mark, Stop))
    if isinstance(event, Media):
        assert event.frame.data.shape[0] == 1
        assert event.frame.data.dtype == np.int16
    if isinstance(event, Key):
        assert event.digit


@given(odd_texts, st.sampled_from(SERVICES), odd_texts)
@examples(60)
def test_what_a_service_is_told_is_json_with_its_id(id: str, service: Service, name: str) -> None:
    """Whatever the id of the stream holds, it comes back as it was, and adds nothing."""
    dialect = CallDialect(Call(service, id, {}))
    mark = dialect.mark(name)
    for text in (*dialect.clear(), mark):
        assert text is not None
        assert json.loads(text)[IDS[service]] == id
        text.encode()
    assert mark is not None
    assert name in json.loads(mark).get("mark", json.loads(mark)).values()


@given(
    first=st.sampled_from(STARTS).map(json.dumps) | messages(STARTS),
    later=st.lists(messages(EVENTS), max_size=8),
)
@example('{"event": "connected"}', ['{"event": "connected"}'] * 50)
@example(
    '{"event": "start", "streamId": "x", "start": {"mediaFormat": {"encoding": "%s"}}}'
    % ("x" * 500_000),
    [],
)
@examples(100)
def test_a_call_survives_what_it_is_sent(first: str | bytes, later: list[str | bytes]) -> None:
    """Every event is taken or skipped; what is no call leaves no slot, copy, task or thread."""
    came = visit("/telephone/handler", [first, *later])
    try:
        call = parse_call(first)
    except MalformedOfferError:
        assert came.refusal() == "malformed_offer"
        return
    if call is None:
        return  # the call begins with what comes next
    (copy,) = came.handler.copies
    assert copy.phone_mode
    assert came.code in (None, 1000)
    for sent in came.sent:
        assert isinstance(sent, str)
        assert json.loads(sent)[IDS[call.service]] == call.stream_id


# The request that tells of it

# h11 lets pass everything but these (RFC 9110 section 5.5, and less strictly than it).
header_values = (
    st.sampled_from(
        [
            *("example.org", "a:8443", "[::1]:80", "[", "a/b?c#d", 'a"><Hangup/><x y="', "a b"),
            *("x\x01y", "\x7f", "é", "http", "https", "wss", "gopher", "HTTPS", "javascript:"),
            *("a, b", ",", "&amp;", "]]>", "'", "\\", "%00", "a@b"),
        ]
    )
    | st.text(st.characters(max_codepoint=255, exclude_characters="\x00\n\r"), max_size=20)
).map(str.strip)

headers = st.fixed_dictionaries(
    {"host": header_values.map(lambda value: value or "x")},
    optional={
        "x-forwarded-host": header_values,
        "x-forwarded-proto": header_values,
        "x-forwarded-for": header_values,
        "x-twilio-signature": header_values,
        "content-type": header_values,
    },
)
bodies = (
    st.binary(max_size=200)
    | st.dictionaries(odd_texts, odd_texts, max_size=4).map(
        lambda fields: urlencode(fields, errors="replace").encode()[:MAX_BODY]
    )
    | st.sampled_from([b"&" * 5000, b"%", b"%zz=%", b"=&=", b"a=" + b"x" * MAX_BODY])
)


def ask(
    options: TelephoneOptions, headers: dict[str, str], body: bytes, query: str = ""
) -> httpx.Response:
    """Tell a server of a call."""
    app = FastAPI()
    Stream(Silent()).mount(app, telephone=options)

    async def post() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test"
        ) as http:
            return await http.post(
                f"/telephone/incoming{query}",
                content=body,
                headers=[(k.encode(), value.encode("latin-1")) for k, value in headers.items()],
            )

    return asyncio.run(post())


def stream_url(text: str, said: int = 0) -> str:
    """Where a call is to be connected, according to TwiML that says nothing else."""
    response = ElementTree.fromstring(text)
    assert response.tag == "Response"
    assert [child.tag for child in response] == ["Say"] * said + ["Connect"]
    (stream,) = response[-1]
    assert (stream.tag, list(stream.attrib), len(stream)) == ("Stream", ["url"], 0)
    return stream.attrib["url"]


@given(headers=headers, body=bodies)
@example({"host": "x\x01y"}, b"")
@example({"host": "http.example.org", "x-forwarded-proto": "gopher"}, b"")
@example({"host": "x", "x-forwarded-host": 'a"/><Dial>123</Dial><x y="'}, b"")
@examples(120)
def test_the_answer_to_a_call_is_always_twiml(headers: dict[str, str], body: bytes) -> None:
    """Well-formed, with one verb, and an address of the route and nothing but a host before it."""
    response = ask(TelephoneOptions(), headers, body)
    if len(body) > MAX_BODY:
        assert response.status_code == 413
        return
    assert response.status_code == 200
    url = stream_url(response.text)
    assert re.fullmatch(r"wss?://[\w.:\[\]-]*/telephone/handler", url, re.ASCII)
    if re.fullmatch(r"[a-z.]+", headers["host"]) and "x-forwarded-host" not in headers:
        assert urlsplit(url).netloc == headers["host"]


@given(headers=headers, body=bodies)
@examples(60)
def test_a_forged_request_is_refused(headers: dict[str, str], body: bytes) -> None:
    """With a token, only a signature counts, whatever the headers and fields hold."""
    response = ask(TelephoneOptions(auth_token="secret"), headers, body, "?a=%ff&%F0%9F")
    assert response.status_code in (403, 413)
    assert "Stream" not in response.text


@given(greeting=odd_texts, language=odd_texts, url=odd_texts)
@example("\x0b", "en\x00", "ws://\x1f\ufffe\ud800")
@examples(100)
def test_a_greeting_is_text_and_nothing_else(greeting: str, language: str, url: str) -> None:
    """What an application says, in any characters, neither breaks nor adds to the TwiML."""
    written = twiml(url, TelephoneOptions(greeting=greeting, language=language))
    written.encode()
    stream_url(written, said=bool(greeting))
    if greeting:
        spoken = ElementTree.fromstring(written)[0]
        assert list(spoken.attrib) == ["language"]
        assert len(spoken) == 0


@pytest.mark.parametrize("service", SERVICES)
@given(start=damaged_json(STARTS))
@examples(40)
def test_a_call_is_known_by_its_id_alone(service: Service, start: Any) -> None:
    """Whatever else a `start` lacks, the service is the one whose id it carries."""
    if not isinstance(start, dict) or not isinstance(start.get("start"), dict):
        return
    for key in IDS.values():
        start.pop(key, None)
        start["start"].pop(key, None)
    start["start"].pop("mediaFormat", None)
    start["start"].pop("media_format", None)
    start |= {"event": "start", IDS[service]: "mine"}
    with contextlib.suppress(MalformedOfferError):  # of a number that JSON cannot hold
        call = parse_call(dumped(start))
        assert call is not None
        assert (call.service, call.stream_id) == (service, "mine")
