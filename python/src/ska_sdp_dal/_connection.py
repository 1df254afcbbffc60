# SPDX-License-Identifier: BSD-3-Clause
"""Connections to a store: its objects, and the namespaces declared in it."""

from __future__ import annotations

import weakref
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import pyarrow as pa

from . import _native, _tables
from ._bare_connection import BareConnection
from ._native import check, ffi, filled, lib, own
from ._waitable import Waitable
from ._waiting import listed, wait_many
from .common import NAMESPACE_DECL_SUFFIX, parsed_schema
from .errors import InvalidArgument, TimeoutException
from .events import Events
from .ids import NAMESPACE_ID_SIZE, ObjectID, raw_id
from .plasma import PlasmaClient

_ARGV = b"proc:argv"


class Connection(BareConnection):
    """A connection to a store.

    A process is one client of a store, however many connections it has.

    Args:
        plasma_path: Path of the store. It is created if it does not exist, and removed when its last client closes.
        size: Size of a new store in bytes. Default: the environment variable SDP_DAL_STORE_SIZE, or half of the free
            space in the tmpfs or cgroup, whichever is less.

    Raises:
        Corrupt: The file at the path is not a store.
        PermissionDenied: The store belongs to another user.
    """

    _client: Optional[PlasmaClient] = None

    def _attach(self, plasma_path: str, options: Any) -> None:
        super()._attach(plasma_path, options)
        self._events: weakref.WeakSet[Events] = weakref.WeakSet()

    @property
    def client(self) -> PlasmaClient:
        """A client with the interface of Plasma's, for raw objects by their IDs, over this connection."""
        if self._client is None:
            self._client = PlasmaClient(self)
        return self._client

    def get_ref_buffers(
        self, refs: Sequence[Waitable], timeout: Optional[float] = None, auto_delete: bool = True
    ) -> None:
        """Waits until all of these objects exist.

        Args:
            refs: References to the objects.
            timeout: Seconds to wait; None for no limit.
            auto_delete: False keeps the objects when their last reference is dropped.

        Raises:
            TimeoutException: Some objects were not created in time. Its ``refs`` are the references to them.
            DalError: An object will never exist. The error is that of the first of these.
        """
        refs = listed(refs)
        if not auto_delete:
            for ref in refs:
                ref.disown()
        result, statuses = wait_many(refs, lib.SDP_DAL_WAIT_ALL, timeout)
        for ref, status in zip(refs, statuses):
            if status not in (lib.SDP_DAL_OK, lib.SDP_DAL_TIMEOUT):
                ref.wait(0)
        if result == lib.SDP_DAL_TIMEOUT:
            raise TimeoutException(
                [ref for ref, status in zip(refs, statuses) if status == lib.SDP_DAL_TIMEOUT], timeout
            )
        check(result)

    def events(self, prefix: bytes = b"") -> Events:
        """Returns the events of objects from now on, for ``async for event in conn.events()``.

        To keep a table of objects, subscribe first and list them then: nothing is missed in between, though it may be told
        twice. A program that reads slowly loses events, and gets one of kind ``resync``: list the objects again. Once the
        connection is closed, the next event is :class:`.InvalidArgument`.

        Args:
            prefix: First bytes of the IDs of the objects.
        """
        events = Events(self, raw_id(prefix))
        self._events.add(events)
        return events

    def close(self) -> None:
        """Ends the connection. References and buffers that were made from it stay valid."""
        super().close()
        for events in tuple(self._events):
            events._closed()

    # ---- namespaces ----------------------------------------------------------------------------------------------

    @property
    def namespaces(self) -> List[ObjectID]:
        """The IDs of the declarations of all namespaces in use. Each ID is a prefix and zeros."""
        return [oid for _, oid in _Namespaces(self._open)]

    @property
    def namespace_meta(self) -> Dict[ObjectID, Dict[bytes, bytes]]:
        """The metadata of each namespace, by the ID of its declaration; see ``PROC_NAMESPACE_META``."""
        found = _Namespaces(self._open)
        return {oid: found.metadata(at) for at, oid in found}

    @property
    def namespace_procs(self) -> Dict[ObjectID, List[pa.Schema]]:
        """The functions that each namespace offers, by the ID of its declaration."""
        found = _Namespaces(self._open)
        return {oid: found.functions(at) for at, oid in found}

    def reserve_namespace(
        self, name: Optional[str] = None, procs: Sequence[pa.Schema] = [], prefix: bytes = b""
    ) -> Tuple[bytes, pa.Buffer]:
        """Reserves a namespace with the lowest free prefix that starts with the given bytes. Objects that are left in the
        namespace are deleted.

        Args:
            name: Displayed name of the namespace.
            procs: Schemas of functions whose calls are put into it.
            prefix: First bytes of the prefix.

        Returns:
            The prefix, and the bytes of the declaration. The namespace stays reserved as long as these bytes are kept.

        Raises:
            NamespaceInUse: The prefix belongs to a running process.
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
        check(lib.sdp_dal_store_new_namespace(self._open, options, out))
        return own(out, lib.sdp_dal_store_close)


def prefix_of(space: Any) -> bytes:
    """Returns the prefix of a namespace's handle."""
    out = ffi.new("uint8_t[4]")
    check(lib.sdp_dal_store_get_prefix(space, out))
    return bytes(ffi.buffer(out, NAMESPACE_ID_SIZE))


# ---- namespaces ------------------------------------------------------------------------------------------------------


class _Namespaces:
    """The namespaces of a store that are in use at one moment, with their metadata and functions."""

    def __init__(self, store: Any) -> None:
        out, count = ffi.new("sdp_dal_namespaces **"), ffi.new("size_t *")
        check(lib.sdp_dal_store_list_namespaces(store, out, count))
        self._list, self._count = own(out, lib.sdp_dal_namespaces_free), count[0]

    def _info(self, at: int) -> Any:
        info = filled("sdp_dal_namespace_info")
        check(lib.sdp_dal_namespaces_get_info(self._list, at, info))
        return info

    def __iter__(self) -> Iterator[Tuple[int, ObjectID]]:
        """Yields their positions in the list, and the IDs of their declarations."""
        for at in range(self._count):
            info = self._info(at)
            # Prefixes of crashed clients are free for the next client that needs one.
            if info.alive:
                yield at, ObjectID(bytes(ffi.buffer(info.prefix)) + NAMESPACE_DECL_SUFFIX)

    def metadata(self, at: int) -> Dict[bytes, bytes]:
        """Returns the metadata of one namespace."""
        info = self._info(at)
        keys = [ffi.string(info.metadata_keys[index]) for index in range(info.num_metadata)]
        found = {key: ffi.string(info.metadata_values[index]) for index, key in enumerate(keys)}
        if _ARGV in found:
            # Each argument is followed by a NUL.
            found[_ARGV] = b"".join(ffi.string(info.args[arg]) + b"\0" for arg in range(info.num_args))
        return found

    def functions(self, at: int) -> List[pa.Schema]:
        """Returns the functions that one namespace offers."""
        out, moved = ffi.new("sdp_dal_schema **"), ffi.new("struct ArrowSchema *")
        found: List[pa.Schema] = []
        for index in range(self._info(at).num_functions):
            check(lib.sdp_dal_namespaces_get_function(self._list, at, index, out))
            schema = own(out, lib.sdp_dal_schema_free)
            check(lib.sdp_dal_schema_to_arrow(schema, moved))
            found.append(pa.Schema._import_from_c(_native.address(moved)))
        return found
