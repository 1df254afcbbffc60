# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for several objects at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, List, Optional, Sequence, Tuple, TypeVar

from ._native import TIMEOUT, check, ffi, lib, nanoseconds, short
from ._waitable import Waitable
from .errors import InvalidArgument, TimeoutException

_AnyRef = TypeVar("_AnyRef", bound=Waitable)


def listed(refs: Any) -> List[Any]:
    """Returns several references, and refuses a single one."""
    made = list(refs) if isinstance(refs, Iterable) and not isinstance(refs, Waitable) else [None]
    if not all(isinstance(ref, Waitable) for ref in made):
        raise TypeError(f"{short(refs)} is no list of references: give a list of TensorRef, TableRef or Ref")
    return made


def wait_many(refs: Sequence[Waitable], mode: int, timeout: Optional[float]) -> Tuple[int, List[int]]:
    """Waits for several objects of one store. Returns the status of the wait, and those of the objects."""
    handles = ffi.new("const sdp_dal_ref *[]", [ref._handle for ref in refs] or [ffi.NULL])
    statuses = ffi.new("int32_t[]", max(len(refs), 1))
    result = lib.sdp_dal_ref_wait_many(handles, len(refs), mode, nanoseconds(timeout), statuses)
    return result, ffi.unpack(statuses, len(refs)) if refs else []


def wait_any(refs: Sequence[_AnyRef], timeout: Optional[float] = None) -> List[_AnyRef]:
    """Waits until one of several objects exists or never will.

    Args:
        refs: References to the objects, all of one store.
        timeout: Seconds to wait; None for no limit.

    Returns:
        The references whose objects exist now or never will, in the given order. Their ``get()`` does not wait.

    Raises:
        TimeoutException: None of the objects was created in time.

    >>> import ska_sdp_dal as dal
    >>> store = dal.Store("/dev/shm/sdp-dal-doctest")
    >>> later, there = store.new_tensor_ref(), store.put_new_tensor([1, 2])
    >>> [ref.get() for ref in dal.wait_any([later, there])]
    [array([1, 2])]
    >>> store.close()
    """
    refs = listed(refs)
    if not refs:
        raise InvalidArgument("there are no references to wait for: give at least one")
    result, statuses = wait_many(refs, lib.SDP_DAL_WAIT_ANY, timeout)
    if result == TIMEOUT:
        raise TimeoutException(refs, timeout)
    check(result)
    return [ref for ref, status in zip(refs, statuses) if status != TIMEOUT]
