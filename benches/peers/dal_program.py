# SPDX-License-Identifier: BSD-3-Clause
"""The same program over this package and over Plasma (plasma_dal.py), without a difference but the store's server:

dal_program.py LIBRARY [JOB FOLDER MILLISECONDS [check]]
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import numpy as np
import pyarrow
from job import Job, main, wait_for

# In the processor, too, which starts as a process of its own.
LIBRARY = os.environ.setdefault("DAL_LIBRARY", sys.argv[1] if len(sys.argv) > 1 else "ska_sdp_dal")
dal: Any = importlib.import_module(LIBRARY)

SCHEMAS = [
    dal.make_call_schema(
        "simple_fn",
        [
            dal.make_par("x", pyarrow.int64()),
            dal.make_tensor_input_par("ys", pyarrow.int64(), ["i"]),
            dal.make_tensor_output_par("zs", pyarrow.int64(), ["i"]),
        ],
    ),
    dal.make_call_schema(
        "acknowledge", [dal.make_par("x", pyarrow.int64()), dal.make_tensor_output_par("tag", pyarrow.int64(), ["i"])]
    ),
    *(
        dal.make_call_schema(
            name,
            [
                dal.make_tensor_input_par("payload", pyarrow.float64(), ["i"]),
                dal.make_tensor_output_par("tag", pyarrow.int64(), ["i"]),
            ],
        )
        for name in ("receive", "add_up")
    ),
]
IN_FLIGHT = 2
NOTHING = np.zeros(0, np.int64)
STORE_SIZE = 500_000_000


class Processor(dal.Processor):  # type: ignore[misc]
    """Adds, and takes payloads where they lie."""

    def simple_fn(self, x: int, ys: Any, zs: Any) -> None:
        zs.put(x + ys.get())

    def acknowledge(self, x: int, tag: Any) -> None:
        tag.put(NOTHING)

    def receive(self, payload: Any, tag: Any) -> None:
        payload.get()[0]
        tag.put(NOTHING)

    def add_up(self, payload: Any, tag: Any) -> None:
        payload.get().sum()
        tag.put(NOTHING)


def process(path: str) -> None:
    processor = Processor(SCHEMAS, path)
    while True:
        processor.process()


class Side:
    """The caller, with its processor."""

    def __init__(self, job: Job) -> None:
        path = str(job.folder / "store")
        if LIBRARY == "plasma_dal":
            job.run([Path(sys.executable).parent / "plasma_store", "-s", path, "-m", STORE_SIZE])
            wait_for(Path(path))
            self.found: Dict[str, Any] = {}
        else:
            os.environ["SDP_DAL_STORE_SIZE"] = str(STORE_SIZE)
            self.found = {"timeout": 10}
        self.store = dal.Store(path)
        job.start(process, path)
        self.caller = dal.Caller(SCHEMAS, self.store, **self.found)
        # It has come when it answers.
        self.caller.acknowledge(1)["tag"].get()


def calls(job: Job) -> None:
    side = Side(job)
    ys = side.store.put_new_tensor(np.arange(100))
    job.measure("py_call.tensor", lambda: side.caller.simple_fn(1, ys)["zs"].get(), turns=50)


def numbers(job: Job) -> None:
    side = Side(job)
    job.measure("py_number.number", lambda: side.caller.acknowledge(1)["tag"].get(), turns=50)


def batches(job: Job) -> None:
    side = Side(job)
    ys = side.store.put_new_tensor(np.arange(100))
    rows = [{"x": x, "ys": ys} for x in range(100)]

    def turn() -> None:
        for row in side.caller.simple_fn_batch(rows):
            row["zs"].get()

    job.measure("py_batch.row", turn, operations=100)


def small(job: Job) -> None:
    side = Side(job)
    values = np.arange(100)
    job.measure("py_small.put_get_delete", lambda: side.store.put_new_tensor(values).get(), turns=50)


def stream(job: Job, row: str, send: Callable[[Any], Any]) -> None:
    """Payloads to a processor, two of them on their way at a time."""

    def turn() -> None:
        waiting = []
        for _ in range(8):
            waiting.append(send(payload))
            if len(waiting) == IN_FLIGHT:
                waiting.pop(0).get()
        for tag in waiting:
            tag.get()

    payload = np.full(job.large // 8, 0.5)
    job.measure(row, turn, operations=8)


def streams(job: Job) -> None:
    side = Side(job)
    stream(job, "py_stream.unread", lambda payload: side.caller.receive(side.store.put_new_tensor(payload))["tag"])
    stream(job, "py_stream.read", lambda payload: side.caller.add_up(side.store.put_new_tensor(payload))["tag"])


def in_place(job: Job) -> None:
    side = Side(job)

    def turn() -> None:
        ref = side.store.new_tensor_ref(pyarrow.float64(), ["i"])
        ref.create((job.large // 8,))[0] = 1
        ref.seal()
        side.caller.receive(ref)["tag"].get()

    job.measure("py_place.handed_over", turn, turns=20)


JOBS: Dict[str, Callable[[Job], None]] = {
    "py_call": calls,
    "py_number": numbers,
    "py_batch": batches,
    "py_small": small,
    "py_stream": streams,
}
if hasattr(dal.TensorRef, "create"):
    JOBS["py_place"] = in_place

if __name__ == "__main__":
    main(JOBS, sys.argv[2:] or ["list"])
