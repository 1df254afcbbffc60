# SPDX-License-Identifier: BSD-3-Clause
"""Processors that are closed while threads wait for calls, and functions that wait for themselves."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import WATCHDOG

import ska_sdp_dal as dal

PING = dal.make_call_schema("ping", [dal.make_par("x", pa.int64())])


class Pinged(dal.Processor):
    """Runs one function, which does nothing."""

    def __init__(self, path: str) -> None:
        super().__init__([PING], path)

    def ping(self, x: int) -> None:
        """Does nothing."""


def test_threads_that_wait_for_calls_leave_when_it_is_closed(path: str) -> None:
    with dal.Store(path, size=1 << 24):
        for _ in range(10):
            processor = Pinged(path)
            ends: list[Any] = []

            def work(processor: Pinged = processor, ends: list[Any] = ends) -> None:
                try:
                    while processor.process():
                        pass
                except dal.DalError as error:
                    ends.append(error)

            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            processor.close()
            for thread in threads:
                thread.join(WATCHDOG)
                assert not thread.is_alive()
            # A thread that had not come yet finds it closed.
            assert len(ends) == 3
            assert all(isinstance(end, (dal.ProcessorLost, dal.InvalidArgument)) for end in ends)
            with pytest.raises(dal.InvalidArgument):
                processor.process(0)


DOWN = dal.make_call_schema("down", [dal.make_par("x", pa.int64()), dal.make_tensor_output_par("y", np.int64, [])])


class Recursive(dal.Processor):
    """Calls itself, and waits for that."""

    def __init__(self, path: str) -> None:
        super().__init__([DOWN], path)
        self.caller: Any = None

    def down(self, x: int, y: Any) -> None:
        """Its result is how often it was called."""
        below = 0 if x == 0 else int(self.caller.down(x - 1)["y"].get())
        y.put(np.int64(below + 1))


def test_a_function_that_waits_for_its_own_turn_is_told_so(path: str) -> None:
    with dal.Store(path, size=1 << 24) as store, Recursive(path) as processor:
        processor.caller = dal.Caller([DOWN], store)
        result = processor.caller.down(1)["y"]
        with pytest.raises(dal.InvalidArgument, match="this wait would never end"):
            processor.process(WATCHDOG, catch_exceptions=False)
        with pytest.raises(dal.DalError, match="this wait would never end"):
            result.get(WATCHDOG)
        # What does not wait works on.
        result = processor.caller.down(0)["y"]
        assert processor.process(WATCHDOG)
        assert result.get(WATCHDOG) == 1
        processor.caller = None
