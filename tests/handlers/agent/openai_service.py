"""A stand-in of OpenAI's chat completions: a real HTTP server that streams as they document it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse


class Completions:
    """Answers requests from a list, in order.

    An answer is a text, sent word by word; a `dict` of tools and their arguments to be called; a
    number, which is a status of HTTP; or a list of these and of pauses in s, as floats.

    Attributes:
        app: To be served; the API is at `/v1`.
        requests: The bodies of all requests.
        keys: Their `authorization`.
        aborted: How many answers were not read to their end.
    """

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.aborted = 0
        self.app = FastAPI()
        self.app.post("/v1/chat/completions")(self.complete)

    async def complete(self, request: Request) -> Any:
        body = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers["authorization"])
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            error = {"message": "overloaded", "type": "server_error", "code": None}
            return JSONResponse({"error": error}, answer)
        parts = answer if isinstance(answer, list) else [answer]
        if body.get("stream"):
            return StreamingResponse(self._stream(body, parts), media_type="text/event-stream")
        return _whole(body, parts)

    async def _stream(self, body: dict[str, Any], parts: list[Any]) -> AsyncIterator[str]:
        """Events of the API: chunks, of which the last has a reason, and then `[DONE]`."""
        finished, told = False, 0

        def event(delta: dict[str, Any], reason: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
            chunk = {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1700000000,
                "model": body["model"],
                "choices": [choice],
            }
            if "stream_options" in body:  # as some services have it: with each, and not all of it
                nonlocal told
                told += 1
                usage = {"prompt_tokens": None, "completion_tokens": told, "total_tokens": told}
                chunk["usage"] = usage
            return f"data: {json.dumps(chunk)}\n\n"

        try:
            yield event({"role": "assistant", "content": ""})
            for part in parts:
                if isinstance(part, float):
                    await asyncio.sleep(part)
                elif isinstance(part, str):
                    for word in part.split(" "):
                        yield event({"content": f"{word} "})
                else:
                    for index, (name, arguments) in enumerate(part.items()):
                        function = {"name": name, "arguments": ""}
                        first = {"index": index, "id": f"call_{index}", "type": "function"}
                        yield event({"tool_calls": [{**first, "function": function}]})
                        text = json.dumps(arguments)
                        for start in range(0, len(text), 5):
                            piece = {"arguments": text[start : start + 5]}
                            yield event({"tool_calls": [{"index": index, "function": piece}]})
            calls = any(isinstance(part, dict) for part in parts)
            yield event({}, "tool_calls" if calls else "stop")
            yield "data: [DONE]\n\n"
            finished = True
        finally:
            self.aborted += not finished


def _whole(body: dict[str, Any], parts: list[Any]) -> dict[str, Any]:
    """The answer where none is streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for part in parts:
        if isinstance(part, str):
            message["content"] = part
        elif isinstance(part, dict):
            message["tool_calls"] = [
                {
                    "id": f"call_{index}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(arguments)},
                }
                for index, (name, arguments) in enumerate(part.items())
            ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
