# SPDX-License-Identifier: BSD-3-Clause
"""What the tests share: stores with names of their own, and programs as processes of their own that always end."""

from __future__ import annotations

import gc
import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import uuid
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

import pytest

# A creator that writes on after sealing faults; in the tests' programs, too.
os.environ["SDP_DAL_PROTECT"] = "1"

import ska_sdp_dal as dal

#: Nothing in these tests takes so long, however busy the machine is.
WATCHDOG = 60.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--programs-python", default=sys.executable, metavar="PATH", help="the Python that runs the tests' programs"
    )


@pytest.fixture
def path(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """The path of a store that does not exist yet, and must not exist any more in the end."""
    name = f"/dev/shm/sdp-dal-pytest-{uuid.uuid4().hex[:12]}"
    yield name
    # What the tracebacks of exceptions still hold, those that were logged among them.
    caplog.get_records("call").clear()
    gc.collect()
    if os.path.lexists(name):
        # Killed clients leave it to whoever opens it next.
        dal.Connection(name).close()
    assert not os.path.lexists(name), "the store is still there: something of this test still uses it"


class Program:
    """A Python program in a process of its own."""

    def __init__(self, arguments: List[str], environment: Optional[dict] = None, stdin: bool = False) -> None:
        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE if stdin else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
        )
        self.out: List[str] = []
        self.err: List[str] = []
        self._lines: queue.Queue[Optional[str]] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.out, True), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.err, False), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, into: List[str], told: bool) -> None:
        for line in stream:
            into.append(line.rstrip("\n"))
            self._lines.put(line.rstrip("\n"))
        if told:
            self._lines.put(None)

    def line(self, wanted: str) -> str:
        """Waits for a line, of either stream, that holds a text."""
        seen = []
        while True:
            try:
                line = self._lines.get(timeout=WATCHDOG)
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line with {wanted!r} came; out: {self.out}, err: {self.err}")
            seen.append(line)
            if wanted in line:
                return line

    def say(self, line: str) -> None:
        """Writes a line to its input."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def interrupt(self) -> int:
        """Ctrl-C; the exit status."""
        self.signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Waits for the end; the exit status."""
        status = self.process.wait(timeout=WATCHDOG)
        for reader in self._readers:
            reader.join(timeout=WATCHDOG)
        return status

    def check(self) -> List[str]:
        """Waits for the end, which must be a good one; the lines of standard output."""
        status = self.wait()
        assert status == 0, f"ended with {status}: {self.err}"
        return self.out

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()


@pytest.fixture
def start(path: str, pytestconfig: pytest.Config) -> Iterator[Callable[..., Program]]:
    """Starts programs: a source text or a file, with arguments. They are killed when the test ends."""
    programs: List[Program] = []
    python = pytestconfig.getoption("programs_python")

    def start(source: Any, *arguments: str, stdin: bool = False, **environment: str) -> Program:
        how = [str(source)] if isinstance(source, Path) else ["-c", textwrap.dedent(source)]
        programs.append(Program([python, *how, *arguments], environment, stdin))
        return programs[-1]

    yield start
    for program in programs:
        program.end()


#: The schemas of most tests, and a processor of them.
SCHEMAS = """
import sys, os, time, logging
import numpy as np, pyarrow
import ska_sdp_dal as dal
logging.basicConfig(level=logging.INFO, format="%(message)s")
SCHEMAS = [
    dal.make_call_schema("add", [
        dal.make_par("x", pyarrow.int64()),
        dal.make_tensor_input_par("ys", pyarrow.int64(), ["i"]),
        dal.make_tensor_output_par("zs", pyarrow.int64(), ["i"]),
    ]),
    dal.make_call_schema("wait", [
        dal.make_par("seconds", pyarrow.float64()),
        dal.make_tensor_output_par("tag", pyarrow.int8(), []),
    ]),
    dal.make_call_schema("fail", [
        dal.make_par("text", pyarrow.utf8()),
        dal.make_tensor_output_par("tag", pyarrow.int8(), []),
    ]),
]
"""
PROCESSOR = (
    SCHEMAS
    + """
class Adder(dal.Processor):
    def __init__(self, *args, **kwargs):
        super().__init__(SCHEMAS, *args, **kwargs)
    def add(self, x, ys, zs):
        zs.put(x + ys.get())
    def wait(self, seconds, tag):
        for part in range(10):
            self.set_progress(part / 10)
            time.sleep(seconds / 10)
        tag.put()
    def fail(self, text, tag):
        raise ValueError(text)
proc = Adder(sys.argv[1])
while True:
    try:
        proc.process()
    except KeyboardInterrupt:
        sys.exit(0)
"""
)


@pytest.fixture
def schemas() -> Any:
    """The schemas of :data:`PROCESSOR`."""
    names: dict = {}
    exec(SCHEMAS, names)
    return names["SCHEMAS"]


@pytest.fixture
def adder(path: str, start: Callable[..., Program]) -> Program:
    """A processor that has started."""
    program = start(PROCESSOR, path)
    program.line("Adder waiting for calls at prefix ")
    return program


@pytest.fixture
def caller(adder: Program, path: str, schemas: Any) -> Iterator[dal.Caller]:
    """A caller of it, in this process; its store is ``caller.store``."""
    with dal.Store(path) as store, dal.Caller(schemas, store, timeout=WATCHDOG) as made:
        made.store = store  # type: ignore[attr-defined]
        yield made
