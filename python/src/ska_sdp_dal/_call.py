# SPDX-License-Identifier: BSD-3-Clause
"""A call that a processor has taken: its parameters as the function gets them, and how it ends.

The outputs can be written as long as the function runs, and after that as long as a reference to one of them exists. Real
processors keep the tag of a payload and write it when they are done. Inputs stay as long as anything that was created from
them.
"""

from __future__ import annotations

import logging
import weakref
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

import numpy as np
import pyarrow as pa

from . import _arrays, _parts, _tables, errors
from ._connection import Connection
from ._functions import TABLE, TENSOR, VALUE, Function, Param, Values, read
from ._native import check, error, ffi, filled, full_nanoseconds, last_error, lib, own
from .common import DTYPE_OF_CODE
from .ids import ObjectID
from .references import TableRef, TensorRef

_log = logging.getLogger("ska_sdp_dal.processor")

_call_pp = ffi.typeof("sdp_dal_call **")
_finish = lib.sdp_dal_call_finish
_free_call = lib.sdp_dal_call_free
_hold_tensor = lib.sdp_dal_call_hold_tensor
_put_tensor = lib.sdp_dal_call_put_tensor
_values = lib.sdp_dal_call_values
NULL = ffi.NULL
_NULL: int = lib.SDP_DAL_VALUE_NULL
_NOT_WRITTEN: int = lib.SDP_DAL_OUTPUT_NOT_WRITTEN
#: Bytes of a failed call's text that the library keeps, with a small margin.
_TEXT = 2040


class Call:
    """A call that a processor has taken, while its function runs; see :attr:`BasicProcessor.call`."""

    def __init__(self, handle: Any, function: Function, conn: Connection) -> None:
        self._handle = handle
        self._function = function
        self._conn = conn

    @property
    def function(self) -> str:
        """The name of the function."""
        return self._function.name

    @property
    def row(self) -> int:
        """The number of this call in its batch; 0 for a single call."""
        return int(self._info().row)

    @property
    def is_cancelled(self) -> bool:
        """Whether the call was cancelled, because no reference to its outputs is left. A long function may then stop."""
        return bool(lib.sdp_dal_call_is_cancelled(self._handle))

    @property
    def thread_budget(self) -> int:
        """The number of threads that the function may use."""
        out = ffi.new("int32_t *")
        check(lib.sdp_dal_call_get_threads(self._handle, out))
        return int(out[0])

    @property
    def caller(self) -> int:
        """Number of the client that called, as ``sdp-dal`` shows it."""
        return int(self._info().caller)

    @property
    def oid(self) -> ObjectID:
        """ID of the call's object, which the calls of a batch share."""
        return ObjectID(bytes(ffi.buffer(self._info().id)))

    def _info(self) -> Any:
        info = filled("sdp_dal_call_info")
        check(lib.sdp_dal_call_get_info(self._handle, info))
        return info

    def set_progress(self, fraction: float) -> None:
        """Sets the progress of the function, which references to its outputs show.

        Args:
            fraction: From 0 to 1.
        """
        check(lib.sdp_dal_call_set_progress(self._handle, fraction))

    def batch(self) -> pa.RecordBatch:
        """Returns the parameters as they were sent, as a record batch of one row."""
        out = ffi.new("sdp_dal_buffer **")
        check(lib.sdp_dal_call_get_buffer(self._handle, out))
        return pa.ipc.open_stream(_tables.buffer_of(out[0])).read_next_batch().slice(self.row, 1)

    def parameters(self, outputs: CallOutputs) -> Dict[str, Any]:
        """Returns the parameters for the function: values, and references to objects; None for those that were left out."""
        function = self._function
        params = function.params
        values: Dict[str, Any] = {}
        try:
            found = function.values.pop()
        except IndexError:
            found = Values(function)
        status = _values(self._handle, found.raw, len(params))
        if status:
            check(status)
        for param, found_kind in zip(params, found.kinds.tolist()):
            kind = param.kind
            if found_kind == _NULL:
                values[param.name] = None
                if param.is_output:
                    outputs.missing.pop()
            elif kind == VALUE:
                if found_kind == param.usual:
                    values[param.name] = found.casts[param.cast][param.at]
                else:
                    values[param.name] = read(found.raw[param.index], self._handle, param)
            elif kind == TENSOR:
                values[param.name] = OutputTensor(outputs, param) if param.is_output else InputTensor(self, param)
            elif kind == TABLE:
                values[param.name] = OutputTable(outputs, param) if param.is_output else InputTable(self, param)
            else:
                values[param.name] = self._id(param)
        function.values.append(found)
        return values

    def _id(self, param: Param) -> Union[ObjectID, TensorRef]:
        """Returns the ID of the object of a parameter, or the reference to a part, which has none."""
        out = ffi.new("uint8_t[20]")
        status = lib.sdp_dal_call_get_id(self._handle, param.raw, out)
        if status == lib.SDP_DAL_INVALID_ARGUMENT:
            part = InputTensor(self, param)
            if part.part is not None:
                return part
        check(status)
        return ObjectID(bytes(ffi.buffer(out, 20)))

    def reference(self, param: Param) -> Any:
        """Returns the library's reference to the object of a parameter."""
        out = ffi.new("sdp_dal_ref **")
        check(lib.sdp_dal_call_get_ref(self._handle, param.raw, out))
        return own(out, lib.sdp_dal_ref_free)

    # ---- its end -------------------------------------------------------------------------------------------------

    def run(self, function: Callable[..., Any]) -> None:
        """Runs the function, and ends the call, unless a reference to a missing output still exists."""
        held = [CallOutputs(self)]
        function(**self.parameters(held[0]))
        self.end(held)

    def end(self, held: List[CallOutputs]) -> None:
        """Ends the call after the function has returned, unless a reference to a missing output still exists. ``held`` keeps
        the state that these share, and is emptied to check that."""
        outputs = held.pop()
        if outputs.in_place:
            outputs.seal_all()
        if outputs.missing:
            alive = weakref.ref(outputs)
            del outputs
            living = alive()
            if living is not None:
                living.go_on(self._go_on())
                return
        self.finish()

    def finish(self) -> None:
        """Ends the call. Outputs that were not written fail."""
        status = _finish(self._handle, NULL, 0)
        if status == _NOT_WRITTEN:
            # No exception, for there is nobody to catch it; who waits for the output gets it.
            _log.warning("%s", last_error())
        elif status:
            check(status)

    def fail(self, problem: BaseException) -> None:
        """Ends the call. Its outputs fail with an exception's text."""
        text = errors.tell(problem, _TEXT).encode(errors="replace").replace(b"\0", b" ")
        check(lib.sdp_dal_call_fail(self._handle, lib.SDP_DAL_FUNCTION_FAILED, text))
        self.finish()

    def _go_on(self) -> Any:
        """Ends the run of the function and keeps the call open. Returns the handle with which its outputs are written."""
        out = ffi.new(_call_pp)
        check(lib.sdp_dal_call_defer(self._handle, out))
        deferred = own(out, _free_call)
        # The handle that the call was taken with stands for the function that runs, and goes with process(), or when a
        # thread of the function's that still writes with it is done. Inputs go on with another.
        check(lib.sdp_dal_call_retain(self._handle, out))
        self._handle = own(out, _free_call)
        return deferred


class CallOutputs:
    """The state that the references to the outputs of a call share. It exists as long as one of them."""

    #: The handle that keeps the call open once its function has returned.
    deferred: Any = None

    def __init__(self, call: Call) -> None:
        self.call = call
        #: Those that are to be written, by whatever thread: what counts is how many.
        self.missing = call._function.outputs.copy()
        self.in_place: List[OutputTensor] = []

    @property
    def handle(self) -> Any:
        """The handle with which outputs are written."""
        return self.call._handle if self.deferred is None else self.deferred

    def created(self, tensor: OutputTensor) -> None:
        """Records that an output is being written in place."""
        self.in_place.append(tensor)

    def written(self, tensor: Optional[OutputTensor] = None) -> None:
        """Records that one more output exists."""
        if tensor is not None and tensor in self.in_place:
            self.in_place.remove(tensor)
        self.missing.pop()
        if self.deferred is not None:
            self._end()

    def go_on(self, deferred: Any) -> None:
        """Records that the function has returned. Other outputs will be written later, with another handle."""
        self.deferred = deferred
        self._end()

    def _end(self) -> None:
        # Two threads may find that they were the last: ending a call again does nothing.
        if not self.missing:
            check(_finish(self.deferred, NULL, 0))

    def seal_all(self) -> None:
        """Seals all outputs that were created in place, when the function has returned."""
        for tensor in list(self.in_place):
            tensor.seal()


class _OfCall:
    """A reference to a parameter of a call. The library's own reference is created when it is needed, which is not the case
    for reading and writing."""

    _call: Call
    _param: Param
    _made: Any = None
    #: How long writing it waits for space, as the library accepts it; 0 is as long as the processor says.
    _full_ns = 0

    def _wait_for_space(self, full_timeout: Optional[float]) -> None:
        self._full_ns = full_nanoseconds(full_timeout)

    @property
    def _handle(self) -> Any:
        if self._made is None:
            self._made = self._call.reference(self._param)
        return self._made

    @_handle.setter
    def _handle(self, handle: Any) -> None:
        self._made = handle


class InputTensor(_OfCall, TensorRef):
    """An input of a call. The call has pinned it, so it stays readable even if the object is deleted."""

    def __init__(self, call: Call, param: Param) -> None:
        self._call = call
        self._param = param
        self._conn = call._conn
        self._code = param.code
        self._dim_names = param.dims

    @property
    def part(self) -> Optional[str]:
        """The part of its object that the caller passed, None for the whole object."""
        return _parts.part_of(self._handle)

    def _hold(self, timeout: Optional[float]) -> Any:
        try:
            shown = _arrays.found.pop()
        except IndexError:
            shown = _arrays.new_found()
        view, _, out = shown
        status = _hold_tensor(self._call._handle, self._param.raw, out, view)
        if status:
            raise error(status, [self], timeout)
        return shown

    def copy(self) -> np.ndarray[Any, Any]:
        """Returns a private copy, which may be written, for functions that modify their inputs. The copy is in C order
        unless the parameter requests F order."""
        return self.get().copy("F" if self._param.order == "F" else "C")


class InputTable(_OfCall, TableRef):
    """An input of a call. The call has pinned it, so it stays readable even if the object is deleted."""

    def __init__(self, call: Call, param: Param) -> None:
        self._call = call
        self._param = param
        self._conn = call._conn
        self._schema = param.table

    def _get_stream(self, timeout: Optional[float], stream: Any) -> int:
        return int(lib.sdp_dal_call_get_table(self._call._handle, self._param.raw, stream))


class OutputTensor(_OfCall, TensorRef):
    """An output of a call, to be written by its function, or later, as long as this reference exists."""

    def __init__(self, outputs: CallOutputs, param: Param) -> None:
        self._outputs = outputs
        self._call = call = outputs.call
        self._param = param
        self._conn = call._conn
        self._code = param.code
        self._dim_names = param.dims
        self._order = param.order or "C"

    def _put_view(self, view: Any) -> None:
        outputs = self._outputs
        if self._full_ns:
            raise errors.InvalidArgument(
                f"{self._what()} is put within the full_timeout of the processor: create() it to give another one"
            )
        status = _put_tensor(outputs.deferred or self._call._handle, self._param.raw, view)
        if status:
            check(status)
        outputs.written()

    def _names(self) -> Any:
        return self._param.names

    def _create(self, code: int, sizes: Tuple[int, ...], order: str, zeroed: bool) -> Any:
        shape, options = ffi.new("int64_t[]", sizes), filled("sdp_dal_output_options")
        options.order = _arrays.order_of(order)
        options.flags = lib.SDP_DAL_TENSOR_ZEROED if zeroed else 0
        options.full_timeout_ns = self._full_ns
        out = ffi.new("void **")
        handle = self._outputs.handle
        check(lib.sdp_dal_call_create_tensor(handle, self._param.raw, len(sizes), shape, options, out))
        self._outputs.created(self)
        return out[0]

    def start(self) -> np.ndarray[Any, Any]:
        """Returns the array of an output that starts from an input (``sum: complex128[u,v] = grid``). It has the elements of
        the input, and is written in place: the input itself cannot be read in such a call. The output is sealed when the
        function returns.

        Raises:
            DalError: The output does not start from an input, or that is None.
        """
        view = filled("sdp_dal_tensor_view")
        check(lib.sdp_dal_call_get_output(self._outputs.handle, self._param.raw, view))
        shape = tuple(view.shape[0 : view.ndim])
        order = "F" if view.order == lib.SDP_DAL_ORDER_F else "C"
        address = ffi.cast("void *", view.data)
        place = _arrays.InPlace(address, shape, DTYPE_OF_CODE[view.dtype], order)
        self._in_place = place
        array = place.array()
        place.keep(self._writer())
        self._outputs.created(self)
        return array

    def shrink(self, shape: Any) -> None:
        """Makes an output that is being written in place smaller, without a copy: its first dimension if it is in C order,
        its last one if it is in F order. The elements that stay are where they were. The array that was returned before has
        its old shape: elements behind the new one must not be written any more.

        Args:
            shape: The new shape.
        """
        sizes = _arrays.shape_of(shape, self._what())
        check(lib.sdp_dal_call_shrink(self._outputs.handle, self._param.raw, len(sizes), ffi.new("int64_t[]", sizes)))

    def _writer(self) -> Any:
        return self._outputs

    def seal(self) -> None:
        """Seals an output that was created in place, before the function returns."""
        check(lib.sdp_dal_call_seal(self._outputs.handle, self._param.raw))
        self._sealed()
        self._outputs.written(self)

    def _what(self) -> str:
        return f"the output {self._param.name!r}"


class OutputTable(_OfCall, TableRef):
    """An output of a call, to be written by its function, or later, as long as this reference exists."""

    def __init__(self, outputs: CallOutputs, param: Param) -> None:
        self._outputs = outputs
        self._call = call = outputs.call
        self._param = param
        self._conn = call._conn
        self._schema = param.table

    def _put_stream(self, stream: Any, options: Any) -> None:
        if self._full_ns:
            options = options or filled("sdp_dal_table_options")
            options.full_timeout_ns = self._full_ns
        check(lib.sdp_dal_call_put_table(self._outputs.handle, self._param.raw, stream, options))
        self._outputs.written()
