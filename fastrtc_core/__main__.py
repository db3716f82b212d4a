"""The command line: `fastrtc-core`, or `python -m fastrtc_core`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from uvicorn.importer import ImportFromStringError, import_from_string

from .doctor import call, machine, servers
from .doctor.findings import Finding, show
from .errors import ConfigurationError
from .operations.recording import read
from .replay import difference, replay, turn_difference
from .stream import Stream


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    logging.basicConfig(level=logging.ERROR)
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (ConfigurationError, OSError) as error:
        print(f"fastrtc-core: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _replay(options: argparse.Namespace) -> int:
    handler = _named(options.stream).handler
    recorded = read(options.file)
    before = replay(recorded, handler)
    lines = before.lines()
    if options.set:
        after = replay(recorded, handler, dict(options.set))
        lines = [*turn_difference(before, after), *difference(before, after)]
    print("\n".join(lines or ["The messages are the same." if options.set else "No messages."]))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    return asyncio.run(_diagnose(options))


async def _diagnose(options: argparse.Namespace) -> int:
    faults = warnings = 0
    async for finding in _examine(options):
        show(finding)
        faults += finding.level == "fault"
        warnings += finding.level == "warning"
    print(f"\n{_count(faults, 'fault')}, {_count(warnings, 'warning')}")
    return 1 if faults else 0


async def _examine(options: argparse.Namespace) -> AsyncIterator[Finding]:
    ice_servers = _ice_servers(options)
    stream = _named(options.stream) if options.stream else _echo(options, ice_servers)
    for check in (machine.check_python, machine.check_packages, machine.check_codecs):
        for finding in check():
            yield finding
    for finding in machine.check_udp(options.udp_port):
        yield finding
    for finding in await machine.check_addresses(options.advertised_address):
        yield finding
    for finding in await servers.check_ice_servers(ice_servers):
        yield finding
    if options.url is None:
        found = await call.check_stream(stream)
    else:
        found = await call.check_call(
            options.url,
            modality=options.modality,
            headers=dict(options.header),
            what=f"call to {options.url}",
        )
    for finding in found:
        yield finding
    for finding in machine.check_microphone():
        yield finding


def _named(name: str) -> Stream:
    try:
        found = import_from_string(name)
    except ImportFromStringError as error:
        raise ConfigurationError(str(error)) from None
    if not isinstance(found, Stream):
        raise ConfigurationError(
            f"{name} is a {type(found).__name__}: name the Stream itself, such as main:stream"
        )
    return found


def _echo(options: argparse.Namespace, ice_servers: list[Mapping[str, Any]]) -> Stream:
    # Without the advertised address, which this machine need not reach.
    return Stream(
        call.Echo(), udp_port=options.udp_port, server_rtc_configuration=ice_servers or None
    )


def _ice_servers(options: argparse.Namespace) -> list[Mapping[str, Any]]:
    signed_in = {"username": options.username, "credential": options.credential}
    return [
        {"urls": url, **(signed_in if url.startswith("turn") else {})} for url in options.ice_server
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("a setting is written NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError("a header is written 'Name: value'")
    return name.strip(), value.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fastrtc-core", description="Real-time audio and video.")
    parser.add_argument(
        "--version", action="version", version=f"fastrtc-core {version('fastrtc-core')}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    doctor = commands.add_parser(
        "doctor",
        help="find what keeps calls from working here",
        description="Checks this machine, and makes a call with sound. The exit status is 0 if the "
        "call works; what is missing beside that is a warning.",
    )
    doctor.set_defaults(run=_doctor)
    doctor.add_argument(
        "stream",
        nargs="?",
        help="your stream, such as main:stream, to be called on loopback; an echo by default",
    )
    doctor.add_argument("--url", help="call a running server instead: where a stream is mounted")
    doctor.add_argument("--modality", default="audio", help="of the stream at --url")
    doctor.add_argument(
        "--header",
        type=_header,
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="header of the offer to --url",
    )
    doctor.add_argument("--udp-port", type=int, help="the udp_port of your Stream")
    doctor.add_argument("--advertised-address", help="the advertised_address of your Stream")
    doctor.add_argument(
        "--ice-server",
        action="append",
        default=[],
        metavar="URL",
        help="a STUN or TURN server to ask, such as stun:stun.example.org:3478",
    )
    doctor.add_argument("--username", help="for TURN servers")
    doctor.add_argument("--credential", help="for TURN servers")
    again = commands.add_parser(
        "replay",
        help="run a recorded session again",
        description="Runs the session in a file of a FlightRecorder again, on virtual time, and "
        "prints the messages that its client is sent; with --set, how they and its turns differ.",
    )
    again.set_defaults(run=_replay)
    again.add_argument("file", help="a recording")
    again.add_argument("stream", help="the stream whose handler runs, such as main:stream")
    again.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the handler, such as silence=0.4; the value is JSON, or a text",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
