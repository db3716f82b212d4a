"""Whom a member of this process hears, each user before mixing."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ConfigurationError
from ..tracks import AudioStream, Participant
from .options import RtcOptions


class Subscriptions:
    """The audio streams of a member, by the uid of who is heard.

    Args:
        options: The format of what is heard.
        note: Called with a uid, and whether it is subscribed now.
    """

    def __init__(self, options: RtcOptions, note: Callable[[int, bool], None]) -> None:
        self._options = options
        self._note = note
        self._streams: dict[int, AudioStream] = {}

    def open(self, uid: int, participant: Participant) -> AudioStream:
        """Hear a user; idempotent."""
        if uid not in self._streams:
            self._streams[uid] = AudioStream.from_participant(
                participant=participant,
                sample_rate=self._options.sample_rate,
                num_channels=self._options.channels,
            )
            self._note(uid, True)
        return self._streams[uid]

    def __getitem__(self, uid: int) -> AudioStream:
        """What is heard of a user.

        Raises:
            ConfigurationError: If it is not subscribed.
        """
        if uid not in self._streams:
            raise ConfigurationError(f"the audio of user {uid} is not subscribed")
        return self._streams[uid]

    def let_go(self, uid: int) -> None:
        """A user has left: its stream has ended, and what waits in it can still be read."""
        if self._streams.pop(uid, None) is not None:
            self._note(uid, False)

    async def end(self, uid: int) -> None:
        """Hear a user no longer; idempotent."""
        stream = self._streams.pop(uid, None)
        if stream is not None:
            await stream.aclose()
            self._note(uid, False)

    async def aclose(self) -> None:
        """Hear nobody."""
        for uid in tuple(self._streams):
            await self.end(uid)
