"""One layer of incoming video: from packets to whole pictures, with what is lost asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..media.lost_packets import LostPackets
from ..media.video_frames import EncodedVideoFrame, FrameAssembler, is_keyframe, is_sound
from .internals import VideoPacket, VideoTap
from .keyframes import KeyframeRequests


class IncomingLayer:
    """Receives the packets of one layer, which for most cameras is the only one.

    Args:
        name: Its `rid`; empty if it is the only one.
        tap: Where its packets come from, and of which more may be asked.
        hand_on: Gets each picture, the first of which is a keyframe, as is the first after a loss.
        run: Runs a coroutine for as long as the connection stands.

    Attributes:
        incomplete: Pictures that were dropped, for something that they need is lost.
        keyframes: Asks for keyframes.
    """

    def __init__(
        self,
        name: str,
        tap: VideoTap,
        hand_on: Callable[[EncodedVideoFrame], None],
        run: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.incomplete = 0
        self.keyframes = KeyframeRequests(lambda: run(tap.request_keyframe(name)))
        self._name = name
        self._tap = tap
        self._hand_on = hand_on
        self._run = run
        self._lost = LostPackets()
        self._assembler = FrameAssembler()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._broken = True
        """Whether nothing can be decoded before the next keyframe."""
        self._source: int | None = None

    def take(self, packet: VideoPacket) -> None:
        """Take a packet as it comes from the network; with another source, all begins anew."""
        if self._source not in (None, packet.ssrc):
            self.begin_anew()  # its numbers have nothing to do with those before
        self._source = packet.ssrc
        now = self._loop.time()
        if missing := self._lost.push(packet.sequence_number, now):
            self._run(self._tap.request_packets(missing, self._name))
        beginning = is_keyframe(packet.codec, packet.data)
        for whole in self._assembler.push(
            packet.sequence_number, packet.timestamp, packet.marker, packet.data, now, beginning
        ):
            sound = is_sound(packet.codec, whole.data)
            keyframe = sound and is_keyframe(packet.codec, whole.data)
            self._broken = (self._broken or whole.after_gap or not sound) and not keyframe
            if self._broken:
                self.incomplete += 1
                self.keyframes.request()
                continue
            if keyframe:
                self.keyframes.satisfy()
            self._hand_on(
                EncodedVideoFrame(packet.codec, whole.data, whole.timestamp, keyframe, self._name)
            )
        if self._lost:
            self._repair(now)

    def begin_anew(self) -> None:
        """Forget what has come."""
        self._assembler, self._lost, self._broken = FrameAssembler(), LostPackets(), True

    def close(self) -> None:
        """Ask for nothing more; idempotent."""
        self.keyframes.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _repair(self, now: float) -> None:
        """Ask once more for what is missing, when it is time, or for a keyframe in its place."""
        if self._assembler.due is None:
            return  # all began anew after the timer was set
        self._lost.forget(self._assembler.due)
        if again := self._lost.due(now):
            self._run(self._tap.request_packets(again, self._name))
        if self._lost.hopeless(now):
            self.keyframes.request()
        if self._timer is None and (deadline := self._lost.deadline) is not None:
            self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        self._repair(self._loop.time())
