"""A filter of pictures on fastrtc-core, as its documentation writes it."""

import sys

import numpy as np
import uvicorn
from fastapi import FastAPI

from fastrtc_core import Stream


def flip(picture: np.ndarray) -> np.ndarray:
    return picture[::-1].copy()


app = FastAPI()
stream = Stream(flip, modality="video", mode="send-receive", concurrency_limit=None)
stream.mount(app)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
