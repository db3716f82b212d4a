"""Every way in which code of an application may fail: Rule 15 holds for all of them.

A failure is a sync or an async function that can be called with anything.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from fastrtc_core import UserCodeError, UserExitError


class Failure(NamedTuple):
    """One of them.

    Attributes:
        function: What fails; `async` or not.
        error: What becomes of it.
    """

    function: Callable[..., Any]
    error: type[Exception]


def an_error(*args: Any) -> Any:
    raise ValueError("broken")


def a_cancellation(*args: Any) -> Any:
    raise asyncio.CancelledError


def an_exit(*args: Any) -> Any:
    sys.exit("no model")


async def an_error_later(*args: Any) -> Any:
    await asyncio.sleep(0)
    raise ValueError("broken")


async def somebody_elses_cancellation(*args: Any) -> Any:
    task = asyncio.create_task(asyncio.sleep(1))
    task.cancel()
    await task


async def an_exit_later(*args: Any) -> Any:
    await asyncio.sleep(0)
    sys.exit("no model")


SYNC = [
    Failure(an_error, ValueError),
    Failure(a_cancellation, UserCodeError),
    Failure(an_exit, UserExitError),
]
ASYNC = [
    Failure(an_error_later, ValueError),
    Failure(somebody_elses_cancellation, UserCodeError),
    Failure(an_exit_later, UserExitError),
]


def _name(failure: Failure) -> str:
    return failure.function.__name__


every_failure = pytest.mark.parametrize("failure", [*SYNC, *ASYNC], ids=_name)
every_sync_failure = pytest.mark.parametrize("failure", SYNC, ids=_name)
every_async_failure = pytest.mark.parametrize("failure", ASYNC, ids=_name)


def first(failure: Failure, then: Callable[..., Any] = lambda *args: None) -> Callable[..., Any]:
    """A function that fails when it is called first, and then does what is right.

    It is async where the failure is.
    """
    calls = 0

    def call(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return failure.function(*args) if calls == 1 else then(*args)

    async def call_async(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return await failure.function(*args) if calls == 1 else then(*args)

    return call_async if asyncio.iscoroutinefunction(failure.function) else call
