# SPDX-License-Identifier: BSD-3-Clause
"""Parts of tensors, as the library reads and writes them: ``[:, 0:64]``."""

from __future__ import annotations

import operator
from typing import Any, List, Optional

from ._native import check, ffi, filled, lib
from .errors import InvalidArgument


def text_of(key: Any) -> str:
    """Returns the brackets behind a reference, with what is in them, as a text."""
    keys = key if isinstance(key, tuple) else (key,)
    return f"[{', '.join(_along(one) for one in keys)}]"


def _along(key: Any) -> str:
    if key is Ellipsis:
        return "..."
    if isinstance(key, slice):
        start, stop, step = (None if at is None else _index(at) for at in (key.start, key.stop, key.step))
        text = f"{'' if start is None else start}:{'' if stop is None else stop}"
        return text if step is None else f"{text}:{step}"
    return str(_index(key))


def _index(value: Any) -> int:
    # A bool is a mask for numpy, not an index.
    if not isinstance(value, bool):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise InvalidArgument(
        f"a reference has parts by integers, slices and '...', not by {value!r}: select these from the array, ref.get()"
    )


def part_of(handle: Any) -> Optional[str]:
    """Returns the part that a reference refers to, None for a whole object."""
    part = _info(handle).part
    return None if part == ffi.NULL else ffi.string(part).decode()


def names_of(handle: Any) -> Optional[List[str]]:
    """Returns the names of the dimensions that a reference expects, None if they are not known."""
    info = _info(handle)
    if info.ndim < 0:
        return None
    if info.dim_names == ffi.NULL:
        return [""] * info.ndim
    return [ffi.string(info.dim_names[at]).decode() for at in range(info.ndim)]


def _info(handle: Any) -> Any:
    info = filled("sdp_dal_ref_info")
    check(lib.sdp_dal_ref_get_info(handle, info))
    return info
