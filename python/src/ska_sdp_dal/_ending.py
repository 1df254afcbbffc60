# SPDX-License-Identifier: BSD-3-Clause
"""How a program ends in order when the system tells it to: SIGTERM, which Kubernetes, systemd and ``kill`` send."""

from __future__ import annotations

import atexit
import contextlib
import signal
import time
from types import FrameType
from typing import Iterator, Optional

from .errors import InvalidArgument

#: Seconds after which another signal ends the program once more.
_AGAIN = 1.0


@contextlib.contextmanager
def end_on_sigterm(status: int = 0) -> Iterator[None]:
    """Lets SIGTERM end the block, and then the program, in order: by :class:`SystemExit` in the main thread, wherever that
    is or waits. ``with`` blocks and what ``atexit`` knows run then, and the store is removed with its last client; by
    Python's default the signal kills the program, and leaves the store behind. A function that is running is ended, too:
    its outputs fail.

    Another signal in the next second changes nothing, as all processes of a group often get two. After a block that ends
    without it the signal does what it did before.

    Args:
        status: The exit status.

    Raises:
        InvalidArgument: This is not the main thread: signals are handled there only.

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
