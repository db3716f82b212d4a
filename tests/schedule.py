"""Which tests run, in which order, and which of them share a process.

Most of this suite waits: for audio that plays in real time, for a page, for a timeout. So several
processes run it on few cores (pytest-xdist), and a test must bear that others run beside it. What
only computes stays in one process, so that a core is left for those who must be in time.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from typing import Any

import pytest

ON_VIRTUAL_TIME = (
    "tests/channel",
    "tests/client",
    "tests/cluster/test_",
    "tests/fuzz",
    "tests/handlers",
    "tests/messaging",
    "tests/operations",
    "tests/parity",
    "tests/realtime",
    "tests/replay",
    "tests/room",
    "tests/signaling",
    "tests/stream",
    "tests/telephone",
    "tests/testing",
    "tests/tracks",
    "tests/webrtc",
    "tests/websocket",
    "tests/workers/test_",
)
"""Where real peers and sockets, all of them in the process of the test, need not wait for anything.

Async tests there run on the virtual clock, unless they are marked `real_time`, or all are by the
option `--real-time`."""

COMPUTING = (
    "tests/docs",
    "tests/fuzz",
    "tests/handlers/ear",
    "tests/handlers/turns",
    "tests/handlers/vad",
    "tests/media",
    "tests/session/test_drift.py",
    "tests/stress",
)
"""What keeps a core busy for as long as it runs."""

BROWSERS = ("tests/browser",)

PAGES = (
    "tests/browser/test_demos.py",
    "tests/browser/test_tutorials.py",
    "tests/browser/test_voice_demos.py",
)
"""Each with a server of its own, and nearly all of them long."""

GROUPS = {
    "browsers": BROWSERS,
    "programs": ("tests/benchmarks", "tests/demo"),
    "network": ("tests/network",),
    "building": ("tests/test_pyinstaller.py",),
    "firefox": (),
    "computing": COMPUTING,
    "pages": PAGES,
    "gradio": ("tests/compat/test_component.py", "tests/ui"),
    "openai": ("tests/realtime",),
}
"""What one process runs, one after the other; of everything else, each file is a group.

Those that take longest come first. Firefox is by the name of the test: most of its tests are those
of Chromium. The last two need what takes seconds to import."""


LONG_TOGETHER = {
    "firefox": "browsers",
    "pages": "browsers",
    "network": "programs",
    "building": "programs",
}
"""Long tests judge what comes in time: of these groups, one process runs both.

Two browsers at once, and whole ones, leave nothing of two cores for those that they talk to."""


def group_of(name: str) -> str:
    """What one process runs with this test, one after the other."""
    file = name.partition("::")[0]
    if file.startswith(PAGES):
        return "pages"
    if file.startswith(BROWSERS) and "firefox" in name:
        return "firefox"
    for group, paths in GROUPS.items():
        if file.startswith(paths):
            return group
    return file


def _may_be_virtual(item: pytest.Item) -> bool:
    return (
        item.nodeid.startswith(ON_VIRTUAL_TIME)
        and inspect.iscoroutinefunction(getattr(item, "obj", None))
        and not item.get_closest_marker("real_time")
    )


def _rank(item: pytest.Item) -> int:
    """When a test starts, lowest first.

    The groups that take longest are first: at the end, all others would have to wait for them. What
    is on virtual time is last: it does not mind how many processes compute at once.
    """
    group = group_of(item.nodeid)
    if group in GROUPS:
        return list(GROUPS).index(group)
    return len(GROUPS) + item.nodeid.startswith(ON_VIRTUAL_TIME)


def pytest_collection(session: pytest.Session) -> None:
    """Import the tests, each process from another place on.

    To have pytest rewrite the assertions of a file takes longer than all else until the first test
    runs. So each does that for a part, and finds what the others have written for the rest.
    """
    processes = getattr(session.config, "workerinput", None)
    if processes is None or session.config.args != session.config.getini("testpaths"):
        return
    root = session.config.rootpath
    left_out = [root / path for path in session.config.getoption("ignore") or ()]
    files = [
        file
        for path in session.config.args
        for file in sorted((root / path).rglob("test_*.py"))
        if not any(map(file.is_relative_to, left_out))
    ]
    start = len(files) * int(processes["workerid"].removeprefix("gw")) // processes["workercount"]
    for file in files[start:] + files[:start]:
        # Why one cannot be imported yet is what its collection says.
        with contextlib.suppress(Exception, pytest.skip.Exception, pytest.fail.Exception):
            importlib.import_module(".".join(file.relative_to(root).with_suffix("").parts))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for; what takes long comes first."""
    if not config.option.markexpr:
        soak: bool = config.getoption("soak")
        asked = [bool(item.get_closest_marker("soak")) == soak for item in items]
        config.hook.pytest_deselected(
            items=[item for item, kept in zip(items, asked, strict=True) if not kept]
        )
        items[:] = [item for item, kept in zip(items, asked, strict=True) if kept]
    if not config.getoption("real_time"):
        for item in items:
            if _may_be_virtual(item):
                item.add_marker(pytest.mark.virtual_clock)
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Divide the tests by group, in the order in which they stand."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    together = LONG_TOGETHER if config.getoption("soak") else {}

    class ByGroup(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            group = group_of(nodeid)
            return together.get(group, group)

        def remove_node(self, node: Any) -> str | None:
            """Go on without the test in which a process died; the next one would die of it too."""
            crashed: str | None = super().remove_node(node)
            if crashed is not None:
                self.workqueue[self._split_scope(crashed)][crashed] = True
            return crashed

    config.option.loadscopereorder = False
    return ByGroup(config, log)
