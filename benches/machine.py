# SPDX-License-Identifier: BSD-3-Clause
"""The machine that is measured on, and what else uses its processors meanwhile."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

TICK = os.sysconf("SC_CLK_TCK")
THP = Path("/sys/kernel/mm/transparent_hugepage")


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _chosen(path: Path) -> str:
    """Of a file that lists the possible values, the one in brackets."""
    text = _text(path)
    return text[text.find("[") + 1 : text.find("]")] if "[" in text else text


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def describe(root: Path) -> Dict[str, Any]:
    """What a reader of the figures wants to know."""
    fields = dict(
        [part.strip() for part in line.split(":", 1)]
        for line in _text(Path("/proc/cpuinfo")).splitlines()
        if ":" in line
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": fields.get("model name") or fields.get("CPU part") or platform.machine(),
        "cpus": os.cpu_count(),
        "usable_cpus": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in fields.get("flags", ""),
        "governor": _text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")) or "none",
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release(),
        "huge_pages": _chosen(THP / "enabled") or "none",
        "huge_pages_for_shared_memory": _chosen(THP / "shmem_enabled") or "none",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d %H:%M %z"),
        "commit": _git(root, "rev-parse", "--short=10", "HEAD"),
        "changed": bool(_git(root, "status", "--porcelain", "--untracked-files=no")),
    }


def busy() -> List[float]:
    """Seconds that each processor has been busy since the machine started; time that the host took is time, too."""
    found = []
    for line in Path("/proc/stat").read_text().splitlines():
        words = line.split()
        if words[0].startswith("cpu") and words[0] != "cpu":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words[1:9])
            found.append((user + nice + system + irq + softirq + steal) / TICK)
    return found


def own() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    used = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        used += usage.ru_utime + usage.ru_stime
    return used


class Neighbours:
    """How much of the processors others used since this was made."""

    def __init__(self) -> None:
        self.began, self.busy, self.own = time.monotonic(), busy(), own()

    def share(self) -> float:
        """Of all processors together, per cent; what this run used is taken off."""
        passed = time.monotonic() - self.began
        others = sum(busy()) - sum(self.busy) - (own() - self.own)
        return max(0.0, 100 * others / (passed * len(self.busy)))

    def each(self) -> List[float]:
        """Of each processor, per cent, while this run does nothing."""
        passed = time.monotonic() - self.began
        return [min(100.0, 100 * (after - before) / passed) for before, after in zip(self.busy, busy())]


def listen(seconds: float) -> List[float]:
    """What others use of each processor while nothing of this run goes on."""
    neighbours = Neighbours()
    time.sleep(seconds)
    return neighbours.each()


def in_words(machine: Dict[str, Any]) -> str:
    kind = "a virtual machine" if machine["virtual"] else "a machine"
    return (
        f"{kind} with {machine['cpus']} CPUs ({machine['cpu']}), {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"governor {machine['governor']}, huge pages {machine['huge_pages']} (for shared memory "
        f"{machine['huge_pages_for_shared_memory']}); {machine['date']}, commit {machine['commit'] or 'unknown'}"
        + (" with changes" if machine["changed"] else "")
    )


def range_of(values: List[float]) -> Tuple[float, float]:
    return min(values), max(values)
