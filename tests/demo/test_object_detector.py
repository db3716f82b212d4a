"""What the demo `object_detector` looks with: a cascade on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ..browser.support import ROOT
from .faces import draw_face

if TYPE_CHECKING:
    from _detector import Detector


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Detector]:
    pytest.importorskip("cv2.data")
    monkeypatch.syspath_prepend(ROOT / "demo")
    from _detector import Detector

    made = Detector()
    yield made
    made.close()
    assert not made._thread.is_alive()


def wait_for(detector: Detector) -> None:
    """Until it has nothing to do."""
    deadline = time.monotonic() + 10
    while detector._given.is_set():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_face_has_a_box(detector: Detector) -> None:
    """In the pixels of the whole picture, though a smaller one is searched; a wall has none."""
    detector.show(draw_face((640, 480), (220, 260), 200), "Faces")
    wait_for(detector)
    ((left, top, width, height),) = detector.boxes
    assert left < 220 < left + width
    assert top < 260 < top + height
    assert 150 < width < 300
    detector.show(np.full((480, 640, 3), 90, np.uint8), "Faces")
    wait_for(detector)
    assert detector.boxes == []


def test_no_picture_waits_for_a_search(detector: Any) -> None:
    """One that comes meanwhile is not searched; the one that comes afterwards is."""
    searched: list[int] = []

    def slow(gray: Any, thing: str) -> list[Any]:
        searched.append(int(gray[0, 0]))
        time.sleep(0.1)
        return []

    detector.search = slow
    pictures = [np.full((48, 64, 3), number, np.uint8) for number in range(30)]
    began = time.thread_time()
    for picture in pictures:
        detector.show(picture, "Faces")
        time.sleep(0.01)
    assert time.thread_time() - began < 0.1
    wait_for(detector)
    assert 2 <= len(searched) <= 4
    assert searched[0] == 0
    assert searched[1] >= 5, "the picture of the moment, and none that has waited"


def test_a_search_that_fails_is_not_the_last_one(detector: Detector) -> None:
    """The page says that it did; the next one finds what there is."""
    face = draw_face((640, 480), (220, 260), 200)
    detector.show(face, "Unicorns")
    wait_for(detector)
    assert "Unicorns" in detector.figures
    detector.show(face, "Faces")
    wait_for(detector)
    assert len(detector.boxes) == 1


def test_it_is_closed_amid_a_search(detector: Any) -> None:
    """The thread ends when that is done, and `close` with it."""

    def slow(gray: Any, thing: str) -> list[Any]:
        time.sleep(0.1)
        return []

    detector.search = slow
    detector.show(np.zeros((48, 64, 3), np.uint8), "Faces")
    closing = threading.Thread(target=detector.close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
