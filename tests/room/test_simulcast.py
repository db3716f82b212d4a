"""A browser with a camera in three sizes, and what viewers with lines of different rates see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.async_api import Page, async_playwright

from fastrtc_core import Stream
from fastrtc_core.channel import RtcEngine
from fastrtc_core.room.browser_member import BrowserMember

from ..browser.support import FLAGS, chromium_path
from ..webrtc.support import eventually, serving
from ..webrtc.wire import Wire
from .cameras import Viewer, join

PAGE = """<!doctype html><meta charset="utf-8"><title>Camera</title><link rel="icon" href="data:,">
<script type="module">
  import { Channel, Connection } from "/rtc/webrtc/client.js";
  Object.assign(window, { Channel, Connection });
</script>"""

FILM = """async () => {
  const Peer = RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...options) { super(...options); window.peer = this; }
  };
  window.channel = new Channel({
    channel: "room", uid: 2, modality: "video", simulcast: true,
    trackConstraints: { width: 960, height: 540, frameRate: 20 },
  });
  return channel.connect();
}"""


ALONE = """async () => {
  const Peer = RTCPeerConnection;
  let peer;
  window.RTCPeerConnection = class extends Peer {
    constructor(...options) { super(...options); peer = this; }
  };
  const connection = new Connection({
    server: "/session", modality: "video", simulcast: true,
    trackConstraints: { width: 960, height: 540, frameRate: 20 },
  });
  if (!await connection.connect()) return null;
  const seen = [];
  for (let look = 0; look < 50 && !seen.includes(960); look++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const report of (await peer.getStats()).values())
      if (report.type === "outbound-rtp") seen.push(report.frameWidth ?? 0);
  }
  const { encodings } = peer.getSenders().find(({ track }) => track).getParameters();
  connection.close();
  return [encodings.length, Math.max(...seen)];
}"""


@asynccontextmanager
async def camera(engine: RtcEngine) -> AsyncIterator[Page]:
    """A browser that films, in a channel of a server."""
    app = FastAPI()
    engine.mount(app, "/rtc")
    Stream(lambda picture: picture, modality="video").mount(app, "/session")

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    granted = ["--use-fake-ui-for-media-stream"]
    async with serving(app) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=FLAGS + granted
        )
        try:
            opened = await browser.new_page()
            await opened.goto(url)
            await opened.wait_for_function("() => Boolean(window.Channel)")
            yield opened
        finally:
            await browser.close()


@pytest.mark.soak
@pytest.mark.real_time
async def test_each_viewer_sees_what_its_line_takes() -> None:
    """The slow line costs the other viewer nothing, and its own none but their size."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        page = await stack.enter_async_context(camera(engine))
        assert await page.evaluate(FILM)
        wide = await join(stack, engine.accept, 1, camera=False)
        narrow = await join(stack, engine.accept, 3, camera=False)

        def larger(viewer: Viewer) -> bool:
            return viewer.widths[-1:] > [240]

        await eventually(lambda: larger(wide) and larger(narrow), "larger pictures", 15)
        member = engine.room("room").members[3]
        assert isinstance(member, BrowserMember)
        assert member.local_video is not None
        downlink: Any = member.local_video.downlink
        wire = Wire([downlink._sender])
        stack.push_async_callback(wire.close)
        await asyncio.sleep(1)
        wire.rate = 200_000
        await eventually(lambda: narrow.widths[-1] == 240, "the smallest size", 8)
        await eventually(lambda: larger(wide), "what the browser can send", 8)
        before = len(narrow.widths), len(wide.widths)
        await asyncio.sleep(3)
        fewer, all_of_them = narrow.widths[before[0] :], wide.widths[before[1] :]
        assert set(fewer) == {240}
        assert len(fewer) > 0.75 * len(all_of_them)
        # A browser on a busy machine may have to send less, for all; not for the slow line, though.
        assert sum(width > 240 for width in all_of_them) > len(all_of_them) / 2
        wire.rate = None
        await eventually(lambda: larger(narrow), "larger pictures again", 12)


@pytest.mark.soak
@pytest.mark.real_time
async def test_to_a_session_the_largest_size_is_sent_alone() -> None:
    """A browser whose sizes are not taken would go on with the smallest."""
    async with RtcEngine("app") as engine, camera(engine) as page:
        assert await page.evaluate(ALONE) == [1, 960]
