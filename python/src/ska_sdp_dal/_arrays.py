# SPDX-License-Identifier: BSD-3-Clause
"""Tensors as numpy arrays. Tensors in the store are read in place. Arrays to be put or passed are described to the library,
which finds out whether their memory is in the store already, and copies them if it is not."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any, Deque, List, Optional, Sequence, Tuple

import numpy as np
import pyarrow as pa
from numpy import ndarray

from ._native import encoded, ffi, lib, reader
from .common import CODE_OF_DTYPE, DTYPE_OF_CODE, ELEM_OF_CODE
from .errors import InvalidArgument

_VIEW_SIZE = ffi.sizeof("sdp_dal_tensor_view")
_SPEC_SIZE = ffi.sizeof("sdp_dal_tensor_spec")
_free_tensor = lib.sdp_dal_tensor_free
_F_ORDER: int = lib.SDP_DAL_ORDER_F
_ANY_ORDER: int = lib.SDP_DAL_ORDER_ANY
_MAX_DIMS: int = lib.SDP_DAL_MAX_DIMS
NULL = ffi.NULL
from_buffer, gc, unpack = ffi.from_buffer, ffi.gc, ffi.unpack
foreign_buffer = pa.foreign_buffer
_read_view = reader("sdp_dal_tensor_view", "data", "dtype", "ndim", "order")
_view_p = ffi.typeof("sdp_dal_tensor_view *")
_shape_t = ffi.typeof("int64_t[]")


# ---- out of the store ------------------------------------------------------------------------------------------------


def _new_view() -> Any:
    view = ffi.new(_view_p)
    view.struct_size = _VIEW_SIZE
    return view


#: Structs that the library fills in a get. They are kept after use, because creating them costs more than reusing them.
#: They are in a deque, from which any thread, and a signal handler at any moment, may take one, because its pop() and
#: append() are atomic. (Only taking one shows whether the deque is empty.)
found: Deque[Any] = deque()


def new_found() -> Any:
    """Returns a view, its bytes, and space for the tensor's handle."""
    view = _new_view()
    return view, ffi.buffer(view), ffi.new("sdp_dal_tensor **")


#: Empty arrays, by element type.
_EMPTY = {code: ndarray(0, dtype, b"") for code, dtype in DTYPE_OF_CODE.items()}


def array_of(shown: Any, code: int, what: Any) -> np.ndarray[Any, Any]:
    """Returns a read-only array over the elements of a tensor. It takes over the handle and frees it with the array.

    Args:
        shown: The tensor, in one of :data:`found`, which is put back.
        code: The element type that is expected, 0 for any.
        what: The reference to it, for messages.
    """
    view, raw, out = shown
    tensor = out[0]
    start, found_code, ndim, order = _read_view(raw)
    dtype = DTYPE_OF_CODE[found_code]
    if code and found_code != code:
        _free_tensor(tensor)
        raise InvalidArgument(f"{what._what()} is a tensor of {dtype}, expected {ELEM_OF_CODE[code]}")
    size = dtype.itemsize
    if ndim == 1:
        extent = view.shape[0]
        shape: Tuple[int, ...] = (extent,)
        size *= extent
    else:
        shape = tuple(unpack(view.shape, ndim)) if ndim else ()
        for extent in shape:
            size *= extent
    strides = tuple(unpack(view.strides, ndim)) if order == _ANY_ORDER else None
    found.append(shown)
    if size == 0:
        _free_tensor(tensor)
        return _EMPTY[found_code].view() if ndim == 1 else ndarray(shape, dtype, b"")
    if strides is not None:
        return _strided(start, shape, strides, dtype, tensor)
    # Arrow's buffer keeps the tensor, and the array keeps the buffer, which cannot be made writable. (numpy requests a
    # writable one first, which a memoryview refuses in fewer steps than Arrow does.)
    bytes_ = memoryview(foreign_buffer(start, size, gc(tensor, _free_tensor)))
    if order == _F_ORDER:
        return ndarray(shape, dtype, bytes_, order="F")
    return ndarray(shape, dtype, bytes_)


def _strided(
    start: int, shape: Tuple[int, ...], strides: Tuple[int, ...], dtype: np.dtype[Any], tensor: Any
) -> np.ndarray[Any, Any]:
    """Returns an array over a part of a tensor, whose elements do not lie side by side."""
    spans = [(extent - 1) * stride for extent, stride in zip(shape, strides)]
    below = -sum(span for span in spans if span < 0)
    size = below + sum(span for span in spans if span > 0) + dtype.itemsize
    bytes_ = memoryview(foreign_buffer(start - below, size, gc(tensor, _free_tensor)))
    return ndarray(shape, dtype, bytes_, below, strides)


def dim_names_of(shown: Any) -> Tuple[int, List[str]]:
    """Returns the element type and the names of the dimensions of a tensor that is held, from its view."""
    view = shown[0]
    if view.dim_names == ffi.NULL:
        return view.dtype, [""] * view.ndim
    return view.dtype, [ffi.string(view.dim_names[at]).decode() for at in range(view.ndim)]


# ---- into the store --------------------------------------------------------------------------------------------------


def converted(
    value: Any, code: int, ndim: Optional[int], what: Any, casting: str = "safe"
) -> Tuple[np.ndarray[Any, Any], int]:
    """Returns a value as an array that the library can copy from, and its element type.

    Args:
        value: Any value that numpy accepts; None is an empty tensor.
        code: The element type; 0 for that of the value.
        ndim: Number of dimensions; None for that of the value.
        what: The name of the value for messages: a text, or a reference.
        casting: numpy's rule by which another element type is converted.
    """
    if type(value) is ndarray:
        found_code = CODE_OF_DTYPE.get(value.dtype)
        if found_code and (found_code == code or not code):
            return value, found_code
    dtype = DTYPE_OF_CODE.get(code)
    if value is None:
        # A tensor without dimensions has one element. Real processors write an empty one there, too.
        array = np.zeros((0,) * (ndim or 1), dtype or np.float64)
        return array, CODE_OF_DTYPE[array.dtype]
    if not isinstance(what, str):
        what = what._what()
    _refuse_masked(value, what)
    if isinstance(value, pa.ChunkedArray) and value.num_chunks == 1:
        # The column of a table: numpy reads one chunk in place, but copies a chunked array.
        value = value.chunk(0)
    if not isinstance(value, np.ndarray):
        # A value with a type of its own keeps it; numbers and lists of them get the requested type.
        described = isinstance(value, memoryview) or any(hasattr(value, name) for name in _DESCRIBED)
        value = np.asarray(value) if described or dtype is None else _listed(value, dtype, what)
    array = value
    given = array.dtype
    if dtype is None:
        dtype = given.newbyteorder("=")
        code = CODE_OF_DTYPE.get(dtype, 0)
        if not code:
            raise InvalidArgument(
                f"{what} is an array of {given}: tensors have bool, integer, floating or complex elements"
            )
    if given == dtype:
        return array, code
    # An empty tag has no information, whatever its type.
    if array.size and not np.can_cast(given, dtype, checked_casting(casting)):
        raise InvalidArgument(_refusal(given, dtype, what))
    return array.astype(dtype), code


#: What describes the memory of an array.
_DESCRIBED = ("__array__", "__array_interface__", "__dlpack__")


def dims_of(value: Any) -> Optional[List[str]]:
    """Returns the names of the dimensions that a value has itself, as xarray's do; None for other values. The names that
    xarray makes up (``dim_0``) are none."""
    if type(value) is ndarray:
        return None
    dims = getattr(value, "dims", None)
    if not isinstance(dims, tuple) or len(dims) != getattr(value, "ndim", None):
        return None
    return ["" if dim == f"dim_{at}" else str(dim) for at, dim in enumerate(dims)]


def checked_casting(casting: str) -> Any:
    """Returns a casting rule, if it is one of numpy's."""
    if casting not in _CASTINGS:
        raise InvalidArgument(f"casting is {casting!r}: give one of {', '.join(map(repr, _CASTINGS))}")
    return casting


_CASTINGS = ("no", "equiv", "safe", "same_kind", "unsafe")


def _refusal(found: np.dtype[Any], dtype: np.dtype[Any], what: str) -> str:
    """Returns the reason why an array is not converted, and the line that converts it."""
    if np.can_cast(found, dtype, "same_kind"):
        why, rule = "would lose precision or range", "same_kind"
    else:
        why, rule = "would change the kind of the numbers", "unsafe"
    part = ".real" if found.kind == "c" and dtype.kind != "c" else ""
    line = f"value{part}.astype('{dtype}')"
    head = f"{what} is an array of {found}, expected {dtype}"
    if found.kind not in "biufc":
        return f"{head}: convert it with {line}"
    return f"{head}, which {why}: convert it with {line}, or allow it with casting='{rule}'"


def _refuse_masked(value: Any, what: str) -> None:
    """Refuses masked arrays. A tensor has no mask, so masked values would become valid data."""
    parts = value if isinstance(value, (list, tuple)) else (value,)
    if any(isinstance(part, np.ndarray) and hasattr(part, "mask") for part in parts):
        raise InvalidArgument(
            f"{what} is a masked array, and tensors have no masks: fill it, and give the flags as weights: "
            "value.filled(0), and ~np.ma.getmaskarray(value)"
        )
    if _has_nulls(value):
        raise InvalidArgument(
            f"{what} is a column with nulls, and tensors have none: fill them, with value.fill_null(0) or value.fillna(0), "
            "and give the flags as weights"
        )


def _has_nulls(value: Any) -> bool:
    """Returns whether a value is a column of Arrow, or one of pandas that may have nulls, and contains nulls."""
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return bool(value.null_count)
    # Of pandas' types only these distinguish null from NaN.
    nullable = repr(getattr(getattr(value, "dtype", None), "na_value", None)) == "<NA>"
    return nullable and bool(value.isna().any())


def _listed(value: Any, dtype: np.dtype[Any], what: str) -> np.ndarray[Any, Any]:
    """Returns numbers, or lists of them, as an array. Python's numbers have no width: 1 may become an int8, and 1.5 a
    float32, but 1.5 not an integer."""
    try:
        found = np.asarray(value)
    except (TypeError, ValueError) as problem:
        raise InvalidArgument(f"{what} cannot be made an array: {problem}") from None
    if found.size == 0:
        return found.astype(dtype)
    if isinstance(value, (list, tuple)) and any(isinstance(part, np.ndarray) for part in value):
        return found
    wider = {"i": "iufc", "u": "iufc", "f": "fc", "c": "c"}.get(found.dtype.kind, "")
    if dtype.kind not in wider:
        return found
    if not _fits(found, dtype):
        raise InvalidArgument(f"{what} has numbers that do not fit into {dtype}: from {found.min()} to {found.max()}")
    return found.astype(dtype)


def _fits(found: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> bool:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(found.min()) >= limits.min and int(found.max()) <= limits.max
    with np.errstate(over="ignore"):
        return bool(np.isfinite(found.astype(dtype))[np.isfinite(found)].all())


class View:
    """The library's view of an array; see :func:`view_of`."""

    __slots__ = ("_code", "_kept", "_names", "_shape", "_sizes", "out", "raw")

    def __init__(self) -> None:
        self.raw = _new_view()
        self._shape = ffi.new("int64_t[]", _MAX_DIMS)
        self.raw.shape = self._shape
        self._kept: Any = None
        # The values already written: writing them costs more than checking whether that is needed.
        self._code = 0
        self._sizes: Tuple[int, ...] = ()
        self._names: Any = None
        #: Where the library writes the reference to the object that it put.
        self.out = ffi.new("sdp_dal_ref **")

    def done(self) -> None:
        """Releases the array, after the library has copied it."""
        if type(self._kept) is tuple:
            self.raw.strides = NULL
        self._kept = None
        _views.append(self)


_views: Deque[View] = deque()


def view_of(array: np.ndarray[Any, Any], code: int, names: Any = None) -> View:
    """Returns a view that describes an array of an element type. The view keeps the array until :meth:`View.done`.
    ``names`` are those of its dimensions, as :func:`names_of` returns them."""
    try:
        view = _views.pop()
    except IndexError:
        view = View()
    raw = view.raw
    if code != view._code:
        raw.dtype = view._code = code
    shape = array.shape
    if shape != view._sizes:
        ndim = len(shape)
        if ndim > _MAX_DIMS:
            raise InvalidArgument(f"the array has {ndim} dimensions, at most {_MAX_DIMS} are possible")
        view._shape[0:ndim] = shape
        raw.ndim = ndim
        view._sizes = shape
    if names is not view._names:
        raw.dim_names = NULL if names is None else names[0]
        view._names = names
    try:
        raw.data = view._kept = from_buffer(array)
    except ValueError:
        # It is not in C order.
        strides = ffi.new(_shape_t, array.strides)
        raw.strides = strides
        raw.data = ffi.cast("void *", array.__array_interface__["data"][0])
        view._kept = (array, strides)
    return view


def names_of(dim_names: Sequence[str]) -> Tuple[Any, Any]:
    """Returns names of dimensions for the library, and what must be kept as long as they are used."""
    kept = [ffi.new("char[]", encoded(name or "", "the dimension name")) for name in dim_names]
    return ffi.new("const char *[]", kept) if kept else ffi.NULL, kept


def expected(code: int, dim_names: Optional[Sequence[str]]) -> Tuple[Any, Any]:
    """Returns what a reference expects of a tensor (NULL without an element type or names), and what to keep with it."""
    if not code or dim_names is None:
        return NULL, None
    names, kept = names_of(dim_names)
    made = ffi.new("sdp_dal_expectation *", {"struct_size": ffi.sizeof("sdp_dal_expectation")})
    made.kind, made.dtype, made.ndim, made.dim_names = lib.SDP_DAL_PARAM_TENSOR, code, len(dim_names), names
    return made, (names, kept)


# ---- in place --------------------------------------------------------------------------------------------------------


class InPlace:
    """A tensor that is being written in place.

    The array through which it is written keeps its writer until the tensor is sealed. From then on the array keeps the
    tensor's bytes and is read-only.
    """

    def __init__(self, address: Any, shape: Tuple[int, ...], dtype: np.dtype[Any], order: Any) -> None:
        size = dtype.itemsize
        for extent in shape:
            size *= extent
        held: List[Any] = []
        if size:
            data = gc(address, lambda _: held.clear(), size)
            array: Any = np.ndarray(shape, dtype, ffi.buffer(data, size), order=order)
        else:
            array = np.empty(shape, dtype, order)
        self._held = held
        self._array = weakref.ref(array)
        self._first: Any = array

    def array(self) -> np.ndarray[Any, Any]:
        """Returns the array, once. It exists as long as its user keeps it."""
        array, self._first = self._first, None
        return array  # type: ignore[no-any-return]

    def keep(self, held: Any) -> None:
        """Sets what the array keeps from now on."""
        self._held[:] = [held]

    def ended(self, hold: Any = None) -> None:
        """Ends the writing. Either the tensor was sealed, and ``hold`` returns what keeps its bytes, or it will never
        exist."""
        array = self._array()
        if array is not None:
            array.setflags(write=False)
            self._held[:] = [] if hold is None else [hold()]


def shape_of(shape: Any, what: str) -> Tuple[int, ...]:
    """Returns a shape that is given in any form that numpy accepts."""
    try:
        sizes = tuple(int(size) for size in shape) if hasattr(shape, "__iter__") else (int(shape),)
    except (TypeError, ValueError):
        raise InvalidArgument(f"the shape of {what} is {shape!r}: give the sizes of its dimensions") from None
    if any(size < 0 for size in sizes):
        raise InvalidArgument(f"the shape of {what} is {sizes}: sizes are not negative")
    return sizes


def order_of(order: str) -> int:
    """Returns a memory order as the library names it."""
    orders = {"C": lib.SDP_DAL_ORDER_C, "F": lib.SDP_DAL_ORDER_F}
    if order not in orders:
        raise InvalidArgument(f"the order is {order!r}: give 'C' or 'F'")
    return int(orders[order])


def spec_of(
    code: int, shape: Tuple[int, ...], dim_names: Optional[Sequence[str]], order: str, zeroed: bool
) -> Tuple[Any, Any]:
    """Returns the library's description of a tensor to be created, and what must be kept as long as it is used."""
    spec = ffi.new("sdp_dal_tensor_spec *")
    spec.struct_size = _SPEC_SIZE
    sizes = ffi.new(_shape_t, shape)
    spec.shape, spec.ndim, spec.dtype = sizes, len(shape), code
    spec.order = order_of(order)
    spec.flags = lib.SDP_DAL_TENSOR_ZEROED if zeroed else 0
    names = names_of(dim_names) if dim_names is not None else None
    if names is not None:
        spec.dim_names = names[0]
    return spec, (sizes, names)
