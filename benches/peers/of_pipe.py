# SPDX-License-Identifier: BSD-3-Clause
"""Python's own pipes, and nothing else: arrays are pickled into one and read from it. It runs as job.py says."""

from __future__ import annotations

from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Callable, Dict

import numpy as np
from job import Job, main


def answer(pipe: Connection) -> None:
    while True:
        pipe.send(1 + pipe.recv())


def calls(job: Job) -> None:
    mine, others = Pipe()
    job.start(answer, others)
    numbers = np.arange(100)

    def turn() -> None:
        mine.send(numbers)
        mine.recv()

    job.measure("py_call.tensor", turn, turns=50)


def take(pipe: Connection, reads_all: bool) -> None:
    while True:
        payload = pipe.recv()
        payload.sum() if reads_all else payload[0]
        pipe.send(None)


def stream(job: Job, row: str, reads_all: bool) -> None:
    mine, others = Pipe()
    payload = np.full(job.large // 8, 0.5)
    job.start(take, others, reads_all)

    def turn() -> None:
        mine.send(payload)
        mine.recv()

    job.measure(row, turn)


def streams(job: Job) -> None:
    stream(job, "py_stream.unread", False)
    stream(job, "py_stream.read", True)


JOBS: Dict[str, Callable[[Job], None]] = {"py_call": calls, "py_stream": streams}

if __name__ == "__main__":
    main(JOBS)
