"""A telephone service tells of a call: what it said, and what is handed on to the handler."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from ..errors import ConfigurationError
from ..usercode import call_guarded, guarded
from .answers import Service, service_of
from .options import TelephoneOptions, texts_of

_NUMBERS = ("From", "To")
"""What every service calls the numbers of the caller and of the called."""


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


async def parameters_of(call: IncomingCall, options: TelephoneOptions) -> dict[str, str]:
    """What the service hands on to the handler of a call: the numbers, and the application's own.

    Raises:
        ConfigurationError: If the application's function returns no mapping.
        Exception: Whatever that function raises.
    """
    given: Any = options.parameters
    if callable(given):
        function = given
        if inspect.iscoroutinefunction(function):
            given = await guarded(function(call))
        else:
            # On a thread: it may ask a database.
            given = await run_in_threadpool(partial(call_guarded, function, call))
            if inspect.isawaitable(given):
                given = await guarded(given)
    if given is not None and not isinstance(given, Mapping):
        raise ConfigurationError(f"parameters must be a dict of names and values, not {given!r}")
    numbers = {name: call.fields[name] for name in _NUMBERS if call.fields.get(name)}
    return numbers | texts_of(given or {})
