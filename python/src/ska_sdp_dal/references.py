# SPDX-License-Identifier: BSD-3-Clause
"""References to objects that may not exist yet: tensors, tables, and objects of any kind."""

from __future__ import annotations

import weakref
from typing import (
    Any,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
    overload,
)

import numpy as np
import pyarrow as pa

from . import _arrays, _dlpack, _tables
from ._connection import Connection
from ._native import check, encoded, error, ffi, last_error, lib, nanoseconds, own, text_of
from ._waitable import Waitable
from .common import DTYPE_OF_CODE, ELEM_OF_CODE, ElemType, elem_code
from .errors import DalError, InvalidArgument, NotFound, ObjectDeleted, StoreNotFound, TimeoutException
from .ids import AnyID, ObjectID, whole_id

_get_tensor = lib.sdp_dal_ref_get_tensor
array_of, converted, found, view_of = _arrays.array_of, _arrays.converted, _arrays.found, _arrays.view_of
_free_ref = lib.sdp_dal_ref_free
gc, new = ffi.gc, ffi.new
_tensor_pp = ffi.typeof("sdp_dal_tensor **")
_ref_pp = ffi.typeof("sdp_dal_ref **")


class Ref(Waitable):
    """Refers to an object in the store, which may not exist yet.

    There are two kinds. An *owning* reference (from putting, from :meth:`.Store.new_tensor_ref`, or an output of a call)
    keeps its object: when the last one goes the object is deleted, and a call that was to make it is cancelled. A
    *borrowed* one (made from an ID, or received in a call) never deletes what others wrote.

    References pickle. What is unpickled, in whatever process of the machine, is an owning reference to the same object, and
    to no later one of the same ID; it is enough to keep the pickled reference until then. If the object is gone or lies in
    another store, every use of the reference raises why, at once. (An object that was not written yet, and that no call is
    to make, is pickled by its ID: as a borrowed reference.)

    Args:
        conn: Connection to the store.
        oid: ID of the object.
        auto_delete: Delete what is written through this reference when it goes.
        dependencies: Objects that must live until this one exists.
        references: Objects that must live as long as this one is needed.
    """

    _conn: Connection

    def __init__(
        self,
        conn: Connection,
        oid: AnyID,
        auto_delete: bool = True,
        dependencies: Sequence[Ref] = [],
        references: Sequence[Ref] = [],
    ) -> None:
        out = ffi.new(_ref_pp)
        check(lib.sdp_dal_ref_from_id(_opened(conn), whole_id(oid), ffi.NULL, out))
        self._begin(conn, own(out, lib.sdp_dal_ref_free), auto_delete)
        for other in dependencies:
            self.add_dependency(other)
        for other in references:
            self.add_reference(other)

    def _begin(self, conn: Connection, handle: Any, auto_delete: bool = True) -> None:
        self._conn = conn
        self._handle = handle
        if not auto_delete:
            self._auto_delete = False

    # ---- which object --------------------------------------------------------------------------------------------

    @property
    def conn(self) -> Connection:
        """The connection to the store that the object lies in."""
        return self._conn

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.oid.hex()}>"

    def export(self) -> str:
        """A text from which :func:`.adopt` makes an owning reference to the same object: in another process, or by the C,
        C++ or Rust library. The text keeps nothing: keep this reference until it was adopted.

        Raises:
            NotFound: There is no object yet, and no call is to make it.
            ObjectDeleted: The object is gone.
        """
        return text_of(lib.sdp_dal_ref_export, self._handle)

    def __reduce__(self) -> Any:
        return (_unpickled, (self._kind, self._path(), self.oid, self._expected(), self._exported()))

    @property
    def _kind(self) -> Type[Ref]:
        """What it is unpickled as."""
        return Ref

    def _path(self) -> str:
        """Where other processes find the store."""
        return self._conn._absolute_path

    def _expected(self) -> Tuple[Any, ...]:
        """What is expected of the object, as the class takes it behind the ID."""
        return ()

    def _expect(self) -> None:
        """Takes what :meth:`_expected` gave."""

    def _exported(self) -> Union[str, DalError, None]:
        """The exported text; or why the object is gone; None if it has no life yet, so that only its ID is known."""
        try:
            return self.export()
        except ObjectDeleted as problem:
            advised: DalError = _advised(problem)
            return advised
        except NotFound:
            return None

    # ---- what lives with it --------------------------------------------------------------------------------------

    def add_dependency(self, ref: Ref, timeout: Optional[float] = 0) -> None:
        """Keeps another object alive until this one exists: a call, as a rule.

        Args:
            ref: What must live until then.
            timeout: Seconds to wait until that exists.

        Raises:
            TimeoutException: It did not come to exist in time.
        """
        if not isinstance(ref, Ref):
            raise TypeError(f"the dependency is {ref!r}: give a reference, as Ref(conn, oid)")
        status = lib.sdp_dal_ref_add_dependency(self._handle, ref._handle, nanoseconds(timeout))
        if status:
            raise error(status, [ref], timeout)

    def add_reference(self, ref: Union[Ref, AnyID], timeout: Optional[float] = 0) -> None:
        """Keeps another object alive as long as this one is referred to.

        Args:
            ref: What must live as long, as a reference or an ID.
            timeout: Seconds to wait until that exists.

        Raises:
            TimeoutException: It did not come to exist in time.
        """
        other = ref if isinstance(ref, Ref) else Ref(self._conn, ref)
        status = lib.sdp_dal_ref_add_reference(self._handle, other._handle, nanoseconds(timeout))
        if status:
            raise error(status, [other], timeout)

    # ---- its bytes -----------------------------------------------------------------------------------------------

    def get_buffer(self, timeout: Optional[float] = None, auto_delete: bool = True) -> pa.Buffer:
        """The object's bytes, whatever it is, without a copy. The buffer keeps them.

        Args:
            timeout: Seconds to wait until the object exists; None for as long as it takes.
            auto_delete: False makes the object stay when its last reference goes.

        Raises:
            TimeoutException: It did not come to exist in time.
        """
        if not auto_delete:
            self.disown()
        out = ffi.new("sdp_dal_buffer **")
        status = lib.sdp_dal_ref_get_buffer(self._handle, nanoseconds(timeout), out)
        if status:
            raise error(status, [self], timeout)
        return _tables.buffer_of(out[0])

    def _written(self) -> None:
        """The object was written through this reference."""
        if not self._auto_delete:
            check(lib.sdp_dal_ref_disown(self._handle))
        elif not self.is_owning and self._conn._is_kept(self.oid):
            # An ID that nobody had promised, so that nobody wants it: then it lives as long as this reference.
            weakref.finalize(self, _delete, self._conn, self.oid)


def _opened(conn: Any) -> Any:
    """The handle of a connection that was given."""
    if not hasattr(conn, "_open"):
        raise TypeError(f"the connection is {conn!r}: give a Connection, as Store(path).conn")
    return conn._open


def _delete(conn: Connection, oid: ObjectID) -> None:
    if conn._store is not None:
        lib.sdp_dal_object_delete(conn._store, bytes(oid), lib.SDP_DAL_DELETE_NOW)


# ---- from other processes ----------------------------------------------------------------------------------------------

#: What to do about what keeps a reference from being adopted.
_ADVICE: Dict[Type[DalError], str] = {
    ObjectDeleted: "an owning reference to it must be kept until this one was unpickled or adopted; for one that a function "
    "returns from a worker process call disown() on it there, and the object stays until it is deleted by its ID",
    StoreNotFound: "a reference can be used while its store exists, and on its machine: elsewhere send the value, as "
    "get() gives it",
}


def _unpickled(
    kind: Type[Ref], plasma_path: str, oid: ObjectID, expected: Tuple[Any, ...], exported: Union[str, DalError, None]
) -> Ref:
    try:
        if isinstance(exported, DalError):
            raise exported
        if exported is None:
            return kind(_connection_to(plasma_path), oid, *expected)
        made = kind.__new__(kind)
        made._begin(*_imported(exported, plasma_path))
    except DalError as problem:
        # Raised here it would take whoever unpickles along: pools and engines lose a worker, or hang.
        lost: Any = _LOST[kind]
        made = lost.__new__(lost)
        made._lose(problem.with_traceback(None), plasma_path, oid)
    made._expect(*expected)
    return made


def _imported(text: str, plasma_path: str) -> Tuple[Connection, Any]:
    """An owning handle of an exported object, and a connection to its store, which lies at a path."""
    out = ffi.new(_ref_pp)
    status = lib.sdp_dal_ref_import(ffi.NULL, encoded(text, "the exported reference"), out)
    if status == lib.SDP_DAL_NOT_FOUND:
        raise _advised(StoreNotFound(last_error(), status))
    if status:
        raise _advised(error(status))
    handle = own(out, lib.sdp_dal_ref_free)
    return _connection_to(plasma_path), handle


def _connection_to(plasma_path: str) -> Connection:
    """A connection to a store that must be there. It costs little: a process is one client, whatever it opens."""
    try:
        return Connection._existing(plasma_path)
    except StoreNotFound as problem:
        raise _advised(problem) from None


def _advised(problem: Any) -> Any:
    """An error that also says what to do about it."""
    # That it is another store's, the library says with what to do.
    advice = None if "another store" in str(problem) else _ADVICE.get(type(problem))
    return problem if advice is None else type(problem)(f"{problem}; {advice}", problem.status)


class TensorRef(Ref):
    """Refers to a tensor, which may not exist yet: its ID, and what is expected of it.

    Args:
        conn: Connection to the store.
        oid: ID of the tensor's object.
        typ: Type of its elements; None for any.
        dim_names: Names of its dimensions; None for any.
        auto_delete: Delete what is written through this reference when it goes.
    """

    _code = 0
    _dim_names: Optional[Sequence[str]] = None
    #: The array through which it is being written.
    _in_place: Optional[_arrays.InPlace] = None
    #: The order in which it is made if none is given.
    _order: str = "C"

    def __init__(
        self,
        conn: Connection,
        oid: AnyID,
        typ: Optional[ElemType] = None,
        dim_names: Optional[Sequence[str]] = None,
        auto_delete: bool = True,
    ) -> None:
        out = ffi.new(_ref_pp)
        code = 0 if typ is None else elem_code(typ)
        expected, _kept = _arrays.expected(code, dim_names)
        check(lib.sdp_dal_ref_from_id(_opened(conn), whole_id(oid), expected, out))
        self._begin_tensor(conn, own(out, lib.sdp_dal_ref_free), code, dim_names, auto_delete)

    def _begin_tensor(
        self,
        conn: Connection,
        handle: Any,
        code: int,
        dim_names: Optional[Sequence[str]],
        auto_delete: bool = True,
    ) -> None:
        self._begin(conn, handle, auto_delete)
        self._code = code
        self._dim_names = dim_names

    @property
    def typ(self) -> Optional[ElemType]:
        """The type of the elements: the one expected, else that of the tensor if it exists, else None."""
        code = self._code or self._found()[0]
        return ELEM_OF_CODE.get(code)

    @property
    def dim_names(self) -> Optional[List[str]]:
        """The names of the dimensions: those expected, else those of the tensor if it exists, else None."""
        return self._found()[1] if self._dim_names is None else list(self._dim_names)

    def _found(self) -> Tuple[int, Optional[List[str]]]:
        if not self.exists():
            return 0, None
        shown = self._hold(0)
        try:
            return _arrays.dim_names_of(shown)
        finally:
            lib.sdp_dal_tensor_free(shown[2][0])
            found.append(shown)

    def _hold(self, timeout: Optional[float]) -> Any:
        """The tensor in one of :data:`_arrays.found`. Its handle is to be freed."""
        try:
            shown = found.pop()
        except IndexError:
            shown = _arrays.new_found()
        view, _, out = shown
        status = _get_tensor(self._handle, -1 if timeout is None else nanoseconds(timeout), out, view)
        if status:
            raise error(status, [self], timeout)
        return shown

    def _held(self, timeout: Optional[float] = None) -> Any:
        """A handle of the tensor, which is freed with its last use."""
        shown = self._hold(timeout)
        tensor = own(shown[2], lib.sdp_dal_tensor_free)
        found.append(shown)
        return tensor

    def get(self, timeout: Optional[float] = None) -> np.ndarray[Any, Any]:
        """The tensor as a read-only array over its bytes in the store, without a copy. The array keeps them, whatever
        becomes of the object.

        Args:
            timeout: Seconds to wait until the tensor exists; None for as long as it takes.

        Raises:
            TimeoutException: It did not come to exist in time.
            FunctionError: The function that was to make it raised an exception.
            ProcessorLost: The processor that was to make it has gone.
        """
        return array_of(self._hold(timeout), self._code, self)

    def put(self, arr: Any = None, *, casting: str = "safe") -> None:
        """Writes the tensor: one copy into the store.

        Args:
            arr: The values; None for an empty tensor.
            casting: By which of numpy's rules values of another element type are converted: 'safe' loses nothing,
                'same_kind' narrows, too, and 'unsafe' converts everything.

        Raises:
            AlreadyExists: Somebody has written it before.
            InvalidArgument: The values are not what is expected.
        """
        dims, code = self._dim_names, self._code
        array: Any = arr
        # Arrays of the very type, as most are, need no more looking at.
        if type(arr) is not np.ndarray or arr.dtype is not DTYPE_OF_CODE.get(code):
            array, code = converted(arr, code, None if dims is None else len(dims), self, casting)
        view = view_of(array, code, self._names() if dims and len(dims) == array.ndim else None)
        self._put_view(view.raw)
        view.done()

    def _put_view(self, view: Any) -> None:
        check(lib.sdp_dal_ref_put_tensor(self._handle, view))
        self._written()

    def _names(self) -> Any:
        """The expected names of the dimensions, for the library."""
        return _arrays.names_of(self._dim_names or [])

    def create(
        self, shape: Any, typ: Any = None, order: Optional[str] = None, zeroed: bool = False
    ) -> np.ndarray[Any, Any]:
        """Makes the tensor where it is to lie, and gives the array through which it is written: nothing is copied.

        It exists for others from :meth:`seal` on, an output of a call at the latest when the function returns. The array
        is read-only then; slices that were taken of it must not be written any more either.

        Args:
            shape: The sizes of its dimensions.
            typ: The type of its elements, if the reference does not say it.
            order: 'C' or 'F'; None for that which the parameter of an output asks for, else 'C'.
            zeroed: Whether the elements begin as zeros; else they are what the memory held before.

        Raises:
            AlreadyExists: Somebody has written it before.
            OutOfMemory: The store is full.
        """
        sizes = _arrays.shape_of(shape, self._what())
        code = self._code or (elem_code(typ) if typ is not None else 0)
        if not code:
            raise InvalidArgument(f"{self._what()} has no element type yet: give 'typ'")
        if self._code and typ is not None and elem_code(typ) != self._code:
            raise InvalidArgument(f"{self._what()} has elements of type {self.typ}, not {typ}")
        order = order or self._order
        place = _arrays.InPlace(self._create(code, sizes, order, zeroed), sizes, DTYPE_OF_CODE[code], order)
        self._in_place = place
        array = place.array()
        place.keep(self._writer())
        return array

    def _create(self, code: int, sizes: Tuple[int, ...], order: str, zeroed: bool) -> Any:
        names = self._dim_names if self._dim_names and len(self._dim_names) == len(sizes) else None
        spec, _kept = _arrays.spec_of(code, sizes, names, order, zeroed)
        out = ffi.new("void **")
        check(lib.sdp_dal_ref_create_tensor(self._handle, spec, out))
        return out[0]

    def _writer(self) -> Any:
        """What must live as long as the tensor is being written."""
        return self._handle

    def seal(self) -> None:
        """Makes a tensor that was created in place complete, and visible for others."""
        check(lib.sdp_dal_ref_seal(self._handle))
        self._written()
        self._sealed()

    def _sealed(self) -> None:
        place, self._in_place = self._in_place, None
        if place is not None:
            place.ended(lambda: self._held(0))

    def _what(self) -> str:
        return f"the tensor {self.oid.hex()}"

    def _expected(self) -> Tuple[Any, ...]:
        return (ELEM_OF_CODE.get(self._code), None if self._dim_names is None else list(self._dim_names))

    def _expect(self, typ: Optional[ElemType] = None, dim_names: Optional[Sequence[str]] = None) -> None:
        self._code = 0 if typ is None else elem_code(typ)
        self._dim_names = dim_names

    @property
    def _kind(self) -> Type[Ref]:
        return TensorRef

    # ---- others' ways to ask for an array ------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> np.ndarray[Any, Any]:
        array = self.get()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            if copy is False:
                raise ValueError(f"a tensor of {array.dtype} cannot be an array of {np.dtype(dtype)} without a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: Optional[Tuple[int, int]] = None,
        dl_device: Any = None,
        copy: Optional[bool] = None,
    ) -> Any:
        if stream is not None or dl_device not in (None, (1, 0)) or copy:
            raise BufferError("a tensor in the store can be had on the CPU only, without a stream, and not as a copy")
        return _dlpack.capsule(self._held(), max_version)

    def __dlpack_device__(self) -> Tuple[int, int]:
        return (1, 0)


def tensor_ref(conn: Connection, handle: Any, code: int, dim_names: Optional[Sequence[str]]) -> TensorRef:
    """A reference to a tensor, from the library's, which it takes over."""
    # By hand, for each call makes some.
    made = TensorRef.__new__(TensorRef)
    made._conn = conn
    made._handle = gc(handle, _free_ref)
    made._code = code
    made._dim_names = dim_names
    return made


class TableRef(Ref):
    """Refers to a table, which may not exist yet: its ID, and what is expected of it.

    Args:
        conn: Connection to the store.
        oid: ID of the table's object.
        schema: Its columns; None for any.
        auto_delete: Delete what is written through this reference when it goes.
    """

    def __init__(
        self, conn: Connection, oid: AnyID, schema: Optional[pa.Schema] = None, auto_delete: bool = True
    ) -> None:
        out = ffi.new(_ref_pp)
        with _tables.exported(schema) as exported:
            check(lib.sdp_dal_ref_from_id(_opened(conn), whole_id(oid), _tables.expected(exported), out))
        self._begin_table(conn, own(out, lib.sdp_dal_ref_free), schema, auto_delete)

    def _begin_table(
        self, conn: Connection, handle: Any, schema: Optional[pa.Schema], auto_delete: bool = True
    ) -> None:
        self._begin(conn, handle, auto_delete)
        self._schema = schema

    @property
    def schema(self) -> Optional[pa.Schema]:
        """The columns: those expected, else those of the table if it exists, else None."""
        if self._schema is None and self.exists():
            return self.get(0).schema
        return self._schema

    def get(self, timeout: Optional[float] = None) -> pa.Table:
        """The table, over its bytes in the store, without a copy. It keeps them, whatever becomes of the object.

        Args:
            timeout: Seconds to wait until the table exists; None for as long as it takes.

        Raises:
            TimeoutException: It did not come to exist in time.
            FunctionError: The function that was to make it raised an exception.
            ProcessorLost: The processor that was to make it has gone.
        """
        stream = ffi.new("struct ArrowArrayStream *")
        status = self._get_stream(timeout, stream)
        if status:
            raise error(status, [self], timeout)
        return _tables.table_of(stream)

    def _get_stream(self, timeout: Optional[float], stream: Any) -> int:
        return int(lib.sdp_dal_ref_get_table(self._handle, nanoseconds(timeout), stream))

    def get_dict(self) -> Dict[str, List[Any]]:
        """The table as a dictionary from the columns' names to lists of Python values. Waits until it exists."""
        columns: Dict[str, List[Any]] = self.get().to_pydict()
        return columns

    def get_pandas(self, *args: Any, **kwargs: Any) -> Any:
        """The table as a pandas data frame. Waits until it exists.

        Args:
            args, kwargs: For :meth:`pyarrow.Table.to_pandas`.

        Raises:
            ImportError: pandas is not installed.
        """
        _tables.needed("pandas", "get_pandas()")
        return self.get().to_pandas(*args, **kwargs)

    def get_awkward(self) -> Any:
        """The table as an awkward array, in general without a copy. Waits until it exists.

        Raises:
            ImportError: awkward is not installed.
        """
        return _tables.needed("awkward", "get_awkward()").from_arrow(self.get())

    def put(
        self,
        table: Union[pa.Table, Mapping[str, Any], Iterable[Any], Any],
        max_chunksize: Optional[int] = None,
    ) -> None:
        """Writes the table: one copy into the store.

        Args:
            table: The table: a :class:`pyarrow.Table` or record batch, a pandas data frame, a dictionary from names to
                arrays or lists, or anything with ``__arrow_c_stream__``. The chunks of all columns must be equally long.
            max_chunksize: Most rows of a record batch.

        Raises:
            AlreadyExists: Somebody has written it before.
            InvalidArgument: The table is not what is expected.
        """
        self._put_stream(_tables.stream_of(_tables.table_from(table, self._schema)), _tables.options(max_chunksize))

    def _put_stream(self, stream: Any, options: Any) -> None:
        check(lib.sdp_dal_ref_put_table(self._handle, stream, options))
        self._written()

    def _expected(self) -> Tuple[Any, ...]:
        return (self._schema,)

    def _expect(self, schema: Optional[pa.Schema] = None) -> None:
        self._schema = schema

    @property
    def _kind(self) -> Type[Ref]:
        return TableRef

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.get().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        schema = self.schema
        return (schema if schema is not None else self.get().schema).__arrow_c_schema__()


# ---- what cannot be had --------------------------------------------------------------------------------------------------


class _Lost:
    """A reference that was unpickled where its object cannot be had: what it is asked raises why."""

    def _lose(self, why: DalError, place: str, oid: ObjectID) -> None:
        self._why = why
        self._place = place
        self._id = oid

    @property
    def _handle(self) -> Any:
        # Another one each time: where it is raised must not keep what the callers of this hold.
        raise type(self._why)(str(self._why), self._why.status)

    @property
    def _conn(self) -> Any:
        return self._handle

    @_conn.setter
    def _conn(self, conn: Any) -> None:
        raise AttributeError("_conn")

    @property
    def oid(self) -> ObjectID:
        """The object's ID."""
        return self._id

    @property
    def is_owning(self) -> bool:
        """It keeps nothing."""
        return False

    def exists(self) -> bool:
        """Whether the object exists."""
        return not isinstance(self._why, ObjectDeleted) and bool(self._handle)

    def _path(self) -> str:
        return self._place

    def _exported(self) -> DalError:
        return self._why


class _LostRef(_Lost, Ref):
    pass


class _LostTensor(_Lost, TensorRef):
    pass


class _LostTable(_Lost, TableRef):
    pass


_LOST: Dict[Type[Ref], Any] = {Ref: _LostRef, TensorRef: _LostTensor, TableRef: _LostTable}


# ---- adopting ------------------------------------------------------------------------------------------------------------

_AnyRef = TypeVar("_AnyRef", bound=Ref)


@overload
def adopt(text: str, kind: None = None, *, store: Any = None) -> Any: ...


@overload
def adopt(text: str, kind: Type[_AnyRef], *, store: Any = None) -> _AnyRef: ...


def adopt(text: str, kind: Any = None, *, store: Any = None) -> Any:
    """Makes an owning reference from a text of :meth:`.Ref.export`, by whatever process of the machine, and in whatever
    language, it was exported. No store is made.

    Args:
        text: The exported text.
        kind: TensorRef, TableRef or Ref. Default: what the object is; Ref if it does not exist yet.
        store: The Store, or Connection, in which the object lies. Default: it is opened at the path that it had for the
            process that exported.

    Raises:
        InvalidArgument: The text is no exported reference, or is one to another store.
        ObjectDeleted: The object is gone.
        StoreNotFound: There is no store at the path.

    >>> import ska_sdp_dal as dal
    >>> store = dal.Store("/dev/shm/sdp-dal-doctest")
    >>> ref = store.put_new_tensor([1, 2])
    >>> dal.adopt(ref.export()).get()
    array([1, 2])
    >>> store.close()
    """
    if not isinstance(text, str):
        raise TypeError(f"the exported reference is {text!r}: give a text, as Ref.export() makes it")
    if kind not in (None, *_LOST):
        raise TypeError(f"the kind of the reference is {kind!r}: give TensorRef, TableRef or Ref")
    if store is None:
        # The path stands last in the text, and is absolute.
        conn, handle = _imported(text, text[text.find("/") :])
    else:
        conn, out = getattr(store, "conn", store), ffi.new(_ref_pp)
        status = lib.sdp_dal_ref_import(_opened(conn), encoded(text, "the exported reference"), out)
        if status:
            raise _advised(error(status))
        handle = own(out, lib.sdp_dal_ref_free)
    kind = kind or _kind_of(handle)
    made = kind.__new__(kind)
    made._begin(conn, handle)
    made._expect()
    return made


def _kind_of(handle: Any) -> Type[Ref]:
    """What an object is."""
    tensor, stream = ffi.new(_tensor_pp), ffi.new("struct ArrowArrayStream *")
    if lib.sdp_dal_ref_get_tensor(handle, 0, tensor, ffi.NULL) == lib.SDP_DAL_OK:
        lib.sdp_dal_tensor_free(tensor[0])
        return TensorRef
    if lib.sdp_dal_ref_get_table(handle, 0, stream) == lib.SDP_DAL_OK:
        stream.release(stream)
        return TableRef
    return Ref


__all__ = ["Ref", "TableRef", "TensorRef", "TimeoutException", "adopt"]
