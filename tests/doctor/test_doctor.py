"""`fastrtc-core doctor`, as it is typed."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points

import numpy as np
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException

from fastrtc_core import Stream, __version__
from fastrtc_core.__main__ import main
from fastrtc_core.doctor import call, machine, servers
from fastrtc_core.doctor.findings import Finding, show
from fastrtc_core.webrtc.connectivity import stun
from tests.webrtc.support import serving


@contextmanager
def stun_server() -> Iterator[str]:
    """Answers binding requests until the end of the context; yields its URL."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def answer() -> None:
            while data := sock.recvfrom(1500):
                request, source = data
                if not request:
                    return
                transaction = stun.parse(request).transaction
                mapped = stun.pack_address(("203.0.113.7", source[1]), transaction)
                attributes = [(stun.Attribute.XOR_MAPPED_ADDRESS, mapped)]
                sock.sendto(
                    stun.build(stun.Class.RESPONSE, transaction, attributes, b"none"), source
                )

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"stun:127.0.0.1:{sock.getsockname()[1]}"
        finally:
            sock.sendto(b"", sock.getsockname())
            thread.join()


def test_a_healthy_machine_gets_its_tone_back(capsys: pytest.CaptureFixture[str]) -> None:
    """Without arguments, an echo is called; a microphone that is missing is a warning alone."""
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "the tone came back after" in said
    assert f"fastrtc-core {__version__}" in said
    assert "0 faults" in said


def test_a_stream_is_called_with_its_own_handler(capsys: pytest.CaptureFixture[str]) -> None:
    """One that only hears is connected, and no sound is expected of it."""
    assert main(["doctor", "tests.doctor.named:speechless"]) == 0
    assert "loopback call: connected after" in capsys.readouterr().out
    assert main(["doctor", "tests.doctor.named:pictures"]) == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tests.doctor.named:app", "is a FastAPI: name the Stream itself"),
        ("tests.doctor.nowhere:stream", "Could not import module"),
        ("tests.doctor.named", "must be in format"),
    ],
)
def test_what_is_no_stream_is_said_in_a_line(
    name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a traceback; the exit status is that of wrong usage."""
    assert main(["doctor", name]) == 2
    assert text in capsys.readouterr().err


def test_ice_servers_are_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """One that answers says how it sees us; one that does not is a warning with advice."""
    with stun_server() as url, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        mute = f"stun:127.0.0.1:{silent.getsockname()[1]}"
        found = asyncio.run(_ask(url, mute))
    assert found[0] == Finding("ok", found[0].text)
    assert f"{url} sees us as 203.0.113.7" in found[0].text
    assert found[1].level == "warning"
    assert found[1].text == f"the STUN server {mute} tells no address: it does not answer"
    assert main(["doctor", "--ice-server", "http://example.org"]) == 2
    assert "ICE servers cannot be used" in capsys.readouterr().err


async def _ask(*urls: str) -> list[Finding]:
    return await servers.check_ice_servers([{"urls": url} for url in urls])


def test_a_port_that_is_taken_is_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """The call fails with it, and the text says what to do."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        assert main(["doctor", "--udp-port", str(port)]) == 1
    said = capsys.readouterr().out
    assert f"UDP port {port} cannot be opened" in said
    assert "choose another udp_port" in said


def signed_in(authorization: str = Header("")) -> None:
    """The guard of an application."""
    if authorization != "Bearer secret":
        raise HTTPException(401, "Sign in first.")


async def test_a_running_server_is_called() -> None:
    """With the headers that sign the caller in; a refusal and a wrong URL are told apart."""
    app = FastAPI()
    Stream(call.Echo()).mount(app, "/voice", dependencies=[Depends(signed_in)])
    async with serving(app) as url:
        headers = {"authorization": "Bearer secret"}
        found = await call.check_call(f"{url}/voice", headers=headers, echoes=True)
        assert [one.level for one in found] == ["ok", "ok"]
        (refused,) = await call.check_call(f"{url}/voice")
        assert refused.level == "fault"
        assert "Sign in first." in refused.text
        (elsewhere,) = await call.check_call(f"{url}/elsewhere")
        assert elsewhere.level == "fault"
        assert "404" in elsewhere.text
    (gone,) = await call.check_call(url)
    assert "cannot be reached" in gone.text


async def test_addresses() -> None:
    """An advertised address must be one; private ones alone are worth a warning."""
    (named,) = await machine.check_addresses("example.org")
    assert (named.level, "not a name" in named.advice) == ("fault", True)
    (advertised,) = await machine.check_addresses("203.0.113.7")
    assert advertised.level == "ok"
    (own,) = await machine.check_addresses(None)
    assert "clients are told" in own.text


def test_a_tone_is_told_from_noise() -> None:
    """By the share of the energy at its frequency."""
    times = np.arange(9600) / call.RATE
    tone = 8000 * np.sin(2 * np.pi * call.FREQUENCY * times + 1)
    noise = np.random.default_rng(7).normal(0, 8000, 9600)
    assert call._share_of_tone(tone) > 0.999
    assert call._share_of_tone(noise) < 0.01
    assert call._share_of_tone(np.zeros(9600)) == 0


def test_findings_are_readable_in_any_encoding(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line of advice under its finding."""
    show(Finding("fault", "No sound.", "Do this.\nThen that."))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" No sound.")
    assert [line.strip() for line in lines[1:]] == ["Do this.", "Then that."]


def test_the_command_is_installed() -> None:
    """As a program, and as a module."""
    (program,) = entry_points(group="console_scripts", name="fastrtc-core")
    assert program.load() is main
    command = [sys.executable, "-m", "fastrtc_core", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"fastrtc-core {__version__}"
