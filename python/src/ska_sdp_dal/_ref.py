# SPDX-License-Identifier: BSD-3-Clause
"""References to objects that may not exist yet."""

from __future__ import annotations

import weakref
from typing import Any, Callable, ClassVar, Dict, Generator, Optional, Sequence, Tuple, Type, Union

import pyarrow as pa

from . import _show, _tables
from ._connection import Connection
from ._native import check, error, ffi, full_nanoseconds, lib, nanoseconds, own, text_of
from ._waitable import Waitable
from .errors import DalError, InvalidArgument, NotFound, ObjectDeleted, StoreNotFound
from .ids import AnyID, ObjectID, whole_id

_ref_pp = ffi.typeof("sdp_dal_ref **")


class Ref(Waitable):
    """Refers to an object in the store, which may not exist yet.

    There are two kinds. An *owning* reference (from putting, from :meth:`.Store.new_tensor_ref`, or an output of a call)
    keeps its object. When the last one is dropped, the object is deleted, and a call that was to create it is cancelled. A
    *borrowed* one (created from an ID, or received in a call) never deletes objects that others wrote.

    References can be pickled. Unpickling, in any process of the machine, returns an owning reference to the same object,
    and never to a later one with the same ID. It is enough to keep the pickled reference until then. If the object was
    deleted or is in another store, every use of the reference raises the reason at once. (An object that was not written
    yet, and that no call will create, is pickled by its ID as a borrowed reference.)

    Args:
        conn: Connection to the store.
        oid: ID of the object.
        auto_delete: Delete the object that is written through this reference when the reference is dropped.
        dependencies: Objects that must be kept until this one exists.
        references: Objects that must be kept as long as this one is needed.
    """

    _conn: Connection
    _part: Optional[str] = None
    #: Makes references of all kinds from what they are pickled as: set by the module _passing, which knows the kinds.
    _unpickled: ClassVar[Callable[..., Ref]]

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

    def _wait_for_space(self, full_timeout: Optional[float]) -> None:
        """Sets how long writing the object waits for space if the store is full."""
        check(lib.sdp_dal_ref_set_full_timeout(self._handle, full_nanoseconds(full_timeout)))

    # ---- which object --------------------------------------------------------------------------------------------

    @property
    def conn(self) -> Connection:
        """The connection to the store of the object."""
        return self._conn

    @property
    def part(self) -> Optional[str]:
        """The part of its object that this reference refers to, such as ``[:, 0:64]``; None for the whole object."""
        return self._part

    def binary(self) -> bytes:
        """Returns the bytes of the object's ID. A reference is accepted wherever an ID is, unless it refers to a part.

        Raises:
            InvalidArgument: It refers to a part, which has no ID.
        """
        if self.part is not None:
            raise InvalidArgument(f"the part {self.part} of {self.oid.hex()} has no ID of its own: pass the reference")
        return super().binary()

    def _shown(self) -> Tuple[str, Any]:
        """Returns a description in one line, and the value if it exists and can be shown."""
        return _show.line_of(self, ""), None

    def __repr__(self) -> str:
        try:
            return self._shown()[0]
        except Exception as problem:
            return _show.unknown(self, problem)

    def export(self) -> str:
        """Returns a text from which :func:`.adopt` creates an owning reference to the same object.

        Another process, or the C, C++ or Rust library, can adopt it, too. The text does not keep the object. Keep this
        reference until the text was adopted.

        Raises:
            NotFound: The object does not exist yet, and no call will create it.
            ObjectDeleted: The object was deleted.
        """
        return text_of(lib.sdp_dal_ref_export, self._handle)

    def __reduce__(self) -> Any:
        return (Ref._unpickled, (self._kind, self._path(), self.oid, self._expected(), self._exported()))

    @property
    def _kind(self) -> Type[Ref]:
        """The class as which the reference is unpickled."""
        return Ref

    def _path(self) -> str:
        """Returns the path at which other processes find the store."""
        return self._conn._absolute_path

    def _expected(self) -> Tuple[Any, ...]:
        """Returns what is expected of the object, as the class accepts it after the ID."""
        return ()

    def _expect(self) -> None:
        """Sets what :meth:`_expected` returned."""

    def _exported(self) -> Union[str, DalError, None]:
        """Returns the exported text, or the reason why the object is gone; None if the object has only an ID so far."""
        try:
            return self.export()
        except ObjectDeleted as problem:
            why: DalError = advised(problem)
            return why
        except NotFound:
            return None

    # ---- what lives with it --------------------------------------------------------------------------------------

    def add_dependency(self, ref: Ref, timeout: Optional[float] = 0) -> None:
        """Keeps another object until this one exists. The other object is usually a call.

        Args:
            ref: The object that must be kept.
            timeout: Seconds to wait until that object exists.

        Raises:
            TimeoutException: It was not created in time.
        """
        if not isinstance(ref, Ref):
            raise TypeError(f"the dependency is {ref!r}: give a reference, as Ref(conn, oid)")
        status = lib.sdp_dal_ref_add_dependency(self._handle, ref._handle, nanoseconds(timeout))
        if status:
            raise error(status, [ref], timeout)

    def add_reference(self, ref: Union[Ref, AnyID], timeout: Optional[float] = 0) -> None:
        """Keeps another object as long as references to this one exist.

        Args:
            ref: The object that must be kept, as a reference or an ID.
            timeout: Seconds to wait until that object exists.

        Raises:
            TimeoutException: It was not created in time.
        """
        other = ref if isinstance(ref, Ref) else Ref(self._conn, ref)
        status = lib.sdp_dal_ref_add_reference(self._handle, other._handle, nanoseconds(timeout))
        if status:
            raise error(status, [other], timeout)

    # ---- without blocking ----------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Any]:
        """Waits in an event loop, and returns the result of ``get()`` (for a :class:`.Ref` of :meth:`get_buffer`)."""
        from ._event_loop import value_of

        return value_of(self).__await__()

    def _value(self) -> Any:
        """Returns the value of awaiting the reference. The object exists, or never will."""
        return self.get_buffer(0)

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Calls a function once, with this reference, when the object exists or never will. ``get(0)`` then returns the
        value, or raises the reason why there is none.

        In a thread with a running event loop, that loop calls the function. The callbacks of all other threads are called in
        one shared thread, one after the other, and must not block. The reference is kept until then.

        Args:
            callback: The function. An exception that it raises is logged.
        """
        from ._event_loop import call_back

        call_back(self, callback)

    # ---- its bytes -----------------------------------------------------------------------------------------------

    def get_buffer(self, timeout: Optional[float] = None, auto_delete: bool = True) -> pa.Buffer:
        """Returns the object's bytes without a copy, for objects of any kind. The buffer keeps the bytes.

        Args:
            timeout: Seconds to wait until the object exists; None for no limit.
            auto_delete: False keeps the object when its last reference is dropped.

        Raises:
            TimeoutException: It was not created in time.
        """
        if not auto_delete:
            self.disown()
        out = ffi.new("sdp_dal_buffer **")
        status = lib.sdp_dal_ref_get_buffer(self._handle, nanoseconds(timeout), out)
        if status:
            raise error(status, [self], timeout)
        return _tables.buffer_of(out[0])

    def _written(self) -> None:
        """Records that the object was written through this reference."""
        if not self._auto_delete:
            check(lib.sdp_dal_ref_disown(self._handle))
        elif not self.is_owning and self._conn._is_kept(self.oid):
            # No client had promised this ID, so no client wants it: the object then exists as long as this reference.
            weakref.finalize(self, _delete, self._conn, self.oid)


def opened(conn: Any) -> Any:
    """Returns the handle of a given connection."""
    if not hasattr(conn, "_open"):
        raise TypeError(f"the connection is {conn!r}: give a Connection, as Store(path).conn")
    return conn._open


def _delete(conn: Connection, oid: ObjectID) -> None:
    if conn._store is not None:
        lib.sdp_dal_object_delete(conn._store, bytes(oid), lib.SDP_DAL_DELETE_NOW)


# ---- to other processes ------------------------------------------------------------------------------------------------

#: Advice for the errors that prevent a reference from being adopted.
_ADVICE: Dict[Type[DalError], str] = {
    ObjectDeleted: "an owning reference to it must be kept until this one was unpickled or adopted; for one that a function "
    "returns from a worker process call disown() on it there, and the object stays until it is deleted by its ID",
    StoreNotFound: "a reference can be used while its store exists, and on its machine: elsewhere send the value, as "
    "get() gives it",
}


def advised(problem: Any) -> Any:
    """Returns an error with advice on what to do."""
    # That it is another store's, the library says with what to do.
    advice = None if "another store" in str(problem) else _ADVICE.get(type(problem))
    return problem if advice is None else type(problem)(f"{problem}; {advice}", problem.status)
