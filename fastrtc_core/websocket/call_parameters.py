"""The parameters of a call, as each telephone service hands them on in its `start`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from .. import strict_json

_PLIVO_PREFIX = re.compile("x-ph-", re.IGNORECASE)


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
