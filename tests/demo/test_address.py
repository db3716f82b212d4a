"""A demo whose address is taken, or is none, says so in one line."""

from __future__ import annotations

import importlib
import re
import socket
from collections.abc import Callable, Iterator

import pytest

from ..browser.support import ROOT
from .conftest import run_demo


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture(scope="module")
def check_address() -> Iterator[Callable[[str, int], None]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "demo")  # as it is for a demo that runs
        found: Callable[[str, int], None] = importlib.import_module("_cli").check_address
        yield found


def test_a_port_in_use_is_one_line(taken: int) -> None:
    """Not a traceback, and no log of a server that starts and stops."""
    run = run_demo("html_page", "--port", str(taken))
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == (
        f"Port {taken} is in use by another program. "
        f"Stop that, or choose another port: --port {taken + 1}\n"
    )


def test_addresses_that_are_none(check_address: Callable[[str, int], None]) -> None:
    """They are named; a free port is no error, and is free afterwards."""
    for host in ("192.0.2.1", "no-such-host.invalid"):
        with pytest.raises(SystemExit, match=f"Cannot listen on {re.escape(host)}, port 1234: "):
            check_address(host, 1234)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        free = listening.getsockname()[1]
    check_address("127.0.0.1", free)
    check_address("127.0.0.1", free)


def test_every_demo_listens_through_it() -> None:
    """No demo starts a server in a way of its own."""
    for demo in (ROOT / "demo").glob("[!_]*.py"):
        assert not re.search(r"ui\.launch\(|uvicorn", demo.read_text()), demo.name


def test_a_call_leaves_no_file_here() -> None:
    """What a client heard goes to a temporary file where none was named."""
    for demo in (ROOT / "demo").glob("*.py"):
        assert not re.search(r"default=Path\(", demo.read_text()), demo.name
