"""What a demo looks for in pictures: OpenCV's cascades, run beside the pictures."""

from threading import Event, Thread
from time import perf_counter
from typing import Any

import cv2
from _pace import Pace
from cv2.data import haarcascades
from numpy.typing import NDArray

Picture = NDArray[Any]  # uint8: (height, width, 3), blue, green, red; or gray, (height, width)
Box = tuple[int, int, int, int]  # left, top, width and height in pixels

WIDTH = 320  # of the picture that is searched, in pixels
THINGS = {  # OpenCV's own cascades, which its wheels carry up to version 4
    "Faces": "frontalface_default",
    "Eyes": "eye",
    "Cats": "frontalcatface_extended",
    "People": "fullbody",
}

cv2.setNumThreads(1)  # what one search does with more cores, the pictures would wait for


class Detector:
    """Searches pictures on a thread of its own, each as it is when the one before is done."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.figures = "searching"
        self._work: tuple[Picture, float, str] | None = None
        self._given = Event()
        self._closed = False
        self._cascades: dict[str, cv2.CascadeClassifier] = {}
        self._thread = Thread(target=self._run, name="detector", daemon=True)
        self._thread.start()

    def show(self, picture: Picture, thing: str) -> None:
        """Search this picture, if nothing else is being searched."""
        if not self._given.is_set():
            scale = max(1.0, picture.shape[1] / WIDTH)
            gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            size = round(gray.shape[1] / scale), round(gray.shape[0] / scale)
            self._work = cv2.resize(gray, size, interpolation=cv2.INTER_AREA), scale, thing
            self._given.set()

    def close(self) -> None:
        self._closed = True
        self._given.set()
        self._thread.join()

    def search(self, gray: Picture, thing: str) -> list[Box]:
        """Where these things are; a method, so that another model can take its place."""
        cascade = self._cascades.get(thing)
        if cascade is None:
            path = f"{haarcascades}haarcascade_{THINGS[thing]}.xml"
            cascade = self._cascades[thing] = cv2.CascadeClassifier(path)
        found = cascade.detectMultiScale(gray, scaleFactor=1.2, minNeighbors=4)
        return [(int(x), int(y), int(w), int(h)) for x, y, w, h in found]

    def _run(self) -> None:
        pace = Pace()
        while self._given.wait() and not self._closed:
            assert self._work is not None
            gray, scale, thing = self._work
            began = perf_counter()
            try:
                found = self.search(gray, thing)
            except Exception as error:  # the pictures go on, and say it
                self.boxes, self.figures = [], f"the search failed: {error!r}"
            else:
                self.boxes = [
                    (round(scale * x), round(scale * y), round(scale * w), round(scale * h))
                    for x, y, w, h in found
                ]
                if (said := pace.note(began)) is not None:
                    self.figures = f"{said[0]:.0f} searches a second, {said[1]:.0f} ms each"
            self._given.clear()
            if self._closed:  # `close` may have set what is cleared
                break
