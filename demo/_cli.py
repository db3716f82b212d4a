"""The command line that the demos share: --host and --port."""

import argparse

import uvicorn
from fastapi import FastAPI

from fastrtc_core import Stream


def launch(stream: Stream) -> None:
    """Serve the Gradio UI of a stream until Ctrl+C."""
    options = arguments().parse_args()
    stream.ui.launch(server_name=options.host, server_port=options.port)


def serve(app: FastAPI, options: argparse.Namespace | None = None) -> None:
    """Serve an app until Ctrl+C."""
    options = options or arguments().parse_args()
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        ws_max_size=1 << 20,  # what this package takes
        ws_per_message_deflate=False,  # a small message could become a huge one
    )


def arguments() -> argparse.ArgumentParser:
    """The options of every demo; some add their own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on")
    return parser
