# SPDX-License-Identifier: BSD-3-Clause
"""The few figures of the README: what a newcomer asks first, beside what could be used today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Tuple

from rows import TIME
from table import Result, shown

#: What stands beside ours: the party's name with each of its languages.
PLASMA, PIPE = "Plasma", "pipe"
COLUMNS = ("this library", "Apache Plasma", "pickle through a pipe", "`memcpy` alone")


@dataclass(frozen=True)
class Line:
    """One line: ours is a row of a party. Plasma's is the row of the same name in the same language."""

    title: str
    party: str
    row: str
    #: The machine's row, where it could do the same.
    copy: str = ""


LINES: List[Line] = [
    Line("Python: call with 100 numbers in and out", "Python", "py_call.tensor"),
    Line("Python: put, get and delete 100 numbers", "Python", "py_small.put_get_delete"),
    Line("Python: copy 80 MB in and hand it over", "Python", "py_stream.unread", "copy.libc"),
    Line("Python: hand over 80 MB written in place", "Python", "py_place.handed_over"),
    Line("C: call with 100 numbers in and out", "C", "tensor.put_for_the_call"),
    Line("C: create, write and seal 100 bytes", "C", "small.create_seal"),
    Line("C: get an object", "C", "small.get"),
]


def values(result: Result, line: Line) -> List[Optional[float]]:
    """Seconds, in the order of the columns."""
    suffix = " (Python)" if line.party == "Python" else ""
    return [
        result.value(line.party, line.row),
        result.value(PLASMA + suffix, line.row),
        result.value(PIPE + suffix, line.row),
        result.value("machine", line.copy) if line.copy else None,
    ]


def measured(result: Result) -> List[Tuple[Line, List[Optional[float]]]]:
    """The lines that the run has."""
    found = [(line, values(result, line)) for line in LINES]
    return [(line, seconds) for line, seconds in found if seconds[0] is not None]


def markdown(result: Result) -> str:
    machine = result.run["machine"]
    lines = [
        "| one run, " + machine["date"][:10] + " | " + " | ".join(COLUMNS) + " |",
        "| --- |" + " ---: |" * len(COLUMNS),
    ]
    for line, seconds in measured(result):
        cells = ["-" if value is None else shown(value, TIME) for value in seconds]
        lines.append(f"| {line.title} | **{cells[0]}** | " + " | ".join(cells[1:]) + " |")
    return "\n".join(lines)
