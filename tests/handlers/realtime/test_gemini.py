"""`GeminiLive` and a stand-in of the Live API, which follows the messages that are documented.

No model is behind it: what is tested is that the messages are those of the API's reference
(ai.google.dev/api/live), and what becomes of what it sends.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import InProcessPeer, connect
from fastrtc_handlers.agent import tool
from fastrtc_handlers.realtime import GeminiLive, RealtimeLimits, Said

from ...webrtc.support import eventually
from ..turns.test_taking import LoudIsSpeech
from .support import TURNS, Service, bridge_of, heard, in_state, speak, steady

RATE = 16000
SPEECH, SILENCE = steady(0.6, RATE), AudioFrame(RATE, np.zeros((1, RATE), np.int16))


def content(**fields: Any) -> dict[str, Any]:
    return {"serverContent": fields}


def sound(seconds: float) -> dict[str, Any]:
    data = base64.b64encode(steady(seconds).data.tobytes()).decode()
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}
    return content(modelTurn={"role": "model", "parts": [part]})


class Live:
    """Sets up, and answers each turn that is complete with the next of these lists."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self.answers = list(answers)

    async def __call__(self, service: Service, message: dict[str, Any]) -> None:
        assert len(message) == 1, "a message has one field"
        if "setup" in message:
            await service.send({"setupComplete": {}})
        complete = message.get("clientContent", {}).get("turnComplete")
        ended = "activityEnd" in message.get("realtimeInput", {})
        if (complete or ended or "toolResponse" in message) and self.answers:
            await service.send(*self.answers.pop(0))


def bridge(service: Service, **options: Any) -> GeminiLive:
    return GeminiLive("Be brief.", url=service.url.replace("http", "ws"), api_key="key", **options)


def write(peer: InProcessPeer, text: str) -> None:
    peer.send({"command": "text", "text": text})


async def test_it_is_set_up_hears_and_is_heard_until_it_is_interrupted() -> None:
    words = content(outputTranscription={"text": "One two three four five six seven eight."})
    live = Live([sound(8.0), words])
    async with Service(live).run() as service:
        more = {"generationConfig": {"temperature": 0.5}}
        async with connect(bridge(service, voice="Kore", setup=more)) as peer:
            await in_state(peer, "listening")
            await speak(peer, SPEECH)
            await service.send(content(inputTranscription={"text": "Count"}))
            await service.send(content(inputTranscription={"text": ", please."}))
            await service.send(sound(4.0), words)
            await in_state(peer, "speaking")
            await asyncio.sleep(2.0)
            await service.send(content(interrupted=True), content(turnComplete=True))
            await in_state(peer, "listening")
            await asyncio.sleep(0.5)
            assert heard(peer) == pytest.approx(2.0, abs=0.1)
            assert bridge_of(peer).conversation == [
                Said("user", "Count, please."),
                Said("assistant", "One two three four"),
            ]
            assert not peer.of_type("error")
        setup = service.of("setup")[0]["setup"]
        assert setup["model"].startswith("models/gemini")
        assert setup["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
        assert not setup["realtimeInputConfig"]["automaticActivityDetection"]["disabled"]
        generation = setup["generationConfig"]
        assert (generation["temperature"], generation["responseModalities"]) == (0.5, ["AUDIO"])
        voice = generation["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]
        assert voice == {"voiceName": "Kore"}
        audio = [each["realtimeInput"]["audio"] for each in service.of("realtimeInput")]
        assert {each["mimeType"] for each in audio} == {"audio/pcm;rate=16000"}
        data = b"".join(base64.b64decode(each["data"]) for each in audio)
        samples = np.frombuffer(data, "<i2")[: SPEECH.samples_per_channel]
        assert samples.tolist() == SPEECH.data[0].tolist()
        assert service.requests[0]["x-goog-api-key"] == "key"


async def test_a_tool_is_called_and_the_model_goes_on_by_itself() -> None:
    """A tool may take longer than the model: what was said before it does not count."""

    async def weather(city: str) -> str:
        """What the weather is like."""
        await asyncio.sleep(3.0)
        return f"It rains in {city}."

    call = {"id": "1", "name": "weather", "args": {"city": "Bern"}}
    live = Live(
        [sound(0.4), {"toolCall": {"functionCalls": [call]}}],
        [sound(0.4), content(generationComplete=True), content(turnComplete=True)],
        [sound(0.4), content(turnComplete=True)],
    )
    async with Service(live).run() as service:
        limits = RealtimeLimits(answer=2.0)
        async with connect(bridge(service, tools=[weather], limits=limits)) as peer:
            await in_state(peer, "listening")
            write(peer, "The weather?")
            await eventually(lambda: heard(peer) > 0.75)
            await in_state(peer, "listening")
            write(peer, "Thanks.")
            await eventually(lambda: heard(peer) > 1.15)
            assert service.of("toolResponse") == [
                {
                    "toolResponse": {
                        "functionResponses": [
                            {
                                "id": "1",
                                "name": "weather",
                                "response": {"result": "It rains in Bern."},
                            }
                        ]
                    }
                }
            ]
            [functions] = service.of("setup")[0]["setup"]["tools"]
            assert functions["functionDeclarations"][0]["name"] == "weather"
            assert not peer.of_type("error")


async def test_the_model_wants_no_result_any_more() -> None:
    """A tool that is to be kept ends what it has begun all the same."""
    ended: list[str] = []

    async def look_up() -> None:
        await asyncio.sleep(1.0)
        ended.append("look_up")

    @tool(on_interrupt="keep")
    async def book() -> None:
        await asyncio.sleep(1.0)
        ended.append("book")

    calls = [{"id": name, "name": name} for name in ("look_up", "book")]
    cancellation = {"toolCallCancellation": {"ids": ["look_up", "book"]}}
    cut = content(interrupted=True), content(turnComplete=True)
    live = Live([{"toolCall": {"functionCalls": calls}}, cancellation, *cut])
    async with Service(live).run() as service:
        async with connect(bridge(service, tools=[look_up, book])) as peer:
            write(peer, "Book it.")
            await eventually(lambda: ended)
            await in_state(peer, "listening")
            assert ended == ["book"]
            assert not service.of("toolResponse")
            assert not peer.of_type("error")


async def test_what_is_written_interrupts_and_has_an_answer_of_its_own() -> None:
    """Before the answer begins, while it is said, and where the model has nothing to say."""
    cut = content(interrupted=True), content(turnComplete=True)
    live = Live(
        [],
        [sound(2.0)],
        [*cut, sound(0.4), content(turnComplete=True)],
        [content(turnComplete=True)],
        [sound(0.4), content(turnComplete=True)],
    )
    async with Service(live).run() as service:
        async with connect(bridge(service)) as peer:
            await in_state(peer, "listening")
            write(peer, "One.")
            write(peer, "Two.")
            await in_state(peer, "speaking")
            write(peer, "Three.")
            await in_state(peer, "listening")
            before = heard(peer)
            assert before >= 0.4
            write(peer, "Four.")
            await eventually(lambda: len(peer.turns) == 4)
            write(peer, "Five.")
            await eventually(lambda: heard(peer) > before + 0.35)
            await in_state(peer, "listening")
            assert [turn.answered for turn in peer.turns] == [False, True, True, False, True]
            assert not peer.of_type("error")


async def test_turns_are_found_here() -> None:
    words = content(inputTranscription={"text": "Hello."})
    live = Live([words, sound(0.4), content(turnComplete=True)])
    async with Service(live).run() as service:
        local = bridge(service, turn_detection="local", vad=LoudIsSpeech(), algo_options=TURNS)
        async with connect(local) as peer:
            await in_state(peer, "listening")
            await speak(peer, SPEECH, SILENCE)
            await eventually(lambda: heard(peer) > 0.35)
            inputs = [next(iter(each["realtimeInput"])) for each in service.of("realtimeInput")]
            assert (inputs[0], inputs[-1]) == ("activityStart", "activityEnd")
            assert set(inputs[1:-1]) == {"audio"}
            await in_state(peer, "listening")
            assert [(turn.user, turn.answered) for turn in peer.turns] == [("Hello.", True)]
            assert not peer.of_type("error")


@pytest.mark.parametrize("code", [1001, 1008], ids=["going away", "policy"])
async def test_a_service_that_leaves_is_followed(code: int) -> None:
    """It says so before: that costs no attempt, whatever it closes with while it is spoken to."""
    live = Live([sound(0.4), content(outputTranscription={"text": "Yes."}, turnComplete=True)])
    async with Service(live).run() as service:
        async with connect(bridge(service)) as peer:
            await in_state(peer, "listening")
            write(peer, "Hello?")
            await eventually(lambda: len(bridge_of(peer).conversation) == 2)
            assert service.socket is not None
            await service.send({"goAway": {"timeLeft": "10s"}})
            talking = asyncio.create_task(speak(peer, *[steady(0.02, RATE)] * 50))
            await service.socket.close(code)
            await eventually(lambda: len(service.of("setup")) == 2)
            await in_state(peer, "listening")
            turns = service.of("clientContent")[-1]["clientContent"]["turns"]
            assert [(turn["role"], turn["parts"][0]["text"]) for turn in turns] == [
                ("user", "Hello?"),
                ("model", "Yes."),
            ]
            await talking
            assert not peer.of_type("error")


async def test_a_turn_that_is_found_here_goes_on_in_another_connection() -> None:
    """With a beginning of its own: the end of what has not begun is an error there."""
    live = Live([sound(0.4), content(turnComplete=True)])
    options: dict[str, Any] = {"vad": LoudIsSpeech(), "algo_options": TURNS}
    limits = RealtimeLimits(reconnects=1)
    async with Service(live).run() as service:
        local = bridge(service, turn_detection="local", limits=limits, **options)
        async with connect(local) as peer:
            await in_state(peer, "listening")
            await speak(peer, SPEECH)
            assert service.socket is not None
            await service.socket.close(1011)
            await eventually(lambda: peer.of_type("warning"))
            await speak(peer, SPEECH, SILENCE)
            await eventually(lambda: heard(peer) > 0.35)
            kinds = [next(iter(each.get("realtimeInput", each))) for each in service.received]
            inputs = kinds[kinds.index("setup", 1) + 1 :]
            assert (inputs[0], inputs[-1]) == ("activityStart", "activityEnd")
            assert set(inputs[1:-1]) == {"audio"}
            assert not peer.of_type("error")


async def test_a_service_that_leaves_at_once_is_followed_at_leisure() -> None:
    async def leave(service: Service, message: dict[str, Any]) -> None:
        await service.send({"setupComplete": {}}, {"goAway": {"timeLeft": "0s"}})
        assert service.socket is not None
        await service.socket.close(1001)

    async with Service(leave).run() as service:
        async with connect(bridge(service)):
            await asyncio.sleep(1.9)
            assert 2 <= len(service.of("setup")) <= 4
