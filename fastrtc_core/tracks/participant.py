"""`Participant`: somebody who publishes tracks, each under the name of what it shows."""

from __future__ import annotations

from typing import Any, Literal, get_args

from ..errors import ConfigurationError
from .track import Reader, Track

TrackSource = Literal["microphone", "camera", "screen_share", "screen_share_audio"]
"""What a track shows."""


class Participant:
    """Somebody with tracks, which come and go.

    Args:
        identity: Who it is.
        name: What it is called; its identity by default.
    """

    def __init__(self, identity: str, name: str = "") -> None:
        self.identity = identity
        self.name = name or identity
        self._publications = {source: Publication() for source in get_args(TrackSource)}

    @property
    def tracks(self) -> dict[TrackSource, Track[Any]]:
        """What is published."""
        published = {source: one.track for source, one in self._publications.items()}
        return {source: track for source, track in published.items() if track is not None}

    def publish(self, source: TrackSource, track: Track[Any]) -> None:
        """Publish a track in place of what was published as this; its streams go on with it.

        Raises:
            ConfigurationError: If it is of the wrong kind, or the participant has left.
        """
        kind = "video" if source in ("camera", "screen_share") else "audio"
        if track.kind != kind:
            raise ConfigurationError(f"a {source} is a track of {kind}, not of {track.kind}")
        self.publication(source).show(track)

    def unpublish(self, source: TrackSource) -> None:
        """Publish nothing as this; its streams wait for what comes next."""
        self.publication(source).show(None)

    def leave(self) -> None:
        """End all streams; idempotent."""
        for publication in self._publications.values():
            publication.end()

    def publication(self, source: TrackSource) -> Publication:
        """What streams of this source read.

        Raises:
            ConfigurationError: If there is no such source.
        """
        if source not in self._publications:
            known = ", ".join(get_args(TrackSource))
            raise ConfigurationError(f"a track_source is one of {known}, not {source!r}")
        return self._publications[source]


class Publication:
    """One place for a track: a reader of whatever track is there, and a hub for its own readers.

    Attributes:
        track: What is there now.
        muted: Whether nothing of it is let through, whichever track is there.
    """

    def __init__(self) -> None:
        self.track: Track[Any] | None = None
        self.muted = False
        self._ended = False
        self._readers: dict[Reader[Any], None] = {}

    def show(self, track: Track[Any] | None) -> None:
        """Put a track here, or take away what is here.

        Raises:
            ConfigurationError: If nothing can come any more.
        """
        if self._ended:
            raise ConfigurationError("the participant has left")
        if self.track is not None:
            self.track._detach(self)
        self.track = track
        if track is not None and self._readers:
            track._attach(self)

    def end(self) -> None:
        """Nothing more comes here; idempotent."""
        if not self._ended:
            self.show(None)
        self._ended = True
        for reader in tuple(self._readers):
            reader._end()
        self._readers.clear()

    # The side of the readers

    def _attach(self, reader: Reader[Any]) -> None:
        if self._ended:
            reader._end()
            return
        self._readers[reader] = None
        if self.track is not None and len(self._readers) == 1:
            self.track._attach(self)

    def _detach(self, reader: Reader[Any]) -> None:
        self._readers.pop(reader, None)
        if self.track is not None and not self._readers:
            self.track._detach(self)

    # The side of the track

    def _push(self, frame: Any) -> None:
        if self.muted:
            return
        for reader in tuple(self._readers):
            reader._push(frame)

    def _end(self) -> None:
        self.track = None  # another one may come
