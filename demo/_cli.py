"""The command line that the demos share: --host, --port and --lan."""

import argparse
import errno
import socket
from typing import Any

import uvicorn
from _lan import Certificate, announce, find_address, make_certificate, without_proxy
from fastapi import FastAPI

from fastrtc_core import Stream

HERE = "127.0.0.1"


def launch(stream: Stream, options: argparse.Namespace | None = None) -> None:
    """Serve the Gradio UI of a stream until Ctrl+C."""
    options = options or arguments().parse_args()
    host, files = where(options)
    tls: dict[str, Any] = {}
    if files is not None:
        tls = {"ssl_certfile": str(files.certificate), "ssl_keyfile": str(files.key)}
        tls |= {"ssl_verify": False, "quiet": True}  # it asks itself whether it is up
    stream.ui.launch(server_name=host, server_port=options.port, **tls)


def serve(app: FastAPI, options: argparse.Namespace | None = None) -> None:
    """Serve an app until Ctrl+C."""
    options = options or arguments().parse_args()
    host, files = where(options)
    uvicorn.run(
        app,
        host=host,
        port=options.port,
        ssl_certfile=files and files.certificate,
        ssl_keyfile=files and files.key,
        ws_max_size=21 << 20,  # the largest message that this package takes
        ws_per_message_deflate=False,  # a small message could become a huge one
    )


def arguments() -> argparse.ArgumentParser:
    """The options of every demo; some add their own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default=HERE, help="address to listen on")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on")
    parser.add_argument("--lan", action="store_true", help="serve the network, a phone for example")
    return parser


def where(options: argparse.Namespace) -> tuple[str, Certificate | None]:
    """The address to listen on, and with `--lan` a certificate for it."""
    host: str = options.host
    if not options.lan:
        check_address(host, options.port)
        return host, None
    if host == HERE:
        host = find_address()
    check_address(host, options.port)
    without_proxy(host)
    announce(host, options.port)
    return host, make_certificate(host)


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
