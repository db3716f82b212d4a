"""How pictures become smaller or fewer, and large and many again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.media.picture_ladder import Content, PictureLadder

SIZE = 1280, 720


def climb(
    ladder: PictureLadder,
    bit_rate: Callable[[float], float],
    seconds: float,
    *,
    uses: float = 1.0,
    size: tuple[int, int] = SIZE,
    fps: float = 30,
) -> list[tuple[float, tuple[int, int]]]:
    """When pictures were sent, and how large, while the encoder uses a share of its bits."""
    sent = []
    for number in range(int(seconds * fps)):
        time = number / fps
        if not ladder.takes(time):
            continue
        ladder.look(*size, bit_rate(time), time)
        ladder.note(int(uses * bit_rate(time) / fps / ladder.step.rate), bit_rate(time), time)
        sent.append((time, ladder.size(*size)))
    return sent


def rate(sent: list[tuple[float, tuple[int, int]]], begin: float, end: float) -> float:
    """Pictures a second."""
    return sum(begin <= time < end for time, _ in sent) / (end - begin)


def test_a_camera_becomes_smaller_and_keeps_its_rate() -> None:
    """Within a second; and it is whole again some seconds after there is enough."""
    ladder = PictureLadder()
    sent = climb(ladder, lambda time: 3e5 if 5 <= time < 15 else 2e6, 30)
    sizes = dict(sent)
    assert {size for time, size in sent if time < 5} == {SIZE}
    assert {size for time, size in sent if 7 <= time < 15} == {(640, 360)}
    assert rate(sent, 0, 30) == pytest.approx(30, abs=0.1)
    assert sizes[sent[-1][0]] == SIZE
    back = next(time for time, size in sent if time > 15 and size == SIZE)
    assert back < 24


def test_a_screen_has_fewer_pictures_and_keeps_its_size() -> None:
    ladder = PictureLadder("screen")
    sent = climb(ladder, lambda time: 2e5 if 5 <= time < 15 else 2e6, 40)
    assert {size for _, size in sent} == {SIZE}
    assert rate(sent, 0, 5) == pytest.approx(30, abs=0.5)
    assert 8 <= rate(sent, 8, 15) <= 16
    assert rate(sent, 35, 40) == pytest.approx(30, abs=1)


def test_pictures_that_need_few_bits_stay_as_they_are() -> None:
    """A wall, or a slide that nobody turns: its bits do, however many there could be."""
    ladder = PictureLadder()
    sent = climb(ladder, lambda _: 1.5e5, 20, uses=0.3)
    assert {size for _, size in sent} == {SIZE}


def test_pictures_that_are_too_hard_become_smaller() -> None:
    """The encoder leaves every third out: fewer and coarser ones would come than smaller ones.

    It is not tried again at that bit rate for a while, and is at a higher one.
    """
    ladder, steps = PictureLadder(), []
    for number in range(70 * 30):
        time = number / 30
        rate = 1e6 if time < 60 else 2e6
        assert ladder.takes(time)
        ladder.look(*SIZE, rate, time)
        hard = ladder.step.scale == 1 and rate < 2e6 and number % 3 == 0
        ladder.note(0 if hard else int(rate / 30), rate, time)
        steps.append(ladder.step.scale)
    assert 2 <= sum(a != b for a, b in pairwise(steps[: 60 * 30])) <= 4
    assert steps.count(1) < 0.2 * len(steps)
    assert steps[-1] == 1


def test_pictures_that_a_line_has_no_room_for_become_smaller() -> None:
    """Those are held back, and never come to the encoder: it does not know of them."""
    for held, kept in ((0.0, 1), (0.04, 3 / 8)):
        ladder = PictureLadder()
        for number in range(80):
            time = number / 10
            ladder.takes(time)
            ladder.look(*SIZE, 1e6, time)
            ladder.note(100_000, 1e6, time, held)
        assert ladder.step.scale <= kept


def test_an_encoder_that_makes_too_much_gets_smaller_pictures() -> None:
    ladder = PictureLadder()
    sent = climb(ladder, lambda _: 2e6, 4, uses=1.5)
    assert sent[-1][1] != SIZE


def test_it_does_not_go_up_and_down_at_one_bit_rate() -> None:
    """One between two steps, that wavers a little."""
    for content in ("camera", "screen"):
        ladder = PictureLadder(content)
        sent = climb(ladder, lambda time: 5e5 * (1.1 if int(time) % 2 else 0.9), 60)
        steps = [size for _, size in sent]
        assert sum(a != b for a, b in pairwise(steps)) <= 1


def test_a_cap_of_the_frame_rate() -> None:
    """Evenly, whatever comes; and one that is higher than that changes nothing."""
    for cap, kept in ((10, 10), (15, 15), (24, 24), (29.97, 30), (60, 30)):
        ladder = PictureLadder(frame_rate=cap)
        sent = climb(ladder, lambda _: 1e7, 20)
        assert rate(sent, 5, 20) == pytest.approx(kept, rel=0.03)
        gaps = [b - a for (a, _), (b, _) in pairwise(sent)]
        assert max(gaps[30:]) <= 1 / kept + 0.04


@pytest.mark.parametrize(
    ("options", "size", "sent"),
    [
        ({}, (1280, 720), (1280, 720)),
        ({}, (161, 121), (160, 120)),
        ({}, (1, 1), (2, 2)),
        ({"scale_down_by": 2}, (1280, 720), (640, 360)),
        ({"scale_down_by": 1.5}, (1280, 720), (852, 480)),
        ({"scale_down_by": 64}, (100, 3), (2, 2)),
        ({"max_size": (640, 640)}, (1280, 720), (640, 360)),
        ({"max_size": (640, 640)}, (720, 1280), (360, 640)),
        ({"max_size": (4000, 4000)}, (1280, 720), (1280, 720)),
        ({"max_size": (640, 360), "scale_down_by": 4}, (1280, 720), (320, 180)),
    ],
)
def test_sizes_are_even(
    options: dict[str, object], size: tuple[int, int], sent: tuple[int, int]
) -> None:
    assert PictureLadder(**options).size(*size) == sent  # type: ignore[arg-type]


def test_small_pictures_become_no_smaller() -> None:
    ladder = PictureLadder()
    sent = climb(ladder, lambda _: 1e4, 10, size=(160, 90))
    assert {size for _, size in sent} == {(160, 90)}


@given(
    st.sampled_from(["camera", "screen"]),
    st.lists(
        st.tuples(st.floats(0, 3), st.integers(1, 5000), st.integers(1, 5000), st.floats(1, 1e8)),
        max_size=60,
    ),
)
def test_whatever_comes(content: Content, pictures: list[tuple[float, int, int, float]]) -> None:
    """Sizes are even and no larger than what comes; the first picture is taken."""
    ladder, time = PictureLadder(content, frame_rate=20), 0.0
    for place, (gap, width, height, bit_rate) in enumerate(pictures):
        time += gap
        assert ladder.takes(time) or place
        ladder.look(width, height, bit_rate, time)
        ladder.note(1000, bit_rate, time)
        for sent, came in zip(ladder.size(width, height), (width, height), strict=True):
            assert sent % 2 == 0
            assert 2 <= sent <= max(2, came)
