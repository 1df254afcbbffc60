# SPDX-License-Identifier: BSD-3-Clause
"""How a program ends in order when the system tells it to: SIGTERM, which Kubernetes, systemd and ``kill`` send."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType
from typing import Iterator, Optional

from .errors import InvalidArgument


@contextlib.contextmanager
def end_on_sigterm(status: int = 0) -> Iterator[None]:
    """Lets SIGTERM end the block, and then the program, in order: by :class:`SystemExit` in the main thread, wherever that
    is or waits. ``with`` blocks and what ``atexit`` knows run then, and the store is removed with its last client; by
    Python's default the signal kills the program, and leaves the store behind. A function that is running is ended, too:
    its outputs fail.

    The signal is ignored from then on, for the program is ending. After a block that ends without it the signal does
    what it did before.

    Args:
        status: The exit status.

    Raises:
        InvalidArgument: This is not the main thread: signals are handled there only.

    >>> with end_on_sigterm():
    ...     pass  # with MyProcessor(schemas, path) as processor: ...
    """

    def end(_number: int, _frame: Optional[FrameType]) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
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
        if signal.getsignal(signal.SIGTERM) is end:
            # None: a handler that is not Python's.
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
