"""The server removes, mutes and ends; tokens are renewed, expire and are revoked."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fastrtc_core import (
    BusError,
    ConfigurationError,
    DuplicateSessionError,
    MessageError,
    TokenError,
)
from fastrtc_core.channel import Channel, RtcEngine, RtcOptions, build_token, check_token
from fastrtc_core.client import Client
from fastrtc_core.room import expiry
from fastrtc_core.room.orders import Order, read_order

from ..cluster.support import APP, ROOM, servers, settle
from ..inside import check_use
from ..webrtc.support import eventually
from .callbacks import noting
from .test_browser_member import SECRET, events, join

pytestmark = pytest.mark.virtual_clock


def token(uid: int = 1, ttl: float = 600, **more: Any) -> str:
    return build_token(APP, SECRET, channel=ROOM, uid=uid, ttl=ttl, **more)


def left(channel: Channel) -> list[Any]:
    """Who leaves, from now on, and why."""
    gone: list[Any] = []
    channel.on("user_left", noting(gone))
    return gone


def farewells(client: Client) -> list[Any]:
    return [one.data for one in client.__dict__["told"] if one.type == "closing"]


async def test_orders_reach_members_on_every_server() -> None:
    """Also from a server on which nobody is; the member learns why, and so do the others."""
    async with servers(3, SECRET) as three, AsyncExitStack() as stack:
        ada, bob = await three.join(0, 1), await three.join(1, 2)
        page = await join(stack, three[1].accept, uid=3, token=token(3))
        await settle()
        gone, states, mutes = left(ada), list[Any](), list[Any]()
        bob.on("connection_state_changed", noting(states))
        ada.on("user_mute_audio", noting(mutes))
        await three[2].mute_user(ROOM, 3)
        await settle()
        await page.send({"event": "unmute", "data": "microphone"})
        await settle()
        assert mutes == [(3, True)]
        assert events(page, "track_muted")[0]["uid"] == 3
        await three[2].mute_user(ROOM, 3, muted=False)
        await settle()
        assert mutes == [(3, True), (3, False)]
        await three[2].remove_user(ROOM, 2)
        await three[2].remove_user(ROOM, 3)
        await eventually(lambda: len(gone) == 2, "both gone")
        assert sorted(gone) == [(2, "removed"), (3, "removed")]
        assert states == [("disconnected", "removed")]
        await eventually(lambda: farewells(page) == ["removed"], "the reason")
        late = await three.join(1, 4)
        await three[2].end_channel(ROOM)
        await settle()
        assert ada.state == late.state == "disconnected"
        for wrong in ((ROOM, 0), (ROOM, -1), ("", 1)):
            with pytest.raises(ConfigurationError):
                await three[0].remove_user(*wrong)
        with pytest.raises(ConfigurationError, match="camera"):
            await three[0].mute_user(ROOM, 1, "screen")  # type: ignore[arg-type]
        three.buses[0].cut()
        with pytest.raises(BusError, match="other servers"):
            await three[0].end_channel(ROOM)


async def test_a_revoked_token_lets_nobody_in_and_nobody_stay() -> None:
    """On all servers, whether it was used already or not."""
    async with servers(2, SECRET) as two, AsyncExitStack() as stack:
        watcher = await two.join(0, 9)
        used, fresh = token(1), token(2)
        page = await join(stack, two[1].accept, uid=1, token=used)
        gone = left(watcher)
        await two[0].revoke_token(used)
        await two[0].revoke_token(fresh)
        await eventually(lambda: gone == [(1, "revoked")], "it is gone")
        await eventually(lambda: farewells(page) == ["revoked"], "the reason")
        for engine in two:
            with pytest.raises(DuplicateSessionError):
                await check_use(engine, check_token(fresh, APP, SECRET, channel=ROOM, uid=2))
        with pytest.raises(TokenError):
            await two[0].revoke_token("none")


async def test_a_token_that_ends_ends_its_member(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is warned, and may renew it with one that was not used; then it has to leave."""
    monkeypatch.setattr(expiry, "WARNING", 2.0)
    async with RtcEngine(APP, SECRET) as engine, AsyncExitStack() as stack:
        watcher = engine.create_channel(RtcOptions(channel_name=ROOM, uid=9))
        await watcher.connect()
        gone = left(watcher)
        first = token(1, 4)
        page = await join(stack, engine.accept, uid=1, token=first)
        await asyncio.sleep(1)
        assert not events(page, "token_privilege_will_expire")
        await eventually(lambda: bool(events(page, "token_privilege_will_expire")), "it")
        assert events(page, "token_privilege_will_expire")[0]["seconds"] == 2
        refused: list[str] = [first, "none", token(2), token(1, permissions=["subscribe"])]
        for wrong in (*refused, token(1, name="Eve")):
            await page.send({"event": "renew_token", "data": wrong})
        await settle()
        errors = [one.data for one in page.__dict__["told"] if one.type == "error"]
        assert len(errors) == 5
        await page.send({"event": "renew_token", "data": token(1, 5)})
        await eventually(lambda: bool(events(page, "token_renewed")), "the renewal")
        await asyncio.sleep(2.5)
        assert gone == []
        await eventually(lambda: gone == [(1, "expired")], "it is gone", 10)
        await eventually(lambda: farewells(page) == ["expired"], "the reason")
        assert len(events(page, "token_privilege_will_expire")) == 2
        assert events(page, "token_privilege_did_expire")


async def test_a_member_in_the_process_renews_its_grant() -> None:
    """As a page does; a member without a token stays."""
    async with RtcEngine(APP, SECRET) as engine:
        grant = check_token(token(1, 40), APP, SECRET, channel=ROOM, uid=1)
        options = RtcOptions(channel_name=ROOM, uid=1)
        ada, bob = (
            Channel(engine, options, grant),
            engine.create_channel(RtcOptions(channel_name=ROOM, uid=2)),
        )
        told: list[Any] = []
        for event in ("token_privilege_will_expire", "token_privilege_did_expire"):

            async def note(*details: Any, event: str = event) -> None:
                told.append((event, *details))

            ada.on(event, note)
        await ada.connect()
        await bob.connect()
        await asyncio.sleep(11)
        assert told == [("token_privilege_will_expire", 30)]
        await ada.renew_token(token(1, 100))
        await asyncio.sleep(60)
        assert ada.state == "connected"
        await asyncio.sleep(41)
        assert (ada.state, bob.state) == ("disconnected", "connected")
        assert [name for name, *_ in told[1:]] == [
            "token_privilege_will_expire",
            "token_privilege_did_expire",
        ]
    async with RtcEngine(APP) as engine:
        eve = engine.create_channel(RtcOptions(channel_name=ROOM, uid=3))
        await eve.connect()
        with pytest.raises(TokenError, match="appcert"):
            await eve.renew_token("token")


async def test_the_name_of_a_token_is_what_others_see() -> None:
    """Whatever the page calls itself; without one it calls itself as it likes."""
    async with RtcEngine(APP, SECRET) as engine, AsyncExitStack() as stack:
        watcher = engine.create_channel(RtcOptions(channel_name=ROOM, uid=9))
        await watcher.connect()
        await join(stack, engine.accept, uid=1, token=token(1, name="Ada"), name="Root")
        await join(stack, engine.accept, uid=2, token=token(2), name="Bob")
        assert [user.name for user in watcher.remote_users.values()] == ["Ada", "Bob"]
        options = RtcOptions(channel_name=ROOM, uid=7, name="Eve")
        bound = check_token(options.build_token(APP, SECRET), APP, SECRET, channel=ROOM, uid=7)
        assert bound.name == "Eve"
        with pytest.raises(ConfigurationError, match="name"):
            token(name="x" * 129)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "destroy"},
        {"kind": ["end"]},
        {"channel": "ä"},
        {"uid": "1"},
        {"uid": 2**32},
        {"detail": None},
        {"detail": "x" * 129},
        {"kind": "mute", "detail": "screen"},
    ],
)
def test_an_order_that_cannot_be_read_is_refused(change: dict[str, Any]) -> None:
    """What comes over the bus is not trusted."""
    good = Order("end", "room")._asdict()
    assert read_order(good) == Order("end", "room")
    with pytest.raises(MessageError):
        read_order({**good, **change})
