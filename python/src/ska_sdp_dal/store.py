# SPDX-License-Identifier: BSD-3-Clause
"""Namespaces for the objects that a program puts into a store."""

from __future__ import annotations

import logging
from typing import Any, Mapping, Optional, Sequence, Union

import pyarrow as pa

from . import _arrays, _tables
from ._closes import Closes
from ._connection import Connection, prefix_of
from ._native import check, ffi, filled, full_nanoseconds, lib, own
from ._tensor_ref import tensor_ref
from .common import ElemType, elem_code, object_id_hex
from .errors import InvalidArgument
from .ids import AnyID
from .references import TableRef, TensorRef

_log = logging.getLogger(__name__)
_put = lib.sdp_dal_tensor_put
converted, view_of = _arrays.converted, _arrays.view_of
_ref_pp = ffi.typeof("sdp_dal_ref **")


class Store(Closes):
    """A namespace in a store, for tensors and tables that are shared.

    An object that is put belongs to its reference, and is deleted when its last reference is dropped.

    Args:
        plasma_path: Path of the store. It is created if it does not exist, and removed when its last client closes.
        max_attempts: Ignored, because IDs never collide.
        name: Displayed name of the namespace. Default: the name of the class.
        size: Size of a new store in bytes. Default: the environment variable SDP_DAL_STORE_SIZE, or half of the free
            space in the tmpfs or cgroup, whichever is less.
        full_timeout: Seconds that everything put into the namespace waits for space if the store is full; 0 does not
            wait, and ``math.inf`` has no limit. Default: the environment variable SDP_DAL_FULL_TIMEOUT, or 10 s, and only
            while another client can free space.
    """

    def __init__(
        self,
        plasma_path: str,
        max_attempts: int = 10000,
        name: Optional[str] = None,
        *,
        size: Optional[int] = None,
        full_timeout: Optional[float] = None,
    ) -> None:
        full_ns = full_nanoseconds(full_timeout)
        self._conn = Connection(plasma_path, size=size)
        self._space = self._conn._reserve(name or type(self).__name__, (), b"")
        check(lib.sdp_dal_store_set_full_timeout(self._space, full_ns))
        self._prefix = prefix_of(self._space)
        _log.info("Store using prefix %s for objects", object_id_hex(self._prefix))

    @property
    def conn(self) -> Connection:
        """The connection to the store."""
        return self._conn

    @property
    def prefix(self) -> bytes:
        """The prefix of the namespace, with which the IDs of all its objects begin."""
        return self._prefix

    def close(self) -> None:
        """Closes the namespace. References and arrays that were created from it stay valid."""
        if self._space is not None:
            ffi.release(self._space)
            self._space = None
            self._conn.close()

    def __repr__(self) -> str:
        if "_prefix" not in self.__dict__:
            return f"<{type(self).__name__}>"
        closed = ", closed" if self._space is None else ""
        return f"<{type(self).__name__} {self._prefix.hex()} in {self._conn.plasma_path}{closed}>"

    @property
    def _open(self) -> Any:
        """The handle of the open namespace."""
        if self._space is None:
            raise InvalidArgument(f"the store {self._conn.plasma_path} was closed")
        return self._space

    # ---- tensors -------------------------------------------------------------------------------------------------

    def put_new_tensor(
        self,
        arr: Any,
        typ: Optional[ElemType] = None,
        dim_names: Optional[Sequence[str]] = None,
        *,
        casting: str = "safe",
        full_timeout: Optional[float] = None,
    ) -> TensorRef:
        """Puts a tensor, with one copy into the store. Values that are in the store already, as those of an array from
        :meth:`.TensorRef.get`, are not copied: the reference is then to the object that has them.

        Args:
            arr: The values, in any layout.
            typ: The type of its elements. Default: that of the values.
            dim_names: The names of its dimensions. Default: those of an ``xarray.DataArray``, and none for other values.
            casting: numpy's rule by which values of another element type are converted; see :meth:`.TensorRef.put`.
            full_timeout: Seconds to wait for space if the store is full; 0 does not wait, and ``math.inf`` has no limit.
                Default: that of the store. With it values that are in the store already are copied, too.

        Returns:
            An owning reference.

        Raises:
            OutOfMemory: The store is full, and no space is freed in time.
            InvalidArgument: The values do not match the expected type or dimensions.
        """
        code = 0 if typ is None else elem_code(typ)
        if dim_names is None:
            dim_names = _arrays.dims_of(arr)
        array, code = converted(arr, code, None if dim_names is None else len(dim_names), "the value", casting)
        if dim_names is not None and len(dim_names) != array.ndim:
            raise InvalidArgument(
                f"the value has {array.ndim} dimensions, but {len(dim_names)} names were given for them"
            )
        if full_timeout is not None:
            made = self.new_tensor_ref(array.dtype if typ is None else typ, dim_names)
            made.put(array, full_timeout=full_timeout)
            return made
        view = view_of(array, code, None if dim_names is None else _arrays.names_of(dim_names))
        status = _put(self._space or self._open, view.raw, view.out)
        if status:
            check(status)
        made = tensor_ref(self._conn, view.out[0], code, dim_names)
        view.done()
        return made

    def new_tensor_ref(self, typ: Optional[ElemType] = None, dim_names: Optional[Sequence[str]] = None) -> TensorRef:
        """Returns an owning reference to a tensor that does not exist yet, for the output of a call or for writing later.

        Args:
            typ: The type of its elements; None for any.
            dim_names: The names of its dimensions; None for any.
        """
        code = 0 if typ is None else elem_code(typ)
        expected, _kept = _arrays.expected(code, dim_names)
        out = ffi.new(_ref_pp)
        check(lib.sdp_dal_ref_new(self._open, expected, out))
        return tensor_ref(self._conn, out[0], code, dim_names)

    def make_tensor_ref(
        self, oid: AnyID, typ: Optional[ElemType] = None, dim_names: Optional[Sequence[str]] = None
    ) -> TensorRef:
        """Returns a borrowed reference to a tensor that exists or will be created.

        Args:
            oid: ID of its object.
            typ: The type of its elements; None for any.
            dim_names: The names of its dimensions; None for any.
        """
        return TensorRef(self._conn, oid, typ, dim_names)

    # ---- tables --------------------------------------------------------------------------------------------------

    def put_new_table(
        self,
        table: Union[pa.Table, Mapping[str, Any], Any],
        schema: Optional[pa.Schema] = None,
        *,
        full_timeout: Optional[float] = None,
    ) -> TableRef:
        """Puts a table, with one copy into the store. A table that :meth:`.TableRef.get` returned is in the store already
        and is not copied: the reference is then to the object that has it.

        Args:
            table: The table, in any form that :meth:`.TableRef.put` accepts.
            schema: Its columns. Default: those of the table.
            full_timeout: Seconds to wait for space if the store is full; 0 does not wait, and ``math.inf`` has no limit.
                Default: that of the store.

        Returns:
            An owning reference.

        Raises:
            OutOfMemory: The store is full, and no space is freed in time.
            InvalidArgument: The table does not match the expected columns.
        """
        if schema is not None:
            made = self.new_table_ref(schema)
            made.put(table, full_timeout=full_timeout)
            return made
        options = ffi.NULL
        if full_timeout is not None:
            options = filled("sdp_dal_table_options")
            options.full_timeout_ns = full_nanoseconds(full_timeout)
        out = ffi.new(_ref_pp)
        stream = _tables.stream_of(_tables.table_from(table))
        check(lib.sdp_dal_table_put(self._space or self._open, stream, options, out))
        made = TableRef.__new__(TableRef)
        made._begin_table(self._conn, own(out, lib.sdp_dal_ref_free), None)
        return made

    def new_table_ref(self, schema: Optional[pa.Schema] = None) -> TableRef:
        """Returns an owning reference to a table that does not exist yet, for the output of a call or for writing later.

        Args:
            schema: Its columns; None for any.
        """
        out = ffi.new(_ref_pp)
        with _tables.exported(schema) as exported:
            check(lib.sdp_dal_ref_new(self._open, _tables.expected(exported), out))
        made = TableRef.__new__(TableRef)
        made._begin_table(self._conn, own(out, lib.sdp_dal_ref_free), schema)
        return made

    def make_table_ref(self, oid: AnyID, schema: Optional[pa.Schema] = None) -> TableRef:
        """Returns a borrowed reference to a table that exists or will be created.

        Args:
            oid: ID of its object.
            schema: Its columns; None for any.
        """
        return TableRef(self._conn, oid, schema)
