"""`GeminiLive`: a call with a model of Gemini's Live API (BidiGenerateContent over a WebSocket).

There is no message by which this service could be told how much of an answer was heard: it keeps
what it had sent when it was interrupted.
"""

from __future__ import annotations

import base64
import json
import os
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastrtc_core import AudioFrame, ConfigurationError

from .dialect import Dialect, Message, Said, Settings, merged
from .events import (
    AnswerBegan,
    AnswerEnded,
    Call,
    CallsCancelled,
    Event,
    Leaving,
    Ready,
    Sound,
    SpeechBegan,
    SpeechEnded,
    Unanswered,
    Words,
)
from .handler import RealtimeHandler
from .upstream import Address

INPUT_RATE = 16000
OUTPUT_RATE = 24000

DEFAULT_URL = (
    "wss://generativelanguage.googleapis.com/ws/"
    "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
)


class GeminiDialect:
    """The messages of the Live API.

    Args:
        model: Such as `gemini-2.5-flash-native-audio-preview-12-2025`.
        voice: The voice; empty: the service chooses.
        setup: More fields of `setup`; they win.
    """

    service = "The realtime service"
    input_sample_rate = INPUT_RATE
    output_sample_rate = OUTPUT_RATE
    one_at_a_time = False
    goes_on = True

    def __init__(
        self, *, model: str, voice: str = "", setup: Mapping[str, Any] | None = None
    ) -> None:
        self._model = model if "/" in model else f"models/{model}"
        self._voice = voice
        self._more = dict(setup or {})
        self._number = 0
        self._answer = ""
        """The id of the present answer, which is ours: the API has none."""
        self._asked: deque[int] = deque()
        """Turns that wait for their answer; the API does not tell which one it answers."""
        self._interrupted = False
        """Whether the end of an answer that was interrupted may still be told."""
        self._said = ""
        self._heard = ""

    def set_up(self, settings: Settings, history: Sequence[Said]) -> list[Message]:
        """`setup`, and what was said before as a part of the conversation."""
        generation: dict[str, Any] = {"responseModalities": ["AUDIO"]}
        if self._voice:
            voice = {"prebuiltVoiceConfig": {"voiceName": self._voice}}
            generation["speechConfig"] = {"voiceConfig": voice}
        activity = "START_OF_ACTIVITY_INTERRUPTS" if settings.interruptible else "NO_INTERRUPTION"
        setup: dict[str, Any] = {
            "model": self._model,
            "generationConfig": generation,
            "realtimeInputConfig": {
                "automaticActivityDetection": {"disabled": not settings.listens},
                "activityHandling": activity,
            },
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
        }
        if settings.instructions:
            setup["systemInstruction"] = {"parts": [{"text": settings.instructions}]}
        if settings.tools:
            functions = [tool.schema["function"] for tool in settings.tools]
            declarations = [
                {
                    "name": function["name"],
                    "description": function["description"],
                    "parametersJsonSchema": function["parameters"],
                }
                for function in functions
            ]
            setup["tools"] = [{"functionDeclarations": declarations}]
        messages: list[Message] = [{"setup": merged(setup, self._more)}]
        if history:
            turns = [_content(said.role, said.text) for said in history]
            messages.append({"clientContent": {"turns": turns, "turnComplete": False}})
        return messages

    def read(self, text: str) -> list[Event]:
        """Messages that are for nobody here are passed over."""
        message = json.loads(text)
        if not isinstance(message, dict):
            raise ValueError("a message of the Live API is a JSON object")
        try:
            if "setupComplete" in message:
                return [Ready()]
            if "serverContent" in message:
                return self._content(message["serverContent"])
            if "toolCall" in message:
                return self._calls(message["toolCall"].get("functionCalls", []))
            if "toolCallCancellation" in message:
                return [CallsCancelled(tuple(message["toolCallCancellation"].get("ids", [])))]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"a message of the Live API lacks {error}") from error
        return [Leaving()] if "goAway" in message else []

    def hear(self, frame: AudioFrame) -> Message:
        """`realtimeInput` with audio."""
        data = base64.b64encode(frame.data[0].astype("<i2").tobytes()).decode()
        kind = f"audio/pcm;rate={frame.sample_rate}"
        return {"realtimeInput": {"audio": {"data": data, "mimeType": kind}}}

    def begin_turn(self) -> list[Message]:
        """It interrupts as well."""
        return [{"realtimeInput": {"activityStart": {}}}]

    def end_turn(self) -> list[Message]:
        """The answer follows by itself."""
        return [{"realtimeInput": {"activityEnd": {}}}]

    def drop_turn(self) -> list[Message]:
        """What was heard cannot be taken back: the model makes of it what it can."""
        return self.end_turn()

    def forget(self) -> list[Message]:
        """What is cached is dealt with as the end of a stream."""
        return [{"realtimeInput": {"audioStreamEnd": True}}]

    def write(self, text: str) -> list[Message]:
        """A turn that is not complete yet."""
        return [{"clientContent": {"turns": [_content("user", text)], "turnComplete": False}}]

    def ask(self, turn: int, told: str = "", *, spoken: bool = False) -> list[Message]:
        """Complete the turn; what was spoken is answered by itself."""
        self._asked.append(turn)
        if spoken:
            return []
        turns = [_content("user", told)] if told else []
        return [{"clientContent": {"turns": turns, "turnComplete": True}}]

    def cancel(self, answer: str) -> list[Message]:
        """There is no such message: the rest of the answer is passed over."""
        return []

    def truncate(self, item: str, milliseconds: int) -> list[Message]:
        """There is no such message."""
        return []

    def result(self, call: str, name: str, text: str) -> list[Message]:
        """`toolResponse`; the model goes on by itself."""
        response = {"id": call, "name": name, "response": {"result": text}}
        return [{"toolResponse": {"functionResponses": [response]}}]

    # What is read

    def _content(self, content: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        heard = str((content.get("inputTranscription") or {}).get("text") or "")
        if heard:
            self._heard += heard
            events.append(Words("user", "", self._heard.strip(), final=False))
        said = str((content.get("outputTranscription") or {}).get("text") or "")
        parts = (content.get("modelTurn") or {}).get("parts") or []
        sounds = [part["inlineData"]["data"] for part in parts if "inlineData" in part]
        if said or sounds:
            events += self._begin()
        for data in sounds:
            pcm = base64.b64decode(data)
            samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.int16)
            frame = AudioFrame(OUTPUT_RATE, samples[np.newaxis])
            events.append(Sound(self._answer, self._answer, frame))
        if said:
            self._said += said
            words = Words("assistant", self._answer, self._said, final=False, answer=self._answer)
            events.append(words)
        if content.get("interrupted"):
            # The one sign that it hears somebody: it does not tell where speech begins and ends.
            # What is written interrupts as well: its own answer is not meant.
            events += [] if self._asked else [SpeechBegan()]
            events += self._end(interrupted=True)
            self._interrupted = True
        elif content.get("turnComplete"):
            if not self._answer and not self._interrupted:
                events += self._pass_over(1)  # it has nothing to say
            events += self._end()
            self._interrupted = False
        return events

    def _pass_over(self, count: int) -> list[Event]:
        """So many turns, the oldest ones, have no answer."""
        return [Unanswered(self._asked.popleft()) for _ in range(min(count, len(self._asked)))]

    def _begin(self) -> list[Event]:
        """What the user said is complete when the answer begins."""
        if self._answer:
            return []
        events: list[Event] = [SpeechEnded()] if self._heard else []
        if heard := self._heard.strip():
            events.append(Words("user", "", heard, final=True))
        self._heard = ""
        self._number += 1
        self._answer = f"answer_{self._number}"
        self._interrupted = False
        # Each turn interrupts the one before: the latest is answered.
        events += self._pass_over(len(self._asked) - 1)
        turn = self._asked.popleft() if self._asked else None
        return [*events, AnswerBegan(self._answer, turn)]

    def _end(self, *, interrupted: bool = False) -> list[Event]:
        answer, self._answer = self._answer, ""
        said, self._said = self._said, ""
        if not answer:
            return []
        words = Words("assistant", answer, said, final=True, answer=answer)
        ended = AnswerEnded(answer, interrupted=interrupted)
        return [words, ended] if said else [ended]

    def _calls(self, calls: list[dict[str, Any]]) -> list[Event]:
        events = self._begin()
        for call in calls:
            arguments = json.dumps(call.get("args") or {})
            events.append(Call(self._answer, call["id"], call["name"], arguments))
        return events


class GeminiLive(RealtimeHandler):
    """A call with a model of Gemini's Live API.

    It hears 16 kHz and says 24 kHz. An answer that is interrupted cannot be truncated in the
    memory of the model: the API has no message for that.

    Args:
        instructions: What the model is told first.
        model: Which one.
        voice: Such as `Kore`; by default the service chooses.
        setup: More fields of the API's `setup`, such as `contextWindowCompression`.
        url: Of the service; the public one by default.
        api_key: `GEMINI_API_KEY` by default, or `GOOGLE_API_KEY`.
        options: More arguments of `RealtimeHandler`.
    """

    def __init__(
        self,
        instructions: str = "",
        *,
        model: str = "gemini-2.5-flash-native-audio-preview-12-2025",
        voice: str = "",
        setup: Mapping[str, Any] | None = None,
        url: str | None = None,
        api_key: str | None = None,
        **options: Any,
    ) -> None:
        self._dialect_options: dict[str, Any] = {"model": model, "voice": voice, "setup": setup}
        self.model = model
        self._url = url
        self._api_key = api_key
        super().__init__(instructions, **options)

    def make_dialect(self) -> Dialect:
        """The Live API."""
        return GeminiDialect(**self._dialect_options)

    def find_address(self) -> Address:
        """The key goes into a header: an address may be written to a log."""
        env = os.environ
        key = self._api_key or env.get("GEMINI_API_KEY") or env.get("GOOGLE_API_KEY")
        if not key and not self._url:
            raise ConfigurationError("GeminiLive needs a key: set GEMINI_API_KEY")
        return Address(self._url or DEFAULT_URL, {"x-goog-api-key": key} if key else {})


def _content(role: str, text: str) -> dict[str, Any]:
    return {"role": "user" if role == "user" else "model", "parts": [{"text": text}]}
