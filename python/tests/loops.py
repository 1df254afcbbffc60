# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of event loops share: a processor of coroutines, and loops that end what hangs."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Callable

import pyarrow as pa
import pytest
import uvloop
from conftest import WATCHDOG

import ska_sdp_dal as dal
from ska_sdp_dal import _event_loop

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
