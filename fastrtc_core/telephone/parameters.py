"""The parameters of a call: what the application gives, and what services hand on in `start`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool

from .. import strict_json
from ..errors import ConfigurationError
from ..usercode import call_guarded, guarded
from .incoming import IncomingCall
from .options import TelephoneOptions, texts_of

_NUMBERS = ("From", "To")
"""What every service calls the numbers of the caller and of the called."""

_PLIVO_PREFIX = re.compile("x-ph-", re.IGNORECASE)


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


def parameters_in(message: dict[str, Any], details: dict[str, Any]) -> dict[str, str]:
    """The parameters that a `start` hands on, and the numbers where it names them itself.

    Args:
        message: The whole event.
        details: What stands in its `start`.
    """
    numbers = {"From": details.get("from"), "To": details.get("to")}
    own = details.get("customParameters", details.get("custom_parameters"))
    extra = message.get("extra_headers", details.get("extra_headers"))
    return _texts(numbers) | _texts(own) | _plivo(extra)


def _texts(given: Any) -> dict[str, str]:
    """Those that are text: of an object, or of a list of names and values."""
    if isinstance(given, list):
        given = {
            one["name"]: one.get("value")
            for one in given
            if isinstance(one, dict) and isinstance(one.get("name"), str)
        }
    if not isinstance(given, dict):
        return {}
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _plivo(given: Any) -> dict[str, str]:
    """Plivo's `extra_headers`: an object as JSON, or `{X-PH-name: value, …}` that is none."""
    if isinstance(given, str):
        try:
            given = strict_json.load(given)
        except ValueError:
            pairs = re.findall(r"([^{,;:=]+)[:=]([^},;]*)", given)
            given = {name.strip(): value.strip() for name, value in pairs}
    return {
        unquote(_PLIVO_PREFIX.sub("", name, count=1)): unquote(value)
        for name, value in _texts(given).items()
    }
