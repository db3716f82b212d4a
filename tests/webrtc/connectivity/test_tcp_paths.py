"""The ICE agent where paths are connections too (RFC 6544): it accepts them, and begins none."""

from __future__ import annotations

from fastrtc_core.webrtc.connectivity import agent as agents
from fastrtc_core.webrtc.connectivity import stun
from fastrtc_core.webrtc.connectivity.agent import Forgotten, Selected, Trusted
from fastrtc_core.webrtc.connectivity.paths import (
    Base,
    Credentials,
    RemoteCandidate,
    check_priority,
    host_priority,
    passive_priority,
)
from fastrtc_core.webrtc.connectivity.stun import TcpAddress

from .test_agent import (
    AWAY,
    CLIENT,
    CLIENT_BASES,
    HOME,
    SERVER_BASES,
    Network,
    Side,
    answer_to,
    make_agent,
    request,
    split,
)

DOOR = TcpAddress("192.0.2.1", 40000, 0)
BASES = [*SERVER_BASES, Base(DOOR, passive_priority(0))]
ONE, OTHER = (TcpAddress("198.51.100.1", 50000, number) for number in (1, 2))
# What libwebrtc says of its candidates.
UDP_PRIORITY = (2122260223).to_bytes(4)
TCP_PRIORITY = (1518280447).to_bytes(4)


def listening(*, lite: bool = True) -> Side:
    """A server with both, whose client is the test."""
    server = make_agent(
        Credentials("srvr", "password-of-the-server-0"),
        BASES,
        lite=lite,
        may_check=lambda host, port: True,
    )
    server.agent.set_remote(CLIENT, lite=False, now=0.0)
    return server


def check(server: Side, source: TcpAddress | tuple[str, int], now: float, **options: object) -> int:
    """Send a check over UDP or a connection, answer what comes back; how many checks that were."""
    tcp = isinstance(source, TcpAddress)
    options.setdefault("priority", TCP_PRIORITY if tcp else UDP_PRIORITY)
    local = DOOR if tcp else HOME
    assert server.agent.receive_datagram(request(**options), source, local, now)  # type: ignore[arg-type]
    asked, answers = split(server.fetch())
    assert [answer.destination for answer in answers] == [source]
    theirs = options.get("theirs", CLIENT)
    assert isinstance(theirs, Credentials)
    for one in asked:
        data = answer_to(one, theirs.password)
        server.agent.receive_datagram(data, one.destination, one.local, now)
    server.fetch()
    return len(asked)


def test_priorities() -> None:
    """UDP before TCP, of what is named and of what a check reveals (RFC 6544 section 4.2)."""
    assert passive_priority(0) == (90 << 24) + ((4 << 13) + 8191 << 8) + 255
    assert passive_priority(0) > passive_priority(1) > passive_priority(9000) - 1
    assert host_priority(65535) > passive_priority(0)
    udp, tcp = SERVER_BASES[1], BASES[-1]
    assert check_priority(udp) > check_priority(tcp)
    assert check_priority(tcp) < passive_priority(8191)


def test_nobody_is_called() -> None:
    """Candidates that are named are checked over UDP, by a full agent too."""
    server = listening(lite=False)
    for base in CLIENT_BASES:
        server.agent.add_candidate(RemoteCandidate(*base), 0.0)
    Network([server]).run(20.0)
    assert server.sent
    assert not any(isinstance(transmit.local, TcpAddress) for transmit in server.sent)


def test_a_connection_alone() -> None:
    """It is trusted with its first check, and data goes there once it is nominated."""
    server = listening()
    assert check(server, ONE, 0.0, nominate=True) == 0, "there is nothing to go over from"
    assert server.events == [Trusted(ONE, False), Selected(DOOR, ONE)]
    mapped = stun.parse(server.sent[0].data).mapped_address()
    assert mapped == ONE[:2]
    assert server.way == (DOOR, ONE)


def test_a_check_is_sent_once_over_a_connection() -> None:
    """And waited for as long as over UDP (RFC 8489 section 6.2.2)."""
    server = listening()
    check(server, AWAY, 0.0, nominate=True)
    server.sent.clear()
    for second in range(6):
        data = request(nominate=True, priority=TCP_PRIORITY, number=second)
        server.agent.receive_datagram(data, ONE, DOOR, 1.0 + second)
        server.agent.handle_timeout(1.5 + second)
        server.fetch()
    asked = [one for one in split(server.sent)[0] if one.destination == ONE]
    assert len(asked) == 1
    server.agent.receive_datagram(answer_to(asked[0]), ONE, DOOR, agents.RELIABLE_TIMEOUT)
    assert server.agent.trusted[ONE]


def test_udp_is_preferred() -> None:
    """A client that nominates both, as libwebrtc may, ends on UDP, whatever came first."""
    server = listening()
    check(server, ONE, 0.0, nominate=True)
    assert server.way == (DOOR, ONE)
    check(server, AWAY, 0.1, nominate=True)
    assert server.way == (HOME, AWAY)
    check(server, ONE, 0.2, nominate=True)
    check(server, AWAY, 0.3, nominate=True)
    check(server, ONE, 0.4, nominate=True)
    assert server.way == (HOME, AWAY)


def test_over_to_tcp_where_udp_has_fallen_silent() -> None:
    """It nominates the connection alone: with the second check data goes there."""
    server = listening()
    check(server, AWAY, 0.0, nominate=True)
    check(server, ONE, 0.1)
    check(server, ONE, 3.0, nominate=True)
    check(server, ONE, 3.5, nominate=True)
    assert server.way == (DOOR, ONE)


def test_a_connection_that_ends() -> None:
    """Its path is gone; the selected one stays until another is nominated, which is asked first."""
    server = listening()
    check(server, ONE, 0.0, nominate=True)
    server.agent.lose(ONE)
    server.fetch()
    assert server.events[-1] == Forgotten(ONE)
    assert server.way == (DOOR, ONE)
    assert not server.agent.trusted
    # Whoever plays a check of before into a connection of its own gets nothing but a question.
    replayed = request(nominate=True, priority=(1).to_bytes(4))
    server.agent.receive_datagram(replayed, OTHER, DOOR, 0.5)
    asked, _ = split(server.fetch())
    assert [one.destination for one in asked] == [OTHER]
    assert server.way == (DOOR, ONE)
    server.agent.receive_datagram(answer_to(asked[0]), OTHER, DOOR, 0.6)
    server.fetch()
    assert server.way == (DOOR, OTHER), "whatever its priority"
    server.agent.lose(OTHER)
    server.agent.lose(ONE)
    server.agent.lose(ONE)
    assert not server.agent.trusted


def test_one_that_is_not_in_use_ends() -> None:
    """Nothing of it is left, and the other goes on."""
    server = listening()
    check(server, AWAY, 0.0, nominate=True)
    check(server, ONE, 0.1, nominate=True)
    server.agent.lose(ONE)
    server.fetch()
    assert set(server.agent.trusted) == {AWAY}
    assert not any(remote == ONE for _, remote in server.agent._current.paths)
    assert server.way == (HOME, AWAY)


def test_a_restart_over_a_new_connection() -> None:
    """Data goes the old way until the new one was nominated, and the old one is forgotten then."""
    server = listening()
    check(server, ONE, 0.0, nominate=True)
    ours, theirs = Credentials("new1", "new-password-of-the-server"), Credentials("new2", "theirs")
    server.agent.restart(ours)
    server.agent.set_remote(theirs, lite=False, now=1.0)
    options = {"ours": ours, "theirs": theirs}
    check(server, OTHER, 1.0, **options)
    assert server.way == (DOOR, ONE)
    check(server, OTHER, 1.1, nominate=True, **options)
    assert server.way == (DOOR, OTHER)
    assert server.events[-1] == Forgotten(ONE)
