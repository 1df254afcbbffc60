# SPDX-License-Identifier: BSD-3-Clause
"""vineyard on this machine alone: objects of 100 numbers, put, got and deleted. It runs as job.py says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable, Dict

import numpy as np
import vineyard
from job import Job, main, wait_for


def small(job: Job) -> None:
    socket = job.folder / "vineyard"
    job.run([
        sys.executable, "-m", "vineyard", f"--socket={socket}", "--size=500Mi", "--meta=local", "--rpc=false",
    ])  # fmt: skip
    wait_for(Path(socket))
    client = vineyard.connect(str(socket))
    values = np.arange(100)

    def turn() -> None:
        name = client.put(values)
        client.get(name)
        client.delete(name)

    job.measure("py_small.put_get_delete", turn, turns=20)


JOBS: Dict[str, Callable[[Job], None]] = {"py_small": small}

if __name__ == "__main__":
    main(JOBS)
