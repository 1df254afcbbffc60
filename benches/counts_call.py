# SPDX-License-Identifier: BSD-3-Clause
"""Does the calls from Python whose instructions scripts/counts.sh counts, under callgrind, as counts.c does those from C:
caller and processor take turns in one thread.

counts_call.py COUNTS STORE    COUNTS is counts.c as a shared library
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import sys
from typing import Any, Callable

import numpy as np
import pyarrow

# As in counts.c.
PARTS, TURNS, WARM_UP = 16, 8, 300
NOTHING = np.zeros(0, np.int64)
SMALL = np.arange(100)

dal: Any = importlib.import_module("ska_sdp_dal")
SCHEMAS = [
    dal.make_call_schema(
        "empty", [dal.make_par("x", pyarrow.int64()), dal.make_tensor_output_par("tag", pyarrow.int64(), ["i"])]
    ),
    dal.make_call_schema(
        "same",
        [
            dal.make_par("x", pyarrow.int64()),
            dal.make_tensor_input_par("ys", pyarrow.int64(), ["i"]),
            dal.make_tensor_output_par("zs", pyarrow.int64(), ["i"]),
        ],
    ),
]


class Processor(dal.Processor):  # type: ignore[misc]
    def empty(self, x: int, tag: Any) -> None:
        tag.put(NOTHING)

    def same(self, x: int, ys: Any, zs: Any) -> None:
        zs.put(ys.get())


def nothing() -> None:
    pass


class Counting:
    """Turns, of which one row is counted at a time."""

    def __init__(self, counts: str, path: str, store: Any) -> None:
        self.library = ctypes.CDLL(counts)
        self.processor = Processor(SCHEMAS, path)
        self.processor.process(0)
        self.caller = dal.Caller(SCHEMAS, store)
        self.store = store
        ys = store.put_new_tensor(SMALL)
        self.rows = [{"x": x, "ys": ys} for x in range(TURNS)]

    def turn(self, in_caller: Any, in_processor: Any) -> None:
        in_caller()
        outputs = self.caller.empty(1)
        in_caller()
        in_processor()
        self.processor.process(0)
        in_processor()
        in_caller()
        outputs["tag"].get()
        in_caller()

    def batch(self) -> None:
        """Both sides of a batch of as many rows as a part has turns."""
        outputs = self.caller.same_batch(self.rows)
        for _ in self.rows:
            self.processor.process(0)
        for row in outputs:
            row["zs"].get()

    def live(self) -> None:
        """Putting, getting and deleting."""
        self.store.put_new_tensor(SMALL).get()

    def marked(self, operation: Callable[[], None]) -> Callable[[], None]:
        """An operation of which all is counted."""

        def turn() -> None:
            self.library.counts_mark()
            operation()
            self.library.counts_mark()

        return turn

    def count(self, row: str, turn: Callable[[], None], turns: int = TURNS) -> None:
        for _ in range(PARTS):
            # Writing a file took time: what the library does every quarter of a second is done here.
            self.turn(nothing, nothing)
            for _ in range(turns):
                turn()
            self.library.counts_end_part(row.encode())


def main(counts: str, path: str) -> None:
    with dal.Store(path) as store:
        counting = Counting(counts, path, store)
        mark = counting.library.counts_mark
        for _ in range(WARM_UP):
            counting.turn(nothing, nothing)
            counting.batch()
            counting.live()
        gc.collect()
        gc.disable()
        counting.library.counts_start()
        counting.count("python_caller", lambda: counting.turn(mark, nothing))
        counting.count("python_processor", lambda: counting.turn(nothing, mark))
        counting.count("python_batch", counting.marked(counting.batch), 1)
        counting.count("python_live", counting.marked(counting.live))
        counting.caller.close()
        counting.processor.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
