# SPDX-License-Identifier: BSD-3-Clause
"""How references, stores, callers and processors show themselves: without waiting, and without raising."""

from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal


@pytest.fixture
def store(path: str) -> Any:
    with dal.Store(path, size=1 << 24) as made:
        yield made


def hexed(ref: dal.Ref) -> str:
    return ref.oid.hex()


def test_a_tensor_shows_what_it_is(store: dal.Store) -> None:
    ref = store.put_new_tensor(np.zeros((100, 3)), dim_names=["row", "uvw"])
    assert repr(ref) == f"<TensorRef {hexed(ref)}: float64[row=100, uvw=3], exists, 2.4 kB>"
    assert (ref.shape, ref.dtype, ref.nbytes, len(ref)) == ((100, 3), np.dtype(float), 2400, 100)
    # Names are not known of one that was put without any.
    bare = store.put_new_tensor(np.zeros((2, 3), np.complex64))
    assert repr(bare) == f"<TensorRef {hexed(bare)}: complex64[2, 3], exists, 48 bytes>"
    single = store.put_new_tensor(np.array(1, np.int8))
    assert repr(single) == f"<TensorRef {hexed(single)}: int8[], exists, 1 bytes>" and single.shape == ()
    with pytest.raises(TypeError, match="len"):
        len(single)
    large = store.put_new_tensor(np.zeros(1 << 17))
    assert repr(large).endswith("float64[131072], exists, 1.05 MB>")


def test_a_tensor_that_does_not_exist_yet_shows_what_is_expected(store: dal.Store) -> None:
    ref = store.new_tensor_ref(pa.float32(), ["row", "uvw"])
    assert repr(ref) == f"<TensorRef {hexed(ref)}: float[row, uvw], does not exist>".replace("float[", "float32[")
    assert (ref.shape, ref.dtype, ref.nbytes) == (None, np.dtype("float32"), None)
    # A reference is one, whatever it refers to.
    assert ref and store.put_new_tensor(np.zeros(0))
    with pytest.raises(dal.TimeoutException):
        len(ref)
    unknown = store.new_tensor_ref()
    assert repr(unknown) == f"<TensorRef {hexed(unknown)}: any[...], does not exist>"
    assert (unknown.dtype, unknown.shape) == (None, None)
    array = ref.create((2, 3))
    assert "is being written" in repr(ref) and ref.shape is None
    array[:] = 0
    ref.seal()
    assert repr(ref) == f"<TensorRef {hexed(ref)}: float32[row=2, uvw=3], exists, 24 bytes>"


def test_a_table_shows_what_it_is(store: dal.Store) -> None:
    ref = store.put_new_table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    assert repr(ref).startswith(f"<TableRef {hexed(ref)}: 3 rows, 2 columns (a: int64, b: string), exists, ")
    assert ref.shape == (3, 2) and len(ref) == 3 and ref.nbytes and ref.nbytes > 24
    wide = store.new_table_ref(pa.schema([(f"c{at}", pa.int8()) for at in range(9)]))
    shown = ", ".join(f"c{at}: int8" for at in range(5))
    assert repr(wide) == f"<TableRef {hexed(wide)}: 9 columns ({shown}, ...), does not exist>"
    assert wide.shape is None and wide.nbytes is None and wide
    with pytest.raises(dal.TimeoutException):
        len(wide)
    assert "any columns, does not exist" in repr(store.new_table_ref())
    empty = store.put_new_table(pa.table({"a": pa.array([], pa.int64())}))
    assert empty and len(empty) == 0 and "0 rows, 1 column (a: int64), exists, 0 bytes" in repr(empty)


def test_what_will_never_exist_says_why(store: dal.Store, adder: Program, path: str, schemas: Any) -> None:
    ref = store.put_new_tensor([1])
    store.conn.delete([ref.oid])
    assert repr(ref) == f"<TensorRef {hexed(ref)}: int64[...], deleted>" and ref.shape is None
    assert repr(dal.Ref(store.conn, ref.oid)) == f"<Ref {hexed(ref)}: does not exist>"
    with dal.Caller(schemas, store, timeout=WATCHDOG) as caller:
        failed = caller.fail("the matter of it")["tag"]
        with pytest.raises(dal.FunctionError):
            failed.get()
        assert "int8[], failed: fail: ValueError: the matter of it>" in repr(failed)
        running = caller.wait(60.0)["tag"]
        while not running.is_running:
            pass
        assert "int8[], does not exist yet, " in repr(running) and "% done>" in repr(running)
        waiting = caller.wait(60.0)["tag"]
        assert "int8[], does not exist yet>" in repr(waiting)
        adder.process.kill()
        with pytest.raises(dal.ProcessorLost):
            waiting.get()
        assert "failed: " in repr(waiting)


def test_a_notebook_shows_tables_and_tensors(store: dal.Store) -> None:
    rows = 25
    table = store.put_new_table({"<a>": [f"<script>{at}" for at in range(rows)], "b": ["long" * 50] * rows})
    shown = table._repr_html_()
    assert "25 rows, 2 columns" in shown and "<th>&lt;a&gt;<br>" in shown and "... 15 more rows" in shown
    assert "&lt;script&gt;9</td>" in shown and "&lt;script&gt;10" not in shown and "<script>" not in shown
    assert "long" * 9 + "l..." in shown and "long" * 11 not in shown
    assert "more rows" not in store.put_new_table({"a": [1, None]})._repr_html_()
    tensor = store.put_new_tensor(np.arange(1000.0).reshape(10, 100), dim_names=["<row>", "i"])
    shown = tensor._repr_html_()
    assert "float64[&lt;row&gt;=10, i=100], exists, 8 kB" in shown and "<pre>[[" in shown and "..." in shown
    assert len(shown) < 2000
    for ref in (store.new_tensor_ref(), store.new_table_ref()):
        assert "does not exist" in ref._repr_html_() and "<table>" not in ref._repr_html_()


def test_showing_never_raises(path: str, tmp_path: Any) -> None:
    store = dal.Store(path, size=1 << 24)
    refs = [store.put_new_tensor([1]), store.put_new_table({"a": [1]}), store.new_tensor_ref(pa.int8(), ["i"])]
    refs += [dal.Ref(store.conn, refs[0].oid), store.make_table_ref(refs[0].oid), store.make_tensor_ref(refs[1].oid)]
    # Of another kind than is expected.
    assert "exists" in repr(refs[-1]) and "exists" in repr(refs[-2])
    assert refs[-1].shape is None and refs[-2].nbytes is None
    gone = pickle.dumps(refs[0])
    child = os.fork()
    if child == 0:
        # pytest's own is not for it.
        code = 1
        try:
            for ref in refs:
                assert "fork" in repr(ref), repr(ref)
                assert isinstance(getattr(ref, "shape", None), (tuple, type(None)))
                getattr(ref, "_repr_html_", str)()
            repr(store), repr(store.conn)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    store.close()
    # They stay valid.
    assert "int64[1], exists" in repr(refs[0])
    assert repr(store).endswith(", closed>") and repr(store.conn).endswith(", closed>")
    refs.clear()
    lost = pickle.loads(gone)
    assert repr(lost).startswith("<_LostTensor: ") and "<div>" in lost._repr_html_()


def test_callers_processors_and_stores_show_themselves(path: str, schemas: Any) -> None:
    class Adder(dal.BasicProcessor):
        def _process_call(self, proc_func: str, batch: Any) -> None:
            pass

    with dal.Store(path, size=1 << 24) as store:
        assert repr(store) == f"<Store 00000000 in {path}>" and repr(store.conn) == f"<Connection to {path}>"
        with Adder(schemas, path) as processor, dal.Caller(schemas, store) as caller:
            assert repr(processor) == f"<Adder 00000001 of add(), wait(), fail() in {path}>"
            assert repr(caller) == f"<Caller of add(), wait(), fail() in {path}, to 1 processor>"
            with dal.AsyncCaller(schemas[:1], store) as other:
                assert repr(other) == f"<AsyncCaller of add() in {path}, to 1 processor>"
            assert repr(other) == f"<AsyncCaller of add() in {path}, closed>"
        assert repr(processor) == f"<Adder 00000001 of add(), wait(), fail() in {path}, closed>"
    # Also where making one has failed.
    for kind in (dal.Store, dal.Connection, dal.Caller, Adder):
        assert kind.__name__ in repr(kind.__new__(kind))
