"""Which size of a camera a line gets: seeded estimates on a clock that nobody waits for."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core.media.layers import DOWN_AFTER, ROOM, Layer, LayerChoice, Layers
from fastrtc_core.media.video_frames import picture_area

from .lines import Line, send

RATES = {"l": 150_000.0, "m": 500_000.0, "h": 1_800_000.0}
LAYERS = [Layer(name, rate) for name, rate in RATES.items()]
STEP = 0.1


def follow(
    line: Callable[[float], float], seconds: float, *, noise: float = 0.0, seed: int = 1
) -> list[str]:
    """What is seen, ten times a second, where the estimate is that of the line and some noise."""
    chance, choice, seen = random.Random(seed), LayerChoice(), []
    for number in range(round(seconds / STEP)):
        now = number * STEP
        carries = line(now) * chance.uniform(1 - noise, 1 + noise)
        seen.append(choice.choose(LAYERS, carries, now))
    return seen


def changes(seen: list[str]) -> int:
    return sum(one != other for one, other in itertools.pairwise(seen))


@pytest.mark.parametrize(("rate", "name"), [(80, "l"), (300, "l"), (900, "m"), (3000, "h")])
def test_the_largest_that_the_line_takes(rate: float, name: str) -> None:
    """From the beginning; the smallest where it takes none."""
    assert set(follow(lambda _: rate * 1e3, 20)) == {name}


def test_it_goes_down_as_far_as_it_must_and_soon() -> None:
    """At once where the line takes far less, after a moment where it takes a little less."""
    fell = follow(lambda now: 3e6 if now < 5 else 2e5, 6)
    assert fell[: round(5 / STEP)] == ["h"] * round(5 / STEP)
    assert fell[round(5 / STEP)] == "l"
    sagged = follow(lambda now: 3e6 if now < 5 else 1.7e6, 10)
    assert 5 < STEP * sagged.index("m") <= 5 + DOWN_AFTER + 2 * STEP
    dipped = follow(lambda now: 1.7e6 if 5 < now < 5 + DOWN_AFTER / 2 else 3e6, 10)
    assert set(dipped) == {"h"}, "a moment is no reason"


def test_it_goes_up_again_step_by_step() -> None:
    seen = follow(lambda now: 2e5 if 5 <= now < 10 else 3e6, 20)
    back = seen[round(10 / STEP) :]
    assert back[0] == "l"
    assert changes(back) == 2, "by the one between, for that needs little"
    assert back.index("h") * STEP < 3


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(1e5, 3e6))
def test_noise_does_not_make_it_flicker(seed: int, rate: float) -> None:
    """However near the line is to what a layer takes: a change each 10 s and more."""
    seen = follow(lambda _: rate, 120, noise=0.25, seed=seed)
    assert changes(seen) <= 12


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_it_never_stays_above_the_line(seed: int) -> None:
    """Whatever the line does, and for longer than it takes to be sure."""
    chance = random.Random(seed)
    levels = [10 ** chance.uniform(4.8, 6.6) for _ in range(20)]
    choice, over = LayerChoice(), 0.0
    for number in range(round(100 / STEP)):
        carries = levels[int(number * STEP / 5)]
        name = choice.choose(LAYERS, carries, number * STEP)
        over = over + STEP if RATES[name] > carries and name != "l" else 0.0
        assert over <= DOWN_AFTER + 2 * STEP


@pytest.mark.parametrize("seed", range(2))
def test_behind_a_line_of_which_only_feedback_tells(seed: int) -> None:
    """With the estimate of a sender: 5 Mb/s, then 300 kb/s, then 1 Mb/s, and 5 again."""
    choice, seen = LayerChoice(), list[tuple[float, str]]()

    def layer(estimate: float, now: float) -> tuple[float, float]:
        name = choice.choose(LAYERS, estimate, now)
        seen.append((now, name))
        return RATES[name], choice.wanted

    def rate(now: float) -> float:
        return {0: 5e6, 1: 3e5, 2: 1e6, 3: 5e6}[min(int(now / 15), 3)]

    line = Line(rate, jitter=lambda chance: chance.expovariate(2000))
    sent = send(line, 60, high=1e7, seed=seed, layer=layer)

    def shown(begin: float, end: float) -> set[str]:
        return {name for time, name in seen if begin <= time < end}

    assert shown(5, 15) == {"h"}
    assert shown(17, 30) == {"l"}
    assert shown(38, 45) == {"m"}
    assert shown(52, 60) == {"h"}
    assert sent.waited(0.95) < 0.1, "the sound beside it never waits for long"
    assert sent.fps(20, 30) > 27


def test_what_is_tried_for() -> None:
    """Enough for the next layer, or for some room above the last."""
    choice = LayerChoice()
    choice.choose(LAYERS, 1e5, 0)
    assert choice.wanted == pytest.approx(RATES["m"] * ROOM)
    choice = LayerChoice()
    choice.choose(LAYERS, 3e6, 0)
    assert choice.wanted == pytest.approx(RATES["h"] * ROOM)


def test_a_line_that_nobody_knows() -> None:
    """It gets the largest, and a smaller one for a good while where pictures had to be dropped."""
    choice = LayerChoice()
    assert choice.choose(LAYERS, None, 0) == "h"
    choice.note_overflow()
    assert choice.choose(LAYERS, None, 1) == "m"
    assert {choice.choose(LAYERS, None, 1 + STEP * n) for n in range(90)} == {"m"}
    up = next(n for n in range(90, 300) if choice.choose(LAYERS, None, 1 + STEP * n) == "h")
    now = 1 + STEP * up
    choice.note_overflow()
    assert choice.choose(LAYERS, None, now + 1) == "m"
    again = next(n for n in range(1, 999) if choice.choose(LAYERS, None, now + 1 + n) == "h")
    assert again > 15, "what was too early is tried later"


def test_layers_are_measured_and_ranked_by_size() -> None:
    """One that is sent no longer is left out, and comes back as soon as it is sent again."""
    layers = Layers()

    def show(begin: float, end: float, names: str) -> list[str]:
        for number in range(round((end - begin) * 30)):
            now = begin + number / 30
            for place, name in enumerate("hlm"):
                if name in names:
                    area = {"l": 1, "m": 4, "h": 16}[name] if number % 30 == 0 else 0
                    layers.note(name, 300 + 100 * place, area, now)
        return [layer.name for layer in layers.ranked(end)]

    assert show(0, 5, "hlm") == ["l", "m", "h"], "whatever they take"
    assert [round(layer.bit_rate, -4) for layer in layers.ranked(5)] == [1e5, 1.2e5, 0.7e5]
    assert show(5, 5.4, "lm") == ["l", "m", "h"]
    assert show(5.4, 8, "lm") == ["l", "m"]
    assert show(8, 8.1, "hlm") == ["l", "m", "h"]
    assert [layer.name for layer in layers.ranked(60)] == ["l", "m", "h"], "all rest alike"
    layers.note("l", 300, 1, 61)
    assert len(layers.ranked(61)) == 3, "one picture a second of each says nothing yet"


@pytest.mark.parametrize("begin", [0.0, 10.0])
def test_what_a_layer_takes_is_known_soon(begin: float) -> None:
    """It is never taken for half of that: not at first, and not when it comes back."""
    layers, taken = Layers(), []
    layers.note("h", 1000, 1, 0)
    for number in range(1, 90):
        now = begin + number / 30
        layers.note("h", 1000, 0, now)
        taken.append(layers.ranked(now)[0].bit_rate)
    assert all(230_000 < rate < 270_000 for rate in taken[15:])
    assert max(taken) < 270_000


def test_the_size_of_a_keyframe() -> None:
    """It stands in 14 bits each (RFC 6386 section 9.1); of a damaged one nothing is known."""
    start = b"\x10\x02\x00\x9d\x01\x2a"
    scaled = start + (1280 | 1 << 14).to_bytes(2, "little") + (720).to_bytes(2, "little")
    assert picture_area("video/vp8", scaled) == 1280 * 720
    assert picture_area("video/vp8", scaled[:9]) == picture_area("video/h264", scaled) == 0
