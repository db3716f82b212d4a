"""One connection to a server, as cheap as it can be made.

Signalling, ICE and DTLS are aiortc's. What flows then does not go through aiortc: packets are made
from a template, protected, and given to the socket, and what comes back is taken from the socket.
So the load costs a fraction of what it loads, and waits for nothing of its own.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
import time
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import pylibsrtp
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from .markers import REST, SILENCE, Listener, Script
from .network import Loss, NoLoss

CONNECT_TIMEOUT = 20.0
"""How long in s a connection may take to stand."""

_MID_EXTENSION = "urn:ietf:params:rtp-hdrext:sdes:mid"


class Sent(NamedTuple):
    """A marker that was sent, or lost on the way: when, in s, and with which number."""

    time: float
    marker: int
    lost: bool


class Echo(NamedTuple):
    """A marker that came back: when it was sent, in s, and how long its sound took."""

    sent: float
    latency: float


class Connection:
    """One connection.

    Args:
        url: Where the server is.
        script: What is said on it.
        params: What the offer says beside the SDP.

    Attributes:
        source: Whose markers are heard on it: its own, that come back, or those of another one.
    """

    def __init__(self, url: str, script: Script, params: dict[str, Any] | None = None) -> None:
        self.id = uuid.uuid4().hex
        self.source = self
        self.loss: Loss = NoLoss()
        self.sent: list[float] = []
        self.received: list[float] = []
        self.markers: list[Sent] = []
        self.echoes: list[Echo] = []
        self.offered = 0.0
        self._url = url
        self._script = script
        self._params = params or {}
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._listener = Listener()
        self._connected = asyncio.Event()
        self._send: Callable[[bytes], None] | None = None
        self._header = b""
        self._number = self._sequence = 0

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionError: If the server refuses, or no connection comes to stand.
        """
        self._pc.addTrack(_Silence())
        self._pc.createDataChannel("text").on("message", lambda _text: None)
        self._pc.on("connectionstatechange", self._note_state)
        await self._pc.setLocalDescription()
        self._take_from_sockets()
        self.offered = time.perf_counter()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                answer = await asyncio.to_thread(self._post, self._pc.localDescription.sdp)
                await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
                await self._connected.wait()
        except (OSError, TimeoutError, KeyError, ValueError) as error:
            await self._pc.close()
            raise ConnectionError(f"no connection: {error!r}") from error
        self._prepare_sending(answer)

    async def close(self) -> None:
        """Hang up."""
        self._send = None
        await self._pc.close()

    def send(self) -> None:
        """Send the next packet of the script, if the network does not lose it."""
        if self._send is None:
            return
        number, self._number = self._number, self._number + 1
        payload = self._script.packets[number % len(self._script.packets)]
        if not payload:
            return
        sequence, self._sequence = self._sequence, self._sequence + 1
        lost = self.loss.drops()
        now = time.perf_counter()
        if not lost:
            # The header of RFC 3550 section 5.1 and, in the rest, what does not change.
            header = struct.pack("!BBHI", 0x90, self._kind, sequence & 0xFFFF, number * 960)
            self._send(header + self._header + payload)
        self.sent.append(now)
        marker = self._script.marker_in(number)
        if marker is not None:
            self.markers.append(Sent(now, marker, lost))

    def delivered(self, start: float, end: float) -> float:
        """Packets that came back for each one sent between two times."""
        return self.heard(start, end) / max(1, _within(self.sent, start, end))

    def heard(self, start: float, end: float) -> int:
        """Packets that came between two times."""
        return _within(self.received, start, end)

    def latencies(self, start: float, end: float) -> tuple[list[float], int]:
        """Latencies in s of the markers sent between two times; and how many did not come back.

        A marker that the network lost on its way to the server counts in neither.
        """
        latencies = [echo.latency for echo in self.echoes if start <= echo.sent < end]
        markers = self.source.markers
        arrived = sum(start <= sent.time < end and not sent.lost for sent in markers)
        return latencies, max(0, arrived - len(latencies))

    def _post(self, sdp: str) -> str:
        body = {"sdp": sdp, "type": "offer", "webrtc_id": self.id, "params": self._params}
        request = urllib.request.Request(
            f"{self._url}/webrtc/offer",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT) as response:
            answer: str = json.load(response)["sdp"]
        return answer

    def _note_state(self) -> None:
        if self._pc.connectionState == "connected":
            self._connected.set()

    # What follows knows how aiortc and aioice are made inside.

    @property
    def _dtls(self) -> Any:
        return self._pc.getSenders()[0].transport

    def _prepare_sending(self, answer: str) -> None:
        (pair,) = self._dtls.transport._connection._nominated.values()
        transport, address = pair.protocol.transport, pair.remote_addr
        protect = self._dtls._tx_srtp.protect
        self._send = lambda packet: transport.sendto(protect(packet), address)
        audio = answer[answer.index("m=audio") :]
        self._kind = int(audio.split()[3])
        if self._script is SILENCE and "usedtx=1" in audio:
            self._script = REST
        mid = re.search(r"a=mid:(\S+)", audio)
        extension = re.search(rf"a=extmap:(\d+)\S* {_MID_EXTENSION}", audio)
        # The header extension that names the track, as browsers send it (RFC 8285, RFC 8843).
        data = b""
        if mid is not None and extension is not None:
            name = mid[1].encode()
            data = bytes([int(extension[1]) << 4 | len(name) - 1]) + name
        data += bytes(-len(data) % 4)
        ssrc = self._pc.getSenders()[0]._ssrc
        self._header = struct.pack("!IHH", ssrc, 0xBEDE, len(data) // 4) + data

    def _take_from_sockets(self) -> None:
        for protocol in self._dtls.transport._connection._protocols:
            protocol.datagram_received = self._taker(protocol.datagram_received)

    def _taker(self, others: Callable[[bytes, Any], None]) -> Callable[[bytes, Any], None]:
        dtls = self._dtls

        def take(data: bytes, address: Any) -> None:
            # RTP, and no RTCP, by the first two bytes (RFC 7983 section 7, RFC 5761 section 4).
            is_rtp = len(data) > 12 and 128 <= data[0] < 192 and not 192 <= data[1] < 224
            srtp: pylibsrtp.Session | None = getattr(dtls, "_rx_srtp", None)
            if not is_rtp or srtp is None:
                others(data, address)
                return
            arrival = time.perf_counter()
            try:
                packet = srtp.unprotect(data)
            except pylibsrtp.Error:
                return
            self._take(packet, arrival)

        return take

    def _take(self, packet: bytes, arrival: float) -> None:
        self.received.append(arrival)
        start = 12 + 4 * (packet[0] & 0x0F)
        if packet[0] & 0x10:
            start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
        heard = self._listener.hear(packet[start:], arrival) if len(packet) > start else None
        if heard is None:
            return
        source = self.source
        if heard.marker >= len(source._script.onsets):
            return
        onset = source._script.onsets[heard.marker]
        for sent in reversed(source.markers):
            if sent.marker == heard.marker and sent.time <= heard.time:
                self.echoes.append(Echo(sent.time, heard.time - sent.time - onset))
                break


class _Silence(MediaStreamTrack):
    """A track that never has anything to send: packets pass it by."""

    kind = "audio"

    async def recv(self) -> Any:
        await asyncio.get_running_loop().create_future()


def _within(times: list[float], start: float, end: float) -> int:
    return sum(start <= time < end for time in times)
