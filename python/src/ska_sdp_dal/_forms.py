# SPDX-License-Identifier: BSD-3-Clause
"""Which form of a function a call is for. The library chooses it by the types of arguments, which are found here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Dict, List, Set

import numpy as np

from ._functions import ID, TENSOR, VALUE, Function, Param, show_bytes, show_plain
from ._native import check, encoded, ffi, filled, lib
from .common import CODE_OF_DTYPE, DTYPE_OF_CODE, elem_name
from .ids import whole_id
from .references import Ref

#: A view of no tensor, by element type: what the library looks at is its type.
_TYPES: Dict[int, Any] = {}
_ELEMENT = ffi.new("double[2]")


def form_name(function: str, form: Any) -> str:
    """Returns the name of a form: of its function, and one or several types."""
    types = [form] if isinstance(form, (str, type, np.dtype)) or not isinstance(form, Iterable) else list(form)
    try:
        names = [one if isinstance(one, str) else elem_name(one) for one in types]
    except (TypeError, ValueError):
        raise TypeError(f"{function}(): the form is {form!r}: give types, as 'complex64' or numpy.complex64") from None
    return f"{function}<{','.join(names)}>"


def choose(conn_caller: Any, name: str, function: Function, rows: Sequence[Mapping[str, Any]], casting: str) -> int:
    """Returns the index of the form that the arguments of calls choose.

    Args:
        conn_caller: The library's caller.
        name: The name of the function, or of a form of it.
        function: The function.
        rows: The arguments of each call by name.
        casting: numpy's rule by which arrays will be converted.
    """
    raw, count = encoded(name, "the name of the form"), len(function.params) * len(rows)
    values, out = ffi.new("sdp_dal_value[]", max(count, 1)), ffi.new("size_t *")

    def status() -> int:
        return int(lib.sdp_dal_caller_choose_form(conn_caller, raw, values, count, len(rows), out))

    if name != function.name:
        # A form that is named converts its arguments like a function of one form.
        found = status()
        if found != lib.SDP_DAL_INVALID_ARGUMENT:
            check(found)
            return int(out[0])
    kept: List[Any] = []
    for param, others in _different(function):
        for at, row in enumerate(rows):
            value = row.get(param.name)
            if value is not None:
                _hint(values[at * len(function.params) + param.index], param, others, value, casting, kept)
    check(status())
    return int(out[0])


def _different(function: Function) -> List[Any]:
    """Returns the parameters in which forms differ, with those of all forms."""
    found = []
    for param in function.params:
        others = [form.params[param.index] for form in function.forms if len(form.params) > param.index]
        if any((other.code, other.field.type) != (param.code, param.field.type) for other in others):
            found.append((param, others))
    return found


def _hint(shown: Any, param: Param, others: List[Param], value: Any, casting: str, kept: List[Any]) -> None:
    """Shows the library what is known of the type of an argument."""
    value = getattr(value, "ref", value) if type(value).__name__ == "Given" else value
    if isinstance(value, Ref):
        if param.kind != ID:
            shown.kind, shown.reference = lib.SDP_DAL_VALUE_REF, value._handle
    elif param.kind == VALUE:
        _hint_value(shown, others, value, kept)
    elif isinstance(value, (bytes, bytearray)) or (
        not hasattr(value, "dtype") and callable(getattr(value, "binary", None))
    ):
        show_bytes(shown, lib.SDP_DAL_VALUE_ID, whole_id(value), kept)
    elif param.kind == TENSOR:
        dtype = _dtype_of(value)
        code = 0 if dtype is None else _nearest(dtype, {other.code for other in others}, casting)
        if code:
            shown.kind, shown.view = lib.SDP_DAL_VALUE_TENSOR, _type(code)


def _hint_value(shown: Any, others: List[Param], value: Any, kept: List[Any]) -> None:
    code = CODE_OF_DTYPE.get(value.dtype.newbyteorder("=")) if isinstance(value, np.generic) else 0
    if code and not isinstance(value, (np.str_, np.bytes_)):
        shown.kind, shown.view = lib.SDP_DAL_VALUE_TENSOR, _type(code)
    elif type(value) in (bool, int, float, complex, str, bytes):
        # An int may also be meant as a float, and a float as a complex number.
        show_plain(shown, value, [other.field.type for other in others], kept)


def _dtype_of(value: Any) -> Any:
    """Returns the type of the elements of an array of any library; None for numbers and lists, which have none."""
    dtype = getattr(value, "dtype", None)
    if dtype is None and not any(hasattr(value, name) for name in ("__array__", "__array_interface__", "__dlpack__")):
        return None
    try:
        found = np.dtype(dtype) if dtype is not None else np.asarray(value).dtype
    except TypeError:
        found = (
            np.from_dlpack(value) if hasattr(value, "__dlpack__") and hasattr(np, "from_dlpack") else np.asarray(value)
        ).dtype
    return found.newbyteorder("=")


def _nearest(dtype: Any, codes: Set[int], casting: str) -> int:
    """Returns the element type that decides: that of the array if a form has it, or the only one to which it is converted; 0
    if that is not clear."""
    code = CODE_OF_DTYPE.get(dtype, 0)
    if code in codes:
        return code
    possible = [other for other in codes if np.can_cast(dtype, DTYPE_OF_CODE[other], casting)]  # type: ignore[arg-type]
    return possible[0] if len(possible) == 1 else (0 if possible else code)


def _type(code: int) -> Any:
    view = _TYPES.get(code)
    if view is None:
        view = filled("sdp_dal_tensor_view")
        view.data, view.dtype = _ELEMENT, code
        _TYPES[code] = view
    return view
