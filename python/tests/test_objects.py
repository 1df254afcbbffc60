# SPDX-License-Identifier: BSD-3-Clause
"""Tensors, tables, and objects of any kind: put, got, referred to, listed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pandas
import pyarrow as pa
import pytest
from conftest import SCHEMAS, WATCHDOG

import ska_sdp_dal as dal


class PlasmaLike:
    """An ID as Plasma's were."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def binary(self) -> bytes:
        return self._raw


# ---- tensors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"])
def test_tensors_of_every_type(path: str, dtype: str) -> None:
    with dal.Store(path) as store:
        for array in (np.arange(24).reshape(2, 3, 4).astype(dtype), np.zeros((0, 3), dtype), np.array(1, dtype)):
            ref = store.put_new_tensor(array)
            got = ref.get()
            assert got.dtype == array.dtype and got.shape == array.shape and np.array_equal(got, array)
            assert ref.typ == dal.from_numpy_dtype(dtype) and ref.exists()
            typed = store.put_new_tensor(array, dal.from_numpy_dtype(dtype), ["a", "b", "c"][: array.ndim])
            assert typed.dim_names == ["a", "b", "c"][: array.ndim]
            assert store.make_tensor_ref(typed.oid).dim_names == typed.dim_names
            del ref, typed


def test_layouts(path: str) -> None:
    base = np.arange(60.0).reshape(3, 4, 5)
    with dal.Store(path) as store:
        for array in (base.T, base[:, ::2], base[::-1], np.asfortranarray(base), base[1], base.astype(">f8")):
            got = store.put_new_tensor(array).get()
            assert np.array_equal(got, array)
        fortran = store.put_new_tensor(np.asfortranarray(base)).get()
        assert fortran.flags.f_contiguous and fortran.ctypes.data % 64 == 0
        for value, expected in (([1, 2], [1, 2]), (5, 5), (pa.array([1, 2]), [1, 2]), (range(3), [0, 1, 2])):
            assert store.put_new_tensor(value).get().tolist() == expected
        for wrong in (np.array(["a"]), np.array([object()]), np.array(["2020-01-01"], "M8[D]"), np.zeros((1,) * 9)):
            with pytest.raises(dal.InvalidArgument):
                store.put_new_tensor(wrong)
        with pytest.raises(dal.InvalidArgument, match="2 dimensions, but 1 names"):
            store.put_new_tensor(np.eye(2), dim_names=["x"])


def test_a_tensor_in_place(path: str) -> None:
    with dal.Store(path) as store:
        ref = store.new_tensor_ref(dal.complex64, ["row", "chan"])
        assert ref.typ == dal.complex64 and ref.dim_names == ["row", "chan"] and not ref.exists()
        array = ref.create((2, 3), zeroed=True)
        assert array.shape == (2, 3) and array.dtype == np.complex64 and not array.any() and array.flags.writeable
        array[:] = 1 + 2j
        with pytest.raises(dal.TimeoutException):
            store.make_tensor_ref(ref.oid).get(0)
        ref.seal()
        assert not array.flags.writeable and np.array_equal(ref.get(), array)
        with pytest.raises(dal.AlreadyExists):
            ref.put(np.zeros((1, 1), np.complex64))
        del ref
        assert array[1, 2] == 1 + 2j, "an array keeps its bytes"
        fortran = store.new_tensor_ref()
        assert fortran.create((2, 3), np.float64, order="F").flags.f_contiguous
        fortran.seal()
        assert fortran.get().shape == (2, 3)
        with pytest.raises(dal.InvalidArgument, match="'typ'"):
            store.new_tensor_ref().create((1,))
        with pytest.raises(dal.InvalidArgument, match="-1"):
            store.new_tensor_ref(pa.int8(), ["x"]).create(-1)
        # One that is dropped unsealed has never existed, and its array keeps the memory from others.
        dropped = store.new_tensor_ref(pa.int64(), ["i"])
        kept, oid = dropped.create(100), dropped.oid
        del dropped
        kept[:] = 7
        assert (store.put_new_tensor(np.zeros(100, int)).get() == 0).all() and (kept == 7).all()
        assert not store.conn.object_exists(oid)
        del kept, array, fortran


def test_what_is_expected_is_checked(path: str) -> None:
    with dal.Store(path) as store:
        ref = store.put_new_tensor(np.arange(3.0), dim_names=["i"])
        with pytest.raises(dal.InvalidArgument, match="float64"):
            store.make_tensor_ref(ref.oid, pa.int64(), ["i"]).get()
        with pytest.raises(dal.InvalidArgument, match="float64"):
            store.make_tensor_ref(ref.oid, pa.int64()).get()
        with pytest.raises(dal.InvalidArgument):
            store.make_tensor_ref(ref.oid, pa.float64(), ["j"]).get()
        with pytest.raises(dal.InvalidArgument, match="table"):
            store.make_table_ref(ref.oid).get()
        assert store.make_tensor_ref(ref.oid, pa.float64(), ["i"]).get().tolist() == [0, 1, 2]
        late = store.new_tensor_ref(pa.int64(), ["i"])
        with pytest.raises(dal.InvalidArgument, match="array of float64, expected int64"):
            late.put([1.5])
        late.put()
        assert late.get().shape == (0,)


# ---- who keeps what --------------------------------------------------------------------------------------------------


def test_the_last_owning_reference_deletes(path: str) -> None:
    with dal.Store(path) as store:
        ref = store.put_new_tensor([1, 2, 3])
        oid, array = ref.oid, ref.get()
        borrowed = dal.TensorRef(store.conn, oid)
        del borrowed
        assert store.conn.object_exists(oid)
        del ref
        assert not store.conn.object_exists(oid) and array.tolist() == [1, 2, 3]
        kept = store.put_new_tensor([4])
        oid = kept.oid
        assert bytes(kept.get_buffer(auto_delete=False)) and len(kept.get_buffer()) >= 8
        del kept
        assert store.conn.object_exists(oid), "it stays"
        store.conn.delete([oid, dal.ObjectID.from_random()])
        assert not store.conn.object_exists(oid)


def test_references_under_ids_of_ones_own(path: str) -> None:
    with dal.Store(path) as store:
        ids = dal.objectid_generator(store.prefix)
        oid = next(ids)
        ref = dal.TensorRef(store.conn, PlasmaLike(oid), pa.int64(), ["i"])
        ref.put([1])
        assert store.conn.object_exists(oid)
        del ref
        assert not store.conn.object_exists(oid), "auto_delete"
        oid = next(ids)
        dal.TensorRef(store.conn, oid, auto_delete=False).put([1])
        assert store.conn.object_exists(bytearray(oid))
        assert store.conn.object_size(dal.ObjectID(oid)) >= 8 and type(store.conn.object_size(oid)) is int
        with pytest.raises(dal.NotFound):
            store.conn.object_size(next(ids))
        for wrong in (b"short", "text", 5, None):
            with pytest.raises(dal.InvalidArgument):
                store.conn.object_exists(wrong)


def test_dependencies_and_references_keep_others(path: str) -> None:
    with dal.Store(path) as store:
        call, needed = store.put_new_tensor([1]), store.put_new_tensor([2])
        ids = call.oid, needed.oid
        output = dal.Ref(store.conn, store.new_tensor_ref().oid)
        made = store.new_tensor_ref(pa.int64(), ["i"])
        made.add_dependency(call)
        made.add_reference(needed)
        made.add_reference(ids[1])
        del call, needed
        assert [store.conn.object_exists(oid) for oid in ids] == [True, True]
        made.put([3])
        made.get()
        assert [store.conn.object_exists(oid) for oid in ids] == [False, True]
        del made
        assert not store.conn.object_exists(ids[1])
        with pytest.raises(dal.TimeoutException):
            output.add_dependency(dal.Ref(store.conn, store.new_tensor_ref().oid), 0.01)
        both = dal.Ref(store.conn, store.new_tensor_ref().oid, True, [], [store.put_new_tensor([1])])
        del both, output


# ---- tables ----------------------------------------------------------------------------------------------------------

TABLE = pa.table({"name": ["a", "b", None], "x": [1.0, 2.0, 3.0], "l": [[1], [], [2, 3]]})


def test_tables_in_every_form(path: str) -> None:
    with dal.Store(path) as store:
        forms = [TABLE, TABLE.to_batches()[0], TABLE.to_pydict(), dict(zip(TABLE.column_names, TABLE.columns))]
        for form in [*forms, TABLE.to_reader()]:
            ref = store.put_new_table(form)
            assert ref.get().equals(TABLE) and ref.get_dict() == TABLE.to_pydict()
            assert ref.schema.equals(TABLE.schema) and ref.get_pandas()["x"].tolist() == [1.0, 2.0, 3.0]
        frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
        assert store.put_new_table(frame).get_pandas().equals(frame)
        schema = pa.schema([("a", pa.int16()), ("b", pa.utf8())])
        ref = store.put_new_table({"a": [1, 2], "b": ["x", "y"]}, schema)
        assert ref.get().schema.equals(schema) and ref.schema == schema
        assert store.make_table_ref(ref.oid, schema).get_dict() == {"a": [1, 2], "b": ["x", "y"]}
        with pytest.raises(dal.InvalidArgument):
            store.put_new_table({"q": [1]}, schema)
        with pytest.raises(dal.InvalidArgument, match="no table"):
            store.put_new_table(5)
        late = store.new_table_ref()
        late.put(pa.table({"a": list(range(10))}), max_chunksize=4)
        assert [len(batch) for batch in late.get().to_batches()] == [4, 4, 2]
        uneven = pa.table([pa.chunked_array([[1], [2, 3]]), pa.chunked_array([[1, 2], [3]])], ["a", "b"])
        with pytest.raises(dal.InvalidArgument, match="chunks"):
            store.put_new_table(uneven)
        assert store.put_new_table({}).get().num_columns == 0
        del ref, late


def test_a_table_is_not_copied(path: str) -> None:
    with dal.Store(path) as store:
        ref = store.put_new_table({"x": np.arange(1000.0)})
        table = ref.get()
        first, again = (t["x"].chunk(0).buffers()[1].address for t in (table, ref.get()))
        assert first == again and first % 64 == 0
        buffer = ref.get_buffer()
        assert buffer.address <= first < buffer.address + buffer.size
        del ref, buffer
        assert table["x"].to_pylist()[-1] == 999.0, "a table keeps its bytes"
        del table


# ---- objects of any kind ---------------------------------------------------------------------------------------------


def test_buffers(path: str) -> None:
    with dal.Store(path) as store:
        conn = store.conn
        a, b = store.put_new_tensor([1]), store.put_new_tensor([2])
        missing = store.prefix + bytes(15) + b"x"
        first, second, third = conn.get_buffers([a.oid, b, missing], timeout=0)
        assert isinstance(first, pa.Buffer) and third is None and first.size == second.size
        assert conn.get_buffers(a.oid).equals(first) and not first.is_mutable
        assert pa.ipc.read_tensor(pa.BufferReader(first)).to_numpy().tolist() == [1]
        assert conn.get_buffers([]) == []
        conn.get_ref_buffers([a, b])
        del a
        assert len(bytes(first)) == first.size, "a buffer keeps its bytes"
        del b, first, second


def test_the_table_of_objects_is_kept_up_to_date(path: str) -> None:
    with dal.Store(path) as store, dal.Connection(path) as conn:
        known = {update[0] for update in conn.update_obj_table()}
        assert dal.ObjectID(store.prefix + dal.NAMESPACE_DECL_SUFFIX) in known
        assert conn.update_obj_table() == []
        ref = store.put_new_tensor(np.arange(10))
        ((oid, data, metadata),) = conn.update_obj_table(WATCHDOG)
        assert oid == ref.oid and data == conn.object_size(oid) and metadata > 0 and isinstance(oid, dal.ObjectID)
        del ref
        assert conn.update_obj_table(WATCHDOG) == [(oid, -1, -1)]
        assert conn.update_obj_table(0.01) == []
        late = threading.Timer(0.2, lambda: kept.append(store.put_new_table({"a": [1]})))
        kept: Any = []
        late.start()
        assert len(conn.update_obj_table(None)) == 1
        late.join()
        del kept[:]


def test_namespaces(path: str, schemas: Any) -> None:
    with dal.Connection(path) as conn:
        assert conn.namespaces == [] and conn.namespace_meta == {} and conn.namespace_procs == {}
        prefix, declaration = conn.reserve_namespace("mine", schemas, b"\x00\x00\xab")
        assert prefix[:3] == b"\x00\x00\xab" and len(prefix) == 4 and declaration.size > 0
        (oid,) = conn.namespaces
        assert oid == prefix + dal.NAMESPACE_DECL_SUFFIX and dal.is_namespace_decl(oid)
        meta = conn.namespace_meta[oid]
        assert meta[dal.PROC_NAMESPACE_META] == b"mine"
        assert int(meta[dal.PROC_NAMESPACE_PID_META]) > 0 and dal.PROC_NAMESPACE_ARGV_META in meta
        found = conn.namespace_procs[oid]
        assert [dal.call_name(schema) for schema in found] == ["add", "wait", "fail"]
        assert all(dal.schema_compatible(ours, theirs) == [] for ours, theirs in zip(schemas, found))
        with pytest.raises(dal.NamespaceInUse):
            conn.reserve_namespace("other", prefix=prefix)
        second, kept = conn.reserve_namespace()
        assert second == b"\x00\x00\x00\x00" and kept is not None
        del declaration
        assert [oid[:4] for oid in conn.namespaces] == [second]
        with pytest.raises(dal.InvalidArgument, match="at most 4"):
            conn.reserve_namespace(prefix=b"12345")
        del kept


def test_a_full_store_says_so(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with dal.Store(path, size=8 << 20) as store:
        kept = store.put_new_tensor(np.zeros(7 << 20, np.uint8))
        with pytest.raises(MemoryError) as raised:
            store.put_new_tensor(np.zeros(4 << 20, np.uint8))
        assert isinstance(raised.value, dal.OutOfMemory) and str(4 << 20)[:4] in str(raised.value).replace(",", "")
        del kept
        assert store.put_new_tensor(np.zeros(4 << 20, np.uint8)).get().size == 4 << 20
        stat = store.conn.stat()
        assert stat["size"] == 8 << 20 and stat["clients"] == 1


def test_the_log_lines(path: str, schemas: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert SCHEMAS
    with caplog.at_level("INFO"):
        with dal.LogProcessor(schemas, path, name="Listener") as processor, dal.Store(path) as store:
            dal.Caller(schemas, store, verbose=True).close()
            prefix = dal.object_id_hex(processor.prefix)
    assert caplog.messages == [
        f"Listener waiting for calls at prefix {prefix}",
        f"Store using prefix {store.prefix.hex()} for objects",
        f"Found processor Listener at prefix {prefix}",
    ]
    assert prefix == "00000000" and store.prefix.hex() == "00000001"
