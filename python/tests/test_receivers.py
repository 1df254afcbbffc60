# SPDX-License-Identifier: BSD-3-Clause
"""A receiver's daily questions: room in a full store, too few processors, and calls that are issued again."""

from __future__ import annotations

import asyncio
import math
import pickle
import signal
import threading
import time
from typing import Any, Callable

import numpy as np
import pyarrow as pa
import pytest
from conftest import PROCESSOR, SCHEMAS, WATCHDOG, Program

import ska_sdp_dal as dal

#: Takes the first call, and never ends it.
STUCK = PROCESSOR.replace("zs.put(x + ys.get())", "time.sleep(600)")
WAITING = "Adder waiting for calls at prefix "
MUCH = 1 << 20


class Full:
    """A store without room for a megabyte."""

    def __init__(self, path: str) -> None:
        self.size = 4 * MUCH
        self.store = dal.Store(path, size=self.size)
        self.filling: Any = self.store.put_new_tensor(np.zeros(self.size - MUCH // 2, np.uint8))


def test_writing_waits_for_room_as_long_as_is_said(path: str) -> None:
    full = Full(path)
    much = np.zeros(MUCH, np.uint8)
    with full.store as store:
        with pytest.raises(dal.OutOfMemory):
            store.put_new_tensor(much, full_timeout=0)
        with pytest.raises(dal.OutOfMemory):
            store.new_tensor_ref(np.uint8, ["i"]).put(much, full_timeout=0.01)
        with pytest.raises(dal.OutOfMemory):
            store.new_tensor_ref(np.uint8, ["i"]).create(MUCH, full_timeout=0)
        table = pa.table({"a": much})
        with pytest.raises(dal.OutOfMemory):
            store.put_new_table(table, full_timeout=0)
        with pytest.raises(dal.InvalidArgument, match="0 or more seconds"):
            store.put_new_tensor(much, full_timeout=-1)
        put: Any = []
        waiting = threading.Thread(target=lambda: put.append(store.put_new_tensor(much, full_timeout=math.inf)))
        waiting.start()
        time.sleep(0.1)
        assert waiting.is_alive(), "it does not wait for room"
        full.filling = None
        waiting.join(WATCHDOG)
        assert put[0].get(WATCHDOG).nbytes == MUCH
        put.clear()


def test_stores_callers_and_processors_have_their_own_time(path: str, schemas: Any) -> None:
    full = Full(path)
    much = np.zeros(MUCH // 8, np.int64)
    with dal.Store(path, full_timeout=0) as impatient, pytest.raises(dal.OutOfMemory):
        impatient.put_new_tensor(much)

    class Adder(dal.Processor):
        def add(self, x: Any, ys: Any, zs: Any) -> None:
            zs.put(np.zeros(MUCH // 8, np.int64))

        wait = fail = add

    with full.store as store, Adder(schemas, path, full_timeout=0.01) as processor:
        with dal.Caller(schemas, store, full_timeout=0) as caller:
            with pytest.raises(dal.OutOfMemory):
                caller.add(1, much)
            zs = caller.add(1, [1])["zs"]
            processor.process()
            with pytest.raises(dal.FunctionError, match="the store is full"):
                zs.get(WATCHDOG)
        del full, zs


def test_too_few_processors_are_told_only_when_a_caller_is_created(
    path: str, schemas: Any, start: Callable[..., Program]
) -> None:
    programs = [start(PROCESSOR, path) for _ in range(2)]
    for program in programs:
        program.line(WAITING)
    with dal.Store(path) as store:
        with pytest.raises(dal.NoProcessor):
            dal.Caller(schemas, store, minimum_processors=3)
        with dal.Caller(schemas, store, minimum_processors=2) as caller:
            programs[0].signal(signal.SIGKILL)
            programs[0].wait()
            assert len(caller.find_processors()) == 1
            programs[1].signal(signal.SIGKILL)
            programs[1].wait()
            assert caller.find_processors() == []
            # A call finds the one that has come since.
            start(PROCESSOR, path).line(WAITING)
            assert caller.add(1, [1, 2])["zs"].get(WATCHDOG).tolist() == [2, 3]


def taken(ref: Any) -> None:
    deadline = time.monotonic() + WATCHDOG
    while not ref.is_running:
        assert time.monotonic() < deadline, "the call is not taken"
        time.sleep(0.005)


def test_a_lost_call_goes_to_another_processor(path: str, schemas: Any, start: Callable[..., Program]) -> None:
    stuck = start(STUCK, path)
    stuck.line(WAITING)
    with dal.Store(path) as store, dal.Caller(schemas, store, attempts=2) as caller:
        zs = caller.add(1, np.arange(3))["zs"]
        taken(zs)
        # Another process waits for it, too, and never hears of the loss.
        waits = start(
            SCHEMAS + "import pickle\nprint(pickle.loads(bytes.fromhex(sys.argv[2])).get(60).tolist())",
            path,
            pickle.dumps(zs).hex(),
        )
        start(PROCESSOR, path).line(WAITING)
        stuck.signal(signal.SIGKILL)
        assert caller.next_lost(WATCHDOG).name == "Adder"
        assert zs.get(WATCHDOG).tolist() == [1, 2, 3]
        assert waits.check()[-1] == "[1, 2, 3]"
        with pytest.raises(dal.InvalidArgument, match="attempts"):
            dal.Caller(schemas, store, attempts=0)


def test_an_event_loop_goes_on_waiting(path: str, schemas: Any, start: Callable[..., Program]) -> None:
    stuck = start(STUCK, path)
    stuck.line(WAITING)

    async def main(store: dal.Store) -> Any:
        with dal.AsyncCaller(schemas, store, attempts=2, timeout=WATCHDOG) as caller:
            added = asyncio.ensure_future(caller.add(1, np.arange(3)))
            while store.conn.stat()["awaited"] == 0:
                await asyncio.sleep(0.005)
            stuck.signal(signal.SIGKILL)
            stuck.wait()
            # No other one is there yet: the loop sleeps until there is.
            await asyncio.sleep(0.4)
            start(PROCESSOR, path)
            return (await asyncio.wait_for(added, WATCHDOG))["zs"]

    with dal.Store(path) as store:
        assert asyncio.run(main(store)).tolist() == [1, 2, 3]
