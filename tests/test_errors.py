"""The tree of errors, and the answers that are made of them."""

from __future__ import annotations

import inspect

import pytest

import fastrtc_core
from fastrtc_core import errors
from fastrtc_core.errors import (
    ConcurrencyLimitError,
    FastRTCError,
    HandlerError,
    InvalidFrameError,
    MessageError,
    OfferError,
    UnknownSessionError,
)

ALL: list[type[FastRTCError]] = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, FastRTCError)
]
OFFER_ERRORS = [error for error in ALL if issubclass(error, OfferError)]


def drawn_tree() -> dict[str, str]:
    """Each name in the docstring of the module, with the name above it."""
    assert errors.__doc__ is not None
    parents: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        name = line.strip("│├└─ ").split(" ")[0]
        if not name.endswith("Error"):
            continue
        depth = line.index(name)
        while path and path[-1][0] >= depth:
            path.pop()
        if path:
            parents[name] = path[-1][1]
        path.append((depth, name))
    return parents


def test_the_drawn_tree_is_the_real_one() -> None:
    """The docstring draws every error under the class that it inherits from."""
    assert drawn_tree() == {
        error.__name__: error.__bases__[0].__name__ for error in ALL if error is not FastRTCError
    }


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_is_public_and_described(error: type[FastRTCError]) -> None:
    """Each error can be imported from the package and says what it means."""
    assert getattr(fastrtc_core, error.__name__) is error
    assert inspect.getdoc(error)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidFrameError, ValueError),
        (errors.ConfigurationError, ValueError),
        (MessageError, ValueError),
        (UnknownSessionError, LookupError),
    ],
)
def test_some_errors_are_builtin_ones_too(
    error: type[FastRTCError], builtin: type[Exception]
) -> None:
    """Who catches the builtin error catches ours."""
    assert issubclass(error, builtin)


def test_a_wrong_frame_is_shown_to_the_client() -> None:
    """An `InvalidFrameError` is a `HandlerError`, whose text the client sees."""
    assert issubclass(InvalidFrameError, HandlerError)


def test_a_refusal_has_the_body_that_fastrtc_clients_know() -> None:
    """`{"status": "failed", "meta": {"error": …}}`, with the text and what else there is."""
    assert ConcurrencyLimitError("full", limit=2).body() == {
        "status": "failed",
        "meta": {"error": "concurrency_limit_reached", "message": "full", "limit": 2},
    }


def test_every_refusal_has_a_code_of_its_own() -> None:
    """Clients can tell refusals apart by their code; each has an HTTP status of an error."""
    codes = [error.code for error in OFFER_ERRORS]
    assert len(set(codes)) == len(codes)
    assert all(400 <= error.http_status < 600 for error in OFFER_ERRORS)
