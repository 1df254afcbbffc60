#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures this package beside Apache Plasma: the same program (program.py) over both, in turns, in one run.

Plasma's side runs in an environment of its own, with pyarrow 11 (Python 3.11 or older has wheels of it), which is made
in the cache folder the first time. iceoryx2 is measured too, if it is installed, as a mark of what Python can do.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Each row: its name, what is shown, how much the figure is multiplied with.
ROWS = [
    ("call", "call with a tensor of 100 elements in the store, there and back", 1e6, "µs"),
    ("bare", "call with a number, an empty tag back", 1e6, "µs"),
    ("batch", "one of 100 calls in a batch", 1e6, "µs"),
    ("put_get_delete", "put, get and delete 100 elements", 1e6, "µs"),
    ("copied", "stream 80 MB, copied into the store", 80e6, "GB/s"),
    ("in_place", "hand over 80 MB, written in place", 1e6, "µs"),
]


class Side:
    """One library, with its processor."""

    def __init__(self, name, command, store=None, path=""):
        self.name, self.command, self.path = name, command, path
        self.processes = []
        if store is not None:
            self.processes.append(subprocess.Popen([*store, "-s", path, "-m", "2000000000"], stdout=-3, stderr=-3))
            wait_for(path)
        processor = subprocess.Popen([*command, "processor", path], stdout=subprocess.PIPE, text=True)
        self.processes.append(processor)
        if not processor.stdout.readline().startswith("ready"):
            raise SystemExit(f"{name}: the processor did not start")

    def measure(self):
        """The rows of one turn."""
        done = subprocess.run([*self.command, "caller", self.path, "3"], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    def end(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()


def wait_for(path):
    for _ in range(200):
        if os.path.lexists(path):
            return
        time.sleep(0.05)
    raise SystemExit(f"no store came to be at {path}")


def plasmas_python(wished):
    """The Python of an environment that has Plasma."""
    if wished:
        return wished
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sdp-dal" / "plasma"
    python = cache / "bin" / "python"
    if not python.exists():
        found = next(
            (shutil.which(name) for name in ("python3.11", "python3.10", "python3.9") if shutil.which(name)), None
        )
        if found is None:
            raise SystemExit(
                "pyarrow 11 has wheels for Python 3.7 to 3.11, of which none is here: give --plasma-python"
            )
        print(f"making {cache} with pyarrow 11 ...", file=sys.stderr)
        subprocess.run([found, "-m", "venv", "--clear", str(cache)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "pyarrow==11.*", "numpy<2"], check=True)
    return str(python)


def shown(value, scale, unit):
    if value is None:
        return "-"
    return f"{scale / value / 1e9:.1f} {unit}" if unit == "GB/s" else f"{value * scale:.1f} {unit}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each side (default: 5)")
    parser.add_argument("--plasma-python", metavar="PATH", help="a Python with pyarrow 11 (default: one that is made)")
    parser.add_argument("--json", action="store_true", help="print the medians for programs")
    options = parser.parse_args()
    python = plasmas_python(options.plasma_python)
    mine = f"/dev/shm/sdp-dal-benchmark-{uuid.uuid4().hex[:8]}"
    theirs = f"/tmp/plasma-benchmark-{uuid.uuid4().hex[:8]}"
    program, sides = str(HERE / "program.py"), []
    try:
        store = [sys.executable, "-m", "ska_sdp_dal.plasma_store"]
        sides.append(Side("ska_sdp_dal", [sys.executable, program, "ska_sdp_dal"], store, mine))
        server = [str(Path(python).parent / "plasma_store")]
        sides.append(Side("Plasma", [python, program, "plasma_dal"], server, theirs))
        measured = {side.name: [] for side in sides}
        for turn in range(options.rounds):
            for side in sides:
                print(f"turn {turn + 1} of {options.rounds}: {side.name}", file=sys.stderr)
                measured[side.name].append(side.measure())
    finally:
        for side in reversed(sides):
            side.end()
    medians = {
        name: {row: statistics.median(turn[row] for turn in turns) for row in turns[0]}
        for name, turns in measured.items()
    }
    mark = iceoryx2s_mark()
    if options.json:
        print(json.dumps({**medians, "iceoryx2": mark}))
        return
    print("| | ska_sdp_dal | Plasma | times as fast |\n| --- | ---: | ---: | ---: |")
    for row, name, scale, unit in ROWS:
        ours, plasmas = medians["ska_sdp_dal"].get(row), medians["Plasma"].get(row)
        ratio = f"{plasmas / ours:.1f}" if ours and plasmas else ""
        print(f"| {name} | {shown(ours, scale, unit)} | {shown(plasmas, scale, unit)} | {ratio} |")
    if mark:
        print(f"\niceoryx2, a bare request of 100 bytes and its response: {mark * 1e6:.1f} µs")


def iceoryx2s_mark():
    try:
        import iceoryx2  # noqa: F401
    except ImportError:
        return None
    command = [sys.executable, str(HERE / "bare_iceoryx2.py")]
    server = subprocess.Popen([*command, "server"], stdout=subprocess.PIPE, text=True)
    try:
        server.stdout.readline()
        done = subprocess.run([*command, "client", "5"], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])["exchange"]
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
