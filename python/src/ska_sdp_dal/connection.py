# SPDX-License-Identifier: BSD-3-Clause
"""Connections to a store: its objects, and the namespaces declared in it.

References live in :mod:`ska_sdp_dal.references` and are names of this module, too.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import pyarrow as pa

from . import _native, _tables
from ._closes import Closes
from ._native import bytes_of, check, error, ffi, filled, lib, nanoseconds, own, whole
from .common import NAMESPACE_DECL_SUFFIX, parsed_schema
from .errors import InvalidArgument, NotFound, StoreNotFound, TimeoutException
from .ids import NAMESPACE_ID_SIZE, OBJECT_ID_SIZE, AnyID, ObjectID, raw_id, whole_id
from .references import Ref, TableRef, TensorRef

if TYPE_CHECKING:
    from .plasma import PlasmaClient

__all__ = ["Connection", "Ref", "TableRef", "TensorRef", "TimeoutException"]

#: One update of the table of objects: ID, bytes of data, bytes of metadata; the sizes of what is gone are -1.
Update = Tuple[ObjectID, int, int]
_GONE = -1


class Connection(Closes):
    """A connection to a store.

    A process is one client of a store, however many connections it has.

    Args:
        plasma_path: Path of the store. If there is none it is made; it goes with its last client then.
        size: Bytes that can be put into a store that is made; None: SDP_DAL_STORE_SIZE of the environment, or half of
            what the machine has.

    Raises:
        Corrupt: There is another file at the path.
        PermissionDenied: The store is another user's.
    """

    def __init__(self, plasma_path: str, *, size: Optional[int] = None) -> None:
        options = filled("sdp_dal_store_options")
        options.size = 0 if size is None else whole(size, "the size of the store", 1, "a number of bytes")
        self._attach(plasma_path, options)

    @classmethod
    def _with(cls, plasma_path: str, options: Any) -> Connection:
        """A connection by the library's own options."""
        made = cls.__new__(cls)
        made._attach(plasma_path, options)
        return made

    @classmethod
    def _existing(cls, plasma_path: str) -> Connection:
        """A connection to a store that must be there: if it is not, :class:`.StoreNotFound`."""
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
        self._path = os.fspath(plasma_path)
        #: For other processes, whose working directory may be another.
        self._absolute_path = os.path.abspath(self._path)
        self._updates: Optional[_Updates] = None
        self._updating = threading.Lock()
        self._client: Optional[PlasmaClient] = None

    @property
    def plasma_path(self) -> str:
        """The path of the store."""
        return self._path

    @property
    def client(self) -> PlasmaClient:
        """What Plasma's client does, over this connection: raw objects by their IDs."""
        if self._client is None:
            from .plasma import PlasmaClient

            self._client = PlasmaClient(self)
        return self._client

    def close(self) -> None:
        """Ends the connection. References and buffers that were made from it stay valid."""
        if self._store is not None:
            self._updates = None
            ffi.release(self._store)
            self._store = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self._path}>"

    @property
    def _open(self) -> Any:
        """The handle of the store, which is open."""
        if self._store is None:
            raise InvalidArgument(f"the connection to {self._path} was closed")
        return self._store

    # ---- objects -------------------------------------------------------------------------------------------------

    def get_buffers(self, oids: Sequence[AnyID], timeout: Optional[float] = None) -> Any:
        """The bytes of objects, without a copy.

        Args:
            oids: The objects' IDs; or a single one.
            timeout: Seconds to wait until all of them exist; None for as long as it takes.

        Returns:
            A list of :class:`pyarrow.Buffer`, with None for what did not come to exist in time; for a single ID, its
            buffer.
        """
        if isinstance(oids, (bytes, bytearray)) or hasattr(oids, "binary"):
            return self._buffers([whole_id(oids)], timeout)[0]
        return self._buffers([whole_id(oid) for oid in _listed(oids)], timeout)

    def _buffers(self, ids: List[bytes], timeout: Optional[float]) -> List[Optional[pa.Buffer]]:
        held = self._hold_many(ids, timeout)
        return [None if handle is None else _tables.buffer_of(handle) for handle in held]

    def _hold_many(self, ids: List[bytes], timeout: Optional[float]) -> List[Any]:
        """Handles of the bytes of objects, which are to be freed; None for what did not come to exist in time."""
        out = ffi.new("sdp_dal_buffer *[]", max(len(ids), 1))
        check(
            lib.sdp_dal_object_get_many(
                self._open, b"".join(ids) or ffi.NULL, len(ids), nanoseconds(timeout), out, ffi.NULL
            )
        )
        return [out[at] if out[at] != ffi.NULL else None for at in range(len(ids))]

    def get_ref_buffers(self, refs: Sequence[Ref], timeout: Optional[float] = None, auto_delete: bool = True) -> None:
        """Waits until all of these objects exist.

        Args:
            refs: References to them.
            timeout: Seconds to wait; None for as long as it takes.
            auto_delete: False makes them stay when their last reference goes.

        Raises:
            TimeoutException: Some did not come to exist in time; its ``refs`` say which.
            DalError: One will never exist: the error of the first of these.
        """
        if not isinstance(refs, Iterable) or not all(isinstance(ref, Ref) for ref in refs):
            raise TypeError(
                f"{_native.short(refs)} is no list of references: give a list of TensorRef, TableRef or Ref"
            )
        refs = list(refs)
        count = len(refs)
        if not auto_delete:
            for ref in refs:
                ref.disown()
        handles = ffi.new("const sdp_dal_ref *[]", [ref._handle for ref in refs] or [ffi.NULL])
        statuses = ffi.new("int32_t[]", max(count, 1))
        result = lib.sdp_dal_ref_wait_many(handles, count, lib.SDP_DAL_WAIT_ALL, nanoseconds(timeout), statuses)
        for at in range(count):
            if statuses[at] not in (lib.SDP_DAL_OK, lib.SDP_DAL_TIMEOUT):
                refs[at].wait(0)
        if result == lib.SDP_DAL_TIMEOUT:
            raise TimeoutException([refs[at] for at in range(count) if statuses[at] == lib.SDP_DAL_TIMEOUT], timeout)
        check(result)

    def object_exists(self, oid: AnyID) -> bool:
        """Whether there is an object with an ID now.

        Args:
            oid: The ID.
        """
        out = ffi.new("bool *")
        check(lib.sdp_dal_object_contains(self._open, whole_id(oid), out))
        return bool(out[0])

    def object_size(self, oid: AnyID) -> int:
        """The bytes of an object's data.

        Args:
            oid: The object's ID.

        Raises:
            NotFound: There is no such object.
        """
        return int(self._info(oid).data_size)

    def _objects(self) -> Iterator[Any]:
        """What there is to know about each object of the store: one struct, filled anew for each."""
        return _objects(self._open)

    def _info(self, oid: AnyID) -> Any:
        info = filled("sdp_dal_object_info")
        check(lib.sdp_dal_object_get_info(self._open, whole_id(oid), info))
        return info

    def _is_kept(self, oid: AnyID) -> bool:
        """Whether an object stays until it is deleted, though nobody wants it."""
        try:
            return bool(self._info(oid).flags & lib.SDP_DAL_INFO_KEPT)
        except NotFound:
            return False

    def delete(self, oids: Iterable[AnyID]) -> None:
        """Deletes objects. What somebody holds of them stays readable for him; what is not there is passed over."""
        for oid in _listed(oids):
            status = lib.sdp_dal_object_delete(self._open, whole_id(oid), lib.SDP_DAL_DELETE_NOW)
            if status not in (lib.SDP_DAL_OK, lib.SDP_DAL_NOT_FOUND):
                raise error(status)

    @property
    def _is_updating(self) -> bool:
        return self._updates is not None

    def update_obj_table(self, timeout: Optional[float] = 0) -> List[Update]:
        """What has happened to objects since this was asked last; the first time, all that are there.

        Args:
            timeout: Seconds to wait until something happens, if nothing has; None for as long as it takes.

        Returns:
            For each object that came or went its ID, bytes of data and bytes of metadata; -1 for both if it is gone.
        """
        # A wrong one is refused before anything is begun.
        nanoseconds(timeout)
        with self._updating:
            if self._updates is None:
                self._updates = _Updates(self._open)
            return self._updates.next(timeout)

    # ---- namespaces ----------------------------------------------------------------------------------------------

    @property
    def namespaces(self) -> List[ObjectID]:
        """The IDs of the declarations of all namespaces in use: a prefix and zeros."""
        return [oid for _, oid in _Namespaces(self._open)]

    @property
    def namespace_meta(self) -> Dict[ObjectID, Dict[bytes, bytes]]:
        """What each namespace says about itself, by the IDs of their declarations; see ``PROC_NAMESPACE_META``."""
        found = _Namespaces(self._open)
        return {oid: found.metadata(at) for at, oid in found}

    @property
    def namespace_procs(self) -> Dict[ObjectID, List[pa.Schema]]:
        """The functions that each namespace offers, by the IDs of their declarations."""
        found = _Namespaces(self._open)
        return {oid: found.functions(at) for at, oid in found}

    def reserve_namespace(
        self, name: Optional[str] = None, procs: Sequence[pa.Schema] = [], prefix: bytes = b""
    ) -> Tuple[bytes, pa.Buffer]:
        """Reserves a namespace: the lowest free prefix that starts as is asked for. Objects that are left in it are
        deleted.

        Args:
            name: Its name in displays.
            procs: Schemas of functions whose calls are to be put into it.
            prefix: First bytes of the prefix.

        Returns:
            The prefix, and the bytes of the declaration: the namespace stays reserved as long as they live.

        Raises:
            NamespaceInUse: The prefix belongs to a living process.
        """
        space = self._reserve(name, procs, prefix)
        reserved = prefix_of(space)
        out = ffi.new("sdp_dal_buffer **")
        check(lib.sdp_dal_object_get(self._open, reserved + NAMESPACE_DECL_SUFFIX, 0, out))
        return reserved, _tables.buffer_of(out[0], also=space)

    def _reserve(self, name: Optional[str], procs: Sequence[pa.Schema], prefix: bytes) -> Any:
        options = filled("sdp_dal_namespace_options")
        start = raw_id(prefix)
        if len(start) > NAMESPACE_ID_SIZE:
            raise InvalidArgument(
                f"the prefix {start.hex()} has {len(start)} bytes, at most {NAMESPACE_ID_SIZE} are possible"
            )
        kept_name = ffi.NULL if name is None else ffi.new("char[]", _native.encoded(name, "the name"))
        kept_prefix = ffi.new("uint8_t[]", start or b"\0")
        schemas = [parsed_schema(schema) for schema in procs]
        kept_schemas = ffi.new("const sdp_dal_schema *[]", schemas or [ffi.NULL])
        options.name, options.prefix, options.prefix_size = kept_name, kept_prefix, len(start)
        options.schemas, options.num_schemas = kept_schemas, len(schemas)
        out = ffi.new("sdp_dal_store **")
        check(lib.sdp_dal_namespace_reserve(self._open, options, out))
        return own(out, lib.sdp_dal_store_close)

    @property
    def identity(self) -> int:
        """A random number that tells this store from every other one, also from one that was or will be made at the same
        path: an object ID that is written down is good only with it.
        """
        out = ffi.new("uint64_t *")
        check(lib.sdp_dal_store_identity(self._open, out))
        return int(out[0])

    def stat(self) -> Dict[str, int]:
        """Numbers about the store as it is now: ``size``, ``used``, ``free``, ``objects``, ``clients`` and more."""
        out = filled("sdp_dal_store_stat")
        check(lib.sdp_dal_store_get_stat(self._open, out))
        names = [name for name, _ in ffi.typeof("sdp_dal_store_stat").fields]
        return {name: getattr(out, name) for name in names if name not in ("struct_size", "reserved_0")}


def _listed(oids: Any) -> Iterable[AnyID]:
    """Several IDs, which are given as such."""
    if isinstance(oids, (str, bytes, bytearray)) or not isinstance(oids, Iterable):
        raise TypeError(f"{_native.short(oids)} is no list of object IDs: give a list of them")
    return oids


def prefix_of(space: Any) -> bytes:
    """The prefix of a namespace's handle."""
    out = ffi.new("uint8_t[4]")
    check(lib.sdp_dal_store_prefix(space, out))
    return bytes(ffi.buffer(out, NAMESPACE_ID_SIZE))


# ---- namespaces ------------------------------------------------------------------------------------------------------


class _Namespaces:
    """The namespaces of a store that are in use at one moment, and what they say."""

    def __init__(self, store: Any) -> None:
        out = ffi.new("sdp_dal_namespaces **")
        check(lib.sdp_dal_namespace_list(store, out))
        self._list = own(out, lib.sdp_dal_namespaces_free)

    def __iter__(self) -> Iterator[Tuple[int, ObjectID]]:
        """Their places in the list, and the IDs of their declarations."""
        info = filled("sdp_dal_namespace_info")
        for at in range(lib.sdp_dal_namespaces_count(self._list)):
            check(lib.sdp_dal_namespaces_info(self._list, at, info))
            # Those of the dead are free for whoever needs a prefix next.
            if info.alive:
                yield at, ObjectID(bytes(ffi.buffer(info.prefix)) + NAMESPACE_DECL_SUFFIX)

    def metadata(self, at: int) -> Dict[bytes, bytes]:
        """What one of them says about itself."""
        found: Dict[bytes, bytes] = {}
        for index in range(lib.sdp_dal_namespaces_num_metadata(self._list, at)):
            key = bytes_of(lib.sdp_dal_namespaces_metadata_key, self._list, at, index)
            found[key] = bytes_of(lib.sdp_dal_namespaces_metadata, self._list, at, key)
        return found

    def functions(self, at: int) -> List[pa.Schema]:
        """The functions that one of them offers."""
        out, moved = ffi.new("sdp_dal_schema **"), ffi.new("struct ArrowSchema *")
        found: List[pa.Schema] = []
        for index in range(lib.sdp_dal_namespaces_num_functions(self._list, at)):
            check(lib.sdp_dal_namespaces_function(self._list, at, index, out))
            schema = own(out, lib.sdp_dal_schema_free)
            check(lib.sdp_dal_schema_to_arrow(schema, moved))
            found.append(pa.Schema._import_from_c(_native.address(moved)))
        return found


# ---- the table of objects --------------------------------------------------------------------------------------------


def _objects(store: Any) -> Iterator[Any]:
    out = ffi.new("sdp_dal_list **")
    check(lib.sdp_dal_object_list(store, ffi.NULL, 0, out))
    objects = own(out, lib.sdp_dal_list_free)
    info = filled("sdp_dal_object_info")
    for at in range(lib.sdp_dal_list_count(objects)):
        check(lib.sdp_dal_list_info(objects, at, info))
        yield info


class _Updates:
    """Follows the objects of a store by its events, and by listing them when events were lost."""

    def __init__(self, store: Any) -> None:
        self._store = store
        out = ffi.new("sdp_dal_subscription **")
        check(lib.sdp_dal_store_subscribe(store, ffi.NULL, 0, out))
        self._events = own(out, lib.sdp_dal_subscription_free)
        self._event = filled("sdp_dal_event")
        self._known: Dict[ObjectID, Tuple[int, int]] = {}
        self._listed = False

    def next(self, timeout: Optional[float]) -> List[Update]:
        """What has happened; waits for something to happen if nothing has."""
        deadline = None if timeout is None else time.monotonic() + timeout
        updates: List[Update] = []
        if not self._listed:
            self._listed = True
            updates += self._list()
        while True:
            # Once there is something, only what is there already.
            left = 0 if updates else None if deadline is None else max(0.0, deadline - time.monotonic())
            status = lib.sdp_dal_subscription_next(self._events, nanoseconds(left), self._event)
            if status == lib.SDP_DAL_TIMEOUT:
                if updates or left == 0:
                    return updates
                continue
            check(status)
            updates += self._told()

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
        # Told twice if it was listed after the event had been written.
        if self._known.get(oid) == (data, metadata):
            return []
        self._known[oid] = (data, metadata)
        return [(oid, data, metadata)]

    def _went(self, oid: ObjectID) -> List[Update]:
        # What was never seen to exist has not gone: outputs that failed, for one.
        return [] if self._known.pop(oid, None) is None else [(oid, _GONE, _GONE)]

    def _list(self) -> List[Update]:
        """All that is there, against what was known."""
        there: Dict[ObjectID, Tuple[int, int]] = {}
        for info in _objects(self._store):
            if info.state == lib.SDP_DAL_STATE_SEALED:
                there[ObjectID(bytes(ffi.buffer(info.id, OBJECT_ID_SIZE)))] = (info.data_size, info.metadata_size)
        updates = [update for oid in list(self._known) if oid not in there for update in self._went(oid)]
        for oid, (data, metadata) in there.items():
            updates += self._came(oid, data, metadata)
        return updates
