"""What telephone services are told to do with a call, each in its own XML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from .incoming import Service
from .options import TelephoneOptions

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot express, not even escaped (XML 1.0 section 2.2)."""


def answer(
    service: Service, url: str, options: TelephoneOptions, parameters: Mapping[str, str]
) -> str:
    """What a service is told: to greet, and to connect the call to a socket.

    Args:
        service: In whose XML.
        url: Of the socket.
        options: How calls are taken.
        parameters: What it hands on to the socket.
    """
    if service == "plivo":
        verbs = _greeting("Speak", options) + _plivo_stream(url, parameters)
    else:
        # Telnyx's default sends audio back as files of MP3, and takes any codec of the call.
        rtp = ' bidirectionalMode="rtp" bidirectionalCodec="PCMU" codec="PCMU"'
        attributes = f"url={quoteattr(url)}{rtp if service == 'telnyx' else ''}"
        inner = "".join(
            f"<Parameter name={quoteattr(name)} value={quoteattr(value)}/>"
            for name, value in parameters.items()
        )
        stream = f"<Stream {attributes}>{inner}</Stream>" if inner else f"<Stream {attributes}/>"
        verbs = f"{_greeting('Say', options)}<Connect>{stream}</Connect>"
    written = f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'
    return _NO_XML.sub("", written)


def twiml(url: str, options: TelephoneOptions) -> str:
    """What Twilio is told where there are no parameters."""
    return answer("twilio", url, options, {})


def _greeting(verb: str, options: TelephoneOptions) -> str:
    if not options.greeting:
        return ""
    language = quoteattr(options.language)
    return f"<{verb} language={language}>{escape(options.greeting)}</{verb}>"


def _plivo_stream(url: str, parameters: Mapping[str, str]) -> str:
    """Parameters are a list in one attribute, so that commas and signs of equality are escaped."""
    extra = ",".join(f"{_encoded(name)}={_encoded(value)}" for name, value in parameters.items())
    headers = f" extraHeaders={quoteattr(extra)}" if extra else ""
    return (
        '<Stream bidirectional="true" keepCallAlive="true" '
        f'contentType="audio/x-mulaw;rate=8000"{headers}>{escape(url)}</Stream>'
    )


def _encoded(text: str) -> str:
    return quote(text, safe="", errors="replace")
