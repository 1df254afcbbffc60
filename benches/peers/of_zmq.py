# SPDX-License-Identifier: BSD-3-Clause
"""ZeroMQ over a socket of the machine: a request with 100 numbers and its response with as many; a stream of 80 MB, of
which each payload is answered. It runs as job.py says."""

from __future__ import annotations

from typing import Callable, Dict

import numpy as np
import zmq
from job import Job, main


def answer(address: str) -> None:
    socket = zmq.Context().socket(zmq.REP)
    socket.bind(address)
    while True:
        socket.send(1 + np.frombuffer(socket.recv(), np.int64))


def calls(job: Job) -> None:
    address = f"ipc://{job.folder}/socket"
    job.start(answer, address)
    socket = zmq.Context().socket(zmq.REQ)
    socket.connect(address)
    numbers = np.arange(100)

    def turn() -> None:
        socket.send(numbers)
        np.frombuffer(socket.recv(), np.int64)

    job.measure("py_call.tensor", turn, turns=50)


def take(address: str, reads_all: bool) -> None:
    socket = zmq.Context().socket(zmq.PAIR)
    socket.bind(address)
    while True:
        payload = np.frombuffer(socket.recv(copy=False).buffer)
        payload.sum() if reads_all else payload[0]
        socket.send(b"")


def stream(job: Job, row: str, reads_all: bool) -> None:
    address = f"ipc://{job.folder}/{row}"
    job.start(take, address, reads_all)
    socket = zmq.Context().socket(zmq.PAIR)
    socket.connect(address)
    payload = np.full(job.large // 8, 0.5)

    def turn() -> None:
        for number in range(8):
            socket.send(payload, copy=False)
            if number:
                socket.recv()
        socket.recv()

    job.measure(row, turn, operations=8)


def streams(job: Job) -> None:
    stream(job, "py_stream.unread", False)
    stream(job, "py_stream.read", True)


JOBS: Dict[str, Callable[[Job], None]] = {"py_call": calls, "py_stream": streams}

if __name__ == "__main__":
    main(JOBS)
