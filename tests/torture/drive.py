# SPDX-License-Identifier: BSD-3-Clause
"""Puts workers through what can go wrong, and looks whether the library keeps its promises: see scripts/torture.sh."""

from __future__ import annotations

import argparse
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from phases import PHASES, Phase
from processes import Failure, Hang, Worker, die_with_parent, tail
from run import MB, Run
from tally import Counts, Tally, summarize

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Torture:
    """All phases, one after the other."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.seed: int = arguments.seed
        self.arguments = arguments
        self.release = Path(arguments.target) / "release"
        self.sdp_dal = str(self.release / "sdp-dal")
        self.scratch = Path(tempfile.mkdtemp(prefix="sdp-dal-torture."))
        self.folder = Path(tempfile.mkdtemp(prefix="sdp-dal-torture.", dir=arguments.folder))
        self.running: List[Worker] = []
        self.keep = False
        self.why_not_isolated = ""
        free = os.statvfs(self.folder)
        # Objects, and bookkeeping besides; a small /dev/shm has others in it, too.
        self.room = min(int(free.f_bavail * free.f_frsize * 0.35), 128 * MB) // MB * MB
        if self.room < 8 * MB:
            raise SystemExit(
                f"torture.sh: {arguments.folder} has room for a store of {self.room >> 20} MB only: 8 are needed"
            )

    # ---- what the workers need -----------------------------------------------------------------------------------

    def build(self) -> None:
        """The workers, beside the library under the name by which the loader looks for it."""
        library = self.release / "libsdp_dal.so"
        dynamic = subprocess.run(["objdump", "-p", library], check=True, capture_output=True, text=True).stdout
        soname = next(line.split()[1] for line in dynamic.splitlines() if "SONAME" in line)
        (self.scratch / soname).symlink_to(library)
        compiler = [*shlex.split(os.environ.get("CC", "cc")), "-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]
        include = ["-I", ROOT / "include"]
        self.worker = self.scratch / "worker"
        self.kernel = self.scratch / "kernel.so"
        commands: Tuple[List[Any], ...] = (
            [*compiler, *include, *sorted((HERE / "worker").glob("*.c")), library, "-pthread", "-o", self.worker],
            [*compiler, "-shared", "-fPIC", HERE.parent / "preload" / "kernel.c", "-o", self.kernel],
        )
        for command in commands:
            subprocess.run(command, check=True)
        # The package as it is here, with what it has of the header.
        package = self.scratch / "package" / "ska_sdp_dal"
        shutil.copytree(ROOT / "python" / "src" / "ska_sdp_dal", package)
        made = [
            self.arguments.python,
            ROOT / "python" / "header_to_ffi.py",
            ROOT / "include" / "sdp_dal.h",
            package / "_ffi.py",
        ]
        ready: List[Any] = [self.arguments.python, "-c", "import cffi, numpy, pyarrow"]
        for command in (ready, made):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(
                    f"torture.sh: {self.arguments.python} needs cffi, numpy and pyarrow: `scripts/test.sh python` makes "
                    f"such a Python in the target folder, --python names another\n{done.stderr.strip()}"
                )
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SDP_DAL_", "LD_PRELOAD"))
        }
        self.environment.update(
            LD_LIBRARY_PATH=str(self.scratch),
            PYTHONPATH=str(package.parent),
            SDP_DAL_LIBRARY=str(library),
            SDP_DAL_FULL_TIMEOUT="0.3",
            RUST_BACKTRACE="1",
            OMP_NUM_THREADS="1",
            OPENBLAS_NUM_THREADS="1",
        )

    def isolation(self) -> str:
        """Why there are no namespaces here; nothing if there are."""
        probe = self.unshared(["--mount", "--pid", "--uts", "--fork", "--mount-proc"])
        probe += ["sh", "-c", f"mount -t tmpfs -o size=1m none {self.folder} && hostname torture"]
        try:
            done = subprocess.run(probe, capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        said = done.stderr.strip().splitlines()
        return "" if done.returncode == 0 else said[0] if said else f"unshare ended with {done.returncode}"

    def unshared(self, options: List[str]) -> List[str]:
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        return ["unshare", *user, "--propagation", "private", *options]

    # ---- processes -----------------------------------------------------------------------------------------------

    def start(
        self,
        name: str,
        command: List[Any],
        place: Path,
        tally: Optional[Tally] = None,
        environment: Dict[str, str] = {},
    ) -> Worker:
        log = place / f"{name}.log"
        with open(log, "ab") as file:
            process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env={**self.environment, **environment}, preexec_fn=die_with_parent, start_new_session=True,
            )  # fmt: skip
        worker = Worker(name, process, log, tally)
        self.running.append(worker)
        return worker

    def forget(self, worker: Worker, counts: Counts) -> None:
        self.running.remove(worker)
        if worker.tally is not None:
            counts.take(worker.tally)
            worker.tally = None

    def end_all(self) -> None:
        for worker in reversed(self.running):
            worker.send(signal.SIGKILL)
            if worker.process.poll() is None:
                worker.process.kill()
            worker.process.wait()
        self.running.clear()

    # ---- all of it -----------------------------------------------------------------------------------------------

    def run(self) -> int:
        names = self.arguments.phase or [phase.name for phase in PHASES]
        chosen = [phase for phase in PHASES if phase.name in names]
        self.build()
        self.why_not_isolated = self.isolation()
        seconds = self.arguments.seconds / len(chosen)
        results: List[Tuple[Phase, Counts]] = []
        print(
            f"torture.sh: seed {self.seed}, {len(chosen)} phases of {seconds:.0f} s, stores of up to {self.room >> 20} MB"
        )
        for phase in chosen:
            counts = Counts()
            results.append((phase, counts))
            if phase.isolated and self.why_not_isolated:
                counts.outcome = "NOT RUN"
                print(f"==== {phase.name}: NOT RUN: no namespaces here: {self.why_not_isolated}")
                continue
            counts.outcome = self.one(phase, seconds, counts)
        summarize([(phase.name, counts) for phase, counts in results])
        failed = [phase.name for phase, counts in results if counts.outcome == "FAILED"]
        missing = [phase.name for phase, counts in results if counts.outcome == "NOT RUN"]
        if missing:
            print(f"torture.sh: NOT RUN: {', '.join(missing)}: {self.why_not_isolated}")
        if failed:
            print(f"torture.sh: FAILED: {', '.join(failed)}, with seed {self.seed}")
        return 1 if failed else 0

    def one(self, phase: Phase, seconds: float, counts: Counts) -> str:
        began = time.monotonic()
        place = self.scratch / phase.name
        place.mkdir()
        run = Run(self, phase, place, counts)
        try:
            run.through(seconds)
            counts.seconds = time.monotonic() - began
            run.last_look()
        except Failure as failure:
            self.keep = True
            print(f"==== {phase.name}: FAILED with seed {self.seed}: {failure}")
            if isinstance(failure, Hang):
                run.backtraces()
            for log in sorted(place.glob("*.log"), key=lambda log: log.stat().st_mtime):
                for line in tail(log, 6):
                    print(f"     {log.name}: {line}")
            print(f"     kept: {place} and {run.folder}")
            return "FAILED"
        finally:
            if run.failures is not None:
                counts.failed = run.failures.words[0]
            # What still runs was counted, too.
            for worker in list(self.running):
                if worker.tally is not None:
                    counts.take(worker.tally)
            self.end_all()
            counts.seconds = time.monotonic() - began
        print(
            f"==== {phase.name}: passed in {counts.seconds:.0f} s: {sum(counts.operations.values())} operations, "
            f"{counts.kills} kills, {counts.stops} stops"
        )
        sys.stdout.flush()
        return "passed"

    def leave(self) -> None:
        self.end_all()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.rmtree(self.scratch, ignore_errors=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/torture.sh",
        description="Kills, stops, starves and deceives processes that use the library, and checks what they read.",
        epilog="Phases: " + "; ".join(f"{phase.name}: {phase.about}" for phase in PHASES),
    )
    parser.add_argument("minutes", nargs="?", type=float, help="how long, all phases together (default 4)")
    parser.add_argument("seed", nargs="?", type=int, help="of the plan: the same one kills and stops in the same order")
    parser.add_argument("--short", action="store_true", help="some 35 seconds; a number is the seed then")
    parser.add_argument(
        "--phase", action="append", choices=[phase.name for phase in PHASES], help="only this one (or these)"
    )
    parser.add_argument(
        "--python", help="with cffi, numpy and pyarrow (default: the target folder's, of scripts/test.sh)"
    )
    parser.add_argument("--folder", default="/dev/shm", help="a tmpfs for the stores (default /dev/shm)")
    parser.add_argument("--target", required=True, help=argparse.SUPPRESS)
    found = parser.parse_args()
    if found.short and found.seed is None and found.minutes is not None:
        found.seed = int(found.minutes)
    found.minutes = 4.0 if found.minutes is None else found.minutes
    found.seconds = 27.0 if found.short else found.minutes * 60
    found.longest_stop = 1.0 if found.short else 5.0
    if found.seed is None:
        found.seed = random.SystemRandom().randrange(1, 1 << 31)
    if found.python is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        found.python = str(Path(found.target) / "python" / f"{version}-current" / "bin" / "python")
    # Not where its links lead to: that is another environment. Absolute, as nsenter starts elsewhere.
    found.python = os.path.abspath(found.python)
    return found


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def main() -> int:
    given = arguments()
    # SIGINT, too: a shell may have started this with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    torture = Torture(given)
    try:
        return torture.run()
    except KeyboardInterrupt:
        torture.keep = False
        return 130
    finally:
        # Nothing comes in between.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        torture.leave()


if __name__ == "__main__":
    sys.exit(main())
