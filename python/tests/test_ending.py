# SPDX-License-Identifier: BSD-3-Clause
"""SIGTERM ends programs in order: `with` blocks and `atexit` run, and no store stays."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from conftest import SCHEMAS, WATCHDOG, Program

import ska_sdp_dal as dal

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

#: Where the signal finds the program; each says so, and would go on for ever.
PLACES = {
    "a processor": "print('there', flush=True)\n        dal.LogProcessor(SCHEMAS, sys.argv[1]).process()",
    "a get": "print('there', flush=True)\n        store.make_tensor_ref(store.prefix + bytes(15) + b'x').get()",
    "a sleep": "print('there', flush=True)\n        time.sleep(1000)",
    "python": "print('there', flush=True)\n        while True: pass",
    "a thread of the processor": """
        processor = dal.LogProcessor(SCHEMAS, sys.argv[1])
        threading.Thread(target=processor.process, daemon=True).start()
        print('there', flush=True)
        threading.Event().wait()""",
}
PROGRAM = (
    SCHEMAS
    + """
import atexit, threading
atexit.register(lambda: print("atexit", flush=True))
class Told:
    def __enter__(self): return self
    def __exit__(self, kind, *_):
        print("left by", kind.__name__, flush=True)
        os.kill(os.getpid(), 15)
with dal.end_on_sigterm(STATUS):
    with Told(), dal.Store(sys.argv[1]) as store:
        kept = store.put_new_tensor(np.arange(1000))
        BODY
"""
)


@pytest.mark.parametrize("place", PLACES)
def test_sigterm_ends_in_order(path: str, start: Callable[..., Program], place: str) -> None:
    program = start(PROGRAM.replace("STATUS", "7" if place == "python" else "").replace("BODY", PLACES[place]), path)
    program.line("there")
    program.signal(signal.SIGTERM)
    # More of them, as of signals to all processes of a group, change nothing, however late they come.
    program.line("atexit")
    while program.process.poll() is None:
        program.signal(signal.SIGTERM)
        time.sleep(0.0005)
    assert program.wait() == (7 if place == "python" else 0), program.err
    assert program.out[-2:] == ["left by SystemExit", "atexit"], (program.out, program.err)
    assert not any("Traceback" in line for line in program.err), program.err
    assert not os.path.lexists(path), "its store is still there"


def test_a_lost_end_can_be_asked_for_again(path: str, start: Callable[..., Program]) -> None:
    program = start(
        """
        import sys, time
        import ska_sdp_dal as dal
        with dal.end_on_sigterm(), dal.Store(sys.argv[1]):
            try:
                print("there", flush=True)
                time.sleep(1000)
            except:
                time.sleep(1.5)
                print("lost", flush=True)
            time.sleep(1000)
        """,
        path,
    )
    program.line("there")
    program.signal(signal.SIGTERM)
    program.line("lost")
    program.signal(signal.SIGTERM)
    assert program.wait() == 0 and not os.path.lexists(path), program.err


def test_a_function_that_runs_fails(path: str, start: Callable[..., Program], schemas: Any) -> None:
    program = start(
        SCHEMAS
        + """
class Slow(dal.Processor):
    def wait(self, seconds, tag):
        print("running", flush=True)
        time.sleep(1000)
with dal.end_on_sigterm(), Slow(SCHEMAS[1:2], sys.argv[1]) as processor:
    while True:
        processor.process()
""",
        path,
    )
    program.line("waiting for calls")
    with dal.Store(path) as store, dal.Caller(schemas[1:2], store, timeout=WATCHDOG) as caller:
        tag = caller.wait(1.0)["tag"]
        program.line("running")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0, program.err
        with pytest.raises(dal.FunctionError, match="SystemExit"):
            tag.get(WATCHDOG)
        del tag


def test_nothing_is_installed_by_itself() -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with dal.end_on_sigterm():
        assert callable(signal.getsignal(signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with pytest.raises(KeyError), dal.end_on_sigterm():
        raise KeyError("another one")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    raised = []

    def elsewhere() -> None:
        try:
            with dal.end_on_sigterm():
                pass
        except dal.InvalidArgument as problem:
            raised.append(str(problem))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in raised[0]


#: What each example says when its store is open, and its exit status after SIGTERM.
ENDINGS = {
    "stream_processor.py": ("waiting for calls", 0),
    "ng_processor.py": ("waiting for calls", 0),
    "streamer.py": ("Store using prefix", 0),
    "async_receiver.py": ("Store using prefix", 0),
    "demo_wstack.py": ("Store using prefix", 143),
}


@pytest.mark.parametrize("name", sorted(file.name for file in EXAMPLES.glob("*.py") if "__main__" in file.read_text()))
def test_the_examples(path: str, start: Callable[..., Program], name: str) -> None:
    ready, status = ENDINGS[name]
    more = [] if name.endswith("processor.py") else ["--timeout", "1000"]
    program = start(EXAMPLES / name, path, *more)
    program.line(ready)
    program.signal(signal.SIGTERM)
    assert program.wait() == status, program.err
    assert not any("Traceback" in line for line in program.err), program.err
    assert not os.path.lexists(path), "its store is still there"
