"""Every demo, started as the README says, does in a browser what its first line promises."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from ..demo.faces import draw_face
from .axe import violations_in_both_schemes
from .conftest import OpenPage, Screenshot
from .support import NO_PAGE_DEMOS, ROOT, SEVERAL_PAGES_DEMOS, VOICE_DEMOS, Server

# Those that understand speech are in `test_voice_demos.py`, those without a page in `tests/demo`
# and `tests/workers`, and those that need several pages in files of their own.
ALL = {path.stem for path in (ROOT / "demo").glob("[!_]*.py")}
NAMES = sorted(ALL - VOICE_DEMOS - NO_PAGE_DEMOS - SEVERAL_PAGES_DEMOS)

# The mean of red, green and blue in what a video element shows.
MEAN_COLOUR = """(video) => {
  const paint = new OffscreenCanvas(8, 8).getContext("2d");
  paint.drawImage(video, 0, 0, 8, 8);
  const { data } = paint.getImageData(0, 0, 8, 8);
  return [0, 1, 2].map((k) => data.filter((_, at) => at % 4 === k).reduce((a, b) => a + b) / 64);
}"""


# How much greener than red the greenest pixel is.
GREENEST = """(video) => {
  const [width, height] = [video.videoWidth, video.videoHeight];
  const paint = new OffscreenCanvas(width, height).getContext("2d");
  paint.drawImage(video, 0, 0);
  const { data } = paint.getImageData(0, 0, width, height);
  let most = 0;
  for (let at = 0; at < data.length; at += 4) most = Math.max(most, data[at + 1] - data[at]);
  return most;
}"""

# A camera that shows a picture, 20 times a second.
CAMERA = """async () => {
  const image = new Image();
  image.src = "data:image/png;base64,%s";
  await image.decode();
  navigator.mediaDevices.getUserMedia = async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const pen = canvas.getContext("2d");
    let turn = 0;
    setInterval(() => {
      pen.drawImage(image, 0, 0);
      pen.fillRect(5 * (turn++ %% 20), 5, 5, 5);
    }, 50);
    return canvas.captureStream(20);
  };
}"""


@pytest.fixture
def demo(
    request: pytest.FixtureRequest,
    open_page: OpenPage,
    screenshot: Screenshot,
) -> Iterator[Page]:
    """The page of the demo that the test is named for, connected; Ctrl+C in the end."""
    name = request.node.name.removeprefix("test_")
    server = Server(ROOT / "demo" / f"{name}.py", port_option="--port")
    try:
        with visiting(server, open_page) as page:
            yield page
            screenshot(page, f"demo-{name}")
    finally:
        server.kill()


@contextmanager
def visiting(server: Server, open_page: OpenPage, prepare: str = "") -> Iterator[Page]:
    """The page of a demo, connected; Ctrl+C in the end, and nothing in the log.

    Everybody can read it, before it starts and when it has done what it does. What prepares it is
    run there before it starts.
    """
    server.wait_until_ready()
    page = open_page(server.url)
    if prepare:
        page.evaluate(prepare)
    start = page.get_by_role("button", name="Start")
    expect(start).to_be_visible()
    assert violations_in_both_schemes(page) == []
    start.click()
    state = page.get_by_role("status").first
    expect(state).to_have_text("Connected")
    yield page
    assert violations_in_both_schemes(page) == []
    assert server.interrupt() == 0, server.log.read_text()
    # uvicorn closes the TCP connection right behind its close frame; what the page sends in between
    # resets it, and the browser may not see the frame (RFC 9112 section 9.6 has the same case).
    told = r"The server (closed|is shutting)|The connection was lost \(1006\)"
    expect(state).to_have_text(re.compile(told))
    assert "Traceback" not in server.log.read_text()


def wait_for_sound(page: Page) -> None:
    page.wait_for_function(
        "document.querySelector('[data-part=remote-meter] [role=meter]').ariaValueNow > 50"
    )


@pytest.mark.soak
def test_audio_echo(demo: Page) -> None:
    """The meter of the server follows that of the microphone."""
    wait_for_sound(demo)


@pytest.mark.soak
def test_audio_video_echo(demo: Page) -> None:
    """Sound and picture come back."""
    wait_for_sound(demo)
    expect(demo.get_by_label("Video from the server")).to_be_visible()


@pytest.mark.soak
def test_video_filter(demo: Page) -> None:
    """The filter changes while the camera runs: Chromium's green picture in negative is pink."""
    remote = demo.get_by_label("Video from the server")
    demo.wait_for_function("document.querySelector('[data-part=remote-video]').videoWidth > 0")
    red, green, _ = remote.evaluate(MEAN_COLOUR)
    assert green > red + 50
    demo.get_by_role("radio", name="Negative").check()
    demo.wait_for_timeout(1000)
    red, green, _ = remote.evaluate(MEAN_COLOUR)
    assert red > green + 50
    expect(demo.get_by_label("Pace")).to_have_value(re.compile(r"\d+ pictures a second, [\d.]+ ms"))


@pytest.mark.soak
def test_object_detector(open_page: OpenPage, screenshot: Screenshot) -> None:
    """A face before the camera has a box soon, and the pictures go on at the rate of the camera."""
    import cv2

    _, face = cv2.imencode(".png", draw_face((640, 480), (320, 240), 220))
    server = Server(ROOT / "demo" / "object_detector.py", port_option="--port")
    try:
        film = CAMERA % base64.b64encode(face.tobytes()).decode()
        with visiting(server, open_page, film) as demo:
            pace = demo.get_by_label("Pace")
            expect(pace).to_have_value(re.compile("; 1 found"))
            green = demo.get_by_label("Video from the server").evaluate(GREENEST)
            assert green > 60, "the box is to be seen"
            rate = re.compile(r"(1[2-9]|2\d) pictures a second")
            expect(pace).to_have_value(rate)
            screenshot(demo, "demo-object_detector")
    finally:
        server.kill()


@pytest.mark.soak
def test_audio_generator(demo: Page) -> None:
    """The melody sounds without a microphone, and its notes are shown."""
    wait_for_sound(demo)
    assert (
        demo.evaluate(
            "document.querySelector('[data-part=root]').connection.localStream.getTracks().length"
        )
        == 0
    )
    expect(demo.get_by_label("Note")).to_have_value(re.compile(r"\([3-9] of 30\)"))


@pytest.mark.soak
def test_messages(demo: Page) -> None:
    """The slider reaches the handler; level, curve, log and a warning come back."""
    gain = demo.get_by_role("spinbutton").nth(0)
    gain.fill("8")
    gain.press("Tab")
    expect(demo.get_by_text("too loud", exact=False).first).to_be_visible()
    expect(demo.get_by_label("Log")).to_have_value(re.compile("connected\n.*gain is now 8\n"))
    assert float(demo.get_by_label("Level (dB)").first.input_value()) <= 0
    demo.wait_for_timeout(1500)
    expect(demo.locator(".vega-embed canvas, .vega-embed svg").first).to_be_visible()


@pytest.mark.soak
def test_html_page(demo: Page) -> None:
    """The page without Gradio gets a greeting, and each message back to front."""
    expect(demo.get_by_text("Hello! Your voice comes back")).to_be_visible()
    demo.get_by_label("Message to the server").fill("stressed")
    demo.keyboard.press("Enter")
    expect(demo.get_by_text("desserts")).to_be_visible()
    demo.wait_for_timeout(1500)


@pytest.mark.soak
def test_reconnect(demo: Page) -> None:
    """The music goes on after an outage, and after a reload; it is not counted while it is away."""
    heard = "parseFloat(document.getElementById('heard').textContent)"
    demo.wait_for_function(f"{heard} > 1")
    demo.get_by_role("button", name="Drop the network").click()
    expect(demo.get_by_role("status")).to_have_text("Reconnecting")
    expect(demo.get_by_role("status")).to_have_text("Connected")
    expect(demo.get_by_text("the same as before")).to_be_visible()
    demo.wait_for_function("document.getElementById('away').textContent === '1'")
    before = demo.evaluate(heard)
    assert 0 < before < 5.5, "of the 5 s of the outage, none were heard"
    demo.get_by_role("button", name="Reload").click()
    expect(demo.get_by_text("the same as before")).to_be_visible()
    demo.wait_for_function(f"{heard} > {before} + 1")
    demo.wait_for_function("document.getElementById('away').textContent === '2'")
    expect(demo.get_by_role("status")).to_have_text("Connected")


@pytest.mark.soak
def test_websocket_client(demo: Page) -> None:
    """The page without WebRTC gets a greeting, each message back to front, and is hushed."""
    expect(demo.get_by_text("Hello! You hear yourself")).to_be_visible()
    demo.get_by_label("Message to the server").fill("stressed")
    demo.keyboard.press("Enter")
    expect(demo.get_by_text("desserts")).to_be_visible()
    demo.get_by_role("button", name="Hush").click()
    expect(demo.get_by_text("Discarded what was still to be heard.")).to_be_visible()
    expect(demo.get_by_text("Forgotten.")).to_be_visible()
    demo.wait_for_timeout(1500)


@pytest.mark.soak
def test_radio(demo: Page, open_page: OpenPage) -> None:
    """The music box sounds for one listener, and for two."""
    wait_for_sound(demo)
    station = demo.get_by_label("Station")
    expect(station).to_have_value(re.compile("1 listening, on air for [1-9]"))
    second = open_page(demo.url)
    second.get_by_role("button", name="Start").click()
    wait_for_sound(second)
    expect(station).to_have_value(re.compile("2 listening, on air for [1-9]"))
    second.close()
    expect(station).to_have_value(re.compile("1 listening"), timeout=15_000)


@pytest.mark.soak
def test_multichannel_meter(demo: Page) -> None:
    """Four levels are plotted while their mix is heard."""
    wait_for_sound(demo)
    expect(demo.get_by_label("Source")).to_have_value(re.compile(r"[2-9]\.\d s, 4 channels"))
    expect(demo.locator(".vega-embed canvas, .vega-embed svg").first).to_be_visible()


def test_there_is_a_test_for_each() -> None:
    """No demo goes untested."""
    assert {f"test_{name}" for name in NAMES} <= set(globals())
    for name in NO_PAGE_DEMOS:
        assert list((ROOT / "tests").glob(f"*/test_{name}.py"))
    for name in SEVERAL_PAGES_DEMOS:
        assert (ROOT / "tests" / "browser" / f"test_{name}.py").is_file()
