# SPDX-License-Identifier: BSD-3-Clause
"""One phase of scripts/torture.sh: its store, its workers, what is done to them, and what must be left afterwards."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from phases import PYTHON, C, Phase, Slot
from processes import Failure, Hang, Worker, die_with_parent, tail
from tally import Counts, Tally

if TYPE_CHECKING:
    from drive import Torture

HERE = Path(__file__).resolve().parent
MB = 1 << 20
#: What takes so long while nobody is stopped hangs.
WATCHDOG = 90.0
#: A bystander's operation is held up by more than the machine if it takes longer than ten of the library's own slices of
#: waiting and so many of its control's longest gaps: each of the others may be without a processor while it has the lock.
SLICES, GAPS = 2.5, 40
#: The IDs that the workers put objects under.
SHARED = "ee" * 16


class Run:
    """One phase."""

    def __init__(self, torture: Torture, phase: Phase, place: Path, counts: Counts) -> None:
        self.torture, self.phase, self.place, self.counts = torture, phase, place, counts
        # One for each purpose, so that none depends on how often, or when, another was asked.
        self.dice: Dict[str, random.Random] = {}
        self.folder = torture.folder / phase.name
        self.folder.mkdir()
        self.store = self.folder / "store"
        self.size = int(torture.room * phase.size)
        self.inside: List[str] = []
        self.keeper: Optional[Worker] = None
        self.number = 0
        self.workers: Dict[int, Worker] = {}
        self.quiet_since = time.monotonic()
        self.failures: Optional[Tally] = None

    def planned(self, purpose: str) -> random.Random:
        """What is planned for a purpose by the seed."""
        return self.dice.setdefault(purpose, random.Random(f"{self.torture.seed} {self.phase.name} {purpose}"))

    # ---- the store and its place ---------------------------------------------------------------------------------

    def set_up(self) -> None:
        if self.phase.own_tmpfs:
            size = max(self.size // 2, 6 * MB)
            folder = shlex.quote(str(self.folder))
            script = f"mount -t tmpfs -o size={size} torture {folder} && echo ready && exec sleep 1000000"
            mount = self.torture.start("mount", [*self.torture.unshared(["--mount"]), "sh", "-c", script], self.place)
            self.says(mount, "ready")
            user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
            self.inside = ["nsenter", "--target", str(mount.process.pid), "--mount", *user]
        if self.phase.failing:
            self.failures = Tally(self.place / "failures")
        if self.phase.keeper:
            self.keep_store()

    def keep_store(self) -> None:
        command = [*self.inside, self.torture.sdp_dal, "store", "-s", self.store, "--size", str(self.size)]
        command += ["--evict"] if self.phase.evicting else []
        self.keeper = self.torture.start("keeper", command, self.place)
        self.says(self.keeper, "Ready")

    def says(self, worker: Worker, text: str) -> None:
        until = time.monotonic() + WATCHDOG
        while text not in worker.log.read_text():
            if worker.process.poll() is not None or time.monotonic() > until:
                raise Hang(f"{worker.name} does not say '{text}'")
            time.sleep(0.005)

    def tool(self, *arguments: str, may_fail: bool = False) -> str:
        """`sdp-dal`, of the same build and with all system calls."""
        command = [*self.inside, self.torture.sdp_dal, *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=WATCHDOG, env=self.torture.environment,
                preexec_fn=die_with_parent, start_new_session=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Hang(f"`sdp-dal {' '.join(arguments)}` hangs") from None
        if done.returncode < 0 or (done.returncode != 0 and not may_fail):
            raise Failure(f"`sdp-dal {' '.join(arguments)}` ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    # ---- workers -------------------------------------------------------------------------------------------------

    def options(self, slot: Slot) -> List[str]:
        phase = self.phase
        return [
            f"size={self.size}", f"largest={int(self.size * phase.largest)}", f"threads={slot.threads}",
            f"evicting={int(phase.evicting)}", f"wild={int(phase.scribbled)}",
            f"comes_and_goes={int(phase.comes_and_goes)}", f"allowed={','.join(phase.allowed)}", f"caught={slot.caught}",
        ]  # fmt: skip

    def spawn(self, index: int, slot: Slot) -> None:
        self.number += 1
        name = f"{self.number:04}-{slot.language}-{slot.role}" + (f"-{slot.caught}" if slot.caught else "")
        tally = Tally(self.place / f"{name}.tally")
        program: List[Any] = [self.torture.worker]
        if slot.language == PYTHON:
            program = [self.torture.arguments.python, HERE / "worker.py"]
        dice = self.planned(f"worker {index}")
        command = [*self.inside, *program, slot.role, self.store, str(dice.getrandbits(63)), tally.path]
        command += self.options(slot)
        environment: Dict[str, str] = {}
        # Half of them fault when they write what they have sealed.
        protects = dice.randrange(2) == 1
        if protects and not self.phase.scribbled:
            environment["SDP_DAL_PROTECT"] = "1"
        if self.failures is not None and slot.role != "bystander":
            environment.update(
                LD_PRELOAD=str(self.torture.kernel), KERNEL_FAILING=str(self.phase.failing),
                KERNEL_FOLDER=str(self.folder), KERNEL_TALLY=str(self.failures.path),
            )  # fmt: skip
        contained = self.phase.containers and slot.role != "bystander"
        if contained:
            inner = f"hostname c{self.number} && exec {shlex.join(str(word) for word in command)}"
            options = ["--mount", "--pid", "--uts", "--fork", "--kill-child=KILL", "--mount-proc"]
            command = [*self.torture.unshared(options), "sh", "-c", inner]
        worker = self.torture.start(name, command, self.place, tally, environment)
        worker.contained = contained
        worker.caught = slot.caught
        self.workers[index] = worker

    def gone(self, index: int) -> None:
        worker = self.workers.pop(index)
        worker.process.wait()
        self.torture.forget(worker, self.counts)
        if worker.caught == "kill" and not worker.killed and worker.process.returncode == -signal.SIGKILL:
            worker.killed = True
            self.counts.kills += 1
            self.counts.caught += 1
            self.counts.caught_dead += 1
        bad = worker.ended_badly()
        if bad:
            raise Failure(bad)
        for path in (worker.log, worker.log.with_suffix(".tally")):
            if worker.killed and not tail(worker.log, 1):
                path.unlink(missing_ok=True)

    # ---- the phase -----------------------------------------------------------------------------------------------

    def through(self, seconds: float) -> None:
        if not self.phase.scribbled:
            self.set_up()
            self.storm(seconds)
            return
        # One store after the other: a scribbled one soon does nothing but give errors.
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.keep_store()
            tally = Tally(self.place / f"scribbled-{self.number}")
            time_alone = self.planned("scribbles").random() * 0.3
            self.storm(min(max(until - time.monotonic(), 2.0), 4.0), (time_alone, tally))
            self.counts.scribbled += tally.words[0]
            self.clear_scribbled()

    def slots(self) -> List[Slot]:
        beside = [Slot(C, "bystander")] if self.phase.bystander else []
        return [*self.phase.slots, *beside]

    def storm(self, seconds: float, scribbled: Optional[Tuple[float, Tally]] = None) -> None:
        slots = self.slots()
        for index, slot in enumerate(slots):
            self.spawn(index, slot)
        victims = len(self.phase.slots)
        began = time.monotonic()
        kills, stops = self.planned("kills"), self.planned("stops")
        kill = kills.expovariate(self.phase.kills) if self.phase.kills else 1e9
        stop = stops.expovariate(self.phase.stops) if self.phase.stops else 1e9
        scribble = scribbled[0] if scribbled is not None else 1e9
        looked = began
        while time.monotonic() - began < seconds:
            now = time.monotonic()
            if now - began > kill:
                kill += kills.expovariate(self.phase.kills)
                self.kill_one(kills.randrange(victims))
            if now - began > stop:
                stop += stops.expovariate(self.phase.stops)
                self.stop_one(stops.randrange(victims), self.how_long(stops))
            if now - began > scribble and scribbled is not None:
                scribble = 1e9
                seed = str(self.planned("scribbles").getrandbits(63))
                command = [sys.executable, HERE / "scribble.py", self.store, seed, scribbled[1].path]
                self.workers[-1] = self.torture.start(f"scribbler-{self.number}", command, self.place)
            self.go_on(now)
            for index, worker in list(self.workers.items()):
                if worker.process.poll() is not None:
                    self.gone(index)
                    if index >= 0:
                        self.spawn(index, slots[index])
                else:
                    self.has_stopped_itself(worker)
            if now - looked > 1:
                looked = now
                self.watch()
            time.sleep(0.004)
        self.end_workers()

    def kill_one(self, index: int) -> None:
        worker = self.workers.get(index)
        # A Python that has just begun is let begin.
        if worker is None or ("python" in worker.name and time.monotonic() - worker.born < 1.5):
            return
        if worker.kill():
            self.counts.kills += 1

    def stop_one(self, index: int, seconds: float) -> None:
        worker = self.workers.get(index)
        if worker is not None and not worker.stopped_until and worker.send(signal.SIGSTOP):
            worker.stopped_until = time.monotonic() + seconds
            self.counts.stops += 1

    def has_stopped_itself(self, worker: Worker) -> None:
        if worker.caught != "stop" or worker.stopped_until:
            return
        try:
            state = Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "T":
            worker.stopped_until = time.monotonic() + self.how_long(self.planned("stops with the lock"))
            self.counts.stops += 1
            self.counts.caught += 1

    def how_long(self, dice: random.Random) -> float:
        """A stop's length, from 0.05 to 5 s."""
        return float(min(0.05 * 100 ** dice.random(), self.torture.arguments.longest_stop))

    def go_on(self, now: float) -> None:
        """Those whose time is over."""
        for worker in self.workers.values():
            if worker.stopped_until:
                self.quiet_since = now
                if now > worker.stopped_until:
                    worker.send(signal.SIGCONT)
                    worker.stopped_until = 0.0

    def watch(self) -> None:
        """That nobody hangs."""
        status = self.keeper.process.poll() if self.keeper is not None else None
        # A store whose word for "closed" was overwritten is gone, and its clients say so.
        if status is not None and (status < 0 or not self.phase.scribbled):
            raise Failure(f"the keeper has ended with {status}")
        for worker in self.workers.values():
            if worker.tally is None:
                continue
            longest, doing = worker.tally.longest()
            if longest > WATCHDOG and time.monotonic() - self.quiet_since > WATCHDOG:
                raise Hang(f"{worker.name} hangs in '{doing}' for {longest:.0f} s")

    def end_workers(self) -> None:
        """Each is told to end, or killed."""
        for worker in self.workers.values():
            if worker.stopped_until or worker.caught == "stop":
                worker.caught = ""
                worker.send(signal.SIGCONT)
                worker.stopped_until = 0.0
        self.quiet_since = time.monotonic()
        if -1 in self.workers:
            self.workers[-1].kill()
        for index, worker in self.workers.items():
            if (
                index >= 0
                and self.phase.kills
                and self.planned("ends").randrange(4) == 0
                and "bystander" not in worker.name
            ):
                self.counts.kills += worker.kill()
        until = time.monotonic() + WATCHDOG
        while self.workers:
            for index, worker in list(self.workers.items()):
                if worker.process.poll() is not None:
                    self.gone(index)
                elif worker.tally is not None and "stop" in worker.log.name and worker.told:
                    # It may have stopped itself just now.
                    worker.send(signal.SIGCONT)
                elif not worker.told and not worker.killed and worker.is_ready():
                    worker.told = worker.send(signal.SIGTERM)
            if self.workers and time.monotonic() > until:
                names = ", ".join(worker.name for worker in self.workers.values())
                raise Hang(f"these do not end: {names}")
            time.sleep(0.02)

    def backtraces(self) -> None:
        """Of all that still run, into their logs."""
        if shutil.which("gdb") is None:
            return
        for worker in self.workers.values():
            if worker.process.poll() is None and worker.pid():
                with open(worker.log, "ab") as log:
                    subprocess.run(
                        ["gdb", "-p", str(worker.pid()), "-batch", "-ex", "thread apply all bt 14"],
                        stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=60,
                    )  # fmt: skip

    # ---- afterwards ----------------------------------------------------------------------------------------------

    def clear_scribbled(self) -> None:
        """Nothing of it can be expected but that it can be looked at, and be taken away."""
        assert self.keeper is not None
        for command in ("check", "ls", "stat", "namespaces"):
            self.tool(command, str(self.store), may_fail=True)
        self.keeper.process.send_signal(signal.SIGTERM)
        try:
            status = self.keeper.process.wait(WATCHDOG)
        except subprocess.TimeoutExpired:
            raise Hang("the keeper of a scribbled store does not end") from None
        if status < 0:
            raise Failure(f"the keeper of a scribbled store ended with signal {signal.Signals(-status).name}")
        self.torture.forget(self.keeper, self.counts)
        self.keeper = None
        for file in self.folder.iterdir():
            file.unlink()

    def last_look(self) -> None:
        phase, counts = self.phase, self.counts
        if counts.wrong and not phase.scribbled:
            raise Failure(f"{counts.wrong} objects had wrong bytes")
        if not phase.scribbled:
            if self.keeper is None:
                self.open_once()
            else:
                self.nothing_is_left(self.keeper)
        left = os.listdir(self.folder) if not self.inside else []
        if left:
            raise Failure(f"left in the folder: {', '.join(left)}")
        self.nobody_is_left()
        if any(slot.caught for slot in phase.slots) and not counts.caught and counts.seconds > 10:
            raise Failure("nobody was caught with the store's lock: is the lock where worker/worker.c looks for it?")
        if counts.caught_dead > 100 and not counts.recoveries:
            raise Failure("processes were killed with the store's lock, and nothing was rebuilt")
        limit = SLICES + GAPS * counts.control
        if phase.judged and counts.stall > limit:
            without = f"a thread without the library for {counts.control:.3f} s at most"
            raise Failure(f"the bystander was held up for {counts.stall:.3f} s; {without}")

    def open_once(self) -> None:
        """A store whose last client was killed goes when it is opened again."""
        if os.path.lexists(self.store):
            self.tool("ls", str(self.store), may_fail=True)

    def nothing_is_left(self, keeper: Worker) -> None:
        """No object that nobody keeps, no client, and when those that are kept were deleted no byte."""
        store = str(self.store)
        stat = self.when(store, lambda stat: stat["clients"] == 1, "clients")
        self.counts.recoveries = stat["recoveries"]
        self.tool("check", store)
        left: List[Dict[str, Any]] = json.loads(self.tool("ls", "--json", store))
        leaked = [found["id"] for found in left if not found["id"].startswith(SHARED)]
        if leaked:
            raise Failure(f"{len(leaked)} objects were left over that nobody keeps: {self.tool('ls', store)[:2000]}")
        if left:
            self.tool("rm", store, *(found["id"] for found in left))
        empty = ("objects", "used", "used_small", "namespaces")
        self.when(store, lambda stat: not any(stat[name] for name in empty), "objects or bytes")
        self.tool("check", store)
        keeper.process.send_signal(signal.SIGTERM)
        try:
            status = keeper.process.wait(WATCHDOG)
        except subprocess.TimeoutExpired:
            raise Hang("the keeper does not end") from None
        if status != 0:
            raise Failure(f"the keeper ended with {status}")
        self.torture.forget(keeper, self.counts)
        self.keeper = None
        if self.inside:
            found = subprocess.run([*self.inside, "ls", "-A", self.folder], capture_output=True, text=True).stdout
            if found:
                raise Failure(f"left on the file system: {found}")

    def when(self, store: str, true: Callable[[Dict[str, Any]], bool], what: str) -> Dict[str, Any]:
        """The store's figures when the dead were cleaned up after, which takes moments."""
        until = time.monotonic() + WATCHDOG / 3
        while True:
            stat: Dict[str, Any] = json.loads(self.tool("stat", "--json", store))
            if true(stat):
                return stat
            if time.monotonic() > until:
                raise Failure(f"{what} are left over: {stat}\n{self.tool('ls', store)[:2000]}")
            time.sleep(0.05)

    def nobody_is_left(self) -> None:
        """No process that has to do with this phase's folder."""
        if self.inside:
            for worker in list(self.torture.running):
                worker.process.kill()
                worker.process.wait()
                self.torture.running.remove(worker)
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                try:
                    words = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.folder).encode() in words:
                    raise Failure(f"process {process.name} is left: {words.replace(bytes(1), b' ').decode()[:200]}")
