"""A page in a channel whose process stands still for a moment, and what the others hear of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from .conftest import OpenPage, renderers
from .support import RATE, Server, correlate, read_speech, record, serving

STALL = 0.5  # s
BEFORE = 5.0  # s of the recording
RECOVERY = 3.0  # s
AFTER = 3.0  # s

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


@pytest.mark.soak
def test_a_page_that_stalls_is_not_late_for_good(open_page: OpenPage, speech: Path) -> None:
    """Within three seconds, its voice is no more than 40 ms later than it was before."""
    spoken = read_speech(speech)
    period = len(spoken) / RATE
    with serving("channel") as server:
        late = stalled(server, open_page, spoken, period)
    assert np.median(late) < 0.04, late


def stalled(
    server: Server, open_page: OpenPage, spoken: NDArray[Any], period: float
) -> list[float]:
    ear = open_page(server.url)
    others = renderers(ear)
    mouth = open_page(server.url)
    processes = renderers(mouth) - others  # a spare one, too, at times
    assert processes
    for page, uid, sends in ((ear, 1, False), (mouth, 2, True)):
        page.wait_for_function("Boolean(window.Channel)")
        assert page.evaluate(JOIN, [uid, sends])
    ear.wait_for_timeout(3000)  # what a browser keeps back at first, it gives up

    def stall() -> None:
        time.sleep(BEFORE)
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        time.sleep(STALL)
        for process in processes:
            os.kill(process, signal.SIGCONT)

    seconds = BEFORE + STALL + RECOVERY + AFTER
    streams = "[channel.connection.remoteStream]"
    (heard,) = record(ear, streams, seconds, meanwhile=stall)
    before = delays(heard, spoken, 0, BEFORE - 0.5)
    after = delays(heard, spoken, seconds - AFTER, seconds)
    assert len(before) > 2, "hardly anything of the sentence was found before the stall"
    assert len(after) > 2, "hardly anything of the sentence was found after the stall"
    return differences(after, before, period)
