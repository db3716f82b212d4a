"""The virtual clock: timers fire in order and in no time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from fastrtc_core.testing import VirtualClockLoop, clock, run_virtual


def test_ten_minutes_pass_in_no_time() -> None:
    """A sleep takes virtual time alone, to the last digit."""

    async def wait() -> float:
        await asyncio.sleep(600.25)
        return asyncio.get_running_loop().time()

    started = time.monotonic()
    assert run_virtual(wait()) == 600.25
    assert time.monotonic() - started < 5


def test_it_starts_at_zero_each_time() -> None:
    """No run knows of the one before."""

    async def now() -> float:
        return asyncio.get_running_loop().time()

    assert [run_virtual(now()) for _ in range(2)] == [0.0, 0.0]


def test_timers_fire_in_order() -> None:
    """Tasks that sleep are woken in the order of their times, whatever that of their start."""

    async def main() -> list[float]:
        woken: list[float] = []

        async def sleeper(seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append(asyncio.get_running_loop().time())

        async with asyncio.TaskGroup() as tasks:
            for seconds in (3.0, 0.5, 100.0, 0.001):
                tasks.create_task(sleeper(seconds))
        return woken

    assert run_virtual(main()) == [0.001, 0.5, 3.0, 100.0]


def test_a_timeout_times_out() -> None:
    """`asyncio.timeout` works on virtual time."""

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(42):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 42


def test_work_on_a_thread_takes_no_virtual_time() -> None:
    """Without a timer the loop waits for the thread; the clock stands still meanwhile."""

    async def main() -> float:
        await asyncio.to_thread(time.sleep, 0.02)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 0.0


def test_a_deadlock_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is scheduled and nothing comes, the run fails instead of hanging."""
    monkeypatch.setattr(clock, "REAL_WAIT", 0.05)
    loop = VirtualClockLoop()

    async def main() -> None:
        await asyncio.Event().wait()

    task = loop.create_task(main())
    with pytest.raises(RuntimeError, match="deadlock"):
        loop.run_until_complete(task)
    task.cancel()
    loop.run_until_complete(asyncio.wait({task}))
    loop.close()


def test_a_call_from_a_thread_wakes_the_loop() -> None:
    """`call_soon_threadsafe` works as on any loop."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        thread = threading.Thread(
            target=lambda: loop.call_soon_threadsafe(future.set_result, "from a thread")
        )
        thread.start()
        result = await future
        thread.join()
        return result

    assert run_virtual(main()) == "from a thread"


def test_the_result_and_the_error_come_out() -> None:
    """`run_virtual` is `asyncio.run` on another clock."""

    async def fail() -> None:
        await asyncio.sleep(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_virtual(fail())
