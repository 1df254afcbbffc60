# SPDX-License-Identifier: BSD-3-Clause
"""Tables of the results: for a terminal, and for docs/performance.md."""

from __future__ import annotations

import statistics
import textwrap
from typing import Any, Dict, List, Optional, Tuple

from machine import in_words
from rows import BANDWIDTH, FLOORS, LARGE, MACHINE, OURS, RATE, Row, job_of

#: Parties that are no peers.
NO_PEERS = ("machine", "probe", "C", "C++", "Python")
PLASMA = "Plasma"


class Result:
    """The samples of a run: per party and row, a list of samples of each round, in seconds per operation."""

    def __init__(self, run: Dict[str, Any]) -> None:
        self.run = run
        self.samples: Dict[str, Dict[str, List[List[float]]]] = run["samples"]

    def rounds(self, party: str, name: str) -> List[float]:
        """The median of each round."""
        return [statistics.median(samples) for samples in self.samples.get(party, {}).get(name, []) if samples]

    def value(self, party: str, name: str) -> Optional[float]:
        """The median of the rounds; for a whole job, the best of its rows."""
        if "." not in name:
            found = [self.value(party, row) for row in self.samples.get(party, {}) if job_of(row) == name]
            return min((value for value in found if value is not None), default=None)
        rounds = self.rounds(party, name)
        return statistics.median(rounds) if rounds else None

    def peers(self, row: Row) -> List[Tuple[float, str]]:
        """The peers that do the same, the fastest first."""
        found = []
        for party in self.samples:
            value = self.value(party, row.name) if party not in NO_PEERS else None
            if value is not None:
                found.append((value, party))
        return sorted(found)

    def plasma(self, row: Row) -> Optional[float]:
        return next((value for value, party in self.peers(row) if party.startswith(PLASMA)), None)


def shown(seconds: float, unit: str) -> str:
    if unit == BANDWIDTH:
        return f"{LARGE / seconds / 1e9:#.3g} GB/s".replace(". ", " ")
    if unit == RATE:
        rate = 1 / seconds
        return f"{rate / 1e6:.2f} M/s" if rate >= 1e5 else f"{rate / 1e3:.2f} k/s"
    scale, name = next((s, n) for s, n in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")) if seconds * s < 1000 or n == "ms")
    value = seconds * scale
    return f"{value:.0f} {name}" if value >= 100 else f"{value:.3g} {name}"


def spread(rounds: List[float], unit: str) -> str:
    """The range of the rounds, in the unit of its first number."""
    if len(rounds) < 2:
        return ""
    low, high = sorted((shown(min(rounds), unit), shown(max(rounds), unit)), key=_number)
    if low.split()[1] == high.split()[1]:
        low = low.split()[0]
    return f"{low}..{high}"


def _number(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"ns": 1, "µs": 1e3, "ms": 1e6, "k/s": 1e3, "M/s": 1e6}.get(unit, 1)


def times(ratio: Optional[float]) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.0f}" if ratio >= 20 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


HEAD = ["", "ours", "range", "floor", "", "ours:floor", "best peer", "", "Plasma:ours"]


def _floor_name(floor: Tuple[str, str]) -> str:
    party, name = floor
    return {"machine": FLOORS.get(job_of(name), name), "probe": "probe", "C": "C"}[party]


def lines(result: Result) -> List[Tuple[str, List[List[str]]]]:
    """All tables: their names, and the cells of each line."""
    machine = []
    for row in MACHINE:
        value = result.value("machine", row.name)
        if value is not None:
            machine.append([row.title, shown(value, row.unit), spread(result.rounds("machine", row.name), row.unit)])
    found = [("the machine", machine)] if machine else []
    for title, rows in OURS:
        table = []
        for row in rows:
            value = result.value(row.party, row.name)
            if value is None:
                continue
            cells = [row.title, shown(value, row.unit), spread(result.rounds(row.party, row.name), row.unit)]
            floor = result.value(*row.floor) if row.floor else None
            if row.floor and floor is not None:
                cells += [shown(floor, row.unit), _floor_name(row.floor), times(value / floor)]
            else:
                cells += ["", "", ""]
            peers, plasma = result.peers(row), result.plasma(row)
            cells += [shown(peers[0][0], row.unit), peers[0][1]] if peers else ["", ""]
            cells.append(times(plasma / value if plasma is not None else None))
            table.append(cells)
        if table:
            found.append((title, table))
    return found


def text(result: Result) -> str:
    tables = lines(result)
    cells = [HEAD] + [line for _, table in tables for line in table]
    widths = [max(len(line[i]) for line in cells if i < len(line)) for i in range(len(HEAD))]
    left = {0, 4, 7}
    printed = []

    def add(line: List[str]) -> None:
        aligned = (f"{cell:{'<' if i in left else '>'}{widths[i]}}" for i, cell in enumerate(line))
        printed.append("  " + "  ".join(aligned).rstrip())

    add(HEAD)
    for title, table in tables:
        printed.append(f"\n{title}")
        for line in table:
            add(line)
    several = [f"  {title}: {peers}" for title, peers in all_peers(result)]
    if several:
        printed.append("\n".join(["\nall peers", *several]))
    return "\n".join(printed) + "\n\n" + notes(result)


def all_peers(result: Result) -> List[Tuple[str, str]]:
    """The peers of each row that has several."""
    found = []
    for title, rows in OURS:
        for row in rows:
            peers = result.peers(row)
            if len(peers) > 1:
                said = ", ".join(f"{name.replace(' (Python)', '')} {shown(value, row.unit)}" for value, name in peers)
                found.append((f"{title}, {row.title}", said))
    return found


def notes(result: Result, columns: int = 118) -> str:
    """The remarks on how it was measured, in lines."""
    return "\n".join(textwrap.fill(note, columns) for note in remarks(result))


def remarks(result: Result) -> List[str]:
    run = result.run
    others = [entry["others"] for entry in run["rounds"]]
    pauses = [entry["pause"] for entry in run["rounds"]]
    cpus = ", ".join(f"{min(p):.0f} to {max(p):.0f} % of CPU {i}" for i, p in enumerate(zip(*pauses)))
    said = [
        f"On {in_words(run['machine'])}.",
        f"{len(others)} round{'s' * (len(others) > 1)}, each with all rows of all parties in another order "
        f"(seed {run['seed']}), {run['milliseconds']} ms per job. A figure is the median of the rounds' medians, and the "
        "range is from the smallest to the largest of these medians. Ratios are always ratios of times, also where rates "
        "are shown: ours:floor is the time of this library divided by the floor, Plasma:ours that of Plasma divided by "
        "this library's.",
        f"Other processes used {min(others):.0f} to {max(others):.0f} % of the processors during the rounds. In the pause "
        f"before each round they used {cpus}.",
        "probe: a mutex and a hash table in one file (benches/probe.c), without clean-up, names, types, encoding or checks.",
    ]
    if run["versions"]:
        said.append(
            "Peers: " + ", ".join(f"{name} {version}" for name, version in sorted(run["versions"].items())) + "."
        )
    said += [f"Left out: {what}: {why}." for what, why in sorted(run["left_out"].items())]
    return said


def markdown(result: Result) -> str:
    written = ["  \n".join(remarks(result))]
    for title, table in lines(result):
        head = HEAD[: len(table[0])]
        head[:2] = [title, "ours" if len(head) > 3 else "measured"]
        written.append(
            "\n".join(
                "| " + " | ".join(line) + " |"
                for line in (head, ["---" if i in (0, 4, 7) else "---:" for i in range(len(head))], *table)
            )
        )
    peers = "".join(f"\n- {title}: {said}" for title, said in all_peers(result))
    return "\n\n".join(written) + (f"\n\nAll peers of rows that have several:\n{peers}" if peers else "")
