"""Sessions that wait for their client: what goes on, what is heard, and what ends them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiortc import VideoStreamTrack

from fastrtc_core import (
    AsyncAudioVideoStreamHandler,
    AudioFrame,
    AudioSource,
    CloseReason,
    ConfigurationError,
    LocalAudioTrack,
    Stream,
)
from fastrtc_core.client import Client
from fastrtc_core.testing import tone

from ..inside import channel_of, client_peer, session_of
from .returning import Returning, Visitor, visitor
from .support import Silent, eventually, gone, make_offer, vanish

RATE = 48000


def stream_of(handler: Any = None, **options: Any) -> tuple[Stream, Returning]:
    handler = handler or Returning()
    return Stream(handler, **{"resume_timeout": 30.0, "udp_port": 0, **options}), handler


async def refusal(stream: Stream, client: Visitor, **claim: Any) -> str:
    """With which word an offer is refused."""
    return await refusal_of_another(stream, **{**client.claim(), **claim})


async def refusal_of_another(stream: Stream, **claim: Any) -> str:
    """The same, of anybody."""
    page = Visitor(stream.offer)
    try:
        answer = await stream.offer(await page.prepare(**{"resume": True, **claim}))
    finally:
        await page.close()
    assert answer.get("status") == "failed", answer
    code: str = answer["meta"]["error"]
    return code


async def test_a_page_that_is_reloaded() -> None:
    """Comes back to the same handler, as often as need be; what was sent to it meanwhile waits."""
    stream, handler = stream_of()
    async with visitor(stream.offer) as client:
        id = client.answer["webrtc_id"]
        assert client.answer["resume_timeout"] == 30.0
        for times in (1, 2):
            await eventually(lambda: handler.only.frames, "sound")
            used = client.answer["resume"]
            await client.reload()
            await eventually(lambda: handler.only.times_away == times, "the pause", 1.0)  # noqa: B023
            assert session_of(stream, id).snapshot().state == "paused"
            await handler.only.send_message({"type": "message", "data": times})
            handler.only.frames.clear()
            await client.come_back()
            assert client.answer["webrtc_id"] == id
            assert client.answer["resume"] != used
            await eventually(lambda: handler.only.frames, "sound", 1.0)
            await eventually(lambda: times in client.of_type("message"), "the message")  # noqa: B023
            client.send("message", "still here")
            await eventually(lambda: handler.only.messages.count("still here") == times)  # noqa: B023
            assert session_of(stream, id).snapshot().state == "running"
        calls = ["start_up", "receive", "on_pause", "on_resume", "on_pause", "on_resume"]
        assert handler.only.calls == calls
        client.send("close")
        await gone(stream, 1.0)
    assert handler.only.calls == [*calls, "shutdown"]


async def test_a_reload_that_is_faster_than_the_loss_is_noticed() -> None:
    """The token tells that the page has another connection: the one before gives way at once."""
    stream, handler = stream_of()
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        client.fall_silent()
        await client.come_back()
        handler.only.frames.clear()
        await eventually(lambda: handler.only.frames, "sound", 1.0)
        handler.only.say(tone(440, 1.0, RATE))
        await eventually(lambda: client.heard(440) > 0.9, "what is said")
        assert handler.only.calls == ["start_up", "receive", "on_pause", "on_resume"]
        client.send("close")
        await gone(stream)


async def test_messages_that_were_on_their_way() -> None:
    """They come once, in their order, before those that waited."""
    stream, handler = stream_of()
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        for n in range(200):
            await handler.only.send_message(n)
        await eventually(lambda: 199 in client.of_type("message"), "the messages")
        client.fall_silent()
        for n in range(200, 203):
            await handler.only.send_message(n)
        await eventually(lambda: handler.only.times_away, "the pause", 6.0)
        await handler.only.send_message(203)
        await client.come_back()
        await eventually(lambda: 203 in client.of_type("message"), "the messages")
        assert client.of_type("message") == list(range(204))
        client.send("close")
        await gone(stream)


async def test_a_client_that_is_gone_for_twenty_seconds() -> None:
    """It hears all that was said, from what it heard last; nothing is told as heard before."""
    stream, handler = stream_of(concurrency_limit=1)
    loop = asyncio.get_running_loop()
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        pitches = [500, 700, 900, 1100]
        # What ends in the seconds in which the loss is not noticed yet is said again, too.
        speeches = [handler.only.say(tone(pitch, 2.0, RATE)) for pitch in pitches]
        await eventually(lambda: client.heard(700) > 1.0, "the second speech")
        client.fall_silent()
        lost, arrived = loop.time(), client.heard(500) + client.heard(700)
        await eventually(lambda: handler.only.times_away, "the pause", 6.0)
        assert loop.time() - lost < 6.0
        assert stream.sessions == 1
        await asyncio.sleep(lost + 20.0 - loop.time())
        assert await refusal_of_another(stream) == "concurrency_limit_reached"
        heard = sum(one.heard for one in speeches)
        print(f"{heard:.2f} s are told as heard, {arrived:.2f} s were")
        assert arrived - 1.0 < heard < arrived + 0.1
        assert [one.done for one in speeches] == [True] + 3 * [False]
        before = len(client.pitches)
        await client.come_back()
        back = loop.time()
        await eventually(lambda: any(client.pitches[before:]), "sound", 2.0)
        assert loop.time() - back < 2.0
        for speech in speeches:
            playback = await speech
            assert abs(playback.heard - 2.0) < 1e-9
            assert not playback.interrupted
        await asyncio.sleep(1.0)
        heard_of = {pitch: client.heard(pitch) for pitch in pitches}
        print(heard_of)
        assert all(length > 1.85 for length in heard_of.values()), heard_of
        # Of what was heard before, hardly anything is said a second time.
        assert heard_of[500] < 2.3
        assert sum(heard_of.values()) < 2.0 * len(pitches) + 1.2
        client.send("close")
        await gone(stream)


async def test_what_is_interrupted_while_the_client_is_away() -> None:
    """Counts as heard only as far as the client was there."""
    stream, handler = stream_of()
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        handler.only.say(tone(600, 30.0, RATE))
        await eventually(lambda: client.heard(600) > 2.0, "the speech")
        client.fall_silent()
        await eventually(lambda: handler.only.times_away, "the pause", 6.0)
        await asyncio.sleep(1.0)
        handler.only.interrupt()
        (playback,) = await eventually(lambda: handler.only.interruptions)
        print(playback, client.heard(600))
        assert client.heard(600) - 1.1 <= playback.heard <= client.heard(600) + 0.3
        await client.come_back()
        before = client.heard(600)
        handler.only.say(tone(800, 1.0, RATE))
        await eventually(lambda: client.heard(800) > 0.9, "what is said next")
        assert client.heard(600) == before
        client.send("close")
        await gone(stream)


async def test_what_is_emitted_waits_in_the_playout_alone() -> None:
    """`emit` is held back while the client is away, and nothing is late when it is back."""
    stream, handler = stream_of()
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        for _ in range(1000):
            handler.only.to_emit.put_nowait(tone(600, 0.02, RATE))
        await eventually(lambda: client.heard(600) > 0.5, "sound")
        await client.reload()
        await eventually(lambda: handler.only.times_away, "the pause")
        await asyncio.sleep(1.0)
        left = handler.only.to_emit.qsize()
        await asyncio.sleep(10.0)
        assert handler.only.to_emit.qsize() == left
        source = session_of(stream, client.answer["webrtc_id"]).tracks.local_audio.source  # type: ignore[union-attr]
        assert source.queued_duration <= 0.25
        await client.come_back()
        await eventually(lambda: handler.only.to_emit.qsize() < left - 20, "sound")
        client.send("close")
        await gone(stream)


async def test_who_does_not_come_back() -> None:
    """The session ends when its time is over, and its slot is free."""
    ended: list[Any] = []
    stream, handler = stream_of(resume_timeout=8.0, on_disconnect=ended.append)
    loop = asyncio.get_running_loop()
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        await client.reload()
        left = loop.time()
        await asyncio.sleep(7.0)
        assert stream.sessions == 1
        await gone(stream)
        assert 8.0 <= loop.time() - left < 9.0
        assert ended == [CloseReason.LOST]
        assert handler.only.calls[-2:] == ["on_pause", "shutdown"]
        assert await refusal(stream, client) == "unknown_session"


@pytest.mark.parametrize("end", ["close", "drain", "time limit"])
async def test_what_ends_it_while_its_client_is_away(end: str) -> None:
    """At once; what the handler says and sends meanwhile holds nothing up."""
    ended: list[Any] = []
    limit = 4.0 if end == "time limit" else None
    stream, handler = stream_of(time_limit=limit, on_disconnect=ended.append)
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        speech = handler.only.say(tone(600, 60.0, RATE))
        await client.reload()
        await eventually(lambda: handler.only.times_away, "the pause")
        for n in range(500):
            handler.only.post_message({"type": "message", "data": n})
        await asyncio.sleep(0.1)
        snapshot = session_of(stream, client.answer["webrtc_id"]).snapshot()
        assert snapshot.waiting["early"] == 64
        assert snapshot.dropped["early"] > 400
        if end == "close":
            stream.close(client.answer["webrtc_id"])
        elif end == "drain":
            await stream.drain(1.0)
        await gone(stream, 4.5 if end == "time limit" else 1.0)
        assert ended == [end.replace("close", "closed").replace(" ", "_")]
        playback = await speech
        assert playback.interrupted
        assert playback.heard < 1.0
        code = await refusal(stream, client)
        assert code == "unknown_session"


@pytest.mark.parametrize("asked", [True, False])
async def test_who_says_goodbye_is_not_waited_for(asked: bool) -> None:
    """By a `close` message; or by closing the connection, if it never asked to be waited for."""
    stream, handler = stream_of()
    async with visitor(stream.offer, resume=asked) as client:
        assert ("resume" in client.answer) == asked
        await eventually(lambda: handler.only.frames, "sound")
        if asked:
            client.send("close")
        else:
            await client.reload()
        await gone(stream, 1.0)
        assert handler.only.times_away == 0


async def test_without_the_option_all_is_as_it_was() -> None:
    """No token is told, and none is taken; who vanishes is gone within 6 s."""
    stream = Stream(Silent(), udp_port=0)
    async with visitor(stream.offer) as client:
        assert "resume" not in client.answer
        client.fall_silent()
        await gone(stream, 6.0)
        client.answer["resume"] = "a token"
        assert await refusal(stream, client) == "unknown_session"
    with pytest.raises(ConfigurationError, match="resume_timeout"):
        Stream(Silent(), resume_timeout=0)


async def test_which_tokens_count() -> None:
    """The one of the connection that stood last, with its id; a wrong one disturbs nothing."""
    stream, handler = stream_of()
    async with visitor(stream.offer, webrtc_id="mine") as client:
        await eventually(lambda: handler.only.frames, "sound")
        used = client.answer["resume"]
        await client.reload()
        await client.come_back()
        for wrong in (used, used[:-1], "x", "é", "\ud800", client.answer["secret"]):
            assert await refusal(stream, client, resume=wrong) == "connection_already_exists"
        assert await refusal(stream, client, webrtc_id="another") == "unknown_session"
        for malformed in (7, ["x"], {"a": 1}):
            assert await refusal(stream, client, resume=malformed) == "malformed_offer"
        assert await refusal(stream, client, webrtc_id=None) == "malformed_offer"
        # Nor does an offer that cannot be answered, with the right one.
        body = {**client.claim(), "type": "offer", "sdp": "v=0"}
        assert (await stream.offer(body))["meta"]["error"] == "malformed_offer"
        handler.only.frames.clear()
        await eventually(lambda: len(handler.only.frames) > 20, "sound")
        assert handler.only.times_away == 1
        client.send("close")
        await gone(stream)


async def test_an_answer_that_is_lost() -> None:
    """The offer is made again: the same answer comes, and one connection stands."""
    stream, handler = stream_of()
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        claim = client.claim()
        await client.reload()
        body = await client.prepare(**claim)
        lost = asyncio.create_task(stream.offer(body))
        await asyncio.sleep(0)
        lost.cancel()
        first, second = await asyncio.gather(stream.offer(body), stream.offer(body))
        assert first == second
        client.answer = await stream.offer(body)
        assert client.answer == first
        await client.finish()
        handler.only.frames.clear()
        await eventually(lambda: handler.only.frames, "sound", 1.0)
        assert handler.only.times_away == 1
        client.send("close")
        await gone(stream)


async def test_an_answer_that_nobody_takes() -> None:
    """The token still counts, and the session waits on."""
    stream, handler = stream_of()
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        await client.reload()
        known = client.answer
        another = await client.prepare(**client.claim())
        assert "sdp" in await stream.offer(another)
        await asyncio.sleep(7.0)
        client.answer = known
        await client.come_back()
        handler.only.frames.clear()
        await eventually(lambda: handler.only.frames, "sound", 1.0)
        client.send("close")
        await gone(stream)


async def test_two_offers_with_one_token() -> None:
    """The later one wins; the other one is told, or its connection is closed."""
    stream, handler = stream_of()
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        claim = client.claim()
        await client.reload()
        await eventually(lambda: handler.only.times_away, "the pause")
        one, other = Visitor(stream.offer), Visitor(stream.offer)
        try:
            bodies = [await page.prepare(**claim) for page in (one, other)]
            answers = await asyncio.gather(*(stream.offer(body) for body in bodies))
            refused = [answer for answer in answers if "meta" in answer]
            assert [answer["meta"]["error"] for answer in refused] == ["connection_already_exists"]
            assert "later offer" in refused[0]["meta"]["message"]
            other.answer = answers[1]
            await other.finish()
            handler.only.frames.clear()
            await eventually(lambda: handler.only.frames, "sound", 1.0)
            assert stream.sessions == 1
            # A page that comes with the token of one that is there takes its place, and it is told.
            await one.connect(**other.claim())
            await eventually(lambda: "resumed" in other.of_type("closing"), "the farewell")
            await eventually(lambda: other.pc.connectionState == "closed", "the end")
            assert stream.sessions == 1
            one.send("close")
            await gone(stream)
        finally:
            await one.close()
            await other.close()


async def test_the_client_takes_its_time_at_the_end_of_the_wait() -> None:
    """An offer that was in time counts, though it stands a little later."""
    stream, handler = stream_of(resume_timeout=2.0)
    async with visitor(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        await client.reload()
        await asyncio.sleep(1.9)
        body = await client.prepare(**client.claim())
        client.answer = await stream.offer(body)
        await asyncio.sleep(1.0)
        await client.finish()
        handler.only.frames.clear()
        await eventually(lambda: handler.only.frames, "sound", 1.0)
        await client.reload()
        await asyncio.sleep(1.9)
        await stream.offer(await client.prepare(**client.claim()))
        await asyncio.sleep(1.0)
        assert stream.sessions == 1
        await gone(stream, 6.0)  # nobody took that answer


async def test_the_python_client_comes_back() -> None:
    """By itself, when it has heard nothing for some seconds; with what the server publishes."""
    stream, handler = stream_of()
    async with Client(stream.offer, resume=True) as client:
        await eventually(lambda: channel_of(client), "the data channel")
        track = LocalAudioTrack.create_audio_track("music", AudioSource(RATE))
        await handler.only.publish_track(track, "screen_share_audio")
        speech = handler.only.say(tone(440, 12.0, RATE))
        first = client_peer(client)
        await asyncio.sleep(2.0)
        await vanish(client)
        await eventually(lambda: handler.only.times_away, "the pause", 6.0)
        assert not track.published
        await eventually(lambda: "on_resume" in handler.only.calls, "the way back", 6.0)
        assert client_peer(client) is not first
        await client.send("still here")
        await eventually(lambda: handler.only.messages == ["still here"], "the message")
        await eventually(lambda: track.published, "the track", 3.0)
        assert client.server.tracks["screen_share_audio"].name == "music"
        assert (await speech).heard == 12.0
        assert stream.sessions == 1
    await gone(stream, 1.0)
    assert handler.only.calls.count("start_up") == 1


async def test_the_python_client_finds_its_session_ended() -> None:
    """It is told that the connection was lost."""
    stream, handler = stream_of(resume_timeout=0.5)

    async def offer(body: dict[str, Any]) -> dict[str, Any]:
        if handler.copies:  # the network is gone for longer than that
            await gone(stream, 20.0)
        return await stream.offer(body)

    async with Client(offer, resume=True) as client:
        await eventually(lambda: handler.copies, "the session")
        await eventually(lambda: channel_of(client), "the data channel")
        await vanish(client)
        await gone(stream, 7.0)
        async with asyncio.timeout(8.0):
            assert await client.wait_closed() is CloseReason.LOST


class Filmed(AsyncAudioVideoStreamHandler):
    """Notes the pictures that it gets."""

    def __init__(self, made: list[Filmed] | None = None) -> None:
        super().__init__()
        self.made: list[Filmed] = [] if made is None else made
        self.pictures = 0

    async def receive(self, frame: AudioFrame) -> None:
        pass

    async def emit(self) -> None:
        await asyncio.Event().wait()

    async def video_receive(self, frame: Any) -> None:
        self.pictures += 1

    async def video_emit(self) -> None:
        await asyncio.Event().wait()

    def copy(self) -> Filmed:
        made = Filmed(self.made)
        self.made.append(made)
        return made


class Camera(Visitor):
    """A page with a camera, too."""

    async def prepare(self, **extra: Any) -> dict[str, Any]:
        await super().prepare()
        self.pc.addTransceiver(VideoStreamTrack(), direction="sendonly")
        return await make_offer(self.pc, **extra)


async def test_a_camera_comes_back() -> None:
    """Its track may have ended with the page that showed it."""
    handler = Filmed()
    stream = Stream(handler, modality="audio-video", resume_timeout=30.0, udp_port=0)
    client = Camera(stream.offer)
    try:
        await client.connect(resume=True)
        await eventually(lambda: handler.made and handler.made[0].pictures > 3, "pictures")
        await client.reload()
        await asyncio.sleep(0.5)
        before = handler.made[0].pictures
        await client.come_back()
        await eventually(lambda: handler.made[0].pictures > before + 3, "pictures")
        assert len(handler.made) == 1
        client.send("close")
        await gone(stream)
    finally:
        await client.close()
