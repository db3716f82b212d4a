"""A telephone service tells of a call: which service it is, and what it said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

from starlette.requests import Request  # FastAPI, whose it is too, takes long to import

Service = Literal["twilio", "telnyx", "plivo"]

_TELNYX_FIELDS = frozenset({"CallSidLegacy", "CallControlId", "ConnectionId"})
_TELNYX_CALL = re.compile(r"v\d+:")
"""How Telnyx's ids of calls begin."""


def service_of(fields: Mapping[str, str], headers: Mapping[str, str]) -> Service:
    """Which service tells of a call. What is of no other is taken for Twilio's or like it."""
    if "CallUUID" in fields or any(name.startswith("x-plivo-") for name in headers):
        return "plivo"
    if (
        "telnyx-signature-ed25519" in headers
        or _TELNYX_FIELDS & fields.keys()
        or _TELNYX_CALL.match(fields.get("CallSid", ""))
    ):
        return "telnyx"
    return "twilio"


class IncomingCall(Request):
    """The request in which a telephone service tells of a call.

    Attributes:
        fields: What it says: `From`, `To` and whatever else the service documents. Of a field that
            comes several times, the first value.
        service: `twilio`, `telnyx` or `plivo`.
    """

    def __init__(self, request: Request, body: bytes) -> None:
        async def replay() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        super().__init__(request.scope, replay)
        self.form_items = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        self.fields: Mapping[str, str] = dict(reversed(self.form_items))
        self.service: Service = service_of(self.fields, self.headers)
