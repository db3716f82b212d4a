"""Translates between the events of the Realtime API and what a session does; without I/O.

What a client commands reaches the handler as a message, a `dict` with a `command`, in the words
that `fastrtc_handlers.ReplyOnPause` knows: `push_to_talk`, `respond`, `forget`, `text`. What is for
a language model (`session.update`, items that are no text of the user) reaches it as it is.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import strict_json
from ..errors import ConcurrencyLimitError, MessageError, OfferError, UnavailableError
from ..frames import AudioFrame
from ..handler import StreamHandlerBase
from ..media.converter import Converter
from ..messages import MAX_MESSAGE_BYTES, build_message, parse_server_message
from ..websocket.dialect import (
    Discard,
    Event,
    Interrupt,
    Later,
    Media,
    Reply,
    Several,
    Text,
    Truncated,
)
from .checks import RefusedError, check_range, unsupported
from .conversation import ROOT, Conversation
from .events import MAX_EVENT, check_fields, read_event, text_of_user
from .settings import SAMPLE_RATE, RealtimeSettings, check_modalities

PAUSE = 0.5
"""Time in s without audio after which a response is over whose end nobody tells."""

BACKLOG = 360.0
"""Audio in s that may wait for the handler: a long push-to-talk, or a file, may come at once.

The largest event of the API, 15 MiB of PCM at 24 kHz, has 328 s."""

MAX_SKIPS = 100
"""Times at which the client has cleared audio that are remembered, to tell where speech begins."""

MIN_COMMIT = 0.1
"""Audio in s that can be committed, as in the API."""


class RealtimeDialect:
    """One session.

    Args:
        id: Of the session.
        params: What the client asked for in the address of the socket, `model` for example.
        handler: The handler of the session: what of the API it obeys.
    """

    output_sample_rate = SAMPLE_RATE
    num_channels = 1
    pause: float | None = PAUSE
    asks = False
    backlog = BACKLOG
    max_message = MAX_EVENT

    def __init__(self, id: str, params: Mapping[str, Any], handler: StreamHandlerBase) -> None:
        self._listens = type(handler).on_message is not StreamHandlerBase.on_message
        self._settings = RealtimeSettings(
            id, str(params.get("model", "")), listens=self._listens, tune=handler.tune_turns
        )
        self._conversation = Conversation()
        self._converter = Converter(self._settings.output.sample_rate, self.num_channels)
        self._heard = 0.0
        """Audio in s that came in."""
        self._committed = 0.0
        """How much of it is no part of the buffer any more: committed, or cleared."""
        self._skips: list[tuple[float, float]] = []
        """What was cleared before the handler had it: after how much in s, and how much."""
        self._speaks = False
        """Whether the client was told that the user speaks."""
        self._metadata: Any = None
        """What the client attached to the response that it asked for."""
        self._held = False
        """Whether the handler was told that the client ends the turn that has begun."""
        self._cancelled = False
        """Whether the client cancels what is being said."""
        self._answers: dict[str, Callable[[dict[str, Any]], Event]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._discard,
            "output_audio_buffer.clear": self._clear_output,
            "response.create": self._respond,
            "response.cancel": self._cancel,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.truncate": self._truncate_item,
        }

    @property
    def input_sample_rate(self) -> int:
        """Of the audio from the client, in Hz; it may change."""
        return self._settings.input.sample_rate

    # To the client

    def started(self, id: str) -> str | None:
        """The first event."""
        return self._conversation.event("session.created", session=self._settings.described())

    def audio(self, frame: AudioFrame) -> Sequence[str | bytes]:
        """Audio of a response, which it begins if there is none."""
        if self._converter.sample_rate != self._settings.output.sample_rate:
            self._converter = Converter(self._settings.output.sample_rate, self.num_channels)
        return self._write(self._converter.push(frame))

    def clear(self) -> Sequence[str]:
        """What is being said was interrupted."""
        reason = "client_cancelled" if self._cancelled else "turn_detected"
        self._cancelled = False
        self._converter.flush()
        return self._conversation.end_response("cancelled", reason)

    def paused(self) -> Sequence[str]:
        """There has been no audio for a while."""
        if self._conversation.responding_with_speech:
            return ()
        return self._end_response()

    def mark(self, name: str) -> str | None:
        """Clients of this protocol do not tell what they have played."""
        return None

    def message(self, text: str) -> Sequence[str]:
        """What a message of the session means in this protocol."""
        message = parse_server_message(text)
        type, data = message.type, message.data
        conversation = self._conversation
        if type == "log":
            return self._progress(data, strict_json.load(text))
        if type == "transcript" and isinstance(data, dict) and data.get("final"):
            said = str(data.get("text", ""))
            if not said:
                return ()  # it takes back what was shown before, which these clients were not told
            if data.get("role") == "assistant":
                return conversation.bot_transcript(said)
            return conversation.user_transcript(said)
        if type == "error":
            return [conversation.error(str(data), kind="server_error", code="handler_error")]
        if type == "end_stream":
            return [*self._end_response(), text]
        if type == "message" and isinstance(data, dict) and isinstance(data.get("type"), str):
            return [conversation.custom(data)]  # the handler speaks the protocol
        if type in ("interrupted", "transcript", "fetch_output", "status", "turn_record"):
            return ()  # told by other events, or for the application and its pages
        return [text]  # clients ignore what they do not know

    def binary(self, data: bytes) -> Sequence[str | bytes]:
        """Clients of the API read JSON alone."""
        raise MessageError("the Realtime API has no binary messages: send text or JSON")

    # From the client

    def parse(self, data: str | bytes) -> Event:
        """Read what the client sent; what is not obeyed is answered by an `error`."""
        message: dict[str, Any] = {}
        try:
            message = read_event(data)
            kind = check_fields(message)
            return self._answers[kind](message)
        except RefusedError as error:
            return self._refuse(message, error)
        except MessageError as error:
            return self._refuse(message, RefusedError(str(error), "invalid_event"))

    def _update(self, message: dict[str, Any]) -> Event:
        to_handler = _to_handler(message)
        self._settings.update(message["session"])
        if not self._settings.manual:
            self._held = False
        updated = self._conversation.event("session.updated", session=self._settings.described())
        return Several((to_handler, Reply(updated)))

    def _append(self, message: dict[str, Any]) -> Event:
        try:
            data = base64.b64decode(message["audio"], validate=True)
        except (binascii.Error, ValueError):
            text = "Invalid 'audio': it must be bytes in base64."
            raise RefusedError(text, "invalid_value", "audio") from None
        samples = self._settings.input.codec.decode(data)
        frame = AudioFrame(self.input_sample_rate, samples)
        self._heard += frame.duration
        if not self._settings.manual or self._held:
            return Media(frame)
        self._held = True
        return Several((_command("push_to_talk", on=True), Media(frame)))

    def _commit(self, message: dict[str, Any]) -> Event:
        buffered = self._heard - self._committed
        if buffered < MIN_COMMIT - 1e-6:
            raise RefusedError(
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{1000 * MIN_COMMIT:.0f}ms of audio, but buffer only has "
                f"{1000 * max(0.0, buffered):.2f}ms of audio.",
                "input_audio_buffer_commit_empty",
            )
        self._empty_buffer()
        return _replies(self._conversation.commit())

    def _discard(self, message: dict[str, Any]) -> Event:
        self._empty_buffer()
        events = self._conversation.discard()
        return Several((Discard(self._note_skip), Later(_command("forget")), _replies(events)))

    def _clear_output(self, message: dict[str, Any]) -> Event:
        cleared = self._conversation.event("output_audio_buffer.cleared")
        return Several((Interrupt(), Reply(cleared)))

    def _respond(self, message: dict[str, Any]) -> Event:
        wished = message.get("response") or {}
        self._check_response(wished)
        if self._conversation.responding:
            raise RefusedError(
                "Conversation already has an active response in progress: "
                f"{self._conversation.response_id}. Wait for its end, or cancel it.",
                "conversation_already_has_active_response",
            )
        asked = message.get("event_id")
        command = _command("respond", response=message.get("response"), event_id=asked)
        self._held = False
        self._metadata = wished.get("metadata")
        return Later(command)

    def _check_response(self, wished: dict[str, Any]) -> None:
        if not self._listens:
            message = "This handler gives no responses on request."
            raise RefusedError(message, "unsupported_value", "type")
        check_modalities(wished, "response")
        if wished.get("conversation") not in (None, "auto"):
            raise unsupported("response.conversation", "There is one conversation, 'auto'.")
        output = (wished.get("audio") or {}).get("output") or {}
        if isinstance(output, dict) and output.get("format") is not None:
            self._settings.check_output(output["format"], "response.audio.output.format")

    def _cancel(self, message: dict[str, Any]) -> Event:
        current = self._conversation.response_id
        if current is None or message.get("response_id") not in (None, current):
            text = "Cancellation failed: no active response found"
            raise RefusedError(text, "response_cancel_not_active")
        self._cancelled = True
        return Interrupt()

    def _create_item(self, message: dict[str, Any]) -> Event:
        item, after = message["item"], message.get("previous_item_id")
        conversation = self._conversation
        if (id := item.get("id")) is not None and conversation.item(id) is not None:
            text = f"Error adding item: an item with id '{id[:60]}' already exists."
            raise RefusedError(text, "item_create_duplicate_item_id", "item.id")
        if after not in (None, ROOT) and conversation.item(after) is None:
            raise RefusedError(
                f"Error adding item: the previous item with id '{after[:60]}' does not exist.",
                "item_create_invalid_previous_item_id",
                "previous_item_id",
            )
        said = text_of_user(item)
        if said is not None and conversation.is_last(after):
            to_handler = _command("text", text=said, respond=False)
        else:
            # What stands before other items is history, and no part of the turn.
            to_handler = _to_handler(message)
        return Several((Later(to_handler), _replies(conversation.add_item(item, after))))

    def _retrieve_item(self, message: dict[str, Any]) -> Event:
        item = self._known(message, "retriev")
        return Reply(self._conversation.event("conversation.item.retrieved", item=item))

    def _delete_item(self, message: dict[str, Any]) -> Event:
        id = self._known(message, "delet")["id"]
        self._conversation.delete_item(id)
        deleted = self._conversation.event("conversation.item.deleted", item_id=id)
        return Several((_to_handler(message), Reply(deleted)))

    def _truncate_item(self, message: dict[str, Any]) -> Event:
        id, end = self._known(message, "truncat")["id"], message["audio_end_ms"]
        length = self._conversation.length(id)
        if length is None:
            text = "Only model output audio messages can be truncated"
            raise RefusedError(text, "invalid_value", "item_id")
        if message["content_index"] != 0:
            raise RefusedError("The index of the audio is 0.", "invalid_value", "content_index")
        check_range(end, 0, 1 << 31, "audio_end_ms")
        if end > round(1000 * length):
            text = f"Audio content of {1000 * length:.0f}ms is already shorter than {end}ms"
            raise RefusedError(text, "invalid_value", "audio_end_ms")
        to_handler = _to_handler(message)
        unheard = self._conversation.unheard(id, end / 1000)
        truncated = Reply(self._conversation.truncate_item(id, end))
        return Several((to_handler, Truncated(unheard), truncated))

    def _known(self, message: dict[str, Any], verb: str) -> dict[str, Any]:
        """The item that is meant by what is done with it; the verb without its ending."""
        id = message["item_id"]
        item = self._conversation.item(id)
        if item is None:
            text = f"Error {verb}ing item: the item with id '{id[:60]}' does not exist."
            raise RefusedError(text, f"item_{verb}e_invalid_item_id", "item_id")
        return item

    def _note_skip(self, seconds: float) -> None:
        """So much of the latest audio does not reach the handler."""
        handed = self._heard - self._skipped(self._heard) - seconds
        self._skips.append((handed, seconds))
        if len(self._skips) > MAX_SKIPS:
            (_, first), (handed, second) = self._skips[:2]
            self._skips[:2] = [(handed, first + second)]

    def _skipped(self, position: float) -> float:
        """Audio in s that a handler, which has heard so much, was not given before that."""
        return sum(seconds for handed, seconds in self._skips if handed <= position + 0.001)

    def _empty_buffer(self) -> None:
        """What comes next begins a new buffer, and a sample."""
        self._committed = self._heard
        self._settings.input.codec.drop_rest()

    def _progress(self, event: Any, log: dict[str, Any]) -> Sequence[str]:
        conversation = self._conversation
        if event == "response_starting":
            self._cancelled = False
            metadata, self._metadata = self._metadata, None
            return conversation.begin_response(is_speech=True, metadata=metadata)
        if event == "response_done":
            return self._end_response()
        if event == "nothing_to_answer":
            text = "There is nothing to answer: no audio and no text since the last response."
            asked = log.get("event_id")
            return [conversation.error(text, code="nothing_to_answer", asked=asked)]
        if event == "started_talking" and not self._settings.manual:
            self._speaks = True
            return conversation.speech_started(self._milliseconds(log))
        if event == "pause_detected" and self._speaks:
            self._speaks = False
            return self._stop_speech(self._milliseconds(log))
        return ()

    def _stop_speech(self, milliseconds: int) -> list[str]:
        """The turn of the user is over; what it said is committed, unless the client did that."""
        events = self._conversation.speech_stopped(milliseconds)
        end = milliseconds / 1000
        if end - self._committed >= MIN_COMMIT:
            self._committed = end
            events += self._conversation.commit()
        return events

    def _milliseconds(self, log: dict[str, Any]) -> int:
        """Where in the audio of the client something happened."""
        seconds = log.get("audio_seconds")
        if not isinstance(seconds, (int, float)):
            seconds = self._heard
        return round(1000 * min(seconds + self._skipped(seconds), self._heard))

    def _end_response(self) -> list[str]:
        """With what the resampler holds back of it."""
        rest = self._converter.flush()
        events: list[str] = []
        if self._conversation.responding and rest.shape[1]:
            events = self._write(rest)
        return events + self._conversation.end_response()

    def _write(self, data: NDArray[np.int16]) -> list[str]:
        output = self._settings.output
        seconds = data.shape[1] / output.sample_rate
        return self._conversation.audio(output.codec.encode(data), seconds)

    def _refuse(self, message: dict[str, Any], error: RefusedError) -> Event:
        asked = message.get("event_id")
        text = self._conversation.error(str(error), code=error.code, param=error.param, asked=asked)
        return Reply(text)


def refusal(error: OfferError) -> str:
    """The event that tells a client why it gets no session."""
    later = isinstance(error, (ConcurrencyLimitError, UnavailableError))
    kind = "server_error" if later else "invalid_request_error"
    return Conversation().error(str(error), kind=kind, code=error.code)


def _replies(events: list[str]) -> Event:
    return Several(tuple(Reply(event) for event in events))


def _command(command: str, **fields: Any) -> Event:
    return _to_handler({"command": command, **fields})


def _to_handler(message: dict[str, Any]) -> Event:
    text = build_message("message", message)
    if len(text) > MAX_MESSAGE_BYTES:  # it is ASCII
        problem = f"The event is larger than {MAX_MESSAGE_BYTES} bytes."
        raise RefusedError(problem, "string_above_max_length")
    return Text(text)
