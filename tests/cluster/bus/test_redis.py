"""A bus over a real Redis server: what it carries, whom it lets in, and what it says."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import logging
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fastrtc_core import BusError, ConfigurationError
from fastrtc_core.cluster.bus import RedisBus
from fastrtc_core.cluster.bus.redis import LONGEST_PAUSE, pause
from fastrtc_core.cluster.bus.redis_wire import Target

from .listening import States, ask, ignore, two_buses, until
from .server import RedisServer, needs_redis

pytestmark = needs_redis


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisServer]:
    """A server with a password, and a user who may use one topic alone."""
    rules = "limited on >small ~* &fastrtc:allowed +@all"
    server = RedisServer(tmp_path, "--requirepass", "geheim/1", "--user", *rules.split())
    try:
        server.start()
        yield server
    finally:
        server.kill()


async def test_it_is_quick(redis_server: RedisServer) -> None:
    """From `publish` to the callback it takes well below 2 ms, where nothing else is in the way."""
    took: list[float] = []
    async with two_buses(redis_server.url) as (one, two):
        arrived = asyncio.Event()

        def note(data: bytes) -> None:
            took.append(time.perf_counter() - published)
            arrived.set()

        await two.subscribe("room", note)
        for _ in range(200):
            arrived.clear()
            published = time.perf_counter()
            one.publish("room", bytes(160))
            await asyncio.wait_for(arrived.wait(), 2)
    took.sort()
    assert took[len(took) // 10] < 0.002


async def test_an_idle_bus_sends_no_more_than_its_pings(redis_server: RedisServer) -> None:
    """It waits on its sockets instead of polling: a few commands per second."""
    async with two_buses(redis_server.url) as (one, _):
        before = await commands_processed(one)
        await asyncio.sleep(1.5)
        assert 4 <= await commands_processed(one) - before <= 20


async def test_messages_of_others_on_its_channels_do_no_harm(redis_server: RedisServer) -> None:
    """What is too short to be of a bus is passed over."""
    got: list[bytes] = []
    async with two_buses(redis_server.url) as (one, two):
        await two.subscribe("room", got.append)
        assert await ask(one, "PUBLISH", b"fastrtc:room", b"short") == 1
        one.publish("room", b"real")
        await until(lambda: bool(got))
        assert got == [b"real"]


async def test_prefixes_keep_applications_apart(redis_server: RedisServer) -> None:
    """Neither topics nor claims of one prefix are seen by another."""
    got: list[bytes] = []
    one, two = RedisBus(redis_server.url, prefix="a"), RedisBus(redis_server.url, prefix="b")
    try:
        await one.start(ignore)
        await two.start(ignore)
        await two.subscribe("room", got.append)
        one.publish("room", b"not for b")
        assert await one.claim("uid", 10)
        assert await two.claim("uid", 10)
        await asyncio.sleep(0.05)
        assert got == []
    finally:
        await one.aclose()
        await two.aclose()


async def test_a_unix_socket(tmp_path: Path) -> None:
    """`unix://path` leads there."""
    path = tmp_path / "redis.sock"
    server = RedisServer(tmp_path, "--unixsocket", str(path))
    got: list[bytes] = []
    try:
        server.start()
        async with two_buses(f"unix://{path}") as (one, two):
            await two.subscribe("room", got.append)
            one.publish("room", b"1")
            await until(lambda: got == [b"1"])
    finally:
        server.kill()


async def commands_processed(bus: RedisBus) -> int:
    for line in (await ask(bus, "INFO", "stats")).split():
        if line.startswith(b"total_commands_processed:"):
            return int(line.partition(b":")[2])
    raise AssertionError("no such line")


async def test_tls(tmp_path: Path) -> None:
    """`rediss://` with an authority of one's own; and a frozen end leaves no socket (conftest)."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    certificate, key = self_signed(tmp_path)
    options = ["--tls-port", f"{port}", "--tls-auth-clients", "no"]
    options += ["--tls-cert-file", certificate, "--tls-key-file", key]
    server = RedisServer(tmp_path, *options, "--tls-ca-cert-file", certificate)
    url = f"rediss://127.0.0.1:{port}/0"
    got: list[bytes] = []
    try:
        server.start()
        with pytest.raises(ConfigurationError, match="FileNotFoundError"):
            RedisBus(f"{url}?ssl_ca_certs={tmp_path}/missing.pem")
        async with two_buses(f"{url}?ssl_ca_certs={certificate}") as (one, two):
            await two.subscribe("room", got.append)
            one.publish("room", b"1")
            await until(lambda: got == [b"1"])
            assert repr(one) == f"<RedisBus {url} connected>"
            server.freeze()
    finally:
        server.thaw()
        server.kill()


def self_signed(folder: Path) -> tuple[str, str]:
    """A certificate for the loopback address, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(pem, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return f"{folder}/certificate.pem", f"{folder}/key.pem"


# Who is let in


async def test_a_password_lets_in(guarded: RedisServer) -> None:
    """Percent-encoded, in the url."""
    url = f"redis://:geheim%2F1@127.0.0.1:{guarded.port}"
    async with two_buses(url) as (one, two):
        assert one.connected
        assert two.connected


@pytest.mark.parametrize("login", ["", ":wrong-secret@", "nobody:wrong-secret@"])
async def test_a_wrong_password_is_an_error_at_once(
    guarded: RedisServer, login: str, caplog: pytest.LogCaptureFixture
) -> None:
    """`start` says that the server refuses, quickly, and never the password itself."""
    bus = RedisBus(f"redis://{login}127.0.0.1:{guarded.port}")
    begun = time.monotonic()
    states = States()
    with pytest.raises(ConfigurationError, match="lets nobody in") as caught:
        await bus.start(states)
    assert time.monotonic() - begun < 2
    assert states.told == []
    assert not bus.connected
    assert "wrong-secret" not in caplog.text + str(caught.value) + repr(bus)


async def test_a_password_without_need_is_an_error(redis_server: RedisServer) -> None:
    """A server without one says so."""
    bus = RedisBus(f"redis://:unwanted@127.0.0.1:{redis_server.port}")
    with pytest.raises(ConfigurationError, match="without any password configured"):
        await bus.start(ignore)


async def test_what_a_user_may_not_do_is_an_error(
    guarded: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A topic that is refused raises; a message that is refused is counted, and logged once."""
    got: list[bytes] = []
    async with two_buses(f"redis://limited:small@127.0.0.1:{guarded.port}") as (one, two):
        await two.subscribe("allowed", got.append)
        with pytest.raises(BusError, match="refuses the topic"):
            await two.subscribe("forbidden", got.append)
        for _ in range(3):
            one.publish("forbidden", b"0")
            await asyncio.sleep(0.02)
        one.publish("allowed", b"1")
        await until(lambda: got == [b"1"])
        assert one.statistics()[:3] == (1, 0, 3)
        assert one.connected
        assert two.connected
    assert caplog.text.count("takes no messages") == 1


async def test_secrets_show_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Not in the `repr`, and not in what is logged while the server is away."""
    caplog.set_level(logging.DEBUG)
    bus = RedisBus("redis://user:hunter2@127.0.0.1:1/3")
    task = asyncio.create_task(bus.start(ignore))
    await asyncio.sleep(0.3)
    assert "127.0.0.1:1" in caplog.text
    assert "hunter2" not in caplog.text + repr(bus) + repr(bus._target) + repr(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not bus.connected


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "localhost:6379",
        "redis://:hunter2/x@localhost",
        "redis://user:123/hunter2@localhost",
        "redis://user:123#hunter2@localhost",
        "redis://user:hunter2@localhost:port",
        "redis://user:hunter2@localhost?colour=hunter2",
        "redis://user:hunter2@localhost?socket_timeout=hunter2",
        "redis://[hunter2",
    ],
)
def test_a_bad_url_is_an_error(url: str) -> None:
    """It says what is wrong, and shows no piece of what may be a password."""
    with pytest.raises(ConfigurationError, match="url") as caught:
        RedisBus(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names it."""
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"fastrtc-core\[redis\]"):
        RedisBus()


# How long it waits


def test_pauses_grow_and_are_never_the_same() -> None:
    """From 0.1 s to 2 s, with jitter, however often it has failed."""
    assert 0.05 <= pause(0) <= 0.1
    assert all(LONGEST_PAUSE / 2 <= pause(attempts) <= LONGEST_PAUSE for attempts in (5, 99, 10**6))
    assert len({pause(3) for _ in range(10)}) > 1


# What is private in redis-py and used here


async def test_the_transport_of_a_connection_is_at_hand(redis_server: RedisServer) -> None:
    """`Connection._writer.transport` is what `Wire.close` aborts."""
    wire = Target(redis_server.url).wire()
    assert hasattr(wire._connection, "_writer")
    await wire.open()
    assert wire._transport is wire._connection._writer.transport
    await wire.close()
    assert wire._transport is not None
    assert wire._transport.is_closing()
    assert not wire._connection.is_connected
    with pytest.raises(BusError):
        await wire.write([("PING",)])
    await wire.close()
