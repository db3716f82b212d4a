"""Which camera each member sees, and what its decoder is given."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core.media.video_frames import EncodedVideoFrame, elapsed_ticks
from fastrtc_core.room.video_router import MAX_STEP, REPORT_INTERVAL, Feed, VideoRouter

from ..examples import tries

VP8, H264 = "video/vp8", "video/h264"
FRAME = 1 / 30


class Table:
    """Members with cameras that follow requests for keyframes, and what each sees."""

    def __init__(self) -> None:
        self.now = 100.0
        self.router = VideoRouter(lambda: self.now, self, self.tell)
        self.cameras: dict[int, str | None] = {}
        self.deaf: set[int] = set()
        self.asked: Counter[Feed] = Counter()
        self.due: set[Feed] = set()
        self.encoded: frozenset[Feed] = frozenset()
        self.watched: frozenset[int] = frozenset()
        self.told: list[tuple[int, int | None]] = []
        self.seen: dict[int, list[EncodedVideoFrame]] = {}
        self.counts: Counter[int] = Counter()

    def request_keyframe(self, feed: Feed) -> None:
        self.asked[feed] += 1
        self.due.add(feed)

    def encode(self, feeds: frozenset[Feed]) -> None:
        self.due |= feeds - self.encoded  # an encoder begins with a keyframe
        self.encoded = feeds

    def note_watched(self, uids: frozenset[int]) -> None:
        self.watched = uids

    def tell(self, uid: int, source: int | None) -> None:
        self.told.append((uid, source))

    def publish(self, uid: int, codec: str | None = VP8) -> None:
        """A camera; without a codec it gives pictures."""
        self.cameras[uid] = codec
        self.router.add_publisher(uid, pictures=codec is None)

    def unpublish(self, uid: int) -> None:
        self.cameras.pop(uid, None)
        self.router.remove_publisher(uid)

    def watch(self, uid: int, *codecs: str) -> None:
        self.seen[uid] = []
        self.router.add_receiver(uid, codecs or (VP8, H264), self.seen[uid].append)

    def join(self, *uids: int) -> None:
        for uid in uids:
            self.watch(uid)
            self.publish(uid)

    def show(self, uid: int, codec: str, *, made: bool = False) -> None:
        """One picture."""
        feed = Feed(uid, codec)
        first = not self.counts[uid]
        self.counts[uid] += 1
        keyframe = first or (feed in self.due and uid not in self.deaf)
        self.due.discard(feed)
        data = b"%d %s" % (uid, codec.encode())
        # Each camera counts from a beginning of its own, some near the end of the numbers.
        timestamp = round(uid * (2**31 + 60_000) + self.now * 90_000) % 2**32
        self.router.push(uid, EncodedVideoFrame(codec, data, timestamp, keyframe), made=made)

    def run(self, seconds: float = 0.2) -> None:
        """All cameras show for a while."""
        for _ in range(max(1, round(seconds / FRAME))):
            self.now += FRAME
            for uid, codec in tuple(self.cameras.items()):
                if codec is not None:
                    self.show(uid, codec)
            for feed in self.encoded:
                self.show(feed.uid, feed.codec, made=True)

    def latest(self, uid: int) -> int:
        return int(self.seen[uid][-1].data.split()[0])

    def sees(self) -> dict[int, int | None]:
        return {uid: self.router.source_of(uid) for uid in self.seen}


def test_before_anybody_speaks_the_first_other_camera_is_seen() -> None:
    table = Table()
    table.watch(9)
    table.run()
    assert table.sees() == {9: None}
    table.join(1)
    assert table.sees() == {9: None, 1: None}, "nothing has been shown"
    table.run()
    assert table.sees() == {9: 1, 1: None}
    table.join(2, 3)
    table.run()
    assert table.sees() == {9: 1, 1: 2, 2: 1, 3: 1}
    assert sorted(table.told) == [(1, 2), (2, 1), (3, 1), (9, 1)], "each once"


def test_everybody_sees_who_speaks_but_for_itself() -> None:
    """It sees who spoke before; while nobody speaks, nothing changes."""
    table = Table()
    table.join(1, 2, 3)
    table.run()
    for speaker, sees in (
        (3, {1: 3, 2: 3, 3: 1}),
        (None, {1: 3, 2: 3, 3: 1}),
        (2, {1: 2, 2: 3, 3: 2}),
        (1, {1: 2, 2: 1, 3: 1}),
        (77, {1: 2, 2: 1, 3: 1}),  # somebody without a camera
    ):
        table.router.note_speaker(speaker)
        table.run()
        assert table.sees() == sees
    late = len(table.told)
    table.watch(4)
    table.run()
    assert table.told[late:] == [(4, 1)], "who spoke last"


def test_a_choice_goes_before_who_speaks() -> None:
    table = Table()
    table.join(1, 2, 3)
    table.run()
    table.router.choose(1, 3)
    table.router.note_speaker(2)
    table.run()
    assert table.sees()[1] == 3
    table.router.choose(1, None)
    table.run()
    assert table.sees()[1] == 2
    table.router.choose(1, 3)
    table.unpublish(3)
    table.run()
    assert table.sees()[1] == 2, "whom it has chosen is gone"
    table.join(3)
    table.run()
    assert table.sees()[1] == 2, "and comes back as anybody"
    table.router.note_speaker(3)
    table.router.note_speaker(1)
    table.router.choose(1, 2)
    table.run()
    table.router.choose(1, None)
    table.run()
    assert table.sees()[1] == 3, "who spoke last but for itself"
    table.router.note_speaker(2)
    table.router.choose(1, 1)
    table.run()
    assert table.sees()[1] == 2, "nobody sees itself"


def test_who_leaves_is_replaced_at_once() -> None:
    """The next keyframe shows somebody else; with nobody else, that is told."""
    table = Table()
    table.join(1, 2, 3)
    table.router.note_speaker(3)
    table.run()
    table.asked.clear()
    table.unpublish(3)
    assert table.asked == {Feed(1, VP8): 1, Feed(2, VP8): 1}
    table.run(FRAME)
    assert table.sees() == {1: 2, 2: 1, 3: 1}
    table.unpublish(2)
    assert table.told[-1] == (1, None)
    table.router.remove_receiver(1)
    table.unpublish(1)
    assert table.told[-2:] == [(2, None), (3, None)]


def test_a_switch_waits_for_a_keyframe() -> None:
    """Until it comes, the old camera is seen and the new one is asked again and again."""
    table = Table()
    table.join(1, 2)
    table.watch(9)
    table.run()
    table.deaf = {2}
    table.asked.clear()
    table.router.choose(9, 2)
    before = len(table.seen[9])
    table.run(1.0)
    assert table.latest(9) == 1
    assert len(table.seen[9]) == before + 30
    assert table.asked[Feed(2, VP8)] >= 30
    assert table.sees()[9] == 1
    table.deaf = set()
    table.run(2 * FRAME)
    assert table.latest(9) == 2
    assert [whom for who, whom in table.told if who == 9] == [1, 2]
    first = next(frame for frame in table.seen[9] if frame.data.startswith(b"2"))
    assert first.keyframe
    table.asked.clear()
    table.run(1.0)
    assert not table.asked, "nobody waits any more"


def test_time_goes_on_evenly() -> None:
    """For each receiver it is one video, whoever is shown, and however its camera counts."""
    table = Table()
    table.join(1, 2, 3)
    for speaker in (1, 2, 3, 1, 3):
        table.router.note_speaker(speaker)
        table.run(1.0)
    for frames in table.seen.values():
        steps = [
            elapsed_ticks(one.timestamp, other.timestamp)
            for one, other in itertools.pairwise(frames)
        ]
        assert min(steps) > 0
        assert max(steps) <= 2 * 3000 + 1, "a switch costs a picture at most"
        assert sum(steps) == pytest.approx(3000 * (len(steps)), rel=0.05)


@settings(max_examples=tries(100))
@given(
    jumps=st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.floats(0.0, 100.0)), min_size=2, max_size=40
    )
)
def test_time_goes_on_whatever_a_camera_counts(jumps: list[tuple[int, float]]) -> None:
    """Never back, never twice the same, and never far ahead of the clock."""
    table = Table()
    table.watch(9)
    table.publish(1)
    begun, total = table.now, 0
    for number, (timestamp, pause) in enumerate(jumps):
        table.now += pause
        table.router.push(1, EncodedVideoFrame(VP8, b"1 x", timestamp, number == 0))
    frames = table.seen[9]
    assert len(frames) == len(jumps)
    for one, other in itertools.pairwise(frames):
        step = elapsed_ticks(one.timestamp, other.timestamp)
        assert step > 0
        total += step
    # Each picture may be ahead of the clock by MAX_STEP, but no more.
    assert total <= (table.now - begun + MAX_STEP * len(jumps)) * 90_000 + len(jumps)


def test_losses_reach_the_publisher_but_not_too_often() -> None:
    """A receiver that loses all the time costs the others one keyframe a second."""
    table = Table()
    table.join(1)
    table.watch(8)
    table.watch(9)
    table.run()
    table.asked.clear()
    keyframes = 0
    for _ in range(100):
        table.router.note_loss(9)
        table.run(FRAME)
        keyframes += table.seen[8][-1].keyframe
    assert keyframes == round(100 * FRAME / REPORT_INTERVAL + 0.5)
    table.router.note_loss(1)  # sees nobody
    table.router.note_loss(5)  # is nobody


def test_a_request_that_is_lost_is_made_again() -> None:
    table = Table()
    table.join(1)
    table.watch(9)
    table.run()
    table.deaf = {1}
    table.router.note_loss(9)
    table.asked.clear()
    table.run(0.5)
    assert table.asked[Feed(1, VP8)] >= 14
    table.deaf = set()
    table.run(2 * FRAME)
    table.asked.clear()
    table.run(0.5)
    assert not table.asked


def test_pictures_are_encoded_once_and_only_while_somebody_looks() -> None:
    table = Table()
    table.publish(7, None)
    assert table.encoded == frozenset()
    table.watch(1)
    table.watch(2)
    table.watch(3, H264)
    assert table.encoded == {Feed(7, VP8), Feed(7, H264)}
    table.run()
    assert table.sees() == {1: 7, 2: 7, 3: 7}
    assert {frame.codec for frame in table.seen[3]} == {H264}
    assert {frame.codec for frame in table.seen[1]} == {VP8}
    table.router.remove_receiver(3)
    assert table.encoded == {Feed(7, VP8)}
    table.publish(8)
    table.router.note_speaker(8)
    table.run()
    assert (table.latest(1), table.latest(2)) == (8, 8)
    assert table.encoded == frozenset()


def test_codecs_that_do_not_match_are_transcoded_once() -> None:
    table = Table()
    table.publish(1, VP8)
    table.publish(2, H264)
    for uid, codecs in ((5, (VP8, H264)), (6, (H264,)), (7, (H264,)), (8, (VP8,))):
        table.watch(uid, *codecs)
    table.run()
    assert table.encoded == {Feed(1, H264)}
    table.router.note_speaker(2)
    table.run()
    assert set(table.sees().values()) == {2}
    assert [table.seen[uid][-1].codec for uid in (5, 6, 7, 8)] == [H264, H264, H264, VP8]
    assert table.encoded == {Feed(2, VP8)}


def test_a_camera_that_changes_its_codec() -> None:
    table = Table()
    table.publish(1, VP8)
    table.watch(9)
    table.run()
    table.cameras[1] = H264
    table.run()
    assert table.seen[9][-1].codec == H264
    first = next(frame for frame in table.seen[9] if frame.codec == H264)
    assert first.keyframe
    assert table.told == [(9, 1)]


def test_who_sees_nobody_any_more_is_told_though_somebody_was_to_follow() -> None:
    """The camera that is seen goes, and the next one before it has shown anything."""
    table = Table()
    table.watch(9)
    table.publish(1)
    table.run()
    table.publish(2)
    table.unpublish(1)
    table.unpublish(2)
    assert table.sees() == {9: None}
    assert table.told == [(9, 1), (9, None)]


@settings(max_examples=tries(150), deadline=None)
@given(st.data())
def test_whatever_happens(data: st.DataObject) -> None:
    """Nobody sees itself or somebody who has left; who can see somebody does, and knows whom."""
    table = Table()
    uids = st.integers(1, 5)
    for _ in range(data.draw(st.integers(1, 25))):
        uid, action = data.draw(uids), data.draw(st.integers(0, 6))
        if action == 0 and uid not in table.cameras:
            table.publish(uid, data.draw(st.sampled_from([VP8, H264, None])))
        elif action == 1:
            table.unpublish(uid)
        elif action == 2 and uid not in table.seen:
            table.watch(uid, *data.draw(st.sampled_from([(VP8,), (H264,), (VP8, H264)])))
        elif action == 3:
            table.router.remove_receiver(uid)
            table.seen.pop(uid, None)
            table.told = [(who, whom) for who, whom in table.told if who != uid]
        elif action == 4:
            table.router.note_speaker(data.draw(st.none() | uids))
        elif action == 5:
            table.router.choose(uid, data.draw(st.none() | uids))
        else:
            table.run(FRAME)
        for receiver, source in table.sees().items():
            assert source != receiver
            assert source is None or source in table.cameras
    table.run(0.2)
    told = dict(table.told)
    for receiver, source in table.sees().items():
        others = set(table.cameras) - {receiver}
        assert (source in others) if others else source is None
        assert told.get(receiver) == source
        if source is not None:
            assert table.latest(receiver) == source


def test_what_cannot_be_decoded_is_for_those_who_take_its_codec() -> None:
    """Others see the next camera, and nothing is to be encoded."""
    table = Table()
    table.publish(1)
    table.router.add_publisher(2, pictures=False, decodable=False)
    table.router.announce(2, H264)
    table.watch(3, VP8)
    table.watch(4, VP8, H264)
    for uid in (3, 4):
        table.router.choose(uid, 2)
    receivers = table.router._receivers
    assert receivers[3].wanted is None, "the other camera has shown nothing yet"
    assert receivers[4].wanted == Feed(2, H264)
    assert table.watched == {2}
    assert table.encoded == frozenset()


class Downlink:
    """A line to a receiver."""

    def __init__(self, carries: float | None) -> None:
        self.carries = carries
        self.wanted = 0.0


class Layered(Table):
    """A camera in three sizes, and receivers with lines."""

    SIZES: ClassVar = {"l": 700, "m": 2500, "h": 9000}
    """Bytes of each picture."""

    def __init__(self, *carries: float | None) -> None:
        super().__init__()
        self.lines = [Downlink(one) for one in carries]
        self.layers = "lmh"
        for uid, line in enumerate(self.lines, 10):
            self.seen[uid] = []
            self.router.add_receiver(
                uid,
                (VP8,),
                self.seen[uid].append,
                downlink=lambda line=line: line,  # type: ignore[misc]
            )
        self.router.add_publisher(1, pictures=False)

    def film(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME)):
            self.now += FRAME
            for place, name in enumerate(self.layers):
                feed = Feed(1, VP8, name)
                keyframe = not self.counts[place] or feed in self.due
                self.counts[place] += 1
                self.due.discard(feed)
                head = b"%s" % name.encode()
                timestamp = round((place + 1) * 2**30 + self.now * 90_000) % 2**32
                picture = head + bytes(self.SIZES[name] - 1)
                self.router.push(1, EncodedVideoFrame(VP8, picture, timestamp, keyframe, name))

    def shows(self) -> str:
        """The layer that each receiver sees."""
        return "".join(self.seen[uid][-1].data[:1].decode() for uid in sorted(self.seen))


def test_each_receiver_sees_the_layer_that_its_line_takes() -> None:
    """A slow line costs the others nothing, and nobody misses a picture."""
    table = Layered(3e5, 1e6, 9e6, None)
    table.film(5)
    assert table.shows() == "lmhh"
    assert all(150 <= len(seen) <= 152 for seen in table.seen.values())
    asked = table.asked.copy()
    table.film(20)
    assert table.asked == asked, "who sees what it can take asks for nothing"
    table.lines[2].carries = 4e5
    table.film(1)
    assert table.shows() == "lmlh"
    assert all(780 <= len(seen) <= 783 for seen in table.seen.values())
    assert set(table.asked - asked) == {Feed(1, VP8, "l")}, "a keyframe of that layer alone"


def test_a_slow_line_is_spared_a_large_layer_from_the_beginning() -> None:
    """When a layer begins, it takes no less than later."""
    table = Layered(3e5)
    table.film(5)
    assert {frame.data[:1] for frame in table.seen[10]} == {b"l"}


def test_layers_are_one_video_for_a_decoder() -> None:
    """Each begins with a keyframe, its time goes on, and nobody is told of another source."""
    table = Layered(9e6)
    for carries in (9e6, 2e5, 1e6, 9e6, 3e5):
        table.lines[0].carries = carries
        table.film(6)
    seen = table.seen[10]
    names = [frame.data[:1] for frame in seen]
    assert {name for name, _ in itertools.groupby(names)} == {b"l", b"m", b"h"}
    for before, after in itertools.pairwise(seen):
        step = elapsed_ticks(before.timestamp, after.timestamp)
        if before.data[:1] == after.data[:1]:
            assert abs(step - 3000) <= 1
        else:  # one picture may come in both sizes
            assert after.keyframe
            assert 1 <= step <= 3001
    assert table.told == [(10, 1)]
    assert {frame.layer for frame in seen} == {""}


def test_a_layer_that_is_sent_no_longer() -> None:
    """Its receivers go on with another one soon, and return when it comes back."""
    table = Layered(None, 9e6)
    table.film(3)
    table.layers = "lm"
    before = len(table.seen[10])
    table.film(2)
    assert table.shows() == "mm"
    assert len(table.seen[10]) - before >= 60 - 17, "half a second is missing at most"
    table.layers = "lmh"
    table.film(3)
    assert table.shows() == "hh"


def test_a_line_says_nothing_but_overflows() -> None:
    """The receiver gets a smaller layer, and no keyframe of the larger one is asked for."""
    table = Layered(None, None)
    table.film(3)
    table.asked.clear()
    table.router.note_overflow(10)
    table.router.note_loss(10)
    table.film(3)
    assert table.shows() == "mh"
    assert set(table.asked) == {Feed(1, VP8, "m")}


@pytest.mark.parametrize("codec", [VP8, H264, None])
def test_a_line_is_tried_for_the_next_layer(codec: str | None) -> None:
    """And for nothing, while a camera is seen that has one size only, or is encoded here."""
    table = Layered(3e5)
    table.film(3)
    assert table.lines[0].wanted == pytest.approx(1.15 * 8 * 2500 * 30, rel=0.05)
    table.publish(2, codec)
    table.router.choose(10, 2)
    table.film(0.2)
    table.run()
    assert table.lines[0].wanted == 0
