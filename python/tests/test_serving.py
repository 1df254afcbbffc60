# SPDX-License-Identifier: BSD-3-Clause
"""Processors whose functions are coroutines, callbacks, several event loops, and how all that ends."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from typing import Any, List

import pytest
from conftest import PROCESSOR, WATCHDOG, Program
from loops import SCHEMAS, Adder, gathered, is_idle, soon, watched
from loops import run as run
from loops import store as store

import ska_sdp_dal as dal

# ---- processors ------------------------------------------------------------------------------------------------------


def test_functions_run_interleaved(store: dal.Store, path: str, run: Any) -> None:
    met: List[int] = []

    class Meeting(Adder):
        async def add(self, x: int, ys: dal.TensorRef, zs: dal.TensorRef) -> None:
            call = self.call
            met.append(x)
            while len(met) < 3:
                await asyncio.sleep(0)
            assert self.call is call and call.function == "add"
            # Also in a thread that works for it.
            await asyncio.to_thread(self.set_progress, 0.5)
            zs.put(x + await ys)

    async def main() -> None:
        with Meeting(path, reentrant=True) as processor, dal.AsyncCaller(SCHEMAS, store) as caller:
            serving = asyncio.ensure_future(processor.serve())
            results = await asyncio.gather(*(caller.add(x, [1]) for x in range(3)))
            assert [result["zs"].tolist() for result in results] == [[1], [2], [3]]
            with pytest.raises(dal.InvalidArgument, match="no function of Meeting is running"):
                _ = processor.call
            serving.cancel()

    run(main())


def test_outputs_may_be_written_after_the_coroutine(store: dal.Store, path: str, run: Any) -> None:
    kept: List[dal.TensorRef] = []

    class Late(Adder):
        async def add(self, x: int, ys: dal.TensorRef, zs: dal.TensorRef) -> None:
            kept.append(zs)

    async def main() -> None:
        with Late(path) as processor, dal.AsyncCaller(SCHEMAS, store) as caller:
            serving = asyncio.ensure_future(processor.serve())
            call = asyncio.ensure_future(caller.add(1, [1]))
            while not kept:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            assert not call.done()
            kept.pop().put([9])
            assert (await call)["zs"].tolist() == [9]
            # One that nobody keeps fails at once.
            again = asyncio.ensure_future(caller.add(1, [1]))
            while not kept:
                await asyncio.sleep(0.001)
            kept.clear()
            with pytest.raises(dal.OutputNotWritten):
                await again
            serving.cancel()

    run(main())


async def cancelling(tag: Any) -> None:
    raise asyncio.CancelledError("its own")


def test_serving_ends_when_its_task_is_cancelled(store: dal.Store, path: str, run: Any) -> None:
    class Endless(Adder):
        async def add(self, x: int, ys: dal.TensorRef, zs: dal.TensorRef) -> None:
            if x:
                await asyncio.sleep(3600)
            zs.put([1])

    async def main() -> None:
        with Endless(path) as processor, dal.AsyncCaller(SCHEMAS, store) as caller:
            serving = asyncio.ensure_future(processor.serve())
            call = asyncio.ensure_future(caller.add(1, [1]))
            while not processor._servings or not next(iter(processor._servings))._tasks:
                await asyncio.sleep(0.001)
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            with pytest.raises(dal.FunctionError, match="Endless stopped serving while add"):
                await call
            # What a function itself cancels is its own.
            processor.fail = cancelling  # type: ignore[method-assign]
            serving = asyncio.ensure_future(processor.serve())
            with pytest.raises(dal.FunctionError, match="CancelledError: its own"):
                await caller.fail()
            serving.cancel()
            await gathered([serving])
            # It can serve again, in the same loop or another.
            serving = asyncio.ensure_future(processor.serve())
            assert (await caller.add(0, [1]))["zs"].tolist() == [1]
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            assert is_idle(processor.conn)

    run(main())


def test_a_processor_that_is_closed_serves_no_more(store: dal.Store, path: str, run: Any) -> None:
    async def main() -> None:
        processor = Adder(path)
        serving = asyncio.ensure_future(processor.serve())
        with dal.AsyncCaller(SCHEMAS, store) as caller:
            await caller.add(1, [1])
            thread = soon(0.05, processor.close)
            with pytest.raises(dal.ProcessorLost, match="Adder was closed"):
                await serving
            thread.join()
            with pytest.raises(dal.InvalidArgument, match="was closed"):
                await processor.serve()
            with pytest.raises(dal.ProcessorLost, match="crashed or was closed"):
                await caller.add(1, [1])

    run(main())


def test_a_coroutine_needs_an_event_loop(path: str) -> None:
    with Adder(path) as processor:
        with pytest.raises(dal.InvalidArgument, match=r"coroutine for its function add\(\).*await processor.serve"):
            processor.process(0)


# ---- callbacks, and the first of several -------------------------------------------------------------------------------


def test_callbacks_are_called_in_the_loop(store: dal.Store, run: Any) -> None:
    async def main() -> None:
        done: List[Any] = []
        there, later = store.put_new_tensor([1]), store.new_tensor_ref()
        for ref in (there, later):
            ref.add_done_callback(lambda ref: done.append((ref, threading.get_ident())))
        assert done == []
        while len(done) < 1:
            await asyncio.sleep(0)
        thread = soon(0.05, lambda: later.put([1]))
        while len(done) < 2:
            await asyncio.sleep(0.001)
        thread.join()
        assert done == [(there, threading.get_ident()), (later, threading.get_ident())]

    run(main())


def test_callbacks_without_a_loop_share_a_thread(store: dal.Store, caplog: pytest.LogCaptureFixture) -> None:
    done: List[Any] = []
    refs = [store.new_tensor_ref() for _ in range(20)]
    for ref in refs:
        ref.add_done_callback(lambda ref: done.append((ref.oid, threading.current_thread().name)))
    gone = store.make_tensor_ref(refs[0].oid)
    # What a callback raises is told, and keeps nothing from the others.
    refs[0].add_done_callback(lambda ref: 1 / 0)
    threads = [thread.name for thread in threading.enumerate()]
    for ref in refs:
        ref.put([1])
    begun = time.monotonic()
    while len(done) < 20 and time.monotonic() - begun < WATCHDOG:
        time.sleep(0.001)
    assert sorted(done) == sorted((ref.oid, "sdp-dal-callbacks") for ref in refs)
    assert threads.count("sdp-dal-callbacks") == 1
    while "division by zero" not in caplog.text and time.monotonic() - begun < WATCHDOG:
        time.sleep(0.001)
    assert "division by zero" in caplog.text
    # One whose object will never exist is called back, too, and says why.
    gone.get()
    store.conn.delete([gone.oid])
    gone.add_done_callback(lambda ref: done.append(repr(ref)))
    while len(done) < 21 and time.monotonic() - begun < WATCHDOG:
        time.sleep(0.001)
    assert "deleted" in done[-1]


def test_the_first_of_several_is_waited_for(store: dal.Store) -> None:
    later, other, there = store.new_tensor_ref(), store.new_tensor_ref(), store.put_new_tensor([1])
    assert dal.wait_any([later, other, there]) == [there]
    thread = soon(0.05, lambda: other.put([2]))
    assert dal.wait_any([later, other]) == [other]
    thread.join()
    with pytest.raises(dal.TimeoutException) as raised:
        dal.wait_any([later], timeout=0.01)
    assert raised.value.refs == [later]
    with pytest.raises(dal.InvalidArgument, match="no references"):
        dal.wait_any([])
    with pytest.raises(TypeError, match="no list of references"):
        dal.wait_any([b"x" * 20])  # type: ignore[list-item]
    deleted = store.make_tensor_ref(there.oid)
    deleted.get()
    store.conn.delete([there.oid])
    assert dal.wait_any([later, deleted], timeout=WATCHDOG) == [deleted]


# ---- several loops, and their ends -------------------------------------------------------------------------------------


def test_loops_in_several_threads_and_several_stores(store: dal.Store, path: str, run: Any) -> None:
    refs = [store.new_tensor_ref() for _ in range(40)]
    ends: List[Any] = []
    with dal.Store(path + "-other", size=1 << 24) as other:
        elsewhere = [other.new_tensor_ref() for _ in range(40)]

        def work(at: int) -> None:
            async def main() -> None:
                for one, two in zip(refs[at::4], elsewhere[at::4]):
                    values = await asyncio.gather(one, two)
                    ends.append([value.tolist() for value in values])

            run(main())

        threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        for at in range(40):
            refs[at].put([at])
            elsewhere[at].put([-at])
        for thread in threads:
            thread.join(WATCHDOG)
            assert not thread.is_alive()
    assert sorted(ends) == [[[at], [-at]] for at in range(40)]


def test_a_loop_that_is_closed_with_waits_pending_holds_nothing_up(store: dal.Store, run: Any) -> None:
    later = store.new_tensor_ref()
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(watching(later)) for _ in range(2)]
    loop.run_until_complete(watched_in(later))
    loop.close()
    # Those of another loop, and of this store.
    thread = soon(0.05, lambda: later.put([4]))

    async def main() -> None:
        assert (await later).tolist() == [4]

    run(main())
    thread.join()
    for task in tasks:
        # That it was destroyed while it was pending is what was asked for.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    del tasks, task
    gc.collect()


async def watching(ref: Any) -> Any:
    return await ref


async def watched_in(ref: Any) -> None:
    await watched(ref)


def test_what_is_awaited_outlives_its_connection(path: str, run: Any) -> None:
    async def main() -> None:
        with dal.Store(path, size=1 << 24) as writer:
            store = dal.Store(path)
            later = writer.new_tensor_ref()
            ref, unknown = store.make_tensor_ref(later.oid), store.make_tensor_ref(writer.new_tensor_ref().oid)
            waits = asyncio.ensure_future(ref)
            await asyncio.sleep(0)
            await watched(ref)
            store.close()
            later.put([1])
            assert (await waits).tolist() == [1] and (await ref).tolist() == [1]
            with pytest.raises(dal.InvalidArgument, match=r"the connection to .* was closed"):
                await unknown

    run(main())


def test_a_forked_child_is_told(store: dal.Store, path: str, run: Any) -> None:
    later = store.new_tensor_ref()

    async def in_child() -> None:
        with pytest.raises(dal.Forked):
            await later
        with dal.Store(path) as own:
            ref = own.new_tensor_ref()
            thread = soon(0.01, lambda: ref.put([5]))
            assert (await ref).tolist() == [5]
            thread.join()

    async def main() -> None:
        waits = asyncio.ensure_future(later)
        await asyncio.sleep(0)
        await watched(later)
        child = os.fork()
        if child == 0:
            # pytest's own is not for it.
            code = 1
            try:
                asyncio._set_running_loop(None)
                asyncio.new_event_loop().run_until_complete(in_child())
                code = 0
            finally:
                os._exit(code)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        later.put([6])
        assert (await waits).tolist() == [6]

    run(main())


def test_a_descriptor_that_is_lost_is_noticed(path: str, start: Any) -> None:
    program = start(
        """
        import asyncio, os, sys, ska_sdp_dal as dal
        async def main():
            store = dal.Store(sys.argv[1], size=1 << 24)
            waits = asyncio.ensure_future(store.new_tensor_ref())
            await asyncio.sleep(0.1)
            for name in os.listdir("/proc/self/fd"):
                try:
                    place = os.readlink(f"/proc/self/fd/{name}")
                except OSError:
                    continue
                if "sdp" in place or "memfd" in place:
                    os.close(int(name))
            try:
                await waits
            except dal.DalError as problem:
                print(type(problem).__name__)
        asyncio.run(main())
        """,
        path,
    )
    assert program.check() == ["SystemFailure"]


def test_another_process_makes_it(adder: Program, path: str, schemas: Any, run: Any) -> None:
    async def main() -> None:
        with dal.Store(path) as store, dal.AsyncCaller(schemas, store, timeout=WATCHDOG) as caller:
            for at in range(50):
                assert (await caller.add(at, [1, 2]))["zs"].tolist() == [at + 1, at + 2]
            with pytest.raises(dal.FunctionError, match="no"):
                await caller.fail("no")

    assert PROCESSOR
    run(main())
