"""What the API refuses, and how it says so: an error with a code and the field that is meant."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from ..errors import MessageError


class RefusedError(MessageError):
    """Something that a client asks for is not done.

    Attributes:
        code: The API's own, where it has one.
        param: The path of the field, such as `session.audio.input.format`, if it is one.
    """

    def __init__(self, message: str, code: str = "invalid_value", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def check_known(fields: Mapping[str, Any], known: Set[str], path: str) -> None:
    """Check that an object has no fields that the API does not know.

    Raises:
        RefusedError: If it has one.
    """
    for name in fields:
        if name not in known:
            param = joined(path, name)
            raise RefusedError(f"Unknown parameter: '{param}'.", "unknown_parameter", param)


def required(fields: Mapping[str, Any], name: str, kind: type, path: str = "") -> Any:
    """A field that must be there.

    Raises:
        RefusedError: If it is not, or is of another type.
    """
    param = joined(path, name)
    value = fields.get(name)
    if value is None:
        message = f"Missing required parameter: '{param}'."
        raise RefusedError(message, "missing_required_parameter", param)
    check_type(value, kind, param)
    return value


def check_type(value: Any, kind: type, param: str) -> None:
    """Check the type of a field.

    Raises:
        RefusedError: If it is of another type.
    """
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        message = f"Invalid type for '{param}': expected {_KINDS[kind]}."
        raise RefusedError(message, "invalid_type", param)


def optional_object(fields: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    """A field that may be an object; an empty one if it is not there.

    Raises:
        RefusedError: If it is anything else.
    """
    value = fields.get(name)
    if value is None:
        return {}
    check_type(value, dict, joined(path, name))
    return dict(value)


def check_range(value: float, least: float, most: float, param: str) -> None:
    """Check that a number lies between two others.

    Raises:
        RefusedError: If it does not.
    """
    if least <= value <= most:
        return
    kind = "integer" if isinstance(least, int) else "decimal"
    side, sign, bound = ("below_min", ">=", least) if value < least else ("above_max", "<=", most)
    raise RefusedError(
        f"Invalid '{param}': expected a value {sign} {bound}, but got {value} instead.",
        f"{kind}_{side}_value",
        param,
    )


def unsupported(param: str, what: str) -> RefusedError:
    """What the API knows and this server does not have; `what` says what it has instead."""
    return RefusedError(f"Unsupported value: '{param}'. {what}", "unsupported_value", param)


def joined(path: str, name: str) -> str:
    """The path of a field of an object."""
    name = name[:60]
    return f"{path}.{name}" if path else name


_KINDS: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a decimal",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
}
