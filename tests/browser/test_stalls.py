"""A browser in a channel whose packets are held up for a moment, and what the others hear of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Playwright

from .conftest import OpenPage
from .support import FLAGS, RATE, chromium_path, correlate, read_speech, record, serving

STALL = 0.5  # s
BEFORE = 5.0  # s of the recording
RECOVERY = 3.0  # s
AFTER = 3.0  # s
ACCURACY = 0.01  # s, of a delay that is found by correlation

JOIN = """async ([uid, sends]) => {
  const trackConstraints = {
    audio: sends && { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  };
  window.channel = new Channel({ channel: "stalls", uid, trackConstraints });
  return await channel.connect();
}"""


def delays(heard: NDArray[Any], spoken: NDArray[Any], begin: float, end: float) -> list[float]:
    """By how much, in s, what is heard is behind the sentence, modulo its length.

    One value for each quarter of a second between two times of the recording that can be found.
    """
    whole = np.tile(spoken, 2)
    found = []
    for at in range(int(begin * RATE), int(end * RATE) - RATE // 4, RATE // 4):
        piece = heard[at : at + RATE // 4]
        likeness, position = correlate(piece, whole)
        if piece.std() > 0.01 and likeness > 0.8:
            found.append((at - position) % len(spoken) / RATE)
    return found


def differences(delays: list[float], before: list[float], period: float) -> list[float]:
    """By how much each is more than those before; within half a period."""
    base = float(np.median(before))
    return [(one - base + period / 2) % period - period / 2 for one in delays]


@pytest.fixture
def stalling_browser(playwright: Playwright, speech: Path) -> Iterator[Browser]:
    """A browser of its own, for whoever is to stall."""
    granted = ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={speech}"]
    running = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS + granted)
    yield running
    running.close()


def network_process(browser: Browser) -> int:
    """The one that sends and receives for all pages of a browser."""
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    commands = {one["id"]: Path(f"/proc/{one['id']}/cmdline").read_text() for one in found}
    (process,) = [id for id, command in commands.items() if "network.mojom" in command]
    return int(process)


@pytest.mark.soak
def test_a_browser_that_stalls_is_not_late_for_good(
    stalling_browser: Browser, open_page: OpenPage, speech: Path
) -> None:
    """Half a second comes at once; after three seconds its voice is at most 40 ms later.

    What it says goes on meanwhile: it is the process that sends which stands still.
    """
    spoken = read_speech(speech)
    with serving("channel") as server:
        mouth = stalling_browser.new_page()
        mouth.goto(server.url)
        ear = open_page(server.url)
        for page, uid, sends in ((ear, 1, False), (mouth, 2, True)):
            page.wait_for_function("Boolean(window.Channel)")
            assert page.evaluate(JOIN, [uid, sends])
        process = network_process(stalling_browser)
        ear.wait_for_timeout(3000)  # what a browser keeps back at first, it gives up

        def stall() -> None:
            time.sleep(BEFORE)
            os.kill(process, signal.SIGSTOP)
            time.sleep(STALL)
            os.kill(process, signal.SIGCONT)

        seconds = BEFORE + STALL + RECOVERY + AFTER
        stalling = threading.Thread(target=stall)
        stalling.start()
        (heard,) = record(ear, "[channel.connection.remoteStream]", seconds)
        stalling.join()
    before = delays(heard, spoken, 0, BEFORE - 0.5)
    after = delays(heard, spoken, seconds - AFTER, seconds)
    assert len(before) > 2, "hardly anything of the sentence was found before the stall"
    assert len(after) > 2, "hardly anything of the sentence was found after the stall"
    late = differences(after, before, len(spoken) / RATE)
    assert np.median(late) < 0.04 + ACCURACY, late
