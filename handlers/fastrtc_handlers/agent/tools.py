"""Tools: functions that a language model may call, described by their signature and docstring."""

from __future__ import annotations

import functools
import inspect
import json
import re
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Annotated, Any, Literal, overload

from pydantic import BaseModel, Field, ValidationError, create_model

from fastrtc_core import AdditionalOutputs, CloseStream, ConfigurationError, StreamHandlerBase
from fastrtc_core.toolkit import SessionThread, guarded

OnInterrupt = Literal["cancel", "keep"]

MAX_RESULT = 20_000
"""Characters of a result that a model is given."""

_KEPT = "_fastrtc_tool"
"""Attribute of a function with the tool that was made of it."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_SECTION = re.compile(r"\s*(Args|Arguments|Parameters|Returns|Yields|Raises|Examples?):\s*\Z")
_GOOGLE = re.compile(r"\s+\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)\Z")
_SPHINX = re.compile(r"\s*:param (?:[^:]*\s)?(\w+):\s*(.*)\Z")


class ToolError(Exception):
    """A tool cannot do what it was asked; the text tells the model why."""


@dataclass(frozen=True)
class Tool:
    """A function that a model may call.

    Made by `tool`, or of a plain function by `VoiceAgent`.

    Attributes:
        function: What is called with the arguments, as keywords.
        name: What the model knows it by.
        description: What it does, for the model.
        parameters: JSON schema of its arguments.
        filler: What is said when it takes longer than `filler_after`: one text, or several, one
            after the other. Empty: nothing.
        filler_after: In s, of silence.
        on_interrupt: Whether it is cancelled or kept when the user speaks before it is done.
        timeout: How long in s it may take; `None`: as the agent's limits say.
        status: What the client is shown while it runs; its name by default.
    """

    function: Callable[..., Any]
    name: str
    description: str
    parameters: dict[str, Any]
    filler: str | Sequence[str] = ()
    filler_after: float = 1.0
    on_interrupt: OnInterrupt = "cancel"
    timeout: float | None = None
    status: str = ""
    _arguments: type[BaseModel] | None = None
    _handler_parameter: str = ""

    def __get__(self, instance: Any, owner: type | None = None) -> Tool:
        """As a method of an agent: bound to it."""
        if instance is None:
            return self
        return replace(self, function=functools.partial(self.function, instance))

    @property
    def schema(self) -> dict[str, Any]:
        """As OpenAI's API and those like it take it, in `tools`."""
        function = {"name": self.name, "description": self.description}
        return {"type": "function", "function": {**function, "parameters": self.parameters}}

    @property
    def fillers(self) -> list[str]:
        """What is said while it runs, in order."""
        return [self.filler] if isinstance(self.filler, str) else list(self.filler)

    async def run(self, arguments: str, handler: StreamHandlerBase | None = None) -> Any:
        """Call it; sync code runs on a thread, which is told to end if this is cancelled.

        Args:
            arguments: As the model wrote them: a JSON object.
            handler: What a parameter that is annotated with a handler's class gets.

        Raises:
            ToolError: If the arguments are not those of the function.
            Exception: Whatever the function raises.
        """
        keywords = self._read(arguments)
        if self._handler_parameter:
            keywords[self._handler_parameter] = handler
        call = functools.partial(self.function, **keywords)
        target: Any = self.function
        while isinstance(target, functools.partial):
            target = target.func
        if inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(
            getattr(target, "__call__", None)  # noqa: B004 - its kind is asked
        ):
            return await guarded(call())
        thread = SessionThread(f"tool-{self.name}")
        try:
            result = await thread.run(call)
        finally:
            thread.close()
        return await guarded(result) if inspect.isawaitable(result) else result

    def _read(self, arguments: str) -> dict[str, Any]:
        try:
            given = json.loads(arguments or "{}")
        except ValueError:
            raise ToolError("the arguments are not JSON") from None
        if not isinstance(given, dict):
            raise ToolError("the arguments must be a JSON object")
        if self._arguments is None:
            return given
        try:
            read = self._arguments.model_validate(given)
        except ValidationError as error:
            wrong = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ToolError("; ".join(wrong)) from None
        # By alias: pydantic has names of its own, which arguments may have as well.
        fields = type(read).model_fields.items()
        return {str(field.alias): getattr(read, name) for name, field in fields}


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    filler: str | Sequence[str] = (),
    filler_after: float = 1.0,
    on_interrupt: OnInterrupt = "cancel",
    timeout: float | None = None,
    status: str = "",
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    filler: str | Sequence[str] = (),
    filler_after: float = 1.0,
    on_interrupt: OnInterrupt = "cancel",
    timeout: float | None = None,
    status: str = "",
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a function a tool, as a decorator with or without arguments.

    The schema is that of the annotations, with the descriptions in the docstring (Google's style,
    or `:param name:`) or in `Annotated[str, "…"]`. A parameter annotated with the class of a
    handler, such as `VoiceAgent`, gets the agent of the session, and the model knows nothing of it.

    Args:
        function: Sync or async.
        name: That of the function by default.
        description: The docstring before its sections by default.
        filler: See `Tool`, as the rest.
        filler_after: In s.
        on_interrupt: `cancel` or `keep`.
        timeout: In s.
        status: Such as "Looking it up…".

    Raises:
        ConfigurationError: If no schema can be made of it.
    """

    def make(function: Callable[..., Any]) -> Tool:
        summary, parameters = _read_docstring(inspect.getdoc(function) or "")
        called = str(name or getattr(function, "__name__", type(function).__name__))
        if not _NAME.match(called):
            raise ConfigurationError(
                f"a tool cannot be called {called!r}: up to 64 letters, digits, _ and -"
            )
        if on_interrupt not in ("cancel", "keep"):
            raise ConfigurationError(f"on_interrupt is 'cancel' or 'keep', not {on_interrupt!r}")
        arguments, handler_parameter = _arguments_of(function, called, parameters)
        schema = arguments.model_json_schema()
        schema.pop("title", None)
        schema.setdefault("properties", {})
        for each in schema["properties"].values():
            each.pop("title", None)
        return Tool(
            function,
            called,
            summary if description is None else description,
            schema,
            filler,
            filler_after,
            on_interrupt,
            timeout,
            status or f"{called.replace('_', ' ').capitalize()}…",
            arguments,
            handler_parameter,
        )

    return make if function is None else make(function)


def as_tool(function: Callable[..., Any] | Tool) -> Tool:
    """A tool, or a plain function as one.

    A function keeps what was made of it: each session has a copy of its agent, and pydantic takes
    milliseconds of the event loop for a schema.
    """
    if isinstance(function, Tool):
        return function
    if not inspect.isfunction(function):
        return tool(function)
    kept = function.__dict__.get(_KEPT)
    if not isinstance(kept, Tool) or kept.function is not function:  # or of what it wraps
        kept = function.__dict__[_KEPT] = tool(function)
    return kept


def in_words(result: Any) -> str:
    """What a model is told of what a tool returned."""
    if result is None or isinstance(result, (AdditionalOutputs, CloseStream)):
        text = "Done."
    elif isinstance(result, str):
        text = result
    elif isinstance(result, BaseModel):
        text = result.model_dump_json()
    else:
        text = json.dumps(result, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_RESULT else f"{text[:MAX_RESULT]} … (the rest was cut off)"


def failure_in_words(error: BaseException, timeout: float) -> str:
    """What a model is told of a tool that failed."""
    if isinstance(error, TimeoutError) and not str(error):
        return f"Error: it took longer than {timeout:g} s."
    if isinstance(error, ToolError):
        return f"Error: {error}"
    return f"Error: {type(error).__name__}: {error}"


def _arguments_of(
    function: Callable[..., Any], name: str, descriptions: dict[str, str]
) -> tuple[type[BaseModel], str]:
    """The arguments as a model of pydantic, and the parameter that gets the handler, if any."""
    try:
        hints = _hints_of(function)
        parameters = list(inspect.signature(function).parameters.values())
    except (NameError, TypeError, ValueError) as error:
        raise ConfigurationError(f"the tool {name} has no signature to read: {error}") from error
    if "self" in (parameter.name for parameter in parameters[:1]):
        parameters = parameters[1:]  # a method of an agent, which is bound later
    fields: dict[str, Any] = {}
    handler_parameter = ""
    for parameter in parameters:
        hint = hints.get(parameter.name, Any)
        if _is_handler(hint):
            handler_parameter = parameter.name
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigurationError(f"the tool {name} takes *{parameter.name}: name each argument")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ConfigurationError(f"the tool {name} takes {parameter.name} by position alone")
        default = ... if parameter.default is parameter.empty else parameter.default
        description = _description(hint, descriptions, parameter.name)
        field = Field(default, alias=parameter.name, description=description)
        fields[f"argument_{len(fields)}"] = (hint, field)
    try:
        return create_model(name, **fields), handler_parameter
    except Exception as error:
        raise ConfigurationError(f"the tool {name} has no schema: {error}") from error


def _hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of its parameters; what it returns need not be defined yet."""
    target: Any = function
    while isinstance(target, functools.partial):
        target = target.func
    target = inspect.unwrap(target if inspect.isroutine(target) else type(target).__call__)
    given = dict(getattr(target, "__annotations__", {}))
    given.pop("return", None)
    annotated = SimpleNamespace(__annotations__=given)
    names = getattr(target, "__globals__", {})
    return typing.get_type_hints(annotated, globalns=names, include_extras=True)


def _is_handler(hint: Any) -> bool:
    """Whether it is the class of a handler, or that or nothing."""
    return any(
        isinstance(each, type) and issubclass(each, StreamHandlerBase)
        for each in (hint, *typing.get_args(hint))
    )


def _description(hint: Any, descriptions: dict[str, str], name: str) -> str | None:
    if typing.get_origin(hint) is Annotated:
        for each in hint.__metadata__:
            if isinstance(each, str):
                return each
    return descriptions.get(name)


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """What a function does, and what its arguments are."""
    summary: list[str] = []
    arguments: dict[str, str] = {}
    section, latest, indent = "", "", 0
    for line in text.splitlines():
        if found := _SECTION.match(line):
            section, latest = found[1], ""
        elif found := _SPHINX.match(line):
            section, latest = "Args", found[1]
            arguments[latest] = found[2]
        elif section in ("Args", "Arguments", "Parameters"):
            found = _GOOGLE.match(line)
            if found and (not latest or _indent(line) <= indent):
                latest, indent = found[1], _indent(line)
                arguments[latest] = found[2]
            elif latest and line.strip():
                arguments[latest] = f"{arguments[latest]} {line.strip()}"
        elif not section:
            summary.append(line)
    return "\n".join(summary).strip(), arguments


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
