# SPDX-License-Identifier: BSD-3-Clause
"""The processes of scripts/torture.sh, and what must not be of them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import List, Optional

from tally import READY, Tally

PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None)


class Failure(Exception):
    """What must not be."""


class Hang(Failure):
    """Somebody does not go on."""


def die_with_parent() -> None:
    """Called in a new process."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tail(path: Path, lines: int) -> List[str]:
    """The last lines of a log."""
    return path.read_text(errors="replace").splitlines()[-lines:] if path.exists() else []


class Worker:
    """A process, in a slot or beside them."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, tally: Optional[Tally]) -> None:
        self.name, self.process, self.log, self.tally = name, process, log, tally
        self.born = time.monotonic()
        self.stopped_until = 0.0
        self.killed = self.told = False
        #: What it does to itself when it has the store's lock.
        self.caught = ""
        self.contained = False

    def pid(self) -> int:
        """Its process; in a container the first one of it."""
        if not self.contained:
            return self.process.pid
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except OSError:
            children = []
        return int(children[0]) if children else 0

    def send(self, number: int) -> bool:
        pid = self.pid()
        if self.process.poll() is not None or not pid:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def is_ready(self) -> bool:
        """Whether it would hear that it is to end."""
        return self.tally is not None and self.tally.words[READY] != 0

    def kill(self) -> bool:
        self.killed = self.killed or self.send(signal.SIGKILL)
        return self.killed

    def ended_badly(self) -> str:
        """How it ended, if that is not how it should; it has ended."""
        status = self.process.returncode
        # Of a child that was killed, unshare says this and that.
        by_us = self.killed and (status == -signal.SIGKILL or self.contained)
        if status == 0 or by_us:
            return ""
        said = [line for line in tail(self.log, 50) if "FAILURE" in line]
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        return f"{self.name} ended with {how}" + (f": {said[-1]}" if said else "")
