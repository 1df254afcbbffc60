# SPDX-License-Identifier: BSD-3-Clause
"""Measures all rows in rounds: see scripts/bench.sh."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import document
import others
from build import ROOT, Builder, NotHere, Party, ours
from machine import Neighbours, describe, listen
from rows import OURS, all_rows, job_of
from table import Result, text

PR_SET_PDEATHSIG = 1
#: Seconds that a job may take beside those that it measures.
PATIENCE = 60
#: Megabytes that the largest stores need.
ROOM = 1000
libc = ctypes.CDLL(None)


def _in_a_new_process() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Run:
    """The rounds, and what they found."""

    def __init__(self, options: argparse.Namespace, parties: List[Party], left_out: Dict[str, str]) -> None:
        self.options, self.parties, self.left_out = options, parties, left_out
        self.rounds: List[Dict[str, Any]] = []
        self.samples: Dict[str, Dict[str, List[List[float]]]] = {party.name: {} for party in parties}
        self.process: Optional[subprocess.Popen[str]] = None
        self.folder = Path(tempfile.mkdtemp(prefix="sdp-dal-bench.", dir=options.folder))
        self.began = time.monotonic()

    def jobs(self) -> List[Tuple[Party, str]]:
        """All that a round runs. Rows that cannot be measured here are left out by name."""
        rows, found = all_rows(), []
        cpus = len(os.sched_getaffinity(0))
        for party in self.parties:
            for job in party.commands:
                mine = [row for row in rows if row.job == job]
                floors = [row for row in rows if row.floor and job_of(row.floor[1]) == job and self.is_wanted(row.name)]
                if not any(self.is_wanted(row.name) for row in mine) and not floors:
                    continue
                needed = max((row.cpus for row in mine), default=1)
                if needed > cpus:
                    self.left_out[f"{party.name} {job}"] = f"it needs {needed} CPUs"
                    continue
                found.append((party, job))
        return found

    def is_wanted(self, name: str) -> bool:
        wishes = self.options.only
        return not wishes or any(name.startswith(wish) for wish in wishes)

    def all(self) -> None:
        jobs = self.jobs()
        order = random.Random(self.options.seed)
        longest = 0.0
        for number in range(self.options.rounds):
            # Rather one round less than the time that was promised.
            if number and time.monotonic() - self.began + longest > self.options.minutes * 60:
                break
            order.shuffle(jobs)
            begun = time.monotonic()
            if not sys.stderr.isatty() and not self.options.quiet:
                print(f"round {number + 1} of {self.options.rounds}, {begun - self.began:.0f} s", file=sys.stderr)
            pause = [] if self.options.check else listen(0.5)
            neighbours = Neighbours()
            for at, (party, job) in enumerate(jobs):
                self.tell(f"round {number + 1} of {self.options.rounds}, {at + 1} of {len(jobs)}: {party.name}, {job}")
                self.one(party, job)
            self.rounds.append(
                {"others": neighbours.share(), "pause": pause, "order": [f"{p.name} {j}" for p, j in jobs]}
            )
            longest = max(longest, time.monotonic() - begun)
        self.tell("")

    def one(self, party: Party, job: str) -> None:
        """A job, in a process of its own, with a folder of its own."""
        if f"{party.name} {job}" in self.left_out:
            return
        folder = Path(tempfile.mkdtemp(prefix="sdp-dal-bench-", dir=self.folder))
        words = [*party.commands[job], job, str(folder), str(self.options.milliseconds)]
        if self.options.check:
            words.append("check")
        try:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env={**os.environ, **party.environment}, preexec_fn=_in_a_new_process, start_new_session=True,
            )  # fmt: skip
            try:
                said, errors = self.process.communicate(timeout=PATIENCE + self.options.milliseconds / 100)
                status = f"ended with {self.process.returncode}" if self.process.returncode else ""
            except subprocess.TimeoutExpired:
                said, errors, status = "", "", "did not end"
        finally:
            self.end()
            shutil.rmtree(folder, ignore_errors=True)
            # Some can be told how names begin, but not where they are.
            for left in Path("/dev/shm").glob(f"{folder.name}_*"):
                left.unlink()
        if status:
            why = f"it {status}: {(errors.strip().splitlines() or ['it said nothing'])[-1]}"
            if self.options.check or party.name in ("machine", "probe", "C", "C++", "Python"):
                raise SystemExit(f"bench.sh: {party.name} {job}: {why}")
            self.left_out[f"{party.name} {job}"] = why
            return
        found: Dict[str, List[float]] = {}
        for line in said.splitlines():
            name, seconds = line.split()
            found.setdefault(name, []).append(float(seconds))
        for name, samples in found.items():
            self.samples[party.name].setdefault(name, []).append(samples)

    def end(self) -> None:
        """Ends the job, and all that it has started."""
        if self.process is None:
            return
        # Its children, which it did not end by itself.
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                time.sleep(0.2)
            except ProcessLookupError:
                break
        self.process.wait()
        self.process = None

    def tell(self, what: str) -> None:
        """How far it is, on one line."""
        if sys.stderr.isatty() and not self.options.quiet:
            passed = time.monotonic() - self.began
            print(f"\r\033[K{what and f'{passed:4.0f} s  {what}'}", end="", file=sys.stderr, flush=True)

    def leave(self) -> None:
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def found(self, machine: Dict[str, Any], versions: Dict[str, str]) -> Dict[str, Any]:
        return {
            "machine": machine,
            "versions": versions,
            "seed": self.options.seed,
            "milliseconds": self.options.milliseconds,
            "rounds": self.rounds,
            "left_out": self.left_out,
            "samples": self.samples,
        }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh",
        description="Measures this library in one run, compared with what the machine can do at all and with its peers. "
        "Each round runs every row of every party once, in an order that changes. Prints a table.",
        epilog="Peers: " + "; ".join(f"{peer.name}: {peer.about}" for peer in others.PEERS) + ".",
    )
    parser.add_argument("--quick", action="store_true", help="two minutes: three short rounds")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each row is measured (default 8)")
    parser.add_argument(
        "--only", nargs="+", metavar="ROW", default=[], help="rows whose names begin so, and their floors"
    )
    parser.add_argument("--list", action="store_true", help="list the rows")
    parser.add_argument(
        "--peers", default=",".join(peer.name for peer in others.PEERS if peer.default), metavar="NAME,...",
        help="the peers to compare with, 'all' or 'none' (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples and what is known of the machine")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw pictures of them (installs matplotlib)")
    parser.add_argument(
        "--document", action="store_true", help="write the figures into docs/performance.md and README.md"
    )
    parser.add_argument(
        "--from", type=Path, metavar="FILE", dest="source", help="measure nothing, and show a file that --json wrote"
    )
    parser.add_argument(
        "--check", action="store_true", help="run each row of this library for a moment, without judging times"
    )
    parser.add_argument("--python", metavar="PATH", help="a Python that has the package (default: a new environment)")
    parser.add_argument("--seed", type=int, help="the seed of the order (default: a different one each time)")
    parser.add_argument("--folder", default="/dev/shm", help="a tmpfs for the stores (default %(default)s)")
    parser.add_argument("--target", type=Path, required=True, help=argparse.SUPPRESS)
    found = parser.parse_args()
    if found.rounds is not None and found.rounds < 1:
        parser.error("--rounds needs at least 1")
    names = [peer.name for peer in others.PEERS]
    found.peers = {"all": names, "none": []}.get(found.peers, [name for name in found.peers.split(",") if name])
    for name in found.peers:
        if name not in names:
            parser.error(f"there is no peer {name}: name some of {', '.join(names)}, all or none")
    known = [row.name for row in all_rows()]
    for wish in found.only:
        if not any(name.startswith(wish) for name in known):
            parser.error(f"no row begins with {wish}: --list names them")
    found.seed = random.SystemRandom().randrange(1, 1 << 31) if found.seed is None else found.seed
    found.milliseconds = 2 if found.check else 60 if found.quick else 300
    found.minutes = 1.9 if found.quick and not found.rounds else 60.0
    found.rounds = 1 if found.check else found.rounds or (3 if found.quick else 8)
    found.quiet = found.check
    return found


def build(options: argparse.Namespace) -> Tuple[List[Party], Dict[str, str], Dict[str, str]]:
    """The parties, their versions, and the peers that are left out."""
    builder, versions, left_out = Builder(options.target), {}, {}

    def tell(what: str) -> None:
        if not options.quiet:
            print(f"building {what} (the output of the tools is in {builder.log})", file=sys.stderr)

    tell("the library")
    builder.install()
    chosen = [] if options.check else [peer for peer in others.PEERS if peer.name in options.peers]
    for peer in chosen:
        try:
            tell(peer.name)
            versions.update(peer.install(builder))
        except NotHere as why:
            left_out[peer.name] = str(why)
    tell("the programs")
    folder = builder.programs(others.plasmas_package(builder) if "Plasma" in versions else None)
    parties = ours(builder, folder, options.python or builder.wheel())
    for peer in chosen:
        if peer.name in left_out:
            continue
        try:
            parties += peer.parties(builder, folder)
        except NotHere as why:
            left_out[peer.name] = str(why)
    return parties, versions, left_out


def measure(options: argparse.Namespace) -> Dict[str, Any]:
    try:
        parties, versions, left_out = build(options)
    except NotHere as why:
        raise SystemExit(f"bench.sh: {why}") from why
    if not options.check:
        need_room(options.folder)
    machine = describe(ROOT)
    run = Run(options, parties, left_out)
    try:
        run.all()
        return run.found(machine, versions)
    finally:
        # Nothing comes in between.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        run.leave()


def check(result: Result, left_out: Dict[str, str]) -> int:
    """Whether each row of this library ran, except those that this machine has too few processors for."""
    rows = [row for _, rows in OURS for row in rows if f"{row.party} {row.job}" not in left_out]
    missing = [row.name for row in rows if result.value(row.party, row.name) is None]
    print(
        f"bench.sh: {len(rows) - len(missing)} rows ran, "
        + (f"MISSING: {', '.join(missing)}" if missing else "all of ours")
    )
    return 1 if missing else 0


def need_room(folder: str) -> None:
    free = os.statvfs(folder)
    megabytes = free.f_bavail * free.f_frsize >> 20
    if megabytes < ROOM:
        raise SystemExit(
            f"bench.sh: {folder} has {megabytes} MB free, {ROOM} are needed (--folder names another tmpfs)"
        )


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def main() -> int:
    options = arguments()
    if options.list:
        for row in all_rows():
            print(f"{row.name:34}{row.title}")
        return 0
    # SIGINT, too: a shell may have started this with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        found = json.loads(options.source.read_text()) if options.source else measure(options)
    except KeyboardInterrupt:
        print("\nbench.sh: interrupted", file=sys.stderr)
        return 130
    result = Result(found)
    if options.check:
        return check(result, found["left_out"])
    print(text(result))
    if options.json:
        options.json.write_text(json.dumps(found))
    if options.document:
        document.write(result)
    if options.pictures:
        document.draw(Builder(options.target), found, options.pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
