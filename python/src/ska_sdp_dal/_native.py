# SPDX-License-Identifier: BSD-3-Clause
"""The C library: its path, its statuses as exceptions, and Ctrl-C in its waits.

Only this package's modules use it. A handle of the library is kept as a cffi pointer that frees itself (``own``), so every
object that refers to the pointer keeps the handle.
"""

from __future__ import annotations

import atexit
import os
import struct
import sys
import threading
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence, Set, Tuple

from . import errors

try:
    from ._ffi import VERSION
    from ._ffi import ffi as ffi
except ModuleNotFoundError as missing:
    raise ImportError(
        "ska_sdp_dal was not built: install it with 'pip install ./python', as it cannot be imported from its sources"
    ) from missing

_PACKAGE = Path(__file__).resolve().parent


def get_include() -> str:
    """Returns the folder of ``sdp_dal.h`` and ``sdp_dal.hpp``, for C and C++ compilers."""
    return str(_PACKAGE / "include")


def get_library() -> str:
    """Returns the path of the C library that this package uses. The environment variable ``SDP_DAL_LIBRARY`` sets it.
    Default: the package's own library."""
    chosen = os.environ.get("SDP_DAL_LIBRARY")
    # With the name under which programs that are linked with it search for it.
    major, minor = VERSION.split(".")[:2]
    abi = f"{major}.{minor}" if major == "0" else major
    return chosen or str(_PACKAGE / "lib" / f"libsdp_dal.so.{abi}")


def version_of(library: Any) -> str:
    """Returns the version of a C library."""
    number = int(library.sdp_dal_version())
    return f"{number >> 24}.{number >> 12 & 0xFFF}.{number & 0xFFF}"


def _load() -> Any:
    path = get_library()
    try:
        library = ffi.dlopen(path)
    except OSError as problem:
        chosen = " (environment variable SDP_DAL_LIBRARY)" if os.environ.get("SDP_DAL_LIBRARY") else ""
        raise ImportError(f"cannot load the library {path}{chosen}: {problem}") from problem
    found = version_of(library)
    # Before 1.0 each minor version has an ABI of its own.
    ours, theirs = VERSION.split("."), found.split(".")
    if ours[: 2 if ours[0] == "0" else 1] != theirs[: 2 if ours[0] == "0" else 1]:
        raise ImportError(f"the library {path} is of version {found}, this package needs {VERSION}")
    return library


lib: Any = _load()

TIMEOUT: int = lib.SDP_DAL_TIMEOUT
FOREVER: int = lib.SDP_DAL_WAIT_FOREVER
_MESSAGE_SIZE: int = lib.SDP_DAL_MESSAGE_SIZE


# ---- errors ----------------------------------------------------------------------------------------------------------


def last_error() -> str:
    """Returns the text of this thread's last failure."""
    length = ffi.new("size_t *", _MESSAGE_SIZE)
    buffer = ffi.new("char[]", _MESSAGE_SIZE)
    lib.sdp_dal_last_error(buffer, length)
    return str(ffi.string(buffer).decode(errors="replace"))


def text_of(function: Any, *arguments: Any) -> str:
    """Returns a text that a function of the library copies into a buffer after its other arguments."""
    size = 256
    length = ffi.new("size_t *")
    while True:
        buffer = ffi.new("char[]", size)
        length[0] = size
        status = function(*arguments, buffer, length)
        if status != 0:
            raise error(status)
        if length[0] <= size:
            return bytes(ffi.buffer(buffer, max(length[0], 1) - 1)).decode(errors="replace")
        size = length[0]


def error(status: int, refs: Sequence[Any] = (), timeout: Optional[float] = None) -> BaseException:
    """Returns the exception for a status that a function has just returned in this thread."""
    if status == lib.SDP_DAL_INTERRUPTED:
        raised = _signals.take()
        if raised is not None:
            return raised
    return errors.of_status(status, last_error(), refs, timeout)


def check(status: int, refs: Sequence[Any] = (), timeout: Optional[float] = None) -> None:
    """Raises the exception for a status, unless it is OK."""
    if status != 0:
        raise error(status, refs, timeout)


# ---- structs, handles, time --------------------------------------------------------------------------------------------


def filled(name: str) -> Any:
    """Returns a struct of the library with its defaults."""
    return ffi.new(name + " *", {"struct_size": ffi.sizeof(name)})


def reader(name: str, *fields: str) -> Callable[[Any], Tuple[int, ...]]:
    """Returns a function that reads integers and pointers from the buffer of a struct of the library. It reads all at once,
    which costs less than one by one, and returns them in the order of the struct."""
    layout, end = "=", 0
    for field, place in ffi.typeof(name).fields:
        if field in fields:
            size = ffi.sizeof(place.type)
            layout += f"{place.offset - end}x{'i' if size == 4 else 'q'}"
            end = place.offset + size
    return struct.Struct(layout).unpack_from


def own(out: Any, free: Any) -> Any:
    """Returns the handle that a function has just written to ``out``. It is freed after its last use."""
    return ffi.gc(out[0], free)


def nanoseconds(timeout: Optional[float]) -> int:
    """Returns a time in seconds as the library accepts it; None waits forever."""
    if timeout is None:
        return FOREVER
    try:
        if timeout >= 0:
            # A longer time than the library can represent is forever.
            return FOREVER if timeout > 9e9 else int(timeout * 1e9)
        negative = timeout < 0
    except (TypeError, ValueError):
        negative = False
    how = (
        "give 0 or more seconds; max(0, ...) if it is what a deadline leaves"
        if negative
        else "give seconds as a number"
    )
    raise errors.InvalidArgument(f"the timeout is {timeout!r}: {how}; None waits forever") from None


def full_nanoseconds(full_timeout: Optional[float]) -> int:
    """Returns how long to wait for space as the library accepts it: None is the default, and 0 does not wait."""
    if full_timeout is None:
        return 0
    nanos = nanoseconds(full_timeout)
    # 0 and 1 have meanings of their own.
    return nanos if nanos > 1 or nanos == FOREVER else 1


def short(value: Any) -> str:
    """Returns a value as messages show it."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def whole(number: Any, what: str, least: int, how: str) -> int:
    """Returns a whole number that is at least ``least``. ``how`` is the advice in the error."""
    if not hasattr(number, "__index__"):
        raise TypeError(f"{what} is {number!r}: give {how}")
    if number < least:
        raise errors.InvalidArgument(f"{what} is {number}: give {how}")
    return int(number)


def encoded(text: Optional[str], what: str) -> Any:
    """Returns a text for the library; None is NULL."""
    if text is None:
        return ffi.NULL
    if not isinstance(text, (str, bytes, os.PathLike)):
        raise TypeError(f"{what} is {text!r}: give a text")
    raw = os.fsencode(text)
    if b"\0" in raw:
        raise errors.InvalidArgument(f"{what} {text!r} has a NUL inside")
    return raw


def texts(values: Sequence[str], what: str) -> Any:
    """Returns an array of texts for the library, and what must be kept as long as it is used."""
    kept = [ffi.new("char[]", encoded(value, what)) for value in values]
    return ffi.new("const char *[]", kept or [ffi.NULL]), kept


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------


class _Signals:
    """Lets Python's signal handlers run while a thread waits in the library.

    Python runs them only between its own instructions, and there are none while C waits. Therefore the library asks
    periodically, and after each signal, whether the wait is to end. The answer runs a little Python code, and with it the
    handlers. An exception of a handler, such as KeyboardInterrupt, cannot pass through C. It is kept, the wait ends, and the
    waiting function raises it.
    """

    def __init__(self) -> None:
        self._raised: List[BaseException] = []
        self._main = threading.main_thread().ident
        self._check = ffi.callback("bool(void *)", self._look, error=True, onerror=self._keep)
        check(lib.sdp_dal_set_interrupt_check(self._check, ffi.NULL))
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        hasty.clear()
        self._main = threading.get_ident()
        self._raised.clear()

    def _look(self, _data: Any) -> bool:
        # Handlers run in the main thread, between these very instructions.
        thread = threading.get_ident()
        return (thread == self._main and bool(self._raised)) or thread in hasty

    def _keep(self, _kind: Any, value: BaseException, trace: Any) -> bool:
        self._raised.append(value.with_traceback(None))
        return True

    def take(self) -> Optional[BaseException]:
        """Returns the exception that a handler raised in this thread, once."""
        if threading.get_ident() == self._main and self._raised:
            return self._raised.pop(0)
        return None


#: Threads whose waits are to end soon, with :class:`.Interrupted`: those of event loops.
hasty: Set[int] = set()
_signals = _Signals()


def _leave() -> None:
    """Leaves all stores when the program ends. Python does not free every handle at exit, and no store must stay behind."""
    # A daemon thread that still waits must not enter an interpreter that is being taken down.
    lib.sdp_dal_set_interrupt_check(ffi.NULL, ffi.NULL)
    lib.sdp_dal_stores_leave()


atexit.register(_leave)


def library_version() -> str:
    """Returns the version of the loaded C library."""
    return version_of(lib)


if sys.byteorder != "little":  # pragma: no cover - the wire formats are little-endian
    raise ImportError("ska_sdp_dal works on little-endian machines only")


# ---- Arrow -----------------------------------------------------------------------------------------------------------


def address(pointer: Any) -> int:
    """Returns a pointer as the number that pyarrow accepts."""
    return int(ffi.cast("uintptr_t", pointer))


def own_schema(schema: Any, function: Any, kind: str, free: Any) -> Any:
    """Returns the handle that a function creates from an Arrow schema, which it moves."""
    moved = ffi.new("struct ArrowSchema *")
    out = ffi.new(kind)
    schema._export_to_c(address(moved))
    check(function(moved, out))
    return own(out, free)


def new_arrow(kind: str) -> Any:
    """Returns a struct of Arrow that is released after its last use, if the library has not taken it."""
    return ffi.gc(ffi.new(kind), _release)


def _release(moved: Any) -> None:
    if moved.release != ffi.NULL:
        moved.release(moved)
