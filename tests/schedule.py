"""Which tests run, in which order, and which of them share a process.

Most of this suite waits: for audio that plays in real time, for a page, for a timeout. So several
processes run it on few cores (pytest-xdist), and a test must bear that others run beside it. A file
stays in one process, with the servers and browsers that its tests share. What only computes stays
in one process altogether: a core is left for those who must be in time.
"""

from __future__ import annotations

from typing import Any

import pytest

LONGEST_FIRST = (
    "tests/browser",
    "tests/demo",
)
"""What takes minutes; at the end all others would have to wait for it."""

EACH_BY_ITSELF = ()
"""Files with long tests that share nothing, and may be divided among processes."""

COMPUTING = (
    "tests/docs",
    "tests/fuzz",
    "tests/media",
    "tests/handlers/vad",
)
"""What needs a core for as long as it runs."""


def group_of(name: str) -> str:
    """What one process runs with this test, one after the other."""
    file = name.partition("::")[0]
    if file.startswith(COMPUTING):
        return "computing"
    return name if file in EACH_BY_ITSELF else file


def _rank(item: pytest.Item) -> int:
    ranks = [rank for rank, path in enumerate(LONGEST_FIRST) if item.nodeid.startswith(path)]
    return ranks[0] if ranks else len(LONGEST_FIRST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for; what takes long comes first."""
    if not config.option.markexpr:
        soak: bool = config.getoption("soak")
        asked = [bool(item.get_closest_marker("soak")) == soak for item in items]
        config.hook.pytest_deselected(
            items=[item for item, kept in zip(items, asked, strict=True) if not kept]
        )
        items[:] = [item for item, kept in zip(items, asked, strict=True) if kept]
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Divide the tests by group, in the order in which they stand."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return ByGroup(config, log)
