"""Who has not passed a check yet: few, not for long, and nobody crowds the others out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.webrtc.connectivity.strangers import Strangers
from fastrtc_core.webrtc.connectivity.stun import TcpAddress

MOST, EACH, PATIENCE = 6, 3, 5.0


def who(number: int) -> TcpAddress:
    return TcpAddress("192.0.2.1", 1000, number)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("enter"), st.sampled_from("abcd")),
            st.tuples(st.just("leave"), st.integers(0, 40)),
            st.tuples(st.just("wait"), st.integers(1, 30)),
        ),
        max_size=60,
    )
)
def test_against_a_model(steps: list[tuple[str, str | int]]) -> None:
    """Who is there, who goes, and when."""
    strangers = Strangers(PATIENCE, MOST, EACH)
    model: list[tuple[float, str, int]] = []
    now = 0.0
    for number, (what, value) in enumerate(steps):
        if what == "enter":
            assert isinstance(value, str)
            same = [entry for entry in model if entry[1] == value]
            gone = None
            if len(same) >= EACH:
                gone = same[0]
            elif len(model) >= MOST:
                gone = model[0]
            if gone is not None:
                model.remove(gone)
            model.append((now, value, number))
            expected = None if gone is None else who(gone[2])
            assert strangers.enter(who(number), value, now) == expected
        elif what == "leave":
            model = [entry for entry in model if entry[2] != value]
            strangers.leave(who(int(value)))
        else:
            now += int(value) / 10
            late = [entry for entry in model if entry[0] + PATIENCE <= now]
            model = [entry for entry in model if entry not in late]
            assert strangers.expire(now) == [who(entry[2]) for entry in late]
        assert len(strangers) == len(model)
        assert all(who(entry[2]) in strangers for entry in model)
        assert strangers.next_timeout() == (model[0][0] + PATIENCE if model else None)
        assert set(strangers._by_network) == {entry[1] for entry in model}


def test_a_crowd_of_one_network_is_its_own_trouble() -> None:
    """The others stay, however many come."""
    strangers = Strangers(PATIENCE, MOST, EACH)
    strangers.enter(who(0), "other", 0.0)
    for number in range(1, 100):
        gone = strangers.enter(who(number), "crowd", 1.0)
        assert gone == (who(number - EACH) if number > EACH else None)
    assert who(0) in strangers
