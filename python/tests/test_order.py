# SPDX-License-Identifier: BSD-3-Clause
"""The order of tensors that a function asks for."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List

import numpy as np
import pyarrow as pa
import pytest
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal

SCHEMAS = """
import sys, logging
import numpy as np, pyarrow as pa
import ska_sdp_dal as dal
logging.basicConfig(level=logging.INFO, format="%(message)s")
DIMS, DOUBLE = ["n", "m"], pa.float64()
def schema(name, elem=DOUBLE, order=None, made=None, wanted=True):
    # A caller may leave out what the processor wants.
    order, made = (order, made) if wanted else (None, None)
    return dal.make_call_schema(name, [
        dal.make_tensor_input_par("f", elem, DIMS, order=order),
        dal.make_tensor_output_par("sum", DOUBLE, []),
        dal.make_tensor_output_par("put", elem, DIMS, order=made),
        dal.make_tensor_output_par("made", elem, DIMS, order=made),
    ])
def schemas(wanted=True):
    return [
        schema("as_stored", wanted=wanted),
        schema("in_c", order="C", made="F", wanted=wanted),
        schema("in_f", order="F", made="C", wanted=wanted),
        schema("complex_in_c", dal.complex128, "C", "C", wanted),
    ]
"""
PROCESSOR = (
    SCHEMAS
    + """
def by_rows(memory, rows, columns):
    "A stand-in for a C library that knows no strides."
    return sum((1 + 10 * i + 100 * j) * memory[i * columns + j] for i in range(rows) for j in range(columns))
class Order(dal.Processor):
    def run(self, order, f, sum, put, made):
        array = f.get()
        assert order is None or array.flags[f"{order}_CONTIGUOUS"], order
        assert array is not f.get() and np.shares_memory(array, f.get()) and not array.flags.writeable
        scribble = f.copy()
        assert order is None or scribble.flags[f"{order}_CONTIGUOUS"], order
        scribble[:] = 0
        self.written(array, order or "C", sum, put, made)
    def written(self, array, order, sum, put, made):
        memory = array.ravel(order="K").view(np.float64) if order == "C" else array.T.ravel(order="K")
        shape = array.shape if order == "C" else array.shape[::-1]
        if array.dtype.kind == "c":
            shape = (shape[0], 2 * shape[1])
        sum.put(by_rows(memory, *shape))
        put.put(array)
        made.create(array.shape)[:] = array
    def as_stored(self, f, sum, put, made):
        array = f.get()
        sum.put(by_rows(np.ascontiguousarray(array).ravel(), *array.shape))
        put.put(array)
        made.create(array.shape)[:] = array
    def in_c(self, **parameters):
        self.run("C", **parameters)
    def in_f(self, **parameters):
        self.run("F", **parameters)
    def complex_in_c(self, **parameters):
        self.run("C", **parameters)
proc = Order(schemas(), sys.argv[1])
while True:
    try:
        proc.process()
    except KeyboardInterrupt:
        sys.exit(0)
"""
)


@pytest.fixture(params=[True, False], ids=["the same schemas", "schemas without orders"])
def caller(request: Any, path: str, start: Callable[..., Program]) -> Iterator[dal.Caller]:
    """A caller of the processor above, which is a process of its own."""
    names: Dict[str, Any] = {}
    exec(SCHEMAS, names)
    start(PROCESSOR, path).line("Order waiting for calls at prefix ")
    with dal.Store(path) as store, dal.Caller(names["schemas"](request.param), store, timeout=WATCHDOG) as made:
        made.store = store  # type: ignore[attr-defined]
        yield made


def by_rows(array: Any) -> float:
    rows, columns = array.shape
    factors = 1 + 10 * np.arange(rows)[:, np.newaxis] + 100 * np.arange(columns)
    return float((factors * array).sum())


def inputs() -> List[Any]:
    f = np.arange(35.0).reshape(5, 7)
    return [f, np.asfortranarray(f), f.T, np.arange(280.0).reshape(10, 28)[::2, ::4]]


def test_a_function_gets_the_order_that_it_asks_for(caller: Any) -> None:
    for array in inputs():
        stored = caller.store.put_new_tensor(array)
        for given in (array, stored):
            for name, right, order in (
                ("as_stored", by_rows(array), None),
                ("in_c", by_rows(array), "F"),
                ("in_f", by_rows(array.T), "C"),
            ):
                outputs = getattr(caller, name)(given)
                assert outputs["sum"].get(WATCHDOG) == right, name
                for output in ("put", "made"):
                    found = outputs[output].get(WATCHDOG)
                    assert np.array_equal(found, array)
                    assert order is None or found.flags[f"{order}_CONTIGUOUS"], (name, output)


def test_complex_numbers_keep_their_parts_together(caller: Any) -> None:
    array = np.arange(12).reshape(3, 4) * (1 - 2j)
    for given in (array, np.asfortranarray(array)):
        outputs = caller.complex_in_c(given)
        assert outputs["sum"].get(WATCHDOG) == by_rows(array.view(np.float64))
        assert np.array_equal(outputs["made"].get(WATCHDOG), array)


def test_schemas_say_the_order() -> None:
    par = dal.make_tensor_input_par("f", pa.float64(), ["n"], order="F")
    assert par.metadata[b"proc:order"] == b"F" and dal.par_tensor_order(par) == "F"
    assert dal.par_tensor_order(dal.make_tensor_output_par("f", pa.float64(), ["n"], order="C")) == "C"
    plain = dal.make_tensor_input_par("f", pa.float64(), ["n"])
    assert dal.par_tensor_order(plain) is None and dal.par_tensor_order(dal.make_par("x", pa.int64())) is None
    assert dal.schema_compatible(dal.make_call_schema("f", [plain]), dal.make_call_schema("f", [par])) == []
    for wrong in ("K", "c", ""):
        with pytest.raises(dal.InvalidArgument, match="give 'C' or 'F'"):
            dal.make_tensor_output_par("f", pa.float64(), ["n"], order=wrong)
    with pytest.raises(dal.InvalidArgument, match="'proc:order' is 'K', expected C or F"):
        dal.make_call_schema("f", [par.with_metadata({**par.metadata, b"proc:order": b"K"})])


def test_a_basic_processor_gets_it_too(path: str) -> None:
    schema = dal.make_call_schema(
        "parts",
        [
            dal.make_tensor_input_par("c", dal.complex64, ["row", "pol"], order="C"),
            dal.make_tensor_input_par("f", dal.complex64, ["row", "pol"]),
        ],
    )
    vis = np.asfortranarray(np.arange(6).reshape(3, 2).astype(np.complex64) * 1j)
    seen: Dict[str, Any] = {}

    class Parts(dal.BasicProcessor):
        def _process_call(self, proc_func: str, batch: pa.RecordBatch) -> None:
            for name in ("c", "f"):
                seen[name] = self.tensor_parameter(batch, name).to_numpy().copy("K")

    with Parts([schema], path) as processor, dal.Store(path) as store:
        with dal.Caller([schema], store) as caller:
            stored = store.put_new_tensor(vis)
            caller.parts(stored, stored)
            processor.process(WATCHDOG, catch_exceptions=False)
    assert seen["c"].flags.c_contiguous and not seen["f"].flags.c_contiguous
    for array in seen.values():
        assert np.array_equal(array[..., 0] + 1j * array[..., 1], vis)
