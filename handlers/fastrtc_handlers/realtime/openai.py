"""`OpenAIRealtime`: a call with a model of the Realtime API, of OpenAI or of who speaks it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.toolkit import decode_mulaw, encode_mulaw

from .dialect import Dialect, Message, Said, Settings, merged
from .events import (
    AnswerBegan,
    AnswerEnded,
    Call,
    Event,
    Leaving,
    Ready,
    Refused,
    Sound,
    SpeechBegan,
    SpeechEnded,
    Words,
)
from .handler import RealtimeHandler
from .upstream import Address

PCM_RATE = 24000
G711_RATE = 8000
DEFAULT_BASE_URL = "https://api.openai.com/v1"

SILENCE = 500
"""In ms, where nothing else is asked for."""

TRANSCRIPTION: Mapping[str, Any] = {"model": "gpt-4o-mini-transcribe"}

_SET_UP = "set_up"
_ASK = "ask_"
_CANCEL, _TRUNCATE = "cancel_", "truncate_"
"""How the ids of our events begin; an error names the event that it is about."""

_BUSY = "conversation_already_has_active_response"

Encoding = Literal["pcm16", "g711"]


class OpenAIDialect:
    """The events of the Realtime API, under their names since its general availability.

    Args:
        voice: The voice; empty: the service chooses.
        encoding: `pcm16`, or `g711` for µ-law at 8 kHz.
        turn_detection: What finds the turns where the model does.
        transcription: What writes down what the user says; `None`: nothing.
        session: More fields of the session; they win.
    """

    service = "The realtime service"
    one_at_a_time = True
    goes_on = False

    def __init__(
        self,
        *,
        voice: str = "",
        encoding: Encoding = "pcm16",
        turn_detection: Mapping[str, Any] | None = None,
        transcription: Mapping[str, Any] | None = None,
        session: Mapping[str, Any] | None = None,
    ) -> None:
        self._voice = voice
        self._g711 = encoding == "g711"
        self._turn_detection = dict(turn_detection or {"type": "server_vad"})
        self._transcription = transcription
        self._session = dict(session or {})
        self.input_sample_rate = self.output_sample_rate = G711_RATE if self._g711 else PCM_RATE
        self._texts: dict[str, str] = {}
        """What is known of the words of each item that is not final."""
        self._called: set[str] = set()
        """Calls of the present answer: each is told twice."""
        self._number = 0
        self._readers: dict[str, Callable[[dict[str, Any]], list[Event]]] = {
            "session.updated": lambda _: [Ready()],
            "input_audio_buffer.speech_started": lambda _: [SpeechBegan()],
            "input_audio_buffer.speech_stopped": lambda _: [SpeechEnded(self._silence())],
            "conversation.item.input_audio_transcription.delta": self._user_delta,
            "conversation.item.input_audio_transcription.completed": self._user_done,
            "conversation.item.input_audio_transcription.failed": self._user_failed,
            "response.created": self._answer_began,
            "response.output_audio.delta": self._sound,
            "response.output_audio_transcript.delta": self._delta,
            "response.output_audio_transcript.done": self._done,
            "response.function_call_arguments.done": self._call,
            "response.output_item.done": self._item_done,
            "response.done": self._answer_ended,
            "error": self._error,
        }

    def set_up(self, settings: Settings, history: Sequence[Said]) -> list[Message]:
        """`session.update`, and an item for each turn before."""
        kind = {"type": "audio/pcmu"} if self._g711 else {"type": "audio/pcm", "rate": PCM_RATE}
        turns = None
        if settings.listens:
            turns = self._turn_detection
            if not settings.interruptible:
                turns = {**turns, "interrupt_response": False}
        heard: dict[str, Any] = {"format": kind, "turn_detection": turns}
        if self._transcription is not None:
            heard["transcription"] = dict(self._transcription)
        said: dict[str, Any] = {"format": kind}
        if self._voice:
            said["voice"] = self._voice
        session: dict[str, Any] = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {"input": heard, "output": said},
        }
        if settings.instructions:
            session["instructions"] = settings.instructions
        if settings.tools:
            session["tools"] = [
                {"type": "function", **tool.schema["function"]} for tool in settings.tools
            ]
            session["tool_choice"] = "auto"
        update = {"type": "session.update", "event_id": _SET_UP}
        return [
            {**update, "session": merged(session, self._session)},
            *(_item(turn.role, turn.text) for turn in history),
        ]

    def read(self, text: str) -> list[Event]:
        """Events that are for nobody here are passed over."""
        event = json.loads(text)
        if not isinstance(event, dict):
            raise ValueError("an event of the Realtime API is a JSON object")
        reader = self._readers.get(str(event.get("type")))
        try:
            return [] if reader is None else reader(event)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{event.get('type')} lacks {error}") from error

    def hear(self, frame: AudioFrame) -> Message:
        """`input_audio_buffer.append`."""
        samples = np.ascontiguousarray(frame.data[0])
        data = encode_mulaw(samples) if self._g711 else samples.astype("<i2").tobytes()
        return {"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()}

    def begin_turn(self) -> list[Message]:
        """Nothing: the buffer is empty."""
        return []

    def end_turn(self) -> list[Message]:
        """What is in the buffer becomes an item."""
        return [{"type": "input_audio_buffer.commit"}]

    def drop_turn(self) -> list[Message]:
        """The buffer is emptied."""
        return [{"type": "input_audio_buffer.clear"}]

    forget = drop_turn

    def write(self, text: str) -> list[Message]:
        """An item of its own."""
        return [_item("user", text)]

    def ask(self, turn: int, told: str = "", *, spoken: bool = False) -> list[Message]:
        """`response.create`; its metadata come back with the response."""
        self._number += 1
        response: dict[str, Any] = {"metadata": {"turn": str(turn)}}
        if told:
            response["instructions"] = told
        event_id = f"{_ASK}{turn}_{self._number}"
        return [{"type": "response.create", "event_id": event_id, "response": response}]

    def cancel(self, answer: str) -> list[Message]:
        """`response.cancel`; that it was too late is no error."""
        self._number += 1
        event_id = f"{_CANCEL}{self._number}"
        return [{"type": "response.cancel", "event_id": event_id, "response_id": answer}]

    def truncate(self, item: str, milliseconds: int) -> list[Message]:
        """`conversation.item.truncate`; an item that is gone is no error either."""
        self._number += 1
        return [
            {
                "type": "conversation.item.truncate",
                "event_id": f"{_TRUNCATE}{self._number}",
                "item_id": item,
                "content_index": 0,
                "audio_end_ms": milliseconds,
            }
        ]

    def result(self, call: str, name: str, text: str) -> list[Message]:
        """An item of its own; the model answers when it is asked to."""
        item = {"type": "function_call_output", "call_id": call, "output": text}
        return [{"type": "conversation.item.create", "item": item}]

    # What is read

    def _silence(self) -> float:
        """What the service waits for before it answers."""
        if self._turn_detection["type"] != "server_vad":
            return 0.0
        return float(self._turn_detection.get("silence_duration_ms") or SILENCE) / 1000

    def _user_delta(self, event: dict[str, Any]) -> list[Event]:
        id = event["item_id"]
        self._texts[id] = text = self._texts.get(id, "") + str(event.get("delta") or "")
        return [Words("user", id, text, final=False)]

    def _user_done(self, event: dict[str, Any]) -> list[Event]:
        self._texts.pop(event["item_id"], None)
        return [Words("user", event["item_id"], str(event["transcript"] or "").strip(), final=True)]

    def _user_failed(self, event: dict[str, Any]) -> list[Event]:
        self._texts.pop(event["item_id"], None)
        return [Words("user", event["item_id"], "", final=True)]

    def _answer_began(self, event: dict[str, Any]) -> list[Event]:
        response = event["response"]
        self._called.clear()
        asked = str((response.get("metadata") or {}).get("turn", ""))
        return [AnswerBegan(response["id"], int(asked) if asked.isdecimal() else None)]

    def _sound(self, event: dict[str, Any]) -> list[Event]:
        data = base64.b64decode(event["delta"])
        if self._g711:
            samples = decode_mulaw(data)
        else:
            samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)
        frame = AudioFrame(self.output_sample_rate, samples[np.newaxis])
        return [Sound(event["response_id"], event["item_id"], frame)]

    def _delta(self, event: dict[str, Any]) -> list[Event]:
        id = event["item_id"]
        self._texts[id] = text = self._texts.get(id, "") + event["delta"]
        return [Words("assistant", id, text, final=False, answer=event["response_id"])]

    def _done(self, event: dict[str, Any]) -> list[Event]:
        id = event["item_id"]
        text = str(event.get("transcript") or self._texts.get(id, ""))
        self._texts.pop(id, None)
        return [Words("assistant", id, text, final=True, answer=event["response_id"])]

    def _call(self, event: dict[str, Any]) -> list[Event]:
        id, name = event["call_id"], event.get("name")
        if not name or id in self._called:
            return []  # without a name, its item says it
        self._called.add(id)
        return [Call(event.get("response_id") or "", id, name, event["arguments"])]

    def _item_done(self, event: dict[str, Any]) -> list[Event]:
        item = event["item"]
        return self._call({**item, **event}) if item.get("type") == "function_call" else []

    def _answer_ended(self, event: dict[str, Any]) -> list[Event]:
        response = event["response"]
        details = response.get("status_details") or {}
        problem = ""
        if response.get("status") == "failed":
            error = details.get("error") or {}
            why = error.get("message") or error.get("code") or "it does not say why"
            problem = f"The model failed: {why}"
        turned = details.get("reason") == "turn_detected"
        self._called.clear()
        return [AnswerEnded(response["id"], problem, turned)]

    def _error(self, event: dict[str, Any]) -> list[Event]:
        error = event["error"]
        asked, code = str(error.get("event_id") or ""), error.get("code")
        problem = f"The realtime service says: {error.get('message')}"
        if asked.startswith((_CANCEL, _TRUNCATE)):
            return []  # it had ended already, or was forgotten
        if asked.startswith(_ASK):
            turn = int(asked.removeprefix(_ASK).partition("_")[0])
            return [Refused(problem, turn, busy=code == _BUSY)]
        if code == "session_expired":
            return [Leaving()]
        return [Refused(problem, fatal=asked == _SET_UP)]


class OpenAIRealtime(RealtimeHandler):
    """A call with a model that hears and speaks: what the caller says goes there, and back.

    Args:
        instructions: What the model is told first.
        model: Such as `gpt-realtime-2`.
        voice: Such as `marin`; by default the service chooses.
        encoding: `g711` hears and speaks µ-law at 8 kHz, as telephones do, in place of PCM at
            24 kHz.
        turn_detection: `"model"`: the model finds the turns (`server_vad`); a `dict` says how, as
            in the API. `"local"`: `ReplyOnPause` does, here.
        transcription: What writes down what the user says; `None`: nothing.
        session: More fields of the API's session, such as `max_output_tokens`.
        base_url: Of the service; `OPENAI_BASE_URL` by default, or OpenAI's own.
        api_key: `OPENAI_API_KEY` by default. It is asked for when a session begins.
        options: More arguments of `RealtimeHandler`.

    Raises:
        ConfigurationError: If arguments contradict each other.
    """

    def __init__(
        self,
        instructions: str = "",
        *,
        model: str = "gpt-realtime-2",
        voice: str = "",
        encoding: Encoding = "pcm16",
        turn_detection: Literal["model", "local"] | Mapping[str, Any] = "model",
        transcription: Mapping[str, Any] | None = TRANSCRIPTION,
        session: Mapping[str, Any] | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        **options: Any,
    ) -> None:
        if encoding not in ("pcm16", "g711"):
            raise ConfigurationError(f"encoding is 'pcm16' or 'g711', not {encoding!r}")
        self.model = model
        self._base_url = base_url
        self._api_key = api_key
        self._dialect_options: dict[str, Any] = {
            "voice": voice,
            "encoding": encoding,
            "transcription": transcription,
            "session": session,
        }
        if isinstance(turn_detection, Mapping):
            self._dialect_options["turn_detection"] = turn_detection
            turn_detection = "model"
        super().__init__(instructions, turn_detection=turn_detection, **options)

    def make_dialect(self) -> Dialect:
        """The Realtime API."""
        return OpenAIDialect(**self._dialect_options)

    def find_address(self) -> Address:
        """`/realtime` of the service."""
        base = self._base_url or os.environ.get("OPENAI_BASE_URL")
        key = self._api_key or os.environ.get("OPENAI_API_KEY")
        if not base and not key:
            raise ConfigurationError(
                "OpenAIRealtime needs a service: set OPENAI_API_KEY, or OPENAI_BASE_URL to one of "
                "yours"
            )
        url = (base or DEFAULT_BASE_URL).rstrip("/")
        if url.startswith("http"):
            url = f"ws{url.removeprefix('http')}"
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return Address(f"{url}/realtime?{urlencode({'model': self.model})}", headers)


def _item(role: str, text: str) -> Message:
    kind = "input_text" if role == "user" else "output_text"
    item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
    return {"type": "conversation.item.create", "item": item}
