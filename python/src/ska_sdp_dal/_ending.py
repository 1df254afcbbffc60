# SPDX-License-Identifier: BSD-3-Clause
"""Ending a program with its clean-up on SIGTERM, which Kubernetes, systemd and ``kill`` send."""

from __future__ import annotations

import atexit
import contextlib
import signal
import time
from types import FrameType
from typing import Iterator, Optional

from .errors import InvalidArgument

#: Seconds after which a further signal raises :class:`SystemExit` again.
_AGAIN = 1.0


@contextlib.contextmanager
def end_on_sigterm(status: int = 0) -> Iterator[None]:
    """Makes SIGTERM end the block, and then the program, with its clean-up.

    The signal raises :class:`SystemExit` in the main thread, wherever that runs or waits. The ends of ``with`` blocks and
    the functions of ``atexit`` then run, and the store is removed if this was its last client. By default, SIGTERM kills a
    Python program and leaves the store behind. A function that is running is ended, too, and its outputs fail.

    A further signal in the next second changes nothing, because all processes of a group often get two. After a block
    that ends without the signal, the signal has its previous effect.

    Args:
        status: The exit status.

    Raises:
        InvalidArgument: This is not the main thread, which is the only one that handles signals.

    >>> with end_on_sigterm():
    ...     pass  # with MyProcessor(schemas, path) as processor: ...
    """

    came: Optional[float] = None

    def end(_number: int, _frame: Optional[FrameType]) -> None:
        nonlocal came
        now = time.monotonic()
        # But not for ever: what is raised while Python runs a finalizer, or in a bare except, is lost.
        if came is None or now - came > _AGAIN:
            if came is None:
                # While the interpreter is taken down it handles no signals, and the system would kill the program.
                atexit.register(signal.signal, signal.SIGTERM, signal.SIG_IGN)
            came = now
            raise SystemExit(status)

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:
        raise InvalidArgument(
            "end_on_sigterm() works in the main thread only, where Python handles signals: call it there"
        ) from None
    try:
        yield
    finally:
        if came is None:
            # None: the handler was not installed by Python.
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
