# SPDX-License-Identifier: BSD-3-Clause
"""An object that may not exist yet: what can be asked of it by its handle alone."""

from __future__ import annotations

from typing import Any, Optional

from ._native import check, error, ffi, lib, nanoseconds
from .ids import ObjectID


class Waitable:
    """An object that may not exist yet, and can be waited for."""

    _handle: Any
    #: What is true of almost all of them stands with the class.
    _auto_delete = True

    @property
    def oid(self) -> ObjectID:
        """The object's ID."""
        out = ffi.new("uint8_t[20]")
        check(lib.sdp_dal_ref_id(self._handle, out))
        return ObjectID(bytes(ffi.buffer(out, 20)))

    def binary(self) -> bytes:
        """The bytes of the object's ID: a reference stands wherever an ID is taken."""
        return bytes(self.oid)

    def exists(self) -> bool:
        """Whether the object exists now. Does not wait."""
        out = ffi.new("bool *")
        check(lib.sdp_dal_ref_exists(self._handle, out))
        return bool(out[0])

    def wait(self, timeout: Optional[float] = None) -> None:
        """Waits until the object exists.

        Args:
            timeout: Seconds to wait; None for as long as it takes.

        Raises:
            TimeoutException: It did not come to exist in time.
            FunctionError: The function that was to make it raised an exception.
            ProcessorLost: The processor that was to make it has gone.
        """
        status = lib.sdp_dal_ref_wait(self._handle, nanoseconds(timeout))
        if status:
            raise error(status, [self], timeout)

    @property
    def progress(self) -> float:
        """How far the function that makes the object has come, as it tells itself: from 0 to 1, and 1 once the object
        exists."""
        out = ffi.new("double *")
        check(lib.sdp_dal_ref_progress(self._handle, out))
        return float(out[0])

    @property
    def is_running(self) -> bool:
        """Whether a processor is at work on the object."""
        out = ffi.new("bool *")
        check(lib.sdp_dal_ref_is_running(self._handle, out))
        return bool(out[0])

    @property
    def is_owning(self) -> bool:
        """Whether this reference keeps the object."""
        return bool(lib.sdp_dal_ref_is_owning(self._handle))

    def disown(self) -> None:
        """Makes the object stay when its last reference goes: until it is deleted by its ID."""
        self._auto_delete = False
        check(lib.sdp_dal_ref_disown(self._handle))
