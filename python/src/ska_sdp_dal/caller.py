# SPDX-License-Identifier: BSD-3-Clause
"""Calls of processing functions in other processes."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import pyarrow as pa

from . import _arrays, _forms, _tables
from ._closes import Closes
from ._connection import Connection
from ._functions import (
    ID,
    TABLE,
    TENSOR,
    VALUE,
    VALUE_WORDS,
    Function,
    Param,
    Values,
    all_forms,
    functions_of,
    show_bytes,
)
from ._native import check, ffi, filled, full_nanoseconds, lib, nanoseconds, own, whole
from ._tensor_ref import tensor_ref
from .common import call_name, object_id_hex
from .errors import DalError, InvalidArgument
from .ids import raw_id, whole_id
from .references import Ref, TableRef
from .store import Store

_log = logging.getLogger(__name__)

_refs_t = ffi.typeof("sdp_dal_ref *[]")
_issue = lib.sdp_dal_caller_issue
_NULL: int = lib.SDP_DAL_VALUE_NULL
_UNWANTED: int = lib.SDP_DAL_VALUE_UNWANTED
_REF: int = lib.SDP_DAL_VALUE_REF
new = ffi.new

_NONE_GIVEN: Dict[str, Any] = {}

#: References to the outputs of one call, by name; None for an output that is not wanted.
Outputs = Dict[str, Any]


class LostOutputs(Dict[str, Any]):
    """The result in a broadcast for a processor that did not get the call, because it crashed, was closed,
    or has no free place. Accessing an output raises the reason."""

    def __init__(self, error: DalError) -> None:
        super().__init__()
        #: The reason why the processor did not get the call.
        self.error = error.with_traceback(None)

    def __missing__(self, name: str) -> Any:
        # Another one each time: where it is raised must not keep what the callers of this hold.
        raise type(self.error)(str(self.error), self.error.status)


class Given:
    """A reference whose object the caller gives away; see :func:`given`."""

    __slots__ = ("ref",)

    def __init__(self, ref: Ref) -> None:
        if not isinstance(ref, Ref):
            raise TypeError(f"only the object of a reference is given away, not {type(ref).__name__}")
        self.ref = ref


def given(ref: Ref) -> Given:
    """Gives the object of a reference away, as the argument for an input from which an output starts
    (``sum: complex128[u,v] = grid``).

    The output takes its memory over, without a copy, if no other client wants or reads the object when the call is taken,
    and no other unfinished call of this process takes it. Otherwise it is copied. Once the call is issued, this process can
    no longer use the object.
    """
    return Given(ref)


class FoundProcessor(NamedTuple):
    """A processor that a caller has found."""

    #: Its name.
    name: str
    #: The prefix of its namespace.
    prefix: bytes


class Caller(Closes):
    """Calls the functions of processors.

    For each function the caller has a method of its name, which calls it. A second method with ``_batch`` after the name
    calls it many times at once. Calls do not wait. They return references to the outputs, which will exist later.

    Schemas of one name are forms of one function, which differ in element types only. The types of the arrays, references
    and numpy scalars of a call choose the form. Numbers and lists fit all forms. The argument ``form`` of a call, and of a
    batch, names the form by some of the types in which it differs from the others, in the order of the parameters:
    ``form="complex64"``.

    Args:
        procs: Schemas of the functions. Processors that offer all of them in compatible form are used.
        store: The store into which calls and their values are put.
        broadcast: Send calls to all processors that were found. Calls then return a list with an entry for each.
        minimum_processors: The number of processors that are waited for here. If there are fewer, an error is raised,
            now and not later.
        processor_prefix: First bytes of the prefixes of the processors to use.
        max_attempts: Ignored, because IDs never collide.
        verbose: Log the processors that are found.
        timeout: Seconds to wait for the needed number of processors, and for a free place when there are
            ``max_in_flight`` calls; None for no limit.
        max_in_flight: Maximum number of calls that a processor has not ended. At the maximum, calling waits. A batch is
            one call. Default: no limit.
        select: Which of several processors gets a call: 'least_busy', or 'first' for functions that accumulate state.
        strict_dims: Compare the sizes of dimensions of equal names.
        casting: numpy's rule by which arrays of another element type than the function's are converted; see
            :meth:`.TensorRef.put`.
        attempts: To how many processors a call is issued at most, one after the other, if the earlier ones crash or are
            closed before it has ended. With 2 or more the references to the outputs go on waiting meanwhile, here and in
            other processes, ``timeout`` is also how long to wait for another processor when all are lost, and a function
            may run more than once for a call. This process issues the call again when it waits, polls or calls. Not for
            ``broadcast``.
        full_timeout: Seconds that values wait for space if the store is full; 0 does not wait, and ``math.inf`` has no
            limit. Default: that of the store.

    If a function has the name of a method or property of this class, use :meth:`call` with its name.

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
        attempts: int = 1,
        full_timeout: Optional[float] = None,
    ) -> None:
        functions = functions_of(procs)
        if not isinstance(store, Store):
            raise TypeError(f"the store is {store!r}: give a Store, as Store(path)")
        _arrays.checked_casting(casting)
        options = _options(minimum_processors, timeout, max_in_flight, select, strict_dims)
        whole(attempts, "attempts", 1, "1 or more")
        options.attempts, options.full_timeout_ns = attempts, full_nanoseconds(full_timeout)
        handle = _open(store, functions, raw_id(processor_prefix), options)
        self._issuer = _Issuer(handle, store, functions, broadcast, casting)
        self._issuer.may_wait = (max_in_flight is not None or attempts > 1) and timeout != 0
        self._wait = timeout
        for name in functions:
            if not hasattr(type(self), name):
                setattr(self, name, self._method(name))
            if not hasattr(type(self), name + "_batch"):
                setattr(self, name + "_batch", self._batch_method(name))
        self._tell(verbose)

    def _method(self, name: str) -> Callable[..., Any]:
        issuer = self._issuer
        # Of several forms the name, by which the arguments choose one.
        forms = issuer.functions[name].forms
        schema = forms[0].schema if len(forms) == 1 else name
        if type(self).call is not Caller.call:
            return lambda *args, **kwargs: self.call(schema, *args, **kwargs)
        # Without the caller in it, which then goes with its last use.
        return functools.partial(issuer.call, issuer.functions[name])

    def _batch_method(self, name: str) -> Callable[..., Any]:
        issuer = self._issuer
        # Of several forms the name, by which the arguments choose one.
        forms = issuer.functions[name].forms
        schema = forms[0].schema if len(forms) == 1 else name
        if type(self).batch_call is not Caller.batch_call:
            return lambda calls: self.batch_call(schema, calls)
        return functools.partial(issuer.batch, issuer.functions[name])

    def __getattr__(self, name: str) -> Any:
        # Only what is nowhere else; and there to tell type checkers that functions are methods.
        offered = ", ".join(self.__dict__["_issuer"].functions) if "_issuer" in self.__dict__ else "none"
        raise AttributeError(f"{type(self).__name__} has no function {name!r}: those of its schemas are {offered}")

    def call(self, call_schema: Union[pa.Schema, str], *args: Any, **kwargs: Any) -> Any:
        """Calls a function. Does not wait for it.

        Args:
            call_schema: Schema of the function, or its name. The schema of one of several forms chooses that form, and so
                does the name of a form, "ms2dirty<complex64>".
            args: Its parameters by position.
            kwargs: Its parameters by name. Tensors and tables are given as references, or as values, which are put
                first. Outputs may be left out, and are then created.

        Returns:
            A dictionary of references to the outputs, by name. A broadcasting caller returns a list with a dictionary
            for each processor, which is a :class:`LostOutputs` for one that did not get the call.

        Raises:
            InvalidArgument: A parameter is wrong. Nothing was sent.
            ProcessorLost: The processor crashed or was closed.
        """
        return self._issuer.call(self._issuer.function(call_schema), *args, **kwargs)

    def batch_call(self, call_schema: Union[pa.Schema, str], calls: Sequence[Mapping[str, Any]]) -> List[Any]:
        """Calls a function many times at once, as one object, which is cheaper than single calls. Does not wait.

        Args:
            call_schema: Schema of the function, or its name.
            calls: Parameters by name, for each call.

        Returns:
            A list with the dictionary of references to outputs of each call. A broadcasting caller returns a list of
            these lists, one for each processor.
        """
        return self._issuer.batch(self._issuer.function(call_schema), calls)

    def find_processors(self, verbose: bool = False) -> List[FoundProcessor]:
        """Searches again for compatible processors, and waits only if there is none.

        New processors are added here, and when a call finds that all are lost: then it looks once for others before it
        raises ProcessorLost. Lost processors are removed anyway. Too few are not an error.

        Args:
            verbose: Log the processors that are found.

        Returns:
            The processors that are used from now on, by prefix. Perhaps none.
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
        """The processors that were found and are running, by prefix."""
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
        """The number of processors that were found and are running."""
        return int(lib.sdp_dal_caller_num_processors(self._issuer.open))

    def next_lost(self, timeout: Optional[float] = 0) -> Optional[FoundProcessor]:
        """Waits until a processor has crashed or was closed. Reports each processor once.

        Args:
            timeout: Seconds to wait; None for no limit.

        Returns:
            The processor, or None if none was lost.
        """
        prefix, length, buffer = ffi.new("uint8_t[4]"), ffi.new("size_t *", 2048), ffi.new("char[]", 2048)
        status = lib.sdp_dal_caller_next_lost(self._issuer.open, nanoseconds(timeout), prefix, buffer, length)
        if status == lib.SDP_DAL_TIMEOUT:
            return None
        check(status)
        return FoundProcessor(ffi.string(buffer).decode(errors="replace"), bytes(ffi.buffer(prefix)))

    def close(self) -> None:
        """Closes the caller. The calls that it issued continue."""
        self._issuer.close()

    def __repr__(self) -> str:
        issuer = self.__dict__.get("_issuer")
        if issuer is None:
            return f"<{type(self).__name__}>"
        count = None if issuer.is_closed else int(lib.sdp_dal_caller_num_processors(issuer.open))
        to = "closed" if count is None else f"to {count} processor{'' if count == 1 else 's'}"
        names = ", ".join(function.shown for function in issuer.functions.values())
        return f"<{type(self).__name__} of {names or 'no functions'} in {issuer.conn.plasma_path}, {to}>"


def _options(
    minimum_processors: int, timeout: Optional[float], max_in_flight: Optional[int], select: str, strict_dims: bool
) -> Any:
    """Returns the library's options of a caller."""
    selects = {"least_busy": lib.SDP_DAL_SELECT_LEAST_BUSY, "first": lib.SDP_DAL_SELECT_FIRST}
    if select not in selects:
        raise InvalidArgument(f"select is {select!r}: give 'least_busy' or 'first'")
    if max_in_flight is not None:
        whole(max_in_flight, "max_in_flight", 1, "1 or more, or None for no limit")
    whole(minimum_processors, "minimum_processors", 0, "0 or more")
    options = filled("sdp_dal_caller_options")
    options.minimum_processors = minimum_processors
    options.max_in_flight = max_in_flight or 0
    options.timeout_ns = nanoseconds(timeout)
    options.select = selects[select]
    options.flags = 0 if strict_dims else lib.SDP_DAL_CALLER_LOOSE_DIMS
    if minimum_processors == 0:
        options.flags |= lib.SDP_DAL_CALLER_NONE_NEEDED
    return options


def _open(store: Store, functions: Mapping[str, Function], processor_prefix: bytes, options: Any) -> Any:
    """Returns the library's caller."""
    kept_prefix = ffi.new("uint8_t[]", processor_prefix or b"\0")
    options.processor_prefix, options.processor_prefix_size = kept_prefix, len(processor_prefix)
    forms = all_forms(functions)
    schemas = ffi.new("const sdp_dal_schema *[]", [form.handle for form in forms] or [ffi.NULL])
    options.schemas, options.num_schemas = schemas, len(forms)
    out = ffi.new("sdp_dal_caller **")
    check(lib.sdp_dal_caller_open(store._open, ffi.NULL, 0, options, out))
    return own(out, lib.sdp_dal_caller_close)


# ---- issuing ---------------------------------------------------------------------------------------------------------


class _Issuer:
    """The parts that a call needs: the library's caller, and its functions."""

    #: Whether issuing a call may wait for room at a processor.
    may_wait = False

    def __init__(
        self, handle: Any, store: Store, functions: Dict[str, Function], broadcast: bool, casting: str
    ) -> None:
        self._handle = handle
        self._store = store
        self.conn = store.conn
        self.functions = functions
        self._forms = all_forms(functions)
        self._broadcast = broadcast
        self._casting = casting

    @property
    def open(self) -> Any:
        """The handle of the open caller."""
        if self._handle is None:
            raise InvalidArgument("the caller was closed")
        return self._handle

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._handle is None

    def close(self) -> None:
        """Closes the caller."""
        if self._handle is not None:
            ffi.release(self._handle)
            self._handle = None

    # ---- one call --------------------------------------------------------------------------------------------------

    def call(self, function: Function, /, *args: Any, **kwargs: Any) -> Any:
        """Issues one call."""
        if len(function.forms) > 1 or ("form" in kwargs and "form" not in function.by_name):
            function, kwargs = self._form_of(function, args, kwargs)
        if self._broadcast:
            replies = self._rows(function, [_by_name(function, args, kwargs)])
            return [outputs[0] for outputs in replies]
        kept: List[Any] = []
        try:
            values = function.values.pop()
        except IndexError:
            values = Values(function)
        self._show(values, 0, function, args, kwargs, None, kept)
        status = _issue(self._handle or self.open, function.place, values.raw, 1, values.refs)
        if status:
            check(status)
        given = _by_name(function, args, kwargs) if len(args) > function.first_output or kwargs else _NONE_GIVEN
        outputs = self._outputs(values.refs, 0, function, given)
        if values.is_changed:
            values.reset()
        function.values.append(values)
        return outputs

    def function(self, schema: Union[pa.Schema, str]) -> Function:
        """Returns the function of a schema, or of a name. A schema, or the name of a form, is that of a form."""
        name = schema if isinstance(schema, str) else call_name(schema)
        function = self.functions.get(name)
        if function is None and "<" in name:
            function = self.functions.get(name.partition("<")[0].strip())
            if function is not None:
                return self._forms_named(name, function)
        if function is None:
            raise InvalidArgument(f"{name!r} is not a function of this caller, which has {', '.join(self.functions)}")
        if not isinstance(schema, str):
            for form in function.forms:
                if form.schema.equals(schema, check_metadata=True):
                    return form
        return function

    def _forms_named(self, name: str, function: Function) -> Function:
        """Returns the form that a name means."""
        return self._forms[_forms.choose(self.open, name, function, [{}], self._casting)]

    def _form_of(
        self, function: Function, args: Tuple[Any, ...], kwargs: Dict[str, Any]
    ) -> Tuple[Function, Dict[str, Any]]:
        """Returns the form that the arguments of a call choose, and the arguments by name without that for the form."""
        name, kwargs = function.name, dict(kwargs)
        if "form" in kwargs and "form" not in function.by_name:
            name = _forms.form_name(name, kwargs.pop("form"))
        given = {param.name: value for param, value in _pairs(function, args, kwargs, None)}
        return self._forms[_forms.choose(self.open, name, function, [given], self._casting)], kwargs

    # ---- many calls --------------------------------------------------------------------------------------------------

    def batch(self, function: Function, calls: Sequence[Mapping[str, Any]], form: Any = None) -> List[Any]:
        """Issues many calls at once."""
        rows: Any = None if isinstance(calls, Mapping) or not isinstance(calls, Iterable) else list(calls)
        # A dict is told in fewer steps than a mapping.
        if rows is None or not all(isinstance(row, (dict, Mapping)) for row in rows):
            raise TypeError(f"{function.name}_batch() takes a list of dictionaries, one for each call")
        if len(function.forms) > 1 or form is not None:
            for at, row in enumerate(rows):
                _pairs(function, (), row, at if len(rows) > 1 else None)
            name = function.name if form is None else _forms.form_name(function.name, form)
            function = self._forms[_forms.choose(self.open, name, function, rows, self._casting)]
        if self._broadcast:
            return self._rows(function, rows)
        kept: List[Any] = []
        values = self._shown(function, rows, kept)
        check(_issue(self.open, function.place, values.raw, len(rows), values.refs))
        count = len(function.outputs)
        return [self._outputs(values.refs, at * count, function, row) for at, row in enumerate(rows)]

    def _shown(self, function: Function, rows: List[Mapping[str, Any]], kept: List[Any]) -> Values:
        """Returns the values of many rows, for the library."""
        many, count = len(rows) > 1, len(function.params)
        values = Values(function, len(rows))
        for at, row in enumerate(rows):
            self._show(values, at * count, function, (), row, at if many else None, kept)
        return values

    def _rows(self, function: Function, rows: List[Mapping[str, Any]]) -> List[Any]:
        """Issues rows to every processor. Returns for each the outputs of each row, or why it did not get them."""
        kept: List[Any] = []
        values, count = self._shown(function, rows, kept), len(function.params)
        sets: List[Any] = []
        for at in range(len(rows)):
            sets.append(_new_arguments())
            check(lib.sdp_dal_args_set_values(sets[at], values.raw + at * count, count))
        out, processors = ffi.new("sdp_dal_replies **"), ffi.new("size_t *")
        handles = ffi.new("const sdp_dal_args *[]", sets or [ffi.NULL])
        check(lib.sdp_dal_caller_broadcast(self.open, function.raw, handles, len(sets), out, processors))
        replies = own(out, lib.sdp_dal_replies_free)
        return [self._reply(replies, at, function, rows) for at in range(processors[0])]

    def _reply(self, replies: Any, processor: int, function: Function, rows: List[Mapping[str, Any]]) -> Any:
        """Returns the outputs that one processor will write, by row."""
        results, name = ffi.new("const sdp_dal_results **"), ffi.new("const char **")
        borrowed, refs = ffi.new("const sdp_dal_ref **"), new(_refs_t, len(function.outputs))
        outputs: List[Outputs] = []
        for row, values in enumerate(rows):
            try:
                check(lib.sdp_dal_replies_get_results(replies, processor, row, results))
            except DalError as problem:
                return [LostOutputs(problem) for _ in rows]
            for at in range(len(function.outputs)):
                check(lib.sdp_dal_results_get_output(results[0], at, name, borrowed))
                refs[at] = ffi.NULL
                if borrowed[0]:
                    check(lib.sdp_dal_ref_clone(borrowed[0], refs + at))
            outputs.append(self._outputs(refs, 0, function, values))
        return outputs

    # ---- arguments ---------------------------------------------------------------------------------------------------

    def _show(
        self,
        values: Values,
        start: int,
        function: Function,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        row: Optional[int],
        kept: List[Any],
    ) -> None:
        """Writes arguments for the library, in values from ``start`` on. ``kept`` gets what they point to."""
        casts, words = values.casts, start * VALUE_WORDS
        for param, value in zip(function.params, args) if not kwargs else _pairs(function, args, kwargs, row):
            try:
                # What calls have most of: numbers, and references to what is in the store.
                if type(value) is param.exact:
                    casts[param.cast][words + param.at] = value
                elif param.usual == _REF and isinstance(value, Ref):
                    casts[3][words + param.at] = value._handle
                else:
                    values.is_changed = True
                    self._show_other(values.raw[start + param.index], param, value, kept)
            except (TypeError, ValueError, OverflowError) as problem:
                raise _refusal(problem, param, value, _place(function, param.name, row)) from None
        given = len(args)
        if given + len(kwargs) != len(function.inputs) or values.is_changed:
            if given > len(function.params):
                raise TypeError(f"{function.name}() has {len(function.params)} parameters, but {given} were given")
            for param in function.inputs:
                if param.index >= given and param.name not in kwargs:
                    values.kinds[start + param.index] = _NULL
                    values.is_changed = True

    def _show_other(self, shown: Any, param: Param, value: Any, kept: List[Any]) -> None:
        if value is None:
            shown.kind = _NULL if param.is_output and not param.nullable else _UNWANTED
        elif isinstance(value, Given):
            shown.kind, shown.flags, shown.reference = _REF, lib.SDP_DAL_VALUE_GIVEN, value.ref._handle
        elif param.kind == VALUE:
            param.show(shown, value, kept)
        elif isinstance(value, Ref) and param.kind != ID:
            shown.kind, shown.reference = _REF, value._handle
        elif isinstance(value, Ref):
            show_bytes(shown, lib.SDP_DAL_VALUE_ID, value.binary(), kept)
        elif _is_id(value):
            self._show_id(shown, param, value, kept)
        elif param.is_output:
            raise TypeError(f"an output is given as a reference or an ID, not as {type(value).__name__}")
        elif param.kind == TENSOR:
            array, code = _arrays.converted(value, param.code, len(param.dims or ()), "the value", self._casting)
            dims = _arrays.dims_of(value)
            view = _arrays.view_of(array, code, dims and _arrays.names_of(dims))
            kept.append(view)
            shown.kind, shown.view = lib.SDP_DAL_VALUE_TENSOR, view.raw
        elif param.kind == TABLE:
            stream = _tables.stream_of(_tables.table_from(value, param.table))
            kept.append(stream)
            shown.kind, shown.stream = lib.SDP_DAL_VALUE_TABLE, stream
        else:
            raise TypeError(f"an object is given as a reference or an ID, not as {type(value).__name__}")

    def _show_id(self, shown: Any, param: Param, value: Any, kept: List[Any]) -> None:
        raw = whole_id(value)
        if param.kind == ID:
            show_bytes(shown, lib.SDP_DAL_VALUE_ID, raw, kept)
            return
        ref = Ref(self.conn, raw)
        kept.append(ref)
        shown.kind, shown.reference = _REF, ref._handle

    # ---- outputs -----------------------------------------------------------------------------------------------------

    def _outputs(self, refs: Any, start: int, function: Function, values: Mapping[str, Any]) -> Outputs:
        """Returns references to the outputs of one call: the given ones, and new ones, whose handles it takes over."""
        outputs: Outputs = {}
        for param in function.outputs:
            handle = refs[start]
            start += 1
            name = param.name
            given = values.get(name)
            if given is not None:
                if isinstance(given, Ref):
                    outputs[name] = given
                    continue
                handle = handle or self._from_id(given)
            if not handle:
                outputs[name] = None
            elif param.kind == TENSOR:
                outputs[name] = tensor_ref(self.conn, handle, param.code, param.dims)
            else:
                outputs[name] = _other(self.conn, handle, param)
        return outputs

    def _from_id(self, given: Any) -> Any:
        """Returns the library's reference to an output that was given as an ID. The caller must free it."""
        out = new(_refs_t, 1)
        check(lib.sdp_dal_ref_from_id(self.conn._open, whole_id(given), ffi.NULL, out))
        return out[0]


def _new_arguments() -> Any:
    out = ffi.new("sdp_dal_args **")
    check(lib.sdp_dal_args_create(out))
    return own(out, lib.sdp_dal_args_free)


def _other(conn: Connection, handle: Any, param: Param) -> Ref:
    """Returns a reference to an object that is not a tensor, from the library's reference, which it takes over."""
    handle = ffi.gc(handle, lib.sdp_dal_ref_free)
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
    return not isinstance(value, (np.ndarray, pa.Table, dict, Mapping)) and callable(getattr(value, "binary", None))


def _by_name(function: Function, args: Tuple[Any, ...], kwargs: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns all arguments by name."""
    if not args:
        return dict(kwargs)
    given = {param.name: value for param, value in zip(function.params, args)}
    for name in kwargs:
        if name in given:
            raise TypeError(f"{_place(function, name, None)} was given by position and by name")
    if len(args) > len(function.params):
        raise TypeError(f"{function.name}() has {len(function.params)} parameters, but {len(args)} were given")
    return {**given, **kwargs}


def _pairs(
    function: Function, args: Sequence[Any], kwargs: Mapping[str, Any], row: Optional[int]
) -> Iterable[Tuple[Param, Any]]:
    """Returns parameters with their arguments, some of which are given by name."""
    by_name, given = function.by_name, len(args)
    try:
        named = list(map(by_name.__getitem__, kwargs))
    except KeyError as unknown:
        names = ", ".join(param.name for param in function.params)
        place = _place(function, unknown.args[0], row)
        raise InvalidArgument(f"{place} is none of the function's, which are {names}") from None
    if not args:
        return zip(named, kwargs.values())
    for param in named:
        if param.index < given:
            raise TypeError(f"{_place(function, param.name, row)} was given by position and by name")
    return itertools.chain(zip(function.params, args), zip(named, kwargs.values()))


def _place(function: Function, name: str, row: Optional[int]) -> str:
    where = "" if row is None else f", row {row}"
    return f"{function.name}(){where}: parameter {name!r}"


def _refusal(problem: Exception, param: Param, value: Any, place: str) -> Exception:
    """Returns the error for an argument that cannot be passed. Wrong types stay TypeErrors."""
    text = str(problem)
    if isinstance(problem, ValueError) and not isinstance(problem, InvalidArgument):
        if type(value) is not param.exact:
            return problem
        # A number that does not fit: written to a field of the library's it tells more. (Its error must not be kept, for it
        # keeps this frame.)
        try:
            param.show(ffi.new("sdp_dal_value *"), value, [])
        except OverflowError as told:
            text = str(told)
    kind = TypeError if type(problem) is TypeError else InvalidArgument
    return kind(f"{place}: {text}")
