"""States of a peer: what may follow what, and what is said where it may not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fastrtc_core.session import CloseReason, MessageChannel
from fastrtc_core.webrtc import ice
from fastrtc_core.webrtc.endpoint import Endpoint
from fastrtc_core.webrtc.peer import Peer
from fastrtc_core.webrtc.peer_state import MAY_FOLLOW, PeerState

from .support import eventually


class Mute(Endpoint):
    """An endpoint of messages alone."""

    remote_audio = remote_video = local_audio = local_video = None

    def __init__(self) -> None:
        self.reasons: list[CloseReason] = []

    def open_channel(self, channel: MessageChannel) -> None:
        """It sends nothing."""

    def take_message(self, text: str | bytes) -> None:
        """It hears nothing."""

    def stop(self, reason: CloseReason) -> None:
        self.reasons.append(reason)


def states(*peers: Peer) -> set[PeerState]:
    """Where they are."""
    return {peer.state for peer in peers}


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Peer, Peer]]:
    """Two peers that know nothing of each other yet."""
    peers = [Peer(Mute(), ice.for_aiortc({}), may_check=None) for _ in range(2)]
    try:
        yield peers[0], peers[1]
    finally:
        for peer in peers:
            await peer.close()


async def test_the_life_of_two_peers() -> None:
    """One offers, the other answers; both connect, and learn of the end."""
    async with two() as (ours, theirs):
        assert states(ours, theirs) == {PeerState.NEW}
        offer = await ours.offer()
        assert states(ours) == {PeerState.OFFERED}
        answer = await theirs.answer(offer)
        assert states(theirs) == {PeerState.CONNECTING}
        await ours.accept(answer)
        assert await ours.connected()
        assert await theirs.connected()
        assert states(ours, theirs) == {PeerState.CONNECTED}
        await ours.close()
        await eventually(lambda: states(ours, theirs) == {PeerState.CLOSED}, "the news of the end")
        assert not await theirs.connected()


async def test_what_comes_out_of_turn_names_both_states() -> None:
    """And changes nothing."""
    async with two() as (ours, theirs):
        await theirs.close()
        with pytest.raises(RuntimeError, match="the peer cannot become connecting, it is closed"):
            await theirs.accept("")
        for further in (ours.negotiation.accept_again(""), ours.negotiation.offer_again([], [])):
            with pytest.raises(RuntimeError, match="connecting or connected, it is new"):
                await further
        await ours.offer()
        with pytest.raises(RuntimeError, match="cannot become offered, it is offered"):
            await ours.offer()
        assert ours.state is PeerState.OFFERED
        await ours.close()
        await ours.close()
        with pytest.raises(RuntimeError, match="cannot become connecting, it is closed"):
            await ours.answer("")


def test_every_state_ends() -> None:
    """From each there is a way to the end, and none back from there."""
    assert set(MAY_FOLLOW) == set(PeerState)
    for state, following in MAY_FOLLOW.items():
        assert (PeerState.CLOSED in following) == (state is not PeerState.CLOSED)
