"""Which camera each member of a room sees, picture by picture; nothing is decoded for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from ..media.layers import Layer, LayerChoice, Layers
from ..media.video_frames import (
    VIDEO_CLOCK_RATE,
    EncodedVideoFrame,
    elapsed_ticks,
    picture_area,
)
from ..webrtc.encoded import Downlink

VP8 = "video/vp8"
CODECS = (VP8, "video/h264")
"""What can be forwarded."""

REPORT_INTERVAL = 1.0
"""How often in s the losses of one receiver may cost its publisher a keyframe."""

LAYER_INTERVAL = 0.1
"""How often in s it is looked which layer of a camera each receiver is to see."""

MAX_STEP = 2.0
"""Time in s by which two timestamps may be further apart than the arrival of their pictures."""


class Feed(NamedTuple):
    """The pictures of one camera in one codec and one size.

    Attributes:
        uid: Whose camera.
        codec: MIME type in lower case.
        layer: The size, by the name that its publisher gives it; empty if there is one only.
    """

    uid: int
    codec: str
    layer: str = ""


class Cameras(Protocol):
    """What a router asks of those who feed it; each is called often, and must be cheap."""

    def request_keyframe(self, feed: Feed) -> None:
        """Somebody waits for a keyframe of a feed, or still does."""

    def encode(self, feeds: frozenset[Feed]) -> None:
        """These feeds are to be made from pictures, and no others."""

    def note_watched(self, uids: frozenset[int]) -> None:
        """These cameras are seen, or are to be seen, by anybody, and no others."""


class VideoRouter:
    """Chooses for each receiver one camera, and forwards its pictures.

    That is the one which it has chosen; else that of the latest speaker, but for itself; else the
    first one. It goes from one to another with a keyframe, and sees the old one until then. For
    its decoder it is one video: the time of its pictures goes on evenly.

    Of a camera that comes in several sizes, each receiver sees the largest that its line takes,
    see `LayerChoice`.

    It does no I/O.

    Args:
        time: Tells the time in s.
        cameras: See there.
        tell: Called with a receiver's uid and whom it sees from now on, or `None` for nobody.
    """

    def __init__(
        self,
        time: Callable[[], float],
        cameras: Cameras,
        tell: Callable[[int, int | None], None],
    ) -> None:
        self._time = time
        self._cameras = cameras
        self._tell = tell
        self._publishers: dict[int, _Publisher] = {}
        self._receivers: dict[int, _Receiver] = {}
        self._speaker: int | None = None
        self._encoded: frozenset[Feed] = frozenset()
        self._watched: frozenset[int] = frozenset()

    # Who takes part

    def add_publisher(self, uid: int, *, pictures: bool, decodable: bool = True) -> None:
        """Somebody has a camera; it counts once there is something to see.

        Args:
            uid: Who.
            pictures: Whether it gives pictures that are to be encoded; else it gives them encoded.
            decodable: Whether they can be had in another codec, too.
        """
        self._publishers[uid] = _Publisher(pictures, decodable)
        self._review()

    def remove_publisher(self, uid: int) -> None:
        """Somebody has a camera no longer; idempotent."""
        self._publishers.pop(uid, None)
        for receiver in self._receivers.values():
            if receiver.chosen == uid:
                receiver.chosen = None
            if receiver.speaker == uid:
                receiver.speaker = None
        if self._speaker == uid:
            self._speaker = None
        self._review()

    def announce(self, uid: int, codec: str) -> None:
        """A camera that sends nothing until it is watched will send pictures in this codec."""
        publisher = self._publishers.get(uid)
        if publisher is not None and codec != publisher.codec:
            publisher.codec = codec
            self._review()

    def codec_of(self, uid: int) -> str | None:
        """In which codec a camera can be had without being transcoded; `None` before it gives."""
        publisher = self._publishers.get(uid)
        if publisher is None or not publisher.gives:
            return None
        return publisher.codec or VP8

    def add_receiver(
        self,
        uid: int,
        codecs: Sequence[str],
        sink: Callable[[EncodedVideoFrame], None],
        *,
        only: int | None = None,
        downlink: Callable[[], Downlink | None] = lambda: None,
    ) -> None:
        """Somebody wants to see.

        Args:
            uid: Who.
            codecs: What it takes, best first.
            sink: Gets the pictures.
            only: Whose camera it sees, if it is to see no other.
            downlink: Tells over which line; `None` for one that takes everything.
        """
        receiver = _Receiver(uid, tuple(codecs), sink, self._time(), only, downlink)
        self._receivers[uid] = receiver
        if self._speaker != uid:
            receiver.speaker = self._speaker
        self._review()

    def remove_receiver(self, uid: int) -> None:
        """It wants to see no longer; idempotent."""
        if self._receivers.pop(uid, None) is not None:
            self._review()

    def choose(self, uid: int, source: int | None) -> None:
        """A receiver wants to see somebody, or again whoever speaks."""
        if uid in self._receivers:
            self._receivers[uid].chosen = source
            self._review()

    def note_speaker(self, uid: int | None) -> None:
        """Somebody speaks now; while nobody does, everybody sees who spoke last."""
        if uid not in self._publishers:
            return
        self._speaker = uid
        for receiver in self._receivers.values():
            if receiver.uid != uid:
                receiver.speaker = uid
        self._review()

    def source_of(self, uid: int) -> int | None:
        """Whom a receiver sees now."""
        receiver = self._receivers.get(uid)
        return None if receiver is None or receiver.shown is None else receiver.shown.uid

    # What flows

    def push(self, uid: int, frame: EncodedVideoFrame, *, made: bool = False) -> None:
        """Take a picture of a publisher and forward it to whoever sees it.

        Args:
            uid: Whose it is.
            frame: The picture.
            made: Whether it was encoded here, as `Cameras.encode` asked for.
        """
        publisher = self._publishers.get(uid)
        if publisher is None:
            return
        if not made and frame.codec != publisher.codec:
            publisher.codec = frame.codec
            self._review()
        feed, now, waiting = Feed(uid, frame.codec, frame.layer), self._time(), False
        if frame.layer and publisher.note(frame, now):
            self._review_layers(uid, publisher, now)
        for receiver in tuple(self._receivers.values()):
            if receiver.wanted == feed and receiver.shown != feed and frame.keyframe:
                receiver.shown = feed
                receiver.restart()
                self._tell_source(receiver)
                self._encode_what_is_watched()
            if receiver.shown == feed:
                receiver.forward(frame, now)
            waiting |= receiver.waits_for(feed)
        if waiting:
            self._cameras.request_keyframe(feed)

    def note_loss(self, uid: int) -> None:
        """A receiver has lost something, and needs a keyframe of what it sees."""
        receiver = self._receivers.get(uid)
        if receiver is None or receiver.shown is None:
            return
        now = self._time()
        if now >= receiver.next_report:
            receiver.next_report = now + REPORT_INTERVAL
            receiver.lost = True
            self._cameras.request_keyframe(receiver.needed or receiver.shown)

    def note_overflow(self, uid: int) -> None:
        """Pictures for a receiver were dropped, as its line takes less."""
        receiver = self._receivers.get(uid)
        if receiver is None or receiver.wanted is None:
            return
        receiver.layers.note_overflow()
        publisher = self._publishers.get(receiver.wanted.uid)
        if publisher is not None and receiver.wanted.layer:
            self._review_layers(receiver.wanted.uid, publisher, self._time())

    # Who sees whom

    def _review(self) -> None:
        """Look anew at what each receiver is to see."""
        for receiver in tuple(self._receivers.values()):
            feed = self._feed_for(receiver)
            if receiver.shown is not None and not self._gives(receiver.shown):
                receiver.shown = None
            if feed is None and receiver.shown is None:
                self._tell_source(receiver)
            self._want(receiver, feed)
        self._encode_what_is_watched()

    def _review_layers(self, uid: int, publisher: _Publisher, now: float) -> None:
        """Look anew at which layer of a camera each of its receivers is to see."""
        ranked = publisher.layers.ranked(now)
        for receiver in self._receivers.values():
            wanted = receiver.wanted
            if wanted is not None and wanted.uid == uid and wanted.codec == publisher.codec:
                layer = receiver.choose_layer(uid, ranked, now)
                self._want(receiver, wanted._replace(layer=layer))

    def _want(self, receiver: _Receiver, feed: Feed | None) -> None:
        if feed != receiver.wanted:
            receiver.wanted = feed
            if feed is not None and feed != receiver.shown:
                self._cameras.request_keyframe(feed)

    def _encode_what_is_watched(self) -> None:
        wanted = {receiver.wanted for receiver in self._receivers.values()}
        shown = {receiver.shown for receiver in self._receivers.values()}
        feeds = [feed for feed in wanted | shown if feed is not None]
        watched = frozenset(feed.uid for feed in feeds)
        if watched != self._watched:
            self._watched = watched
            self._cameras.note_watched(watched)
        encoded = frozenset(feed for feed in feeds if self._made(feed))
        if encoded != self._encoded:
            self._encoded = encoded
            self._cameras.encode(encoded)

    def _feed_for(self, receiver: _Receiver) -> Feed | None:
        if not receiver.codecs:
            return None
        others = [
            uid
            for uid, one in self._publishers.items()
            if uid != receiver.uid and one.can_give(receiver.codecs)
        ]
        if receiver.only is not None:
            others = [uid for uid in others if uid == receiver.only]
        seen = receiver.wanted.uid if receiver.wanted is not None else None
        for uid in (receiver.chosen, receiver.speaker, seen, *others[:1]):
            if uid in others:
                publisher, now = self._publishers[uid], self._time()
                if publisher.codec not in receiver.codecs:
                    receiver.choose_layer(uid, (), now)  # one size is made for it
                    return Feed(uid, _best(receiver.codecs))
                layer = receiver.choose_layer(uid, publisher.layers.ranked(now), now)
                return Feed(uid, publisher.codec, layer)
        return None

    def _gives(self, feed: Feed) -> bool:
        publisher = self._publishers.get(feed.uid)
        return publisher is not None and publisher.gives

    def _made(self, feed: Feed) -> bool:
        publisher = self._publishers.get(feed.uid)
        return publisher is not None and (publisher.pictures or publisher.codec != feed.codec)

    def _tell_source(self, receiver: _Receiver) -> None:
        source = None if receiver.shown is None else receiver.shown.uid
        if source != receiver.told:
            receiver.told = source
            self._tell(receiver.uid, source)


def _best(codecs: Sequence[str]) -> str:
    return VP8 if VP8 in codecs else codecs[0]


class _Publisher:
    """Somebody with a camera.

    Attributes:
        pictures: Whether it gives pictures, not yet encoded.
        decodable: Whether they can be had in another codec, too.
        codec: In which it gives them encoded, once it has given one.
        layers: The sizes in which it gives them, if there are several.
    """

    def __init__(self, pictures: bool, decodable: bool) -> None:
        self.pictures = pictures
        self.decodable = decodable
        self.codec: str | None = None
        self.layers = Layers()
        self._review_at = 0.0

    def note(self, frame: EncodedVideoFrame, now: float) -> bool:
        """A picture of a layer has come; whether it is time to look at who is to see which."""
        area = picture_area(frame.codec, frame.data) if frame.keyframe else 0
        self.layers.note(frame.layer, len(frame.data), area, now)
        if now < self._review_at:
            return False
        self._review_at = now + LAYER_INTERVAL
        return True

    @property
    def gives(self) -> bool:
        """Whether there is something to see."""
        return self.pictures or self.codec is not None

    def can_give(self, codecs: Sequence[str]) -> bool:
        """Whether there is something to see in one of these codecs."""
        return self.gives and (self.decodable or self.codec in codecs)


class _Receiver:
    """Somebody who sees one camera at a time.

    Attributes:
        uid, codecs, only: See `VideoRouter.add_receiver`.
        chosen: Whom it has chosen to see.
        speaker: Who spoke last, but for itself.
        wanted: What it is to see; differs from `shown` until a keyframe comes.
        shown: What it sees.
        told: Whom it was told to see.
        lost: Whether it waits for a keyframe of what it sees.
        next_report: When the next loss of it counts.
        layers: Chooses the layer of whom it is to see.
    """

    def __init__(
        self,
        uid: int,
        codecs: tuple[str, ...],
        sink: Callable[[EncodedVideoFrame], None],
        now: float,
        only: int | None,
        downlink: Callable[[], Downlink | None],
    ) -> None:
        self.uid = uid
        self.codecs = codecs
        self.only = only
        self.chosen: int | None = None
        self.speaker: int | None = None
        self.wanted: Feed | None = None
        self.shown: Feed | None = None
        self.told: int | None = None
        self.lost = False
        self.next_report = 0.0
        self.layers = LayerChoice()
        self._layers_of: int | None = None
        self._downlink = downlink
        self._sink = sink
        self._origin: int | None = None
        """Timestamp of the picture before, as its publisher counts."""
        self._ticks = 0
        self._sent_at = now

    def waits_for(self, feed: Feed) -> bool:
        """Whether it needs a keyframe of a feed."""
        if self.wanted == feed != self.shown:
            return True
        return self.lost and self.shown == feed and self.needed is None

    @property
    def needed(self) -> Feed | None:
        """Another layer of the camera that it sees, for which it waits.

        A keyframe of the layer that it leaves would be for nobody.
        """
        wanted, shown = self.wanted, self.shown
        if wanted is None or shown is None or wanted == shown or wanted.uid != shown.uid:
            return None
        return wanted if wanted.layer and wanted.codec == shown.codec else None

    def choose_layer(self, uid: int, layers: Sequence[Layer], now: float) -> str:
        """Which layer of a camera it is to see; empty if that has one only."""
        downlink = self._downlink()
        if not layers:
            if downlink is not None:
                downlink.wanted = 0.0
            return ""
        if uid != self._layers_of:
            self._layers_of, self.layers = uid, LayerChoice()
        layer = self.layers.choose(layers, None if downlink is None else downlink.carries, now)
        if downlink is not None:
            downlink.wanted = self.layers.wanted
        return layer

    def restart(self) -> None:
        """What comes next is of another camera."""
        self._origin = None

    def forward(self, frame: EncodedVideoFrame, now: float) -> None:
        """Send a picture, behind the one before."""
        if frame.keyframe:
            self.lost = False
        elapsed = round((now - self._sent_at) * VIDEO_CLOCK_RATE)
        step = elapsed
        if self._origin is not None:
            counted = elapsed_ticks(self._origin, frame.timestamp)
            if 0 < counted <= elapsed + MAX_STEP * VIDEO_CLOCK_RATE:
                step = counted
        self._ticks += max(1, step)
        self._origin = frame.timestamp
        self._sent_at = now
        self._sink(frame._replace(timestamp=self._ticks % (1 << 32), layer=""))
