# SPDX-License-Identifier: BSD-3-Clause
"""References that come from other processes: unpickled, or adopted from a text."""

from __future__ import annotations

from typing import Any, Dict, Tuple, Type, TypeVar, Union, overload

from ._connection import Connection
from ._native import encoded, error, ffi, last_error, lib, own
from ._parts import part_of
from ._ref import Ref, advised, opened
from ._table_ref import TableRef
from ._tensor_ref import TensorRef
from .errors import DalError, ObjectDeleted, StoreNotFound
from .ids import ObjectID

_tensor_pp = ffi.typeof("sdp_dal_tensor **")
_ref_pp = ffi.typeof("sdp_dal_ref **")


def unpickled(
    kind: Type[Ref], plasma_path: str, oid: ObjectID, expected: Tuple[Any, ...], exported: Union[str, DalError, None]
) -> Ref:
    """Returns the reference that was pickled, or one that raises the reason why its object is not available."""
    try:
        if isinstance(exported, DalError):
            raise exported
        if exported is None:
            return kind(_connection_to(plasma_path), oid, *expected)
        made = kind.__new__(kind)
        made._begin(*_imported(exported, plasma_path))
        made._part = part_of(made._handle)
    except DalError as problem:
        # Raised here, the error would end the process that unpickles: pools and engines lose a worker, or hang.
        lost: Any = _LOST[kind]
        made = lost.__new__(lost)
        made._lose(problem.with_traceback(None), plasma_path, oid)
    made._expect(*expected)
    return made


Ref._unpickled = unpickled


def _imported(text: str, plasma_path: str) -> Tuple[Connection, Any]:
    """Returns an owning handle of an exported object, and a connection to its store at a path."""
    out = ffi.new(_ref_pp)
    status = lib.sdp_dal_ref_import(ffi.NULL, encoded(text, "the exported reference"), out)
    if status == lib.SDP_DAL_NOT_FOUND:
        raise advised(StoreNotFound(last_error(), status))
    if status:
        raise advised(error(status))
    handle = own(out, lib.sdp_dal_ref_free)
    return _connection_to(plasma_path), handle


def _connection_to(plasma_path: str) -> Connection:
    """Returns a connection to an existing store. It costs little, because a process is one client, whatever it opens."""
    try:
        return Connection._existing(plasma_path)
    except StoreNotFound as problem:
        raise advised(problem) from None


# ---- what cannot be had --------------------------------------------------------------------------------------------------


class _Lost:
    """A reference that was unpickled where its object is not available. Every use raises the reason."""

    def _lose(self, why: DalError, place: str, oid: ObjectID) -> None:
        self._why = why
        self._place = place
        self._id = oid

    @property
    def _handle(self) -> Any:
        # Another one each time: where it is raised must not keep what the callers of this hold.
        raise type(self._why)(str(self._why), self._why.status)

    @property
    def _conn(self) -> Any:
        return self._handle

    @_conn.setter
    def _conn(self, conn: Any) -> None:
        raise AttributeError("_conn")

    @property
    def oid(self) -> ObjectID:
        """The object's ID."""
        return self._id

    @property
    def is_owning(self) -> bool:
        """False, because this reference keeps nothing."""
        return False

    def exists(self) -> bool:
        """Returns whether the object exists."""
        return not isinstance(self._why, ObjectDeleted) and bool(self._handle)

    def _path(self) -> str:
        return self._place

    def _exported(self) -> DalError:
        return self._why


class _LostRef(_Lost, Ref):
    pass


class _LostTensor(_Lost, TensorRef):
    pass


class _LostTable(_Lost, TableRef):
    pass


_LOST: Dict[Type[Ref], Any] = {Ref: _LostRef, TensorRef: _LostTensor, TableRef: _LostTable}


# ---- adopting ------------------------------------------------------------------------------------------------------------

_AnyRef = TypeVar("_AnyRef", bound=Ref)


@overload
def adopt(text: str, kind: None = None, *, store: Any = None) -> Any: ...


@overload
def adopt(text: str, kind: Type[_AnyRef], *, store: Any = None) -> _AnyRef: ...


def adopt(text: str, kind: Any = None, *, store: Any = None) -> Any:
    """Creates an owning reference from a text of :meth:`.Ref.export`. Any process of the machine, in any language, may have
    exported it. No store is created.

    Args:
        text: The exported text.
        kind: TensorRef, TableRef or Ref. Default: the kind of the object; Ref if it does not exist yet.
        store: The Store or Connection of the object's store. Default: opened at the path that the exporting process used.

    Raises:
        InvalidArgument: The text is not an exported reference, or refers to another store.
        ObjectDeleted: The object was deleted.
        StoreNotFound: The store does not exist at the path.

    >>> import ska_sdp_dal as dal
    >>> store = dal.Store("/dev/shm/sdp-dal-doctest")
    >>> ref = store.put_new_tensor([1, 2])
    >>> dal.adopt(ref.export()).get()
    array([1, 2])
    >>> store.close()
    """
    if not isinstance(text, str):
        raise TypeError(f"the exported reference is {text!r}: give a text, as Ref.export() makes it")
    if kind not in (None, *_LOST):
        raise TypeError(f"the kind of the reference is {kind!r}: give TensorRef, TableRef or Ref")
    if store is None:
        # The path is the last part of the text, and is absolute.
        conn, handle = _imported(text, text[text.find("/") :])
    else:
        conn, out = getattr(store, "conn", store), ffi.new(_ref_pp)
        status = lib.sdp_dal_ref_import(opened(conn), encoded(text, "the exported reference"), out)
        if status:
            raise advised(error(status))
        handle = own(out, lib.sdp_dal_ref_free)
    part = part_of(handle)
    kind = kind or (TensorRef if part else _kind_of(handle))
    made = kind.__new__(kind)
    made._begin(conn, handle)
    made._part = part
    made._expect()
    return made


def _kind_of(handle: Any) -> Type[Ref]:
    """Returns the kind of an object."""
    tensor, stream = ffi.new(_tensor_pp), ffi.new("struct ArrowArrayStream *")
    if lib.sdp_dal_ref_get_tensor(handle, 0, tensor, ffi.NULL) == lib.SDP_DAL_OK:
        lib.sdp_dal_tensor_free(tensor[0])
        return TensorRef
    if lib.sdp_dal_ref_get_table(handle, 0, stream) == lib.SDP_DAL_OK:
        stream.release(stream)
        return TableRef
    return Ref
