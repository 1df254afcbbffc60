# SPDX-License-Identifier: BSD-3-Clause
"""What the workers of scripts/torture.sh count, and the summary of it."""

from __future__ import annotations

import mmap
import time
from pathlib import Path
from typing import Callable, Dict, List, Tuple

# The words of a tally, as in worker/worker.h.
READY, VERIFIED, WRONG, STALL, CONTROL, DOING, SINCE, COUNTS, ERRORS = 0, 1, 2, 3, 4, 8, 16, 32, 96
BYTES = 4096
THREADS = 8
#: In the order of worker/worker.h.
OPERATIONS = (
    "open", "put", "create", "abort", "get", "wait", "get_many", "release", "delete", "delete_when_released",
    "own_get", "keep", "look", "list", "events", "trim", "evict", "pass", "descriptor", "call", "chain", "batch",
    "broadcast", "cancel", "failing_call", "find", "process", "close",
)  # fmt: skip
#: By their numbers.
STATUSES = (
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "TIMEOUT", "OUT_OF_MEMORY", "OBJECT_DELETED",
    "PROCESSOR_LOST", "FUNCTION_FAILED", "INPUT_LOST", "OUTPUT_NOT_WRITTEN", "NO_PROCESSOR", "NAMESPACE_IN_USE",
    "ALREADY_STARTED", "FORKED", "INTERRUPTED", "PERMISSION_DENIED", "CORRUPT", "UNSUPPORTED", "IO", "LIMIT_REACHED",
    "BUSY", "INTERNAL", "CANCELLED",
)  # fmt: skip


def words_of(path: Path) -> memoryview:
    """The words of a file, which are shared with all who map it."""
    with open(path, "r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), BYTES)).cast("Q")


class Tally:
    """The words that a worker counts in, whatever becomes of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(BYTES))
        self.words = words_of(path)

    def longest(self) -> Tuple[float, str]:
        """For how long it has been doing what it is doing."""
        now, longest = time.monotonic_ns(), (0.0, "")
        for thread in range(THREADS):
            doing = self.words[DOING + thread]
            if doing:
                longest = max(longest, ((now - self.words[SINCE + thread]) / 1e9, OPERATIONS[doing - 1]))
        return longest


class Counts:
    """What a phase came to."""

    def __init__(self) -> None:
        self.operations: Dict[str, int] = {}
        self.errors: Dict[str, int] = {}
        self.kills = self.stops = self.caught = self.caught_dead = self.failed = self.scribbled = self.verified = (
            self.wrong
        ) = self.recoveries = 0
        self.stall = self.control = self.seconds = 0.0
        self.outcome = ""

    def take(self, tally: Tally) -> None:
        words = tally.words
        self.verified += words[VERIFIED]
        self.wrong += words[WRONG]
        self.stall = max(self.stall, words[STALL] / 1e9)
        self.control = max(self.control, words[CONTROL] / 1e9)
        for number, name in enumerate(OPERATIONS):
            if words[COUNTS + number]:
                self.operations[name] = self.operations.get(name, 0) + words[COUNTS + number]
        for number, name in enumerate(STATUSES):
            if words[ERRORS + number]:
                self.errors[name] = self.errors.get(name, 0) + words[ERRORS + number]

    def add(self, other: Counts) -> None:
        for name in ("kills", "stops", "caught", "failed", "scribbled", "verified", "wrong", "recoveries", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.stall, self.control = max(self.stall, other.stall), max(self.control, other.control)
        for mine, others in ((self.operations, other.operations), (self.errors, other.errors)):
            for name, count in others.items():
                mine[name] = mine.get(name, 0) + count


#: A column of the summary: its head, and what stands below.
COLUMNS: Tuple[Tuple[str, Callable[[Counts], float]], ...] = (
    ("operations", lambda counts: sum(counts.operations.values())),
    ("kills", lambda counts: counts.kills),
    ("stops", lambda counts: counts.stops),
    ("with lock", lambda counts: counts.caught),
    ("failed calls", lambda counts: counts.failed),
    ("scribbles", lambda counts: counts.scribbled),
    ("rebuilds", lambda counts: counts.recoveries),
    ("MB verified", lambda counts: counts.verified >> 20),
    ("wrong", lambda counts: counts.wrong),
    ("stall/ms", lambda counts: round(counts.stall * 1000, 1)),
    ("control/ms", lambda counts: round(counts.control * 1000, 1)),
)


def summarize(results: List[Tuple[str, Counts]]) -> None:
    """Prints what the phases came to."""
    total = Counts()
    for _, counts in results:
        total.add(counts)
    rows = [["phase", "outcome", *(head for head, _ in COLUMNS)]]
    for name, counts in [*results, ("all", total)]:
        rows.append([name, counts.outcome, *(str(column(counts)) for _, column in COLUMNS)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print()
    for row in rows:
        words = zip(row, widths)
        print("  ".join(word.ljust(width) if at < 2 else word.rjust(width) for at, (word, width) in enumerate(words)))
    print(
        "\nwith lock: of the kills and stops, those in a moment in which a thread of the process had the store's lock"
    )
    print("stall: the bystander's longest operation; control: the longest gap of a thread of it that uses no library")
    print("wrong: objects with wrong bytes, which are allowed only where the bookkeeping was scribbled upon")
    done = (f"{name} {total.operations[name]}" for name in OPERATIONS if name in total.operations)
    print("operations: " + ", ".join(done))
    for name, counts in results:
        errors = ", ".join(f"{error} {counts.errors[error]}" for error in STATUSES if error in counts.errors)
        print(f"errors, {name}: {errors or 'none'}")
