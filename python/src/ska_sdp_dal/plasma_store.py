# SPDX-License-Identifier: BSD-3-Clause
"""``plasma_store -s PATH -m BYTES``: keeps a store until a signal, as the program of that name did.

A store needs no server, as the first client that opens its path creates it. This program gives the store its size, keeps it
while no other client uses it, and releases what crashed clients held. If the store exists already, it must have the size of
``-m``, and eviction; otherwise this program ends with an error that names both.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from types import FrameType
from typing import List, Optional

from ._connection import Connection
from ._native import filled, lib
from .errors import DalError, TimeoutException
from .ids import ObjectID
from .references import Ref

#: How often the program looks for crashed clients, in seconds.
_TURN = 0.25


class _Signal(BaseException):
    """A signal that ends the program has come."""


def _ended(number: int, _frame: Optional[FrameType]) -> None:
    raise _Signal(signal.Signals(number).name)


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs the program. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="plasma_store", description="Keeps a store until a signal (SIGINT, SIGTERM or SIGHUP).", add_help=False
    )
    parser.add_argument("-s", dest="path", required=True, metavar="PATH", help="path of the store")
    parser.add_argument(
        "-m", dest="memory", required=True, type=_memory, metavar="BYTES", help="bytes that fit into the store"
    )
    parser.add_argument(
        "-d", dest="directory", metavar="DIRECTORY", help="ignored: the store is on the tmpfs of PATH, or on /dev/shm"
    )
    parser.add_argument(
        "-h", dest="huge", action="store_true", help="ignored: huge pages are used where the kernel gives them"
    )
    parser.add_argument("-z", dest="quiet", action="store_true", help="print nothing")
    parser.add_argument("--help", action="help", help="show this text")
    options = parser.parse_args(arguments)

    def say(line: str) -> None:
        if not options.quiet:
            print(line, flush=True)

    # Before the store is there: a signal that comes early must not leave it behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    try:
        with _open(options.path, options.memory) as conn:
            say(f"Allowing the Plasma store to use up to {_shown(options.memory)} of memory.")
            say(f"Ready: the store {options.path}; a signal ends this program")
            _keep(conn)
    except _Signal as name:
        say(f"Ended by {name}: the store is removed when its last client closes")
    except DalError as problem:
        print(f"plasma_store: {problem}", file=sys.stderr)
        return 1
    return 0


def _open(path: str, memory: int) -> Connection:
    options = filled("sdp_dal_store_options")
    options.size = memory
    # As Plasma evicted unused objects; and no other store than the one that was asked for.
    options.flags = lib.SDP_DAL_STORE_EVICTION | lib.SDP_DAL_STORE_EXACT
    return Connection._with(path, options)


def _keep(conn: Connection) -> None:
    """Waits for an object that never exists: a client that waits releases what crashed clients held."""
    kept = Ref(conn, ObjectID.from_random())
    while True:
        try:
            kept.wait(_TURN)
        except TimeoutException:
            if not os.path.lexists(conn.plasma_path):
                raise DalError(f"the store {conn.plasma_path} was destroyed, or its name was taken away") from None


def _memory(text: str) -> int:
    number = float(text)
    # Not infinite, nor more than the library counts.
    if not 1 <= number < 1 << 63:
        raise argparse.ArgumentTypeError(f"{text} is no number of bytes")
    return int(number)


def _shown(size: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:g}{name}"
    return f"{size}B"


if __name__ == "__main__":
    sys.exit(main())
