# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/torture.sh puts its workers through: one phase after the other."""

from __future__ import annotations

import dataclasses
from typing import Tuple

from tally import STATUSES

C = "c"
PYTHON = "python"


@dataclasses.dataclass(frozen=True)
class Slot:
    """A place for a worker, which gets another one when it was killed."""

    language: str
    role: str
    threads: int = 1
    #: "kill" or "stop": what it does to itself some time after its start, when it has the store's lock.
    caught: str = ""


@dataclasses.dataclass(frozen=True)
class Phase:
    """What is done to whom, and what may come of it."""

    name: str
    about: str
    slots: Tuple[Slot, ...]
    #: Statuses that are no failure, beside those that each operation may have anyway.
    allowed: Tuple[str, ...] = ()
    #: Kills and stops in a second, on average.
    kills: float = 0.0
    stops: float = 0.0
    #: The store, as a share of the memory that there is for it; and its largest objects, as a share of the store.
    size: float = 1.0
    largest: float = 1 / 32
    evicting: bool = False
    #: `sdp-dal store` keeps the store, or it comes and goes with its clients.
    keeper: bool = True
    comes_and_goes: bool = False
    bystander: bool = True
    #: The bystander's stalls are compared with those of its control: the store is not full, and nobody is stopped.
    judged: bool = False
    #: On a file system of its own that is smaller than the store.
    own_tmpfs: bool = False
    #: Each worker in a container of its own.
    containers: bool = False
    #: One in so many system calls fails.
    failing: int = 0
    #: The bookkeeping is scribbled upon; what was in the store is worth nothing then.
    scribbled: bool = False

    @property
    def isolated(self) -> bool:
        """Whether it needs namespaces of its own."""
        return self.own_tmpfs or self.containers


STORM = Slot(C, "storm", threads=2)
MANY = Slot(C, "storm", threads=4)
ALL = (
    STORM,
    MANY,
    Slot(C, "caller", threads=2),
    Slot(C, "processor"),
    Slot(C, "processor"),
    Slot(PYTHON, "storm"),
    Slot(PYTHON, "caller"),
    Slot(PYTHON, "processor"),
)
FEW = (STORM, STORM, Slot(C, "caller"), Slot(C, "processor"), Slot(PYTHON, "storm"), Slot(PYTHON, "processor"))
# What a call comes to whose processor was killed, and so that of whoever takes its output.
KILLED = ("PROCESSOR_LOST",)
# Somebody who is stopped may have the lock.
STOPPED = ("BUSY", "TIMEOUT")
# A function that had no room for its output has failed.
FULL = ("OUT_OF_MEMORY", "FUNCTION_FAILED", "OUTPUT_NOT_WRITTEN")
SYSTEM = (*FULL, "IO", "UNSUPPORTED", "PERMISSION_DENIED", "NOT_FOUND", "NO_PROCESSOR")
# Whatever a word may turn into; but no mistake inside the library.
SCRIBBLED = tuple(status for status in STATUSES if status not in ("OK", "INTERNAL", "FORKED", "ALREADY_STARTED"))

PHASES = (
    Phase(
        "kills", "SIGKILL at any time, and with the store's lock", (*ALL, Slot(C, "storm", threads=3, caught="kill")),
        KILLED, kills=12, judged=True,
    ),
    Phase(
        "stops", "SIGSTOP for up to 5 s, and SIGKILL", (*ALL, Slot(C, "storm", threads=3, caught="stop")),
        (*KILLED, *STOPPED), kills=3, stops=2,
    ),
    Phase("full", "a store that is full, and SIGKILL", ALL, (*KILLED, *FULL), kills=6, size=1 / 8, largest=1 / 4),
    Phase(
        "evicting", "a full store that evicts, and SIGKILL", ALL, (*KILLED, *FULL), kills=6, size=1 / 8, largest=1 / 4,
        evicting=True,
    ),
    Phase(
        "tmpfs", "a file system that is full before the store is, and SIGKILL", FEW, (*KILLED, *FULL), kills=4,
        size=1 / 4, largest=1 / 8, own_tmpfs=True,
    ),
    Phase(
        "scribbled", "random words over the bookkeeping", FEW, SCRIBBLED, size=1 / 8, scribbled=True, bystander=False,
        comes_and_goes=True,
    ),
    Phase(
        "failing", "system calls that fail, and SIGKILL", FEW, (*KILLED, *STOPPED, *SYSTEM), kills=2, failing=60,
        comes_and_goes=True,
    ),
    Phase("containers", "workers in containers, and SIGKILL", FEW, KILLED, kills=4, judged=True, containers=True),
    Phase(
        "coming", "a store that comes and goes with its clients, and SIGKILL", FEW, KILLED, kills=8, size=1 / 8,
        keeper=False, comes_and_goes=True, bystander=False,
    ),
)  # fmt: skip
