# SPDX-License-Identifier: BSD-3-Clause
"""Calls that are awaited in an event loop."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from threading import get_ident
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Sequence, Union

import pyarrow as pa

from ._functions import Function
from ._native import hasty
from .caller import Caller, LostOutputs, Outputs
from .errors import Interrupted
from .references import Ref

if TYPE_CHECKING:
    from .caller import _Issuer

#: Arguments of at least so many bytes are put in another thread, because copying them takes some 0.1 ms.
_LARGE = 1 << 20


class AsyncCaller(Caller):
    """Calls the functions of processors, as :class:`Caller` does, from coroutines.

    Its methods are coroutines. ``await caller.f(...)`` issues a call, waits until all outputs exist, and returns its
    :class:`Results`, a mapping from the outputs' names to their values. ``await caller.f_batch(calls)`` returns a list of
    these. A caller with ``broadcast`` returns a list with the result of each processor. If an output will never exist, its
    error is raised when all others have ended.

    Cancelling the task, as :func:`asyncio.wait_for` does at its timeout, cancels a call that has not started.

    Issuing does not block the loop. Arguments of more than 1 MiB are copied into the store in a thread of the loop's
    executor. All calls of a caller that may wait for a free place or free space are also issued in a thread. This is a
    caller with ``max_in_flight`` and a ``timeout``, or one that has found the store full, which blocked the loop for some
    0.1 s once.

    Creating the caller, :meth:`find_processors` and :meth:`next_lost` work as in :class:`Caller`, and block for up to their
    ``timeout``. Create the caller before the loop runs, or with :func:`asyncio.to_thread`.

    Args:
        procs, store: As in :class:`Caller`, and so are all others.

    >>> import asyncio, numpy as np, pyarrow
    >>> import ska_sdp_dal as dal
    >>> schema = dal.make_call_schema("add", [
    ...     dal.make_par("x", pyarrow.int64()),
    ...     dal.make_tensor_input_par("ys", pyarrow.int64(), ["i"]),
    ...     dal.make_tensor_output_par("zs", pyarrow.int64(), ["i"]),
    ... ])
    >>> class Adder(dal.Processor):
    ...     async def add(self, x, ys, zs):
    ...         zs.put(x + await ys)
    >>> async def main():
    ...     path = "/dev/shm/sdp-dal-doctest"
    ...     with Adder([schema], path) as adder, dal.Store(path) as store, dal.AsyncCaller([schema], store) as caller:
    ...         serving = asyncio.create_task(adder.serve())
    ...         print((await caller.add(10, np.arange(3)))["zs"])
    ...         serving.cancel()
    >>> asyncio.run(main())
    [10 11 12]
    """

    def _method(self, name: str) -> Callable[..., Any]:
        function = self._issuer.functions[name]
        if type(self).call is not AsyncCaller.call:
            return functools.partial(self.call, function.schema if len(function.forms) == 1 else name)
        return functools.partial(_call, self._issuer, function)

    def _batch_method(self, name: str) -> Callable[..., Any]:
        function = self._issuer.functions[name]
        if type(self).batch_call is not AsyncCaller.batch_call:
            return functools.partial(self.batch_call, function.schema if len(function.forms) == 1 else name)
        return functools.partial(_batch, self._issuer, function)

    async def call(self, call_schema: Union[pa.Schema, str], *args: Any, **kwargs: Any) -> Any:
        """Calls a function, and waits for its outputs.

        Args:
            call_schema: Schema of the function, or its name.
            args, kwargs: Its parameters, as in :meth:`Caller.call`.

        Returns:
            The :class:`Results`. A broadcasting caller returns a list with those of each processor.

        Raises:
            InvalidArgument: A parameter is wrong. Nothing was sent.
            FunctionError: The function raised an exception.
            ProcessorLost: The processor crashed or was closed.
        """
        return await _call(self._issuer, self._issuer.function(call_schema), *args, **kwargs)

    async def batch_call(  # type: ignore[override]
        self, call_schema: Union[pa.Schema, str], calls: Sequence[Mapping[str, Any]]
    ) -> List[Any]:
        """Calls a function many times at once, and waits for all outputs.

        Args:
            call_schema: Schema of the function, or its name.
            calls: Parameters by name, for each call.

        Returns:
            A list with the :class:`Results` of each call. A broadcasting caller returns a list of these lists, one for each
            processor.
        """
        return await _batch(self._issuer, self._issuer.function(call_schema), calls)

    async def issue(self, call_schema: Union[pa.Schema, str], *args: Any, **kwargs: Any) -> Any:
        """Calls a function without waiting for its outputs, which can be inputs of other calls.

        Args:
            call_schema: Schema of the function, or its name.
            args, kwargs: Its parameters, as in :meth:`Caller.call`.

        Returns:
            References to the outputs as from :meth:`Caller.call`, each of which can be awaited.
        """
        issue = functools.partial(self._issuer.call, self._issuer.function(call_schema), *args, **kwargs)
        outputs = _soon(self._issuer, issue, _weight((*args, *kwargs.values())))
        return await _in_thread(issue) if outputs is None else outputs


async def _call(issuer: _Issuer, function: Function, /, *args: Any, **kwargs: Any) -> Any:
    """Returns the results of one call."""
    issue = functools.partial(issuer.call, function, *args, **kwargs)
    weight = _weight(args) + (_weight(kwargs.values()) if kwargs else 0)
    outputs = _soon(issuer, issue, weight)
    return await _results(issuer, await _in_thread(issue) if outputs is None else outputs)


async def _batch(
    issuer: _Issuer, function: Function, calls: Sequence[Mapping[str, Any]], form: Any = None
) -> List[Any]:
    """Returns the results of many calls."""
    # Others than lists of dictionaries are refused.
    rows: Any = list(calls) if isinstance(calls, Iterable) and not isinstance(calls, Mapping) else calls
    issue = functools.partial(issuer.batch, function, rows, form)
    outputs = _soon(issuer, issue, sum(_weight(row.values()) for row in rows if isinstance(row, Mapping)))
    results: List[Any] = await _results(issuer, await _in_thread(issue) if outputs is None else outputs)
    return results


# ---- issuing ---------------------------------------------------------------------------------------------------------


def _soon(issuer: _Issuer, issue: Callable[[], Any], weight: int) -> Any:
    """Issues calls with arguments of ``weight`` bytes, if that blocks only for a moment. Returns None otherwise."""
    if issuer.may_wait or weight > _LARGE:
        return None
    thread = get_ident()
    hasty.add(thread)
    try:
        return issue()
    except Interrupted:
        # The store is full, and nothing was issued.
        issuer.may_wait = True
        return None
    finally:
        hasty.discard(thread)


async def _in_thread(issue: Callable[[], Any]) -> Any:
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, issue)


def _weight(values: Iterable[Any]) -> int:
    """Returns the bytes to copy, or an equivalent for values to convert. Arrays and tables of unknown size are large."""
    weight = 0
    for value in values:
        if value is None or isinstance(value, (Ref, bool, int, float, complex)):
            continue
        if isinstance(value, (str, bytes, bytearray)):
            weight += len(value)
        elif isinstance(value, (list, tuple)):
            # A list of numbers takes longer than its bytes.
            weight += 64 * len(value)
        elif isinstance(value, Mapping):
            weight += _weight(value.values())
        elif isinstance(getattr(value, "nbytes", None), int):
            weight += value.nbytes
        elif any(hasattr(value, name) for name in ("__arrow_c_stream__", "__array__", "__dlpack__", "__iter__")):
            weight += _LARGE + 1
    return weight


# ---- outputs ---------------------------------------------------------------------------------------------------------


class Results(Mapping[str, Any]):
    """The values of a call's outputs, by name. Each is read when it is accessed. None stands for an output that was not
    requested."""

    __slots__ = ("_outputs",)

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs

    def __getitem__(self, name: str) -> Any:
        ref = self._outputs[name]
        return None if ref is None else ref._value()

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        return f"Results({self._outputs!r})"

    @property
    def refs(self) -> Outputs:
        """The references to the outputs, by name, which can be inputs of other calls."""
        return self._outputs


async def _results(issuer: _Issuer, outputs: Any) -> Any:
    """Returns the results of calls when all have ended. Outputs are a dictionary of references, or lists of these."""
    from ._event_loop import reader_of

    refs: List[Ref] = []
    lost: List[LostOutputs] = []
    results = _gather(outputs, refs, lost)
    if refs:
        conn = issuer.conn
        if not await reader_of(conn).ended(refs, conn._open):
            for ref in refs:
                # One of them raises why.
                ref.wait(0)
    if lost:
        raise type(lost[0].error)(str(lost[0].error), lost[0].error.status)
    return results


def _gather(outputs: Any, refs: List[Ref], lost: List[LostOutputs]) -> Any:
    """Returns the future results of outputs. ``refs`` gets the references, and ``lost`` the outputs that will not exist."""
    if not isinstance(outputs, dict):
        return [_gather(one, refs, lost) for one in outputs]
    if isinstance(outputs, LostOutputs):
        lost.append(outputs)
    for ref in outputs.values():
        if ref is not None:
            refs.append(ref)
    return Results(outputs)
