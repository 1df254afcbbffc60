# SPDX-License-Identifier: BSD-3-Clause
"""References to objects that may not exist yet."""

from __future__ import annotations

import weakref
from typing import Any, Callable, Dict, Generator, Optional, Sequence, Tuple, Type, Union

import pyarrow as pa

from . import _show, _tables
from ._connection import Connection
from ._native import check, error, ffi, lib, nanoseconds, own, text_of
from ._waitable import Waitable
from .errors import DalError, NotFound, ObjectDeleted, StoreNotFound
from .ids import AnyID, ObjectID, whole_id

_ref_pp = ffi.typeof("sdp_dal_ref **")


class Ref(Waitable):
    """Refers to an object in the store, which may not exist yet.

    There are two kinds. An *owning* reference (from putting, from :meth:`.Store.new_tensor_ref`, or an output of a call)
    keeps its object: when the last one goes the object is deleted, and a call that was to make it is cancelled. A
    *borrowed* one (made from an ID, or received in a call) never deletes what others wrote.

    References pickle. What is unpickled, in whatever process of the machine, is an owning reference to the same object, and
    to no later one of the same ID; it is enough to keep the pickled reference until then. If the object is gone or lies in
    another store, every use of the reference raises why, at once. (An object that was not written yet, and that no call is
    to make, is pickled by its ID: as a borrowed reference.)

    Args:
        conn: Connection to the store.
        oid: ID of the object.
        auto_delete: Delete what is written through this reference when it goes.
        dependencies: Objects that must live until this one exists.
        references: Objects that must live as long as this one is needed.
    """

    _conn: Connection

    def __init__(
        self,
        conn: Connection,
        oid: AnyID,
        auto_delete: bool = True,
        dependencies: Sequence[Ref] = [],
        references: Sequence[Ref] = [],
    ) -> None:
        out = ffi.new(_ref_pp)
        check(lib.sdp_dal_ref_from_id(opened(conn), whole_id(oid), ffi.NULL, out))
        self._begin(conn, own(out, lib.sdp_dal_ref_free), auto_delete)
        for other in dependencies:
            self.add_dependency(other)
        for other in references:
            self.add_reference(other)

    def _begin(self, conn: Connection, handle: Any, auto_delete: bool = True) -> None:
        self._conn = conn
        self._handle = handle
        if not auto_delete:
            self._auto_delete = False

    # ---- which object --------------------------------------------------------------------------------------------

    @property
    def conn(self) -> Connection:
        """The connection to the store that the object lies in."""
        return self._conn

    def __repr__(self) -> str:
        try:
            return _show.line_of(self, "")
        except Exception as problem:
            return _show.unknown(self, problem)

    def export(self) -> str:
        """A text from which :func:`.adopt` makes an owning reference to the same object: in another process, or by the C,
        C++ or Rust library. The text keeps nothing: keep this reference until it was adopted.

        Raises:
            NotFound: There is no object yet, and no call is to make it.
            ObjectDeleted: The object is gone.
        """
        return text_of(lib.sdp_dal_ref_export, self._handle)

    def __reduce__(self) -> Any:
        # It makes references of all kinds.
        from ._passing import unpickled

        return (unpickled, (self._kind, self._path(), self.oid, self._expected(), self._exported()))

    @property
    def _kind(self) -> Type[Ref]:
        """What it is unpickled as."""
        return Ref

    def _path(self) -> str:
        """Where other processes find the store."""
        return self._conn._absolute_path

    def _expected(self) -> Tuple[Any, ...]:
        """What is expected of the object, as the class takes it behind the ID."""
        return ()

    def _expect(self) -> None:
        """Takes what :meth:`_expected` gave."""

    def _exported(self) -> Union[str, DalError, None]:
        """The exported text; or why the object is gone; None if it has no life yet, so that only its ID is known."""
        try:
            return self.export()
        except ObjectDeleted as problem:
            why: DalError = advised(problem)
            return why
        except NotFound:
            return None

    # ---- what lives with it --------------------------------------------------------------------------------------

    def add_dependency(self, ref: Ref, timeout: Optional[float] = 0) -> None:
        """Keeps another object alive until this one exists: a call, as a rule.

        Args:
            ref: What must live until then.
            timeout: Seconds to wait until that exists.

        Raises:
            TimeoutException: It did not come to exist in time.
        """
        if not isinstance(ref, Ref):
            raise TypeError(f"the dependency is {ref!r}: give a reference, as Ref(conn, oid)")
        status = lib.sdp_dal_ref_add_dependency(self._handle, ref._handle, nanoseconds(timeout))
        if status:
            raise error(status, [ref], timeout)

    def add_reference(self, ref: Union[Ref, AnyID], timeout: Optional[float] = 0) -> None:
        """Keeps another object alive as long as this one is referred to.

        Args:
            ref: What must live as long, as a reference or an ID.
            timeout: Seconds to wait until that exists.

        Raises:
            TimeoutException: It did not come to exist in time.
        """
        other = ref if isinstance(ref, Ref) else Ref(self._conn, ref)
        status = lib.sdp_dal_ref_add_reference(self._handle, other._handle, nanoseconds(timeout))
        if status:
            raise error(status, [other], timeout)

    # ---- without blocking ----------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Any]:
        """Waits in an event loop, and gives what ``get()`` gives (of a :class:`.Ref` what :meth:`get_buffer` gives)."""
        from ._event_loop import value_of

        return value_of(self).__await__()

    def _value(self) -> Any:
        """What awaiting it gives: the object exists, or never will."""
        return self.get_buffer(0)

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Lets a function be called once, with this reference, when the object exists or never will: ``get(0)`` then gives
        the value, or raises why there is none.

        In a thread whose event loop runs it is called by that loop. All others share one thread in which their callbacks are
        called, one after the other: they must not block. The reference is kept until then.

        Args:
            callback: The function. An exception that it raises is logged.
        """
        from ._event_loop import call_back

        call_back(self, callback)

    # ---- its bytes -----------------------------------------------------------------------------------------------

    def get_buffer(self, timeout: Optional[float] = None, auto_delete: bool = True) -> pa.Buffer:
        """The object's bytes, whatever it is, without a copy. The buffer keeps them.

        Args:
            timeout: Seconds to wait until the object exists; None for as long as it takes.
            auto_delete: False makes the object stay when its last reference goes.

        Raises:
            TimeoutException: It did not come to exist in time.
        """
        if not auto_delete:
            self.disown()
        out = ffi.new("sdp_dal_buffer **")
        status = lib.sdp_dal_ref_get_buffer(self._handle, nanoseconds(timeout), out)
        if status:
            raise error(status, [self], timeout)
        return _tables.buffer_of(out[0])

    def _written(self) -> None:
        """The object was written through this reference."""
        if not self._auto_delete:
            check(lib.sdp_dal_ref_disown(self._handle))
        elif not self.is_owning and self._conn._is_kept(self.oid):
            # An ID that nobody had promised, so that nobody wants it: then it lives as long as this reference.
            weakref.finalize(self, _delete, self._conn, self.oid)


def opened(conn: Any) -> Any:
    """The handle of a connection that was given."""
    if not hasattr(conn, "_open"):
        raise TypeError(f"the connection is {conn!r}: give a Connection, as Store(path).conn")
    return conn._open


def _delete(conn: Connection, oid: ObjectID) -> None:
    if conn._store is not None:
        lib.sdp_dal_object_delete(conn._store, bytes(oid), lib.SDP_DAL_DELETE_NOW)


# ---- to other processes ------------------------------------------------------------------------------------------------

#: What to do about what keeps a reference from being adopted.
_ADVICE: Dict[Type[DalError], str] = {
    ObjectDeleted: "an owning reference to it must be kept until this one was unpickled or adopted; for one that a function "
    "returns from a worker process call disown() on it there, and the object stays until it is deleted by its ID",
    StoreNotFound: "a reference can be used while its store exists, and on its machine: elsewhere send the value, as "
    "get() gives it",
}


def advised(problem: Any) -> Any:
    """An error that also says what to do about it."""
    # That it is another store's, the library says with what to do.
    advice = None if "another store" in str(problem) else _ADVICE.get(type(problem))
    return problem if advice is None else type(problem)(f"{problem}; {advice}", problem.status)
