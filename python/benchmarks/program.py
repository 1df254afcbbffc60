# SPDX-License-Identifier: BSD-3-Clause
"""The program that is measured. It runs over this package, and over Plasma (plasma_dal.py), without a difference:

program.py LIBRARY processor PATH
program.py LIBRARY caller PATH ROUNDS     prints a line of JSON: the median of each row, in seconds
"""

import importlib
import json
import statistics
import sys
import time

import numpy as np
import pyarrow

dal = importlib.import_module(sys.argv[1])

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
    dal.make_call_schema(
        "receive",
        [
            dal.make_tensor_input_par("payload", pyarrow.float64(), ["i"]),
            dal.make_tensor_output_par("tag", pyarrow.int64(), ["i"]),
        ],
    ),
]
#: 80 MB of visibilities.
PAYLOAD = 10_000_000
IN_FLIGHT = 2
NOTHING = np.zeros(0, np.int64)


class Processor(dal.Processor):
    """Adds, and takes payloads."""

    def simple_fn(self, x, ys, zs):
        zs.put(x + ys.get())

    def acknowledge(self, x, tag):
        tag.put(NOTHING)

    def receive(self, payload, tag):
        # Where they lie: nothing is copied. One value of each page is read.
        payload.get()[::512].max()
        tag.put(NOTHING)


def per_turn(work, turns):
    """Seconds of one turn of some work."""
    began = time.perf_counter()
    for _ in range(turns):
        work()
    return (time.perf_counter() - began) / turns


class Rows:
    """What is measured, each once."""

    def __init__(self, path):
        self.store = dal.Store(path)
        self.caller = dal.Caller(SCHEMAS, self.store)
        self.ys = self.store.put_new_tensor(np.arange(100))
        self.small = np.arange(100)
        self.payload = np.random.default_rng(1).random(PAYLOAD)

    def call(self):
        assert self.caller.simple_fn(1, self.ys)["zs"].get()[1] == 2

    def bare(self):
        self.caller.acknowledge(1)["tag"].get()

    def batch(self):
        rows = self.caller.simple_fn_batch([{"x": x, "ys": self.ys} for x in range(100)])
        for row in rows:
            row["zs"].get()

    def put_get_delete(self):
        self.store.put_new_tensor(self.small).get()

    def stream(self, send, count=12):
        """Payloads to a processor, two of them on their way at a time; seconds for each."""
        began, waiting = time.perf_counter(), []
        for _ in range(count):
            waiting.append(send())
            if len(waiting) == IN_FLIGHT:
                waiting.pop(0).get()
        for tag in waiting:
            tag.get()
        return (time.perf_counter() - began) / count

    def copied(self):
        return self.caller.receive(self.store.put_new_tensor(self.payload))["tag"]

    def in_place(self):
        ref = self.store.new_tensor_ref(pyarrow.float64(), ["i"])
        ref.create((PAYLOAD,))[0] = 1
        ref.seal()
        return self.caller.receive(ref)["tag"]

    def measured(self):
        found = {
            "call": per_turn(self.call, 300),
            "bare": per_turn(self.bare, 300),
            "batch": per_turn(self.batch, 5) / 100,
            "put_get_delete": per_turn(self.put_get_delete, 300),
            "copied": self.stream(self.copied),
        }
        if hasattr(dal.TensorRef, "create"):
            found["in_place"] = self.stream(self.in_place, 50)
        return found


def main():
    if sys.argv[2] == "processor":
        processor = Processor(SCHEMAS, sys.argv[3])
        print("ready", flush=True)
        while True:
            processor.process()
    rows = Rows(sys.argv[3])
    rows.measured()  # memory and caches are warm from here on
    rounds = [rows.measured() for _ in range(int(sys.argv[4]))]
    print(json.dumps({name: statistics.median(round_[name] for round_ in rounds) for name in rounds[0]}))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
