# SPDX-License-Identifier: BSD-3-Clause
"""The part of a reference that needs only its handle."""

from __future__ import annotations

from typing import Any, Optional

from ._native import check, error, ffi, filled, lib, nanoseconds
from .ids import ObjectID


class Waitable:
    """An object that may not exist yet, and for which a program can wait."""

    _handle: Any
    #: The values of almost all references are attributes of the class.
    _auto_delete = True

    @property
    def oid(self) -> ObjectID:
        """The object's ID."""
        return ObjectID(bytes(ffi.buffer(self._info().id)))

    def _info(self) -> Any:
        info = filled("sdp_dal_ref_info")
        check(lib.sdp_dal_ref_get_info(self._handle, info))
        return info

    def _state(self) -> Any:
        state = filled("sdp_dal_ref_state")
        check(lib.sdp_dal_ref_get_state(self._handle, state))
        return state

    def binary(self) -> bytes:
        """Returns the bytes of the object's ID. A reference is accepted wherever an ID is."""
        return bytes(self.oid)

    def exists(self) -> bool:
        """Returns whether the object exists now. Does not wait."""
        return bool(self._state().state == lib.SDP_DAL_STATE_SEALED)

    def wait(self, timeout: Optional[float] = None) -> None:
        """Waits until the object exists.

        Args:
            timeout: Seconds to wait; None for no limit.

        Raises:
            TimeoutException: The object was not created in time.
            FunctionError: The function that was to create it raised an exception.
            ProcessorLost: The processor that was to create it crashed or was closed.
        """
        status = lib.sdp_dal_ref_wait(self._handle, nanoseconds(timeout))
        if status:
            raise error(status, [self], timeout)

    @property
    def progress(self) -> float:
        """The progress from 0 to 1 that the function which creates the object has set. It is 1 once the object exists."""
        return float(self._state().progress)

    @property
    def is_running(self) -> bool:
        """Whether a processor is working on the object."""
        return bool(self._state().running)

    @property
    def is_owning(self) -> bool:
        """Whether this reference keeps the object."""
        return bool(self._info().owning)

    def disown(self) -> None:
        """Keeps the object when its last reference is dropped, until it is deleted by its ID."""
        self._auto_delete = False
        check(lib.sdp_dal_ref_disown(self._handle))
