# SPDX-License-Identifier: BSD-3-Clause
"""The part of a connection that needs no namespaces and references: a store, and its objects by their IDs."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Type, TypeVar

import pyarrow as pa

from . import _native, _tables
from ._closes import Closes
from ._native import check, error, ffi, filled, lib, nanoseconds, own, whole
from .errors import InvalidArgument, NotFound, StoreNotFound
from .ids import OBJECT_ID_SIZE, AnyID, ObjectID, whole_id

_Self = TypeVar("_Self", bound="BareConnection")

#: One update of the table of objects: ID, bytes of data, bytes of metadata. Both sizes are -1 for a deleted object.
Update = Tuple[ObjectID, int, int]
_GONE = -1


class BareConnection(Closes):
    """A connection to a store, for its objects.

    Args:
        plasma_path, size: As of :class:`.Connection`.
    """

    def __init__(self, plasma_path: str, *, size: Optional[int] = None) -> None:
        options = filled("sdp_dal_store_options")
        options.size = 0 if size is None else whole(size, "the size of the store", 1, "a number of bytes")
        self._attach(plasma_path, options)

    @classmethod
    def _with(cls: Type[_Self], plasma_path: str, options: Any) -> _Self:
        """Returns a connection that is opened with the library's own options."""
        made = cls.__new__(cls)
        made._attach(plasma_path, options)
        return made

    @classmethod
    def _existing(cls: Type[_Self], plasma_path: str) -> _Self:
        """Returns a connection to an existing store. Raises :class:`.StoreNotFound` if it does not exist."""
        options = filled("sdp_dal_store_options")
        options.create = lib.SDP_DAL_CREATE_NEVER
        return cls._with(plasma_path, options)

    def _attach(self, plasma_path: str, options: Any) -> None:
        out = ffi.new("sdp_dal_store **")
        path = _native.encoded("" if plasma_path is None else plasma_path, "the path of the store")
        status = lib.sdp_dal_store_open(path, options, out)
        if status == lib.SDP_DAL_NOT_FOUND:
            raise StoreNotFound(_native.last_error())
        check(status)
        self._store = own(out, lib.sdp_dal_store_close)
        self._descriptor: Optional[int] = None
        #: By which an event loop waited last.
        self._reader: Any = None
        self._path = os.fspath(plasma_path)
        #: For other processes, whose working directory may be another.
        self._absolute_path = os.path.abspath(self._path)
        self._updates: Optional[Updates] = None
        #: What has to stop before the handle goes: threads that use it.
        self._followers: List[Callable[[], None]] = []
        self._updating = threading.Lock()

    @property
    def _event_fd(self) -> int:
        """The descriptor of the store, for event loops."""
        store = self._open
        if self._descriptor is None:
            out = ffi.new("int *")
            check(lib.sdp_dal_store_event_fd(store, out))
            self._descriptor = out[0]
        return self._descriptor

    @property
    def plasma_path(self) -> str:
        """The path of the store."""
        return self._path

    def close(self) -> None:
        """Closes the connection. References and buffers that were created from it stay valid."""
        while self._followers:
            self._followers.pop()()
        if self._store is not None:
            self._updates = None
            # An event loop in which something still waits has a use for the handle, which then goes with the last of it.
            if self._descriptor is None:
                ffi.release(self._store)
            self._store = self._reader = None

    def __repr__(self) -> str:
        if "_path" not in self.__dict__:
            return f"<{type(self).__name__}>"
        return f"<{type(self).__name__} to {self._path}{', closed' if self._store is None else ''}>"

    @property
    def _open(self) -> Any:
        """The handle of the open store."""
        if self._store is None:
            raise InvalidArgument(f"the connection to {self._path} was closed")
        return self._store

    # ---- objects -------------------------------------------------------------------------------------------------

    def get_buffers(self, oids: Sequence[AnyID], timeout: Optional[float] = None) -> Any:
        """Returns the bytes of objects, without a copy.

        Args:
            oids: The objects' IDs; or a single one.
            timeout: Seconds to wait until all of them exist; None for no limit.

        Returns:
            A list of :class:`pyarrow.Buffer`, with None for an object that was not created in time; for a single ID, its
            buffer.
        """
        if isinstance(oids, (bytes, bytearray)) or hasattr(oids, "binary"):
            return self._buffers([whole_id(oids)], timeout)[0]
        return self._buffers([whole_id(oid) for oid in _listed(oids)], timeout)

    def _buffers(self, ids: List[bytes], timeout: Optional[float]) -> List[Optional[pa.Buffer]]:
        held = self._hold_many(ids, timeout)
        return [None if handle is None else _tables.buffer_of(handle) for handle in held]

    def _hold_many(self, ids: List[bytes], timeout: Optional[float]) -> List[Any]:
        """Returns handles of the bytes of objects, which must be freed; None for an object that was not created in time."""
        out = ffi.new("sdp_dal_buffer *[]", max(len(ids), 1))
        check(
            lib.sdp_dal_object_get_many(
                self._open, b"".join(ids) or ffi.NULL, len(ids), nanoseconds(timeout), out, ffi.NULL
            )
        )
        return [out[at] if out[at] != ffi.NULL else None for at in range(len(ids))]

    def object_exists(self, oid: AnyID) -> bool:
        """Returns whether an object with an ID exists now.

        Args:
            oid: The ID.
        """
        out = ffi.new("bool *")
        check(lib.sdp_dal_object_contains(self._open, whole_id(oid), out))
        return bool(out[0])

    def object_size(self, oid: AnyID) -> int:
        """Returns the size of an object's data in bytes.

        Args:
            oid: The object's ID.

        Raises:
            NotFound: The object does not exist.
        """
        return int(self._info(oid).data_size)

    def _objects(self) -> Iterator[Any]:
        """Returns the information about each object of the store, in one struct that is filled for each in turn."""
        return every_object(self._open)

    def _info(self, oid: AnyID) -> Any:
        info = filled("sdp_dal_object_info")
        check(lib.sdp_dal_object_get_info(self._open, whole_id(oid), info))
        return info

    def _is_kept(self, oid: AnyID) -> bool:
        """Returns whether an object stays until it is deleted, even if no client wants it."""
        try:
            return bool(self._info(oid).flags & lib.SDP_DAL_INFO_KEPT)
        except NotFound:
            return False

    def delete(self, oids: Iterable[AnyID]) -> None:
        """Deletes objects. Their bytes stay readable for clients that hold them. IDs without an object are ignored."""
        for oid in _listed(oids):
            status = lib.sdp_dal_object_delete(self._open, whole_id(oid), lib.SDP_DAL_DELETE_NOW)
            if status not in (lib.SDP_DAL_OK, lib.SDP_DAL_NOT_FOUND):
                raise error(status)

    def update_obj_table(self, timeout: Optional[float] = 0) -> List[Update]:
        """Returns the objects that were created or deleted since the last call. The first call returns all objects.

        Args:
            timeout: Seconds to wait for a change, if there is none; None for no limit.

        Returns:
            For each object its ID, bytes of data and bytes of metadata. Both sizes are -1 if the object was deleted.
        """
        # A wrong one is refused before anything is begun.
        nanoseconds(timeout)
        with self._updating:
            if self._updates is None:
                self._updates = Updates(self._open)
            return self._updates.next(timeout)

    @property
    def identity(self) -> int:
        """A random number that distinguishes this store from every other one, including earlier and later stores at the
        same path. Record it together with object IDs, which are valid only in this store.
        """
        out = filled("sdp_dal_store_info")
        check(lib.sdp_dal_store_get_info(self._open, out))
        return int(out.identity)

    def stat(self) -> Dict[str, int]:
        """Returns statistics of the store: ``size``, ``used``, ``free``, ``objects``, ``clients`` and more."""
        out = filled("sdp_dal_store_stat")
        check(lib.sdp_dal_store_get_stat(self._open, out))
        names = [name for name, _ in ffi.typeof("sdp_dal_store_stat").fields]
        return {name: getattr(out, name) for name in names if name not in ("struct_size", "reserved_0")}


def _listed(oids: Any) -> Iterable[AnyID]:
    """Returns several IDs, and refuses a single one."""
    if isinstance(oids, (str, bytes, bytearray)) or not isinstance(oids, Iterable):
        raise TypeError(f"{_native.short(oids)} is no list of object IDs: give a list of them")
    return oids


# ---- the table of objects --------------------------------------------------------------------------------------------


def every_object(store: Any) -> Iterator[Any]:
    """Returns the information about each object, in one struct that is filled for each in turn."""
    out, count = ffi.new("sdp_dal_list **"), ffi.new("size_t *")
    check(lib.sdp_dal_store_list_objects(store, ffi.NULL, 0, out, count))
    objects = own(out, lib.sdp_dal_list_free)
    info = filled("sdp_dal_object_info")
    for at in range(count[0]):
        check(lib.sdp_dal_list_get_info(objects, at, info))
        yield info


class Updates:
    """Follows the objects of a store by its events, and by listing them when events were lost."""

    def __init__(self, store: Any) -> None:
        self._store = store
        out = ffi.new("sdp_dal_subscription **")
        check(lib.sdp_dal_store_subscribe(store, ffi.NULL, 0, out))
        self._events = own(out, lib.sdp_dal_subscription_free)
        self._event = filled("sdp_dal_event")
        self._known: Dict[ObjectID, Tuple[int, int]] = {}
        self._listed = False

    def close(self) -> None:
        """Ends the subscription."""
        ffi.release(self._events)

    def next(self, timeout: Optional[float], most: Optional[int] = None) -> List[Update]:
        """Returns the changes, about ``most`` of them at once. Waits for a change if there is none."""
        deadline = None if timeout is None else time.monotonic() + timeout
        updates: List[Update] = []
        if not self._listed:
            self._listed = True
            updates += self._list()
        while most is None or len(updates) < most:
            # Once there is something, only what is there already.
            left = 0 if updates else None if deadline is None else max(0.0, deadline - time.monotonic())
            status = lib.sdp_dal_subscription_next(self._events, nanoseconds(left), self._event)
            if status == lib.SDP_DAL_TIMEOUT:
                if updates or left == 0:
                    return updates
                continue
            check(status)
            updates += self._told()
        return updates

    def _told(self) -> List[Update]:
        event = self._event
        if event.kind == lib.SDP_DAL_EVENT_RESYNC:
            return self._list()
        oid = ObjectID(bytes(ffi.buffer(event.id, OBJECT_ID_SIZE)))
        appeared = (
            lib.SDP_DAL_EVENT_SEALED,
            lib.SDP_DAL_EVENT_NAMESPACE_APPEARED,
            lib.SDP_DAL_EVENT_CALL_ISSUED,
        )
        if event.kind in appeared:
            return self._came(oid, event.data_size, event.metadata_size)
        if event.kind in (lib.SDP_DAL_EVENT_DELETED, lib.SDP_DAL_EVENT_NAMESPACE_GONE):
            return self._went(oid)
        return []

    def _came(self, oid: ObjectID, data: int, metadata: int) -> List[Update]:
        # Reported twice if it was listed after the event had been written.
        if self._known.get(oid) == (data, metadata):
            return []
        self._known[oid] = (data, metadata)
        return [(oid, data, metadata)]

    def _went(self, oid: ObjectID) -> List[Update]:
        # What was never seen to exist has not gone: outputs that failed, for one.
        return [] if self._known.pop(oid, None) is None else [(oid, _GONE, _GONE)]

    def _list(self) -> List[Update]:
        """Returns the differences between all existing objects and the known ones, in the order of their sealing."""
        there: List[Tuple[int, ObjectID, int, int]] = []
        for info in every_object(self._store):
            if info.state == lib.SDP_DAL_STATE_SEALED:
                oid = ObjectID(bytes(ffi.buffer(info.id, OBJECT_ID_SIZE)))
                there.append((info.created_ns + info.construct_ns, oid, info.data_size, info.metadata_size))
        gone = self._known.keys() - {oid for _, oid, _, _ in there}
        updates = [update for oid in list(self._known) if oid in gone for update in self._went(oid)]
        for _, oid, data, metadata in sorted(there):
            updates += self._came(oid, data, metadata)
        return updates
