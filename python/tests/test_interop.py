# SPDX-License-Identifier: BSD-3-Clause
"""Other libraries read what is in the store where it lies: DLPack, numpy's and Arrow's protocols."""

from __future__ import annotations

import sys
from typing import Any

import awkward
import duckdb
import numpy as np
import polars
import pyarrow as pa
import pytest

import ska_sdp_dal as dal


class Consumer:
    """What a library that takes DLPack calls."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> Any:
        return (1, 0)


def address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


def test_dlpack(path: str) -> None:
    with dal.Store(path) as store:
        values = np.arange(12.0).reshape(3, 4)
        for array in (values, np.asfortranarray(values), values.astype(np.complex64), values > 3):
            ref = store.put_new_tensor(array)
            assert ref.__dlpack_device__() == (1, 0)
            taken = np.from_dlpack(Consumer(ref.__dlpack__()))
            assert np.array_equal(taken, array) and address(taken) == address(ref.get())
            if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
                versioned = np.from_dlpack(Consumer(ref.__dlpack__(max_version=(1, 0))))
                assert np.array_equal(versioned, array) and not versioned.flags.writeable
                assert address(versioned) == address(ref.get())
            oid = ref.oid
            del ref
            assert not store.conn.object_exists(oid) and np.array_equal(taken, array), "it keeps its bytes"
        with pytest.raises(BufferError):
            store.put_new_tensor(values).__dlpack__(stream=1)
        # One that nobody takes is freed with its capsule.
        ref = store.put_new_tensor(values)
        capsules = [ref.__dlpack__(), ref.__dlpack__(max_version=(1, 0))]
        used = store.conn.stat()["used_small"]
        oid = ref.oid
        del ref
        assert store.conn.stat()["used_small"] == used and not store.conn.object_exists(oid)
        del capsules
        assert store.conn.stat()["used_small"] < used


def test_numpy_takes_a_reference_for_an_array(path: str) -> None:
    with dal.Store(path) as store:
        ref = store.put_new_tensor(np.arange(4))
        assert address(np.asarray(ref)) == address(ref.get()) and np.add(ref, 1).tolist() == [1, 2, 3, 4]
        assert np.array(ref).flags.writeable and np.asarray(ref, dtype=np.float32).dtype == np.float32
        assert store.put_new_tensor(ref).get().tolist() == [0, 1, 2, 3]


def test_arrow_libraries_read_tables_in_place(path: str) -> None:
    with dal.Store(path) as store:
        table = pa.table({"antenna": pa.array([1, 2, 3], pa.int64()), "gain": [0.5, 1.0, 2.0]})
        ref = store.put_new_table(table)
        frame = polars.DataFrame(ref)
        assert frame["gain"].to_list() == [0.5, 1.0, 2.0]
        ours = ref.get()["gain"].chunk(0).buffers()[1].address
        theirs = frame["gain"].to_arrow().buffers()[1].address
        assert theirs == ours, "polars has copied it"
        assert duckdb.sql("select sum(gain) from ref where antenna > 1").fetchall() == [(3.0,)]
        assert pa.table(ref).equals(table) and pa.schema(ref).equals(table.schema)
        assert pa.table(ref)["gain"].chunk(0).buffers()[1].address == ours
        array = ref.get_awkward()
        assert awkward.to_list(array["antenna"]) == [1, 2, 3]
        assert np.asarray(array["gain"]).__array_interface__["data"][0] == ours
        again = store.put_new_table(frame)
        assert again.get_dict() == table.to_pydict()
        del ref
        assert frame["antenna"].sum() == 6, "it keeps its bytes"


@pytest.mark.parametrize("package, method", [("pandas", "get_pandas"), ("awkward", "get_awkward")])
def test_what_is_missing_is_named(path: str, package: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with dal.Store(path) as store:
        ref = store.put_new_table({"a": [1]})
        with pytest.raises(ImportError, match=f"pip install {package}"):
            getattr(ref, method)()
