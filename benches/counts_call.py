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
from typing import Any

import numpy as np
import pyarrow

# As in counts.c.
PARTS, TURNS, WARM_UP = 16, 8, 300
NOTHING = np.zeros(0, np.int64)

dal: Any = importlib.import_module("ska_sdp_dal")
SCHEMAS = [
    dal.make_call_schema(
        "empty", [dal.make_par("x", pyarrow.int64()), dal.make_tensor_output_par("tag", pyarrow.int64(), ["i"])]
    )
]


class Processor(dal.Processor):  # type: ignore[misc]
    def empty(self, x: int, tag: Any) -> None:
        tag.put(NOTHING)


def nothing() -> None:
    pass


class Counting:
    """Turns, of which one row is counted at a time."""

    def __init__(self, counts: str, path: str, store: Any) -> None:
        self.library = ctypes.CDLL(counts)
        self.processor = Processor(SCHEMAS, path)
        self.processor.process(0)
        self.caller = dal.Caller(SCHEMAS, store)

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

    def count(self, row: str, in_caller: Any, in_processor: Any) -> None:
        for _ in range(PARTS):
            # Writing a file took time: what the library does every quarter of a second is done here.
            self.turn(nothing, nothing)
            for _ in range(TURNS):
                self.turn(in_caller, in_processor)
            self.library.counts_end_part(row.encode())


def main(counts: str, path: str) -> None:
    with dal.Store(path) as store:
        counting = Counting(counts, path, store)
        mark = counting.library.counts_mark
        for _ in range(WARM_UP):
            counting.turn(nothing, nothing)
        gc.collect()
        gc.disable()
        counting.library.counts_start()
        counting.count("python_caller", mark, nothing)
        counting.count("python_processor", nothing, mark)
        counting.caller.close()
        counting.processor.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
