#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Receives payloads in an event loop, and hands each to all processors that are there: to several stream_processor.py."""

import argparse
import asyncio
import logging
import sys
from typing import Optional

import numpy as np
from streaming import STREAM_SCHEMAS

import ska_sdp_dal as dal


async def receive(caller: dal.AsyncCaller, payloads: "asyncio.Queue[Optional[np.ndarray]]") -> int:
    """Hands payloads on until None comes, and counts them."""
    count = 0
    while True:
        payload = await payloads.get()
        if payload is None:
            return count
        try:
            # Until all processors have seen it. A slow one limits what is in flight.
            await asyncio.wait_for(caller.receive(payload), 10)
            count += 1
        except dal.ProcessorLost as problem:
            # The others have it, and the next payload goes to them only.
            logging.warning("%s", problem)


async def main(options: argparse.Namespace) -> None:
    with dal.Store(options.store) as store:
        how = dict(broadcast=True, minimum_processors=options.processors, timeout=options.timeout)
        caller = await asyncio.to_thread(dal.AsyncCaller, STREAM_SCHEMAS, store, **how)
        with caller:
            # What a socket would bring.
            payloads: asyncio.Queue[Optional[np.ndarray]] = asyncio.Queue(options.in_flight)
            receivers = [asyncio.ensure_future(receive(caller, payloads)) for _ in range(options.in_flight)]
            values = np.random.default_rng(1).random(int(options.size * 1e6 / 8))
            for _ in range(options.count):
                await payloads.put(values)
            for _ in receivers:
                await payloads.put(None)
            counts = await asyncio.gather(*receivers)
            print(f"{sum(counts)} payloads to {caller.num_processors} processors", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="path of the store; it is made if there is none")
    parser.add_argument("--processors", type=int, default=4, metavar="N", help="wait for so many (default: 4)")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="payloads to send (default: 1000)")
    parser.add_argument("--size", type=float, default=0.8, metavar="MB", help="size of a payload (default: 0.8)")
    parser.add_argument("--in-flight", type=int, default=3, metavar="N", help="payloads on their way (default: 3)")
    parser.add_argument(
        "--timeout", type=float, default=10, metavar="S", help="wait for processors (default: 10 seconds)"
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        with dal.end_on_sigterm():
            asyncio.run(main(given))
    except KeyboardInterrupt:
        sys.exit(0)
    except dal.DalError as problem:
        sys.exit(f"async_receiver.py: {problem}")
