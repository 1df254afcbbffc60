# SPDX-License-Identifier: BSD-3-Clause
"""Draws the results of scripts/bench.sh: pictures.py JSON FOLDER. It needs matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, List

import brief
import matplotlib
from rows import LARGE, OURS, TIME, Row
from table import Result, shown

matplotlib.use("svg")
import matplotlib.pyplot as plt

OURS_COLOUR, FLOOR_COLOUR, PEER_COLOUR, SECOND_COLOUR = "#1f6fb4", "#b0b0b0", "#e08a2e", "#63a6d8"
SECOND_PEER_COLOUR = "#c9b458"
STYLE: Dict[str, Any] = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.grid.axis": "x",
    "grid.color": "#e4e4e4", "axes.axisbelow": True, "figure.constrained_layout.use": True, "svg.hashsalt": "sdp-dal",
    "svg.fonttype": "none",
}  # fmt: skip


def named(result: Result, title: str) -> str:
    machine = result.run["machine"]
    kernel = machine["kernel"].split("-")[0]
    return f"{title}\n{machine['cpu']}, {machine['cpus']} CPUs, Linux {kernel}, {machine['date'][:10]}"


def bars(result: Result, title: str, chosen: List[Row], file: Path) -> None:
    """Draws a group of horizontal bars for each row: ours, the floor, the best peer."""
    chosen = [row for row in chosen if result.value(row.party, row.name) is not None]
    if not chosen:
        return
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.55 * len(chosen)))
    kinds = [("floor", FLOOR_COLOUR), ("this library", OURS_COLOUR), ("best peer", PEER_COLOUR)]
    is_time = chosen[0].unit == TIME
    for place, row in enumerate(chosen):
        peers = result.peers(row)
        values = [result.value(*row.floor) if row.floor else None, result.value(row.party, row.name)]
        values.append(peers[0][0] if peers else None)
        names = ["", "", peers[0][1] if peers else ""]
        for nth, (value, name) in enumerate(zip(values, names)):
            if value is None:
                continue
            length = value * 1e6 if is_time else LARGE / value / 1e9
            at = place + (nth - 1) * 0.27
            axes.barh(at, length, 0.25, color=kinds[nth][1])
            axes.annotate(
                f" {shown(value, row.unit)}" + (f"  {name}" if name else ""), (length, at), va="center", fontsize=7
            )
    kind = {} if is_time else {"Python": "Python: ", "table": "table: "}
    titles = [kind.get(row.party, kind.get(row.job, "")) + row.title for row in chosen]
    axes.set_yticks(range(len(chosen)), titles)
    axes.invert_yaxis()
    if is_time:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("µs, logarithmic: shorter is better" if is_time else "GB/s: longer is better")
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * 8 if is_time else high * 1.25)
    axes.set_title(named(result, title), fontsize=10, loc="left")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for _, colour in kinds]
    axes.legend(handles, [name for name, _ in kinds], loc="best", frameon=False, fontsize=8)
    figure.savefig(file)
    plt.close(figure)


def compared(result: Result, title: str, file: Path) -> None:
    """The README's figures: ours beside what could be used today."""
    colours = (OURS_COLOUR, PEER_COLOUR, SECOND_PEER_COLOUR, FLOOR_COLOUR)
    lines = brief.measured(result)
    figure, axes = plt.subplots(figsize=(8, 1.1 + 0.62 * len(lines)))
    for place, (_, seconds) in enumerate(lines):
        bars = [(value, colour) for value, colour in zip(seconds, colours) if value is not None]
        for nth, (value, colour) in enumerate(bars):
            at = place + (nth - (len(bars) - 1) / 2) * 0.22
            axes.barh(at, value * 1e6, 0.2, color=colour)
            weight = "bold" if colour == OURS_COLOUR else "normal"
            axes.annotate(f" {shown(value, TIME)}", (value * 1e6, at), va="center", fontsize=7, fontweight=weight)
    axes.set_yticks(range(len(lines)), [line.title for line, _ in lines])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(0.05, axes.get_xlim()[1] * 4)
    axes.set_xlabel("µs, logarithmic: shorter is better")
    axes.set_title(named(result, title), fontsize=10, loc="left")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in colours]
    names = [name.replace("`", "") for name in brief.COLUMNS]
    axes.legend(handles, names, loc="lower right", frameon=False, fontsize=8)
    figure.savefig(file)
    plt.close(figure)


def scaling(result: Result, file: Path) -> None:
    """Draws thousands of operations a second, with more clients, threads and other processes."""
    groups = [
        (
            "create, write, seal, delete",
            [("1 client", "lives_1"), ("2 clients", "lives_2"), ("4 clients", "lives_4"), ("2 threads", "lives_2_threads"),
             ("4 threads", "lives_4_threads")],
            "cycle",
        ),
        ("get, release", [("1 client", "gets_1"), ("2 clients", "gets_2"), ("2 threads", "gets_2_threads")], "get_release"),
        (
            "create .. delete, while other processes compute",
            [("none", "lives_1"), ("one", "lives_beside_1"), ("two", "lives_beside_2")],
            "cycle",
        ),
        (
            "empty calls, while other processes compute",
            [("none, bound", "call_two"), ("one", "call_beside_1"), ("two", "call_beside_2")],
            "awake",
        ),
    ]  # fmt: skip
    figure, all_axes = plt.subplots(2, 2, figsize=(9, 6))
    for axes, (title, jobs, row) in zip(all_axes.flat, groups):
        axes.grid(axis="x", visible=False)
        axes.grid(axis="y", visible=True)
        for place, (_, job) in enumerate(jobs):
            rounds = [1e-3 / seconds for seconds in result.rounds("C", f"{job}.{row}")]
            if not rounds:
                continue
            middle = sorted(rounds)[len(rounds) // 2]
            axes.bar(place, middle, 0.6, color=SECOND_COLOUR if "thread" in job else OURS_COLOUR)
            axes.plot([place, place], [min(rounds), max(rounds)], color="#303030", linewidth=1.2)
            axes.annotate(f"{middle:,.0f}", (place, 0), (0, 3), textcoords="offset points", ha="center", color="white")
        axes.set_xticks(range(len(jobs)), [name for name, _ in jobs])
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_ylabel("thousands per second, total", fontsize=8)
    figure.suptitle(
        named(result, "Clients, threads and other processes; lines: range of the rounds"),
        fontsize=10,
        x=0.01,
        ha="left",
    )
    figure.savefig(file)
    plt.close(figure)


def main() -> None:
    found, folder = Path(sys.argv[1]), Path(sys.argv[2])
    result = Result(json.loads(found.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    tables = dict(OURS)
    times = [row for rows in tables.values() for row in rows if row.unit == TIME and row.party != "C++"]
    native = [row for row in times if row.party == "C"]
    small = [row for row in native if row.job == "small" or row.job.startswith(("seal", "among"))]
    calls = [row for row in native if row.job.startswith(("call", "tensor", "batch", "place"))]
    python = [row for row in times if row.party == "Python"]
    wide = [row for rows in tables.values() for row in rows if row.unit == "bandwidth"]
    with plt.rc_context(STYLE):
        bars(result, "Objects: time of one operation", small, folder / "objects.svg")
        bars(result, "Calls and hand-over: time of one operation", calls, folder / "calls.svg")
        bars(result, "Python: time of one operation", python, folder / "python.svg")
        bars(result, "Bandwidth with 80 MB", wide, folder / "bandwidth.svg")
        scaling(result, folder / "scaling.svg")
        compared(result, "Beside Apache Plasma, a pipe and a copy: time of one operation", folder / "compared.svg")
    print(f"pictures: {', '.join(sorted(str(file) for file in folder.glob('*.svg')))}")


if __name__ == "__main__":
    main()
