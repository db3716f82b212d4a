"""What comes to one process of a session in another reaches it, or is refused in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from fastrtc_core import (
    AdditionalOutputs,
    BusError,
    MessageError,
    Stream,
    UnknownSessionError,
)
from fastrtc_core.client import Client
from fastrtc_core.cluster.bus import MemoryBus, MemoryHub
from fastrtc_core.webrtc.peer import Peer
from fastrtc_core.workers import relay

from ..inside import channel_of
from ..signaling.test_whip import FRAGMENT, SDP, offer_of, without_candidates
from ..webrtc.restarts import mover, moves_over
from ..webrtc.support import (
    Silent,
    app_of,
    connected,
    eventually,
    gone,
    make_offer,
    raw_peer,
    serving,
    take_answer,
    vanish,
)
from ..webrtc.test_trickle_over_http import split, text_peer


class Processes(list[Stream]):
    """Streams of one handler class that share a bus, as if each were in a process of its own."""

    def __init__(self, count: int = 2, **options: Any) -> None:
        hub = MemoryHub()
        self.buses = [MemoryBus(hub) for _ in range(count)]
        self.handlers = [Silent() for _ in range(count)]
        super().__init__(
            Stream(handler, bus=bus, **options)
            for handler, bus in zip(self.handlers, self.buses, strict=True)
        )


@asynccontextmanager
async def processes(count: int = 2, **options: Any) -> AsyncIterator[Processes]:
    """So many, which run."""
    made = Processes(count, **options)
    async with AsyncExitStack() as stack:
        for stream in made:
            await stack.enter_async_context(stream.drained(_nothing)(None))
        yield made


@asynccontextmanager
async def _nothing(app: Any) -> AsyncIterator[None]:
    yield


# What an application asks


async def test_what_an_application_asks() -> None:
    """Inputs, speech, outputs, the end: from the process with the session, and from another one."""
    async with processes(3) as streams:
        here, there, _ = streams
        async with Client(here.offer, webrtc_id="mine") as client:
            handler = await begun(streams.handlers[0])
            voice = Voice()
            handler.tts = voice
            for stream in (here, there):
                voice.said.clear()
                await stream.anywhere.set_input("mine", 0.5, {"name": "Ada"}, None)
                await eventually(lambda: handler.latest_args[1:] == [0.5, {"name": "Ada"}, None])
                handler.set_args([])
                await stream.anywhere.say("mine", "Hello.", priority=1)
                await eventually(lambda: voice.said == ["Hello."], "the words")
                await stream.anywhere.interrupt("mine", force=True)
                handler.to_emit.put_nowait(AdditionalOutputs("a", 1))
                latest = await stream.anywhere.fetch_latest_output("mine")
                assert latest.args == ("a", 1)
            with pytest.raises(UnknownSessionError, match=r"in this process; stream\.anywhere"):
                there.set_input("mine", 1)
            await there.anywhere.close("mine")
            async with asyncio.timeout(5):
                await client.wait_closed()
        await gone(here)
        with pytest.raises(UnknownSessionError, match="no process holds"):
            await there.anywhere.set_input("mine", 1)


class Voice:
    """Notes what it is to say."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def tts(self, text: str) -> tuple[int, Any]:
        self.said.append(text)
        return 24000, np.zeros(240, np.int16)


async def begun(prototype: Silent) -> Silent:
    """The handler of the only session, once that runs."""
    await eventually(lambda: prototype.copies and "start_up" in prototype.only.calls)
    return prototype.only


async def test_outputs_before_the_offer_and_to_the_end() -> None:
    """A reader in another process waits for the session, gets each output, and ends with it."""
    async with processes() as streams:
        here, there = streams
        reader = asyncio.create_task(read_all(there, "later"))
        await asyncio.sleep(3.0)
        async with Client(here.offer, webrtc_id="later"):
            handler = await begun(streams.handlers[0])
            for number in range(20):
                handler.to_emit.put_nowait(AdditionalOutputs(number))
                await asyncio.sleep(0.5)
        async with asyncio.timeout(5):
            assert await reader == list(range(20))
        assert not streams[0]._workers.relay._services  # type: ignore[union-attr]
        with pytest.raises(UnknownSessionError, match="nobody has offered"):
            await read_all(there, "never")


async def read_all(stream: Stream, id: str) -> list[Any]:
    return [outputs.args[0] async for outputs in stream.anywhere.output_stream(id)]


async def test_a_reader_that_goes_is_not_served_any_longer() -> None:
    """And the next one gets what has waited."""
    async with processes() as streams:
        here, there = streams
        async with Client(here.offer, webrtc_id="mine"):
            handler = await begun(streams.handlers[0])
            hub = here._registry.outputs("mine")
            for turn in range(2):
                reader = there.anywhere.output_stream("mine")
                handler.to_emit.put_nowait(AdditionalOutputs(turn))
                assert (await anext(reader)).args == (turn,)
                await reader.aclose()
                await eventually(lambda: not hub.subscribers, "the end of the reading")


async def test_what_json_cannot_carry() -> None:
    """Inputs are refused wherever the session lives; outputs end a stream from elsewhere."""
    async with processes() as streams:
        here, there = streams
        async with Client(here.offer, webrtc_id="mine"):
            handler = await begun(streams.handlers[0])
            for stream in streams:
                for value in (np.zeros(3), float("nan"), {1, 2}):
                    with pytest.raises(MessageError, match="what JSON can carry"):
                        await stream.anywhere.set_input("mine", value)
                with pytest.raises(MessageError, match="takes a text"):
                    await stream.anywhere.say("mine", b"")  # type: ignore[arg-type]
            handler.to_emit.put_nowait(AdditionalOutputs(np.zeros(3)))
            await here.fetch_latest_output("mine")
            with pytest.raises(MessageError, match="ndarray"):
                await there.anywhere.fetch_latest_output("mine")


async def test_without_a_bus_it_is_this_process() -> None:
    """`anywhere` serves a stream that is alone; nothing is checked that needs no JSON."""
    handler = Silent()
    stream = Stream(handler)
    reader = asyncio.create_task(read_all(stream, "mine"))
    async with Client(stream.offer, webrtc_id="mine"):
        only = await begun(handler)
        await stream.anywhere.set_input("mine", {1, 2})
        assert only.latest_args[1:] == [{1, 2}]
        only.to_emit.put_nowait(AdditionalOutputs(1))
        assert (await stream.anywhere.fetch_latest_output("mine")).args == (1,)
    assert await reader == [1]


# What clients send


@pytest.mark.parametrize("first", ["offer", "candidates"])
async def test_candidates_that_come_to_another_process(first: str) -> None:
    """After the offer, and before it."""
    async with processes() as (here, there), raw_peer() as pc:
        offer, candidates = split(await text_peer(pc, webrtc_id="mine"))
        assert candidates

        async def trickle() -> None:
            for candidate in candidates:
                body = {"type": "ice-candidate", "candidate": candidate, "webrtc_id": "mine"}
                assert await there.offer(body) == {"status": "success"}

        if first == "candidates":
            await trickle()
        answer = await here.offer(offer)
        if first == "offer":
            await trickle()
        await eventually(lambda: len(NOTED) == len(candidates), "the candidates")
        await take_answer(pc, answer)
        await connected(pc)
        foreign = {**candidates[0], "usernameFragment": "somebody"}
        body = {"type": "ice-candidate", "candidate": foreign, "webrtc_id": "mine"}
        assert (await there.offer(body))["meta"]["error"] == "malformed_candidate"


NOTED: list[Any] = []
"""Candidates that peers were told of since their answer."""


@pytest.fixture(autouse=True)
def _noted(monkeypatch: pytest.MonkeyPatch) -> None:
    NOTED.clear()
    add = Peer.add_candidate

    async def noting(self: Peer, candidate: Any) -> None:
        NOTED.append(candidate)
        await add(self, candidate)

    monkeypatch.setattr(Peer, "add_candidate", noting)


async def test_a_client_comes_back_to_another_process() -> None:
    """Its session goes on where it lives."""
    async with processes(resume_timeout=20) as streams:
        here, there = streams
        offers = 0

        async def offer(body: dict[str, Any]) -> dict[str, Any]:
            nonlocal offers
            offers += 1
            return await (here if offers == 1 else there).offer(body)

        async with Client(offer, resume=True) as client:
            handler = await begun(streams.handlers[0])
            await vanish(client)
            await eventually(lambda: offers == 2, "the way back", 15.0)
            await eventually(lambda: channel_of(client), "the data channel")
            await client.send("still here")
            await eventually(lambda: handler.messages == ["still here"], "the message", 10.0)
            assert (here.sessions, there.sessions) == (1, 0)
        await gone(here)


async def test_ice_is_restarted_over_another_process() -> None:
    """With the secret of the answer."""
    async with processes(udp_port=0) as streams:
        here, there = streams
        async with mover(here.offer, webrtc_id="mine") as client:
            body = {"sdp": await client.offer(), "type": "offer", "webrtc_id": "mine"}
            wrong = await there.offer({**body, "secret": "wrong"})
            assert wrong["meta"]["error"] == "connection_already_exists"
            answer = await there.offer({**body, "secret": client.answer["secret"]})
            await moves_over(here, streams.handlers[0], client, answer["sdp"])


async def test_the_url_of_a_session_leads_to_it() -> None:
    """PATCH and DELETE of WHIP come to another process than the offer."""
    made = Processes(mode="send")
    async with AsyncExitStack() as stack:
        pc = await stack.enter_async_context(raw_peer())
        urls = [await stack.enter_async_context(serving(app_of(one, "/live"))) for one in made]
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        sdp, fragment = without_candidates(await offer_of(pc, "sendonly"))
        answer = await http.post(f"{urls[0]}/live/whip", content=sdp, headers=SDP)
        url = urls[1] + answer.headers["location"]
        headers = {**FRAGMENT, "if-match": answer.headers["etag"]}
        assert (await http.patch(url, content=fragment, headers=headers)).status_code == 204
        assert NOTED
        headers["if-match"] = '"another"'
        refused = await http.patch(url, content=fragment, headers=headers)
        assert (refused.status_code, refused.json()["title"]) == (412, "outdated")
        assert (await http.delete(url[:-1] + "_")).status_code == 404
        assert made[0].sessions == 1
        assert (await http.delete(url)).status_code == 200
        await gone(made[0])
        assert (await http.delete(url)).status_code == 404


async def test_an_id_is_taken_in_all_processes() -> None:
    """Nobody gets the outputs of another by offering its id elsewhere; it is free at the end."""
    async with processes() as (here, there), raw_peer() as pc, raw_peer() as other:
        await take_answer(pc, await here.offer(await text_peer(pc)))
        (id,) = here.snapshot().sessions  # one that the server has issued
        await connected(pc)
        refusal = await there.offer(await text_peer(other, webrtc_id=id))
        assert refusal["meta"]["error"] == "connection_already_exists"
        here.close(id)
        await gone(here)
        assert "sdp" in await there.offer(await make_offer(other, webrtc_id=id))


@pytest.mark.parametrize("id", ["x" * 70_000, "a b", "\u00e4"])
async def test_what_no_session_can_be_called_is_asked_of_nobody(id: str) -> None:
    """Clients choose what they send as an id: it is no topic of the bus until it is an id."""
    async with processes(1) as (stream,):
        bus = stream._workers.relay._bus  # type: ignore[union-attr]
        sent = bus.statistics().published
        offer = {"type": "offer", "sdp": "", "webrtc_id": id}
        for more in ({"secret": "a"}, {"resume": "a"}):
            assert (await stream.offer({**offer, **more}))["meta"]["error"] == "unknown_session"
        with pytest.raises(UnknownSessionError):
            await stream.anywhere.interrupt(id)
        assert bus.statistics().published == sent


# Processes that are gone


async def test_the_process_with_the_session_is_gone() -> None:
    """Who waits for it is told within some seconds, and the id is free for a new session."""
    async with processes() as streams:
        here, there = streams
        async with Client(here.offer, webrtc_id="mine"), raw_peer() as pc:
            handler = await begun(streams.handlers[0])
            reader = asyncio.create_task(read_all(there, "mine"))
            handler.to_emit.put_nowait(AdditionalOutputs(1))
            waiting = asyncio.create_task(there.anywhere.fetch_latest_output("mine", 60))
            await waiting
            hub = here._registry.outputs("mine")
            await eventually(lambda: hub.subscribers, "the reading")
            streams.buses[0].cut()
            async with asyncio.timeout(relay.GONE_AFTER + 2 * relay.BEAT):
                with pytest.raises(BusError, match="is gone"):
                    await reader
            with pytest.raises(UnknownSessionError):
                await there.anywhere.interrupt("mine")
            refusal = await there.offer(
                {**await text_peer(pc, webrtc_id="mine"), "secret": "of the answer"}
            )
            assert refusal["meta"]["error"] == "unknown_session"
            assert "sdp" in await there.offer(await make_offer(pc, webrtc_id="mine"))
            # The one that was cut off serves those it has.
            handler.to_emit.put_nowait(AdditionalOutputs(2))
            await eventually(lambda: hub.latest and hub.latest.args == (2,))


async def test_while_the_bus_is_away() -> None:
    """New sessions come in; what is for others is refused as for now, and goes on afterwards."""
    async with processes() as streams:
        here, there = streams
        async with Client(here.offer, webrtc_id="mine"), raw_peer() as pc:
            handler = await begun(streams.handlers[0])
            streams.buses[1].cut()
            body = {**await text_peer(pc, webrtc_id="mine"), "resume": "token"}
            assert (await there.offer(body))["meta"]["error"] == "unavailable"
            with pytest.raises(BusError, match="cannot be reached now"):
                await there.anywhere.set_input("mine", 1)
            async with Client(there.offer, webrtc_id="another"):
                await begun(streams.handlers[1])
                streams.buses[1].mend()
                await there.anywhere.set_input("mine", 1)
                await here.anywhere.set_input("another", 2)
                assert handler.latest_args[1:] == [1]


async def test_what_others_say_is_checked() -> None:
    """Whoever writes nonsense to the bus harms nobody; a call that is said again is made once."""
    async with processes() as streams:
        here, there = streams
        stranger = MemoryBus(streams.buses[0]._hub)
        await stranger.start(lambda connected: None)
        async with Client(here.offer, webrtc_id="mine"):
            handler = await begun(streams.handlers[0])
            process = here._workers.relay._process  # type: ignore[union-attr]
            call = b'{"type":"call","from":"x","number":1,"kind":"set_input","data":[1]}'
            for topic in ("stream/id/mine", f"stream/to/{process}", "stream/held"):
                for data in (b"", b"[]", b"{}", b"\xff", b'{"type":1}', b'{"number":{}}', call):
                    assert stranger.publish(topic, data)
                stranger.publish(topic, b'{"type":"bye","from":[],"number":[]}')
                stranger.publish(topic, b'{"type":"bye","from":"x","number":[1]}')
            given: list[Any] = []
            handler.set_args = given.append  # type: ignore[method-assign, assignment]
            await asyncio.sleep(1.0)
            assert len(given) == 1
            await there.anywhere.set_input("mine", 2)
            assert len(given) == 2
        await stranger.aclose()
