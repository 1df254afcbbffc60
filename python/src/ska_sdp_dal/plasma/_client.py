# SPDX-License-Identifier: BSD-3-Clause
"""Plasma's client, over a connection; and ``start_plasma_store``."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from typing import Any, Dict, Iterator, List, NoReturn, Optional, Sequence, Tuple, Union

import numpy as np
import pyarrow as pa

from .. import _tables
from .._arrays import InPlace
from .._bare_connection import BareConnection
from .._native import check, error, ffi, filled, lib, own
from ..errors import AlreadyExists, InvalidArgument, NotFound, OutOfMemory, StoreNotFound, Unsupported
from ..ids import OBJECT_ID_SIZE, AnyID, ObjectID, whole_id
from ._notifications import Notifications, decoded
from ._values import PICKLED, head, pickled, places, value_of

#: Plasma's exceptions, by the names that programs catch; they are also :class:`pyarrow.lib.ArrowException`, as before.
PlasmaObjectExists = AlreadyExists
PlasmaObjectNotFound = NotFound
PlasmaStoreFull = OutOfMemory
#: What buffers are.
PlasmaBuffer = pa.Buffer

#: How often a store is looked for by default, and how long one look is from the next, in seconds: as Plasma did.
_RETRIES, _PAUSE = 80, 0.1


def connect(store_socket_name: str, num_retries: int = -1, *, create: bool = False) -> PlasmaClient:
    """Connects to a store. Waits for the store, as Plasma's function did, because ``plasma_store`` may be starting.

    Args:
        store_socket_name: Path of the store.
        num_retries: How often to look for the store again, every 0.1 seconds. Default: -1, which is 80 times.
        create: Create the store at once if there is none. It is removed when its last client disconnects. Its size is
            SDP_DAL_STORE_SIZE of the environment. Default of the size: half of what the machine has.

    Returns:
        The client.

    Raises:
        StoreNotFound: There is no store. This is a :class:`ConnectionError`, and thus an :class:`OSError`, as Plasma's.
    """
    if create:
        return PlasmaClient(BareConnection(store_socket_name))
    for _ in range(_RETRIES if num_retries < 0 else num_retries):
        with contextlib.suppress(StoreNotFound):
            return PlasmaClient(BareConnection._existing(store_socket_name))
        time.sleep(_PAUSE)
    return PlasmaClient(BareConnection._existing(store_socket_name))


@contextlib.contextmanager
def start_plasma_store(
    plasma_store_memory: int,
    use_valgrind: bool = False,
    use_profiler: bool = False,
    plasma_directory: Optional[str] = None,
    use_hugepages: bool = False,
    external_store: Optional[str] = None,
) -> Iterator[Tuple[str, subprocess.Popen[bytes]]]:
    """Runs ``plasma_store`` until the block ends.

    Args:
        plasma_store_memory: Bytes that fit into the store.
        use_valgrind, use_profiler, plasma_directory, use_hugepages: Accepted and ignored.
        external_store: Must be None, as there is no external store.

    Returns:
        The path of the store, and the process.
    """
    if external_store is not None:
        raise InvalidArgument("external_store: objects are not kept elsewhere when the store is full")
    with tempfile.TemporaryDirectory(prefix="plasma-") as folder:
        path = os.path.join(folder, "plasma.sock")
        command = [sys.executable, "-m", "ska_sdp_dal.plasma_store", "-s", path, "-m", str(plasma_store_memory)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            if not any(line.startswith(b"Ready") for line in process.stdout or ()):
                raise RuntimeError(f"plasma_store ended with status {process.wait()}")
            yield path, process
        finally:
            process.terminate()
            process.communicate()


class PlasmaClient:
    """Reads and writes raw objects by their IDs, as Plasma's client did. :func:`connect` returns one."""

    def __init__(self, conn: BareConnection) -> None:
        self._conn = conn
        # Objects that are being created: the writer of each, and where its bytes are.
        self._writers: Dict[ObjectID, Tuple[Any, InPlace]] = {}
        self._lock = threading.Lock()
        self._notifications: Optional[Notifications] = None

    @property
    def store_socket_name(self) -> str:
        """The path of the store."""
        return self._conn.plasma_path

    # ---- writing -------------------------------------------------------------------------------------------------

    def create(self, object_id: AnyID, data_size: int, metadata: bytes = b"") -> pa.Buffer:
        """Creates an object, to be filled and then sealed.

        Args:
            object_id: The ID of the object.
            data_size: Bytes of the object.
            metadata: Bytes to store beside the object.

        Returns:
            The memory of the object. It may be written until the object is sealed.

        Raises:
            PlasmaObjectExists: An object with this ID exists, or is being created.
            PlasmaStoreFull: The store has no room for the object.
        """
        data, writer = self._create(object_id, data_size, metadata)
        place = InPlace(data, (data_size,), np.dtype(np.uint8), "C")
        memory = pa.py_buffer(place.array())
        place.keep(writer)
        with self._lock:
            self._writers[ObjectID(object_id)] = writer, place
        return memory

    def _create(self, object_id: AnyID, data_size: int, metadata: bytes) -> Tuple[Any, Any]:
        spec = filled("sdp_dal_object_spec")
        kept = ffi.new("uint8_t[]", bytes(metadata) or b"\0")
        spec.data_size, spec.metadata, spec.metadata_size = data_size, kept, len(metadata)
        spec.flags = lib.SDP_DAL_OBJECT_EVICTABLE
        data, out = ffi.new("void **"), ffi.new("sdp_dal_writer **")
        check(lib.sdp_dal_object_create(self._conn._open, whole_id(object_id), spec, data, out))
        return data[0], own(out, lib.sdp_dal_writer_free)

    def seal(self, object_id: AnyID) -> None:
        """Completes an object. From now on all clients can get it.

        Raises:
            PlasmaObjectNotFound: This client is not creating such an object.
        """
        writer, place = self._written(object_id)
        check(lib.sdp_dal_writer_seal(writer))
        # The memory that the program still holds stays readable, whatever becomes of the object.
        place.ended(lambda: own(self._conn._hold_many([whole_id(object_id)], 0), lib.sdp_dal_buffer_free))

    def abort(self, object_id: AnyID) -> None:
        """Removes an object that this client is creating.

        Raises:
            PlasmaObjectNotFound: This client is not creating such an object.
        """
        writer, _ = self._written(object_id)
        ffi.release(writer)

    def _written(self, object_id: AnyID) -> Tuple[Any, InPlace]:
        with self._lock:
            found = self._writers.pop(ObjectID(object_id), None)
        if found is None:
            raise NotFound(f"this client is not creating the object {whole_id(object_id).hex()}")
        return found

    def create_and_seal(self, object_id: AnyID, data: Any, metadata: bytes = b"") -> None:
        """Creates an object of given bytes, and seals it. The bytes are copied once.

        Args:
            object_id: The ID of the object.
            data: The bytes, as any object with a buffer.
            metadata: Bytes to store beside the object.

        Raises:
            PlasmaObjectExists: An object with this ID exists, or is being created.
            PlasmaStoreFull: The store has no room for the object.
        """
        self._put([data], ObjectID(object_id), metadata)

    def put_raw_buffer(
        self, value: Any, object_id: Optional[AnyID] = None, metadata: bytes = b"", memcopy_threads: int = 6
    ) -> ObjectID:
        """Stores bytes. They are copied once.

        Args:
            value: The bytes, as any object with a buffer.
            object_id: The ID of the object. Default: a random one.
            metadata: Bytes to store beside the object.
            memcopy_threads: Accepted and ignored.

        Returns:
            The ID.

        Raises:
            PlasmaObjectExists: An object with this ID exists, or is being created.
            PlasmaStoreFull: The store has no room for the object.
        """
        oid = ObjectID.from_random() if object_id is None else ObjectID(object_id)
        self._put([value], oid, metadata)
        return oid

    def put(
        self, value: Any, object_id: Optional[AnyID] = None, memcopy_threads: int = 6, serialization_context: Any = None
    ) -> ObjectID:
        """Stores any Python value that can be pickled. Arrays in it are copied once.

        Args:
            value: The value.
            object_id: The ID of the object. Default: a random one.
            memcopy_threads: Accepted and ignored.
            serialization_context: Must be None. The error for anything else says what to use instead.

        Returns:
            The ID.

        Raises:
            PlasmaObjectExists: An object with this ID exists, or is being created.
            PlasmaStoreFull: The store has no room for the object.
            Unsupported: There is a ``serialization_context``.
        """
        _check_context(serialization_context)
        oid = ObjectID.from_random() if object_id is None else ObjectID(object_id)
        self._put(pickled(value), oid, PICKLED, framed=True)
        return oid

    def _put(self, parts: List[Any], oid: ObjectID, metadata: bytes, framed: bool = False) -> None:
        views = [memoryview(part).cast("B") if memoryview(part).nbytes else memoryview(b"") for part in parts]
        sizes = [view.nbytes for view in views]
        begins, size = places(sizes) if framed else ([0], sizes[0])
        data, writer = self._create(oid, size, metadata)
        if size:
            into = memoryview(ffi.buffer(data, size))
            if framed:
                before = head(sizes)
                into[: len(before)] = before
            for begin, view in zip(begins, views):
                np.copyto(np.frombuffer(into[begin : begin + view.nbytes], np.uint8), np.frombuffer(view, np.uint8))
        check(lib.sdp_dal_writer_seal(writer))

    # ---- reading -------------------------------------------------------------------------------------------------

    def get_buffers(self, object_ids: Sequence[AnyID], timeout_ms: int = -1, with_meta: bool = False) -> List[Any]:
        """Returns the bytes of objects, without a copy.

        Args:
            object_ids: The IDs of the objects.
            timeout_ms: Milliseconds to wait until all objects exist, 0 not to wait. Default: -1, to wait forever.
            with_meta: Return the metadata, too.

        Returns:
            A list with the buffer of each object, or None if it was not sealed in time. With ``with_meta`` a list of
            tuples of metadata (bytes) and buffer, or of two None.
        """
        found: List[Any] = []
        for handle in self._handles(object_ids, timeout_ms):
            metadata = None if handle is None else _metadata(handle)
            data = None if handle is None else _tables.buffer_of(handle)
            found.append((metadata, data) if with_meta else data)
        return found

    def get_metadata(self, object_ids: Sequence[AnyID], timeout_ms: int = -1) -> List[Optional[pa.Buffer]]:
        """Returns the metadata of objects.

        Args:
            object_ids: The IDs of the objects.
            timeout_ms: Milliseconds to wait until all objects exist, 0 not to wait. Default: -1, to wait forever.

        Returns:
            A list with a buffer for each object, or None if it was not sealed in time.
        """
        return [
            None if metadata is None else pa.py_buffer(metadata)
            for metadata, _ in self.get_buffers(object_ids, timeout_ms, with_meta=True)
        ]

    def get(
        self, object_ids: Union[AnyID, Sequence[AnyID]], timeout_ms: int = -1, serialization_context: Any = None
    ) -> Any:
        """Returns values that :meth:`put` stored, and the bytes of other objects.

        Arrays stay in the store and are read-only.

        Unpickling a value can run code of its writer. Fix: get values only from stores whose clients are trusted.

        Args:
            object_ids: A list of IDs, or a single ID.
            timeout_ms: Milliseconds to wait until all objects exist, 0 not to wait. Default: -1, to wait forever.
            serialization_context: Must be None. The error for anything else says what to use instead.

        Returns:
            A list of values, or the value of the single ID. :class:`ObjectNotAvailable` replaces an object that was not
            sealed in time.

        Raises:
            Unsupported: There is a ``serialization_context``.
        """
        _check_context(serialization_context)
        if isinstance(object_ids, (list, tuple)):
            return [value_of(*found) for found in self.get_buffers(object_ids, timeout_ms, with_meta=True)]
        return value_of(*self.get_buffers([object_ids], timeout_ms, with_meta=True)[0])

    def _handles(self, object_ids: Sequence[AnyID], timeout_ms: int) -> List[Any]:
        return self._conn._hold_many(
            [whole_id(oid) for oid in object_ids], None if timeout_ms < 0 else timeout_ms / 1e3
        )

    # ---- about objects -------------------------------------------------------------------------------------------

    def contains(self, object_id: AnyID) -> bool:
        """Returns whether a sealed object with an ID exists."""
        return self._conn.object_exists(object_id)

    def hash(self, object_id: AnyID) -> bytes:
        """Returns a digest of an object's bytes and metadata, 8 bytes. It is equal for equal bytes and metadata.

        Raises:
            PlasmaObjectNotFound: There is no sealed object with this ID.
        """
        ((metadata, data),) = self.get_buffers([object_id], 0, with_meta=True)
        if data is None:
            raise NotFound(f"there is no object {whole_id(object_id).hex()}")
        digest = hashlib.blake2b(data, digest_size=8)
        digest.update(metadata)
        return digest.digest()

    def list(self) -> Dict[ObjectID, Dict[str, Any]]:
        """Lists all objects of the store.

        Returns:
            By the ID of each object a dictionary: ``data_size`` and ``metadata_size`` (bytes), ``ref_count`` (clients that
            hold it), ``create_time`` (seconds since 1970), ``construct_duration`` (seconds, -1 before it is sealed) and
            ``state`` ('created' or 'sealed').
        """
        found: Dict[ObjectID, Dict[str, Any]] = {}
        for info in self._conn._objects():
            if info.state in (lib.SDP_DAL_STATE_SEALED, lib.SDP_DAL_STATE_CREATING):
                sealed = info.state == lib.SDP_DAL_STATE_SEALED
                found[ObjectID(bytes(ffi.buffer(info.id, OBJECT_ID_SIZE)))] = {
                    "data_size": int(info.data_size),
                    "metadata_size": int(info.metadata_size),
                    "ref_count": int(info.pins),
                    "create_time": info.created_ns // 10**9,
                    "construct_duration": info.construct_ns // 10**9 if sealed else -1,
                    "state": "sealed" if sealed else "created",
                }
        return found

    def delete(self, object_ids: Sequence[AnyID]) -> None:
        """Deletes objects. An object that clients hold is deleted when the last of them releases it. IDs of no object are
        ignored."""
        for oid in object_ids:
            status = lib.sdp_dal_object_delete(self._conn._open, whole_id(oid), lib.SDP_DAL_DELETE_WHEN_RELEASED)
            if status not in (lib.SDP_DAL_OK, lib.SDP_DAL_NOT_FOUND):
                raise error(status)

    def evict(self, num_bytes: int) -> int:
        """Deletes objects that no client uses, beginning with the one unused for longest, until they had so many bytes
        together. Only the stores of ``plasma_store`` evict.

        Args:
            num_bytes: Bytes of data and metadata to free.

        Returns:
            The bytes of data and metadata of the objects that were deleted.
        """
        out = ffi.new("uint64_t *")
        check(lib.sdp_dal_store_evict(self._conn._open, num_bytes, out))
        return int(out[0])

    def store_capacity(self) -> int:
        """Returns the bytes that fit into the empty store."""
        return self._conn.stat()["size"]

    def debug_string(self) -> str:
        """Returns figures of the store as a text."""
        return ", ".join(f"{name} {value}" for name, value in self._conn.stat().items())

    def set_client_options(self, client_name: str, limit_output_memory: int = -1) -> None:
        """Names this client, for displays such as ``sdp-dal top``.

        Args:
            client_name: The name.
            limit_output_memory: Accepted and ignored: all clients share the memory of the store.
        """
        check(lib.sdp_dal_store_set_client_name(self._conn._open, client_name.encode()))

    # ---- notifications ----------------------------------------------------------------------------------------------

    def subscribe(self) -> None:
        """Follows the objects of the store from now on, for :meth:`get_next_notification` and
        :meth:`get_notification_socket`. A second call has no effect.

        Objects that are in the store already are reported first, as with Plasma, in the order in which they were sealed.
        Small ones that were sealed within some milliseconds are in the order in which they were created. A thread queues
        what follows without a limit, so that a program may read it late.
        """
        if self._notifications is None:
            self._notifications = Notifications(self._conn)
            # Its thread holds no client, and ends with the last reference to this one.
            weakref.finalize(self, self._notifications.give_up)

    def get_next_notification(self) -> Tuple[ObjectID, int, int]:
        """Waits until an object is sealed or deleted.

        Returns:
            Its ID, the bytes of its data, the bytes of its metadata; -1 for both if it was deleted.
        """
        return self._subscribed().next()

    def get_notification_socket(self) -> socket.socket:
        """A socket for ``select`` and event loops: readable when there is a notification.

        On it a message for each notification follows: its length (8 bytes, as of ``struct.unpack("L", ...)``), and then
        so many bytes for :meth:`decode_notifications`. :meth:`get_next_notification` reads the next message, too.

        Returns:
            The socket. The caller owns it; it ends (``recv`` returns no bytes) when the client is disconnected.
        """
        return self._subscribed().open_socket()

    def decode_notifications(self, buf: Any) -> Tuple[List[ObjectID], List[int], List[int]]:
        """The notifications of a message of the socket.

        Args:
            buf: The message, without its length.

        Returns:
            Object IDs, bytes of data and bytes of metadata; -1 for both of a deleted object.
        """
        found = decoded(bytes(buf))
        return [oid for oid, _, _ in found], [data for _, data, _ in found], [metadata for _, _, metadata in found]

    def _subscribed(self) -> Notifications:
        if self._notifications is None:
            raise InvalidArgument("call subscribe() first")
        return self._notifications

    # ---- the end -------------------------------------------------------------------------------------------------

    def to_capsule(self) -> NoReturn:
        """Raises Unsupported: there is no Plasma client in C++. Its text says what to use instead."""
        raise Unsupported(
            "there is no C++ Plasma client to hand over: C and C++ programs open the store by its path, with sdp_dal.h or "
            "sdp_dal.hpp (ska_sdp_dal.get_include())"
        )

    def disconnect(self) -> None:
        """Ends the connection. Buffers that were got stay valid; objects that this client is creating are aborted."""
        with self._lock:
            self._writers.clear()
        self._conn.close()

    def __repr__(self) -> str:
        return f"<PlasmaClient of {self.store_socket_name}>"


def _check_context(serialization_context: Any) -> None:
    if serialization_context is not None:
        raise Unsupported(
            "serialization_context: values are pickled, so that there is no such context. Give the class a __reduce__() "
            "method, or register it with copyreg.pickle()"
        )


def _metadata(handle: Any) -> bytes:
    info = filled("sdp_dal_buffer_info")
    check(lib.sdp_dal_buffer_get_info(handle, info))
    return bytes(ffi.buffer(info.metadata, info.metadata_size)) if info.metadata_size else b""
