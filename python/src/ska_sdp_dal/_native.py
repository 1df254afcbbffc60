# SPDX-License-Identifier: BSD-3-Clause
"""The C library: where it lies, how its statuses become exceptions, how its waits obey Ctrl-C.

Only this package's modules use it. A handle of the library is kept as a cffi pointer that frees itself (``own``), so
whatever refers to it keeps what it stands for.
"""

from __future__ import annotations

import atexit
import os
import struct
import sys
import threading
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence, Tuple

from . import errors

try:
    from ._ffi import VERSION
    from ._ffi import ffi as ffi
except ModuleNotFoundError as missing:
    raise ImportError(
        "ska_sdp_dal was not built: it is made by 'pip install ./python', and cannot be imported from its sources"
    ) from missing

_PACKAGE = Path(__file__).resolve().parent


def get_include() -> str:
    """The folder of ``sdp_dal.h`` and ``sdp_dal.hpp``, for C and C++ compilers."""
    return str(_PACKAGE / "include")


def get_library() -> str:
    """The path of the C library that this package uses: ``SDP_DAL_LIBRARY`` of the environment, else its own."""
    chosen = os.environ.get("SDP_DAL_LIBRARY")
    # Under the name by which programs that are linked with it look for it.
    major, minor = VERSION.split(".")[:2]
    abi = f"{major}.{minor}" if major == "0" else major
    return chosen or str(_PACKAGE / "lib" / f"libsdp_dal.so.{abi}")


def version_of(library: Any) -> str:
    """The version of a C library."""
    number = int(library.sdp_dal_version())
    return f"{number >> 24}.{number >> 12 & 0xFFF}.{number & 0xFFF}"


def _load() -> Any:
    path = get_library()
    try:
        library = ffi.dlopen(path)
    except OSError as problem:
        chosen = " (SDP_DAL_LIBRARY of the environment)" if os.environ.get("SDP_DAL_LIBRARY") else ""
        raise ImportError(f"cannot load the library {path}{chosen}: {problem}") from problem
    found = version_of(library)
    # Before 1.0 a minor version is a version of the ABI of its own.
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
    """The text of this thread's last failure."""
    length = ffi.new("size_t *", _MESSAGE_SIZE)
    buffer = ffi.new("char[]", _MESSAGE_SIZE)
    lib.sdp_dal_last_error(buffer, length)
    return str(ffi.string(buffer).decode(errors="replace"))


def text_of(function: Any, *arguments: Any) -> str:
    """A text that a function of the library copies into a buffer behind its other arguments."""
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
    """The exception for a status that a function has just returned in this thread."""
    if status == lib.SDP_DAL_INTERRUPTED:
        raised = _signals.take()
        if raised is not None:
            return raised
    return errors.of_status(status, last_error(), refs, timeout)


def check(status: int, refs: Sequence[Any] = (), timeout: Optional[float] = None) -> None:
    """Raises what a status says, unless it is OK."""
    if status != 0:
        raise error(status, refs, timeout)


# ---- structs, handles, time --------------------------------------------------------------------------------------------


def filled(name: str) -> Any:
    """A struct of the library with its defaults."""
    return ffi.new(name + " *", {"struct_size": ffi.sizeof(name)})


def reader(name: str, *fields: str) -> Callable[[Any], Tuple[int, ...]]:
    """What reads integers and pointers out of the buffer of a struct of the library's: all at once, which costs less than
    one by one. They come in the order in which the struct has them."""
    layout, end = "=", 0
    for field, place in ffi.typeof(name).fields:
        if field in fields:
            size = ffi.sizeof(place.type)
            layout += f"{place.offset - end}x{'i' if size == 4 else 'q'}"
            end = place.offset + size
    return struct.Struct(layout).unpack_from


def own(out: Any, free: Any) -> Any:
    """The handle that a function has just written to ``out``, which is freed with its last use."""
    return ffi.gc(out[0], free)


def nanoseconds(timeout: Optional[float]) -> int:
    """A time in seconds as the library takes it; None waits for ever."""
    if timeout is None:
        return FOREVER
    try:
        if timeout >= 0:
            # More than the library can count is for ever.
            return FOREVER if timeout > 9e9 else int(timeout * 1e9)
        negative = timeout < 0
    except (TypeError, ValueError):
        negative = False
    how = (
        "give 0 or more seconds; max(0, ...) if it is what a deadline leaves"
        if negative
        else "give seconds as a number"
    )
    raise errors.InvalidArgument(f"the timeout is {timeout!r}: {how}; None waits for ever") from None


def short(value: Any) -> str:
    """A value as messages show it."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def whole(number: Any, what: str, least: int, how: str) -> int:
    """A whole number that is at least so large; ``how`` says what to give."""
    if not hasattr(number, "__index__"):
        raise TypeError(f"{what} is {number!r}: give {how}")
    if number < least:
        raise errors.InvalidArgument(f"{what} is {number}: give {how}")
    return int(number)


def encoded(text: Optional[str], what: str) -> Any:
    """A text for the library; None is NULL."""
    if text is None:
        return ffi.NULL
    if not isinstance(text, (str, bytes, os.PathLike)):
        raise TypeError(f"{what} is {text!r}: give a text")
    raw = os.fsencode(text)
    if b"\0" in raw:
        raise errors.InvalidArgument(f"{what} {text!r} has a NUL inside")
    return raw


def texts(values: Sequence[str], what: str) -> Any:
    """An array of texts for the library, and what must live as long as it is used."""
    kept = [ffi.new("char[]", encoded(value, what)) for value in values]
    return ffi.new("const char *[]", kept or [ffi.NULL]), kept


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------


class _Signals:
    """Lets Python's signal handlers run while a thread waits in the library.

    Python runs them only between its own instructions, and there are none while C waits. So the library asks, now and
    then and after each signal, whether the wait is to end; answering runs a little Python, and with it the handlers. What
    a handler raises (KeyboardInterrupt, for one) cannot pass through C: it is kept, the wait ends, and who waited
    raises it.
    """

    def __init__(self) -> None:
        self._raised: List[BaseException] = []
        self._main = threading.main_thread().ident
        self._check = ffi.callback("bool(void *)", self._look, error=True, onerror=self._keep)
        check(lib.sdp_dal_set_interrupt_check(self._check, ffi.NULL))
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        self._main = threading.get_ident()
        self._raised.clear()

    def _look(self, _data: Any) -> bool:
        # Handlers run in the main thread, between these very instructions.
        return threading.get_ident() == self._main and bool(self._raised)

    def _keep(self, _kind: Any, value: BaseException, trace: Any) -> bool:
        self._raised.append(value.with_traceback(None))
        return True

    def take(self) -> Optional[BaseException]:
        """What a handler raised in this thread, once."""
        if threading.get_ident() == self._main and self._raised:
            return self._raised.pop(0)
        return None


_signals = _Signals()


def _leave() -> None:
    """The program ends: what it still holds is not freed in every case, and must leave no store behind."""
    # A daemon thread that still waits must not enter an interpreter that is being taken down.
    lib.sdp_dal_set_interrupt_check(ffi.NULL, ffi.NULL)
    lib.sdp_dal_stores_leave()


atexit.register(_leave)


def library_version() -> str:
    """The version of the C library that is running."""
    return version_of(lib)


if sys.byteorder != "little":  # pragma: no cover - the wire formats are little-endian
    raise ImportError("ska_sdp_dal works on little-endian machines only")


# ---- Arrow -----------------------------------------------------------------------------------------------------------


def address(pointer: Any) -> int:
    """A pointer as the number that pyarrow takes."""
    return int(ffi.cast("uintptr_t", pointer))


def own_schema(schema: Any, function: Any, kind: str, free: Any) -> Any:
    """What a function makes of an Arrow schema, which it moves."""
    moved = ffi.new("struct ArrowSchema *")
    out = ffi.new(kind)
    schema._export_to_c(address(moved))
    check(function(moved, out))
    return own(out, free)


def new_arrow(kind: str) -> Any:
    """A struct of Arrow's that is released at last, if the library has not taken it."""
    return ffi.gc(ffi.new(kind), _release)


def _release(moved: Any) -> None:
    if moved.release != ffi.NULL:
        moved.release(moved)
