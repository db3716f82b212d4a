"""Who may not send messages may still answer the streams that it is sent, and nothing else."""

from __future__ import annotations

from collections import OrderedDict

from ...errors import MessageError
from .packets import Ack, Header, Refusal, decode, encode

CAPACITY = 256
"""Streams that are remembered; then the oldest are not."""


class Answering:
    """Remembers the streams that a member was sent."""

    def __init__(self) -> None:
        self._streams: OrderedDict[tuple[int, str], None] = OrderedDict()

    def __len__(self) -> int:
        """How many streams it knows."""
        return len(self._streams)

    def note(self, sender: int, text: str) -> None:
        """Somebody has sent it a packet."""
        try:
            packet = decode(text)
        except MessageError:
            return
        if isinstance(packet, Header):
            self._streams[sender, packet.stream] = None
            if len(self._streams) > CAPACITY:
                self._streams.popitem(last=False)

    def answer(self, to: int, text: str) -> str | None:
        """What may be carried of an answer: no words of its own; `None` if it is none."""
        try:
            packet = decode(text)
        except MessageError:
            return None
        if not isinstance(packet, Ack | Refusal) or (to, packet.stream) not in self._streams:
            return None
        return encode(packet if isinstance(packet, Ack) else packet._replace(reason="refused"))
