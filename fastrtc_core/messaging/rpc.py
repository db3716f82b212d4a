"""Calls between the members of a channel, in the words of LiveKit's SDKs.

A call is two JSON texts: `{"id", "method", "payload", "timeout"}` there, `{"id", "payload"}` or
`{"id", "error": {"code", "message", "data"}}` back.
"""

from __future__ import annotations

import asyncio
import enum
import itertools
import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeGuard

from .. import strict_json
from ..errors import ConfigurationError, RpcError
from ..session.calls import call_once
from .naming import is_unicode

logger = logging.getLogger(__name__)

MAX_PAYLOAD = 15 * 1024
"""Bytes of UTF-8 of a request or a response."""

MAX_METHOD = 64
"""Bytes of the name of a method."""

MAX_TIMEOUT = 3600.0
"""Longest time in s that a caller may ask for."""

MAX_TEXT = 131_072
"""Bytes of a request or a response as JSON, in which a byte of a payload takes up to six."""

MAX_ID = 128
"""Characters of the id of a call."""

MAX_CODE = 2**31 - 1
"""Largest code of an error that another member may name."""

MAX_RUNNING = 64
"""Calls that may run for others at once; who has none running may have one more."""

PER_CALLER = 16
"""Of them, those of one caller."""


_METHOD_RULE = f"the name of a method is Unicode text of 1 to {MAX_METHOD} bytes"
_TEXT_RULE = "must be Unicode text: it holds half of a surrogate pair, or is no text"


class RpcErrorCode(enum.IntEnum):
    """Why a call failed; the application's own codes lie outside 1400 to 1599."""

    UNSUPPORTED_METHOD = 1400
    RECIPIENT_NOT_FOUND = 1401
    REQUEST_PAYLOAD_TOO_LARGE = 1402
    APPLICATION_ERROR = 1500
    RESPONSE_TIMEOUT = 1502
    RECIPIENT_DISCONNECTED = 1503
    RESPONSE_PAYLOAD_TOO_LARGE = 1504
    SEND_FAILED = 1505


class RpcInvocation(NamedTuple):
    """What a method gets.

    Attributes:
        request_id: Of the call.
        caller: The uid of who calls.
        payload: What it sent.
        response_timeout: For how long it waits, in s.
    """

    request_id: str
    caller: int
    payload: str
    response_timeout: float


RpcHandler = Callable[[RpcInvocation], Any]


class _Pending(NamedTuple):
    uid: int
    answer: asyncio.Future[str]


class Rpc:
    """The calls of one member, both ways.

    Args:
        send: Sends a text to a user; raises `RpcError` if it cannot.
        own: Runs a coroutine in a task that somebody owns.
    """

    def __init__(
        self,
        send: Callable[[int, str], None],
        own: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
    ) -> None:
        self._send = send
        self._own = own
        self._methods: dict[str, RpcHandler] = {}
        self._pending: dict[str, _Pending] = {}
        self._numbers = itertools.count(1)
        self._running: dict[int, set[asyncio.Task[Any]]] = {}
        """Calls that run for others, by who calls."""

    def register(self, method: str, handler: RpcHandler) -> None:
        """See `Channel.register_rpc_method`."""
        if not _is_method(method):
            raise ConfigurationError(_METHOD_RULE)
        if method in self._methods:
            raise ConfigurationError(f"there is a method {method!r} already")
        self._methods[method] = handler

    def unregister(self, method: str) -> None:
        """See `Channel.unregister_rpc_method`."""
        self._methods.pop(method, None)

    async def call(self, uid: int, method: str, payload: str, timeout: float) -> str:
        """See `Channel.perform_rpc`."""
        if not _is_method(method):
            raise RpcError(RpcErrorCode.SEND_FAILED, _METHOD_RULE)
        if not _is_time(timeout):
            raise RpcError(
                RpcErrorCode.SEND_FAILED, f"response_timeout is above 0 and up to {MAX_TIMEOUT:g} s"
            )
        if not is_unicode(payload):
            raise RpcError(RpcErrorCode.SEND_FAILED, f"a payload {_TEXT_RULE}")
        if len(payload.encode()) > MAX_PAYLOAD:
            raise RpcError(
                RpcErrorCode.REQUEST_PAYLOAD_TOO_LARGE, f"a payload has up to {MAX_PAYLOAD} bytes"
            )
        id = str(next(self._numbers))
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._pending[id] = _Pending(uid, answer)
        request = {"id": id, "method": method, "payload": payload, "timeout": timeout}
        try:
            self._send(uid, json.dumps(request))
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            raise RpcError(RpcErrorCode.RESPONSE_TIMEOUT, f"no answer in {timeout:g} s") from None
        finally:
            del self._pending[id]

    @property
    def running(self) -> int:
        """How many calls of others run."""
        return sum(map(len, self._running.values()))

    @property
    def pending(self) -> int:
        """How many calls of its own wait for an answer."""
        return len(self._pending)

    def take(self, sender: int, text: str) -> None:
        """Take a request or a response; what cannot be read is dropped."""
        message = _load(text)
        if message is None:
            logger.info("user %d sent an rpc that cannot be read", sender)
        elif "method" in message:
            self._take_request(sender, message)
        else:
            self._take_response(sender, message)

    def forget(self, uid: int) -> None:
        """A user has left: what it was asked for will not come, nor is it waited for there."""
        for task in tuple(self._running.get(uid, ())):
            task.cancel()
        for pending in self._pending.values():
            if pending.uid == uid and not pending.answer.done():
                code = RpcErrorCode.RECIPIENT_DISCONNECTED
                pending.answer.set_exception(RpcError(code, f"user {uid} has left"))

    def close(self) -> None:
        """Nothing more comes."""
        for uid in {pending.uid for pending in self._pending.values()} | self._running.keys():
            self.forget(uid)

    # Answering

    def _take_request(self, caller: int, message: dict[str, Any]) -> None:
        method, payload = message["method"], message.get("payload", "")
        timeout = message.get("timeout", 10.0)
        if not (isinstance(method, str) and isinstance(payload, str) and _is_time(timeout)):
            failure = RpcError(RpcErrorCode.APPLICATION_ERROR, "the request cannot be read")
        elif not is_unicode(payload):
            failure = RpcError(RpcErrorCode.APPLICATION_ERROR, f"a payload {_TEXT_RULE}")
        elif len(payload.encode()) > MAX_PAYLOAD:
            failure = RpcError(RpcErrorCode.REQUEST_PAYLOAD_TOO_LARGE, "the payload is too large")
        elif method not in self._methods:
            failure = RpcError(RpcErrorCode.UNSUPPORTED_METHOD, f"no method {method[:64]!r}")
        elif not self._has_room(caller):
            failure = RpcError(RpcErrorCode.APPLICATION_ERROR, "too many calls at once")
        else:
            invocation = RpcInvocation(message["id"], caller, payload, timeout)
            running = self._own(self._invoke(self._methods[method], invocation))
            self._running.setdefault(caller, set()).add(running)
            running.add_done_callback(lambda task: self._note_end(caller, task))
            return
        self._fail(caller, message["id"], failure)

    def _has_room(self, caller: int) -> bool:
        """Whether a call may run: no caller keeps another from having one."""
        own = len(self._running.get(caller, ()))
        if own == 0:
            return True
        return own < PER_CALLER and sum(map(len, self._running.values())) < MAX_RUNNING

    def _note_end(self, caller: int, task: asyncio.Task[Any] | None) -> None:
        """A call takes no room any longer; idempotent."""
        running = self._running.get(caller, set())
        if task is not None:
            running.discard(task)
        if not running:
            self._running.pop(caller, None)

    async def _invoke(self, handler: RpcHandler, invocation: RpcInvocation) -> None:
        try:
            async with asyncio.timeout(invocation.response_timeout):
                try:
                    payload = await call_once(handler, "rpc", invocation)
                finally:  # before it is answered, so that the caller may call again at once
                    self._note_end(invocation.caller, asyncio.current_task())
            if not isinstance(payload, str):
                raise TypeError(f"a method returns a text, not {type(payload).__name__}")
            if not is_unicode(payload):
                raise RpcError(RpcErrorCode.APPLICATION_ERROR, f"the answer {_TEXT_RULE}")
            if len(payload.encode()) > MAX_PAYLOAD:
                code = RpcErrorCode.RESPONSE_PAYLOAD_TOO_LARGE
                raise RpcError(code, f"a payload has up to {MAX_PAYLOAD} bytes")
        except RpcError as error:
            self._fail(invocation.caller, invocation.request_id, error)
        except TimeoutError:
            return  # the caller waits no longer
        except Exception:
            logger.exception("a method failed that user %d called", invocation.caller)
            failure = RpcError(RpcErrorCode.APPLICATION_ERROR, "the method failed")
            self._fail(invocation.caller, invocation.request_id, failure)
        else:
            self._answer(invocation.caller, {"id": invocation.request_id, "payload": payload})

    def _fail(self, caller: int, id: str, error: RpcError) -> None:
        self._answer(caller, {"id": id, "error": _described(error)})

    def _answer(self, caller: int, message: dict[str, Any]) -> None:
        try:
            self._send(caller, json.dumps(message))
        except RpcError:
            logger.info("user %d has left before it was answered", caller)

    # Being answered

    def _take_response(self, sender: int, message: dict[str, Any]) -> None:
        pending = self._pending.get(message["id"])
        if pending is None or pending.uid != sender or pending.answer.done():
            return  # too late, or from somebody who was not asked
        error, payload = message.get("error"), message.get("payload")
        if isinstance(payload, str) and error is None:
            pending.answer.set_result(payload)
            return
        told = error if isinstance(error, dict) else {}
        code = told.get("code")
        pending.answer.set_exception(
            RpcError(
                code if _is_code(code) else RpcErrorCode.APPLICATION_ERROR,
                str(told.get("message", "the answer cannot be read")),
                str(told.get("data", "")),
            )
        )


def failure_of(text: str, error: RpcError) -> str | None:
    """The response to a request that could not be carried; `None` if it was none."""
    message = _load(text)
    if message is None or "method" not in message:
        return None
    return json.dumps({"id": message["id"], "error": _described(error)})


def _described(error: RpcError) -> dict[str, Any]:
    # Beyond what a payload may have it is cut: an error is to arrive whatever it says.
    message, data = (
        str(text)[: MAX_PAYLOAD // 4].encode(errors="replace").decode()
        for text in (error.message, error.data)
    )
    return {"code": error.code, "message": message, "data": data}


def _load(text: str) -> dict[str, Any] | None:
    try:
        message = strict_json.load(text)
    except ValueError:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("id"), str):
        return None
    return message if len(message["id"]) <= MAX_ID else None


def _is_method(value: Any) -> TypeGuard[str]:
    return is_unicode(value) and 0 < len(value.encode()) <= MAX_METHOD


def _is_code(value: Any) -> TypeGuard[int]:
    return type(value) is int and abs(value) <= MAX_CODE


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= MAX_TIMEOUT
