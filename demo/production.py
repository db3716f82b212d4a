"""A headless server: configured by its environment, with health checks, metrics and draining."""

import argparse
import os

from fastapi import FastAPI

from fastrtc_core import Stream, coturn_credentials
from fastrtc_handlers import Echo


def number(name: str, default: int) -> int:
    """A number from the environment."""
    text = os.environ.get(name, "")
    try:
        return int(text or default)
    except ValueError:
        raise SystemExit(f"{name} must be a whole number, not {text!r}") from None


def ice_servers() -> list[dict[str, object]]:
    """A coturn that shares its secret with this server, such as that of deploy/compose.yaml."""
    secret, urls = os.environ.get("TURN_SECRET"), os.environ.get("TURN_URLS")
    return [coturn_credentials(secret, urls.split(","))] if secret and urls else []


# Replace Echo by your handler. One UDP port carries the media of all sessions, and a TCP port of
# the same number that of clients without UDP. Clients send it to ADVERTISED_ADDRESS, the address
# under which they reach this machine.
stream = Stream(
    Echo(),
    concurrency_limit=number("CONCURRENCY_LIMIT", 100),
    udp_port=number("MEDIA_PORT", 40000),
    tcp_port=number("MEDIA_PORT", 40000),
    advertised_address=os.environ.get("ADVERTISED_ADDRESS") or None,
    rtc_configuration=ice_servers,
    drain_timeout=number("DRAIN_TIMEOUT", 300),
)
app = FastAPI()
stream.mount(app, health=True, metrics=True)


if __name__ == "__main__":
    from _cli import arguments, serve

    options: argparse.Namespace = arguments().parse_args()
    serve(app, options)
