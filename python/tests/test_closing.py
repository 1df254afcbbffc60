# SPDX-License-Identifier: BSD-3-Clause
"""Processors that are closed while threads wait for calls."""

from __future__ import annotations

import threading
from typing import Any

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
