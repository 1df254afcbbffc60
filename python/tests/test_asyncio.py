# SPDX-License-Identifier: BSD-3-Clause
"""Waiting in event loops: references, calls and events."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from typing import Any, List

import numpy as np
import pyarrow as pa
import pytest
from conftest import WATCHDOG, Program
from loops import SCHEMAS, Adder, gathered, is_idle, soon, watched
from loops import run as run
from loops import store as store

import ska_sdp_dal as dal
from ska_sdp_dal import _async_caller, _event_loop

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
