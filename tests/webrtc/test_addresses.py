"""Which of the addresses that a client names are sent checks."""

from __future__ import annotations

import pytest

from fastrtc_core import ConfigurationError, Stream
from fastrtc_core.webrtc.addresses import allow_candidate, candidate_filter

from .support import Silent

PUBLIC = ("8.8.4.4", "2a00:1450:4001::1")
PRIVATE = ("192.168.1.4", "fd00::2")

NEVER = (
    "0.0.0.0",
    "0.1.2.3",
    "255.255.255.255",
    "240.0.0.1",
    "224.0.0.251",
    "239.1.2.3",
    "::",
    "ff02::fb",
    "64:ff9b::a00:1",
    "localhost",
    "example.org",
    "",
)
NEAR = ("127.0.0.1", "127.0.0.53", "::1", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1")
WITHIN = ("10.0.0.1", "172.17.0.1", "192.168.7.7", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1")


@pytest.mark.parametrize("own", [PUBLIC, PRIVATE, ("127.0.0.2", "169.254.3.4"), ()])
@pytest.mark.parametrize("host", NEVER)
def test_never(host: str, own: tuple[str, ...]) -> None:
    """Multicast, broadcast, unspecified and reserved addresses, and what is no address."""
    assert not allow_candidate(host, 50000, own)


@pytest.mark.parametrize("host", NEAR)
def test_this_machine_and_its_link(host: str) -> None:
    """Only for a server that has such an address itself."""
    assert not allow_candidate(host, 50000, PUBLIC)
    assert not allow_candidate(host, 50000, PRIVATE)
    assert allow_candidate(host, 50000, ("127.0.0.2", "169.254.3.4", "::1", "fe80::2"))


@pytest.mark.parametrize("host", WITHIN)
def test_private_networks(host: str) -> None:
    """Not for a server that is public, by an address of its own or by that which it advertises."""
    assert allow_candidate(host, 50000, PRIVATE)
    assert not allow_candidate(host, 50000, PUBLIC)
    assert not allow_candidate(host, 50000, (*PRIVATE, *PUBLIC))
    advertised = PUBLIC[1] if host.startswith("fd") else PUBLIC[0]
    assert not candidate_filter(None, advertised)(host, 50000, PRIVATE)


def test_public_addresses() -> None:
    """From anywhere; but ports of services are nobody's."""
    for own in (PUBLIC, PRIVATE):
        assert allow_candidate("9.9.9.9", 1024, own)
        assert allow_candidate("2a00:1450:4001::5", 65535, own)
        for port in (0, 53, 123, 1023, 65536):
            assert not allow_candidate("9.9.9.9", port, own)


def test_chosen_networks() -> None:
    """They replace the rule; what is never checked stays so."""
    may_check = candidate_filter(["127.0.0.0/8", "10.0.0.0/8", "0.0.0.0/0"])
    assert may_check("127.0.0.1", 5000, PUBLIC)
    assert may_check("10.1.2.3", 5000, PUBLIC)
    assert not may_check("224.0.0.1", 5000, PUBLIC)
    assert not may_check("2a00:1450:4001::5", 5000, PUBLIC)
    assert not may_check("10.1.2.3", 22, PUBLIC)
    assert not candidate_filter([])("9.9.9.9", 5000, PUBLIC)


@pytest.mark.parametrize("networks", [["10.0.0.1/8"], ["nonsense"], "10.0.0.0/8"])
def test_networks_that_cannot_be_read(networks: list[str]) -> None:
    """They are refused when the stream is made."""
    with pytest.raises(ConfigurationError, match="allowed_candidates"):
        Stream(Silent(), allowed_candidates=networks)
