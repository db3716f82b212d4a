"""The page of the demo `websocket_client` in a real browser: sound, and what may go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, Playwright, WebSocketRoute, expect

from .conftest import OpenPage, Screenshot
from .support import (
    FLAGS,
    RATE,
    ROOT,
    Server,
    chromium_path,
    correlate,
    envelope,
    read_speech,
    record,
)

LOCAL = "call.microphone"
REMOTE = """(() => {
  const tap = new MediaStreamAudioDestinationNode(call.context);
  call.speaker.connect(tap);
  return tap.stream;
})()"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The demo."""
    running = Server(ROOT / "demo" / "websocket_client.py", port_option="--port")
    running.wait_until_ready()
    yield running
    running.kill()


@pytest.fixture
def page(server: Server, open_page: OpenPage) -> Page:
    """Its page."""
    return open_page(server.url)


def start(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("status")).to_have_text("Connected")


def answering(page: Page, answer: Callable[[WebSocketRoute], None]) -> None:
    """Take the place of the server, once the page has said `start`."""

    def serve(socket: WebSocketRoute) -> None:
        socket.on_message(
            lambda text: answer(socket) if isinstance(text, str) and '"start"' in text else None
        )

    page.route_web_socket("**/websocket/offer", serve)


@pytest.mark.soak
def test_speech_comes_back(page: Page, speech: Path) -> None:
    """What is said into the microphone is what the page plays, half a second later and a bit."""
    start(page)
    page.wait_for_timeout(1500)
    spoken = np.tile(envelope(read_speech(speech)), 3)
    for _ in range(3):  # a machine that is busy with something else drops audio: ask again
        sent, heard = record(page, f"[{LOCAL}, {REMOTE}]", 5.0)
        likeness, _ = correlate(envelope(heard), spoken)
        starts = range(0, 3 * RATE, RATE // 2)
        pieces = [(sent[at : at + RATE // 2], heard[at : at + 2 * RATE]) for at in starts]
        found = np.array([correlate(*piece) for piece in pieces if piece[0].std() > 0.01])
        same_waveform, delay = np.median(found, axis=0)
        if likeness > 0.8 and same_waveform > 0.8:
            break
    assert likeness > 0.8, "this is not the sentence that was spoken"
    assert same_waveform > 0.8, "the waveform has changed on its way"
    assert 0.5 < delay / RATE < 0.9


def test_it_starts_and_stops_as_often_as_wanted(page: Page) -> None:
    """Microphone and socket are released each time; a stop in the midst of starting counts."""
    for _ in range(2):
        start(page)
        track = page.evaluate_handle("call.microphone.getTracks()[0]")
        socket = page.evaluate_handle("call.socket")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("status")).to_have_text("Ended")
        assert track.evaluate("(track) => track.readyState") == "ended"
        page.wait_for_function("(socket) => socket.readyState === WebSocket.CLOSED", arg=socket)
        expect(page.get_by_role("button", name="Send")).to_be_disabled()
    page.evaluate("toggle.click(); window.early = call; toggle.click()")
    page.wait_for_function("early.microphone?.getTracks()[0].readyState === 'ended'")
    expect(page.get_by_role("status")).to_have_text("Ended")


def test_sound_begins_and_breaks_off_without_a_click(page: Page) -> None:
    """A tone that starts, runs dry and is cleared never jumps; after `clear` nothing is left."""
    answering(page, lambda socket: socket.send(json.dumps({"event": "started"})))
    start(page)
    page.evaluate(
        """() => {
          const rate = call.context.sampleRate;
          const tone = (seconds, amplitude) => Int16Array.from(
            { length: rate * seconds },
            (_, at) => amplitude * Math.cos(2 * Math.PI * 440 * at / rate));
          const play = (data) => call.speaker.port.postMessage(data);
          const plan = [
            [500, () => play(tone(0.4, 16000))],   // runs dry in the midst of a wave
            [1300, () => play(tone(0.9, 16000))],
            [1700, () => play(null)],              // cleared: 0.5 s are not heard
            [2400, () => play(tone(0.03, 16000))], // shorter than the lead
          ];
          for (const [at, act] of plan) setTimeout(act, at);
        }"""
    )
    (heard,) = record(page, f"[{REMOTE}]", 3.2, rate=48000)
    slope = 16000 / 32768 * 2 * np.pi * 440 / 48000
    assert np.abs(np.diff(heard)).max() < 1.5 * slope
    bursts = sounding(heard)
    assert len(bursts) == 3
    assert bursts[0] == pytest.approx(0.4, abs=0.06)
    assert bursts[1] == pytest.approx(0.32, abs=0.12)
    assert bursts[2] == pytest.approx(0.03, abs=0.03)


def sounding(samples: NDArray[np.float64]) -> list[float]:
    """How long in s each sound lasts; pauses of less than 50 ms are none."""
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    ends = np.flatnonzero(np.diff(loud) > 2400)
    firsts, lasts = np.r_[loud[0], loud[ends + 1]], np.r_[loud[ends], loud[-1]]
    return list((lasts - firsts) / 48000)


def test_a_server_that_refuses(page: Page) -> None:
    """Its words are shown, with code and reason."""

    def refuse(socket: WebSocketRoute) -> None:
        meta = {"error": "concurrency_limit_reached", "message": "the server is full", "limit": 1}
        socket.send(json.dumps({"status": "failed", "meta": meta}))
        socket.close(code=1013, reason="concurrency_limit_reached")

    answering(page, refuse)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("status")).to_have_text(
        "The server refused: the server is full (1013, concurrency_limit_reached)"
    )
    expect(page.get_by_role("button", name="Start")).to_be_enabled()


def test_a_server_that_closes(page: Page) -> None:
    """Code and reason are shown; an end as it should be is just that."""
    closings = iter([(1001, "closed"), (1011, "internal_error"), (1000, "close_stream")])

    def close(socket: WebSocketRoute) -> None:
        socket.send(json.dumps({"event": "started"}))
        code, reason = next(closings)
        socket.close(code=code, reason=reason)

    answering(page, close)
    state = page.get_by_role("status")
    page.get_by_role("button", name="Start").click()
    expect(state).to_have_text("The server is shutting down (1001).")
    page.get_by_role("button", name="Start").click()
    expect(state).to_have_text("The server closed the connection (1011, internal_error).")
    page.get_by_role("button", name="Start").click()
    expect(state).to_have_text("Ended")


def test_a_server_that_is_not_there(open_page: OpenPage, screenshot: Screenshot) -> None:
    """The page says which one; it works again when the server does."""
    gone = Server(ROOT / "demo" / "websocket_client.py", port_option="--port")
    try:
        gone.wait_until_ready()
        page = open_page(gone.url)
    finally:
        gone.kill()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("status")).to_have_text(
        f"127.0.0.1:{gone.port} cannot be reached, or does not let this page connect."
    )
    screenshot(page, "demo-websocket_client-error")


@pytest.mark.soak
def test_a_microphone_that_is_not_permitted(
    server: Server, playwright: Playwright, screenshot: Screenshot
) -> None:
    """The page says what to do; on a page that is not secure, why."""
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
    try:
        page = browser.new_page()
        page.goto(server.url)
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("status")).to_have_text(
            "The browser may not use the microphone. Allow it in the address bar, and start again."
        )
        screenshot(page, "demo-websocket_client-denied")
        page.goto(f"http://insecure.test:{server.port}")
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("status")).to_contain_text("only to pages on https://")
    finally:
        browser.close()
