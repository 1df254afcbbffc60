# SPDX-License-Identifier: BSD-3-Clause
"""Tensors as DLPack's capsules: Python objects around the C library's structs, created with Python's own C functions."""

from __future__ import annotations

import ctypes
from typing import Any, Optional, Tuple

from ._native import address, check, ffi, lib

_FREE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_new = ctypes.pythonapi.PyCapsule_New
_new.restype = ctypes.py_object
_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, _FREE]
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype = ctypes.c_int
_is_valid.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]

#: The offset of the deleter in DLPack's two structs: after the tensor (48 bytes) and a pointer of the library, or after
#: the version and that pointer.
_UNVERSIONED, _VERSIONED = b"dltensor", b"dltensor_versioned"
_DELETER_AT = {_UNVERSIONED: 56, _VERSIONED: 16}
_DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def capsule(tensor: Any, max_version: Optional[Tuple[int, int]]) -> Any:
    """Returns a tensor for a consumer that supports DLPack up to a version; None for DLPack without versions.

    The struct keeps the bytes of the tensor, whose handle is not needed any more.
    """
    if max_version is not None and max_version[0] >= 1:
        version, name = 1, _VERSIONED
    else:
        version, name = 0, _UNVERSIONED
    made = ffi.new("void **")
    check(lib.sdp_dal_tensor_to_dlpack(tensor, version, made))
    return _new(address(made[0]), name, _free)


def _unused(pointer: int) -> None:
    """Frees the tensor of a capsule that is dropped unused. A consumer that takes over a tensor renames the capsule."""
    for name, offset in _DELETER_AT.items():
        if _is_valid(pointer, name):
            managed = _pointer(pointer, name)
            deleter = ctypes.c_void_p.from_address(managed + offset).value
            if deleter:
                _DELETER(deleter)(managed)


# Capsules may outlive this module's names.
_free = _FREE(_unused)
