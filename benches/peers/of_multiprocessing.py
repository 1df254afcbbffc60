# SPDX-License-Identifier: BSD-3-Clause
"""Python's own shared memory: 80 MB are copied into it, and a pipe tells. It runs as job.py says."""

from __future__ import annotations

from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Callable, Dict

import numpy as np
from job import Job, main

SLOTS = 2


def take(pipe: Connection, names: list[str], count: int, reads_all: bool) -> None:
    memory = [SharedMemory(name) for name in names]
    payloads = [np.ndarray(count, buffer=one.buf) for one in memory]
    while True:
        payload = payloads[pipe.recv()]
        payload.sum() if reads_all else payload[0]
        pipe.send(None)


def stream(job: Job, row: str, reads_all: bool) -> None:
    mine, others = Pipe()
    payload = np.full(job.large // 8, 0.5)
    memory = [SharedMemory(create=True, size=job.large) for _ in range(SLOTS)]
    places = [np.ndarray(payload.size, buffer=one.buf) for one in memory]
    try:
        job.start(take, others, [one.name for one in memory], payload.size, reads_all)

        def turn() -> None:
            for number in range(8):
                places[number % SLOTS][:] = payload
                mine.send(number % SLOTS)
                if number:
                    mine.recv()
            mine.recv()

        job.measure(row, turn, operations=8)
    finally:
        places.clear()
        for one in memory:
            one.unlink()


def streams(job: Job) -> None:
    stream(job, "py_stream.unread", False)
    stream(job, "py_stream.read", True)


JOBS: Dict[str, Callable[[Job], None]] = {"py_stream": streams}

if __name__ == "__main__":
    main(JOBS)
