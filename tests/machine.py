"""Says when the machine was too slow for a test, and then lets it try again.

What runs in real time can fail because something else had the processor. Linux counts how long
anything on a machine has waited for one ("pressure stall information"). A test that fails while
that was much of the time runs again at once, and the summary says so. If it fails again, and
nothing failed for another reason, it is noted in a file (`--set-aside`), from which `scripts/test`
runs it once more when all others have ended. Where nothing had to wait, there is no second try.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from . import timeouts

PRESSURE = Path("/proc/pressure/cpu")
TOO_SLOW = 0.25
"""The part of a test's time in which something waited for a processor, from which on it counts."""

TRIES = 2
AGAIN = "run again"

MOST_SET_ASIDE = 10
"""Where more fail than that, it is not the machine."""


def _waited() -> float:
    """How long in s something has waited for a processor since this machine was started."""
    try:
        some = PRESSURE.read_text().splitlines()[0]
    except OSError:  # another system, or a kernel that does not count it
        return 0.0
    return int(some.rpartition("total=")[2]) / 1e6


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test, and again where the machine kept it from being in time.

    On virtual time too: what it hands to threads of its own takes real time.
    """
    for left in reversed(range(TRIES)):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        began, waited = time.monotonic(), _waited()
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        took, waited = time.monotonic() - began, _waited() - waited
        # What it left behind alone is no question of time.
        failed = [report for report in reports if report.failed and report.when != "teardown"]
        again = bool(failed and left and waited > TOO_SLOW * took)
        for report in reports:
            if report.failed and waited > TOO_SLOW * took:
                report.sections.append(("machine", _text(took, waited)))
            if again:
                report.outcome = AGAIN  # type: ignore[assignment]
            if not again or report in failed:
                item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if not again:
            break
        timeouts.start_anew(item)
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Note what failed on a slow machine, where nothing else did."""
    file = session.config.getoption("set_aside")
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if file is None or terminal is None or hasattr(session.config, "workerinput"):
        return
    failed = terminal.stats.get("failed", []) + terminal.stats.get("error", [])
    slow = {report.nodeid for report in failed if _was_slow(report)}
    if all(map(_was_slow, failed)) and len(slow) <= MOST_SET_ASIDE:
        Path(file).write_text("".join(f"{name}\n" for name in sorted(slow)))


def _was_slow(report: pytest.TestReport) -> bool:
    return any(name == "machine" for name, _ in getattr(report, "sections", ()))


def _text(took: float, waited: float) -> str:
    return f"something waited for a processor in {waited / took:.0%} of these {took:.1f} s"


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    return (AGAIN, "A", "AGAIN") if report.outcome == AGAIN else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that ran again."""
    reports = terminalreporter.stats.get(AGAIN, [])
    if reports:
        terminalreporter.section("run again, since the machine was too slow")
    for report in reports:
        # What went wrong with a fixture has no such part.
        crash = getattr(report.longrepr, "reprcrash", None)
        reason = (crash.message if crash else str(report.longrepr)).partition("\n")[0]
        terminalreporter.line(f"{report.nodeid}: {dict(report.sections)['machine']}; {reason}")
