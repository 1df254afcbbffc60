# SPDX-License-Identifier: BSD-3-Clause
"""Runs the first example of the Python package's README, with the package that is installed.

    python3 first_example.py README [--program SDP_DAL] [--compiler CC SOURCE] [--emulator WORD...]

The processor and the caller run as processes. Then a tensor of 80 MB is written and read, SDP_DAL --version must be the
package's, and a C program (c_examples/simple_caller.c), compiled with the package's headers and library, calls the
processor. --emulator precedes each program that is started.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import List

import numpy as np

import ska_sdp_dal as dal


def block(readme: Path, part: str) -> str:
    """The block of Python of the README that has a text in it."""
    found = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    (text,) = (text for text in found if part in text)
    return str(text)


def say(what: str, began: float) -> None:
    print(f"  {what} ({time.monotonic() - began:.1f} s)", flush=True)


def run(command: List[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def wait_for(processor: subprocess.Popen[bytes], path: str) -> None:
    """Waits until the processor has declared itself, for as long as it lives."""
    with dal.Connection(path) as connection:
        while not connection.namespaces:
            assert processor.poll() is None, "the processor has ended"
            time.sleep(0.1)


def put_and_get(path: str) -> None:
    with dal.Store(path) as store:
        values = np.arange(10_000_000, dtype="f8").reshape(1000, 10000)
        ref = store.put_new_tensor(values, values.dtype, dim_names=["row", "channel"])
        got = ref.get()
        assert not got.flags.writeable and np.array_equal(got, values)
        del got, ref


def call_from_c(compiler: str, source: Path, folder: Path, path: str) -> None:
    library = Path(dal.get_library())
    program = folder / "from_c"
    run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source), f"-I{dal.get_include()}",
         str(library), f"-Wl,-rpath,{library.parent}"])  # fmt: skip
    lines = [line for line in run([str(program), path]).split("\n") if line.startswith("zs =")]
    assert lines[0].split("=")[1].split() == [str(1 + i) for i in range(10)], lines
    assert lines[1].split("=")[1].split() == [str(101 + i) for i in range(10)], lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readme", type=Path)
    parser.add_argument("--program")
    parser.add_argument("--compiler", nargs=2)
    parser.add_argument("--emulator", nargs=argparse.REMAINDER, default=[])
    asked = parser.parse_args()
    path = f"/dev/shm/sdp-dal-wheel-{os.getpid()}"
    began = time.monotonic()
    machine = f"{platform.machine()}, {' '.join(platform.libc_ver())}"
    print(f"  Python {platform.python_version()}, numpy {np.__version__}, {machine}: {dal.get_library()}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        simple = block(asked.readme, "class Simple")
        (folder / "processor.py").write_text(simple)
        schemas = simple[: simple.index("class Simple")]
        (folder / "caller.py").write_text(schemas + block(asked.readme, "caller = dal.Caller"))
        python = [*asked.emulator, sys.executable]
        processor = subprocess.Popen([*python, str(folder / "processor.py"), path])
        try:
            wait_for(processor, path)
            printed = run([*python, str(folder / "caller.py"), path])
            assert printed == f"{1 + np.arange(100)}\n", printed
            say("a call", began)
            put_and_get(path)
            say("a tensor of 80 MB", began)
            if asked.compiler:
                call_from_c(asked.compiler[0], Path(asked.compiler[1]), folder, path)
                say("a call from a program in C", began)
            if asked.program:
                told = run([*asked.emulator, asked.program, "--version"])
                assert told == f"sdp-dal {dal.__version__}\n", told
                say(told.strip(), began)
        finally:
            processor.send_signal(signal.SIGTERM)
            status = processor.wait()
    assert status == 0, f"the processor ended with {status}"
    assert not os.path.lexists(path), f"{path} is still there"


if __name__ == "__main__":
    main()
