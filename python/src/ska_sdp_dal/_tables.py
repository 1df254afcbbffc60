# SPDX-License-Identifier: BSD-3-Clause
"""Tables and bytes between the library and pyarrow, over Arrow's C structs and without a copy."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping
from typing import Any, Dict, Iterator, Optional

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from ._native import address, check, ffi, filled, lib, new_arrow
from .errors import InvalidArgument


def buffer_of(handle: Any, also: Any = None) -> pa.Buffer:
    """Returns the data of an object. It takes over the handle and frees it with the buffer, which also keeps ``also``."""
    owned = ffi.gc(handle, lib.sdp_dal_buffer_free)
    info = filled("sdp_dal_buffer_info")
    check(lib.sdp_dal_buffer_get_info(owned, info))
    if info.data_size == 0:
        return pa.py_buffer(b"")
    return pa.foreign_buffer(address(info.data), info.data_size, (owned, also))


def table_of(stream: Any) -> pa.Table:
    """Returns the table of a stream of the library, which is moved."""
    return pa.RecordBatchReader._import_from_c(address(stream)).read_all()


def stream_of(table: pa.Table) -> Any:
    """Returns a table as a stream for the library, which moves it."""
    stream = new_arrow("struct ArrowArrayStream *")
    reader = pa.RecordBatchReader.from_batches(table.schema, iter(_batches(table)))
    reader._export_to_c(address(stream))
    return stream


def _batches(table: pa.Table) -> Any:
    """Returns record batches with the table's chunks, which must be equally long in all columns."""
    lengths = {tuple(len(chunk) for chunk in column.chunks if len(chunk)) for column in table.columns}
    if len(lengths) > 1:
        raise InvalidArgument(
            "the columns of the table have chunks of different lengths: combine_chunks() makes them equal"
        )
    return table.to_batches()


def table_from(table: Any, schema: Optional[pa.Schema] = None) -> pa.Table:
    """Returns a table that is given in any accepted form, with the columns of ``schema`` if that is given."""
    try:
        made = _made(table, schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, KeyError) as problem:
        raise InvalidArgument(f"this cannot be converted into a table of the expected columns: {problem}") from None
    return made


def _made(table: Any, schema: Optional[pa.Schema]) -> pa.Table:
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, Mapping):
        return _of_columns(dict(table), schema)
    if isinstance(table, pa.RecordBatchReader):
        return table.read_all()
    if _is_pandas(table):
        made = pa.Table.from_pandas(table, schema=schema, preserve_index=None if schema is None else False)
        return made if schema is None else _checked(made, table)
    if hasattr(table, "__arrow_c_stream__"):
        return pa.RecordBatchReader._import_from_c_capsule(table.__arrow_c_stream__()).read_all()
    raise InvalidArgument(
        f"{type(table).__name__} is no table: give a pyarrow.Table, a dictionary of columns, a data frame, or an object "
        "with __arrow_c_stream__"
    )


def _of_columns(columns: Dict[str, Any], schema: Optional[pa.Schema]) -> pa.Table:
    if schema is None:
        return pa.table(columns)
    # Arrow itself refuses to cut off the fractions of an array, but not those of a list.
    for field in schema:
        column: Any = columns.get(field.name)
        is_listed = pat.is_integer(field.type) and isinstance(column, (list, tuple))
        if is_listed and any(isinstance(number, (float, np.floating)) for number in column):
            columns[field.name] = pa.array(column)
    return _checked(pa.table(columns, schema=schema), columns)


def _checked(made: pa.Table, given: Any) -> pa.Table:
    """Returns a table, if no column is narrower than the given array, and none of its numbers has become infinite.
    Numbers of a list have no type, so they may be rounded.
    """
    for name, column in zip(made.schema.names, made.columns):
        if column.type not in (pa.float16(), pa.float32()):
            continue
        found, wanted = _number_type(given[name]), np.dtype(column.type.to_pandas_dtype())
        if found is not None and not np.can_cast(found, wanted, "safe"):
            raise InvalidArgument(
                f"column {name!r} is {found}, which {wanted} cannot hold without loss: give np.asarray(column, '{wanted}') "
                "to round it"
            )
        infinite = np.isinf(column.to_numpy())
        if infinite.any() and not np.isinf(np.asarray(given[name], float)[infinite]).all():
            raise InvalidArgument(f"column {name!r} has numbers that do not fit into {column.type}")
    return made


def _number_type(column: Any) -> Optional[np.dtype[Any]]:
    """Returns the type of an array's numbers; None for a value that is not an array or has no numbers."""
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        is_number = pat.is_integer(column.type) or pat.is_floating(column.type)
        return np.dtype(column.type.to_pandas_dtype()) if is_number else None
    dtype = getattr(column, "dtype", None)
    return dtype if isinstance(dtype, np.dtype) and dtype.kind in "fiu" else None


def _is_pandas(table: Any) -> bool:
    return type(table).__module__.partition(".")[0] == "pandas" and type(table).__name__ == "DataFrame"


def options(max_chunksize: Optional[int]) -> Any:
    """Returns the library's options for putting a table."""
    if max_chunksize is None:
        return ffi.NULL
    if max_chunksize < 1:
        raise InvalidArgument(f"max_chunksize is {max_chunksize}: give a number of rows, or None")
    made = filled("sdp_dal_table_options")
    made.max_chunksize = max_chunksize
    return made


def checked_schema(schema: Any) -> Any:
    """Returns the columns of a table, if they are given as a schema."""
    if not isinstance(schema, pa.Schema):
        raise TypeError(f"the columns are {schema!r}: give a pyarrow.Schema, or None for any")
    return schema


@contextlib.contextmanager
def exported(schema: Optional[pa.Schema]) -> Iterator[Any]:
    """Yields a schema that the library reads without taking it over; None is NULL."""
    if schema is None:
        yield ffi.NULL
        return
    checked_schema(schema)
    lent = ffi.new("struct ArrowSchema *")
    schema._export_to_c(address(lent))
    try:
        yield lent
    finally:
        if lent.release != ffi.NULL:
            lent.release(lent)


def expected(columns: Any) -> Any:
    """Returns what a reference expects of a table. The exported schema must be kept as long as this is used."""
    made = filled("sdp_dal_expectation")
    made.kind, made.columns = lib.SDP_DAL_PARAM_TABLE, columns
    return made


def needed(package: str, what: str) -> Any:
    """Returns an optional package."""
    try:
        return importlib.import_module(package)
    except ImportError as missing:
        raise ImportError(
            f"{what} needs the package {package}: install it with 'pip install {package}', or all optional packages with "
            "'pip install ska-sdp-dal[pandas,awkward]'"
        ) from missing
