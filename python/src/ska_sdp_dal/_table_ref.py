# SPDX-License-Identifier: BSD-3-Clause
"""References to tables."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Type, Union

import pyarrow as pa

from . import _show, _tables
from ._connection import Connection
from ._native import check, error, ffi, lib, nanoseconds, own
from ._ref import Ref, opened
from .errors import DalError
from .ids import AnyID, whole_id

_ref_pp = ffi.typeof("sdp_dal_ref **")


class TableRef(Ref):
    """Refers to a table, which may not exist yet, by its ID and what is expected of it.

    Args:
        conn: Connection to the store.
        oid: ID of the table's object.
        schema: Its columns; None for any.
        auto_delete: Delete the object that is written through this reference when the reference is dropped.
    """

    def __init__(
        self, conn: Connection, oid: AnyID, schema: Optional[pa.Schema] = None, auto_delete: bool = True
    ) -> None:
        out = ffi.new(_ref_pp)
        with _tables.exported(schema) as exported:
            check(lib.sdp_dal_ref_from_id(opened(conn), whole_id(oid), _tables.expected(exported), out))
        self._begin_table(conn, own(out, lib.sdp_dal_ref_free), schema, auto_delete)

    def _begin_table(
        self, conn: Connection, handle: Any, schema: Optional[pa.Schema], auto_delete: bool = True
    ) -> None:
        self._begin(conn, handle, auto_delete)
        self._schema = schema

    @property
    def schema(self) -> Optional[pa.Schema]:
        """The expected columns, or those of the existing table, or None."""
        if self._schema is None and self.exists():
            return self.get(0).schema
        return self._schema

    def _table(self) -> Optional[pa.Table]:
        """Returns the table, if it exists and matches what is expected."""
        try:
            return self.get(0) if self.exists() else None
        except DalError:
            return None

    @property
    def shape(self) -> Optional[Tuple[int, int]]:
        """The numbers of rows and columns; None if the table does not exist."""
        table = self._table()
        return None if table is None else (table.num_rows, table.num_columns)

    @property
    def nbytes(self) -> Optional[int]:
        """The bytes of all columns; None if the table does not exist."""
        table = self._table()
        return None if table is None else int(table.nbytes)

    def __len__(self) -> int:
        """Returns the number of rows. If the table does not exist, raises the same error as ``get(0)``."""
        return int(self.get(0).num_rows)

    def __bool__(self) -> bool:
        # A reference is one, however many rows its table has.
        return True

    def _shown(self) -> Tuple[str, Optional[pa.Table]]:
        """Returns a description in one line, and the table if it exists."""
        table = self._table()
        if table is None:
            return _show.line_of(self, _show.table_text(self._schema, None)), None
        return _show.line_of(self, _show.table_text(table.schema, table.num_rows), table.nbytes), table

    def _repr_html_(self) -> str:
        try:
            return _show.table_html(*self._shown())
        except Exception as problem:
            return _show.table_html(_show.unknown(self, problem), None)

    def get(self, timeout: Optional[float] = None) -> pa.Table:
        """Returns the table over its bytes in the store, without a copy. It keeps the bytes, even if the object is deleted.

        Args:
            timeout: Seconds to wait until the table exists; None for no limit.

        Raises:
            TimeoutException: It was not created in time.
            FunctionError: The function that was to create it raised an exception.
            ProcessorLost: The processor that was to create it crashed or was closed.
        """
        stream = ffi.new("struct ArrowArrayStream *")
        status = self._get_stream(timeout, stream)
        if status:
            raise error(status, [self], timeout)
        return _tables.table_of(stream)

    def _get_stream(self, timeout: Optional[float], stream: Any) -> int:
        return int(lib.sdp_dal_ref_get_table(self._handle, nanoseconds(timeout), stream))

    def get_dict(self) -> Dict[str, List[Any]]:
        """Returns the table as a dictionary from the columns' names to lists of Python values. Waits until it exists."""
        columns: Dict[str, List[Any]] = self.get().to_pydict()
        return columns

    def get_pandas(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the table as a pandas data frame. Waits until it exists.

        Args:
            args, kwargs: For :meth:`pyarrow.Table.to_pandas`.

        Raises:
            ImportError: pandas is not installed.
        """
        _tables.needed("pandas", "get_pandas()")
        return self.get().to_pandas(*args, **kwargs)

    def get_awkward(self) -> Any:
        """Returns the table as an awkward array, in general without a copy. Waits until it exists.

        Raises:
            ImportError: awkward is not installed.
        """
        return _tables.needed("awkward", "get_awkward()").from_arrow(self.get())

    def _value(self) -> Any:
        return self.get(0)

    def put(
        self,
        table: Union[pa.Table, Mapping[str, Any], Iterable[Any], Any],
        max_chunksize: Optional[int] = None,
        *,
        full_timeout: Optional[float] = None,
    ) -> None:
        """Writes the table, with one copy into the store.

        Args:
            table: A :class:`pyarrow.Table` or record batch, a pandas data frame, a dictionary from names to arrays or
                lists, or an object with ``__arrow_c_stream__``. The chunks of all columns must be equally long.
            max_chunksize: Maximum number of rows of a record batch.
            full_timeout: Seconds to wait for space if the store is full; 0 does not wait, and ``math.inf`` has no limit.
                Default: that of the store, or of the processor for an output.

        Raises:
            AlreadyExists: It was written before.
            InvalidArgument: The table does not match the expected columns.
        """
        if full_timeout is not None:
            self._wait_for_space(full_timeout)
        self._put_stream(_tables.stream_of(_tables.table_from(table, self._schema)), _tables.options(max_chunksize))

    def _put_stream(self, stream: Any, options: Any) -> None:
        check(lib.sdp_dal_ref_put_table(self._handle, stream, options))
        self._written()

    def _expected(self) -> Tuple[Any, ...]:
        return (self._schema,)

    def _expect(self, schema: Optional[pa.Schema] = None) -> None:
        self._schema = schema

    @property
    def _kind(self) -> Type[Ref]:
        return TableRef

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.get().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        schema = self.schema
        return (schema if schema is not None else self.get().schema).__arrow_c_schema__()
