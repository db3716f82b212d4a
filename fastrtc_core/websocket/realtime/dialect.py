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

from ...errors import ConcurrencyLimitError, MessageError, OfferError, UnavailableError
from ...frames import AudioFrame
from ...media.converter import Converter
from ...messages import build_message, parse_server_message
from ..dialect import Discard, Event, Interrupt, Later, Media, Reply, Several, Text, load
from .conversation import Conversation
from .settings import SAMPLE_RATE, Settings

PAUSE = 0.5
"""Time in s without audio after which a response is over whose end nobody tells."""

BACKLOG = 300.0
"""Audio in s that may wait for the handler: a long push-to-talk, or a file, may come at once."""


class RealtimeDialect:
    """One session.

    Args:
        id: Of the session.
        params: What the client asked for in the address of the socket, `model` for example.
    """

    output_sample_rate = SAMPLE_RATE
    num_channels = 1
    pause: float | None = PAUSE
    asks = False
    backlog = BACKLOG

    def __init__(self, id: str, params: Mapping[str, Any]) -> None:
        self._settings = Settings(id, str(params.get("model", "")))
        self._conversation = Conversation()
        self._converter = Converter(self._settings.output.sample_rate, self.num_channels)
        self._heard = 0.0
        """Audio in s that came in."""
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
        return self._conversation.audio(self._encode(self._converter.push(frame)))

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
            return self._progress(data)
        if type == "transcript" and isinstance(data, dict) and data.get("final"):
            said = str(data.get("text", ""))
            if data.get("role") == "assistant":
                return conversation.bot_transcript(said)
            return conversation.user_transcript(said)
        if type == "error":
            return [conversation.error(str(data), kind="server_error", code="handler_error")]
        if type == "end_stream":
            return [*self._end_response(), text]
        if type == "message" and isinstance(data, dict) and isinstance(data.get("type"), str):
            return [conversation.custom(data)]  # the handler speaks the protocol
        if type in ("interrupted", "transcript", "fetch_output"):
            return ()  # told by other events, or for the application
        return [text]  # clients ignore what they do not know

    # From the client

    def parse(self, data: str | bytes) -> Event:
        """Read what the client sent; what is wrong with it is answered by an `error`.

        Raises:
            MessageError: If it is no JSON object.
        """
        message = load(data)
        answer = self._answers.get(str(message.get("type")))
        try:
            if answer is None:
                raise MessageError(f"unknown event {str(message.get('type'))[:60]!r}")
            return answer(message)
        except MessageError as error:
            return self._refuse(message, str(error), "invalid_value")

    def _update(self, message: dict[str, Any]) -> Event:
        self._settings.update(message.get("session"))
        if not self._settings.manual:
            self._held = False
        updated = self._conversation.event("session.updated", session=self._settings.described())
        return Several((_to_handler(message), Reply(updated)))

    def _append(self, message: dict[str, Any]) -> Event:
        audio = message.get("audio")
        if not isinstance(audio, str):
            raise MessageError("audio must be a text in base64")
        try:
            data = base64.b64decode(audio, validate=True)
        except (binascii.Error, ValueError):
            raise MessageError("audio is not base64") from None
        samples = self._settings.input.codec.decode(data)
        frame = AudioFrame(self.input_sample_rate, samples)
        self._heard += frame.duration
        if not self._settings.manual or self._held:
            return Media(frame)
        self._held = True
        return Several((_command("push_to_talk", on=True), Media(frame)))

    def _commit(self, message: dict[str, Any]) -> Event:
        return _replies(self._conversation.commit())

    def _discard(self, message: dict[str, Any]) -> Event:
        events = self._conversation.discard()
        return Several((Discard(), Later(_command("forget")), _replies(events)))

    def _clear_output(self, message: dict[str, Any]) -> Event:
        cleared = self._conversation.event("output_audio_buffer.cleared")
        return Several((Interrupt(), Reply(cleared)))

    def _respond(self, message: dict[str, Any]) -> Event:
        if self._conversation.responding:
            problem = "there is a response already; wait for its end, or cancel it"
            return self._refuse(message, problem, "conversation_already_has_active_response")
        self._held = False
        return Later(_command("respond", response=message.get("response")))

    def _cancel(self, message: dict[str, Any]) -> Event:
        if not self._conversation.responding:
            return self._refuse(message, "there is no response", "response_cancel_not_active")
        self._cancelled = True
        return Interrupt()

    def _create_item(self, message: dict[str, Any]) -> Event:
        item = message.get("item")
        if not isinstance(item, dict):
            raise MessageError("item must be an object")
        text = _text_of_user(item)
        to_handler = (
            _to_handler(message) if text is None else _command("text", text=text, respond=False)
        )
        return Several((Later(to_handler), _replies(self._conversation.add_item(item))))

    def _retrieve_item(self, message: dict[str, Any]) -> Event:
        item = self._known(message)
        return Reply(self._conversation.event("conversation.item.retrieved", item=item))

    def _delete_item(self, message: dict[str, Any]) -> Event:
        id = self._known(message)["id"]
        self._conversation.delete_item(id)
        deleted = self._conversation.event("conversation.item.deleted", item_id=id)
        return Several((_to_handler(message), Reply(deleted)))

    def _truncate_item(self, message: dict[str, Any]) -> Event:
        id = self._known(message)["id"]
        end = message.get("audio_end_ms")
        if not isinstance(end, int) or end < 0:
            raise MessageError("audio_end_ms must be a number of ms")
        truncated = self._conversation.event(
            "conversation.item.truncated", item_id=id, content_index=0, audio_end_ms=end
        )
        return Several((_to_handler(message), Reply(truncated)))

    def _known(self, message: dict[str, Any]) -> dict[str, Any]:
        item = self._conversation.item(message.get("item_id"))
        if item is None:
            raise MessageError(f"there is no item {str(message.get('item_id'))[:60]!r}")
        return item

    def _progress(self, event: Any) -> Sequence[str]:
        conversation, now = self._conversation, round(1000 * self._heard)
        if event == "response_starting":
            self._cancelled = False
            return conversation.begin_response(is_speech=True)
        if event == "response_done":
            return self._end_response()
        if event == "started_talking" and not self._settings.manual:
            return conversation.speech_started(now)
        if event == "pause_detected" and not self._settings.manual:
            return conversation.speech_stopped(now)
        return ()

    def _end_response(self) -> list[str]:
        """With what the resampler holds back of it."""
        rest = self._converter.flush()
        events = []
        if self._conversation.responding and rest.shape[1]:
            events = self._conversation.audio(self._encode(rest))
        return events + self._conversation.end_response()

    def _encode(self, data: NDArray[np.int16]) -> bytes:
        return self._settings.output.codec.encode(data)

    def _refuse(self, message: dict[str, Any], problem: str, code: str) -> Event:
        asked = message.get("event_id")
        return Reply(self._conversation.error(problem, code=code, asked=asked))


def refusal(error: OfferError) -> str:
    """The event that tells a client why it gets no session."""
    later = isinstance(error, (ConcurrencyLimitError, UnavailableError))
    kind = "server_error" if later else "invalid_request_error"
    return Conversation().error(str(error), kind=kind, code=error.code)


def _replies(events: list[str]) -> Event:
    return Several(tuple(Reply(event) for event in events))


def _command(command: str, **fields: Any) -> Event:
    return Text(build_message("message", {"command": command, **fields}))


def _to_handler(message: dict[str, Any]) -> Event:
    return Text(build_message("message", message))


def _text_of_user(item: dict[str, Any]) -> str | None:
    """What the user typed, if the item is that and nothing else."""
    content = item.get("content")
    if item.get("type") != "message" or item.get("role") != "user":
        return None
    if not isinstance(content, list) or not all(
        isinstance(part, dict) and part.get("type") == "input_text" for part in content
    ):
        return None
    return " ".join(str(part.get("text", "")) for part in content)
