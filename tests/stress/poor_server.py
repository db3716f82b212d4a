"""A server with few file descriptors, whose recordings go to a disk that is full.

Usage: python -m tests.stress.poor_server FOLDER DESCRIPTORS
"""

from __future__ import annotations

import logging
import resource
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

from fastrtc_core import Stream
from fastrtc_core.operations.flight_recorder import FlightRecorder

from ..webrtc.support import OWN_PORTS
from .world import Echo


class PoorServer(uvicorn.Server):
    """Loses what it could open once it is up, and then says on which port it listens."""

    def __init__(self, app: FastAPI, descriptors: int) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_level="warning"))
        self._descriptors = descriptors

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._descriptors, self._descriptors))
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)


def main(folder: str, descriptors: str) -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    app = FastAPI()
    recorder = FlightRecorder(folder)
    Stream(Echo(), concurrency_limit=100, flight_recorder=recorder, **OWN_PORTS).mount(app)
    PoorServer(app, int(descriptors)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
