"""A headless server: configured by its environment, with health checks, metrics and draining."""

import argparse
import os

from fastapi import FastAPI

from fastrtc_core import Stream
from fastrtc_handlers import Echo


def number(name: str, default: int) -> int:
    """A number from the environment."""
    text = os.environ.get(name, "")
    try:
        return int(text or default)
    except ValueError:
        raise SystemExit(f"{name} must be a whole number, not {text!r}") from None


# Replace Echo by your handler. One UDP port carries the media of all sessions. Clients send it to
# ADVERTISED_ADDRESS, the address under which they reach this machine.
stream = Stream(
    Echo(),
    concurrency_limit=number("CONCURRENCY_LIMIT", 100),
    udp_port=number("UDP_PORT", 40000),
    advertised_address=os.environ.get("ADVERTISED_ADDRESS") or None,
    drain_timeout=number("DRAIN_TIMEOUT", 300),
)
app = FastAPI()
stream.mount(app, health=True, metrics=True)


if __name__ == "__main__":
    from _cli import arguments, serve

    options: argparse.Namespace = arguments().parse_args()
    serve(app, options)
