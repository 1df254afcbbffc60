# SPDX-License-Identifier: BSD-3-Clause
"""Functions and their parameters, as callers and processors use them, worked out from a schema once."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, List, Mapping, Optional, Tuple

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from . import _native, common
from ._arrays import names_of
from ._native import check, ffi, lib, new_arrow
from .errors import InvalidArgument

#: What a parameter is.
VALUE, TENSOR, TABLE, OID, ID = "value", "tensor", "table", "oid", "id"


class Param:
    """A parameter of a function."""

    __slots__ = (
        "at",
        "cast",
        "code",
        "dims",
        "exact",
        "field",
        "index",
        "is_output",
        "kind",
        "name",
        "names",
        "nullable",
        "order",
        "raw",
        "show",
        "table",
        "usual",
    )

    def __init__(self, index: int, field: pa.Field) -> None:
        meta = common.par_meta(field)
        self.index = index
        self.field = field
        self.name: str = field.name
        self.raw = self.name.encode()
        self.nullable: bool = field.nullable
        self.is_output = meta == "out"
        self.kind = _kind(field, meta)
        elem = common.par_tensor_elem_type(field)
        self.code = 0 if elem is None else common.elem_code(elem)
        self.dims = common.par_tensor_dim_names(field)
        #: The order in which a tensor is requested or created; None for any.
        self.order = common.par_tensor_order(field)
        #: The names of the dimensions for the library.
        self.names = None if not self.dims else names_of(self.dims)
        self.table = common.par_table_schema(field)
        #: Shows the library a plain value.
        self.show: Callable[[Any, Any, List[Any]], None] = _shower(field.type) if self.kind == VALUE else _not_shown
        is_ref = self.kind in (TENSOR, TABLE, OID) and not self.is_output
        #: What its values are as a rule: the kind; the type of Python's that is written as it is; by which of the casts of
        #: :class:`Values`; and to which of a row's words.
        self.usual, self.exact, self.cast, word = _USUAL.get(self.show, (_REF if is_ref else _NULL, None, 0, _REF_WORD))
        self.at = index * VALUE_WORDS + word

    def __repr__(self) -> str:
        return f"<parameter {self.name}>"


class Function:
    """A function: its name, its parameters by position and by name, and its place among other functions."""

    def __init__(self, schema: pa.Schema, place: int) -> None:
        self.schema = schema
        self.place = place
        self.name = common.call_name(schema)
        self.raw = self.name.encode()
        self.params: List[Param] = [Param(index, field) for index, field in enumerate(schema)]
        self.by_name: Dict[str, Param] = {param.name: param for param in self.params}
        self.outputs: List[Param] = [param for param in self.params if param.is_output]
        self.inputs: List[Param] = [param for param in self.params if not param.is_output]
        self.usual = _usual_values(self.params)
        #: Space for the values of a call, kept for reuse.
        self.values: Deque[Values] = deque()
        #: The position of the first output, or the number of parameters if there is none.
        self.first_output = min((param.index for param in self.outputs), default=len(self.params))
        self.handle = common.parsed_schema(schema)
        #: All its forms. Most functions have one, which is the function itself.
        self.forms: List[Function] = [self]

    def add_form(self, schema: pa.Schema, place: int) -> None:
        """Adds another form. The function then stands for all of them, and no longer for its first form."""
        if len(self.forms) == 1:
            self.forms = [Function(self.schema, self.place)]
        self.forms.append(Function(schema, place))

    @property
    def shown(self) -> str:
        """The function with the number of its forms, for messages."""
        return f"{self.name}()" if len(self.forms) == 1 else f"{self.name}() in {len(self.forms)} forms"


class Values:
    """The values of a call, or of some rows, for the library. They have the usual kinds from the start, so a value of a
    usual kind is one word to write or to read."""

    __slots__ = ("_usual", "casts", "is_changed", "kinds", "raw", "refs")

    def __init__(self, function: Function, rows: int = 1) -> None:
        self.raw = ffi.new("sdp_dal_value[]", max(len(function.params) * rows, 1))
        self._usual = function.usual * rows
        self.reset()
        words = memoryview(ffi.buffer(self.raw))
        #: The kind of each.
        self.kinds = words.cast("i")[:: VALUE_WORDS * 2]
        #: The values as integers, as unsigned ones, as floating-point numbers and as references.
        self.casts = words.cast("q"), words.cast("Q"), words.cast("d"), ffi.cast("const sdp_dal_ref **", self.raw)
        #: Where the library writes the references to the outputs.
        self.refs = ffi.new("sdp_dal_ref *[]", len(function.outputs) * rows)

    def reset(self) -> None:
        """Resets the values to their usual kinds."""
        ffi.buffer(self.raw, len(self._usual))[:] = self._usual
        #: Whether some are not of the usual kind.
        self.is_changed = False


def _usual_values(params: List[Param]) -> bytes:
    values = ffi.new("sdp_dal_value[]", len(params))
    for value, param in zip(values, params):
        value.kind = param.usual
    return bytes(ffi.buffer(values))


def functions_of(procs: Any) -> Dict[str, Function]:
    """Returns the functions of a list of schemas, by name. Schemas of one name are forms of one function."""
    schemas = None if isinstance(procs, pa.Schema) or not isinstance(procs, Iterable) else list(procs)
    if schemas is None or not all(isinstance(schema, pa.Schema) for schema in schemas):
        raise TypeError(
            f"the functions are {_native.short(procs)}: give a list of schemas, as make_call_schema() returns them"
        )
    functions: Dict[str, Function] = {}
    places = itertools.count()
    for schema in schemas:
        first = functions.get(common.call_name(schema))
        if first is None:
            first = Function(schema, next(places))
            functions[first.name] = first
        elif not any(form.schema.equals(schema, check_metadata=True) for form in first.forms):
            first.add_form(schema, next(places))
    return functions


def all_forms(functions: Mapping[str, Function]) -> List[Function]:
    """Returns all forms of functions, each at its place."""
    forms = [form for function in functions.values() for form in function.forms]
    return sorted(forms, key=lambda form: form.place)


def _kind(field: pa.Field, meta: Optional[str]) -> str:
    if meta == "id":
        return ID
    if meta is None:
        return VALUE
    if common.par_is_tensor(field):
        return TENSOR
    return TABLE if common.par_is_table(field) else OID


# ---- values ----------------------------------------------------------------------------------------------------------
#
# Values cross the boundary in structs of the library's, one for each parameter. What shows a value fills one, and keeps
# what it points to in a list; a reader takes a value out of one. Types that are not usual go through an Arrow array of one
# element.

_NULL: int = lib.SDP_DAL_VALUE_NULL
_REF: int = lib.SDP_DAL_VALUE_REF
_BOOL: int = lib.SDP_DAL_VALUE_BOOL
_INT64: int = lib.SDP_DAL_VALUE_INT64
_UINT64: int = lib.SDP_DAL_VALUE_UINT64
_DOUBLE: int = lib.SDP_DAL_VALUE_DOUBLE
from_buffer = ffi.from_buffer


def _shower(typ: pa.DataType) -> Callable[[Any, Any, List[Any]], None]:
    if pat.is_boolean(typ):
        return _show_bool
    if pat.is_signed_integer(typ):
        return _show_int64
    if pat.is_unsigned_integer(typ):
        return _show_uint64
    if pat.is_floating(typ):
        return _show_double
    if pat.is_string(typ):
        return _show_text
    if pat.is_binary(typ):
        return _show_bytes
    if _is_complex(typ):
        return _show_complex
    return lambda shown, value, kept: _show_arrow(typ, shown, value, kept)


def show_plain(shown: Any, value: Any, types: List[pa.DataType], kept: List[Any]) -> None:
    """Writes a value of one of Python's own types for the library to compare its kind with that of parameters of ``types``,
    if one of them is of this very kind."""
    show = _PLAIN[type(value)]
    showers = [_shower(typ) for typ in types]
    if show in showers or (show is _show_int64 and _show_uint64 in showers):
        try:
            show(shown, value, kept)
        except OverflowError:
            # Larger than any signed integer.
            _show_uint64(shown, value, kept)


def show_bytes(shown: Any, kind: int, raw: bytes, kept: List[Any]) -> None:
    """Writes bytes, as a value of some kind."""
    data = from_buffer(raw)
    kept.append(data)
    shown.kind, shown.data, shown.size = kind, data, len(raw)


def _plain(value: Any) -> Any:
    """Returns Arrow's scalars as Python's values."""
    return value.as_py() if isinstance(value, pa.Scalar) else value


def _boolean(value: Any) -> bool:
    value = _plain(value)
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise TypeError(f"expected a bool, got {value!r}")


def _whole(value: Any) -> int:
    # Almost all callers pass an exact int.
    if type(value) is int:
        return value
    value = _plain(value)
    if hasattr(value, "__index__"):
        return int(value.__index__())
    raise TypeError(f"expected an integer, got {value!r}")


def _real(value: Any) -> float:
    if type(value) is float:
        return value
    value = _plain(value)
    is_number = hasattr(value, "__float__") or hasattr(value, "__index__")
    if not is_number or isinstance(value, (str, bytes, complex)) or value is np.ma.masked:
        raise TypeError(f"expected a number, got {value!r}")
    return float(value)


def _show_bool(shown: Any, value: Any, _kept: List[Any]) -> None:
    shown.kind, shown.int64 = _BOOL, _boolean(value)


def _show_int64(shown: Any, value: Any, _kept: List[Any]) -> None:
    shown.int64 = _whole(value)
    shown.kind = _INT64


def _show_uint64(shown: Any, value: Any, _kept: List[Any]) -> None:
    shown.uint64 = _whole(value)
    shown.kind = _UINT64


def _show_double(shown: Any, value: Any, _kept: List[Any]) -> None:
    shown.real = _real(value)
    shown.kind = _DOUBLE


def _word(field: str) -> int:
    return int(ffi.offsetof("sdp_dal_value", field)) // 8


#: Words of a value.
VALUE_WORDS: int = ffi.sizeof("sdp_dal_value") // 8
_REF_WORD = _word("reference")
#: Of the numbers that are written as they are, by what shows others.
_USUAL: Dict[Any, Tuple[int, Any, int, int]] = {
    _show_int64: (_INT64, int, 0, _word("int64")),
    _show_uint64: (_UINT64, int, 1, _word("uint64")),
    _show_double: (_DOUBLE, float, 2, _word("real")),
}


def _show_text(shown: Any, value: Any, kept: List[Any]) -> None:
    value = _plain(value)
    if not isinstance(value, str):
        raise TypeError(f"expected a str, got {value!r}")
    show_bytes(shown, lib.SDP_DAL_VALUE_STRING, value.encode(), kept)


def _show_bytes(shown: Any, value: Any, kept: List[Any]) -> None:
    value = _plain(value)
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"expected bytes, got {value!r}")
    show_bytes(shown, lib.SDP_DAL_VALUE_BINARY, bytes(value), kept)


def _is_complex(typ: pa.DataType) -> bool:
    return bool(pat.is_fixed_size_list(typ) and typ.list_size == 2 and typ.value_field.name == "re_im")


def _show_complex(shown: Any, value: Any, _kept: List[Any]) -> None:
    number = complex(_plain(value))
    shown.kind, shown.real, shown.imag = lib.SDP_DAL_VALUE_COMPLEX, number.real, number.imag


#: What shows values of Python's own types.
_PLAIN: Dict[type, Callable[[Any, Any, List[Any]], None]] = {
    bool: _show_bool,
    int: _show_int64,
    float: _show_double,
    complex: _show_complex,
    str: _show_text,
    bytes: _show_bytes,
}


def _show_arrow(typ: pa.DataType, shown: Any, value: Any, kept: List[Any]) -> None:
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    try:
        array = pa.array([value], typ)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as problem:
        raise TypeError(str(problem)) from None
    moved, schema = new_arrow("struct ArrowArray *"), new_arrow("struct ArrowSchema *")
    array._export_to_c(_native.address(moved), _native.address(schema))
    kept += (moved, schema)
    shown.kind, shown.array, shown.schema = lib.SDP_DAL_VALUE_ARROW, moved, schema


def _read_arrow(call: Any, param: Param) -> Any:
    array, schema = ffi.new("struct ArrowArray *"), ffi.new("struct ArrowSchema *")
    check(lib.sdp_dal_call_get_arrow(call, param.raw, array, schema))
    return pa.Array._import_from_c(_native.address(array), _native.address(schema))[0].as_py()


def _bytes(value: Any) -> bytes:
    return bytes(ffi.buffer(value.data, value.size)) if value.size else b""


_READERS: Dict[int, Callable[[Any], Any]] = {
    lib.SDP_DAL_VALUE_BOOL: lambda value: value.int64 != 0,
    lib.SDP_DAL_VALUE_INT64: lambda value: value.int64,
    lib.SDP_DAL_VALUE_UINT64: lambda value: value.uint64,
    lib.SDP_DAL_VALUE_DOUBLE: lambda value: value.real,
    lib.SDP_DAL_VALUE_COMPLEX: lambda value: complex(value.real, value.imag),
    lib.SDP_DAL_VALUE_STRING: lambda value: _bytes(value).decode(),
    lib.SDP_DAL_VALUE_BINARY: _bytes,
}


def read(value: Any, call: Any, param: Param) -> Any:
    """Returns a plain value of a call, which is not null."""
    reader = _READERS.get(value.kind)
    return _read_arrow(call, param) if reader is None else reader(value)


def _not_shown(_shown: Any, _value: Any, _kept: List[Any]) -> None:
    raise InvalidArgument("this parameter is an object, not a value")
