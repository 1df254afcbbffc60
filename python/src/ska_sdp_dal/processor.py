# SPDX-License-Identifier: BSD-3-Clause
"""Processing functions that callers in other processes call."""

from __future__ import annotations

import abc
import inspect
import logging
from collections import deque
from contextvars import ContextVar
from threading import get_ident
from typing import Any, Deque, Dict, List, Optional, Sequence, Set, Tuple, Union

import numpy as np
import pyarrow as pa

from . import _native
from ._call import Call, CallOutputs, InputTensor, OutputTensor
from ._closes import Closes
from ._connection import Connection
from ._functions import TENSOR, Param, all_forms, functions_of
from ._native import check, error, ffi, filled, full_nanoseconds, lib, nanoseconds, own, whole
from ._serving import Serving
from .common import ElemType, elem_code, object_id_hex
from .errors import InvalidArgument
from .ids import NAMESPACE_ID_SIZE, ObjectID, raw_id
from .references import TensorRef

_log = logging.getLogger(__name__)

_next = lib.sdp_dal_processor_next
_free_call = lib.sdp_dal_call_free
#: Where the library writes the handle of a call when it is taken, which is NULL before, and what is known of it.
_rooms: Deque[Any] = deque()
gc, NULL = ffi.gc, ffi.NULL
#: The call whose function runs in a task of :meth:`BasicProcessor.serve`, and its processor.
_served: ContextVar[Tuple[Any, Any]] = ContextVar("ska_sdp_dal.served", default=(None, None))

#: What :meth:`BasicProcessor.tensor_parameters` takes for a tensor.
TensorSpec = Union[str, Tuple[Any, ...]]


class BasicProcessor(Closes):
    """Offers functions to callers, and runs their calls: the low-level interface.

    Deprecated: use :class:`Processor` instead.

    A subclass has ``_process_call()``, which gets the name of the function and a record batch with its parameters, and
    uses :meth:`parameter`, :meth:`tensor_parameter` and :meth:`output_tensor`.

    Args:
        procs: Schemas of the functions.
        plasma_path: Path of the store. It is created if it does not exist, and removed when its last client closes.
        prefix: First bytes of the prefix of its namespace.
        name: Its name, which callers see. Default: the name of the class.
        reentrant: Whether a function may run in several threads at once, if they all call :meth:`process`.
        ordered: Whether the calls of a function run strictly in the order in which they were issued.
        strict_dims: Compare the sizes of dimensions of equal names.
        threads: Total number of threads that the functions may use. Default: the CPUs that affinity and cgroup allow,
            shared with the other processes of the store that run functions. Before a function runs, OpenMP, OpenBLAS
            (NumPy) and MKL are told to use at most its share, and never more than the program has set.
        size: Size of a new store in bytes; see :class:`.Store`.
        full_timeout: Seconds that outputs wait for space if the store is full; see :class:`.Store`.

    Raises:
        NamespaceInUse: The prefix belongs to a running process.
    """

    _is_complete = False

    def __init__(
        self,
        procs: List[pa.Schema],
        plasma_path: str,
        prefix: bytes = b"",
        name: Optional[str] = None,
        *,
        reentrant: bool = False,
        ordered: bool = False,
        strict_dims: bool = False,
        threads: Optional[int] = None,
        size: Optional[int] = None,
        full_timeout: Optional[float] = None,
    ) -> None:
        full_ns = full_nanoseconds(full_timeout)
        self._functions = functions_of(procs)
        self._conn = Connection(plasma_path, size=size)
        self._name = name or type(self).__name__
        self._by_index = all_forms(self._functions)
        #: The call whose function runs in a thread, by the thread's number.
        self._running: Dict[int, Call] = {}
        #: The event loops in which its calls are taken.
        self._servings: Set[Any] = set()
        flags = (
            (lib.SDP_DAL_FUNCTION_REENTRANT if reentrant else 0)
            | (lib.SDP_DAL_FUNCTION_ORDERED if ordered else 0)
            | (0 if strict_dims else lib.SDP_DAL_FUNCTION_LOOSE_DIMS)
        )
        self._handle = self._begin(raw_id(prefix), threads, flags, full_ns)
        out = ffi.new("uint8_t[4]")
        check(lib.sdp_dal_processor_get_prefix(self._handle, out))
        self._prefix = bytes(ffi.buffer(out, NAMESPACE_ID_SIZE))
        _log.info("%s waiting for calls at prefix %s", self._name, object_id_hex(self._prefix))

    def _begin(self, prefix: bytes, threads: Optional[int], flags: int, full_ns: int) -> Any:
        """Returns the library's processor, with its functions, which callers can find."""
        if len(prefix) > NAMESPACE_ID_SIZE:
            raise InvalidArgument(f"the prefix {prefix.hex()} has {len(prefix)} bytes, at most 4 are possible")
        if threads is not None:
            whole(threads, "threads", 1, "1 or more, or None")
        options = filled("sdp_dal_processor_options")
        kept_name = ffi.new("char[]", _native.encoded(self._name, "the name"))
        kept_prefix = ffi.new("uint8_t[]", prefix or b"\0")
        options.name, options.prefix, options.prefix_size = kept_name, kept_prefix, len(prefix)
        options.threads = threads or 0
        options.full_timeout_ns = full_ns
        # A function that waits for itself is told so.
        options.flags = lib.SDP_DAL_PROCESSOR_TAKER_RUNS
        out = ffi.new("sdp_dal_processor **")
        check(lib.sdp_dal_processor_open(self._conn._open, options, out))
        handle = own(out, lib.sdp_dal_processor_close)
        how = filled("sdp_dal_function_options")
        how.flags = flags
        for function in self._by_index:
            check(lib.sdp_dal_processor_register_schema(handle, function.handle, how, ffi.NULL, ffi.NULL, ffi.NULL))
        check(lib.sdp_dal_processor_start(handle))
        return handle

    @property
    def prefix(self) -> bytes:
        """The prefix of the namespace that calls for this processor are put into."""
        return self._prefix

    @property
    def name(self) -> str:
        """The name that callers see."""
        return self._name

    @property
    def conn(self) -> Connection:
        """The connection to the store."""
        return self._conn

    @property
    def call(self) -> Call:
        """The call whose function runs in this thread or task, with its progress, its threads and its cancellation.

        Raises:
            InvalidArgument: None is running.
        """
        call = self._current()
        if call is None:
            raise InvalidArgument(f"no function of {self._name} is running in this thread")
        return call

    def _current(self) -> Optional[Call]:
        """Returns the call whose function runs in this thread or task."""
        processor, call = _served.get()
        return call if processor is self else self._running.get(get_ident())

    def set_progress(self, fraction: float) -> None:
        """Sets the progress of the function that runs in this thread. Callers read it from the references to its outputs
        (:attr:`.Ref.progress`).

        Args:
            fraction: From 0 to 1.
        """
        self.call.set_progress(fraction)

    def close(self) -> None:
        """Closes the processor. Calls that wait for it fail, and threads that wait in :meth:`process` get
        :class:`.ProcessorLost`. Functions that run in other threads can still end their calls.

        Raises:
            InvalidArgument: One of its functions is running in this thread.
        """
        if self._handle is not None:
            if get_ident() in self._running:
                raise InvalidArgument(
                    f"{self._name} cannot be closed by a function of its own: it would wait for itself"
                )
            handle, self._handle = self._handle, None
            check(lib.sdp_dal_processor_shutdown(handle))
            for serving in tuple(self._servings):
                serving.closed()
            # Threads that are still inside hold it: the last one that leaves frees it.
            del handle
            self._conn.close()

    def __repr__(self) -> str:
        if "_prefix" not in self.__dict__:
            return f"<{type(self).__name__}>"
        names = ", ".join(function.shown for function in self._functions.values())
        closed = ", closed" if self._handle is None else ""
        return f"<{self._name} {self._prefix.hex()} of {names or 'no functions'} in {self._conn.plasma_path}{closed}>"

    # ---- running calls -------------------------------------------------------------------------------------------

    def process(self, timeout: Optional[float] = None, catch_exceptions: bool = True) -> bool:
        """Takes a call, and runs its function. Several threads may do so at once.

        Args:
            timeout: Seconds to wait for a call; None for no limit.
            catch_exceptions: Log an exception of a function, and continue. Otherwise it is raised here. In both cases
                the outputs of the call fail with it, so the caller's ``get()`` raises it.

        Returns:
            False if no call arrived in time.
        """
        if not self._is_complete:
            self._complete(by_serving=False)
            self._is_complete = True
        call = self._take(-1 if timeout is None else nanoseconds(timeout))
        if call is None:
            return False
        running, thread = self._running, get_ident()
        outer = running.get(thread)
        running[thread] = call
        try:
            self._run(call)
        except Exception as problem:
            call.fail(problem)
            if not catch_exceptions:
                raise
            _log.exception("%s: %s() failed", self._name, call.function)
        except BaseException as problem:
            call.fail(problem)
            raise
        finally:
            if outer is None:
                del running[thread]
            else:
                running[thread] = outer
        return True

    def _take(self, timeout_ns: int) -> Optional[Call]:
        """Takes a call that can run; None if none came in time."""
        try:
            room = _rooms.pop()
        except IndexError:
            room = ffi.new("sdp_dal_call **"), filled("sdp_dal_call_info")
        taken, info = room
        try:
            status = _next(self._handle or self._open, timeout_ns, taken, info)
            if status:
                if status == _native.TIMEOUT:
                    _rooms.append(room)
                    return None
                raise error(status)
            handle = gc(taken[0], _free_call)
        except BaseException:
            # Ctrl-C may come between taking a call and knowing it; then it ends here, too.
            if taken[0] != NULL and "handle" not in locals():
                _free_call(taken[0])
            raise
        call = Call(handle, self._by_index[info.function_index], self._conn)
        taken[0] = NULL
        _rooms.append(room)
        return call

    async def serve(self) -> None:
        """Takes calls in the event loop that runs, and runs their functions there, until the task is cancelled. Functions
        may be coroutines (``async def``): several run interleaved, and each ends its own call.

        The calls of one function run one at a time unless the processor is ``reentrant``. A function that is no coroutine
        holds up the loop while it runs: let a long computation run in a thread, with ``await asyncio.to_thread(...)``. When
        the task is cancelled, the functions that run are cancelled too, and their calls fail.

        Raises:
            ProcessorLost: The processor was closed.
        """
        self._complete(by_serving=True)
        await Serving(self).run()

    def _complete(self, by_serving: bool) -> None:
        """Checks that each function has something to run, before the first call is taken."""

    @property
    def _open(self) -> Any:
        """The handle of the open processor."""
        if self._handle is None:
            raise InvalidArgument(f"the processor {self._name} was closed")
        return self._handle

    def _run(self, call: Call) -> None:
        """Runs the function of a call, and ends the call."""
        self._process_call(call.function, call.batch())
        call.finish()

    async def _run_here(self, call: Call) -> None:
        """Runs the function of a call in the task that runs, and ends the call."""
        _served.set((self, call))
        self._run(call)

    @abc.abstractmethod
    def _process_call(self, proc_func: str, batch: pa.RecordBatch) -> None:
        """Runs a function.

        Args:
            proc_func: Name of the function.
            batch: Its parameters, in the first row.
        """

    # ---- parameters ----------------------------------------------------------------------------------------------

    def parameter(
        self, batch: pa.RecordBatch, name: str, typ: Optional[pa.DataType] = None, allow_null: bool = False
    ) -> Any:
        """Returns the value of a parameter, from the first row of a record batch.

        Args:
            batch: The batch with the parameters.
            name: Name of the parameter.
            typ: The type that it must have; None for any.
            allow_null: Whether it may be null; then None is returned.

        Raises:
            InvalidArgument: The parameter does not exist, has another type, or is null.
        """
        index = batch.schema.get_field_index(name)
        if index < 0:
            raise InvalidArgument(f"there is no parameter {name!r}: the call has {', '.join(batch.schema.names)}")
        column = batch.column(index)
        if typ is not None and column.type != typ:
            raise InvalidArgument(f"parameter {name!r} is of type {column.type}, expected {typ}")
        value = column[0].as_py()
        if value is None and not allow_null:
            raise InvalidArgument(f"parameter {name!r} is null")
        return value

    def oid_parameter(self, batch: pa.RecordBatch, name: str, allow_null: bool = False) -> Optional[ObjectID]:
        """Returns the object ID that a parameter contains, from the first row of a record batch.

        Args:
            batch: The batch with the parameters.
            name: Name of the parameter.
            allow_null: Whether it may be null; then None is returned.
        """
        value = self.parameter(batch, name, allow_null=allow_null)
        return None if value is None else ObjectID(value)

    def tensor_parameter(
        self,
        batch: pa.RecordBatch,
        name: str,
        typ: Optional[ElemType] = None,
        dim_names: Optional[List[str]] = None,
        allow_null: bool = False,
    ) -> Optional[pa.Tensor]:
        """Returns the tensor that a parameter refers to, without a copy. Complex numbers have a further dimension ``re_im``.

        Args:
            batch: The batch with the parameters.
            name: Name of the parameter.
            typ: The type of elements that it must have; None for any.
            dim_names: The names of dimensions that it must have; None for any.
            allow_null: Whether it may be null; then None is returned.
        """
        oid = self.oid_parameter(batch, name, allow_null)
        if oid is None:
            return None
        array = self._input(name, oid).get(0)
        if typ is not None and elem_code(typ) != elem_code(array.dtype):
            raise InvalidArgument(f"parameter {name!r} is a tensor of {array.dtype}, expected {typ}")
        names = self._input(name, oid).dim_names or [""] * array.ndim
        if dim_names is not None and list(dim_names) != names:
            raise InvalidArgument(f"parameter {name!r} has the dimensions {names}, expected {list(dim_names)}")
        if array.dtype.kind == "c":
            # In any order: a view of other elements needs the last dimension to be the innermost.
            parts = array.real
            shape, strides = (*array.shape, 2), (*array.strides, parts.itemsize)
            array = np.lib.stride_tricks.as_strided(parts, shape, strides, writeable=False)
            names = [*names, "re_im"]
        return pa.Tensor.from_numpy(array, dim_names=names if len(names) == array.ndim else None)

    def tensor_parameters(self, batch: pa.RecordBatch, tensor_specs: Sequence[TensorSpec]) -> List[pa.Tensor]:
        """Returns the tensors that parameters refer to, without a copy.

        Args:
            batch: The batch with the parameters.
            tensor_specs: For each tensor its name, or a tuple of name, element type, dimension names, and whether it may
                be null (see :meth:`tensor_parameter`). The last members of the tuple may be left out.
        """
        specs = [(spec,) if isinstance(spec, str) else tuple(spec) for spec in tensor_specs]
        return [self.tensor_parameter(batch, *spec) for spec in specs]

    def output_tensor(
        self,
        batch: pa.RecordBatch,
        name: str,
        array: Any,
        typ: Optional[ElemType] = None,
        *,
        casting: str = "safe",
    ) -> None:
        """Writes an output.

        Args:
            batch: The batch with the parameters.
            name: Name of the parameter.
            array: The values.
            typ: The type of its elements. Default: that of the schema.
            casting: numpy's rule by which values of another element type are converted; see :meth:`.TensorRef.put`.
        """
        oid = self.oid_parameter(batch, name)
        param = self._param(name, oid)
        if param is None or not param.is_output:
            raise InvalidArgument(f"{name!r} is no output of the function that runs")
        if typ is not None and elem_code(typ) != param.code:
            raise InvalidArgument(f"the output {name!r} has elements of another type than {typ}")
        OutputTensor(CallOutputs(self.call), param).put(array, casting=casting)

    def _input(self, name: str, oid: ObjectID) -> TensorRef:
        """Returns a tensor that the running call has pinned, or any other tensor by its ID."""
        param = self._param(name, oid)
        return InputTensor(self.call, param) if param is not None else TensorRef(self._conn, oid)

    def _param(self, name: str, oid: Optional[ObjectID]) -> Optional[Param]:
        """Returns the parameter of the running call, if it is this object."""
        call = self._current()
        param = None if call is None else call._function.by_name.get(name)
        return param if param is not None and param.kind == TENSOR and self.call._id(param) == oid else None


class Processor(BasicProcessor):
    """Offers functions to callers, and runs their calls.

    A subclass has a method for each function, with the function's name. The method gets the parameters by name. Values are
    passed unchanged. Tensors and tables are references (:class:`.TensorRef`, :class:`.TableRef`), from which inputs are read
    and to which outputs are written. An output that is not written when the method returns fails, unless the method keeps
    the reference and writes the output later. If a function has no method, the first :meth:`process` raises an error.

    Schemas of one name are forms of one function, which differ in element types only. All forms have one method, which sees
    from the types of its parameters which form is called.

    Args:
        procs: Schemas of the functions.
        plasma_path: Path of the store. It is created if it does not exist, and removed when its last client closes.
        prefix: First bytes of the prefix of its namespace.
        name: Its name, which callers see. Default: the name of the class.
        reentrant, ordered, strict_dims, threads, size: As in :class:`BasicProcessor`.
    """

    _runs_methods = False

    def _complete(self, by_serving: bool) -> None:
        own = type(self)
        self._runs_methods = own._process_call is Processor._process_call
        if self._runs_methods:
            for name in self._functions:
                # Methods may be set after the processor was made, but not after it was started.
                if hasattr(Processor, name) and getattr(own, name) is getattr(Processor, name):
                    raise InvalidArgument(
                        f"{own.__name__} offers a function {name}(), a name that processors have for other purposes: "
                        "rename it"
                    )
                if not callable(getattr(self, name, None)):
                    raise InvalidArgument(
                        f"{own.__name__} offers a function {name}(), but has no method of this name: add it, or remove "
                        "its schema"
                    )
                if not by_serving and inspect.iscoroutinefunction(getattr(self, name)):
                    raise InvalidArgument(
                        f"{own.__name__} has a coroutine for its function {name}(), which needs an event loop: run the "
                        "processor with 'await processor.serve()'"
                    )

    def _run(self, call: Call) -> None:
        if self._runs_methods:
            call.run(getattr(self, call._function.name))
        else:
            super()._run(call)

    async def _run_here(self, call: Call) -> None:
        if not self._runs_methods:
            await super()._run_here(call)
            return
        _served.set((self, call))
        held = [CallOutputs(call)]
        result = getattr(self, call._function.name)(**call.parameters(held[0]))
        if inspect.isawaitable(result):
            await result
        del result  # It may keep references to outputs.
        call.end(held)

    def _process_call(self, proc_func: str, batch: pa.RecordBatch) -> None:
        self.call.run(getattr(self, proc_func))


class LogProcessor(BasicProcessor):
    """Logs all calls, and writes no outputs.

    Args:
        procs: Schemas of the functions.
        plasma_path: Path of the store. It is created if it does not exist, and removed when its last client closes.
        prefix: First bytes of the prefix of its namespace.
        name: Its name, which callers see. Default: the name of the class.
        reentrant, ordered, strict_dims, threads, size: As in :class:`BasicProcessor`.
    """

    def _process_call(self, proc_func: str, batch: pa.RecordBatch) -> None:
        function = self._functions[proc_func]
        shown: Dict[str, Any] = {
            param.name: self.parameter(batch, param.name, allow_null=True) for param in function.params
        }
        told = ", ".join(
            f"{name}={value.hex() if isinstance(value, bytes) and len(value) == 20 else repr(value)}"
            for name, value in shown.items()
        )
        _log.info("%s: %s(%s)", self._name, proc_func, told)
