"""Calls between the members of a channel."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError, RpcError
from fastrtc_core.channel import RpcErrorCode, RpcInvocation
from fastrtc_core.messaging.rpc import MAX_PAYLOAD, MAX_RUNNING, Rpc, failure_of
from fastrtc_core.room.events import CallSent, UserLeft
from fastrtc_core.testing import run_virtual

from ..channel.test_channel import meeting
from ..failures import Failure, every_failure, first

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
        assert two.snapshot().asked == three.snapshot().asked == 0


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


def test_who_calls_too_much_keeps_nobody_from_calling() -> None:
    """Sixteen calls of one caller and 64 of all, but whoever has none running may have one; and
    calls end with their caller."""

    async def run() -> None:
        async with meeting(1, 2, 3) as (one, two, three):
            ended: list[int] = []

            async def slow(call: RpcInvocation) -> str:
                try:
                    await asyncio.sleep(1000)
                finally:
                    ended.append(call.caller)
                return ""

            async def quick(call: RpcInvocation) -> str:
                return "done"

            one.register_rpc_method("slow", slow)
            one.register_rpc_method("quick", quick)
            calls = [
                asyncio.create_task(failing(two.perform_rpc(1, "slow", response_timeout=1000)))
                for _ in range(64)
            ]
            await asyncio.sleep(0)
            assert await three.perform_rpc(1, "quick") == "done"
            refused = [call.result() for call in calls if call.done()]
            assert [str(error) for error in refused] == ["too many calls at once"] * 48
            # Many callers fill it up; one that has none running still has its turn.
            room = one.rtc.room(one.channelId)
            request = json.dumps({"id": "1", "method": "slow", "timeout": 1000})
            for uid in range(10, 13):
                for _ in range(20):
                    one.tell(CallSent(uid, request))
            assert one.snapshot().calls == MAX_RUNNING
            assert await three.perform_rpc(1, "quick") == "done"
            assert ended == []
            await two.disconnect()
            await asyncio.sleep(0.1)
            assert ended == [2] * 16
            for uid in range(10, 13):
                room._tell_all(UserLeft(uid, "lost"))
            await asyncio.sleep(0.1)
            assert len(ended) == MAX_RUNNING
            assert one.snapshot().calls == 0
            await asyncio.gather(*calls)

    run_virtual(run())


@pytest.mark.parametrize("sync", [False, True])
async def test_calls_end_with_the_callee(sync: bool) -> None:
    """Its methods are cancelled, and one on a thread sees the end, too."""
    ended = threading.Event()
    async with meeting(1, 2) as (one, two):

        def wait(call: RpcInvocation) -> str:
            try:
                threading.Event().wait(20)
            finally:
                ended.set()
            return ""

        async def sleep(call: RpcInvocation) -> str:
            try:
                await asyncio.sleep(1000)
            finally:
                ended.set()
            return ""

        one.register_rpc_method("wait", wait if sync else sleep)
        calling = asyncio.create_task(failing(two.perform_rpc(1, "wait", response_timeout=1000)))
        await asyncio.sleep(0.05)
        await one.disconnect()
        assert (await calling).code == RpcErrorCode.RECIPIENT_DISCONNECTED
        assert await asyncio.get_running_loop().run_in_executor(None, ended.wait, 5)
        assert one.snapshot().calls == 0


async def test_long_errors_arrive() -> None:
    """What an `RpcError` says beyond a payload is cut, so that the caller does not wait in vain."""
    async with meeting(1, 2) as (one, two):

        async def fail(call: RpcInvocation) -> str:
            raise RpcError(9, "m" * 10**6, "d" * 10**6)

        one.register_rpc_method("fail", fail)
        error = await failing(two.perform_rpc(1, "fail"))
        assert error.code == 9
        assert len(json.dumps([error.message, error.data])) < MAX_PAYLOAD


@every_failure
async def test_a_method_may_raise_anything(failure: Failure) -> None:
    """The caller gets an error in neutral words, and may call again."""
    async with meeting(1, 2) as (one, two):
        one.register_rpc_method("method", first(failure, lambda call: call.payload))
        error = await failing(two.perform_rpc(1, "method", "a"))
        assert error.code == RpcErrorCode.APPLICATION_ERROR
        assert str(error) == "the method failed"
        assert await two.perform_rpc(1, "method", "b") == "b"
