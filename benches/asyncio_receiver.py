#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures what a receiver in an event loop costs beside one that waits.

    python benches/asyncio_receiver.py [--count N] [--processors N] [--in-flight N] [--megabytes MB] [--rounds N]

It needs the installed package, and shows uvloop's figures where uvloop is there. A receiver sends payloads to all
processors, each a process of its own, which tell by a tag that they have seen the payload. Some payloads are always in
flight. The figure is the processor time of the receiver's process for each payload: of the synchronous form
(``get_ref_buffers``) and of the asynchronous one (``await caller.receive(payload)``), by turns, the best of some rounds, and
their ratio. At the end it shows what waiting costs when nothing happens.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections import deque
from functools import partial
from typing import Any, Callable, Deque, Dict, List

import numpy as np
import pyarrow

import ska_sdp_dal as dal

SCHEMA = dal.make_call_schema(
    "receive",
    [
        dal.make_tensor_input_par("payload", pyarrow.float64(), ["i"]),
        dal.make_tensor_output_par("tag", pyarrow.int64(), []),
    ],
)
#: Seconds in which nothing happens.
IDLE = 5.0


class Seeing(dal.Processor):
    """Looks at a payload, and says so."""

    def receive(self, payload: dal.TensorRef, tag: dal.TensorRef) -> None:
        if payload.get()[0] < 0:
            # What is waited for while nothing happens.
            time.sleep(IDLE + 1)
        tag.put()


def serve(path: str) -> None:
    with dal.end_on_sigterm(), Seeing([SCHEMA], path) as processor:
        while True:
            processor.process()


def synchronous(caller: dal.Caller, conn: dal.Connection, payload: Any, count: int, in_flight: int) -> None:
    """The receiver as programs without an event loop write it."""
    waiting: Deque[List[Any]] = deque()
    for _ in range(count):
        waiting.append([outputs["tag"] for outputs in caller.receive(payload)])
        if len(waiting) == in_flight:
            conn.get_ref_buffers(waiting.popleft())
    while waiting:
        conn.get_ref_buffers(waiting.popleft())


async def asynchronous(caller: dal.AsyncCaller, payload: Any, count: int, in_flight: int) -> None:
    """The same in an event loop: as many tasks as payloads in flight."""

    async def send() -> None:
        nonlocal count
        while count > 0:
            count -= 1
            await caller.receive(payload)

    await asyncio.gather(*(send() for _ in range(in_flight)))


def in_loop(run: Callable[[Any], Any], caller: dal.AsyncCaller, payload: Any, count: int, in_flight: int) -> None:
    run(asynchronous(caller, payload, count, in_flight))


def cost(run: Callable[[], Any], count: int) -> float:
    """Milliseconds of processor time for each payload."""
    begun = time.process_time()
    run()
    return (time.process_time() - begun) / count * 1e3


async def idle(caller: dal.AsyncCaller, in_flight: int) -> float:
    """The share of a processor that waits cost while nothing happens."""
    waits = [asyncio.ensure_future(caller.receive(np.full(10, -1.0))) for _ in range(in_flight)]
    await asyncio.sleep(0.5)
    begun = time.process_time()
    await asyncio.sleep(IDLE)
    share = (time.process_time() - begun) / IDLE
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    return share


def measure(options: argparse.Namespace, path: str) -> None:
    payload = np.ones(int(options.megabytes * 1e6 / 8))
    with dal.Store(path) as store:
        how: Dict[str, Any] = dict(broadcast=True, minimum_processors=options.processors, timeout=60)
        with dal.Caller([SCHEMA], store, **how) as caller, dal.AsyncCaller([SCHEMA], store, **how) as waiter:
            count, in_flight = options.count, options.in_flight
            loops: Dict[str, Callable[[Any], Any]] = {"asyncio": asyncio.run}
            try:
                import uvloop

                loops["uvloop"] = uvloop.run
            except ImportError:
                pass
            forms: Dict[str, Callable[[], Any]] = {
                "synchronous": lambda: synchronous(caller, store.conn, payload, count, in_flight)
            }
            for name, run in loops.items():
                forms[name] = partial(in_loop, run, waiter, payload, count, in_flight)
            best = dict.fromkeys(forms, float("inf"))
            for _ in range(options.rounds):
                for name, form in forms.items():
                    best[name] = min(best[name], cost(form, count))
            for name, found in best.items():
                print(
                    f"{name:12} {found:.3f} ms per payload, {found / best['synchronous']:.2f} times the synchronous form"
                )
            print(f"{'idle':12} {100 * asyncio.run(idle(waiter, in_flight)):.3f} % of a processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="payloads of a round (default: 2000)")
    parser.add_argument("--processors", type=int, default=4, help="(default: 4)")
    parser.add_argument("--in-flight", type=int, default=3, help="payloads in flight (default: 3)")
    parser.add_argument("--megabytes", type=float, default=0.8, help="size of a payload (default: 0.8)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: 5)")
    parser.add_argument("--serve", metavar="PATH", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    path = f"/dev/shm/sdp-dal-asyncio-receiver-{os.getpid()}"
    command = [sys.executable, __file__, "--serve", path]
    processors = [subprocess.Popen(command) for _ in range(options.processors)]
    try:
        measure(options, path)
    finally:
        for processor in processors:
            processor.terminate()
        for processor in processors:
            processor.wait()


if __name__ == "__main__":
    main()
