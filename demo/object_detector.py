"""Object detector: boxes around faces, eyes, cats or people, and no picture waits for them."""

from time import perf_counter
from typing import Any

import cv2
import gradio as gr
import numpy as np
from _cli import launch
from _detector import THINGS, Detector
from _pace import Pace
from numpy.typing import NDArray

from fastrtc_core import AdditionalOutputs, Stream, VideoStreamHandler

Picture = NDArray[np.uint8]  # (height, width, 3), blue, green, red
GREEN = (80, 220, 60)


class ObjectDetector(VideoStreamHandler):
    """Draws the latest boxes into each picture; no picture waits for a search."""

    def __init__(self) -> None:
        super().__init__(self.draw, skip_frames=True)
        self.detector: Detector | None = None
        self._pace = Pace()

    def copy(self) -> "ObjectDetector":
        return ObjectDetector().take_settings(self)

    def start_up(self) -> None:
        self.detector = Detector()

    def shutdown(self) -> None:
        super().shutdown()
        if self.detector is not None:
            self.detector.close()

    def draw(self, picture: Picture, thing: str = "Faces") -> Any:
        """One picture with boxes, and once a second the figures."""
        began = perf_counter()
        assert self.detector is not None
        self.detector.show(picture, thing)
        boxes = self.detector.boxes
        for x, y, width, height in boxes:
            cv2.rectangle(picture, (x, y), (x + width, y + height), GREEN, 3)
        if (said := self._pace.note(began)) is None:
            return picture
        pictures = f"{said[0]:.0f} pictures a second, {said[1]:.1f} ms each"
        return picture, AdditionalOutputs(
            f"{pictures}; {self.detector.figures}; {len(boxes)} found"
        )


stream = Stream(
    ObjectDetector(),
    modality="video",
    mode="send-receive",
    additional_inputs=[gr.Radio(list(THINGS), value="Faces", label="Look for")],
    additional_outputs=[gr.Textbox(label="Pace", interactive=False)],
    ui_args={
        "title": "Object detector",
        "subtitle": "Boxes come from the latest search. The video never waits for one.",
    },
)

if __name__ == "__main__":
    launch(stream)
