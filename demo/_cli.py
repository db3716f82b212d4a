"""The command line that the demos share: --host and --port."""

import argparse
import errno
import socket

import uvicorn
from fastapi import FastAPI

from fastrtc_core import Stream


def launch(stream: Stream, options: argparse.Namespace | None = None) -> None:
    """Serve the Gradio UI of a stream until Ctrl+C."""
    options = options or arguments().parse_args()
    check_address(options.host, options.port)
    stream.ui.launch(server_name=options.host, server_port=options.port)


def serve(app: FastAPI, options: argparse.Namespace | None = None) -> None:
    """Serve an app until Ctrl+C."""
    options = options or arguments().parse_args()
    check_address(options.host, options.port)
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        ws_max_size=21 << 20,  # the largest message that this package takes
        ws_per_message_deflate=False,  # a small message could become a huge one
    )


def arguments() -> argparse.ArgumentParser:
    """The options of every demo; some add their own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on")
    return parser


def check_address(host: str, port: int) -> None:
    """Say in one line why nothing can listen there, instead of with a traceback."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SystemExit(
                f"Port {port} is in use by another program. "
                f"Stop that, or choose another port: --port {port + 1}"
            ) from None
        raise SystemExit(f"Cannot listen on {host}, port {port}: {error.strerror}") from None
