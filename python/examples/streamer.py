#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Streams payloads to stream_processor.py, and shows the rate."""

import argparse
import logging
import sys
from collections import deque

import numpy as np
import pyarrow
from streaming import STREAM_SCHEMAS

import ska_sdp_dal as dal

try:
    from tqdm import tqdm
except ImportError:
    sys.exit("streamer.py: the bar needs the package tqdm: pip install tqdm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="path of the store; it is made if there is none")
    parser.add_argument("--size", type=float, default=80, metavar="MB", help="size of a payload (default: 80)")
    parser.add_argument("--count", type=int, metavar="N", help="how many to send (default: until Ctrl-C)")
    parser.add_argument(
        "--in-flight", type=int, default=2, metavar="N", help="how many may be on their way (default: 2)"
    )
    parser.add_argument(
        "--in-place", action="store_true", help="fill each payload where it will be read, instead of copying it there"
    )
    parser.add_argument(
        "--timeout", type=float, default=10, metavar="S", help="wait for a processor (default: 10 seconds)"
    )
    options = parser.parse_args()
    if options.size <= 0 or options.in_flight < 1:
        parser.error("--size and --in-flight are positive numbers")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

    store = dal.Store(options.store)
    caller = dal.Caller(STREAM_SCHEMAS, store, verbose=True, timeout=options.timeout)
    payload = np.random.default_rng(1).random(int(options.size * 1e6 / 8))
    print(f"Paylod size {payload.nbytes / 1e6:.1f} MB", flush=True)  # as the demo has always spelled it

    def sent(number: int) -> dal.TensorRef:
        if not options.in_place:
            return caller.receive(payload)["tag"]
        ref = store.new_tensor_ref(pyarrow.float64(), ["i"])
        ref.create(payload.shape).fill(number)
        ref.seal()
        return caller.receive(ref)["tag"]

    total = None if options.count is None else options.count * payload.nbytes
    waiting: deque[dal.TensorRef] = deque()
    with tqdm(total=total, unit="B", unit_scale=True, smoothing=0.1) as bar:
        number = 0
        while options.count is None or number < options.count:
            waiting.append(sent(number))
            number += 1
            while len(waiting) >= options.in_flight:
                waiting.popleft().get()
                bar.update(payload.nbytes)
        while waiting:
            waiting.popleft().get()
            bar.update(payload.nbytes)


if __name__ == "__main__":
    try:
        with dal.end_on_sigterm():
            main()
    except KeyboardInterrupt:
        sys.exit(0)
    except dal.DalError as problem:
        sys.exit(f"streamer.py: {problem}")
