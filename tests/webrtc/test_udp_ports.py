"""UDP port range and advertised address, over real connections."""

from __future__ import annotations

import os
import re
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fastrtc_core import Stream, UnavailableError
from fastrtc_core.client import Client

from .support import OWN_PORTS, Silent, connected, gone, make_offer, raw_peer, take_answer

CANDIDATE = re.compile(r"a=candidate:\S+ \d+ udp \d+ (\S+) (\d+) typ host")


async def test_every_candidate_lies_within_the_range() -> None:
    """The server binds to the ports that its firewall lets through, and no other."""
    stream = Stream(Silent(), udp_port_range=(42000, 42040))
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        answer = await stream.offer(await make_offer(pc))
        ports = [int(port) for _, port in CANDIDATE.findall(answer["sdp"])]
        assert ports
        assert all(42000 <= port <= 42040 for port in ports)
        await take_answer(pc, answer)
        await connected(pc)
    await gone(stream)


async def test_an_exhausted_range_is_a_clear_refusal() -> None:
    """The second session finds no port; the first goes on, and its ports are free after it."""
    holders = []
    try:
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            holder = socket.socket(family, socket.SOCK_DGRAM)
            holders.append(holder)
            if family == socket.AF_INET6:
                holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            holder.bind((host, 42050))
        stream = Stream(Silent(), udp_port_range=(42050, 42050))
        with pytest.raises(UnavailableError, match="udp_port_range"):
            async with Client(stream.offer, modality=None):
                pass
        await gone(stream)
    finally:
        for holder in holders:
            holder.close()
    async with Client(stream.offer, modality=None):
        assert stream.sessions == 1
    await gone(stream)


@contextmanager
def no_more_files() -> Iterator[None]:
    """This process may open nothing."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("options", [OWN_PORTS, {}], ids=["range", "any"])
async def test_no_room_for_a_socket_is_a_clear_refusal(options: dict[str, Any]) -> None:
    """Another port would not help, and what is wrong is not that they are taken."""
    stream = Stream(Silent(), **options)
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        offer = await make_offer(pc)
        with no_more_files():
            answer = await stream.offer(offer)
        assert "allow this process more open files" in answer["meta"]["message"]
    await gone(stream)


async def test_the_advertised_address_stands_in_every_host_candidate() -> None:
    """A server behind a one-to-one NAT names the address that its clients can reach."""
    stream = Stream(Silent(), advertised_address="203.0.113.7")
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        answer = await stream.offer(await make_offer(pc))
        hosts = {host for host, _ in CANDIDATE.findall(answer["sdp"])}
        assert hosts == {"203.0.113.7"}
        stream.close(answer["webrtc_id"])
    await gone(stream)


async def test_an_own_address_that_is_advertised_connects() -> None:
    """The address of this machine, advertised, leads to it."""
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        offer = await make_offer(pc)
        own = next(host for host, _ in CANDIDATE.findall(offer["sdp"]) if ":" not in host)
        stream = Stream(Silent(), advertised_address=own)
        await take_answer(pc, await stream.offer(offer))
        await connected(pc)
    await gone(stream)
