"""Two processes on two hosts, and every kind of weather on the network between them."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from .hosts import Hosts, Weather, two_hosts

HERE = Path(__file__).parent
PORT = 8000
SECONDS = 6.0
PACKETS = 300
OWN = 0.04
"""Time in s that a round trip may take beyond what the network takes, on a busy machine."""


@asynccontextmanager
async def process(
    hosts: Hosts, host: int, *command: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Python on a host for as long as the block takes."""
    running = await hosts.run(host, sys.executable, *command)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


@asynccontextmanager
async def serving(hosts: Hosts) -> AsyncIterator[str]:
    """The echo server on the first host; yields its URL."""
    address = hosts.addresses[0]
    async with process(hosts, 0, str(HERE / "server.py"), address, str(PORT)):
        url = f"http://{address}:{PORT}"
        async with asyncio.timeout(20):
            while await asked(hosts, 0, url) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        yield url


async def asked(hosts: Hosts, host: int, url: str, what: str = "sessions") -> Any:
    """What the server says of its sessions, asked from one of the hosts; `None` if nothing."""
    code = f"import urllib.request as u; print(u.urlopen('{url}/{what}').read().decode())"
    async with process(hosts, host, "-c", code) as running:
        output, _ = await running.communicate()
    return json.loads(output) if output else None


async def echo(hosts: Hosts, url: str) -> dict[str, Any]:
    """Let a client on the second host talk to the server; what it heard."""
    async with process(hosts, 1, str(HERE / "client.py"), url, str(SECONDS)) as running:
        output, _ = await running.communicate()
        lines = output.decode().splitlines()
    assert lines[:1] == ["connected"], "no connection"
    heard: dict[str, Any] = json.loads(lines[1])
    print(heard)
    return heard


@pytest.mark.parametrize(
    "weather",
    [
        pytest.param(Weather(delay=0.15), marks=pytest.mark.soak),
        pytest.param(Weather(delay=0.02, loss=0.05), marks=pytest.mark.soak),
        pytest.param(
            Weather(delay=0.03, jitter=0.02, loss=0.03, copies=0.01), marks=pytest.mark.soak
        ),
    ],
    ids=["far", "loss", "everything"],
)
async def test_the_echo_keeps_its_rhythm_and_its_delay(weather: Weather) -> None:
    """50 frames a second come back, and no later than the network makes them."""
    with two_hosts(weather) as hosts:
        async with serving(hosts) as url:
            heard = await echo(hosts, url)

    assert heard["frames_per_second"] == pytest.approx(50, abs=1.0)
    round_trip = statistics.median(heard["round_trips"])
    least, most = 2 * weather.delay, 2 * (weather.delay + weather.jitter)
    print(f"round trip {round_trip:.3f} s, by the network {least} to {most} s")
    assert least < round_trip < most + OWN
    for side, losses in (("server", 1), ("client", 2)):
        network = heard[side]
        lost = weather.loss * PACKETS
        assert network["lost"] <= 2 * lost
        # What is late has been delayed by the network twice, or by this machine.
        made_up = network["concealed"] - network["silent"] - network["late"]
        assert made_up <= losses * 2 * lost + 10
        assert network["duplicated"] == 0, "SRTP drops copies (RFC 3711 section 3.3.2)"


@pytest.mark.parametrize(
    ("script", "option"),
    [
        pytest.param("client.py", "60", marks=pytest.mark.soak),
        pytest.param("socket_client.py", "talk", marks=pytest.mark.soak),
        pytest.param("socket_client.py", "silent", marks=pytest.mark.soak),
    ],
)
async def test_a_network_that_fails_ends_the_session_within_six_seconds(
    script: str, option: str
) -> None:
    """Nobody says goodbye: over WebRTC and over WebSockets, whether anybody talks or not."""
    with two_hosts(Weather(delay=0.01)) as hosts:
        async with (
            serving(hosts) as url,
            process(hosts, 1, str(HERE / script), url, option) as client,
        ):
            assert client.stdout is not None
            assert await client.stdout.readline() == b"connected\n"
            await asyncio.sleep(1)
            assert await asked(hosts, 0, url) == {"running": 1, "ended": []}
            hosts.network.weather = Weather(down=True)
            await asyncio.sleep(6.5)
            assert await asked(hosts, 0, url) == {"running": 0, "ended": ["lost"]}
