"""Runs async tests, and fails any test that leaves something behind.

`async def` tests run on an event loop of their own; those marked `virtual_clock` on one whose
clock jumps from timer to timer.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCPeerConnection, mediastreams
from hypothesis import settings

from fastrtc_core.testing import VirtualClockLoop
from fastrtc_core.webrtc.options import MediaPorts
from fastrtc_core.webrtc.workers import picture_workers

from . import machine, schedule, timeouts
from .examples import FACTOR, tries
from .startup import sitecustomize
from .timeouts import until_time_is_over

GRACE = 10.0
"""How long in s threads and sockets may take to go after a test, on the slowest machine."""

FILES = "/proc/self/fd"

# Every Python that a test starts imports it as well.
os.environ["PYTHONPATH"] = os.pathsep.join(
    (str(Path(sitecustomize.__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep))
).rstrip(os.pathsep)

_connections: weakref.WeakSet[RTCPeerConnection] = weakref.WeakSet()
_original_init = RTCPeerConnection.__init__


def _noting_init(self: RTCPeerConnection, *args: Any, **kwargs: Any) -> None:
    _original_init(self, *args, **kwargs)
    _connections.add(self)


RTCPeerConnection.__init__ = _noting_init  # type: ignore[method-assign]


class _LoopTime:
    """The clock of the loop in place of the wall clock."""

    @staticmethod
    def time() -> float:
        return asyncio.get_running_loop().time()


# The silence and the green pictures of aiortc would come ever more rarely on virtual time.
mediastreams.time = _LoopTime  # type: ignore[attr-defined, assignment]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak", action="store_true", help="run the tests marked soak, and only these"
    )
    parser.addoption(
        "--real-time", action="store_true", help="put no folder as a whole on virtual time"
    )
    parser.addoption(
        "--set-aside",
        metavar="FILE",
        help="if all that failed did so while the machine was too slow, write its names here",
    )
    parser.addoption(
        "--own-ports",
        action="store_true",
        help="give each session UDP ports of its own where nothing is said of ports",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual_clock: run on virtual time")
    config.addinivalue_line("markers", "real_time: on the wall clock in a folder on virtual time")
    config.addinivalue_line("markers", "leaks: the test is about leaks and looks itself")
    config.addinivalue_line("markers", "soak: takes long; run by scripts/test --soak")
    # How long an example takes says how busy the machine is. What a change must pass tries the same
    # examples each time: who wants others asks for them by `--hypothesis-profile=random`.
    settings.register_profile(
        "suite", deadline=None, derandomize=not FACTOR, max_examples=tries(100)
    )
    settings.register_profile("random", deadline=None)
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("suite")
    if config.getoption("--own-ports"):
        _use_own_ports()
    config.pluginmanager.register(schedule)
    config.pluginmanager.register(machine)
    config.pluginmanager.register(timeouts)


def _use_own_ports() -> None:
    original = MediaPorts.on

    def on(self: MediaPorts, loop: asyncio.AbstractEventLoop) -> MediaPorts:
        return original(self, loop) if self.chosen else MediaPorts()

    MediaPorts.on = on  # type: ignore[method-assign]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test; the first task that outlives it fails it."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    virtual = pyfuncitem.get_closest_marker("virtual_clock") is not None
    factory = VirtualClockLoop if virtual else None

    async def checked() -> None:
        await until_time_is_over(function(**arguments))
        # One turn for callbacks that are due; a task that still runs has been orphaned.
        for _ in range(5):
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"the test left tasks behind: {left}"

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(checked())
    return True


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a socket or an open peer connection behind."""
    before = _open_resources()
    yield
    # They would stay, and virtual time looks out for threads before each of its jumps.
    if picture_workers.cache_info().currsize:
        picture_workers().shutdown()
        picture_workers.cache_clear()
    deadline = time.monotonic() + GRACE
    while left := _left_behind(before):
        if time.monotonic() > deadline:
            pytest.fail("the test left behind: " + "; ".join(left))
        gc.collect()
        time.sleep(0.02)


def _left_behind(before: dict[str, set[Any]]) -> list[str]:
    now = _open_resources()
    return [
        f"{kind} {', '.join(map(str, new))}"
        for kind, items in now.items()
        if (new := items - before[kind])
    ]


def _open_resources() -> dict[str, set[Any]]:
    return {
        "threads": {thread for thread in threading.enumerate() if not _is_pool(thread)},
        "sockets": _sockets(),
        "peer connections": {
            pc
            for pc in list(_connections)
            if pc.connectionState != "closed" and pc.signalingState != "closed"
        },
    }


def _is_pool(thread: threading.Thread) -> bool:
    """Threads of pools live as long as the process; they are not a leak of one test."""
    return thread.name.startswith(("asyncio_", "AnyIO", "ThreadPoolExecutor", "pytest_timeout"))


def _sockets() -> set[str]:
    found = set()
    # Twice in each test: without a `Path` for each file.
    for number in os.listdir(FILES) if os.path.isdir(FILES) else ():
        try:
            target = os.readlink(f"{FILES}/{number}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def pytest_collection_finish(session: pytest.Session) -> None:
    # What the imports and the collection made stays to the end: looking through it in every full
    # collection would hold up the event loop for long enough that a peer conceals the gap.
    gc.collect()
    gc.freeze()


def pytest_sessionstart(session: pytest.Session) -> None:
    # A task that nobody awaited is a leak as well.
    warnings.filterwarnings("error", category=RuntimeWarning, message=".*was never awaited")
