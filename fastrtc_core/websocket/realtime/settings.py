"""What a client sets with `session.update`, and what of it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...errors import MessageError
from ..codecs import ALaw, Codec, MuLaw, Pcm16

SAMPLE_RATE = 24000
"""Rate of PCM in Hz, unless another is asked for."""

_G711_RATE = 8000
_RATES = range(8000, 48001)


class Format(NamedTuple):
    """How audio is written in one direction.

    Attributes:
        codec: A codec of its own.
        sample_rate: In Hz.
        described: The same in the words of the API.
    """

    codec: Codec
    sample_rate: int
    described: dict[str, Any]


def parse_format(described: Any) -> Format:
    """Read a format, such as `{"type": "audio/pcm", "rate": 24000}`.

    Raises:
        MessageError: If there is none such.
    """
    if not isinstance(described, dict):
        raise MessageError("a format must be an object, such as {'type': 'audio/pcm'}")
    kind = described.get("type")
    if kind == "audio/pcm":
        rate = described.get("rate", SAMPLE_RATE)
        if not isinstance(rate, int) or rate not in _RATES:
            raise MessageError(f"the rate must be {_RATES[0]} to {_RATES[-1]} Hz")
        return Format(Pcm16(), rate, {"type": kind, "rate": rate})
    if kind == "audio/pcmu":
        return Format(MuLaw(), _G711_RATE, {"type": kind})
    if kind == "audio/pcma":
        return Format(ALaw(), _G711_RATE, {"type": kind})
    raise MessageError("the type of a format is audio/pcm, audio/pcmu or audio/pcma")


class Settings:
    """The session object of the API.

    Args:
        id: Of the session.
        model: What the client asked for as its model; a handler may choose by it.
    """

    def __init__(self, id: str, model: str) -> None:
        self.input = parse_format({"type": "audio/pcm"})
        self.output = parse_format({"type": "audio/pcm"})
        self.manual = False
        """Whether the client says when a turn is over."""
        self._fields: dict[str, Any] = {}
        self._audio: dict[str, dict[str, Any]] = {"input": {}, "output": {}}
        self._fixed = {"id": id, "object": "realtime.session", "type": "realtime", "model": model}

    def described(self) -> dict[str, Any]:
        """What holds, in the words of the API."""
        turns = None
        if not self.manual:
            wished = self._audio["input"].get("turn_detection")
            # The handler detects turns and answers them; it cannot be told to do half of that.
            decided = {"create_response": True, "interrupt_response": True}
            turns = {"type": "server_vad", **(wished or {}), **decided}
        return {
            "output_modalities": ["audio"],
            **self._fields,
            "audio": {
                "input": {
                    **self._audio["input"],
                    "format": self.input.described,
                    "turn_detection": turns,
                },
                "output": {**self._audio["output"], "format": self.output.described},
            },
            **self._fixed,
        }

    def update(self, wished: Any) -> None:
        """Take what a client wishes; all of it or, where something is wrong, nothing.

        Raises:
            MessageError: If something cannot be had.
        """
        if not isinstance(wished, dict):
            raise MessageError("session must be an object")
        if wished.get("type", "realtime") != "realtime":
            raise MessageError("the type of a session must be 'realtime'")
        if wished.get("output_modalities", ["audio"]) != ["audio"]:
            raise MessageError("output_modalities must be ['audio']; transcripts come with it")
        audio = _object(wished, "audio")
        sides = {side: _object(audio, side) for side in self._audio}
        formats = {
            side: parse_format(given["format"])
            for side, given in sides.items()
            if given.get("format") is not None
        }
        turns = sides["input"].get("turn_detection")
        if turns is not None and not isinstance(turns, dict):
            raise MessageError("turn_detection must be an object or null")
        # Nothing below fails.
        self.input = formats.get("input", self.input)
        self.output = formats.get("output", self.output)
        if "turn_detection" in sides["input"]:
            self.manual = turns is None
        for side, given in sides.items():
            self._audio[side].update(given)
        self._fields.update({key: value for key, value in wished.items() if key != "audio"})


def _object(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = fields.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MessageError(f"{key} must be an object")
    return value
