"""What a page makes of the events of a connection: `Conversation` and `Line` of the client."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from .conftest import OpenPage
from .support import Server

# Tells a conversation of events, `[ms to wait, type, detail]`; returns all that it tells.
TELL = """async (events) => {
  const { Conversation } = await import("/echo/webrtc/client.js");
  const connection = Object.assign(new EventTarget(), { running: true });
  const conversation = new Conversation(connection);
  const told = [];
  for (const type of ["activity", "line", "answer"]) {
    conversation.addEventListener(type, ({ detail }) => told.push([type, detail]));
  }
  for (const [wait, type, detail] of events) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (type === "write") conversation.write(detail);
    else connection.dispatchEvent(new CustomEvent(type, { detail }));
  }
  return { told, lines: conversation.lines };
}"""
LOUD, QUIET = {"local": 0, "remote": 0.2}, {"local": 0.2, "remote": 0}


@pytest.fixture
def page(open_page: OpenPage, page_server: Server) -> Page:
    return open_page(page_server.url)


def turn(event: str, silence: float = 0.0, wait: int = 0) -> tuple[int, str, Any]:
    return wait, "turn", {"event": event, "silence": silence}


def said(role: str, text: str, *, final: bool = True, wait: int = 0) -> tuple[int, str, Any]:
    return wait, "transcript", {"role": role, "text": text, "final": final}


def of_type(result: Any, type: str) -> list[Any]:
    return [detail for name, detail in result["told"] if name == type]


def test_what_an_agent_does(page: Page) -> None:
    """It speaks once it is heard; a text of its own stands until it does something else."""
    events = [
        turn("listening"),
        turn("started_talking"),
        (0, "level", QUIET),
        turn("pause_detected", silence=0.5),
        turn("response_starting"),
        (0, "status", "Looking it up…"),
        (0, "level", QUIET),
        (200, "level", LOUD),
        turn("response_done"),
        (0, "level", LOUD),  # the end of it is still on its way
        (0, "status", "Recording"),
        (0, "status", ""),
    ]
    result = page.evaluate(TELL, events)
    assert [one["text"] or one["activity"] for one in of_type(result, "activity")] == [
        "listening",
        "thinking",
        "Looking it up…",
        "speaking",
        "listening",
        "Recording",
        "listening",
    ]
    [answer] = of_type(result, "answer")
    assert 0.7 <= answer["delay"] < 1.7  # from the last word on


def test_the_rest_of_an_answer_is_not_the_next_one(page: Page) -> None:
    """What was cut off may still be on its way when the next answer begins."""
    events = [
        turn("response_starting"),
        (0, "level", LOUD),
        (0, "interrupted", {"heard_ms": 100, "text": ""}),
        turn("pause_detected"),
        turn("response_starting"),
        (0, "level", LOUD),
        (0, "level", QUIET),
        (100, "level", LOUD),
    ]
    [answer] = of_type(page.evaluate(TELL, events), "answer")
    assert answer["delay"] >= 0.09


def test_a_greeting_is_no_answer(page: Page) -> None:
    events = [turn("response_starting"), (0, "level", LOUD), turn("response_done")]
    result = page.evaluate(TELL, events)
    assert of_type(result, "answer") == []
    assert [one["activity"] for one in of_type(result, "activity")][1] == "speaking"


def test_lines_of_both_sides(page: Page) -> None:
    """What is recognised changes until it stands; sentences of an answer are one line."""
    events = [
        said("user", "what", final=False),
        said("user", "what time", final=False),
        said("user", "What time is it?"),
        turn("response_starting"),
        said("assistant", "It is ten."),
        said("assistant", "In the morning."),
        turn("response_done"),
        said("user", "hm", final=False),
        said("user", ""),  # it was nothing
        (0, "write", "thank you"),
        said("user", "thank you"),  # the server tells what was typed as well
        turn("response_starting"),
        said("assistant", "You are welcome."),
        turn("response_done"),
        # An answer that is audio: its text comes whole each time, and what was heard of it last.
        said("assistant", "I shall", final=False),
        turn("response_starting"),
        said("assistant", "I shall be glad to", final=False),
        (0, "interrupted", {"heard_ms": 500, "text": ""}),
        said("assistant", "I shall be"),
        turn("response_starting"),
        said("assistant", "Yes?", final=False),
        said("assistant", "Yes?"),
    ]
    lines = page.evaluate(TELL, events)["lines"]
    assert [(line["role"], line["heard"]) for line in lines] == [
        ("user", "What time is it?"),
        ("assistant", "It is ten. In the morning."),
        ("user", ""),
        ("user", "thank you"),
        ("assistant", "You are welcome."),
        ("assistant", "I shall be"),
        ("assistant", "Yes?"),
    ]
    assert all(line["final"] for line in lines)
    assert [line["unheard"] for line in lines if line["unheard"]] == [" glad to"]


@pytest.mark.parametrize(
    ("interrupted", "heard"),
    [
        # As many words as the server says, however it has their white space.
        ({"heard_ms": 900, "text": "One  is\nshort. Two is"}, "One is short. Two is"),
        ({"heard_ms": 0, "text": ""}, ""),
        ({"heard_ms": 700, "text": "One is short. Two is somewhat longer than one."}, "all"),
    ],
)
def test_what_was_cut_off(page: Page, interrupted: Any, heard: str) -> None:
    """The rest of the answer; the next one is a line of its own."""
    whole = "One is short. Two is somewhat longer than one."
    events = [
        turn("response_starting"),
        said("assistant", "One is short."),
        said("assistant", "Two is somewhat longer than one.", wait=200),
        (0, "interrupted", interrupted),
        turn("response_done"),
        turn("response_starting"),
        said("assistant", "Yes?"),
    ]
    first, second = page.evaluate(TELL, events)["lines"]
    assert first["heard"] + first["unheard"] == whole
    assert first["heard"] == (whole if heard == "all" else heard)
    assert (second["heard"], second["unheard"]) == ("Yes?", "")


READ = """async (reports) => {
  const { Line } = await import("/echo/webrtc/client.js");
  const line = new Line();
  return reports.map((stats) => line.read(new Map(stats.map((one, at) => [one.id ?? at, one]))));
}"""


def test_how_good_the_line_is(page: Page) -> None:
    """The round trip of the pair in use; the loss since the last reading, of the worse way."""

    def report(received: int, lost: int, theirs: float | None = None) -> list[Any]:
        stats: list[Any] = [
            {"id": "old", "type": "candidate-pair", "currentRoundTripTime": 9},
            {"id": "used", "type": "candidate-pair", "currentRoundTripTime": 0.03},
            {"type": "transport", "selectedCandidatePairId": "used"},
            {"type": "inbound-rtp", "packetsReceived": received, "packetsLost": lost},
        ]
        if theirs is not None:
            stats.append({"type": "remote-inbound-rtp", "fractionLost": theirs})
        return stats

    reports = [report(0, 0), report(90, 10), report(190, 10), report(290, 10, 0.2), []]
    reports.append([{"type": "candidate-pair", "selected": True, "currentRoundTripTime": 0.2}])
    figures = page.evaluate(READ, reports)
    assert [one["lost"] for one in figures[:4]] == [None, 0.1, 0, 0.2]
    assert [one["roundTrip"] for one in figures] == [0.03, 0.03, 0.03, 0.03, None, 0.2]
