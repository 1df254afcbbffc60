# SPDX-License-Identifier: BSD-3-Clause
"""What is in the store is passed and not put again: the function sees the caller's own pages. What cannot be passed is
right, too, and counted."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Tuple

import numpy as np
import pyarrow as pa
import pytest
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal

SCHEMAS = """
import sys
import numpy as np
import pyarrow as pa
import ska_sdp_dal as dal

def place(array):
    "The file and the offset in it at which an array begins: the same page, wherever it is mapped."
    start = array.__array_interface__["data"][0]
    for line in open("/proc/self/maps"):
        span, _, offset, device, inode, *_ = line.split()
        first, last = (int(end, 16) for end in span.split("-"))
        if first <= start < last:
            return [int(inode), int(offset, 16) + start - first]
    raise AssertionError("it is mapped nowhere")

MATRIX = "total(values: {}[row,chan]) -> (sum: {}[], place: int64[what])"
SCHEMAS = [
    dal.parse_call_schema(MATRIX.format("float64", "float64")),
    dal.parse_call_schema(MATRIX.format("complex64", "complex64").replace("total", "total_c64")),
    dal.parse_call_schema(MATRIX.format("float64", "float64").replace("total", "in_f").replace("chan]", "chan] F", 1)),
    dal.parse_call_schema("line(values: float64[row]) -> (sum: float64[], place: int64[what])"),
    dal.parse_call_schema("rows(values: table) -> (sum: float64[], place: int64[what])"),
]
"""
PROGRAM = (
    SCHEMAS
    + """
class Totals(dal.Processor):
    def total(self, values, sum, place):
        array = values.get()
        # By the index of each element, so that no two orders have the same sum.
        weights = np.arange(array.size).reshape(array.shape)
        sum.put((array * weights).sum(dtype=array.dtype))
        place.put(globals()["place"](array))
    total_c64 = in_f = line = total
    def rows(self, values, sum, place):
        column = values.get().column("flux")
        sum.put(column.to_numpy().sum())
        place.put(globals()["place"](column.chunk(0).to_numpy()))

processor = Totals(SCHEMAS, sys.argv[1])
print(processor, flush=True)
with dal.end_on_sigterm():
    while True:
        processor.process()
"""
)
names: dict = {}
exec(SCHEMAS, names)
place = names["place"]


@pytest.fixture
def caller(path: str, start: Callable[..., Program]) -> Iterator[Any]:
    """A caller, in this process, of functions in another one."""
    program = start(PROGRAM, path)
    program.line("Totals")
    with dal.Store(path) as store, dal.Caller(names["SCHEMAS"], store, timeout=WATCHDOG) as made:
        made.store = store  # type: ignore[attr-defined]
        yield made


def weighted(array: Any) -> Any:
    return (array * np.arange(array.size).reshape(array.shape)).sum(dtype=array.dtype)


def called(caller: Any, name: str, value: Any) -> Tuple[Any, bool, int]:
    """Calls a function: its sum, whether it saw the pages of ``value``, and how many bytes were copied."""
    before = caller.store.conn.stat()["copied"]
    outputs = getattr(caller, name)(values=value)
    total, where = outputs["sum"].get(WATCHDOG)[()], list(outputs["place"].get(WATCHDOG))
    if isinstance(value, pa.ChunkedArray):
        value = value.chunk(0)
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    return total, where == place(array), caller.store.conn.stat()["copied"] - before


MATRIX = np.arange(120.0 * 100).reshape(120, 100)


def test_what_get_gave_is_passed(caller: Any) -> None:
    ref = caller.store.put_new_tensor(MATRIX)
    array = ref.get()
    used = caller.store.conn.stat()["used"]
    for value in (array, array[:], array.view(), array.reshape(120, 100), memoryview(array), np.asarray(array)):
        assert called(caller, "total", value) == (weighted(MATRIX), True, 0)
    assert caller.store.conn.stat()["used"] == used
    # A put is a reference to the same object; each keeps it.
    again = caller.store.put_new_tensor(array)
    assert again.oid == ref.oid
    del ref, array
    assert np.array_equal(again.get(), MATRIX)


def test_slices_are_passed_as_parts(caller: Any) -> None:
    ref, complex_ref = caller.store.put_new_tensor(MATRIX), caller.store.put_new_tensor(MATRIX + 1j * MATRIX[::-1])
    array, used = ref.get(), caller.store.conn.stat()["used"]
    for value in (
        array[10:90],
        array[:, 5:50],
        array[::-2, ::3],
        array[::-1, ::-1],
        array.T,
        array[:, 7:8],
        array.reshape(60, 200)[3:, 150:],
        complex_ref.get().real,
        complex_ref.get()[::2].imag,
    ):
        assert called(caller, "total", value) == (weighted(value), True, 0)
    assert called(caller, "line", array[17]) == (weighted(array[17]), True, 0)
    # A function that asks for an order gets it by a copy, which is counted.
    assert called(caller, "in_f", array[:, 5:50]) == (weighted(MATRIX[:, 5:50]), False, 120 * 45 * 8)
    assert called(caller, "in_f", array.T) == (weighted(MATRIX.T), True, 0)
    rows = caller.total_batch([{"values": array[:, at : at + 10]} for at in range(0, 100, 10)])
    for at, row in enumerate(rows):
        assert row["sum"].get(WATCHDOG)[()] == weighted(MATRIX[:, 10 * at : 10 * at + 10])
        assert list(row["place"].get(WATCHDOG)) == place(array[:, 10 * at :])
    del rows, row
    assert caller.store.conn.stat()["used"] == used
    # What is put has an ID of its own.
    assert caller.store.put_new_tensor(array[10:90]).oid != ref.oid


def test_columns_of_a_table_are_passed_as_tensors(caller: Any) -> None:
    ref = caller.store.put_new_table(FLUX)
    column = ref.get().column("flux")
    flux = column.chunk(0).to_numpy()
    for value in (column, column.chunk(0), column.chunk(0)[100:200], flux[::-3], memoryview(flux)):
        assert called(caller, "line", value) == (weighted(np.asarray(value)), True, 0)


def test_what_was_written_in_place_is_passed(caller: Any) -> None:
    ref = caller.store.new_tensor_ref(pa.float64(), ["row", "chan"])
    array = ref.create(MATRIX.shape)
    array[:] = MATRIX
    ref.seal()
    # It was written at another address than it is read at: the page is the same.
    assert called(caller, "total", array) == (weighted(MATRIX), True, 0)


def test_what_is_elsewhere_is_copied_once_and_counted(caller: Any) -> None:
    assert called(caller, "total", MATRIX) == (weighted(MATRIX), False, MATRIX.nbytes)
    assert called(caller, "total", MATRIX.astype(">f8")) == (weighted(MATRIX), False, MATRIX.nbytes)
    assert called(caller, "total", np.asfortranarray(MATRIX)) == (weighted(MATRIX), False, MATRIX.nbytes)
    assert called(caller, "total", MATRIX[::-2, ::3])[::2] == (weighted(MATRIX[::-2, ::3]), 60 * 34 * 8)
    # Integers are widened, which is a copy.
    assert called(caller, "total", np.arange(6).reshape(2, 3))[::2] == (55.0, 48)
    stored = caller.store.put_new_tensor(np.arange(12000).reshape(120, 100))
    assert called(caller, "total", stored.get()) == (weighted(MATRIX), False, MATRIX.nbytes)


def test_a_large_copy_is_told_with_its_reason(path: str, start: Callable[..., Program]) -> None:
    source = """
        import sys, numpy as np, ska_sdp_dal as dal
        with dal.Store(sys.argv[1]) as store:
            ref = store.put_new_tensor(np.ones((512, 513)))
            store.put_new_tensor(ref.get())
    """
    program = start(source, path, SDP_DAL_LOG="debug")
    program.line("copied 2101248 bytes into the store: its memory is not in this store")
    assert program.check() == [] and "copied" in str(program.err) and str(program.err).count("copied") == 1


def test_the_order_that_is_asked_for(caller: Any) -> None:
    in_f = caller.store.put_new_tensor(np.asfortranarray(MATRIX))
    assert called(caller, "in_f", in_f.get()) == (weighted(MATRIX), True, 0)
    assert called(caller, "total", in_f.get()) == (weighted(MATRIX), True, 0)
    in_c = caller.store.put_new_tensor(MATRIX)
    assert called(caller, "in_f", in_c.get()) == (weighted(MATRIX), False, MATRIX.nbytes)


def test_what_is_passed_outlives_its_names(caller: Any) -> None:
    ref = caller.store.put_new_tensor(MATRIX)
    array = ref.get()
    outputs = caller.total(values=array)
    del ref, array
    assert outputs["sum"].get(WATCHDOG)[()] == weighted(MATRIX)
    assert caller.store.conn.stat()["copied"] == 0


def test_what_is_deleted_is_copied(caller: Any) -> None:
    # A reference that was dropped deletes it.
    array = caller.store.put_new_tensor(MATRIX).get()
    assert called(caller, "total", array) == (weighted(MATRIX), False, MATRIX.nbytes)


def test_batches_and_broadcasts_pass_it_too(caller: Any) -> None:
    ref = caller.store.put_new_tensor(MATRIX)
    array = ref.get()
    batch = caller.total_batch([{"values": array}] * 32)
    with dal.Caller(names["SCHEMAS"], caller.store, broadcast=True, timeout=WATCHDOG) as all:
        batch += all.total(array)
    for outputs in batch:
        assert list(outputs["place"].get(WATCHDOG)) == place(array)
    assert caller.store.conn.stat()["copied"] == 0


FLUX = {"name": [f"source {n}" for n in range(2000)], "flux": np.arange(2000.0)}


def test_a_table_that_was_got_is_passed(caller: Any) -> None:
    ref = caller.store.put_new_table(FLUX)
    table = ref.get()
    flux = table.column("flux").chunk(0).to_numpy()

    def sent(value: Any) -> Tuple[float, bool, bool]:
        before = caller.store.conn.stat()["copied"]
        outputs = caller.rows(values=value)
        total, where = outputs["sum"].get(WATCHDOG)[()], list(outputs["place"].get(WATCHDOG))
        return total, where == place(flux), caller.store.conn.stat()["copied"] > before

    assert sent(table) == (flux.sum(), True, False)
    assert sent(table.to_batches()[0]) == (flux.sum(), True, False)
    assert caller.store.put_new_table(table).oid == ref.oid
    # Fewer rows, or columns.
    assert sent(table.slice(0, 1000)) == (flux[:1000].sum(), False, True)
    assert sent(table.select(["flux"])) == (flux.sum(), False, True)


class Labelled:
    """As much of an ``xarray.DataArray`` as is used of it."""

    def __init__(self, values: Any, dims: Tuple[str, ...]) -> None:
        self.values, self.dims, self.ndim = values, dims, values.ndim

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.values, dtype)


def test_dimension_names_come_with_the_values(caller: Any) -> None:
    ref = caller.store.put_new_tensor(Labelled(MATRIX, ("row", "chan")))
    assert ref.dim_names == ["row", "chan"]
    assert called(caller, "total", Labelled(ref.get(), ("row", "chan"))) == (weighted(MATRIX), True, 0)
    with pytest.raises(dal.InvalidArgument, match=r"found float64\[chan,row\], expected float64\[row,chan\]"):
        caller.total(values=Labelled(MATRIX.T, ("chan", "row")))
    # Names that xarray makes up are none.
    assert called(caller, "total", Labelled(ref.get(), ("dim_0", "dim_1"))) == (weighted(MATRIX), True, 0)
    assert caller.store.put_new_tensor(Labelled(MATRIX, ("dim_0", "chan"))).dim_names == ["", "chan"]
    given = caller.store.new_tensor_ref(pa.float64())
    given.put(Labelled(MATRIX, ("time", "freq")))
    assert given.get().shape == MATRIX.shape
