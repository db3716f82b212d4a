"""What happens when the time of a test is over (pytest-timeout, method `signal`).

The plugin raises in whatever runs at that moment. That is of no use where an event loop runs: it
takes the exception for an error of a callback, or a task of the test ends with it and the test
waits for that task for ever. So the coroutine of an async test is cancelled first. A test that does
not end then either is raised in, as the plugin does; and a process that is still in it after that
says where all its threads are, and exits: pytest-xdist goes on with another.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
from collections.abc import Awaitable
from typing import Any

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from pytest_timeout import (  # type: ignore[import-untyped]
    _get_item_settings,
    timeout_sigalrm,
)

PATIENCE = 20.0
"""How long in s a test may take to end at each of these steps, on the slowest machine."""

OVERDUE = "its time was over"
"""What an async test is cancelled with."""

_test: asyncio.Task[Any] | None = None
"""The task of the async test that runs."""


async def until_time_is_over(test: Awaitable[None]) -> None:
    """Run an async test; `pytest.fail` where its time is over before it has ended."""
    global _test
    _test = asyncio.current_task()
    try:
        await test
    except asyncio.CancelledError as error:
        if error.args == (OVERDUE,):
            pytest.fail(OVERDUE, pytrace=True)
        raise
    finally:
        _test = None


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: Any, settings: Any) -> bool | None:
    """Replace the plugin's own timer, where it would raise from a signal."""
    if settings.method != "signal":
        return None
    told = False

    def over(signum: int, frame: Any) -> None:
        nonlocal told
        if _test is None or told:
            timeout_sigalrm(item, settings)
            return
        told = True
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        _test.get_loop().call_soon_threadsafe(_test.cancel, OVERDUE)

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.cancel_dump_traceback_later()

    item.cancel_timeout = cancel
    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)
    stderr = item.config.stash[fault_handler_stderr_fd_key]  # of the process: no test captures it
    faulthandler.dump_traceback_later(settings.timeout + 2 * PATIENCE, exit=True, file=stderr)
    return True


def start_anew(item: pytest.Item) -> None:
    """Give a test all of its time once more."""
    item.ihook.pytest_timeout_cancel_timer(item=item)
    settings = _get_item_settings(item)
    if settings.timeout:
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)
