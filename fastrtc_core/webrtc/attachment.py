"""One of the connections that a session has, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..session import SOURCES, CloseReason, MessageChannel, Session
from ..tracks import LocalAudioTrack, LocalVideoTrack, RemoteAudioTrack, RemoteVideoTrack
from .datachannel import DataChannel
from .flows import Flows


class Attachment:
    """What a peer connects of a session whose client may come back; see `Endpoint`.

    Args:
        session: The session.
        flows: What flows on this connection.
        lost: Called when the connection has ended.

    Attributes:
        detached: Set once nothing of the session flows over the connection any more, and never
            will.
    """

    def __init__(
        self, session: Session, flows: Flows, lost: Callable[[Attachment, CloseReason], None]
    ) -> None:
        self.detached = asyncio.Event()
        self._session = session
        self._flows = flows
        self._lost = lost
        self._channel: MessageChannel | None = None
        self._over = asyncio.Event()

    @property
    def over(self) -> bool:
        """Whether it has ended: what comes over the connection now is for nobody."""
        return self._over.is_set()

    async def ended(self) -> None:
        """Wait for its end."""
        await self._over.wait()

    def begin_missing(self) -> None:
        """Have the session get and send what flows here, and did not on the connection before."""
        session, media = self._session, self._session.media
        remote = {"audio": session.remote_audio, "video": session.remote_video}
        for medium in sorted(self._flows.receives):
            track = remote[medium]
            if track is None or track.ended:  # a page that goes ends its camera
                media.end_receiving(medium)
                session.add_track(SOURCES[medium], media.begin_receiving(medium))
        local = {"audio": session.local_audio, "video": session.local_video}
        for medium in sorted(self._flows.sends):
            if local[medium] is None:
                session.begin_sending(medium)

    def end(self, farewell: str = "") -> None:
        """Let the session go; idempotent.

        Args:
            farewell: What the client is told of why, if it still listens.
        """
        if self.over:
            return
        self._over.set()
        if (channel := self._channel) is not None:
            unsent = channel.undelivered() if isinstance(channel, DataChannel) else []
            if farewell:
                self._session.reporter.tell("closing", farewell)
            self._session.lose_channel(channel, unsent)

    # The endpoint of a peer

    @property
    def remote_audio(self) -> RemoteAudioTrack | None:
        """Where incoming audio goes."""
        return self._session.remote_audio if "audio" in self._flows.receives else None

    @property
    def remote_video(self) -> RemoteVideoTrack | None:
        """Where incoming video goes."""
        return self._session.remote_video if "video" in self._flows.receives else None

    @property
    def local_audio(self) -> LocalAudioTrack | None:
        """Where outgoing audio comes from."""
        return self._session.local_audio if "audio" in self._flows.sends else None

    @property
    def local_video(self) -> LocalVideoTrack | None:
        """Where outgoing video comes from."""
        return self._session.local_video if "video" in self._flows.sends else None

    def open_channel(self, channel: MessageChannel) -> None:
        """Give the session its message channel."""
        if not self.over:
            self._channel = channel
            if isinstance(channel, DataChannel):
                channel.keep()
            self._session.open_channel(channel)

    def take_message(self, text: str | bytes) -> None:
        """Hand the session a message of the client."""
        if not self.over:
            self._session.take_message(text)

    def stop(self, reason: CloseReason) -> None:
        """Note that the connection has ended."""
        if not self.over:
            self._lost(self, reason)

    async def stopped(self) -> None:
        """Wait until it has ended, or the session was told to end."""
        either = [
            asyncio.ensure_future(self._over.wait()),
            asyncio.ensure_future(self._session.stopped()),
        ]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in either:
                one.cancel()
