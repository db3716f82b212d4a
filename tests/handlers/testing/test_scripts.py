"""Calls by chance, and the shortest one that fails."""

from __future__ import annotations

import json

import pytest

from fastrtc_core.testing import Line
from fastrtc_handlers.testing import (
    Call,
    CallScript,
    Fault,
    Interrupt,
    Reply,
    Say,
    Step,
    Type,
    draw_call,
    run_calls,
)

from .agents import restaurant

LINES = ("A table for two, please.", "Tell me a story.", "Hello.")


def test_the_same_seed_is_the_same_call() -> None:
    """Others are others, and all that may happen does."""
    calls = [draw_call(seed, LINES, tools=["find_table"]) for seed in range(200)]
    assert calls == [draw_call(seed, LINES, tools=["find_table"]) for seed in range(200)]
    assert len({str(call) for call in calls}) > 190
    kinds = {type(step).__name__ for call in calls for step in call.steps}
    assert kinds == {"Say", "Interrupt", "Backchannel", "Wait", "Type", "PushToTalk", "HangUp"}
    faults = [fault for call in calls for fault in call.faults]
    assert {"stt", "tts", "model", "model:0", "find_table"} == {fault.of for fault in faults}
    assert {"fail", "hang", "slow", "break"} == {fault.kind for fault in faults}
    assert 60 < sum(call.line is not None for call in calls) < 100


def test_what_is_printed_is_python() -> None:
    call = CallScript(
        (Reply(), Say("a", listen=False), Interrupt("b", 0.7), Type("c")),
        (Fault("tts", "fail", 1.5, times=1),),
        Line(0.05, seed=3),
    )
    assert eval(str(call)) == call


def test_steps_of_ones_own_are_printed() -> None:
    class Sing(Step):
        async def do(self, call: Call) -> None: ...

    assert "Sing object" in str(CallScript((Sing(),)))


def test_a_call_that_fails_is_made_short() -> None:
    """What does not matter is left out: steps, words, faults and the line."""
    script = CallScript(
        (Reply(), Say("Now tell me a story."), Type("Hello.")),
        (Fault("find_table", "hang"),),
        Line(0.05),
        "the one",
    )

    def check(call: Call) -> None:
        assert "garden" not in call.heard, "it talks of gardens"

    fine = CallScript((Say("Hello."),), name="another")
    report = run_calls(restaurant(), [script, fine], check)
    assert [call.name for call in report.failures] == ["the one"]
    failure = report.failures[0].failure
    assert "it talks of gardens" in failure
    assert "CallScript(steps=(Say('story.'),))" in failure
    assert "spoken: story." in failure
    with pytest.raises(AssertionError, match="1 of 2 calls failed"):
        report.raise_failures()
    told = json.loads(report.as_json())
    assert (told["failed"], told["turns"], len(told["calls"])) == (1, 3, 2)
    assert "2 calls" in str(report)


def test_an_error_that_nothing_explains_is_a_failure() -> None:
    async def broken(messages: list[dict[str, str]]) -> str:
        raise ZeroDivisionError

    script = CallScript((Say("Hello."),))
    report = run_calls(restaurant(model=broken), [script], shrink=False)
    assert "nothing was to fail" in report.failures[0].failure
    assert "spoken: Hello." in report.failures[0].failure
    explained = CallScript((Say("Hello."),), (Fault("tts", "fail", times=1),))
    assert not run_calls(restaurant(model=broken), [explained]).failures
