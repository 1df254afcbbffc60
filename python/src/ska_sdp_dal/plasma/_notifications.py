# SPDX-License-Identifier: BSD-3-Clause
"""Plasma's notifications: what happens to the objects of a store, in order, however late a program asks for it.

A thread reads the store's event log as events come, and queues them without a limit, as Plasma's server did. The log itself
holds some thousand events. A second thread writes the queue to a socket, once the program has asked for the socket.

If events come faster than the thread can read them, the store is listed again. Objects are then reported in the order in
which they were sealed. Deletions are reported before them, and objects that came and went meanwhile are not reported. Of
objects below 4096 bytes the store knows the time of sealing to some milliseconds only: within these they are reported in the
order in which they were created.
"""

from __future__ import annotations

import collections
import contextlib
import os
import select
import struct
import threading
from socket import SHUT_RDWR, socket, socketpair
from typing import Deque, List, Optional, Tuple

from .._bare_connection import BareConnection, Update, Updates
from ..errors import Forked, InvalidArgument
from ..ids import ObjectID

#: Seconds after which the thread looks whether it is to end, and most events that it takes at once.
_TURN, _MOST = 0.25, 256
#: A message on the socket: the bytes that follow, and for each object its ID, bytes of data, bytes of metadata.
_LENGTH, _RECORD = struct.Struct("<q"), struct.Struct("<20sqq")

_DISCONNECTED = "the client was disconnected: there are no more notifications"

_SocketPair = Tuple[socket, socket]


class Notifications:
    """Follows the objects of a store, beginning with those that are in it.

    Args:
        conn: A connection to the store. Closing it stops the notifications.
    """

    def __init__(self, conn: BareConnection) -> None:
        self._process = os.getpid()
        self._updates = Updates(conn._open)
        # As records, not as tuples: many of these would make Python's garbage collector look through all objects again and
        # again, and events be lost meanwhile.
        self._queue: Deque[bytes] = collections.deque(_RECORD.pack(*update) for update in self._updates.next(0, 1))
        self._changed = threading.Condition()
        self._stopping = False
        # Why nothing more will come.
        self._end: Optional[Exception] = None
        self._pair: Optional[_SocketPair] = None
        self._thread = threading.Thread(target=self._follow, name="plasma-notifications", daemon=True)
        self._thread.start()
        conn._followers.append(self.stop)

    def next(self) -> Update:
        """Waits for the next notification."""
        self._check_process()
        return decoded(self._queued() if self._pair is None else self._received(self._pair[1]))[0]

    def open_socket(self) -> socket:
        """A socket from which the notifications are read from now on."""
        self._check_process()
        with self._changed:
            if self._pair is None:
                self._pair = socketpair()
                sender = threading.Thread(target=self._send, args=self._pair[:1], name="plasma-socket", daemon=True)
                sender.start()
            return self._pair[1].dup()

    def give_up(self) -> None:
        """Lets the threads end soon. They are not in a forked child, where their lock may be held forever."""
        if os.getpid() != self._process:
            return
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            if self._pair is not None:
                # Wakes a thread that waits until the program reads. What was sent stays readable.
                with contextlib.suppress(OSError):
                    self._pair[0].shutdown(SHUT_RDWR)

    def stop(self) -> None:
        """Stops the notifications. The store is not used any more afterwards."""
        self.give_up()
        if os.getpid() == self._process:
            self._thread.join()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise Forked("the subscription was made before a fork(): connect and subscribe in the child")

    def _follow(self) -> None:
        end: Exception = InvalidArgument(_DISCONNECTED)
        try:
            while not self._stopping:
                found = self._updates.next(_TURN, _MOST)
                if found:
                    with self._changed:
                        self._queue.extend(_RECORD.pack(*update) for update in found)
                        self._changed.notify_all()
            self._updates.close()
        except Exception as problem:
            end = problem
        finally:
            with self._changed:
                self._end = end
                self._changed.notify_all()

    def _queued(self) -> bytes:
        with self._changed:
            while not self._queue:
                if self._end is not None:
                    raise self._end
                self._changed.wait()
            return self._queue.popleft()

    def _send(self, into: socket) -> None:
        with into, contextlib.suppress(Exception):
            while True:
                record = self._queued()
                into.sendall(_LENGTH.pack(len(record)) + record)

    def _received(self, come: socket) -> bytes:
        (length,) = _LENGTH.unpack(self._read(come, _LENGTH.size))
        return self._read(come, length)

    def _read(self, come: socket, size: int) -> bytes:
        read = b""
        while len(read) < size:
            # The program may have made the socket one that does not block.
            poll = select.poll()
            poll.register(come, select.POLLIN)
            poll.poll()
            part = come.recv(size - len(read))
            if not part:
                raise self._end or InvalidArgument(_DISCONNECTED)
            read += part
        return read


def decoded(message: bytes) -> List[Update]:
    """The notifications of a message that was read from the socket, without its length."""
    if len(message) % _RECORD.size:
        raise InvalidArgument(
            f"a message of notifications has a multiple of {_RECORD.size} bytes, not {len(message)}: read its length "
            "first, 8 bytes, and then so many bytes"
        )
    return [(ObjectID(oid), data, metadata) for oid, data, metadata in _RECORD.iter_unpack(message)]
