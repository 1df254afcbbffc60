# SPDX-License-Identifier: BSD-3-Clause
"""Waiting in event loops: references, calls, events, processors whose functions are coroutines; and how that ends."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from typing import Any, Callable, List

import numpy as np
import pyarrow as pa
import pytest
import uvloop
from conftest import PROCESSOR, WATCHDOG, Program

import ska_sdp_dal as dal
from ska_sdp_dal import _async_caller, _event_loop

SCHEMAS = [
    dal.make_call_schema(
        "add",
        [
            dal.make_par("x", pa.int64()),
            dal.make_tensor_input_par("ys", pa.int64(), ["i"]),
            dal.make_tensor_output_par("zs", pa.int64(), ["i"]),
        ],
    ),
    dal.make_call_schema("fail", [dal.make_tensor_output_par("tag", pa.int8(), [])]),
]


class Adder(dal.Processor):
    """Adds in a coroutine."""

    def __init__(self, path: str, **how: Any) -> None:
        super().__init__(SCHEMAS, path, **how)

    async def add(self, x: int, ys: dal.TensorRef, zs: dal.TensorRef) -> None:
        await asyncio.sleep(0)
        zs.put(x + await ys)

    def fail(self, tag: dal.TensorRef) -> None:
        raise ValueError("the matter of it")


async def gathered(tasks: Any) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Runs a coroutine in an event loop, which ends what hangs."""
    if request.param == "asyncio":
        new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    else:
        new_loop = uvloop.new_event_loop

    def run(main: Any) -> Any:
        loop = new_loop()
        try:
            return loop.run_until_complete(asyncio.wait_for(main, WATCHDOG))
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait_for(gathered(left), WATCHDOG))
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    return run


@pytest.fixture
def store(path: str) -> Any:
    with dal.Store(path, size=1 << 24) as made:
        yield made


def soon(seconds: float, action: Callable[[], object]) -> threading.Thread:
    """Does something in another thread, a little later."""

    def act() -> None:
        time.sleep(seconds)
        action()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


async def watched(ref: Any, count: int = 1) -> Any:
    """Waits until a reference's loop watches so many objects."""
    while len(_event_loop.reader_of(ref.conn)._waits) < count:
        await asyncio.sleep(0.001)


def is_idle(conn: dal.Connection) -> bool:
    """Whether nothing waits by the reader that a connection used last."""
    reader: Any = conn._reader
    return reader is None or not (reader._waits or reader._fresh or reader._looks or reader._handle)


# ---- references ------------------------------------------------------------------------------------------------------


def test_references_are_awaited(store: dal.Store, run: Any) -> None:
    tensor, table, later = store.put_new_tensor([1, 2]), store.put_new_table({"a": [1]}), store.new_tensor_ref()

    async def main() -> None:
        assert (await tensor).tolist() == [1, 2] and (await table).to_pydict() == {"a": [1]}
        assert (await dal.Ref(store.conn, tensor.oid)).size == len(dal.Ref(store.conn, tensor.oid).get_buffer())
        thread = soon(0.05, lambda: later.put([3.5]))
        # By several tasks, and by another reference of the same object.
        again = store.make_tensor_ref(later.oid)
        values = await asyncio.gather(later, later, again)
        thread.join()
        assert [value.tolist() for value in values] == [[3.5]] * 3
        assert is_idle(store.conn)

    run(main())


def test_a_wait_that_is_cancelled_leaves_nothing(store: dal.Store, run: Any) -> None:
    async def main() -> None:
        later = store.new_tensor_ref()
        with pytest.raises((asyncio.TimeoutError, TimeoutError)):
            await asyncio.wait_for(later, 0.05)
        assert is_idle(store.conn)
        # Another wait for the same object goes on.
        stays, goes = asyncio.ensure_future(later), asyncio.ensure_future(later)
        await asyncio.sleep(0.01)
        await watched(later)
        goes.cancel()
        await asyncio.sleep(0)
        later.put([7])
        assert (await stays).tolist() == [7] and goes.cancelled() and is_idle(store.conn)

    run(main())


def test_what_will_never_exist_is_told(store: dal.Store, adder: Program, path: str, run: Any) -> None:
    async def main() -> None:
        # In a store of its own, so that what is deleted is somebody else's.
        deleted = store.put_new_tensor([1])
        borrowed = store.make_tensor_ref(deleted.oid)
        await borrowed
        store.conn.delete([deleted.oid])
        with pytest.raises(dal.ObjectDeleted):
            await borrowed
        schemas = [
            dal.make_call_schema(
                "wait", [dal.make_par("seconds", pa.float64()), dal.make_tensor_output_par("tag", pa.int8(), [])]
            ),
            dal.make_call_schema(
                "fail", [dal.make_par("text", pa.utf8()), dal.make_tensor_output_par("tag", pa.int8(), [])]
            ),
        ]
        with dal.AsyncCaller(schemas, store, timeout=WATCHDOG) as caller:
            with pytest.raises(dal.FunctionError, match="what it says"):
                await caller.fail("what it says")
            tag = (await caller.issue("wait", 60.0))["tag"]
            waits = asyncio.ensure_future(tag)
            await watched(tag)
            adder.process.kill()
            with pytest.raises(dal.ProcessorLost):
                await waits
            with pytest.raises(dal.ProcessorLost):
                await tag

    run(main())


def test_a_wake_looks_at_what_changed_only(store: dal.Store, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: List[Any] = []
    is_over = _event_loop.Wait.is_over

    def counted(wait: Any) -> bool:
        looks.append(wait)
        return is_over(wait)

    async def main() -> None:
        refs = [store.new_tensor_ref() for _ in range(1000)]
        tasks = [asyncio.ensure_future(ref) for ref in refs]
        await asyncio.sleep(0)
        await watched(refs[0], len(refs))
        # What they were watched for at first.
        await asyncio.sleep(0.2)
        monkeypatch.setattr(_event_loop.Wait, "is_over", counted)
        for at in range(10):
            refs[at].put([at])
            assert (await tasks[at]).tolist() == [at]
        # A few others share the bucket of one by chance.
        assert 10 <= len(looks) < 100
        assert not any(task.done() for task in tasks[10:])
        for task in tasks[10:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert is_idle(store.conn)

    run(main())


def test_no_wait_has_a_thread(store: dal.Store, run: Any) -> None:
    async def main() -> None:
        before = len(os.listdir("/proc/self/task"))
        tasks = [asyncio.ensure_future(store.new_tensor_ref()) for _ in range(50)]
        await asyncio.sleep(0.1)
        # The library's only one.
        assert len(os.listdir("/proc/self/task")) <= before + 1
        for task in tasks:
            task.cancel()

    run(main())


# ---- calls -----------------------------------------------------------------------------------------------------------


def test_calls_are_awaited(store: dal.Store, path: str, run: Any) -> None:
    async def main() -> None:
        with Adder(path) as processor, dal.AsyncCaller(SCHEMAS, store) as caller:
            serving = asyncio.ensure_future(processor.serve())
            results = await caller.add(1, np.arange(3))
            assert results["zs"].tolist() == [1, 2, 3] and list(results) == ["zs"] and len(results) == 1
            assert "zs" in repr(results) and results.refs["zs"].exists()
            assert (await caller.call("add", x=1, ys=[5]))["zs"].tolist() == [6]
            outputs = await caller.issue(SCHEMAS[0], 1, np.arange(3))
            # An output is the input of the next call, whether it exists or not.
            assert (await caller.add(10, outputs["zs"]))["zs"].tolist() == [11, 12, 13]
            rows = [dict(x=x, ys=np.arange(2)) for x in range(3)]
            expected = [[0, 1], [1, 2], [2, 3]]
            assert [result["zs"].tolist() for result in await caller.add_batch(rows)] == expected
            assert [result["zs"].tolist() for result in await caller.batch_call("add", iter(rows))] == expected
            with pytest.raises(dal.FunctionError, match="the matter of it"):
                await caller.fail()
            with pytest.raises(TypeError, match=r"add\(\): parameter 'x'"):
                await caller.add("one", np.arange(3))
            with pytest.raises(TypeError, match="takes a list of dictionaries"):
                await caller.add_batch(dict(x=1))
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
        with pytest.raises(dal.InvalidArgument, match="the caller was closed"):
            await caller.add(1, np.arange(3))

    run(main())


def test_calls_to_all_processors_are_awaited(store: dal.Store, path: str, run: Any) -> None:
    async def main() -> None:
        with Adder(path) as one, Adder(path) as other, dal.AsyncCaller(SCHEMAS, store, broadcast=True) as caller:
            servings = [asyncio.ensure_future(processor.serve()) for processor in (one, other)]
            replies = await caller.add(1, np.arange(3))
            assert [reply["zs"].tolist() for reply in replies] == [[1, 2, 3]] * 2
            replies = await caller.add_batch([dict(x=x, ys=[1]) for x in range(2)])
            assert [[row["zs"].tolist() for row in rows] for rows in replies] == [[[1], [2]]] * 2
            with pytest.raises(dal.FunctionError, match="the matter of it"):
                await caller.fail()
            for serving in servings:
                serving.cancel()
            await asyncio.gather(*servings, return_exceptions=True)

    run(main())


def test_a_processor_that_has_gone_keeps_a_call_from_no_other(
    store: dal.Store, adder: Program, path: str, schemas: Any, run: Any
) -> None:
    class Same(dal.Processor):
        async def add(self, x: int, ys: dal.TensorRef, zs: dal.TensorRef) -> None:
            added.append(x)
            zs.put(await ys)

        wait = fail = add

    added: List[int] = []

    async def main() -> None:
        with Same(schemas, path) as one:
            serving = asyncio.ensure_future(one.serve())
            with dal.AsyncCaller(schemas, store, broadcast=True, minimum_processors=2, timeout=WATCHDOG) as caller:
                await caller.add(1, [1])
                adder.process.kill()
                adder.wait()
                with pytest.raises(dal.ProcessorLost):
                    await caller.add(2, [1])
                assert added == [1, 2]
                assert len(await caller.add(3, [1])) == 1
            serving.cancel()
            await gathered([serving])

    run(main())


def test_a_call_that_is_cancelled_does_not_run(store: dal.Store, path: str, run: Any) -> None:
    async def main() -> None:
        with Adder(path) as processor, dal.AsyncCaller(SCHEMAS, store) as caller:
            with pytest.raises((asyncio.TimeoutError, TimeoutError)):
                await asyncio.wait_for(caller.add(1, np.arange(3)), 0.05)
            ran: List[int] = []

            async def add(x: int, ys: Any, zs: Any) -> None:
                ran.append(x)
                zs.put(await ys)

            processor.add = add  # type: ignore[method-assign]
            serving = asyncio.ensure_future(processor.serve())
            await caller.add(2, np.arange(3))
            assert ran == [2]
            serving.cancel()
            await gathered([serving])
            assert is_idle(store.conn)

    run(main())


def test_large_arguments_are_copied_in_another_thread(
    store: dal.Store, path: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: List[int] = []
    issue = dal.caller._Issuer.call

    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        threads.append(threading.get_ident())
        return issue(self, *args, **kwargs)

    monkeypatch.setattr(dal.caller._Issuer, "call", noted)

    async def main() -> None:
        with Adder(path) as processor, dal.AsyncCaller(SCHEMAS, store) as caller:
            serving = asyncio.ensure_future(processor.serve())
            large = np.zeros(_async_caller._LARGE // 8 + 1, int)
            for value in (large[:10], large, large.tolist()[: 1 << 15]):
                assert (await caller.add(1, value))["zs"].min() == 1
            assert (await caller.add(1, store.put_new_tensor(large)))["zs"].min() == 1
            with dal.AsyncCaller(SCHEMAS, store, max_in_flight=2, timeout=WATCHDOG) as waits:
                assert (await waits.add(1, [1]))["zs"].tolist() == [2]
            serving.cancel()

    run(main())
    here = threading.get_ident()
    assert [thread == here for thread in threads] == [True, False, False, True, False]


def test_a_full_store_does_not_hold_up_the_loop(store: dal.Store, path: str, run: Any, start: Any) -> None:
    other = start(
        """
        import sys, ska_sdp_dal as dal
        with dal.Connection(sys.argv[1]):
            print("there", flush=True)
            sys.stdin.readline()
        """,
        path,
        stdin=True,
    )
    # Only then somebody else might make room.
    other.line("there")

    async def main() -> None:
        with Adder(path) as processor, dal.AsyncCaller(SCHEMAS, store) as caller:
            serving = asyncio.ensure_future(processor.serve())
            filling = [store.put_new_tensor(np.zeros(1 << 16)) for _ in range(store.conn.stat()["largest_free"] >> 20)]
            while store.conn.stat()["largest_free"] >= 600 << 10:
                filling.append(store.put_new_tensor(np.zeros(1 << 13)))
            assert caller._issuer.may_wait is False
            call = asyncio.ensure_future(caller.add(1, np.zeros(75 << 10, int)))
            # The loop runs on while it waits for room.
            while not caller._issuer.may_wait:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert not call.done()
            filling.clear()
            assert (await call)["zs"].max() == 1
            serving.cancel()

    run(main())
    other.say("")


class Timed(dal.AsyncCaller):
    """Notes what it calls."""

    def __init__(self, store: dal.Store) -> None:
        super().__init__(SCHEMAS, store)
        self.called: List[Any] = []

    async def call(self, call_schema: Any, *args: Any, **kwargs: Any) -> Any:
        self.called.append(call_schema)
        return await super().call(call_schema, *args, **kwargs)

    async def batch_call(self, call_schema: Any, calls: Any) -> Any:  # type: ignore[override]
        self.called.append(calls)
        return await super().batch_call(call_schema, calls)


def test_methods_go_through_what_a_subclass_overrides(store: dal.Store, path: str, run: Any) -> None:
    async def main() -> None:
        with Adder(path) as processor, Timed(store) as caller:
            serving = asyncio.ensure_future(processor.serve())
            assert (await caller.add(1, [1]))["zs"].tolist() == [2]
            assert (await caller.add_batch([dict(x=1, ys=[1])]))[0]["zs"].tolist() == [2]
            assert caller.called == [SCHEMAS[0], [dict(x=1, ys=[1])]]
            serving.cancel()
            await gathered([serving])

    run(main())
    # The caller is in a ring with its methods.
    gc.collect()


# ---- events ----------------------------------------------------------------------------------------------------------


def test_events_are_iterated(store: dal.Store, run: Any) -> None:
    async def main() -> None:
        events = store.conn.events(store.prefix)
        assert "Events" in repr(events)
        kept = store.put_new_tensor([1, 2])
        await asyncio.sleep(0)
        seen: List[dal.Event] = []

        async def follow() -> None:
            async for event in events:
                seen.append(event)
                if len(seen) == 3:
                    return

        following = asyncio.ensure_future(follow())
        while len(seen) < 1:
            await asyncio.sleep(0.001)
        with pytest.raises(dal.InvalidArgument, match="each task needs events"):
            await events.__anext__()
        thread = soon(0.05, lambda: store.put_new_tensor([3]))
        await following
        thread.join()
        assert [event.kind for event in seen] == ["sealed", "sealed", "deleted"]
        assert seen[0].oid == kept.oid and seen[0].data_size > 0 and seen[0].metadata.startswith(b"sdp:kind=tensor")
        # As a task that is cancelled leaves it.
        waits = asyncio.ensure_future(events.__anext__())
        await asyncio.sleep(0.01)
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        assert is_idle(store.conn)

    run(main())


def test_events_of_a_connection_that_is_closed_end(path: str, store: dal.Store, run: Any) -> None:
    async def main() -> None:
        conn = dal.Connection(path)
        events = conn.events()
        soon(0.05, conn.close)
        with pytest.raises(dal.InvalidArgument, match="was closed"):
            async for _ in events:
                pass
        with pytest.raises(dal.InvalidArgument, match="was closed"):
            await events.__anext__()

    run(main())


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
