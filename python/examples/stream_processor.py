#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Receives payloads from streamer.py, and prints every second how much came."""

import argparse
import logging
import sys
import time

from streaming import STREAM_SCHEMAS

import ska_sdp_dal as dal


class StreamProcessor(dal.Processor):
    """Reads every payload once, where it lies."""

    def __init__(self, plasma_path: str, **kwargs: object) -> None:
        super().__init__(STREAM_SCHEMAS, plasma_path, **kwargs)
        self.received = 0

    def receive(self, payload: dal.TensorRef, tag: dal.TensorRef, **_unused: object) -> None:
        values = payload.get()
        # A real processor would look at the values, not at their number only.
        values.max()
        self.received += values.nbytes
        tag.put()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="path of the store; it is made if there is none")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

    with dal.end_on_sigterm(), StreamProcessor(options.store) as processor:
        shown = time.monotonic()
        while True:
            processor.process(timeout=max(0.0, shown + 1 - time.monotonic()))
            passed = time.monotonic() - shown
            if passed >= 1:
                print(f"{processor.received / passed / 1e9:.1f} GB/s", flush=True)
                processor.received = 0
                shown += passed


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
    except dal.DalError as problem:
        sys.exit(f"stream_processor.py: {problem}")
