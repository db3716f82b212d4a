"""Language models: any function that takes the history, and OpenAI-compatible services."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastrtc_core import (
    AdditionalOutputs,
    CloseStream,
    ConfigurationError,
    FastRTCError,
    get_current_turn,
)
from fastrtc_core.toolkit import Function, SessionThread, import_extra, model_name, pieces_of

logger = logging.getLogger(__name__)

Message = dict[str, Any]
"""One message of a history, in the form of OpenAI's chat completions."""

Model = Callable[..., Any]
"""`model(messages)` or `model(messages, tools)`: returns or yields text and `ToolCall`s.

It is a function, a coroutine, or a sync or async generator; sync code runs on a thread. `messages`
begin with the instructions, and `tools` are their schemas, both as OpenAI's API takes them."""

_numbers = itertools.count(1)


class ModelError(FastRTCError, RuntimeError):
    """No language model answered; the text says why."""


@dataclass(frozen=True)
class ToolCall:
    """A model wants a tool to be called.

    Attributes:
        name: Of the tool.
        arguments: A JSON object as text, or a `dict`.
        id: Tells calls apart; made up where the model gives none.
    """

    name: str
    arguments: str | dict[str, Any] = "{}"
    id: str = field(default_factory=lambda: f"call_{next(_numbers)}")


Answer = str | ToolCall | AdditionalOutputs | CloseStream
"""What a model yields."""


class OpenAIModel:
    """A language model behind OpenAI's chat completions, or any service that speaks as they do.

    All sessions share it, and with it the connections to the service.

    Args:
        model: Name of the model.
        base_url: Where it is; `OPENAI_BASE_URL` by default, and OpenAI's own without that.
        api_key: `OPENAI_API_KEY` by default.
        options: More fields of each request, such as `temperature`; with
            `stream_options={"include_usage": True}`, the record of a turn has its tokens.

    Raises:
        ConfigurationError: If the extra `agent` is missing, or there is neither key nor address.
    """

    def __init__(
        self,
        model: str = "gpt-4.1-mini",
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        **options: Any,
    ) -> None:
        self.model = model
        self.options = options
        self._openai = import_extra("openai", extra="agent", used_by="OpenAIModel")
        if base_url is not None and api_key is None:
            api_key = "none"  # services of one's own often want none, and the client wants one
        self._arguments = {"base_url": base_url, "api_key": api_key, "max_retries": 0}
        try:
            self._openai.AsyncOpenAI(**self._arguments)
        except self._openai.OpenAIError as error:
            raise ConfigurationError(f"OpenAIModel: {error}") from None
        # Connections belong to the event loop on which they were made.
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any]
        self._clients = weakref.WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"OpenAIModel({self.model!r})"

    async def __call__(
        self, messages: list[Message], tools: list[dict[str, Any]]
    ) -> AsyncIterator[Answer]:
        """Yield the answer as it is written.

        Raises:
            openai.OpenAIError: If the service cannot be reached, or refuses.
        """
        request: dict[str, Any] = {"model": self.model, "messages": messages, **self.options}
        if tools:
            request["tools"] = tools
        calls: dict[int, dict[str, str]] = {}
        usage: Any = None
        stream = await self._client().chat.completions.create(stream=True, **request)
        async with stream:
            async for chunk in stream:
                usage = chunk.usage or usage  # some services count with each chunk, from the first
                for choice in chunk.choices[:1]:
                    if choice.delta.content:
                        yield choice.delta.content
                    for part in choice.delta.tool_calls or ():
                        _add_part(calls, part)
        if usage is not None:
            _count(usage)
        for call in calls.values():
            yield ToolCall(**call)

    async def aclose(self) -> None:
        """Close the connections that this event loop has to the service; idempotent."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = self._openai.AsyncOpenAI(**self._arguments)
        return self._clients[loop]


def _count(usage: Any) -> None:
    """Note the tokens of an answer in the turn."""
    if (turn := get_current_turn()) is not None:
        for name, number in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
            turn.tokens[name] = turn.tokens.get(name, 0) + (number or 0)  # some count only one


def _add_part(calls: dict[int, dict[str, str]], part: Any) -> None:
    """A part of a call: its id and name come first, then the arguments piece by piece."""
    call = calls.setdefault(part.index, {"name": "", "arguments": ""})
    if part.id:
        call["id"] = part.id
    if part.function is not None:
        call["name"] += part.function.name or ""
        call["arguments"] += part.function.arguments or ""


class Models:
    """Asks one model after the other, until one begins to answer.

    Args:
        models: Functions, or names of models of OpenAI; the first one is asked first.

    Raises:
        ConfigurationError: If there is none, or one is no function.
    """

    def __init__(self, models: Model | str | Sequence[Model | str]) -> None:
        several = [models] if callable(models) or isinstance(models, str) else list(models)
        if not several:
            raise ConfigurationError("a VoiceAgent needs a model")
        self._models = [OpenAIModel(one) if isinstance(one, str) else one for one in several]
        for one in self._models:
            if not callable(one):
                raise ConfigurationError(f"a model must be a function or a name, not {one!r}")

    @property
    def all(self) -> Sequence[Model]:
        """The models, in the order in which they are asked."""
        return tuple(self._models)

    async def ask(
        self, messages: list[Message], tools: list[dict[str, Any]], *, patience: float
    ) -> AsyncGenerator[Answer]:
        """Yield what the first model says that begins to within `patience` s.

        Raises:
            ModelError: If none does, or one stops in the middle or is silent for so long; the cause
                is what it raised.
        """
        for number, model in enumerate(self._models, 1):
            begun = False
            try:
                async with contextlib.aclosing(_answers(model, messages, tools, patience)) as said:
                    async for answer in said:
                        if not begun and (turn := get_current_turn()) is not None:
                            turn.models["model"] = model_name(model)
                        begun = True
                        yield answer
                return
            except Exception as error:
                what = str(error) or type(error).__name__
                if isinstance(error, TimeoutError):
                    what = f"it was silent for {patience:g} s"
                if begun or number == len(self._models):
                    raise ModelError(f"{_name_of(model)} failed: {what}") from error
                logger.warning("%s failed, the next model is asked: %s", _name_of(model), what)


async def _answers(
    model: Model, messages: list[Message], tools: list[dict[str, Any]], patience: float
) -> AsyncGenerator[Answer]:
    call = functools.partial(model, *Function(model, leading=0).pick((messages, tools)))
    thread = SessionThread("model")
    try:
        async with contextlib.aclosing(pieces_of(call, thread)) as pieces:
            while True:
                try:
                    async with asyncio.timeout(patience):
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                if piece is None or piece == "":
                    continue
                if not isinstance(piece, Answer):
                    raise TypeError(
                        f"a model yields text and ToolCalls, not {type(piece).__name__}"
                    )
                yield piece
    finally:
        thread.close()


def _name_of(model: Model) -> str:
    if isinstance(model, OpenAIModel):
        return f"the model {model.model}"
    return f"the model {getattr(model, '__name__', None) or type(model).__name__}"
