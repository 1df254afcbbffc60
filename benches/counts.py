# SPDX-License-Identifier: BSD-3-Clause
"""Reads what callgrind counted, and compares it with the figures under version control: see scripts/counts.sh."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Dict, List, Set, Tuple

#: Operations in a part, as in counts.c and counts_call.py.
TURNS = 8
#: How far off a figure may be.
ALLOWED = 0.03
LIBRARY = "libsdp_dal.so"
#: What differs between machines, and what counts. All else is Python.
LEFT_OUT = ("libc.so", "libc-", "ld-linux", "counts")
SMALL = "_cffi_backend"
ALLOCATORS = ("malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc")
HEAD = """\
# Instructions of an operation, counted by callgrind in libsdp_dal.so. Names with "_interpreter" count Python and what else
# it has loaded except the C library, "_calls" calls into libsdp_dal.so, "_allocations" calls of malloc() and similar
# functions. `scripts/counts.sh` compares: a difference of more than 3 %, in either direction, is a failure.
# `scripts/counts.sh --update` writes this file again; the commit message gives the reason.
"""
FOR = "# for: "
PYTHON = "# interpreter: "
INTERPRETER = "_interpreter"


def functions_of(symbols: Path) -> Set[int]:
    """Where in the library its functions for others begin, from what nm says."""
    lines = (line.split() for line in symbols.read_text().splitlines())
    return {int(words[0], 16) for words in lines if words[2].startswith("sdp_dal_")}


def read_part(path: Path, functions: Set[int]) -> Tuple[str, List[float]]:
    """A file of callgrind: its row, and of one operation the instructions in the library and elsewhere, the calls into the
    library, and those that allocate."""
    row, library, elsewhere, calls = "", 0, 0, 0
    #: Of each such function where it begins, and how often that was executed: callgrind's own numbers of calls are wrong
    #: where collecting goes on and off.
    allocations: Dict[str, Tuple[int, int]] = {}
    lowest = min(functions)
    here, function, is_inclusive = "", "", False
    for line in path.read_text().splitlines():
        if line.startswith("0x"):
            # The line after a call is what the called function took, which is counted where it lies.
            if not is_inclusive:
                address, count = (int(word, base) for word, base in zip(line.split(), (16, 10)))
                # libffi moves the stack: callgrind takes a function of the library for a part of libffi, which is in this
                # small object. Addresses are those in the file.
                if here.startswith(LIBRARY) or (here.startswith(SMALL) and address >= lowest):
                    library += count
                    calls += count if address in functions else 0
                elif not here.startswith(LEFT_OUT):
                    elsewhere += count
                elif function in ALLOCATORS:
                    allocations[function] = min(allocations.get(function, (address, count)), (address, count))
            is_inclusive = False
        elif line.startswith("ob="):
            here = Path(line[3:]).name
        elif line.startswith("fn="):
            function = line[3:]
        elif line.startswith("calls="):
            is_inclusive = True
        elif line.startswith("desc: Trigger: Client Request: "):
            row = line.split(": ", 3)[3]
    allocated = sum(count for _, count in allocations.values())
    return row, [figure / TURNS for figure in (library, elsewhere, calls, allocated)]


def counted(folder: Path) -> Dict[str, int]:
    """For each row what the part took that took least: others also have what is done now and then, as time goes by."""
    functions = functions_of(folder / "symbols")
    parts: Dict[str, List[List[float]]] = {}
    for path in sorted(folder.glob("callgrind.*.*"), key=lambda path: (path.stem, int(path.suffix[1:]))):
        row, figures = read_part(path, functions)
        if row:
            parts.setdefault(row, []).append(figures)
    found = {}
    for row, of_row in parts.items():
        library, elsewhere, calls, allocated = (round(min(figures)) for figures in zip(*of_row))
        found[row] = library
        if row.startswith("python"):
            found[row + "_calls"] = calls
            found[row + INTERPRETER] = elsewhere
        else:
            found[row + "_allocations"] = allocated
    return found


def write(path: Path, made_for: str, python: str, figures: Dict[str, int]) -> None:
    lines = [f"{name} {figure}" for name, figure in figures.items()]
    path.write_text("\n".join([HEAD + FOR + made_for, PYTHON + python, *lines, ""]))


def read(path: Path) -> Tuple[str, str, Dict[str, int]]:
    """The compiler and machine that the figures of a file are for, the Python, and they themselves."""
    made_for, python, figures = "", "", {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith(FOR):
            made_for = line[len(FOR) :]
        elif line.startswith(PYTHON):
            python = line[len(PYTHON) :]
        elif line and not line.startswith("#"):
            name, figure = line.split()
            figures[name] = int(figure)
    return made_for, python, figures


def compare(now: Dict[str, int], committed: Dict[str, int], is_this_python: bool) -> List[str]:
    """Prints both; gives the names of those that are too far off, or on one side only."""
    wrong = []
    print(f"{'instructions':28}{'committed':>12}{'now':>12}")
    for name in {**committed, **now}:
        before, after = committed.get(name), now.get(name)
        if before is None or after is None:
            change, is_wrong = "new" if before is None else "gone", True
        else:
            off = after / before - 1 if before else float(after > 0)
            change, is_wrong = f"{off:+.1%}", abs(off) > ALLOWED
        if name.endswith(INTERPRETER) and not is_this_python:
            change, is_wrong = change + " (another Python: not judged)", False
        if is_wrong:
            wrong.append(name)
        shown = ["-" if figure is None else figure for figure in (before, after)]
        print(f"{name:28}{shown[0]:>12}{shown[1]:>12}  {change}{' !' if is_wrong else ''}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", metavar="FOLDER", type=Path, help="write to FILE what callgrind left in the folder")
    parser.add_argument("--for", dest="made_for", default="", help="compiler and machine, for --write")
    parser.add_argument("--interpreter", default="", help="the Python, for --write")
    parser.add_argument("--compare", metavar="FIGURES", type=Path, help="compare FILE with these")
    parser.add_argument("--judged", default="", help="compiler and machine whose figures must be those of FIGURES")
    parser.add_argument("file", metavar="FILE", type=Path)
    options = parser.parse_args()
    if options.write:
        write(options.file, options.made_for, options.interpreter, counted(options.write))
    if options.compare:
        made_for, python, now = read(options.file)
        committed_for, committed_python, committed = read(options.compare)
        wrong = compare(now, committed, python == committed_python)
        if made_for != options.judged:
            print(f"counted for {made_for}: what is off fails only with {options.judged}")
        elif committed_for != made_for:
            sys.exit(f"counts.sh: the figures are for {committed_for or 'nothing'}, not for {made_for}: --update")
        elif wrong:
            sys.exit(
                f"counts.sh: more than {ALLOWED:.0%} off, or new or gone: {', '.join(wrong)}. If that is meant: "
                "scripts/counts.sh --update, and the reason in the commit's message"
            )


if __name__ == "__main__":
    main()
