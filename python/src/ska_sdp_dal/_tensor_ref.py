# SPDX-License-Identifier: BSD-3-Clause
"""References to tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generator, Iterator, List, Optional, Sequence, Tuple, Type

import numpy as np

from . import _arrays, _dlpack, _parts, _show
from ._connection import Connection
from ._native import check, error, ffi, lib, nanoseconds, own
from ._ref import Ref, opened
from .common import DTYPE_OF_CODE, ELEM_OF_CODE, ElemType, elem_code
from .errors import DalError, InvalidArgument
from .ids import AnyID, whole_id

_get_tensor = lib.sdp_dal_ref_get_tensor
array_of, converted, found, view_of = _arrays.array_of, _arrays.converted, _arrays.found, _arrays.view_of
dims_of, names_of = _arrays.dims_of, _arrays.names_of
_free_ref = lib.sdp_dal_ref_free
gc = ffi.gc
_ref_pp = ffi.typeof("sdp_dal_ref **")


class TensorRef(Ref):
    """Refers to a tensor, which may not exist yet, by its ID and what is expected of it.

    Args:
        conn: Connection to the store.
        oid: ID of the tensor's object.
        typ: Type of its elements; None for any.
        dim_names: Names of its dimensions; None for any.
        auto_delete: Delete the object that is written through this reference when the reference is dropped.
    """

    _code = 0
    #: Of a part: the reference of which it was taken, and the text.
    _taken: Optional[Tuple[TensorRef, str]] = None
    _dim_names: Optional[Sequence[str]] = None
    #: The array through which it is being written.
    _in_place: Optional[_arrays.InPlace] = None
    #: The order in which it is created by default.
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
        check(lib.sdp_dal_ref_from_id(opened(conn), whole_id(oid), expected, out))
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
        """The expected type of the elements, or that of the existing tensor, or None."""
        code = self._code or self._found()[0]
        return ELEM_OF_CODE.get(code)

    @property
    def dim_names(self) -> Optional[List[str]]:
        """The expected names of the dimensions, or those of the existing tensor, or None."""
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

    def _array(self) -> Optional[np.ndarray[Any, Any]]:
        """Returns the tensor, if it exists and matches what is expected."""
        try:
            return self.get(0) if self.exists() else None
        except DalError:
            return None

    @property
    def dtype(self) -> Optional[np.dtype[Any]]:
        """The type of the elements as numpy names it; None if it is not known without waiting."""
        try:
            return DTYPE_OF_CODE.get(self._code or self._found()[0])
        except DalError:
            return None

    @property
    def shape(self) -> Optional[Tuple[int, ...]]:
        """The sizes of the dimensions; None if the tensor does not exist."""
        array = self._array()
        return None if array is None else array.shape

    @property
    def nbytes(self) -> Optional[int]:
        """The bytes of all elements; None if the tensor does not exist."""
        array = self._array()
        return None if array is None else array.nbytes

    def __len__(self) -> int:
        """Returns the size of the first dimension. If the tensor does not exist, raises the same error as ``get(0)``."""
        return len(self.get(0))

    def __getitem__(self, key: Any) -> TensorRef:
        """Returns a reference to a part of the tensor, which need not exist yet. Does not copy, and does not wait.

        The part keeps the whole tensor. It can be passed to calls, pickled and awaited like any reference, and :meth:`get`
        returns an array over the same bytes. It has no ID, and cannot be written, be the output of a call, or be disowned.

        Args:
            key: An integer, a slice or ``...`` for each dimension, as numpy accepts them. A dimension with an integer is
                dropped.

        Raises:
            InvalidArgument: The tensor is known not to have these elements. If it does not exist yet, :meth:`get` raises
                this later, and a call that takes the part fails.

        >>> import ska_sdp_dal as dal
        >>> store = dal.Store("/dev/shm/sdp-dal-doctest")
        >>> vis = store.put_new_tensor([[1, 2, 3], [4, 5, 6]])
        >>> vis[:, ::-2].get()
        array([[3, 1],
               [6, 4]])
        >>> store.close()
        """
        return self._part_of(_parts.text_of(key))

    def _part_of(self, text: str) -> TensorRef:
        out = ffi.new(_ref_pp)
        check(lib.sdp_dal_ref_part_from_text(self._handle, text.encode(), out))
        made = TensorRef.__new__(TensorRef)
        handle = own(out, _free_ref)
        made._begin_tensor(self._conn, handle, self._code, _parts.names_of(handle))
        made._part, made._taken = _parts.part_of(handle), (self, text)
        return made

    def __reduce__(self) -> Any:
        made = super().__reduce__()
        # What can only be pickled by its ID is pickled as the whole and the part of it.
        return made if made[1][-1] is not None or self._taken is None else (TensorRef._part_of, self._taken)

    def __iter__(self) -> Iterator[TensorRef]:
        """Returns references to the parts along the first dimension. If the tensor does not exist, raises the same error as
        ``get(0)``."""
        return iter([self[at] for at in range(len(self.get(0)))])

    def __bool__(self) -> bool:
        # A reference is one, whatever the size of its tensor.
        return True

    def _shown(self) -> Tuple[str, Optional[np.ndarray[Any, Any]]]:
        """Returns a description in one line, and the tensor if it exists."""
        array = self._array()
        if array is None:
            elements = str(DTYPE_OF_CODE.get(self._code, "any"))
            return _show.line_of(self, _show.tensor_text(elements, self._dim_names, None)), None
        about = _show.tensor_text(str(array.dtype), self.dim_names, array.shape)
        return _show.line_of(self, about, array.nbytes), array

    def _repr_html_(self) -> str:
        try:
            return _show.tensor_html(*self._shown())
        except Exception as problem:
            return _show.tensor_html(_show.unknown(self, problem), None)

    def _hold(self, timeout: Optional[float]) -> Any:
        """Returns the tensor in one of :data:`_arrays.found`. Its handle must be freed."""
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
        """Returns a handle of the tensor, which is freed after its last use."""
        shown = self._hold(timeout)
        tensor = own(shown[2], lib.sdp_dal_tensor_free)
        found.append(shown)
        return tensor

    def get(self, timeout: Optional[float] = None) -> np.ndarray[Any, Any]:
        """Returns the tensor as a read-only array over its bytes in the store, without a copy. The array keeps the bytes,
        even if the object is deleted.

        Args:
            timeout: Seconds to wait until the tensor exists; None for no limit.

        Raises:
            TimeoutException: It was not created in time.
            FunctionError: The function that was to create it raised an exception.
            ProcessorLost: The processor that was to create it crashed or was closed.
        """
        return array_of(self._hold(timeout), self._code, self)

    if TYPE_CHECKING:

        def __await__(self) -> Generator[Any, None, np.ndarray[Any, Any]]: ...

    def _value(self) -> Any:
        return self.get(0)

    def put(self, arr: Any = None, *, casting: str = "safe", full_timeout: Optional[float] = None) -> None:
        """Writes the tensor, with one copy into the store.

        Args:
            arr: The values; None for an empty tensor. An ``xarray.DataArray`` brings the names of its dimensions.
            casting: numpy's rule by which values of another element type are converted: 'safe' loses nothing,
                'same_kind' narrows, too, and 'unsafe' converts everything.
            full_timeout: Seconds to wait for space if the store is full; 0 does not wait, and ``math.inf`` has no limit.
                Default: that of the store, or of the processor for an output.

        Raises:
            AlreadyExists: It was written before.
            InvalidArgument: The values do not match the expected type or dimensions.
        """
        if full_timeout is not None:
            self._wait_for_space(full_timeout)
        dims, code = self._dim_names, self._code
        array: Any = arr
        # Most arrays have exactly this type and need no further check.
        if type(arr) is not np.ndarray or arr.dtype is not DTYPE_OF_CODE.get(code):
            array, code = converted(arr, code, None if dims is None else len(dims), self, casting)
        own = dims_of(arr)
        if own is not None:
            view = view_of(array, code, names_of(own))
        else:
            view = view_of(array, code, self._names() if dims and len(dims) == array.ndim else None)
        self._put_view(view.raw)
        view.done()

    def _put_view(self, view: Any) -> None:
        check(lib.sdp_dal_ref_put_tensor(self._handle, view))
        self._written()

    def _names(self) -> Any:
        """Returns the expected names of the dimensions, for the library."""
        return _arrays.names_of(self._dim_names or [])

    def create(
        self,
        shape: Any,
        typ: Any = None,
        order: Optional[str] = None,
        zeroed: bool = False,
        *,
        full_timeout: Optional[float] = None,
    ) -> np.ndarray[Any, Any]:
        """Creates the tensor in the store, and returns the array through which it is written. Nothing is copied.

        The tensor exists for other clients from :meth:`seal` on. An output of a call is sealed at the latest when the
        function returns. The array is then read-only, and slices of it must not be written any more either.

        Args:
            shape: The sizes of its dimensions.
            typ: The type of its elements, if the reference does not determine it.
            order: 'C' or 'F'. Default: the order that the parameter of an output requests, or 'C'.
            zeroed: Whether the elements begin as zeros. Otherwise they have the previous content of the memory.
            full_timeout: Seconds to wait for space, as for :meth:`put`.

        Raises:
            AlreadyExists: It was written before.
            OutOfMemory: The store is full.
        """
        if full_timeout is not None:
            self._wait_for_space(full_timeout)
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
        """Returns what must be kept as long as the tensor is being written."""
        return self._handle

    def shrink(self, shape: Any) -> None:
        """Makes a tensor that is being written in place smaller, without a copy: its first dimension if it is in C order,
        its last one if it is in F order. The elements that stay are where they were. The array that was returned before has
        its old shape: elements behind the new one must not be written any more.

        Args:
            shape: The new shape.
        """
        sizes = _arrays.shape_of(shape, self._what())
        check(lib.sdp_dal_ref_shrink(self._handle, len(sizes), ffi.new("int64_t[]", sizes)))

    def seal(self) -> None:
        """Seals a tensor that was created in place, so that other clients can read it."""
        check(lib.sdp_dal_ref_seal(self._handle))
        self._written()
        self._sealed()

    def _sealed(self) -> None:
        place, self._in_place = self._in_place, None
        if place is not None:
            place.ended(lambda: self._held(0))

    def _what(self) -> str:
        return f"the tensor {self.oid.hex()}{self.part or ''}"

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
    """Returns a reference to a tensor, from the library's reference, which it takes over."""
    # Written out, because each call creates some.
    made = TensorRef.__new__(TensorRef)
    made._conn = conn
    made._handle = gc(handle, _free_ref)
    made._code = code
    made._dim_names = dim_names
    return made
