"""What a client sets with `session.update`, and what of it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import ConfigurationError
from ..websocket.codecs import ALaw, Codec, MuLaw, Pcm16
from .checks import (
    RefusedError,
    check_known,
    check_range,
    check_type,
    optional_object,
    required,
    unsupported,
)

SAMPLE_RATE = 24000
"""Rate of PCM in Hz, unless another is asked for."""

_G711_RATE = 8000
_RATES = (8000, 48000)

FOR_HANDLER = frozenset(
    [
        "include",
        "instructions",
        "max_output_tokens",
        "parallel_tool_calls",
        "prompt",
        "reasoning",
        "tool_choice",
        "tools",
        "tracing",
        "truncation",
    ]
)
"""Fields of a session that are for whoever has a language model: the handler."""

_SESSION = FOR_HANDLER | {"type", "model", "output_modalities", "audio"}
_INPUT_FOR_HANDLER = frozenset({"noise_reduction", "transcription"})
_INPUT = _INPUT_FOR_HANDLER | {"format", "turn_detection"}
_OUTPUT_FOR_HANDLER = frozenset({"speed", "voice"})
_OUTPUT = _OUTPUT_FOR_HANDLER | {"format"}
_SIDES = {
    "input": (_INPUT, _INPUT_FOR_HANDLER),
    "output": (_OUTPUT, _OUTPUT_FOR_HANDLER),
}
"""All fields of each direction, and those that are for the handler."""

_TURNS = frozenset(
    [
        "type",
        "threshold",
        "prefix_padding_ms",
        "silence_duration_ms",
        "idle_timeout_ms",
        "create_response",
        "interrupt_response",
        "eagerness",
    ]
)

_TURNS_PATH = "session.audio.input.turn_detection"

_MILLISECONDS = {
    "silence_duration_ms": ("silence", 100, 10_000),
    "prefix_padding_ms": ("pre_roll", 0, 5_000),
}
"""What handlers call it, and its bounds."""


class AudioFormat(NamedTuple):
    """How audio is written in one direction.

    Attributes:
        codec: A codec of its own.
        sample_rate: In Hz.
        described: The same in the words of the API.
    """

    codec: Codec
    sample_rate: int
    described: dict[str, Any]


def parse_format(described: Any, path: str) -> AudioFormat:
    """Read a format, such as `{"type": "audio/pcm", "rate": 24000}`.

    Raises:
        RefusedError: If there is none such.
    """
    check_type(described, dict, path)
    check_known(described, {"type", "rate"}, path)
    kind = required(described, "type", str, path)
    if kind == "audio/pcm":
        rate = described.get("rate") or SAMPLE_RATE
        check_type(rate, int, f"{path}.rate")
        check_range(rate, *_RATES, f"{path}.rate")
        return AudioFormat(Pcm16(), rate, {"type": kind, "rate": rate})
    if kind in ("audio/pcmu", "audio/pcma"):
        rate = described.get("rate", _G711_RATE)
        if rate not in (None, _G711_RATE):
            raise unsupported(f"{path}.rate", f"G.711 has {_G711_RATE} Hz.")
        codec = MuLaw() if kind == "audio/pcmu" else ALaw()
        return AudioFormat(codec, _G711_RATE, {"type": kind})
    message = f"Invalid value: '{kind[:40]}'. Supported are audio/pcm, audio/pcmu or audio/pcma."
    raise RefusedError(message, "invalid_value", f"{path}.type")


class RealtimeSettings:
    """The session object of the API.

    Args:
        id: Of the session.
        model: What the client asked for as its model; a handler may choose by it.
        listens: Whether the handler takes messages: then what is for a language model is its own.
        tune: Sets how the handler detects turns, see `StreamHandlerBase.tune_turns`.
    """

    def __init__(
        self, id: str, model: str, *, listens: bool, tune: Callable[..., dict[str, float]]
    ) -> None:
        self.input = parse_format({"type": "audio/pcm"}, "")
        self.output = parse_format({"type": "audio/pcm"}, "")
        self.manual = False
        """Whether the client says when a turn is over."""
        self._listens = listens
        self._tune = tune
        self._fields: dict[str, Any] = {}
        self._audio: dict[str, dict[str, Any]] = {"input": {}, "output": {}}
        self._fixed = {"id": id, "object": "realtime.session", "type": "realtime", "model": model}

    def described(self) -> dict[str, Any]:
        """What holds, in the words of the API."""
        return {
            "output_modalities": ["audio"],
            **self._fields,
            "audio": {
                "input": {
                    **self._audio["input"],
                    "format": self.input.described,
                    "turn_detection": None if self.manual else self._turns(),
                },
                "output": {**self._audio["output"], "format": self.output.described},
            },
            **self._fixed,
        }

    def prefix(self) -> float:
        """Audio in s that belongs to a turn before its speech."""
        return self._tune().get("pre_roll", 0.0)

    def update(self, wished: dict[str, Any]) -> None:
        """Take what a client wishes; all of it or, where something is wrong, nothing.

        Raises:
            RefusedError: If something cannot be had.
        """
        self._check_session(wished)
        audio = optional_object(wished, "audio", "session")
        check_known(audio, set(_SIDES), "session.audio")
        sides = {}
        for side, (known, for_handler) in _SIDES.items():
            path = f"session.audio.{side}"
            sides[side] = given = optional_object(audio, side, "session.audio")
            check_known(given, known, path)
            self._check_heard(given, for_handler, path)
        formats = {
            side: self._format(getattr(self, side), given["format"], side)
            for side, given in sides.items()
            if given.get("format") is not None
        }
        if sides["input"].get("turn_detection") is not None:
            self._take_turns(sides["input"]["turn_detection"])
        # Nothing below fails.
        self.input = formats.get("input", self.input)
        self.output = formats.get("output", self.output)
        if "turn_detection" in sides["input"]:
            self.manual = sides["input"]["turn_detection"] is None
        for side, (_, for_handler) in _SIDES.items():
            self._audio[side].update(_only(sides[side], for_handler))
        self._fields.update(_only(wished, FOR_HANDLER))

    def check_output(self, format: Any, path: str) -> None:
        """Check that a response is to have the format of the session.

        Raises:
            RefusedError: If not.
        """
        if parse_format(format, path).described != self.output.described:
            raise unsupported(path, "The format is that of the session; use session.update.")

    def _check_session(self, wished: dict[str, Any]) -> None:
        check_known(wished, _SESSION, "session")
        if wished.get("type", "realtime") != "realtime":
            raise unsupported("session.type", "It is 'realtime'.")
        model = self._fixed["model"]
        if wished.get("model", model) != model:
            raise unsupported("session.model", "It stands in the address and cannot be changed.")
        check_modalities(wished, "session")
        self._check_heard(wished, FOR_HANDLER, "session")

    def _check_heard(self, fields: dict[str, Any], for_handler: frozenset[str], path: str) -> None:
        """Check that somebody reads the fields that are for the handler."""
        for name in fields:
            if name in for_handler and fields[name] is not None and not self._listens:
                param = f"{path}.{name}"
                message = f"Unsupported parameter: '{param}'. This handler takes no messages."
                raise RefusedError(message, "unsupported_parameter", param)

    def _format(self, now: AudioFormat, wished: Any, side: str) -> AudioFormat:
        """The format that is asked for; one that does not change keeps its half sample."""
        format = parse_format(wished, f"session.audio.{side}.format")
        return now if format.described == now.described else format

    def _turns(self) -> dict[str, Any]:
        holds = self._tune()
        turns: dict[str, Any] = {"type": "server_vad"}
        if "threshold" in holds:
            turns["threshold"] = holds["threshold"]
        for field, (name, _, _) in _MILLISECONDS.items():
            if name in holds:
                turns[field] = round(1000 * holds[name])
        # The handler detects turns and answers them; it cannot be told to do half of that.
        return {**turns, "create_response": True, "interrupt_response": True}

    def _take_turns(self, wished: Any) -> None:
        path = _TURNS_PATH
        check_type(wished, dict, path)
        check_known(wished, _TURNS, path)
        kind = required(wished, "type", str, path)
        if kind == "semantic_vad":
            raise unsupported(f"{path}.type", "It is 'server_vad', or turn_detection is null.")
        if kind != "server_vad":
            message = f"Invalid value: '{kind[:40]}'. Supported is 'server_vad'."
            raise RefusedError(message, "invalid_value", f"{path}.type")
        for name in ("idle_timeout_ms", "eagerness"):
            if wished.get(name) is not None:
                raise unsupported(f"{path}.{name}", "There is none here.")
        for name in ("create_response", "interrupt_response"):
            if wished.get(name, True) is not True:
                what = "It is true: the handler answers and is interrupted."
                raise unsupported(f"{path}.{name}", what)
        self._tune_turns(wished)

    def _tune_turns(self, wished: dict[str, Any]) -> None:
        changes: dict[str, float] = {}
        supported = self._tune()
        for field, (name, least, most) in _MILLISECONDS.items():
            if wished.get(field) is not None:
                _check_supported(field, name, supported)
                check_type(wished[field], int, f"{_TURNS_PATH}.{field}")
                check_range(wished[field], least, most, f"{_TURNS_PATH}.{field}")
                changes[name] = wished[field] / 1000
        if (threshold := wished.get("threshold")) is not None:
            _check_supported("threshold", "threshold", supported)
            check_type(threshold, float, f"{_TURNS_PATH}.threshold")
            check_range(threshold, 0.01, 1.0, f"{_TURNS_PATH}.threshold")
            changes["threshold"] = threshold
        try:
            self._tune(**changes)
        except ConfigurationError as error:
            raise RefusedError(str(error), "invalid_value", _TURNS_PATH) from None


def check_modalities(fields: dict[str, Any], path: str) -> None:
    """Check that audio is asked for.

    Raises:
        RefusedError: If text alone is.
    """
    if fields.get("output_modalities") not in (None, ["audio"]):
        what = "It is ['audio']; transcripts come with it."
        raise unsupported(f"{path}.output_modalities", what)


def _check_supported(field: str, name: str, supported: dict[str, float]) -> None:
    if name not in supported:
        param = f"{_TURNS_PATH}.{field}"
        message = f"Unsupported parameter: '{param}'. This handler cannot set it."
        raise RefusedError(message, "unsupported_parameter", param)


def _only(fields: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in names}
