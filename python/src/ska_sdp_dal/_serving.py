# SPDX-License-Identifier: BSD-3-Clause
"""A processor whose functions run in an event loop."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Set

from ._call import Call
from ._event_loop import reader_of
from ._native import check, lib
from .errors import Cancelled, ProcessorLost

_log = logging.getLogger("ska_sdp_dal.processor")


class Serving:
    """Takes the calls of a processor in the running event loop. Each call is a task, which ends it.

    Args:
        processor: A :class:`.BasicProcessor`, whose module imports this one.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._tasks: Set[asyncio.Task[None]] = set()
        self._looks_again = False
        self._is_cancelled = False

    async def run(self) -> None:
        """Runs until it is cancelled, or the processor is closed."""
        processor = self._processor
        reader, store = reader_of(processor._conn), processor._conn._open
        check(lib.sdp_dal_processor_watch(processor._open, True))
        reader.add_look(self._look, store)
        processor._servings.add(self)
        try:
            self._look()
            await self._stopped
        except asyncio.CancelledError:
            self._cancel()
            raise
        finally:
            processor._servings.discard(self)
            reader.remove_look(self._look)
            if processor._handle is not None and not processor._servings:
                lib.sdp_dal_processor_watch(processor._handle, False)
            await self._rest()

    def _cancel(self) -> None:
        """Ends the functions that run."""
        self._is_cancelled = True
        for task in self._tasks:
            task.cancel()

    async def _rest(self) -> None:
        """Waits until no function runs any more."""
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
        except asyncio.CancelledError:
            self._cancel()
            raise

    def closed(self) -> None:
        """Handles the closing of the processor, by any thread."""
        try:
            self._loop.call_soon_threadsafe(
                self._stop, ProcessorLost(f"{self._processor._name} was closed while it served")
            )
        except RuntimeError:
            # The loop was, too.
            pass

    def _lost(self) -> ProcessorLost:
        return ProcessorLost(f"the processor {self._processor._name} was closed while it served")

    def _stop(self, problem: BaseException) -> None:
        if not self._stopped.done():
            self._stopped.set_exception(problem)

    # ---- calls -------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Checks for new calls, and for waiting calls that may run."""
        if self._stopped.done() or self._looks_again:
            return
        if self._processor._handle is None:
            self._stop(self._lost())
            return
        try:
            call = self._processor._take(0)
        except BaseException as problem:
            self._stop(problem)
            return
        if call is None:
            return
        task = self._loop.create_task(self._drive(call))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        # One after the other, so that the loop gets its turn.
        self._looks_again = True
        self._loop.call_soon(self._look_again)

    def _look_again(self) -> None:
        self._looks_again = False
        self._look()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # No function's: what ends programs.
            self._stop(task.exception() or self._lost())
        # The next call of its function may run.
        self._look()

    async def _drive(self, call: Call) -> None:
        """Runs the function of a call, and ends the call."""
        processor = self._processor
        try:
            await processor._run_here(call)
        except asyncio.CancelledError as problem:
            # Or what the function itself has cancelled.
            stopped = Cancelled(f"{processor._name} stopped serving while {call.function}() ran")
            call.fail(stopped if self._is_cancelled else problem)
            raise
        except Exception as problem:
            call.fail(problem)
            _log.exception("%s: %s() failed", processor._name, call.function)
        except BaseException as problem:
            call.fail(problem)
            raise
