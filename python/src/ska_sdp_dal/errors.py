# SPDX-License-Identifier: BSD-3-Clause
"""The errors. Every error of the library is a :class:`DalError`, and also an error of Python. For example, a wrong argument
is a :class:`ValueError`, and a timeout is a :class:`TimeoutError`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Type

if TYPE_CHECKING:
    # pyarrow has no types.
    ArrowException = Exception
else:
    from pyarrow.lib import ArrowException

#: Begins the part of a failed call's text that contains the traceback in the processor.
TRACEBACK = "\nTraceback (most recent call last):\n"


class DalError(Exception):
    """An error of the library. Its text is one sentence that names the problem and what to do."""

    #: The status of the C library, a negative number; 0 if the error is the package's own.
    status: int = 0

    def __init__(self, text: str = "", status: Optional[int] = None) -> None:
        super().__init__(text)
        if status is not None:
            self.status = status


class InvalidArgument(DalError, ValueError):
    """An argument is wrong; the text names it."""


# Plasma's exceptions are three of these, and were Arrow's: programs catch them by that name, too.


class NotFound(DalError, LookupError, ArrowException):
    """The store, object, function or parameter does not exist."""


class StoreNotFound(NotFound, ConnectionError):
    """There is no store at the path, and none was to be created."""

    status = -2


class AlreadyExists(DalError, ArrowException):
    """The object exists already or is being created, or the store exists with other properties than requested."""


class OutOfMemory(DalError, MemoryError, ArrowException):
    """The store is full. The text gives the requested and the free size."""


class ObjectDeleted(DalError, LookupError):
    """The object existed and was deleted."""


class ProcessorLost(DalError, ConnectionError):
    """The processor that was to produce this crashed, was closed, or was replaced."""


class FunctionError(DalError, RuntimeError):
    """A processing function raised an exception, whose text this exception has.

    The traceback in the processor is the cause of this exception, so that both are printed.
    """

    #: Name of the exception's type in the processor, such as 'ValueError'; None if the processor is not a Python program.
    type_name: Optional[str] = None
    #: The traceback in the processor, as Python prints it (only its end, if it is long); None if it is not known.
    remote_traceback: Optional[str] = None

    def __init__(self, text: str = "", status: Optional[int] = None) -> None:
        head, mark, trace = text.partition(TRACEBACK)
        super().__init__(head.rstrip("\n"), status)
        if mark:
            self.remote_traceback = mark.lstrip("\n") + trace
            self.__cause__ = RemoteTraceback(self.remote_traceback)
            self.type_name = type_name_in(trace)


class InputLost(FunctionError):
    """An input of the call was deleted before the call ran."""


class OutputNotWritten(FunctionError):
    """The processing function ended without writing this output."""


class Cancelled(DalError):
    """The call was cancelled, because no reference to its outputs was left."""


class NoProcessor(DalError, RuntimeError):
    """There are fewer compatible processors than requested."""


class NamespaceInUse(DalError):
    """The requested prefix belongs to a running process."""


class AlreadyStarted(DalError, RuntimeError):
    """The processor has started and accepts no more functions."""


class Forked(DalError, RuntimeError):
    """The object was created before a fork(). The child has to open the store again."""


class Interrupted(DalError, InterruptedError):
    """The wait was interrupted."""


class PermissionDenied(DalError, PermissionError):
    """The operating system or the owner of the store forbids it."""


class Corrupt(DalError):
    """The file is not a store, or its bookkeeping is inconsistent."""


class Unsupported(DalError, NotImplementedError):
    """The store was created by an incompatible version, or the file system lacks a feature."""


class SystemFailure(DalError, OSError):
    """The operating system reported an error."""


class LimitReached(DalError, RuntimeError):
    """The store has its maximum number of clients or objects."""


class Busy(DalError, RuntimeError):
    """A stopped process holds the store's lock."""


class TimeoutException(DalError, TimeoutError):
    """The timeout has passed.

    Args:
        refs: References to the objects that are still missing; empty if the wait was not for objects.
        timeout: The timeout in seconds.
    """

    status = -4

    def __init__(self, refs: Sequence[Any] = (), timeout: Optional[float] = None, text: str = "") -> None:
        self._refs = list(refs)
        self._timeout = timeout
        if not text:
            what = ", ".join(map(_name, self._refs[:5])) + (", ..." if len(self._refs) > 5 else "")
            after = "" if timeout is None else f" within {timeout:g} s"
            text = f"not created{after}: {what}" if what else f"the wait did not end{after}"
        super().__init__(text)

    def __reduce__(self) -> Any:
        return (TimeoutException, (self._refs, self._timeout, str(self)))

    @property
    def refs(self) -> Any:
        """References to the objects that are still missing."""
        return self._refs

    @property
    def timeout(self) -> Optional[float]:
        """The timeout in seconds."""
        return self._timeout


def _name(ref: Any) -> str:
    """Returns a reference as its ID, because its other details do not matter here."""
    oid = getattr(ref, "oid", None)
    return str(ref) if oid is None else f"<{type(ref).__name__} {oid.hex()}>"


class RemoteTraceback(Exception):
    """The traceback of a processor, which is printed above the error that it caused."""

    def __str__(self) -> str:
        return "in the processor:\n" + str(self.args[0])


class InternalError(DalError, RuntimeError):
    """An error inside the library. Please report it."""


#: The exceptions by the library's status.
BY_STATUS: Dict[int, Type[DalError]] = {
    -1: InvalidArgument,
    -2: NotFound,
    -3: AlreadyExists,
    -4: TimeoutException,
    -5: OutOfMemory,
    -6: ObjectDeleted,
    -7: ProcessorLost,
    -8: FunctionError,
    -9: InputLost,
    -10: OutputNotWritten,
    -11: NoProcessor,
    -12: NamespaceInUse,
    -13: AlreadyStarted,
    -14: Forked,
    -15: Interrupted,
    -16: PermissionDenied,
    -17: Corrupt,
    -18: Unsupported,
    -19: SystemFailure,
    -20: LimitReached,
    -21: Busy,
    -22: InternalError,
    -23: Cancelled,
}


def of_status(status: int, text: str, refs: Sequence[Any] = (), timeout: Optional[float] = None) -> DalError:
    """Returns the exception for a status of the library."""
    kind = BY_STATUS.get(status, DalError)
    if kind is TimeoutException:
        return TimeoutException(refs, timeout, "" if refs else text)
    return kind(text, status)


def type_name_in(trace: str) -> Optional[str]:
    """Returns the name of the exception's type, from the last line of a traceback that is not indented."""
    for line in reversed(trace.splitlines()):
        name = line.partition(":")[0]
        if line and not line[0].isspace() and name.replace(".", "").replace("_", "").isalnum():
            return name
    return None


def tell(error: BaseException, room: int) -> str:
    """Returns an exception as the text of a failed call: its type and text, and then its traceback, in at most ``room``
    bytes of UTF-8. If the traceback is too long, its beginning is left out."""
    import traceback

    kind = type(error)
    head = "".join(traceback.format_exception_only(kind, error)).rstrip("\n")
    body = "".join(traceback.format_tb(error.__traceback__))
    head, last = _cut(head, room // 2), _cut(f"{kind.__name__}: {error}".splitlines()[0], 200)
    left = room - len(head.encode()) - len(TRACEBACK.encode()) - len(last.encode()) - 1
    lines = body.splitlines(keepends=True)
    while lines and len("".join(lines).encode()) > left:
        lines.pop(0)
    return head + TRACEBACK + "".join(lines) + last


def _cut(text: str, most: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= most else encoded[: most - 3].decode(errors="ignore") + "..."
