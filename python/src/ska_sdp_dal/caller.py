# SPDX-License-Identifier: BSD-3-Clause
"""Calls of processing functions in other processes."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type, Union

import numpy as np
import pyarrow as pa

from . import _arrays, _tables
from ._closes import Closes
from ._connection import Connection
from ._functions import ID, TABLE, TENSOR, VALUE, Function, Param, functions_of
from ._native import check, ffi, filled, lib, nanoseconds, own, whole
from ._spare import Spare
from .common import call_name, object_id_hex
from .errors import DalError, InvalidArgument
from .ids import raw_id, whole_id
from .references import Ref, TableRef, tensor_ref
from .store import Store

_log = logging.getLogger(__name__)

_ref_pp = ffi.typeof("const sdp_dal_ref **")
_own_ref_pp = ffi.typeof("sdp_dal_ref **")
_results_pp = ffi.typeof("sdp_dal_results **")
_call = lib.sdp_dal_caller_call
_clear = lib.sdp_dal_args_clear
_clone = lib.sdp_dal_ref_clone
_free_results = lib.sdp_dal_results_free
_result = lib.sdp_dal_results_get_ref
_set_ref = lib.sdp_dal_args_set_ref
new = ffi.new

_NONE_GIVEN: Dict[str, Any] = {}

#: References to the outputs of one call, by name; None for an output that is not wanted.
Outputs = Dict[str, Any]


class LostOutputs(Dict[str, Any]):
    """Stands in the place of the outputs of a processor that did not get a broadcast call, for it has gone or has no
    room: asking for an output raises why."""

    def __init__(self, error: DalError) -> None:
        super().__init__()
        #: Why the processor did not get the call.
        self.error = error.with_traceback(None)

    def __missing__(self, name: str) -> Any:
        # Another one each time: where it is raised must not keep what the callers of this hold.
        raise type(self.error)(str(self.error), self.error.status)


class FoundProcessor(NamedTuple):
    """A processor that a caller has found."""

    #: Its name.
    name: str
    #: The prefix of its namespace.
    prefix: bytes


class Caller(Closes):
    """Calls the functions of processors.

    For each function the caller has a method of its name, which calls it, and one with ``_batch`` behind its name, which
    calls it many times at once. Calls do not wait: they return references to the outputs, which will exist later.

    Args:
        procs: Schemas of the functions. Processors that offer all of them, compatibly, are used.
        store: Where calls and their values are put.
        broadcast: Send calls to all processors found; calls then return a list with an entry for each.
        minimum_processors: Fewer are an error.
        processor_prefix: First bytes of the prefixes of the processors to use.
        max_attempts: Not needed any more: IDs never collide.
        verbose: Log the processors that are found.
        timeout: Seconds to wait until there are as many processors as needed, and for room when there are
            ``max_in_flight`` calls; None for as long as it takes.
        max_in_flight: Most calls that a processor has not ended; calling then waits. A batch is one call. None: no limit.
        select: Which of several processors gets a call: 'least_busy', or 'first' for functions that accumulate state.
        strict_dims: Compare the sizes of dimensions of equal names.
        casting: By which of numpy's rules arrays of another element type than the function's are converted; see
            :meth:`.TensorRef.put`.

    A function of the name of a method or property of this class is called with :meth:`call` by its name.

    Raises:
        NoProcessor: There are fewer processors than needed.
    """

    def __init__(
        self,
        procs: List[pa.Schema],
        store: Store,
        broadcast: bool = False,
        minimum_processors: int = 1,
        processor_prefix: bytes = b"",
        max_attempts: int = 100,
        verbose: bool = False,
        *,
        timeout: Optional[float] = 0,
        max_in_flight: Optional[int] = None,
        select: str = "least_busy",
        strict_dims: bool = False,
        casting: str = "safe",
    ) -> None:
        functions = functions_of(procs)
        if not isinstance(store, Store):
            raise TypeError(f"the store is {store!r}: give a Store, as Store(path)")
        _arrays.checked_casting(casting)
        handle = _open(
            store, functions, minimum_processors, raw_id(processor_prefix), timeout, max_in_flight, select, strict_dims
        )
        self._issuer = _Issuer(handle, store, functions, broadcast, casting)
        self._wait = timeout
        for name in functions:
            if not hasattr(type(self), name):
                setattr(self, name, self._method(name))
            if not hasattr(type(self), name + "_batch"):
                setattr(self, name + "_batch", self._batch_method(name))
        self._tell(verbose)

    def _method(self, name: str) -> Callable[..., Any]:
        issuer, schema = self._issuer, self._issuer.functions[name].schema
        if type(self).call is not Caller.call:
            return lambda *args, **kwargs: self.call(schema, *args, **kwargs)
        # Without the caller in it, which then goes with its last use.
        call, function = issuer.call, issuer.functions[name]
        return lambda *args, **kwargs: call(function, args, kwargs)

    def _batch_method(self, name: str) -> Callable[..., Any]:
        issuer, schema = self._issuer, self._issuer.functions[name].schema
        if type(self).batch_call is not Caller.batch_call:
            return lambda calls: self.batch_call(schema, calls)
        batch, function = issuer.batch, issuer.functions[name]
        return lambda calls: batch(function, calls)

    def __getattr__(self, name: str) -> Any:
        # Only what is nowhere else; and there to tell type checkers that functions are methods.
        offered = ", ".join(self.__dict__["_issuer"].functions) if "_issuer" in self.__dict__ else "none"
        raise AttributeError(f"{type(self).__name__} has no function {name!r}: those of its schemas are {offered}")

    def call(self, call_schema: Union[pa.Schema, str], *args: Any, **kwargs: Any) -> Any:
        """Calls a function. Does not wait for it.

        Args:
            call_schema: Schema of the function, or its name.
            args: Its parameters by position.
            kwargs: Its parameters by name. Tensors and tables are given as references, or as values, which are put
                first. Outputs may be left out: they are made.

        Returns:
            A dictionary of references to the outputs, by name. A broadcasting caller gives a list with one for each
            processor, a :class:`LostOutputs` for one that did not get the call.

        Raises:
            InvalidArgument: A parameter is wrong; nothing was sent then.
            ProcessorLost: The processor has gone.
        """
        return self._issuer.call(self._issuer.function(call_schema), args, kwargs)

    def batch_call(self, call_schema: Union[pa.Schema, str], calls: Sequence[Mapping[str, Any]]) -> List[Any]:
        """Calls a function many times at once, as one object: cheaper than single calls. Does not wait.

        Args:
            call_schema: Schema of the function, or its name.
            calls: Parameters by name, for each call.

        Returns:
            A list with the dictionary of references to outputs of each call. A broadcasting caller gives a list of these
            lists, one for each processor.
        """
        return self._issuer.batch(self._issuer.function(call_schema), calls)

    def find_processors(self, verbose: bool = False) -> List[FoundProcessor]:
        """Looks again for compatible processors. New ones join only here; those that have gone leave by themselves.

        Args:
            verbose: Log the processors that are found.

        Returns:
            Those that are used from now on, by prefix.

        Raises:
            NoProcessor: There are fewer than needed.
        """
        check(lib.sdp_dal_caller_find_processors(self._issuer.open, nanoseconds(self._wait), ffi.NULL))
        return self._tell(verbose)

    def _tell(self, verbose: bool) -> List[FoundProcessor]:
        found = self.processors
        for processor in found:
            level = logging.INFO if verbose else logging.DEBUG
            _log.log(level, "Found processor %s at prefix %s", processor.name, object_id_hex(processor.prefix))
        return found

    @property
    def processors(self) -> List[FoundProcessor]:
        """The processors that were found and live, by prefix."""
        found: List[FoundProcessor] = []
        prefix, length, buffer = ffi.new("uint8_t[4]"), ffi.new("size_t *"), ffi.new("char[]", 2048)
        handle = self._issuer.open
        for at in range(lib.sdp_dal_caller_num_processors(handle)):
            length[0] = 2048
            # One that has just gone is no longer in its place.
            if lib.sdp_dal_caller_get_processor(handle, at, prefix, buffer, length) == lib.SDP_DAL_OK:
                found.append(FoundProcessor(ffi.string(buffer).decode(errors="replace"), bytes(ffi.buffer(prefix))))
        return found

    @property
    def num_processors(self) -> int:
        """The number of processors that were found and live."""
        return int(lib.sdp_dal_caller_num_processors(self._issuer.open))

    def next_lost(self, timeout: Optional[float] = 0) -> Optional[FoundProcessor]:
        """Waits until a processor has gone: it died, or was closed. Each is told once.

        Args:
            timeout: Seconds to wait; None for as long as it takes.

        Returns:
            The processor, or None if none has gone.
        """
        prefix, length, buffer = ffi.new("uint8_t[4]"), ffi.new("size_t *", 2048), ffi.new("char[]", 2048)
        status = lib.sdp_dal_caller_next_lost(self._issuer.open, nanoseconds(timeout), prefix, buffer, length)
        if status == lib.SDP_DAL_TIMEOUT:
            return None
        check(status)
        return FoundProcessor(ffi.string(buffer).decode(errors="replace"), bytes(ffi.buffer(prefix)))

    def close(self) -> None:
        """Ends the caller. The calls it issued go on."""
        self._issuer.close()


def _open(
    store: Store,
    functions: Mapping[str, Function],
    minimum_processors: int,
    processor_prefix: bytes,
    timeout: Optional[float],
    max_in_flight: Optional[int],
    select: str,
    strict_dims: bool,
) -> Any:
    """The library's caller."""
    selects = {"least_busy": lib.SDP_DAL_SELECT_LEAST_BUSY, "first": lib.SDP_DAL_SELECT_FIRST}
    if select not in selects:
        raise InvalidArgument(f"select is {select!r}: give 'least_busy' or 'first'")
    if max_in_flight is not None:
        whole(max_in_flight, "max_in_flight", 1, "1 or more, or None for no limit")
    whole(minimum_processors, "minimum_processors", 0, "0 or more")
    options = filled("sdp_dal_caller_options")
    kept_prefix = ffi.new("uint8_t[]", processor_prefix or b"\0")
    options.processor_prefix, options.processor_prefix_size = kept_prefix, len(processor_prefix)
    options.minimum_processors = minimum_processors
    options.max_in_flight = max_in_flight or 0
    options.timeout_ns = nanoseconds(timeout)
    options.select = selects[select]
    options.flags = 0 if strict_dims else lib.SDP_DAL_CALLER_LOOSE_DIMS
    if minimum_processors == 0:
        options.flags |= lib.SDP_DAL_CALLER_NONE_NEEDED
    schemas = ffi.new("const sdp_dal_schema *[]", [function.handle for function in functions.values()] or [ffi.NULL])
    options.schemas, options.num_schemas = schemas, len(functions)
    out = ffi.new("sdp_dal_caller **")
    check(lib.sdp_dal_caller_open(store._open, ffi.NULL, 0, options, out))
    return own(out, lib.sdp_dal_caller_close)


# ---- issuing ---------------------------------------------------------------------------------------------------------


class _Issuer:
    """What calling needs: the library's caller, and what is known of its functions."""

    def __init__(
        self, handle: Any, store: Store, functions: Dict[str, Function], broadcast: bool, casting: str
    ) -> None:
        self._handle = handle
        self._store = store
        self._conn = store.conn
        self.functions = functions
        self._broadcast = broadcast
        self._casting = casting
        self._arguments = Spare(_new_arguments)

    @property
    def open(self) -> Any:
        """The handle of the caller, which is open."""
        if self._handle is None:
            raise InvalidArgument("the caller was closed")
        return self._handle

    def close(self) -> None:
        """Ends the caller."""
        if self._handle is not None:
            ffi.release(self._handle)
            self._handle = None

    # ---- one call --------------------------------------------------------------------------------------------------

    def call(self, function: Function, args: Tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Issues one call."""
        if self._broadcast:
            replies = self._rows(function, [_by_name(function, args, kwargs)], broadcast=True)
            return [outputs[0] for outputs in replies]
        arguments = self._arguments.take()
        out = new(_results_pp)
        kept: List[Any] = []
        try:
            self._fill(arguments, function, args, kwargs, None, kept)
            status = _call(self._handle or self.open, function.raw, arguments, out)
        finally:
            _clear(arguments)
            self._arguments.give(arguments)
        if status:
            check(status)
        results = out[0]
        try:
            if len(args) > function.first_output or kwargs:
                return self._outputs(results, function, _by_name(function, args, kwargs))
            return self._outputs(results, function, _NONE_GIVEN)
        finally:
            _free_results(results)

    def function(self, schema: Union[pa.Schema, str]) -> Function:
        """The function of a schema, or of a name."""
        name = schema if isinstance(schema, str) else call_name(schema)
        function = self.functions.get(name)
        if function is None:
            raise InvalidArgument(f"{name!r} is not a function of this caller, which has {', '.join(self.functions)}")
        return function

    # ---- many calls --------------------------------------------------------------------------------------------------

    def batch(self, function: Function, calls: Sequence[Mapping[str, Any]]) -> List[Any]:
        """Issues many calls at once."""
        rows: Any = None if isinstance(calls, Mapping) or not isinstance(calls, Iterable) else list(calls)
        if rows is None or not all(isinstance(row, Mapping) for row in rows):
            raise TypeError(f"{function.name}_batch() takes a list of dictionaries, one for each call")
        replies = self._rows(function, rows, self._broadcast)
        if self._broadcast:
            return replies
        return replies[0] if replies else []

    def _rows(self, function: Function, rows: List[Mapping[str, Any]], broadcast: bool) -> List[Any]:
        """Issues rows; for each processor the outputs of each row, or why it did not get them."""
        sets: List[Any] = []
        kept: List[Any] = []
        many = len(rows) > 1
        out, count = ffi.new("sdp_dal_replies **"), ffi.new("size_t *")
        try:
            for at, values in enumerate(rows):
                arguments = self._arguments.take()
                sets.append(arguments)
                self._fill(arguments, function, (), values, at if many else None, kept)
            handles = ffi.new("const sdp_dal_args *[]", sets or [ffi.NULL])
            issue = lib.sdp_dal_caller_broadcast if broadcast else lib.sdp_dal_caller_batch
            check(issue(self.open, function.raw, handles, len(sets), out, count))
        finally:
            for arguments in sets:
                _clear(arguments)
                self._arguments.give(arguments)
        replies = own(out, lib.sdp_dal_replies_free)
        return [self._reply(replies, at, function, rows) for at in range(count[0])]

    def _reply(self, replies: Any, processor: int, function: Function, rows: List[Mapping[str, Any]]) -> Any:
        """What one processor will give, by row."""
        results = ffi.new("const sdp_dal_results **")
        outputs: List[Outputs] = []
        for row, values in enumerate(rows):
            try:
                check(lib.sdp_dal_replies_get_results(replies, processor, row, results))
            except DalError as problem:
                return [LostOutputs(problem) for _ in rows]
            outputs.append(self._outputs(results[0], function, values))
        return outputs

    # ---- arguments ---------------------------------------------------------------------------------------------------

    def _fill(
        self,
        arguments: Any,
        function: Function,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        row: Optional[int],
        kept: List[Any],
    ) -> None:
        """Sets arguments; ``kept`` gets what must live until the call was issued."""
        given, params = len(args), function.params
        if given > len(params):
            raise TypeError(f"{function.name}() has {len(params)} parameters, but {given} were given")
        for param, value in zip(params, args):
            self._give(arguments, function, param, value, row, kept)
        by_name = function.by_name
        for name, value in kwargs.items():
            found = by_name.get(name)
            if found is None:
                names = ", ".join(param.name for param in params)
                raise InvalidArgument(f"{_place(function, name, row)} is none of the function's, which are {names}")
            if found.index < given:
                raise TypeError(f"{_place(function, name, row)} was given by position and by name")
            self._give(arguments, function, found, value, row, kept)

    def _give(
        self, arguments: Any, function: Function, param: Param, value: Any, row: Optional[int], kept: List[Any]
    ) -> None:
        """Sets one argument."""
        try:
            # What calls have most of: numbers, and references to what is in the store.
            if param.kind == VALUE and value is not None:
                status = param.set(arguments, value)
            elif isinstance(value, Ref) and param.kind != ID:
                status = _set_ref(arguments, param.raw, value._handle)
            else:
                status = self._set(arguments, param, value, kept)
        except (TypeError, OverflowError, InvalidArgument) as problem:
            raise _same_kind(problem)(f"{_place(function, param.name, row)}: {problem}") from None
        if status:
            check(status)

    def _set(self, arguments: Any, param: Param, value: Any, kept: List[Any]) -> int:
        if value is None:
            if param.is_output and not param.nullable:
                return 0
            return int(lib.sdp_dal_args_set_null(arguments, param.raw))
        if isinstance(value, Ref):
            return int(lib.sdp_dal_args_set_id(arguments, param.raw, value.binary()))
        if _is_id(value):
            return self._set_id(arguments, param, value, kept)
        if param.is_output:
            raise TypeError(f"an output is given as a reference or an ID, not as {type(value).__name__}")
        if param.kind == TENSOR:
            array = _arrays.converted(value, param.code, len(param.dims or ()), "the value", self._casting)
            view = _arrays.View()
            kept.append(view)
            return int(lib.sdp_dal_args_set_tensor(arguments, param.raw, view.show(array, param.code)))
        if param.kind == TABLE:
            stream = _tables.stream_of(_tables.table_from(value, param.table))
            return int(lib.sdp_dal_args_set_table(arguments, param.raw, stream))
        raise TypeError(f"an object is given as a reference or an ID, not as {type(value).__name__}")

    def _set_id(self, arguments: Any, param: Param, value: Any, kept: List[Any]) -> int:
        raw = whole_id(value)
        if param.kind == ID:
            return int(lib.sdp_dal_args_set_id(arguments, param.raw, raw))
        ref = Ref(self._conn, raw)
        kept.append(ref)
        return int(lib.sdp_dal_args_set_ref(arguments, param.raw, ref._handle))

    # ---- outputs -----------------------------------------------------------------------------------------------------

    def _outputs(self, results: Any, function: Function, values: Mapping[str, Any]) -> Outputs:
        """References to the outputs of one call: those that were given, and new ones."""
        outputs: Outputs = {}
        borrowed = new(_ref_pp)
        for param in function.outputs:
            name = param.name
            given = values.get(name)
            if isinstance(given, Ref):
                outputs[name] = given
                continue
            status = _result(results, param.raw, borrowed)
            if status:
                check(status)
            outputs[name] = reference(self._conn, borrowed[0], param) if borrowed[0] else None
        return outputs


def _new_arguments() -> Any:
    out = ffi.new("sdp_dal_args **")
    check(lib.sdp_dal_args_create(out))
    return own(out, lib.sdp_dal_args_free)


def reference(conn: Connection, borrowed: Any, param: Param) -> Ref:
    """A reference of the parameter's kind, with a handle of its own."""
    out = new(_own_ref_pp)
    status = _clone(borrowed, out)
    if status:
        check(status)
    if param.kind == TENSOR:
        return tensor_ref(conn, out[0], param.code, param.dims)
    handle = own(out, lib.sdp_dal_ref_free)
    if param.kind == TABLE:
        table = TableRef.__new__(TableRef)
        table._begin_table(conn, handle, param.table)
        return table
    other = Ref.__new__(Ref)
    other._begin(conn, handle)
    return other


def _is_id(value: Any) -> bool:
    if isinstance(value, (bytes, bytearray)):
        return True
    return not isinstance(value, (np.ndarray, pa.Table, Mapping)) and callable(getattr(value, "binary", None))


def _by_name(function: Function, args: Tuple[Any, ...], kwargs: Mapping[str, Any]) -> Dict[str, Any]:
    """All arguments by name."""
    if not args:
        return dict(kwargs)
    given = {param.name: value for param, value in zip(function.params, args)}
    for name in kwargs:
        if name in given:
            raise TypeError(f"{_place(function, name, None)} was given by position and by name")
    if len(args) > len(function.params):
        raise TypeError(f"{function.name}() has {len(function.params)} parameters, but {len(args)} were given")
    return {**given, **kwargs}


def _place(function: Function, name: str, row: Optional[int]) -> str:
    where = "" if row is None else f", row {row}"
    return f"{function.name}(){where}: parameter {name!r}"


def _same_kind(problem: Exception) -> Type[Exception]:
    """Wrong types stay TypeErrors; everything else is a wrong argument."""
    return TypeError if type(problem) is TypeError else InvalidArgument
