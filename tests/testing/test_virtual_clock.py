"""The virtual clock: timers fire in order and in no time."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
import time
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fastrtc_core.testing import VirtualClockLoop, run_virtual, virtual_clock
from fastrtc_core.toolkit import SessionThread


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


def test_no_timeout_strikes_while_an_executor_works() -> None:
    """However soon the next timer is due; it fires when the work is done."""

    async def main() -> float:
        async with asyncio.timeout(0.001):
            await asyncio.to_thread(time.sleep, 0.05)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 1.0


@pytest.mark.parametrize("of_its_own", [False, True])
def test_idle_threads_of_an_executor_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, of_its_own: bool
) -> None:
    """They stay when their work is done, and would hold up each jump from then on."""

    async def main(executor: ThreadPoolExecutor | None) -> None:
        await asyncio.get_running_loop().run_in_executor(executor, time.sleep, 0)
        monkeypatch.setattr(virtual_clock, "_OtherThreads", None)  # which nobody may ask now
        await asyncio.sleep(600)

    with ThreadPoolExecutor(1) as executor:
        run_virtual(main(executor if of_its_own else None))


def test_calls_reach_executors_of_processes() -> None:
    """What they are given can be pickled."""

    class Pickling(futures.Executor):
        def submit(self, fn: Any, /, *args: Any, **options: Any) -> futures.Future[Any]:
            done: futures.Future[Any] = futures.Future()
            call, given = pickle.loads(pickle.dumps((fn, args)))
            done.set_result(call(*given))
            return done

    async def main() -> int:
        return await asyncio.get_running_loop().run_in_executor(Pickling(), abs, -1)

    assert run_virtual(main()) == 1


def test_a_thread_has_time_before_a_long_timeout() -> None:
    """What another thread brings in a twentieth of a second comes before ten seconds are over."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def work() -> None:
            time.sleep(0.05)
            loop.call_soon_threadsafe(done.set)

        thread = threading.Thread(target=work)
        thread.start()
        async with asyncio.timeout(10):
            await done.wait()
        thread.join()
        return loop.time()

    assert run_virtual(main()) == 0.0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_a_thread_that_computes_has_time_before_a_short_timeout() -> None:
    """Though it has to wait for the interpreter's lock, as every loop in Python does."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def compute(seconds: float) -> None:
            while time.thread_time() < seconds:
                pass
            loop.call_soon_threadsafe(done.set)

        times = []
        for seconds in (0.002, 0.01, 0.05, 0.1):
            done.clear()
            thread = threading.Thread(target=compute, args=(seconds,))
            thread.start()
            async with asyncio.timeout(0.02):
                await done.wait()
            thread.join()
            times.append(loop.time())
        return times

    assert run_virtual(main()) == [0.0] * 4


def test_a_thread_that_never_ends_does_not_stop_the_clock() -> None:
    """After it has used a quarter of a second of a processor, time goes on."""
    stopped = False

    def compute() -> None:
        while not stopped:
            pass

    thread = threading.Thread(target=compute)
    thread.start()
    started = time.process_time()
    try:
        run_virtual(asyncio.sleep(3))
    finally:
        stopped = True
        thread.join()
    assert time.process_time() - started < 2


def test_a_socket_to_oneself_takes_no_time() -> None:
    """A server and its client in one process: an hour of talk, a word a minute."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        answered: list[float] = []

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line)
            writer.close()

        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for minute in range(60):
                await asyncio.sleep(60 * minute - loop.time())
                async with asyncio.timeout(1):
                    writer.write(b"word\n")
                    await reader.readline()
                answered.append(loop.time())
            writer.close()
            await writer.wait_closed()
        return answered

    assert run_virtual(main()) == [60.0 * minute for minute in range(60)]


def test_a_deadlock_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is scheduled and nothing comes, the run fails instead of hanging."""
    monkeypatch.setattr(virtual_clock, "REAL_WAIT", 0.05)
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


def test_threads_that_have_nothing_to_do_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of sessions and executors that wait for their next call bring nothing of themselves."""
    monkeypatch.setattr(virtual_clock, "THREAD_WAIT", 0.05)

    async def main() -> float:
        thread = SessionThread("idle")
        with ThreadPoolExecutor(2) as pool:
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(pool, time.sleep, 0.01) for _ in range(2)))
            await thread.run(time.sleep, 0.01)
            started = time.monotonic()
            for _ in range(100):
                await asyncio.sleep(0.02)
            taken = time.monotonic() - started
        thread.close()
        return taken

    assert run_virtual(main()) < 2.5  # 5 s, if each were waited for


def test_a_call_on_a_thread_of_a_session_is_waited_for() -> None:
    """Its result comes before a time-out that is due sooner."""

    async def main() -> list[float]:
        thread = SessionThread("busy")
        times = []
        for _ in range(20):
            async with asyncio.timeout(0.02):
                await thread.run(time.sleep, 0.0005)
            times.append(asyncio.get_running_loop().time())
        thread.close()
        return times

    assert run_virtual(main()) == [0.0] * 20
