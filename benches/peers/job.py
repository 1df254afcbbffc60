# SPDX-License-Identifier: BSD-3-Clause
"""What the Python programs of scripts/bench.sh share. They run as those in C do (bench.h):

PROGRAM... JOB FOLDER MILLISECONDS [check]     runs one job; prints a line for each sample: JOB.ROW and seconds
PROGRAM...                                     lists its jobs
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

PR_SET_PDEATHSIG = 1
LARGE = 80_000_000


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Job:
    """A job that is running."""

    def __init__(self, folder: str, milliseconds: int, check: bool) -> None:
        self.folder, self.check = Path(folder), check
        self.seconds = milliseconds / 1000
        self.samples: List[Tuple[str, float]] = []
        self.processes: List[Any] = []

    @property
    def large(self) -> int:
        """Bytes of a large object."""
        return LARGE // 80 if self.check else LARGE

    def measure(self, row: str, turn: Callable[[], Any], operations: int = 1, turns: int = 1) -> None:
        """Samples of so many turns, of so many operations each, until the time is over. The first one warms up."""
        deadline = 0.0
        while not deadline or time.perf_counter() < deadline:
            began = time.perf_counter()
            for _ in range(turns):
                turn()
            passed = time.perf_counter() - began
            if deadline:
                self.samples.append((row, passed / turns / operations))
            else:
                deadline = time.perf_counter() + self.seconds

    def start(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Another process, which inherits nothing; it ends with this one."""
        process = get_context("spawn").Process(target=_run, args=(work, *arguments), daemon=True)
        process.start()
        self.processes.append(process)

    def run(self, command: Sequence[object]) -> None:
        """Another program; it ends with this one."""
        words = [str(word) for word in command]
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        self.processes.append(process)

    def end(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait(5) if isinstance(process, subprocess.Popen) else process.join(5)


def _run(work: Callable[..., Any], *arguments: Any) -> None:
    die_with_parent()
    # So that what it has made goes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    work(*arguments)


def wait_for(path: Path) -> None:
    for _ in range(400):
        if os.path.lexists(path):
            return
        time.sleep(0.025)
    raise SystemExit(f"nothing came to be at {path}")


def main(jobs: Dict[str, Callable[[Job], None]], words: Sequence[str] = ()) -> None:
    """The program: `words` are its arguments, else those of the command line."""
    given = list(words or sys.argv[1:])
    if len(given) < 3:
        print("\n".join(jobs))
        return
    # So that what it has made goes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    job = Job(given[1], int(given[2]), "check" in given[3:])
    try:
        jobs[given[0]](job)
    finally:
        job.end()
    for row, seconds in job.samples:
        print(f"{row} {seconds:.4g}")
