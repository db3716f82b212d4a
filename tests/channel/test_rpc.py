"""Calls between the members of a channel."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError, RpcError
from fastrtc_core.channel import RpcErrorCode, RpcInvocation
from fastrtc_core.channel.rpc import MAX_PAYLOAD, Rpc, failure_of
from fastrtc_core.testing import run_virtual

from .test_channel import meeting

pytestmark = pytest.mark.virtual_clock


async def failing(awaitable: Any) -> RpcError:
    with pytest.raises(RpcError) as error:
        await awaitable
    return error.value


async def test_a_method_is_called_and_answers() -> None:
    """Async and sync ones, many at once, each with its own answer."""
    async with meeting(1, 2) as (one, two):

        async def greet(call: RpcInvocation) -> str:
            await asyncio.sleep(1.0 / (1 + len(call.payload)))
            return f"hello {call.payload} of {call.caller}"

        one.register_rpc_method("greet", greet)
        one.register_rpc_method("upper", lambda call: call.payload.upper())
        names = ["a", "bb", "ccc"]
        answers = await asyncio.gather(*(two.perform_rpc(1, "greet", name) for name in names))
        assert answers == [f"hello {name} of 2" for name in names]
        assert await two.perform_rpc(1, "upper", "loud") == "LOUD"
        with pytest.raises(ConfigurationError, match="already"):
            one.register_rpc_method("greet", greet)
        one.unregister_rpc_method("greet")
        one.unregister_rpc_method("greet")
        error = await failing(two.perform_rpc(1, "greet"))
        assert error.code == RpcErrorCode.UNSUPPORTED_METHOD


async def test_errors_reach_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    """Those that are meant as they are, all others as a neutral sentence."""
    async with meeting(1, 2) as (one, two):

        def meant(call: RpcInvocation) -> str:
            raise RpcError(7, "no more coffee", "empty")

        def broken(call: RpcInvocation) -> str:
            raise ValueError("private")

        one.register_rpc_method("meant", meant)
        one.register_rpc_method("broken", broken)
        one.register_rpc_method("number", lambda call: 5)
        one.register_rpc_method("long", lambda call: "x" * (MAX_PAYLOAD + 1))
        error = await failing(two.perform_rpc(1, "meant"))
        assert (error.code, str(error), error.data) == (7, "no more coffee", "empty")
        for method in ("broken", "number"):
            error = await failing(two.perform_rpc(1, method))
            assert error.code == RpcErrorCode.APPLICATION_ERROR
            assert "private" not in str(error)
        assert "private" in caplog.text
        error = await failing(two.perform_rpc(1, "long"))
        assert error.code == RpcErrorCode.RESPONSE_PAYLOAD_TOO_LARGE
        error = await failing(two.perform_rpc(1, "meant", "x" * (MAX_PAYLOAD + 1)))
        assert error.code == RpcErrorCode.REQUEST_PAYLOAD_TOO_LARGE
        error = await failing(two.perform_rpc(9, "meant"))
        assert error.code == RpcErrorCode.RECIPIENT_NOT_FOUND


async def test_who_does_not_answer() -> None:
    """A time-out, or at once where the other one leaves; and the method is cancelled."""
    ended: list[str] = []
    async with meeting(1, 2, 3) as (one, two, three):

        async def slow(call: RpcInvocation) -> str:
            try:
                await asyncio.sleep(100)
            finally:
                ended.append(call.payload)
            return ""

        one.register_rpc_method("slow", slow)
        error = await failing(two.perform_rpc(1, "slow", "a", response_timeout=2))
        assert error.code == RpcErrorCode.RESPONSE_TIMEOUT
        await asyncio.sleep(0.1)
        assert ended == ["a"]
        loop = asyncio.get_running_loop()
        begun = loop.time()
        calling = asyncio.create_task(failing(three.perform_rpc(1, "slow", "b")))
        await asyncio.sleep(1)
        await one.disconnect()
        assert (await calling).code == RpcErrorCode.RECIPIENT_DISCONNECTED
        assert loop.time() - begun < 1.5
        assert two._rpc._pending == three._rpc._pending == {}


@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
    | st.fixed_dictionaries(
        {"id": st.text(max_size=2)},
        optional={
            key: st.text() | st.integers() | st.none()
            for key in ("method", "payload", "timeout", "error")
        },
    ).map(json.dumps)
)
def test_nothing_that_others_send_breaks_it(text: str) -> None:
    """Requests are answered, responses that nobody waits for are dropped."""

    async def run() -> None:
        sent: list[str] = []
        async with asyncio.TaskGroup() as tasks:
            rpc = Rpc(lambda uid, text: sent.append(text), tasks.create_task)
            rpc.register("m", lambda call: call.payload)
            rpc.take(5, text)
        assert len(sent) <= 1
        for answer in sent:
            assert isinstance(json.loads(answer)["id"], str)
        failure_of(text, RpcError(1, "x"))

    run_virtual(run())


async def test_an_answer_of_somebody_else_is_none() -> None:
    """Only who was asked can answer."""
    sent: list[Any] = []
    async with asyncio.TaskGroup() as tasks:
        rpc = Rpc(lambda uid, text: sent.append(json.loads(text)), tasks.create_task)
        calling = asyncio.create_task(rpc.call(7, "m", "", 5))
        await asyncio.sleep(0)
        rpc.take(8, json.dumps({"id": sent[0]["id"], "payload": "forged"}))
        await asyncio.sleep(0)
        assert not calling.done()
        rpc.take(7, json.dumps({"id": sent[0]["id"], "payload": "right"}))
        assert await calling == "right"
