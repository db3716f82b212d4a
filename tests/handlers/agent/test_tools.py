"""Tools: their schema out of signature and docstring, and what they are called with."""

from __future__ import annotations

import enum
import functools
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from fastrtc_core import ConfigurationError
from fastrtc_handlers.agent import Tool, ToolError, tool
from fastrtc_handlers.agent.tools import MAX_RESULT, as_tool, in_words


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Guest(BaseModel):
    name: str
    age: int = 18


def book(
    day: Literal["today", "tomorrow"],
    guests: list[Guest],
    size: Size = Size.SMALL,
    copy: Annotated[int | None, "How many copies"] = None,
) -> Undefined:  # type: ignore[name-defined] # noqa: F821 - what it returns need not be known
    """Book a table.

    It may take a while.

    Args:
        day: When,
            if at all: or not.
        guests (list[Guest]): Who comes.

    Returns:
        What it costs.
    """
    return day, guests, size, copy


async def test_the_schema_is_that_of_the_signature() -> None:
    """With what the docstring says of the whole, and of each argument."""
    schema = as_tool(book).schema
    assert schema["type"] == "function"
    function = schema["function"]
    assert function["name"] == "book"
    assert function["description"] == "Book a table.\n\nIt may take a while."
    parameters = function["parameters"]
    assert parameters["type"] == "object"
    assert parameters["required"] == ["day", "guests"]
    properties = parameters["properties"]
    assert properties["day"] == {
        "enum": ["today", "tomorrow"],
        "type": "string",
        "description": "When, if at all: or not.",
    }
    assert properties["guests"]["description"] == "Who comes."
    assert properties["copy"]["description"] == "How many copies"
    assert set(parameters["$defs"]) == {"Guest", "Size"}


async def test_arguments_are_read_by_their_types() -> None:
    result = await as_tool(book).run(
        '{"day": "today", "guests": [{"name": "Bo"}], "size": "large", "copy": 2, "more": 1}'
    )
    assert result == ("today", [Guest(name="Bo")], Size.LARGE, 2)
    with pytest.raises(ToolError, match=r"day: .*; guests.0.name: Field required"):
        await as_tool(book).run('{"day": "never", "guests": [{}]}')


async def test_other_docstrings() -> None:
    @tool(name="add-up", description=None)
    def add(a: int, b: int = 1) -> int:
        """Add.

        :param a: The first.
        :param int b: The second.
        """
        return a + b

    properties = add.parameters["properties"]
    assert [properties[name]["description"] for name in "ab"] == ["The first.", "The second."]
    assert add.description == "Add."
    assert await add.run('{"a": 1}') == 2
    assert tool(name="one")(lambda: 1).parameters["properties"] == {}


async def test_any_callable() -> None:
    """An object, a bound method, a function that returns a coroutine."""

    class Shop:
        async def __call__(self, item: str) -> str:
            """Buy."""
            return f"bought {item}"

        def sell(self, item: str) -> str:
            """Sell."""
            return f"sold {item}"

    async def later() -> str:
        return "later"

    assert await as_tool(Shop()).run('{"item": "milk"}') == "bought milk"
    assert as_tool(Shop()).name == "Shop"
    assert await as_tool(Shop().sell).run('{"item": "milk"}') == "sold milk"
    assert await tool(name="l")(lambda: later()).run("") == "later"


def _splat(*args: int) -> None: ...


def _by_position(a: int, /) -> None: ...


def _unknown(a: Undefined) -> None: ...  # type: ignore[name-defined] # noqa: F821


def _odd(a: type(lambda: 1)) -> None: ...  # type: ignore[valid-type]


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (_splat, {}, "name each argument"),
        (_by_position, {}, "by position"),
        (_unknown, {}, "no signature to read"),
        (lambda: 1, {}, "cannot be called '<lambda>'"),
        (book, {"name": "book a table"}, "cannot be called"),
        (book, {"on_interrupt": "drop"}, "'cancel' or 'keep'"),
    ],
)
def test_what_cannot_be_a_tool(function: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        tool(**options)(function)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (None, "Done."),
        ("Yes.", "Yes."),
        ({"größe": 1.5}, '{"größe": 1.5}'),
        ([Size.SMALL], '["Size.SMALL"]'),
        (Guest(name="Bo"), '{"name":"Bo","age":18}'),
    ],
)
def test_results_in_words(result: Any, told: str) -> None:
    assert in_words(result) == told


def test_a_result_has_a_bound() -> None:
    assert len(in_words("a" * 10**6)) < MAX_RESULT + 50


def test_a_tool_is_taken_as_it_is() -> None:
    made = tool(book)
    assert as_tool(made) is made
    assert isinstance(made, Tool)


def test_a_function_is_read_once() -> None:
    """Each session makes its agent anew, and pydantic takes its time."""

    def weather(city: str) -> str:
        """What it is like."""
        return city

    first = as_tool(weather)
    assert as_tool(weather) is first
    wrapped = functools.wraps(weather)(lambda city: weather(city))
    assert as_tool(wrapped) is not first
    assert as_tool(functools.partial(weather, "here")).name
