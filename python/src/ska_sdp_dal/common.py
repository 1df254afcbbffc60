# SPDX-License-Identifier: BSD-3-Clause
"""Schemas of calls, and object IDs.

A call schema is an Arrow schema that describes a function's name and its parameters. Keys of Arrow metadata describe what
Arrow's types cannot. They are those of the library's wire format.
"""

from __future__ import annotations

import base64
import itertools
import re
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Union

import numpy as np
import pyarrow as pa

from . import _native
from ._native import ffi, lib
from .errors import InvalidArgument
from .ids import NAMESPACE_ID_SIZE, OBJECT_ID_SIZE, AnyID, ObjectID, raw_id

__all__ = [
    "NAMESPACE_DECL_SUFFIX",
    "NAMESPACE_ID_SIZE",
    "OBJECT_ID_SIZE",
    "OBJECT_ID_TYPE",
    "PROC_NAMESPACE_ARGV_META",
    "PROC_NAMESPACE_META",
    "PROC_NAMESPACE_PID_META",
    "ComplexType",
    "ObjectID",
    "call_name",
    "complex64",
    "complex128",
    "from_numpy_dtype",
    "is_namespace_decl",
    "make_call_schema",
    "make_oid_input_par",
    "make_oid_output_par",
    "make_oid_par",
    "make_par",
    "make_table_input_par",
    "make_table_output_par",
    "make_tensor_input_par",
    "make_tensor_output_par",
    "object_id_hex",
    "objectid_generator",
    "par_meta",
    "par_table_schema",
    "par_tensor_dim_names",
    "par_tensor_elem_type",
    "par_tensor_order",
    "parse_hex_objectid",
    "schema_compatible",
]

#: The Arrow type of an object ID.
OBJECT_ID_TYPE = pa.binary(OBJECT_ID_SIZE)
#: The last bytes of the ID of a namespace's declaration, after the prefix.
NAMESPACE_DECL_SUFFIX = b"\x00" * (OBJECT_ID_SIZE - NAMESPACE_ID_SIZE)

#: Metadata of a declaration: the display name of the namespace.
PROC_NAMESPACE_META = b"proc:namespace"
#: Metadata of a declaration: the owner's process ID.
PROC_NAMESPACE_PID_META = b"proc:pid"
#: Metadata of a declaration: the owner's arguments.
PROC_NAMESPACE_ARGV_META = b"proc:argv"

_FUNC_META = b"proc:func"
_PAR_META = b"proc:par"
_TYPE_META = b"proc:type"
_ELEM_META = b"proc:elem"
_DIMS_META = b"proc:dims"
_ORDER_META = b"proc:order"
_FROM_META = b"proc:from"
_TABLE_META = b"proc:table"

par_spec = pa.Field


# ---- element types ---------------------------------------------------------------------------------------------------


class ComplexType:
    """A substitute for an Arrow type of complex numbers, which Arrow does not have. See ``complex64``, ``complex128``.

    Args:
        real_type: The Arrow type of the real and of the imaginary part.
        complex_dtype: The numpy type of the complex number.
        real_dtype: The numpy type of its parts.
    """

    def __init__(self, real_type: pa.DataType, complex_dtype: Any, real_dtype: Any) -> None:
        self.real_type = real_type
        self.complex_dtype = np.dtype(complex_dtype)
        self.real_dtype = np.dtype(real_dtype)

    def to_pandas_dtype(self) -> Any:
        """Returns the numpy type, as Arrow's types do."""
        return self.complex_dtype.type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComplexType) and self.complex_dtype == other.complex_dtype

    def __hash__(self) -> int:
        return hash(self.complex_dtype)

    def __str__(self) -> str:
        return str(self.complex_dtype.name)

    def __repr__(self) -> str:
        return f"ComplexType({self.complex_dtype.name})"

    def __reduce__(self) -> Any:
        return (ComplexType, (self.real_type, self.complex_dtype, self.real_dtype))


#: Single-precision complex numbers.
complex64 = ComplexType(pa.float32(), np.complex64, np.float32)
#: Double-precision complex numbers.
complex128 = ComplexType(pa.float64(), np.complex128, np.float64)

#: The type of a tensor's elements.
ElemType = Union[pa.DataType, ComplexType]

#: The library's element types: its number, the name, Arrow's type, numpy's.
_ELEMENTS = [
    (lib.SDP_DAL_BOOL, "bool", pa.bool_(), np.dtype(np.bool_)),
    (lib.SDP_DAL_INT8, "int8", pa.int8(), np.dtype(np.int8)),
    (lib.SDP_DAL_INT16, "int16", pa.int16(), np.dtype(np.int16)),
    (lib.SDP_DAL_INT32, "int32", pa.int32(), np.dtype(np.int32)),
    (lib.SDP_DAL_INT64, "int64", pa.int64(), np.dtype(np.int64)),
    (lib.SDP_DAL_UINT8, "uint8", pa.uint8(), np.dtype(np.uint8)),
    (lib.SDP_DAL_UINT16, "uint16", pa.uint16(), np.dtype(np.uint16)),
    (lib.SDP_DAL_UINT32, "uint32", pa.uint32(), np.dtype(np.uint32)),
    (lib.SDP_DAL_UINT64, "uint64", pa.uint64(), np.dtype(np.uint64)),
    (lib.SDP_DAL_FLOAT16, "float16", pa.float16(), np.dtype(np.float16)),
    (lib.SDP_DAL_FLOAT32, "float32", pa.float32(), np.dtype(np.float32)),
    (lib.SDP_DAL_FLOAT64, "float64", pa.float64(), np.dtype(np.float64)),
    (lib.SDP_DAL_COMPLEX64, "complex64", complex64, np.dtype(np.complex64)),
    (lib.SDP_DAL_COMPLEX128, "complex128", complex128, np.dtype(np.complex128)),
]
ELEM_OF_CODE: Dict[int, ElemType] = {code: elem for code, _, elem, _ in _ELEMENTS}
DTYPE_OF_CODE: Dict[int, np.dtype[Any]] = {code: dtype for code, _, _, dtype in _ELEMENTS}
CODE_OF_DTYPE: Dict[np.dtype[Any], int] = {dtype: code for code, _, _, dtype in _ELEMENTS}
_CODE_OF_ELEM: Dict[Any, int] = {elem: code for code, _, elem, _ in _ELEMENTS}
_NAME_OF_CODE: Dict[int, str] = {code: name for code, name, _, _ in _ELEMENTS}
_CODE_OF_NAME: Dict[str, int] = {name: code for code, name, _, _ in _ELEMENTS}


def elem_code(typ: Any) -> int:
    """Returns the library's number of an element type: an Arrow type, a ComplexType, or what numpy accepts as a type."""
    code = _CODE_OF_ELEM.get(typ) if isinstance(typ, (pa.DataType, ComplexType)) else None
    if code is None and not isinstance(typ, (pa.DataType, ComplexType)):
        try:
            code = CODE_OF_DTYPE.get(np.dtype(typ).newbyteorder("="))
        except TypeError:
            code = None
    if code is None:
        raise InvalidArgument(f"tensors cannot have elements of type {typ}: give one of {', '.join(_CODE_OF_NAME)}")
    return code


def elem_name(typ: Any) -> str:
    """Returns the name of an element type in signatures: 'complex64'."""
    return _NAME_OF_CODE[elem_code(typ)]


def from_numpy_dtype(dtype: Any) -> ElemType:
    """Returns the element type for a numpy type; a :class:`ComplexType` for complex numbers."""
    found = np.dtype(dtype)
    code = CODE_OF_DTYPE.get(found.newbyteorder("="))
    return ELEM_OF_CODE[code] if code is not None else pa.from_numpy_dtype(found)


#: Names that callers use for other purposes than calling a function of that name.
CALLER_NAMES = frozenset(
    ["batch_call", "call", "close", "find_processors", "next_lost", "num_processors", "processors"]
)


# ---- schemas ---------------------------------------------------------------------------------------------------------


def make_call_schema(func_name: str, pars: List[pa.Field], metadata: Mapping[Any, Any] = {}) -> pa.Schema:
    """Returns the schema of a function.

    Args:
        func_name: Name of the function: letters, digits and _.
        pars: Its parameters in positional order, see :func:`make_par` and the following functions.
        metadata: Further information about the function.

    Raises:
        InvalidArgument: A name is wrong, appears twice, or is one that a Caller uses for another purpose.

    >>> schema = make_call_schema("flag", [make_tensor_input_par("vis", complex64, ["row", "chan"])])
    >>> call_name(schema), par_tensor_dim_names(schema.field("vis")), par_tensor_elem_type(schema.field("vis"))
    ('flag', ['row', 'chan'], ComplexType(complex64))
    """
    if not isinstance(func_name, str):
        raise TypeError(f"the name of the function is {func_name!r}: give a text")
    _check_name(func_name)
    if isinstance(pars, pa.Field) or not isinstance(pars, Iterable):
        raise TypeError(
            f"the parameters of {func_name}() are {pars!r}: give a list of parameters, as make_par() and similar functions "
            "return"
        )
    schema = pa.schema(list(pars), metadata={**_bytes(metadata), _FUNC_META: func_name.encode()})
    if "self" in schema.names:
        raise InvalidArgument(
            f"a parameter of {func_name}() cannot have the name 'self', which methods use for their object: rename it, for "
            "example to 'self_'"
        )
    parsed_schema(schema)
    return schema


def _check_name(func_name: str) -> None:
    if func_name in CALLER_NAMES:
        raise InvalidArgument(
            f"the function cannot have the name {func_name!r}, because callers have a method or property of this name: "
            f"rename it, for example to '{func_name}_'"
        )


def parse_call_schema(signature: str) -> pa.Schema:
    """Reads the schema of a function from one line, as programs in C, C++ and Rust write it.

    Args:
        signature: Name, inputs and outputs, for example "grid(vis: complex64[row, chan]) -> (image: float64[y, x])".

    Raises:
        InvalidArgument: The line is no signature. The text says where, and what was expected.

    >>> schema = parse_call_schema("scale(by: float64, x: float32[i]) -> (y: float32[i])")
    >>> call_name(schema), schema.names, par_tensor_elem_type(schema.field("x"))
    ('scale', ['by', 'x', 'y'], DataType(float))
    """
    if not isinstance(signature, str):
        raise TypeError(f"the signature of the function is {signature!r}: give a text")
    out, moved = ffi.new("sdp_dal_schema **"), ffi.new("struct ArrowSchema *")
    _native.check(lib.sdp_dal_schema_parse(signature.encode(), out))
    schema = _native.own(out, lib.sdp_dal_schema_free)
    _native.check(lib.sdp_dal_schema_to_arrow(schema, moved))
    found = pa.Schema._import_from_c(_native.address(moved))
    _check_name(call_name(found))
    return found


def make_par(name: str, typ: Any, nullable: bool = False, metadata: Mapping[Any, Any] = {}) -> pa.Field:
    """Returns a parameter that is a plain value.

    Args:
        name: Name of the parameter.
        typ: Its Arrow type, or a :class:`ComplexType`.
        nullable: Whether it may be left out.
        metadata: Further information about the parameter.
    """
    own: Dict[bytes, bytes] = {}
    if isinstance(typ, ComplexType):
        typ = pa.list_(pa.field("re_im", typ.real_type, nullable=False), 2)
    elif typ == OBJECT_ID_TYPE:
        own = {_PAR_META: b"value"}
    return pa.field(name, typ, nullable, {**_bytes(metadata), **own} or None)


def make_oid_par(name: str, nullable: bool = False, metadata: Mapping[Any, Any] = {}) -> pa.Field:
    """Returns a parameter that is an object's ID. The ID is only passed, and the call does not wait for the object.

    Args:
        name: Name of the parameter.
        nullable: Whether it may be left out.
        metadata: Further information about the parameter.
    """
    return _object_par(name, nullable, {_PAR_META: b"id"}, metadata)


def make_oid_input_par(name: str, nullable: bool = False, metadata: Mapping[Any, Any] = {}) -> pa.Field:
    """Returns an input parameter that is an object of any kind. The call waits until the object exists.

    Args:
        name: Name of the parameter.
        nullable: Whether it may be left out.
        metadata: Further information about the parameter.
    """
    return _object_par(name, nullable, {_PAR_META: b"in", _TYPE_META: b"oid"}, metadata)


def make_oid_output_par(name: str, nullable: bool = False, metadata: Mapping[Any, Any] = {}) -> pa.Field:
    """Returns an output parameter that is an object of any kind. A call is skipped if all its outputs exist.

    Args:
        name: Name of the parameter.
        nullable: Whether it may be left out.
        metadata: Further information about the parameter.
    """
    return _object_par(name, nullable, {_PAR_META: b"out", _TYPE_META: b"oid"}, metadata)


def make_tensor_input_par(
    name: str, elem_type: ElemType, dim_names: Sequence[str], nullable: bool = False, *, order: Optional[str] = None
) -> pa.Field:
    """Returns an input parameter that is a tensor. The call waits until the tensor exists.

    Args:
        name: Name of the parameter.
        elem_type: The type of its elements.
        dim_names: The names of its dimensions. ``=`` and a size after a name fix that size.
        nullable: Whether it may be left out.
        order: 'C' or 'F' if the function requests its elements in that order. It then gets a copy of a tensor that is
            stored in the other order. Callers need not expect the same order. Default: the order in which it is stored.
    """
    return _object_par(name, nullable, {_PAR_META: b"in", **_tensor(elem_type, dim_names, order)})


def make_tensor_output_par(
    name: str,
    elem_type: ElemType,
    dim_names: Sequence[str],
    nullable: bool = False,
    *,
    order: Optional[str] = None,
    starts_from: Optional[str] = None,
) -> pa.Field:
    """Returns an output parameter that is a tensor.

    Args:
        name: Name of the parameter.
        elem_type: The type of its elements.
        dim_names: The names of its dimensions. ``=`` and a size after a name fix that size.
        nullable: Whether it may be left out.
        order: 'C' or 'F' for the order in which it is stored. Default: that of the array that is put.
        starts_from: The name of an input of the same type, whose elements the function finds in the output.
    """
    start = {} if starts_from is None else {_FROM_META: starts_from.encode()}
    return _object_par(name, nullable, {_PAR_META: b"out", **_tensor(elem_type, dim_names, order), **start})


def make_table_input_par(name: str, table_schema: Optional[pa.Schema], nullable: bool = False) -> pa.Field:
    """Returns an input parameter that is a table. The call waits until the table exists.

    Args:
        name: Name of the parameter.
        table_schema: Its columns; None for any.
        nullable: Whether it may be left out.
    """
    return _object_par(name, nullable, {_PAR_META: b"in", **_table(table_schema)})


def make_table_output_par(name: str, table_schema: Optional[pa.Schema], nullable: bool = False) -> pa.Field:
    """Returns an output parameter that is a table.

    Args:
        name: Name of the parameter.
        table_schema: Its columns; None for any.
        nullable: Whether it may be left out.
    """
    return _object_par(name, nullable, {_PAR_META: b"out", **_table(table_schema)})


def call_name(schema: pa.Schema) -> str:
    """Returns the name of a schema's function."""
    if not isinstance(schema, pa.Schema):
        raise TypeError(f"the function is {schema!r}: give its schema, as make_call_schema() returns it")
    name = (schema.metadata or {}).get(_FUNC_META)
    if name is None:
        raise InvalidArgument("this schema names no function: create it with make_call_schema()")
    return str(name.decode())


def par_meta(field: pa.Field) -> Optional[str]:
    """Returns the kind of a parameter: 'in', 'out', or 'id' for an ID that is only passed; None for values."""
    kind = _meta(field, _PAR_META)
    if kind is None and field.type == OBJECT_ID_TYPE:
        return "id"
    return None if kind == "value" else kind


def par_table_schema(field: pa.Field) -> Optional[pa.Schema]:
    """Returns the columns of a table parameter; None if it is not a table, or may have any columns."""
    text = _meta(field, _TABLE_META)
    return None if text is None else pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def par_tensor_dim_names(field: pa.Field) -> Optional[List[str]]:
    """Returns the names of a tensor parameter's dimensions, "" for one without a name; None if it is not a tensor."""
    text = _meta(field, _DIMS_META)
    return None if text is None or not par_is_tensor(field) else _dim_names(text)


def par_tensor_elem_type(field: pa.Field) -> Optional[ElemType]:
    """Returns the type of a tensor parameter's elements; None if it is not a tensor."""
    code = _CODE_OF_NAME.get(_meta(field, _ELEM_META) or "")
    return None if code is None or not par_is_tensor(field) else ELEM_OF_CODE[code]


def par_tensor_order(field: pa.Field) -> Optional[str]:
    """Returns the order that a tensor parameter requests, 'C' or 'F'; None if any is accepted, or it is not a tensor."""
    return _meta(field, _ORDER_META) if par_is_tensor(field) else None


def par_is_tensor(field: pa.Field) -> bool:
    """Returns whether a parameter is a tensor."""
    return _meta(field, _TYPE_META) == "tensor"


def par_is_table(field: pa.Field) -> bool:
    """Returns whether a parameter is a table."""
    return _meta(field, _TYPE_META) == "table"


def schema_compatible(expected: pa.Schema, actual: pa.Schema) -> List[str]:
    """Returns the reasons why a caller that expects one schema cannot call a function of another.

    The function must have all expected parameters, with equal kinds and types. Its other parameters must be inputs that
    may be left out.

    Returns:
        A sentence for each mismatch; an empty list if the schemas are compatible.

    >>> ours = make_call_schema("f", [make_par("x", pa.int64())])
    >>> schema_compatible(ours, ours)
    []
    >>> len(schema_compatible(ours, make_call_schema("f", [make_par("x", pa.float64())])))
    1
    """
    count = ffi.new("size_t *")
    ours, theirs = parsed_schema(expected), parsed_schema(actual)
    text = _native.text_of(lib.sdp_dal_schema_mismatches, ours, theirs, count)
    return text.splitlines()


def parsed_schema(schema: pa.Schema) -> Any:
    """Returns the library's handle of a call schema."""
    if not isinstance(schema, pa.Schema):
        raise TypeError(f"the schema of a function is {schema!r}: give one that make_call_schema() returned")
    return _native.own_schema(schema, lib.sdp_dal_schema_from_arrow, "sdp_dal_schema **", lib.sdp_dal_schema_free)


def _bytes(metadata: Mapping[Any, Any]) -> Dict[bytes, bytes]:
    def raw(value: Any) -> bytes:
        # bytes(number) would return that many zeros.
        if not isinstance(value, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"the metadata have {value!r}: give texts or bytes")
        return value.encode() if isinstance(value, str) else bytes(value)

    if not isinstance(metadata, Mapping):
        raise TypeError(f"the metadata are {metadata!r}: give a dictionary")
    return {raw(key): raw(value) for key, value in metadata.items()}


def _object_par(name: str, nullable: bool, own: Dict[bytes, bytes], metadata: Mapping[Any, Any] = {}) -> pa.Field:
    return pa.field(name, OBJECT_ID_TYPE, nullable, {**_bytes(metadata), **own})


def _tensor(elem_type: Any, dim_names: Sequence[str], order: Optional[str]) -> Dict[bytes, bytes]:
    if order not in (None, "C", "F"):
        raise InvalidArgument(f"the order is {order!r}: give 'C' or 'F', or None")
    if isinstance(dim_names, str) or not isinstance(dim_names, Iterable):
        raise InvalidArgument(f"dim_names is {dim_names!r}: give a list of names")
    dims = ",".join(_dim(name) for name in dim_names)
    elem = _NAME_OF_CODE[elem_code(elem_type)].encode()
    ordered = {} if order is None else {_ORDER_META: order.encode()}
    return {_TYPE_META: b"tensor", _ELEM_META: elem, _DIMS_META: dims.encode(), **ordered}


def _table(table_schema: Optional[pa.Schema]) -> Dict[bytes, bytes]:
    if table_schema is None:
        return {_TYPE_META: b"table"}
    if not isinstance(table_schema, pa.Schema):
        raise TypeError(f"the columns of the table are {table_schema!r}: give a pyarrow.Schema, or None for any")
    return {_TYPE_META: b"table", _TABLE_META: base64.b64encode(table_schema.serialize().to_pybytes())}


def _meta(field: pa.Field, key: bytes) -> Optional[str]:
    value = (field.metadata or {}).get(key)
    return None if value is None else str(value.decode())


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIZED = re.compile(r"(?P<name>.*)=(?P<size>[0-9]+)", re.DOTALL)
_WRITTEN = re.compile(r'(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|"(?P<quoted>(?:[^"\\]|\\.)*)")?(?:=?[0-9]+|\*)?(?:,|$)')


def _dim(name: Optional[str]) -> str:
    """Returns a dimension as the wire format writes it."""
    name, size = name or "", ""
    sized = _SIZED.fullmatch(name)
    if sized:
        name, size = sized["name"], sized["size"]
    if not name:
        return size or "*"
    if not _NAME.fullmatch(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return f"{name}={size}" if size else name


def _dim_names(text: str) -> List[str]:
    """Returns the names in a text that :func:`_dim` wrote."""
    names: List[str] = []
    at = 0
    while at < len(text):
        found = _WRITTEN.match(text, at)
        if not found or found.end() == at:
            raise InvalidArgument(f"the dimensions {text!r} of a parameter cannot be read")
        quoted = found["quoted"]
        if quoted is not None:
            names.append(re.sub(r"\\(.)", lambda part: "\n" if part[1] == "n" else part[1], quoted))
        else:
            names.append(found["name"] or "")
        at = found.end()
    return names


# ---- object IDs ------------------------------------------------------------------------------------------------------


def is_namespace_decl(oid: AnyID) -> bool:
    """Returns whether an object ID is that of a namespace's declaration."""
    raw = raw_id(oid)
    return len(raw) == OBJECT_ID_SIZE and raw.endswith(NAMESPACE_DECL_SUFFIX)


def object_id_hex(oid: AnyID) -> str:
    """Returns an object ID, or the first bytes of one, in hexadecimal digits."""
    return raw_id(oid).hex()


def parse_hex_objectid(oid_str: str) -> bytes:
    """Returns the bytes of an object ID, or of a prefix, that is given in hexadecimal digits.

    Raises:
        InvalidArgument: The text is not hexadecimal, or is longer than an ID.

    >>> parse_hex_objectid("0000002a")
    b'\\x00\\x00\\x00*'
    >>> object_id_hex(b"\\x00\\x00\\x00*")
    '0000002a'
    """
    try:
        raw = bytes.fromhex(oid_str)
    except (TypeError, ValueError):
        raise InvalidArgument(f"{oid_str!r} is no object ID: give an even number of hexadecimal digits") from None
    if len(raw) > OBJECT_ID_SIZE:
        raise InvalidArgument(f"{oid_str!r} is no object ID: it has {len(raw)} bytes, more than {OBJECT_ID_SIZE}")
    return raw


def objectid_generator(prefix: bytes, size: int = OBJECT_ID_SIZE) -> Iterator[bytes]:
    """Returns all object IDs with a prefix, one after the other, except the declaration's.

    Args:
        prefix: First bytes of the IDs.
        size: Bytes of an ID.
    """
    start = raw_id(prefix)
    rest = size - len(start)
    if rest < 1:
        raise InvalidArgument(f"the prefix has {len(start)} bytes, which leaves no space in IDs of {size} bytes")
    for number in itertools.count(1):
        if number >= 1 << (8 * rest):
            return
        yield start + number.to_bytes(rest, "big")
