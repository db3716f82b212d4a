"""A browser on another host, whose network fails for a moment, or is replaced by another one."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from ..browser.firefox import FirefoxPage, firefox_path, running_firefox
from ..browser.sound import has_sound_server, running_sound
from ..browser.support import FLAGS, chromium_path
from .hosts import Hosts, Weather, two_hosts
from .test_two_hosts import asked, serving

CONNECT = """async (options) => {
  // A page that is not on https:// gets no microphone; a tone takes its place.
  const getUserMedia = async () => {
    const context = new AudioContext();
    const tone = new OscillatorNode(context);
    const end = context.createMediaStreamDestination();
    tone.connect(end);
    tone.start();
    return end.stream;
  };
  const devices = { getUserMedia, enumerateDevices: async () => [], addEventListener() {} };
  Object.defineProperty(navigator, "mediaDevices", { value: devices });
  window.states = [];
  window.connection = new Connection({ modality: "audio", ...options });
  connection.addEventListener("state", ({ detail }) => states.push(detail.state));
  let failure = "";
  connection.addEventListener("error", ({ detail }) => (failure = detail.message));
  const made = window.peers = [];
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...args) { super(...args); made.push(this); }
  };
  if (!(await connection.connect())) throw new Error(failure);
  return connection.id;
}"""
JOIN = """async () => {
  window.states = [];
  window.left = [];
  window.channel = new Channel({ channel: "room", uid: 7, trackConstraints: { audio: false } });
  channel.addEventListener("connection_state_changed", ({ detail }) => states.push(detail.state));
  channel.addEventListener("user_left", ({ detail }) => left.push(detail.uid));
  if (!(await channel.connect())) throw new Error("not in the channel");
}"""
CALL = """async () => {
  for (;;) {
    const answer = await channel.performRpc(9, "echo", "there?", { responseTimeout: 2 })
      .catch(() => "");
    if (answer) return answer;
    await new Promise((next) => setTimeout(next, 100));
  }
}"""
RECEIVED = """async () => {
  for (const report of (await peers.at(-1).getStats()).values())
    if (report.type === "inbound-rtp") return report.packetsReceived;
  return 0;
}"""
DELAY = """async () => {
  const read = async () => {
    for (const report of (await peers.at(-1).getStats()).values())
      if (report.type === "inbound-rtp") return report;
  };
  const one = await read();
  await new Promise((next) => setTimeout(next, 1000));
  const other = await read();
  return (other.jitterBufferDelay - one.jitterBufferDelay)
    / (other.jitterBufferEmittedCount - one.jitterBufferEmittedCount);
}"""


@asynccontextmanager
async def browsing(hosts: Hosts, url: str, folder: Path) -> AsyncIterator[Page]:
    """A page of the server in a Chromium on the second host."""
    script = folder / "chromium"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(hosts.inside(1))} {chromium_path()} "$@"\n')
    script.chmod(0o755)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=script, args=FLAGS)
        page = await browser.new_page()
        await page.goto(url)
        await page.wait_for_function("Boolean(window.Connection)")
        yield page
        await browser.close()


class InFirefox:
    """A page in Firefox; this thread carries the packets, so another one waits."""

    def __init__(self, page: FirefoxPage) -> None:
        self._page = page

    async def evaluate(self, expression: str, arg: Any = None) -> Any:
        return await asyncio.to_thread(self._page.evaluate, expression, arg)


@asynccontextmanager
async def browsing_firefox(hosts: Hosts, url: str, folder: Path) -> AsyncIterator[InFirefox]:
    """The same in a Firefox."""
    if firefox_path() is None or not has_sound_server():
        pytest.skip("Firefox or PulseAudio is not installed; scripts/test installs them")
    (folder / "sound").mkdir(mode=0o700)
    (folder / "profile").mkdir()
    with running_sound(folder / "sound") as sound:
        with running_firefox(
            folder / "profile",
            sound.environment,
            before=hosts.inside(1),
            call=partial(hosts.call, 1),
            hosts=hosts.addresses,
        ) as firefox:
            page = firefox.new_page()
            await asyncio.to_thread(page.goto, url)
            await asyncio.to_thread(page.wait_for_function, "Boolean(window.Connection)")
            yield InFirefox(page)


AnyPage = Page | InFirefox


async def sound_again(page: AnyPage, within: float) -> float:
    """How long in s it takes until packets come again."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    last: int = await page.evaluate(RECEIVED)
    while loop.time() - began < within:
        await asyncio.sleep(0.05)
        count: int = await page.evaluate(RECEIVED)
        if count > last + 5:
            return loop.time() - began
    raise AssertionError(f"no sound within {within} s; the states were {await states(page)}")


async def states(page: AnyPage) -> Any:
    return await page.evaluate("states")


Trouble = Callable[[Hosts], Awaitable[None]]


async def outage(hosts: Hosts) -> None:
    """Nothing comes through for three seconds."""
    hosts.network.weather = Weather(down=True)
    await asyncio.sleep(3)
    hosts.network.weather = Weather(delay=0.02)


async def move(hosts: Hosts) -> None:
    """Another network in place of the one before."""
    hosts.move(1, "10.213.7.77")


async def away_and_back(hosts: Hosts) -> None:
    """No network at all for two seconds, and then another one."""
    hosts.unplug(1)
    await asyncio.sleep(2)
    hosts.move(1, "10.213.7.78")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("trouble", "browse"),
    [
        (outage, browsing),
        (move, browsing),
        (away_and_back, browsing),
        (away_and_back, browsing_firefox),
    ],
)
async def test_the_session_goes_on(trouble: Trouble, browse: Any, tmp_path: Path) -> None:
    """The same session, sound again, and no later than before."""
    with two_hosts(Weather(delay=0.02)) as hosts:
        async with serving(hosts) as url, browse(hosts, url, tmp_path) as page:
            await page.evaluate(CONNECT, {})
            # Firefox would ask over connections that are left of the page's loading, one by one, to
            # find that each is dead; the server closes them after 5 s.
            await asyncio.sleep(3 if browse is browsing else 7)
            before = await page.evaluate(DELAY)
            await trouble(hosts)
            took = await sound_again(page, 10.0)
            print(f"sound after {took:.2f} s; states {await states(page)}")
            async with asyncio.timeout(15):  # a burst that came late is played a little faster
                while (after := await page.evaluate(DELAY)) > before + 0.1:
                    pass
            print(f"jitter buffer {before:.3f} s before, {after:.3f} s after")
            assert await asked(hosts, 0, url) == {"running": 1, "ended": []}
            assert (await states(page))[-1] == "connected"


@pytest.mark.soak
async def test_a_member_of_a_channel_goes_on(tmp_path: Path) -> None:
    """The same member, of whom nobody is told that it has left."""
    loop = asyncio.get_running_loop()
    with two_hosts(Weather(delay=0.02)) as hosts:
        async with serving(hosts) as url, browsing(hosts, url, tmp_path) as page:
            await page.evaluate(JOIN)
            await away_and_back(hosts)
            began = loop.time()
            async with asyncio.timeout(10):
                assert await page.evaluate(CALL) == "there?"
            print(f"answered after {loop.time() - began:.2f} s; states {await states(page)}")
            await asyncio.sleep(5)  # a server that has heard nothing would have ended it by then
            assert await asked(hosts, 0, url, "members") == {"room": [7, 9]}
            assert (await states(page))[-1] == "connected"
            assert await page.evaluate("[channel.uid, [...channel.users.keys()], left]") == [
                7,
                [9],
                [],
            ]


@pytest.mark.soak
async def test_an_outage_of_twenty_seconds(tmp_path: Path) -> None:
    """The server waits, and the page comes back to the same session on another connection."""
    with two_hosts(Weather(delay=0.02)) as hosts:
        async with serving(hosts) as url, browsing(hosts, url, tmp_path) as page:
            resumable = {"offer": f"{url}/resumable/webrtc/offer", "resume": True}
            id = await page.evaluate(CONNECT, resumable)
            await asyncio.sleep(3)
            before = await page.evaluate(DELAY)
            hosts.network.weather = Weather(down=True)
            await asyncio.sleep(20)
            loop = asyncio.get_running_loop()
            hosts.network.weather = Weather(delay=0.02)
            back = loop.time()
            async with asyncio.timeout(10):
                while await page.evaluate(RECEIVED) < 5 or (await states(page))[-1] != "connected":
                    pass
            took = loop.time() - back
            print(f"sound after {took:.2f} s; states {await states(page)}")
            assert took < 2.0
            async with asyncio.timeout(15):
                while (after := await page.evaluate(DELAY)) > before + 0.1:
                    pass
            print(f"jitter buffer {before:.3f} s before, {after:.3f} s after")
            assert await asked(hosts, 0, url) == {"running": 1, "ended": []}
            assert await states(page) == ["connecting", "connected", "reconnecting", "connected"]
            assert await page.evaluate("[connection.id, connection.resumed]") == [id, True]
