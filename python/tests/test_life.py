# SPDX-License-Identifier: BSD-3-Clause
"""Beginnings and ends: Ctrl-C in every wait, forks, pickles, what a program leaves behind when it ends."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict

import numpy as np
import pyarrow as pa
import pytest
from conftest import SCHEMAS, WATCHDOG, Program

import ska_sdp_dal as dal

# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------

#: Each ends in a wait of its own, forever, once it has said so.
WAITS = {
    "get": "store.make_tensor_ref(oid).get()",
    "wait": "dal.Ref(store.conn, oid).wait()",
    "table": "store.make_table_ref(oid).get()",
    "get_buffer": "dal.Ref(store.conn, oid).get_buffer()",
    "get_buffers": "store.conn.get_buffers([oid])",
    "get_ref_buffers": "store.conn.get_ref_buffers([dal.Ref(store.conn, oid)])",
    "dependency": "store.new_tensor_ref().add_dependency(dal.Ref(store.conn, oid), None)",
    "update": "store.conn.update_obj_table(0); store.conn.update_obj_table(None)",
    "process": "dal.LogProcessor(SCHEMAS, sys.argv[1]).process()",
    "caller": "dal.Caller(SCHEMAS, store, timeout=None)",
    "full": "kept = [store.put_new_tensor(np.zeros(1 << 20)) for _ in range(100)]",
}
WAITING = (
    SCHEMAS
    + """
import signal, threading
store = dal.Store(sys.argv[1], size=64 << 20)
oid = store.prefix + bytes(15) + b"x"
# Somebody who might free space, and who never does.
other = __import__("subprocess").Popen([sys.executable, "-c", '''
import sys, time, ska_sdp_dal as dal
store = dal.Store(sys.argv[1]); print("there", flush=True); time.sleep(1000)
''', sys.argv[1]], stdout=-1, start_new_session=True)
other.stdout.readline()
print("waiting", flush=True)
try:
    WAIT
    print("it did not wait", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
finally:
    other.kill()
    other.wait()
"""
)


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_the_wait(path: str, start: Callable[..., Program], wait: str) -> None:
    # A full store is waited for up to ten seconds otherwise: the wait must not end by itself.
    program = start(WAITING.replace("WAIT", WAITS[wait]), path, SDP_DAL_FULL_TIMEOUT="1000")
    program.line("waiting")
    # Wherever it is: before the wait, falling asleep, or asleep.
    time.sleep(0.3)
    assert program.interrupt() == 0, program.err
    assert program.out[-1] == "interrupted", (program.out, program.err)


def test_a_handler_that_does_not_raise_lets_the_wait_go_on(path: str) -> None:
    with dal.Store(path) as store:
        tensor, seen = store.new_tensor_ref(pa.int64(), ["i"]), []
        before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        try:
            other = store.make_tensor_ref(tensor.oid)

            def put_after_three() -> None:
                while len(seen) < 3:
                    time.sleep(0.01)
                tensor.put(np.arange(3))

            late = threading.Thread(target=put_after_three)
            late.start()
            assert other.get(WATCHDOG).tolist() == [0, 1, 2]
            late.join()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def test_what_a_handler_raises_is_raised(path: str) -> None:
    class Stop(Exception):
        pass

    def stop(*_: Any) -> None:
        raise Stop("enough")

    with dal.Store(path) as store:
        before = signal.signal(signal.SIGALRM, stop)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(Stop, match="enough"):
                store.make_tensor_ref(store.prefix + bytes(15) + b"x").get(WATCHDOG)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def test_ctrl_c_in_a_function_fails_its_outputs(path: str, start: Callable[..., Program]) -> None:
    program = start(
        SCHEMAS
        + """
class Slow(dal.Processor):
    def wait(self, seconds, tag):
        print("running", flush=True)
        time.sleep(1000)
proc = Slow(SCHEMAS[1:2], sys.argv[1])
try:
    proc.process()
except KeyboardInterrupt:
    print("interrupted", flush=True)
""",
        path,
    )
    program.line("waiting for calls")
    names: dict = {}
    exec(SCHEMAS, names)
    with dal.Store(path) as store, dal.Caller(names["SCHEMAS"][1:2], store, timeout=WATCHDOG) as caller:
        tag = caller.wait(1.0)["tag"]
        program.line("running")
        assert program.interrupt() == 0 and program.out[-1] == "interrupted"
        with pytest.raises(dal.FunctionError, match="KeyboardInterrupt"):
            tag.get(WATCHDOG)


# ---- other processes -------------------------------------------------------------------------------------------------


def in_child(work: Callable[[], None]) -> int:
    """Runs something in a forked child; its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException as problem:
            print(f"in the child: {type(problem).__name__}: {problem}", file=sys.stderr)
        finally:
            os._exit(status)
    deadline = time.monotonic() + WATCHDOG
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


def test_after_a_fork_a_clear_error_and_a_new_beginning(path: str) -> None:
    with dal.Store(path) as store:
        tensor = store.put_new_tensor(np.arange(5))
        array, pickled = tensor.get(), pickle.dumps(tensor)

        def child() -> None:
            for use in (tensor.get, lambda: store.put_new_tensor([1]), lambda: store.conn.namespaces, tensor.exists):
                try:
                    use()
                    raise AssertionError("it worked")
                except dal.Forked as problem:
                    assert "open the store" in str(problem), problem
            # What was inherited goes without a word, and touches nothing of the parent's.
            with dal.Store(path) as own:
                assert own.make_tensor_ref(pickle.loads(pickled).oid).get(0).tolist() == [0, 1, 2, 3, 4]
                assert own.put_new_tensor([7]).get().tolist() == [7]
            gc.collect()

        assert in_child(child) == 0
        assert tensor.get().tolist() == array.tolist() == [0, 1, 2, 3, 4]
        assert store.conn.stat()["clients"] == 1


def test_a_forked_child_keeps_its_memory_when_what_it_inherited_goes(path: str) -> None:
    kept: Dict[str, Any] = {"store": dal.Store(path)}
    kept["tensor"] = kept["store"].put_new_tensor(np.arange(5))
    kept["array"] = kept["tensor"].get()

    def child() -> None:
        own = [np.full(size << 20, 7, np.uint8) for size in (1, 2, 4, 8, 16, 32, 64)]
        assert kept["array"].tolist() == [0, 1, 2, 3, 4]
        kept.clear()
        gc.collect()
        assert all((memory[::512] == 7).all() for memory in own)

    assert in_child(child) == 0
    worker = multiprocessing.get_context("fork").Process(target=child)
    worker.start()
    worker.join(WATCHDOG)
    assert worker.exitcode == 0
    assert kept["tensor"].get().tolist() == kept["array"].tolist() == [0, 1, 2, 3, 4]
    kept["store"].close()


def test_references_pickle(path: str, start: Callable[..., Program]) -> None:
    with dal.Store(path) as store:
        tensor = store.put_new_tensor(np.eye(2), dim_names=["x", "y"])
        table = store.put_new_table({"a": [1, 2]})
        for again in (pickle.loads(pickle.dumps(tensor)), copy.copy(tensor), copy.deepcopy(tensor)):
            assert type(again) is dal.TensorRef and again.oid == tensor.oid and again.is_owning
            assert again.get().tolist() == [[1, 0], [0, 1]] and again.dim_names == ["x", "y"]
            del again
        assert tensor.exists(), "another one owns it, too"
        text = pickle.dumps([tensor, table, dal.Ref(store.conn, tensor.oid)]).hex()
        program = start(
            f"""
            import pickle
            tensor, table, other = pickle.loads(bytes.fromhex("{text}"))
            print(tensor.get().tolist(), tensor.typ, table.get_dict(), other.oid == tensor.oid)
            del tensor, table, other
            """
        )
        assert program.check() == ["[[1.0, 0.0], [0.0, 1.0]] double {'a': [1, 2]} True"]
        mine = pickle.loads(pickle.dumps(tensor))
        del tensor
        assert mine.get().tolist() == [[1, 0], [0, 1]], "one that was unpickled owns"
        oid = mine.oid
        del mine
        assert not store.conn.object_exists(oid)
        del table


ENDINGS = {
    "at once": "",
    "with a cycle": "class A: pass\na = A(); a.self = a; a.kept = tensor; a.array = tensor.get()",
    "by an error": "raise RuntimeError('as wanted')",
    "by exit": "sys.exit(3)",
    "with a thread that waits": """
import threading
threading.Thread(target=lambda: store.make_tensor_ref(store.prefix + bytes(15) + b'x').get(), daemon=True).start()
time.sleep(0.2)
""",
    "with a thread that processes": """
import threading
proc = dal.LogProcessor(SCHEMAS, sys.argv[1])
threading.Thread(target=lambda: [proc.process() for _ in range(10)], daemon=True).start()
time.sleep(0.2)
""",
    "with an array in a module": "import types\nsys.kept = (tensor.get(), tensor, store)",
    "while it writes": "out = store.new_tensor_ref(pyarrow.int64(), ['i']).create((1000,))",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_ends_and_leaves_nothing(path: str, start: Callable[..., Program], ending: str) -> None:
    text = (
        SCHEMAS + "store = dal.Store(sys.argv[1])\ntensor = store.put_new_tensor(np.arange(1000))\n" + ENDINGS[ending]
    )
    program = start(text, path)
    status = program.wait()
    assert status == {"by an error": 1, "by exit": 3}.get(ending, 0), program.err
    assert not any("Fatal" in line or "panicked" in line for line in program.err), program.err
    assert not os.path.lexists(path), "its store is still there"


def test_a_killed_program_leaves_nothing_to_the_next(path: str, start: Callable[..., Program]) -> None:
    program = start(
        SCHEMAS + "store = dal.Store(sys.argv[1]); t = store.put_new_tensor([1]); print('there'); time.sleep(99)", path
    )
    program.line("there")
    with dal.Store(path) as store:
        program.signal(signal.SIGKILL)
        program.wait()
        deadline = time.monotonic() + WATCHDOG
        while store.conn.stat()["clients"] > 1 and time.monotonic() < deadline:
            with pytest.raises(dal.TimeoutException):
                store.make_tensor_ref(store.prefix + bytes(15) + b"x").get(0.3)
        assert store.conn.stat()["clients"] == 1
        assert len(store.conn.namespaces) == 1


def test_context_managers_and_closed_things(path: str, schemas: Any) -> None:
    with dal.Connection(path) as conn, dal.Store(path) as store, dal.LogProcessor(schemas, path) as processor:
        with dal.Caller(schemas, store) as caller:
            tensor = store.put_new_tensor([1, 2])
    assert tensor.get().tolist() == [1, 2], "references stay valid"
    for use, named in (
        (lambda: store.put_new_tensor([1]), "closed"),
        (lambda: conn.namespaces, "closed"),
        (lambda: processor.process(0), "closed"),
        (lambda: caller.add(1, [1]), "closed"),
        (lambda: caller.find_processors(), "closed"),
    ):
        with pytest.raises(dal.InvalidArgument, match=named):
            use()
    for closed in (store, conn, processor, caller):
        closed.close()
    del tensor


def test_the_store_is_made_by_whoever_comes_first(path: str, schemas: Any) -> None:
    processor = dal.LogProcessor(schemas, path, size=32 << 20)
    with dal.Store(path) as store:
        assert store.conn.stat()["size"] == 32 << 20
    processor.close()
    assert not os.path.lexists(path), "it goes with its last client"
    with pytest.raises(dal.DalError, match="no_such_folder"):
        dal.Store("/dev/shm/no_such_folder/store")
    with pytest.raises(dal.InvalidArgument, match="size"):
        dal.Store(path, size=-1)


def test_a_store_that_is_made_again_is_another_one(path: str) -> None:
    seen = []
    for _ in range(2):
        with dal.Store(path) as store, dal.Connection(path) as other:
            assert store.conn.identity == other.identity
            seen.append((store.conn.identity, store.put_new_tensor(np.arange(3)).oid))
    assert seen[0][0] != seen[1][0] and seen[0][1] != seen[1][1]


def test_importing_does_little() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, ska_sdp_dal; print('pandas' in sys.modules, 'awkward' in sys.modules)"],
        capture_output=True,
        text=True,
        timeout=WATCHDOG,
        check=True,
    )
    assert done.stdout.split() == ["False", "False"] and done.stderr == ""
