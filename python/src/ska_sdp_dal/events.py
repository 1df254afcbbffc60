# SPDX-License-Identifier: BSD-3-Clause
"""Events of a store's objects, as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, NamedTuple, Optional

from ._native import TIMEOUT, check, ffi, filled, lib, own
from .errors import DalError, InvalidArgument
from .ids import OBJECT_ID_SIZE, ObjectID

if TYPE_CHECKING:
    import asyncio

_next = lib.sdp_dal_subscription_next
_KINDS: Dict[int, str] = {
    lib.SDP_DAL_EVENT_SEALED: "sealed",
    lib.SDP_DAL_EVENT_DELETED: "deleted",
    lib.SDP_DAL_EVENT_FAILED: "failed",
    lib.SDP_DAL_EVENT_NAMESPACE_APPEARED: "namespace_appeared",
    lib.SDP_DAL_EVENT_NAMESPACE_GONE: "namespace_gone",
    lib.SDP_DAL_EVENT_CALL_ISSUED: "call_issued",
    lib.SDP_DAL_EVENT_CALL_CLAIMED: "call_claimed",
    lib.SDP_DAL_EVENT_CALL_ENDED: "call_ended",
    lib.SDP_DAL_EVENT_RESYNC: "resync",
}


class Event(NamedTuple):
    """An event of one object of a store."""

    #: ``sealed`` (it is complete), ``failed`` (it will never exist), ``deleted``; ``namespace_appeared`` and
    #: ``namespace_gone`` of declarations; ``call_issued``, ``call_claimed`` and ``call_ended`` of calls. ``resync`` says
    #: that events were lost, as the program read them too slowly.
    kind: str
    #: The object; zeros for ``resync``.
    oid: ObjectID
    #: Bytes of its data; of a failed object, of its text.
    data_size: int
    #: Bytes of its metadata.
    metadata_size: int
    #: The first 56 bytes of the metadata, which say what it is.
    metadata: bytes
    #: Number of the client that did it, as ``sdp-dal`` shows it.
    client: int
    #: When, in nanoseconds since 1970.
    time_ns: int


class Events:
    """The events of a store from a moment on, which :meth:`.Connection.events` returns for ``async for``."""

    def __init__(self, conn: Any, prefix: bytes) -> None:
        self._conn = conn
        out = ffi.new("sdp_dal_subscription **")
        check(lib.sdp_dal_store_subscribe(conn._open, prefix or ffi.NULL, len(prefix), out))
        self._subscription = own(out, lib.sdp_dal_subscription_free)
        self._event = filled("sdp_dal_event")
        #: In which the next event is waited for.
        self._future: Optional[asyncio.Future[Event]] = None

    def __repr__(self) -> str:
        return f"<Events of {self._conn.plasma_path}>"

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        from ._event_loop import reader_of

        event = self._poll()
        if event is not None:
            return event
        if self._future is not None:
            raise InvalidArgument("these events are waited for already: each task needs events() of its own")
        reader = reader_of(self._conn)
        self._future = reader.loop.create_future()
        reader.add_look(self._look, self._conn._open)
        try:
            return await self._future
        finally:
            self._future = None
            reader.remove_look(self._look)

    def _look(self) -> None:
        """Checks for new events."""
        if self._future is None or self._future.done():
            return
        try:
            event = self._poll()
        except DalError as problem:
            self._future.set_exception(problem)
        else:
            if event is not None:
                self._future.set_result(event)

    def _closed(self) -> None:
        """Handles the closing of the connection, by any thread."""
        future = self._future
        if future is not None:
            try:
                future.get_loop().call_soon_threadsafe(self._look)
            except RuntimeError:
                # The loop was, too.
                pass

    def _poll(self) -> Optional[Event]:
        # Raises if it was closed.
        _ = self._conn._open
        status = _next(self._subscription, 0, self._event)
        if status == TIMEOUT:
            return None
        check(status)
        event = self._event
        return Event(
            _KINDS.get(event.kind, str(event.kind)),
            ObjectID(bytes(ffi.buffer(event.id, OBJECT_ID_SIZE))),
            event.data_size,
            event.metadata_size,
            bytes(ffi.buffer(event.metadata, event.metadata_length)),
            event.actor,
            event.time_ns,
        )
