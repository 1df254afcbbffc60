# SPDX-License-Identifier: BSD-3-Clause
"""Generated arguments: each works and comes back exactly, or raises an error that the package documents, or a TypeError or
ValueError; never a SystemError, a crash, or a hang.

The suite runs the same examples every time; ``HYPOTHESIS_PROFILE=long pytest tests/test_fuzz.py`` runs many others."""

from __future__ import annotations

import os
import uuid
from typing import Any, Callable, Dict, Iterator, Tuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ska_sdp_dal as dal

COMMON: Dict[str, Any] = dict(deadline=None, database=None, suppress_health_check=list(HealthCheck))
settings.register_profile("suite", derandomize=True, max_examples=100, **COMMON)
settings.register_profile("long", max_examples=20_000, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

#: What an argument may be answered with.
REFUSED = (dal.DalError, TypeError, ValueError)

ECHO = dal.make_call_schema(
    "echo",
    [
        dal.make_par("i", pa.int16(), nullable=True),
        dal.make_par("f", pa.float32(), nullable=True),
        dal.make_par("s", pa.utf8(), nullable=True),
        dal.make_par("b", pa.binary(), nullable=True),
        dal.make_par("l", pa.list_(pa.int32()), nullable=True),
        dal.make_tensor_input_par("t", pa.float32(), ["x", "y"], nullable=True),
        dal.make_table_input_par("c", pa.schema([("a", pa.int32())]), nullable=True),
        dal.make_tensor_output_par("o", pa.int64(), []),
    ],
)


class Echo(dal.Processor):
    """Takes every input, and keeps what it got."""

    seen: Tuple[Any, ...] = ()

    def echo(self, o: Any, t: Any = None, c: Any = None, **values: Any) -> None:
        self.seen = (values, None if t is None else t.get(0), None if c is None else c.get(0))
        o.put(np.int64(1))


@pytest.fixture(scope="module")
def store() -> Iterator[dal.Store]:
    name = f"/dev/shm/sdp-dal-pytest-{uuid.uuid4().hex[:12]}"
    with dal.Store(name, size=64 << 20) as opened:
        yield opened


@pytest.fixture(scope="module")
def echo(store: dal.Store) -> Iterator[Tuple[Echo, dal.Caller]]:
    with Echo([ECHO], store.conn.plasma_path) as processor, dal.Caller([ECHO], store) as caller:
        yield processor, caller


# ---- tensors ----------------------------------------------------------------------------------------------------------

#: Element types that a tensor has.
HELD = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
TYPES = [None, *(dal.from_numpy_dtype(np.dtype(code)) for code in HELD)]

dtypes = st.one_of(
    st.sampled_from(HELD).map(np.dtype),
    st.sampled_from(HELD).map(lambda code: np.dtype(code).newbyteorder(">")),
    hnp.datetime64_dtypes(),
    hnp.unicode_string_dtypes(max_len=4),
    hnp.byte_string_dtypes(max_len=4),
    st.sampled_from(["O", "V3", "g", "i4,f8"]).map(np.dtype),
)

LAYOUTS: Dict[str, Callable[[Any], Any]] = {
    "as it is": lambda array: array,
    "F": np.asfortranarray,
    "transposed": lambda array: array.T,
    "backwards": lambda array: array[tuple(slice(None, None, -1) for _ in array.shape)],
    "every other": lambda array: array[tuple(slice(None, None, 2) for _ in array.shape)],
    "one row many times": lambda array: np.broadcast_to(array, (3, *array.shape)),
    "unaligned": lambda array: np.frombuffer(b"x" + array.tobytes(), array.dtype, array.size, 1).reshape(array.shape),
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
    "a list": lambda array: array.tolist(),
    "masked": lambda array: np.ma.masked_array(array, mask=array.size > 3),
}


#: What arrays of Python's objects hold.
objects = st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=2), st.booleans(), st.floats())


@st.composite
def arrays(draw: Any) -> Any:
    """Arrays of any type and shape, as they may lie in memory."""
    dtype, shape = draw(dtypes), draw(hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
    made = dtype.kind == "V" or dtype.char == "g"
    array = (
        np.zeros(shape, dtype)
        if made
        else draw(hnp.arrays(dtype, shape, elements=objects if dtype.hasobject else None))
    )
    layout = draw(st.sampled_from(sorted(LAYOUTS)))
    if array.dtype.hasobject and layout in ("unaligned", "read-only"):
        layout = "F"
    event(layout)
    return LAYOUTS[layout](array) if array.size or layout not in ("unaligned", "read-only") else array


def same(found: Any, given: Any) -> None:
    """The same elements, bit for bit, those that are no numbers included."""
    given = np.asarray(given)
    assert found.shape == given.shape
    assert found.dtype == given.dtype.newbyteorder("=")
    assert found.tobytes("C") == given.astype(found.dtype).tobytes("C")


@given(
    value=arrays(), typ=st.sampled_from(TYPES), names=st.one_of(st.none(), st.lists(st.text(max_size=4), max_size=6))
)
def test_tensors_come_back_or_are_refused(store: dal.Store, value: Any, typ: Any, names: Any) -> None:
    try:
        ref = store.put_new_tensor(value, typ, names)
    except REFUSED as problem:
        event(type(problem).__name__)
        held = isinstance(value, np.ndarray) and value.dtype.str[1:].lstrip("|") in (*HELD, "b1")
        plain = held and not isinstance(value, np.ma.MaskedArray) and typ is None and names is None
        assert not plain, f"{value!r} was refused: {problem}"
        return
    found = ref.get(0)
    if typ is None and isinstance(value, np.ndarray):
        same(found, value)
    else:
        np.testing.assert_array_equal(found, np.asarray(value))
    assert ref.dim_names is None or names is None or list(ref.dim_names) == names


# ---- tables -----------------------------------------------------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.integers(-100, 100),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-1000, max_value=1000),
    st.complex_numbers(allow_nan=False),
)
nested = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
)
#: Columns of one kind of value are more often accepted.
lists = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-100, 100)), max_size=5),
    st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=5),
    st.lists(st.lists(st.one_of(st.none(), st.integers(-100, 100)), max_size=3), max_size=5),
    st.lists(st.floats(allow_nan=False), max_size=5),
    st.lists(nested, max_size=4),
)
columns = st.one_of(
    lists,
    arrays(),
    lists.map(lambda values: np.array(values, dtype=object)),
    st.lists(st.integers(-9, 9), max_size=5).map(lambda values: pa.array(values, pa.int8())[1:]),
    st.lists(st.text(max_size=3), min_size=1, max_size=4).map(lambda values: pa.array(values).dictionary_encode()),
    st.lists(st.lists(st.integers(-9, 9), max_size=3), max_size=3).map(
        lambda chunks: pa.chunked_array(chunks, pa.int64())
    ),
    nested,
)
column_types = st.sampled_from(
    [
        pa.int8(),
        pa.uint64(),
        pa.float16(),
        pa.float32(),
        pa.utf8(),
        pa.binary(4),
        pa.list_(pa.int8()),
        pa.null(),
        pa.date32(),
    ]
)


@given(
    table=st.one_of(st.dictionaries(st.text(max_size=3), columns, max_size=3), nested),
    types=st.one_of(st.none(), st.lists(column_types, max_size=3)),
)
def test_tables_come_back_or_are_refused(store: dal.Store, table: Any, types: Any) -> None:
    schema = None
    if types is not None and isinstance(table, dict):
        schema = pa.schema(list(zip(table, types)))
    try:
        expected = pa.table(table, schema=schema) if isinstance(table, dict) else None
    except Exception as problem:
        expected = problem
    try:
        ref = store.put_new_table(table, schema)
    except REFUSED as problem:
        event(type(problem).__name__)
        return
    except pa.ArrowNotImplementedError:
        # Arrow's own, of columns that it cannot make.
        assert isinstance(expected, pa.ArrowNotImplementedError)
        return
    except OverflowError:
        assert isinstance(expected, OverflowError)
        return
    found = ref.get(0)
    found.validate(full=True)
    assert isinstance(expected, pa.Table)
    assert found.schema == expected.schema
    assert repr(found.to_pydict()) == repr(expected.to_pydict())


# ---- calls ------------------------------------------------------------------------------------------------------------

values = st.one_of(nested, arrays(), st.integers(-40_000, 40_000), st.floats(width=32), st.text(max_size=4))
tables = st.one_of(values, st.lists(st.integers(-9, 9), max_size=3).map(lambda numbers: {"a": numbers}))
matrices = st.one_of(values, hnp.arrays("f4", hnp.array_shapes(min_dims=2, max_dims=2, max_side=3)))
arguments = st.fixed_dictionaries(
    {},
    optional={"i": values, "f": values, "s": values, "b": values, "l": values, "t": matrices, "c": tables, "z": values},
)


@given(given_values=arguments)
def test_calls_take_their_values_or_refuse_them(echo: Tuple[Echo, dal.Caller], given_values: Dict[str, Any]) -> None:
    processor, caller = echo
    try:
        result = caller.call("echo", **given_values)
    except REFUSED as problem:
        event(type(problem).__name__)
        return
    assert processor.process(10)
    assert int(result["o"].get(0)) == 1
    seen, tensor, _table = processor.seen
    for name, value in given_values.items():
        if value is None:
            continue
        if name == "t":
            np.testing.assert_array_equal(tensor, np.asarray(value))
        elif name in ("i", "s", "b"):
            assert seen[name] == value
        elif name == "f":
            assert np.float32(seen[name]) == np.float32(value) or np.isnan(value)


# ---- everything else --------------------------------------------------------------------------------------------------

ids = st.one_of(st.binary(max_size=24), st.binary(min_size=20, max_size=20))
junk = st.one_of(nested, arrays(), ids, st.sampled_from([pa.int64(), pa.schema([]), dal.complex64, ..., object()]))
#: Not None: that waits for ever.
timeouts = st.one_of(st.floats(max_value=0.001), st.integers(max_value=0), st.text(max_size=2), st.binary(max_size=2))

FUNCTIONS: Dict[str, Callable[[dal.Store, Any, Any, Any], Any]] = {
    "put_new_tensor": lambda store, a, b, c: store.put_new_tensor(a, b, c),
    "casting": lambda store, a, b, c: store.put_new_tensor(a, casting=b),
    "new_tensor_ref": lambda store, a, b, c: store.new_tensor_ref(a, b),
    "make_tensor_ref": lambda store, a, b, c: store.make_tensor_ref(a, b, c),
    "put_new_table": lambda store, a, b, c: store.put_new_table(a, b),
    "new_table_ref": lambda store, a, b, c: store.new_table_ref(a),
    "make_table_ref": lambda store, a, b, c: store.make_table_ref(a, b),
    "create": lambda store, a, b, c: store.new_tensor_ref(pa.int8()).create(a),
    "put": lambda store, a, b, c: store.new_tensor_ref(pa.int8(), ["x"]).put(a),
    "put table": lambda store, a, b, c: store.new_table_ref().put(a, b),
    "add_reference": lambda store, a, b, c: store.put_new_tensor([1]).add_reference(a),
    "add_dependency": lambda store, a, b, c: store.new_tensor_ref().add_dependency(a),
    "object_exists": lambda store, a, b, c: store.conn.object_exists(a),
    "object_size": lambda store, a, b, c: store.conn.object_size(a),
    "delete": lambda store, a, b, c: store.conn.delete([a]),
    "reserve_namespace": lambda store, a, b, c: store.conn.reserve_namespace(a, b),
    "make_call_schema": lambda store, a, b, c: dal.make_call_schema(a, b, c),
    "make_par": lambda store, a, b, c: dal.make_par(a, b, c),
    "make_tensor_input_par": lambda store, a, b, c: dal.make_tensor_input_par(a, b, c),
    "make_table_input_par": lambda store, a, b, c: dal.make_table_input_par(a, b),
    "parse_hex_objectid": lambda store, a, b, c: dal.parse_hex_objectid(a),
    "object_id_hex": lambda store, a, b, c: dal.object_id_hex(a),
    "schema_compatible": lambda store, a, b, c: dal.schema_compatible(a, b),
    "Caller": lambda store, a, b, c: dal.Caller(a, store),
    "call": lambda store, a, b, c: dal.Caller([ECHO], store, minimum_processors=0).call(a, b, c),
    "Ref": lambda store, a, b, c: dal.Ref(store.conn, a),
}


@given(function=st.sampled_from(sorted(FUNCTIONS)), a=junk, b=junk, c=junk)
def test_nonsense_is_refused_by_name(store: dal.Store, function: str, a: Any, b: Any, c: Any) -> None:
    try:
        FUNCTIONS[function](store, a, b, c)
    except REFUSED as problem:
        event(f"{function}: {type(problem).__name__}")


@given(timeout=timeouts, oid=ids)
def test_timeouts_are_numbers(store: dal.Store, timeout: Any, oid: bytes) -> None:
    for wait in (
        lambda: store.conn.get_buffers([oid], timeout),
        lambda: store.make_tensor_ref(oid).get(timeout),
        lambda: store.make_table_ref(oid).wait(timeout),
    ):
        try:
            wait()
        except REFUSED as problem:
            event(type(problem).__name__)
