# SPDX-License-Identifier: BSD-3-Clause
"""Ray on this machine alone: an actor's method with 100 numbers, and many of them; objects; 80 MB to an actor. It runs as
job.py says."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from typing import Any, Callable, Dict

import numpy as np
import ray
from job import Job, main


class Processor:
    """Adds, and takes payloads."""

    def add(self, x: int, ys: Any) -> Any:
        return x + ys

    def take(self, payload: Any, reads_all: bool) -> None:
        payload.sum() if reads_all else payload[0]


def leave(folder: str) -> None:
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def begin(job: Job) -> Any:
    # Paths of sockets are short: not in the job's folder.
    folder = tempfile.mkdtemp(prefix="ray-")
    atexit.register(leave, folder)
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error", configure_logging=False,
        object_store_memory=500_000_000, namespace=job.folder.name, _temp_dir=folder,
    )  # fmt: skip
    return ray.remote(num_cpus=0)(Processor).remote()


def calls(job: Job) -> None:
    processor = begin(job)
    ys = ray.put(np.arange(100))
    job.measure("py_call.tensor", lambda: ray.get(processor.add.remote(1, ys)), turns=20)


def batches(job: Job) -> None:
    processor = begin(job)
    ys = ray.put(np.arange(100))
    job.measure("py_batch.row", lambda: ray.get([processor.add.remote(x, ys) for x in range(100)]), operations=100)


def small(job: Job) -> None:
    begin(job)
    values = np.arange(100)
    job.measure("py_small.put_get_delete", lambda: ray.get(ray.put(values)), turns=50)


def stream(job: Job, row: str, processor: Any, reads_all: bool) -> None:
    payload = np.full(job.large // 8, 0.5)

    def turn() -> None:
        waiting = []
        for _ in range(8):
            waiting.append(processor.take.remote(ray.put(payload), reads_all))
            if len(waiting) == 2:
                ray.get(waiting.pop(0))
        ray.get(waiting)

    job.measure(row, turn, operations=8)


def streams(job: Job) -> None:
    processor = begin(job)
    stream(job, "py_stream.unread", processor, False)
    stream(job, "py_stream.read", processor, True)


JOBS: Dict[str, Callable[[Job], None]] = {
    "py_call": calls,
    "py_batch": batches,
    "py_small": small,
    "py_stream": streams,
}

if __name__ == "__main__":
    main(JOBS)
