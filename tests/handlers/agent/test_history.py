"""The history: exchanges that are cut, taken back, forgotten and loaded."""

from __future__ import annotations

from typing import Any

import pytest

from fastrtc_handlers.agent.history import Exchange, History


def exchange(*parts: Any) -> Exchange:
    """Texts of assistants; a text in a list is a filler, and a `dict` a message of its own."""
    made = Exchange([{"role": "user", "content": "Hi"}])
    for part in parts:
        if isinstance(part, dict):
            made.messages.append(part)
        elif isinstance(part, list):
            made.write(None, part[0])
        else:
            message = {"role": "assistant", "content": ""}
            made.messages.append(message)
            for piece in (part[:3], part[3:]):
                made.write(message, piece)
    return made


CALLS = {"role": "assistant", "content": "", "tool_calls": [{"id": "a"}]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "42"}


@pytest.mark.parametrize(
    ("heard", "kept"),
    [
        ("", []),
        ("One", ["One"]),
        ("One two.  Hm.", ["One two."]),
        ("One two. Hm. Three", ["One two.", "Three"]),
        ("One two.\nHm.\n\nThree four.", ["One two.", "Three four."]),
        ("One two. Hm. Three four. And more than there was", ["One two.", "Three four."]),
    ],
)
def test_an_exchange_is_cut_where_it_was_heard(heard: str, kept: list[str]) -> None:
    """Fillers count, and are not kept; white space does not count."""
    made = exchange("One two. ", ["Hm.\n"], "Three four.")
    made.cut(heard)
    assert [m["content"] for m in made.messages if m["role"] == "assistant"] == kept
    assert made.messages[0] == {"role": "user", "content": "Hi"}


def test_what_tools_did_stays() -> None:
    """Although nothing was heard, and although the user goes on."""
    made = exchange(dict(CALLS), dict(RESULT), "Never heard.")
    made.cut("")
    assert made.messages[1:] == [CALLS, RESULT]
    history = History()
    history.add(made)
    history.take_back(made)
    assert history.messages == made.messages


def test_what_is_part_of_the_next_is_taken_back() -> None:
    history = History()
    made = exchange()
    history.add(made)
    history.take_back(made)
    history.take_back(made)
    assert history.messages == []


def test_the_oldest_are_forgotten_as_a_whole() -> None:
    """By their number, and by their length; the latest stays whatever it is."""
    history = History(max_messages=3, max_characters=300)
    for text in ("one", "two", "three"):
        history.add(exchange(text))
    assert [m["content"] for m in history.messages] == ["Hi", "three"]
    history.add(exchange("long" * 100))
    assert [m["content"] for m in history.messages] == ["Hi", "long" * 100]
    history.add(Exchange())
    assert len(history.messages) == 2


def test_what_was_loaded_is_forgotten_by_the_turn() -> None:
    """Calls of tools stay with their results."""
    messages = [
        {"role": "assistant", "content": "Hello."},
        *exchange(dict(CALLS), dict(RESULT), "one").messages,
        *exchange("two").messages,
    ]
    history = History(max_messages=5)
    history.load(messages)
    assert [m["content"] for m in history.messages] == ["Hi", "two"]
    history = History()
    history.load(messages)
    assert history.messages == messages
    history.clear()
    assert history.messages == []
