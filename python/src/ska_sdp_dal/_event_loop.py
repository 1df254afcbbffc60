# SPDX-License-Identifier: BSD-3-Clause
"""Waits in event loops: for objects, calls and events of a store, without a thread for each.

A store has one descriptor in a process, which is readable when something may be new. A :class:`Reader` belongs to one event
loop and one store, and is registered with the loop as long as it watches something. When the loop wakes up for it, it
asks the library for the IDs of watched objects that may have ended, and checks only these.

Waking up costs more than checking. A wait therefore checks its objects in the next turns of the loop, and watches them only
when the loop has had no other work for longer than its patience. That time is learned, as by the library's own waits.

All loops of a process share the descriptor and the list of changes. The loop that wakes up first takes the list, and passes
it on to the other loops.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from time import perf_counter
from typing import Any, Callable, Coroutine, Dict, Iterator, List, Optional, Sequence, Set

from ._native import TIMEOUT, error, ffi, filled, lib
from .errors import DalError, SystemFailure
from .ids import OBJECT_ID_SIZE

#: How many changed objects are taken at once.
_MOST_CHANGED = 128
#: Seconds after which everything is looked at, whether it changed or not: the descriptor may be lost to this process.
_SWEEP = 5.0
#: The longest patience of a loop without other work, in seconds; and how often a wait is looked at for the most.
_PATIENCE = 3e-4
_MOST_LOOKS = 20
_ref_info = lib.sdp_dal_ref_get_info
_take_changed = lib.sdp_dal_store_take_changed
_wait_for_ref = lib.sdp_dal_ref_wait
_watch = lib.sdp_dal_ref_watch

#: The readers of this process, by descriptor. Connections keep those that were used last.
_readers: Dict[int, List[weakref.ref[Reader]]] = {}
_lock = threading.Lock()


class Wait:
    """A wait for several objects, which ends when each of them exists or never will. It checks one object at a time, because
    all must end."""

    __slots__ = ("exist", "future", "left", "looks", "oid")

    def __init__(self, future: asyncio.Future[None], refs: Sequence[Any]) -> None:
        self.future = future
        #: The references, as the library has them, that have not been seen to end.
        self.left = [ref._handle for ref in refs]
        #: Whether all that have ended exist.
        self.exist = True
        #: How often it was looked at.
        self.looks = 0
        #: The ID of the object that is watched; empty if none is.
        self.oid = b""

    def is_over(self) -> bool:
        """Checks the remaining objects, and ends the wait if there are none."""
        left = self.left
        self.looks += 1
        while left:
            status = _wait_for_ref(left[-1], 0)
            if status == TIMEOUT:
                return False
            if status:
                self.exist = False
            left.pop()
        if not self.future.done():
            self.future.set_result(None)
        return True


class Reader:
    """The waits in one event loop for one store."""

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        self.loop = loop
        self._descriptor = descriptor
        #: The store's handle, as long as this is registered with the loop.
        self._handle: Any = None
        #: The waits that watch nothing yet, and whether they are to be looked at.
        self._fresh: List[Wait] = []
        self._peeks = False
        self._patience = _PATIENCE / 2
        #: Since when they have been looked at in vain; 0 if not in vain.
        self._idle = 0.0
        #: When they were watched last.
        self._armed = 0.0
        #: The others by the ID of the object that they watch.
        self._waits: Dict[bytes, List[Wait]] = {}
        #: What looks for something new each time: calls and events.
        self._looks: List[Callable[[], None]] = []
        self._timer: Optional[asyncio.TimerHandle] = None
        self._ids = ffi.new("uint8_t[]", _MOST_CHANGED * OBJECT_ID_SIZE)
        self._count = ffi.new("size_t *")
        self._info = filled("sdp_dal_ref_info")
        self._id = ffi.buffer(self._info.id)

    # ---- what waits ----------------------------------------------------------------------------------------------

    async def ended(self, refs: Sequence[Any], store: Any) -> bool:
        """Waits until all of these objects exist or never will. Returns whether all exist."""
        wait = Wait(self.loop.create_future(), refs)
        self._fresh.append(wait)
        if not self._peeks:
            self._peeks = True
            self.loop.call_soon(self._peek, store)
        try:
            await wait.future
        finally:
            if wait.left:
                self._forget(wait)
            if self._handle is not None:
                self._rest()
        return wait.exist

    def _peek(self, store: Any) -> None:
        """Checks the waits that watch nothing yet."""
        before, now = len(self._fresh), perf_counter()
        self._fresh = [wait for wait in self._fresh if not wait.is_over()]
        if not self._idle or len(self._fresh) < before:
            self._idle = now
        if now - self._idle > self._patience:
            self._patience /= 2
            self._armed, due = now, self._fresh
            self._fresh = []
        else:
            due = [wait for wait in self._fresh if wait.looks >= _MOST_LOOKS]
            if due:
                self._fresh = [wait for wait in self._fresh if wait.looks < _MOST_LOOKS]
        self._peeks = bool(self._fresh)
        if self._peeks:
            os.sched_yield()
            self.loop.call_soon(self._peek, store)
        else:
            self._idle = 0.0
        if due:
            self._watch_all(due, store)

    def _watch_all(self, waits: List[Wait], store: Any) -> None:
        try:
            self._register(store)
        except OSError as problem:
            for wait in waits:
                if not wait.future.done():
                    wait.future.set_exception(
                        SystemFailure(f"the descriptor of the store cannot be watched: {problem}")
                    )
            return
        for wait in waits:
            self._watch(wait)

    def _watch(self, wait: Wait) -> None:
        """Watches the next object of a wait. One that has ended already makes the descriptor readable."""
        reference = wait.left[-1]
        status = _ref_info(reference, self._info)
        if not status:
            wait.oid = self._id[:]
            status = _watch(reference, True)
        if status:
            if not wait.future.done():
                wait.future.set_exception(error(status))
            return
        self._waits.setdefault(wait.oid, []).append(wait)

    def _forget(self, wait: Wait) -> None:
        """Removes a wait that is not over."""
        if wait in self._fresh:
            self._fresh.remove(wait)
        waits = self._waits.get(wait.oid, ())
        if wait not in waits:
            return
        _watch(wait.left[-1], False)
        others = [other for other in waits if other is not wait]
        if others:
            self._waits[wait.oid] = others
            # They may stand for the same reference of the library's.
            for other in others:
                _watch(other.left[-1], True)
        else:
            del self._waits[wait.oid]

    def add_look(self, look: Callable[[], None], store: Any) -> None:
        """Adds a function that is called whenever something may be new."""
        self._register(store)
        self._looks.append(look)

    def remove_look(self, look: Callable[[], None]) -> None:
        """Removes a function that :meth:`add_look` added."""
        self._looks.remove(look)
        self._rest()

    # ---- registered with the loop ----------------------------------------------------------------------------------

    def _register(self, store: Any) -> None:
        if self._handle is None:
            self.loop.add_reader(self._descriptor, self._look)
            self._handle = store
        if self._timer is None:
            self._timer = self.loop.call_later(_SWEEP, self._sweep)

    def _rest(self) -> None:
        """Leaves the loop if nothing is watched."""
        if self._waits or self._looks or self._handle is None:
            return
        self._handle = None
        if not self.loop.is_closed():
            self.loop.remove_reader(self._descriptor)

    def _others(self) -> Iterator[Reader]:
        known = _readers.get(self._descriptor, ())
        if len(known) > 1:
            for other in [reader() for reader in known]:
                if other is not None and other is not self and other._handle is not None:
                    yield other

    # ---- what is new -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Handles a readable descriptor."""
        if perf_counter() - self._armed < _PATIENCE:
            self._patience = min(_PATIENCE, self._patience * 2 + _PATIENCE / 100)
        status = _take_changed(self._handle, _MOST_CHANGED, self._ids, self._count)
        if status:
            self._fail(error(status))
            return
        changed = bytes(ffi.buffer(self._ids, self._count[0] * OBJECT_ID_SIZE))
        for other in self._others():
            try:
                other.loop.call_soon_threadsafe(other._changed, changed)
            except RuntimeError:
                # It was closed.
                continue
        self._changed(changed)

    def _changed(self, changed: bytes) -> None:
        """Handles objects that may have ended, given as their concatenated IDs."""
        if self._waits:
            for start in range(0, len(changed), OBJECT_ID_SIZE):
                self._look_at(changed[start : start + OBJECT_ID_SIZE])
        for look in tuple(self._looks):
            look()

    def _look_at(self, oid: bytes) -> None:
        for wait in self._waits.pop(oid, ()):
            reference = wait.left[-1]
            if wait.is_over():
                _watch(reference, False)
            elif wait.left[-1] is reference:
                self._waits.setdefault(oid, []).append(wait)
            else:
                _watch(reference, False)
                self._watch(wait)

    def _sweep(self) -> None:
        self._timer = None
        if self._handle is None:
            return
        # Many are looked at less often.
        self._timer = self.loop.call_later(_SWEEP * max(1.0, len(self._waits) / 1000), self._sweep)
        ended = [
            oid
            for oid, waits in self._waits.items()
            if any(_wait_for_ref(wait.left[-1], 0) != TIMEOUT for wait in waits)
        ]
        self._changed(b"".join(ended))

    def _fail(self, problem: BaseException) -> None:
        """Ends all waits with an error, when the store can no longer be watched."""
        for waits in self._waits.values():
            for wait in waits:
                if not wait.future.done():
                    wait.future.set_exception(problem)
        # They find the same problem.
        for look in tuple(self._looks):
            look()


def reader_of(conn: Any, descriptor: Optional[int] = None) -> Reader:
    """Returns the running loop's reader for a connection's store. The connection is open, or was open when it got its
    descriptor."""
    loop, reader = asyncio.get_running_loop(), conn._reader
    if reader is not None and reader.loop is loop:
        return reader  # type: ignore[no-any-return]
    if descriptor is None:
        descriptor = conn._event_fd
    with _lock:
        living = [known for known in _readers.get(descriptor, ()) if known() is not None]
        for known in living:
            reader = known()
            if reader is not None and reader.loop is loop:
                break
        else:
            reader = Reader(loop, descriptor)
            living.append(weakref.ref(reader))
        _readers[descriptor] = living
    conn._reader = reader
    return reader


async def value_of(ref: Any) -> Any:
    """Returns the value of a reference when its object exists."""
    if _wait_for_ref(ref._handle, 0) == TIMEOUT:
        conn = ref._conn
        await reader_of(conn).ended((ref,), conn._open)
    return ref._value()


# ---- callbacks -------------------------------------------------------------------------------------------------------

#: What is to be called back; a loop itself keeps its tasks weakly.
_tasks: Set[asyncio.Task[None]] = set()
#: The loop of programs that run none, in a thread of its own.
_background: Optional[asyncio.AbstractEventLoop] = None


def call_back(ref: Any, callback: Callable[[Any], object]) -> None:
    """Calls a function with a reference when its object exists or never will. It is called in the loop that runs in this
    thread, or in the loop of the thread for callbacks."""
    conn, store, descriptor = ref._conn, None, None
    if _wait_for_ref(ref._handle, 0) == TIMEOUT:
        store, descriptor = conn._open, conn._event_fd
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = _background_loop()
        loop.call_soon_threadsafe(_begin, loop, _call_back(ref, callback, store, descriptor))
    else:
        _begin(loop, _call_back(ref, callback, store, descriptor))


def _begin(loop: asyncio.AbstractEventLoop, call: Coroutine[Any, Any, None]) -> None:
    task = loop.create_task(call)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _call_back(ref: Any, callback: Callable[[Any], object], store: Any, descriptor: Optional[int]) -> None:
    if store is not None:
        try:
            await reader_of(ref._conn, descriptor).ended((ref,), store)
        except DalError:
            # It cannot be waited for any more, and the reference says why.
            pass
    # What it raises is the loop's to report.
    asyncio.get_running_loop().call_soon(callback, ref)


def _background_loop() -> asyncio.AbstractEventLoop:
    global _background
    with _lock:
        if _background is None:
            _background = asyncio.new_event_loop()
            threading.Thread(target=_background.run_forever, name="sdp-dal-callbacks", daemon=True).start()
        return _background


def _forked() -> None:
    """Drops the loops and the thread in a forked child, because they are the parent's."""
    global _lock, _background
    _lock, _background = threading.Lock(), None
    _readers.clear()
    _tasks.clear()


os.register_at_fork(after_in_child=_forked)
