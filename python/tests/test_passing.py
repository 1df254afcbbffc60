# SPDX-License-Identifier: BSD-3-Clause
"""References that go to other processes: pickled, or exported as a text. What arrives owns the same object, or says at once
why it cannot be had; and no store is ever made for it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pyarrow as pa
import pytest
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal

#: Does something with the reference that is pickled in the first line of its input, and pickles a reference again.
OTHER = """
import pickle, sys
import ska_sdp_dal as dal
def received():
    return pickle.loads(bytes.fromhex(sys.stdin.readline()))
"""


def other(text: str, *inputs: Any) -> str:
    """Runs a program with pickled inputs in a process of its own: what it prints."""
    lines = "".join(pickle.dumps(value).hex() + "\n" for value in inputs)
    done = subprocess.run(
        [sys.executable, "-c", OTHER + textwrap.dedent(text)],
        input=lines,
        capture_output=True,
        text=True,
        timeout=WATCHDOG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_arrives_owns_the_object(path: str, start: Callable[..., Program]) -> None:
    with dal.Store(path) as store:
        tensor = store.put_new_tensor(np.arange(3), dim_names=["i"])
        program = start(
            OTHER
            + """
ref = received()
print("arrived", flush=True)
sys.stdin.readline()
print(ref.get(0).tolist(), ref.is_owning, ref.dim_names)
""",
            stdin=True,
        )
        program.say(pickle.dumps(tensor).hex())
        program.line("arrived")
        oid = tensor.oid
        del tensor
        program.say("")
        assert program.check()[-1] == "[0, 1, 2] True ['i']"
        assert not store.conn.object_exists(oid), "the last owning one has gone"


def test_a_deleted_object_is_told_at_once_on_every_hop(path: str) -> None:
    with dal.Store(path) as store:
        tensor = store.put_new_tensor(np.arange(3), dim_names=["i"])
        borrowed = store.make_tensor_ref(tensor.oid)
        assert borrowed.exists()
        early = pickle.dumps(tensor)
        store.conn.delete([tensor.oid])
        # Pickled before it was deleted, after it, and once more; the last also in other processes.
        hops = [early, pickle.dumps(tensor), pickle.dumps(borrowed)]
        hops += [pickle.dumps(pickle.loads(hop)) for hop in hops]
        for hop in hops:
            lost = pickle.loads(hop)
            assert isinstance(lost, dal.TensorRef) and lost.oid == tensor.oid
            assert not lost.exists() and not lost.is_owning
            # Without a time: none may be waited.
            for use in (lost.get, lost.wait, lost.get_buffer, lost.export, lost.put):
                with pytest.raises(dal.ObjectDeleted, match=r"deleted.*disown"):
                    use()
            with pytest.raises(dal.ObjectDeleted):
                lost.conn.stat()
            with pytest.raises(dal.ObjectDeleted):
                store.conn.get_ref_buffers([lost])
        assert lost.dim_names is None and pickle.loads(hops[0]).dim_names == ["i"]
        told = other(
            """
            for _ in range(2):
                ref = pickle.loads(pickle.dumps(received()))
                try:
                    ref.get()
                except dal.ObjectDeleted as problem:
                    print("deleted" in str(problem))
            """,
            pickle.loads(hops[0]),
            pickle.loads(hops[3]),
        )
        assert told.split() == ["True", "True"]


def test_no_later_object_is_meant(path: str) -> None:
    with dal.Store(path) as store:
        oid = dal.ObjectID(store.prefix + bytes(15) + b"x")
        first = dal.TensorRef(store.conn, oid, pa.int64(), ["i"])
        first.put([1])
        pickled = pickle.dumps(first)
        del first
        second = dal.TensorRef(store.conn, oid, pa.int64(), ["i"])
        second.put([2])
        assert store.make_tensor_ref(oid).get(0).tolist() == [2]
        with pytest.raises(dal.ObjectDeleted):
            pickle.loads(pickled).get()
        del second


def test_no_store_is_made_for_a_reference(path: str) -> None:
    elsewhere = path[:-1] + "_"
    with dal.Store(path) as store:
        tensor, nothing = store.put_new_tensor([1]), store.make_tensor_ref(store.prefix + bytes(15) + b"x")
        for ref in (tensor, nothing, store.put_new_table({"a": [1]}), dal.Ref(store.conn, tensor.oid)):
            moved = pickle.loads(pickle.dumps(ref).replace(path.encode(), elsewhere.encode()))
            with pytest.raises(dal.StoreNotFound, match=f"no store at {elsewhere}.*send the value") as raised:
                moved.get_buffer()
            assert isinstance(raised.value, ConnectionError)
            with pytest.raises(dal.StoreNotFound):
                moved.exists()
            again = pickle.loads(pickle.dumps(moved))
            assert again.oid == ref.oid and isinstance(again, type(ref))
            with pytest.raises(dal.StoreNotFound):
                again.wait()
        with pytest.raises(dal.StoreNotFound):
            dal.adopt(tensor.export().replace(path, elsewhere))
        del moved, again, ref, tensor, nothing
    assert not os.path.lexists(elsewhere)


def test_another_store_is_refused(path: str) -> None:
    other_path = path[:-1] + "_"
    with dal.Store(path) as store:
        tensor = store.put_new_tensor([1])
        text, pickled = tensor.export(), pickle.dumps(tensor)
        del tensor
    assert not os.path.lexists(path)
    with dal.Store(path) as later, dal.Store(other_path) as elsewhere:
        # A path that leads to another store than the one that was meant: a later one, or one on another machine.
        for use in (lambda: pickle.loads(pickled).get(), lambda: dal.adopt(text), lambda: dal.adopt(text, store=later)):
            with pytest.raises(dal.ObjectDeleted, match=f"another store with the path {path}.*value") as refused:
                use()
            assert "disown" not in str(refused.value)
        with pytest.raises(dal.InvalidArgument, match=f"is in the store {path}, not in {other_path}"):
            dal.adopt(text, store=elsewhere)


def test_what_does_not_exist_yet(path: str) -> None:
    with dal.Store(path) as store:
        # What no call is to make is known by its ID only.
        unknown = dal.TensorRef(store.conn, store.prefix + bytes(15) + b"x", pa.int64(), ["i"])
        for ref in (unknown, store.new_tensor_ref(pa.int64(), ["i"])):
            with pytest.raises(dal.NotFound):
                ref.export()
            by_id = pickle.loads(pickle.dumps(ref))
            assert not by_id.is_owning
            with pytest.raises(dal.InvalidArgument):
                by_id.put([[2]])
            ref.put([2])
            assert by_id.get(0).tolist() == [2]
        del unknown, by_id, ref


def test_outputs_and_inputs_of_a_call(path: str) -> None:
    schema = dal.make_call_schema(
        "f",
        [
            dal.make_tensor_input_par("xs", pa.int64(), ["i"]),
            dal.make_tensor_output_par("ys", pa.int64(), ["i"]),
            dal.make_table_output_par("t", None),
        ],
    )
    seen = []

    class Doubles(dal.Processor):
        def f(self, xs: dal.TensorRef, ys: dal.TensorRef, t: dal.TableRef) -> None:
            seen.append(pickle.loads(pickle.dumps(xs)))
            ys.put(2 * xs.get())
            t.put({"a": [1]})

    with Doubles([schema], path) as processor, dal.Store(path) as store:
        with dal.Caller([schema], store) as caller:
            outputs = caller.f([1, 2])
            # Both know the call, which is cancelled only when neither wants it.
            passed = pickle.loads(pickle.dumps(outputs))
            late = dal.adopt(outputs["ys"].export())
            assert type(late) is dal.Ref and late.is_owning and not late.exists()
            del outputs, late
            assert processor.process(WATCHDOG)
            assert passed["ys"].get(0).tolist() == [2, 4] and passed["t"].get_dict() == {"a": [1]}
            assert type(seen[0]) is dal.TensorRef and seen[0].get(0).tolist() == [1, 2] and seen[0].is_owning
            del passed
            seen.clear()


def test_exported_texts(path: str) -> None:
    with dal.Store(path) as store:
        tensor, table = store.put_new_tensor([1, 2]), store.put_new_table({"a": [3]})
        raw = dal.Ref(store.conn, store.conn.client.put_raw_buffer(b"raw"))
        adopted = [dal.adopt(ref.export()) for ref in (tensor, table, raw)]
        assert [type(ref) for ref in adopted] == [dal.TensorRef, dal.TableRef, dal.Ref]
        assert all(ref.is_owning for ref in adopted)
        assert adopted[0].get(0).tolist() == [1, 2] and adopted[1].get_dict() == {"a": [3]}
        assert bytes(adopted[2].get_buffer(0)) == b"raw" and adopted[0].conn.plasma_path == path
        same = dal.adopt(tensor.export(), dal.TensorRef, store=store)
        assert same.get(0).tolist() == [1, 2] and same.conn is store.conn
        assert other("print(dal.adopt(received()).get().tolist())", tensor.export()) == "[1, 2]"
        for wrong in ("hello", "hello/world", "", tensor.export()[:30]):
            with pytest.raises(dal.InvalidArgument, match="not an exported reference"):
                dal.adopt(wrong)
        with pytest.raises(TypeError, match="text"):
            dal.adopt(tensor)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="TensorRef"):
            dal.adopt(tensor.export(), int)  # type: ignore[type-var]
        store.conn.delete([raw.oid])
        del adopted, same, raw, tensor, table
    # Wherever the working directory of the other process is.
    before = os.getcwd()
    try:
        os.chdir("/dev/shm")
        with dal.Store(os.path.basename(path)) as store:
            tensor = store.put_new_tensor([5])
            os.chdir("/")
            assert pickle.loads(pickle.dumps(tensor)).get().tolist() == [5]
            assert dal.adopt(tensor.export()).conn.plasma_path == path
            del tensor
    finally:
        os.chdir(before)


POOLS = """
import concurrent.futures, gc, multiprocessing, os, sys
import numpy as np
import ska_sdp_dal as dal

def total(ref):
    assert ref.is_owning
    return os.getpid(), int(ref.get(60).sum())

def made(path, number, disown):
    with dal.Store(path) as store:
        ref = store.put_new_tensor(np.full(10, number))
        if disown:
            ref.disown()
        return ref

def passed_on(ref):
    return ref

def main(path, how):
    context = multiprocessing.get_context(how)
    with dal.Store(path) as store:
        refs = [store.put_new_tensor(np.full(10, number)) for number in range(8)]
        with context.Pool(2) as pool:
            check(store, path, refs, pool.map, lambda f, *a: pool.apply_async(f, a).get)
            pool.close()
            pool.join()
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            check(store, path, refs, pool.map, lambda f, *a: pool.submit(f, *a).result)
        del refs
        assert store.conn.stat()["clients"] == 1, "the workers have gone"
    print("fine")

def check(store, path, refs, mapped, submit):
    results = list(mapped(total, refs))
    assert [value for _, value in results] == [10 * number for number in range(8)], results
    assert os.getpid() not in {pid for pid, _ in results}
    # What a worker makes, and does not keep, goes when its function returns: most often before the reference arrives.
    lost = submit(made, path, 7, False)()
    try:
        assert lost.get().tolist() == [7] * 10
    except dal.ObjectDeleted as problem:
        assert "disown()" in str(problem), problem
    kept = submit(made, path, 7, True)()
    assert kept.get().tolist() == [7] * 10
    store.conn.delete([kept.oid])
    # Owned here all the time.
    again = submit(passed_on, refs[3])()
    assert again.oid == refs[3].oid and again.get().tolist() == [3] * 10

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
def test_pools_of_processes(path: str, start: Callable[..., Program], tmp_path: Path, how: str) -> None:
    source = tmp_path / "pools.py"
    source.write_text(POOLS, encoding="utf-8")
    program = start(source, path, how)
    assert program.check()[-1] == "fine", program.err


def test_exceptions_pickle() -> None:
    late = pickle.loads(pickle.dumps(dal.TimeoutException(["a reference"], 2.0)))
    assert late.refs == ["a reference"] and late.timeout == 2.0 and "a reference" in str(late)
    for kind in set(dal.errors.BY_STATUS.values()) - {dal.TimeoutException} | {dal.StoreNotFound}:
        again = pickle.loads(pickle.dumps(kind("why", -99)))
        assert type(again) is kind and str(again) == "why" and again.status == -99
