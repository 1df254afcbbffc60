# SPDX-License-Identifier: BSD-3-Clause
"""Structs of the library that are used again and again: taking one and giving it back costs less than making one."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque


class Spare:
    """Things of one kind that are not in use. Any thread may take and give back, and so may a signal handler at any
    moment: a deque's pop() and append() are whole steps.

    Args:
        make: Makes one, when none is there.
    """

    __slots__ = ("_make", "_pop", "give")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        # A list would take and give memory back at each step.
        things: Deque[Any] = deque()
        self._pop = things.pop
        #: Gives one back.
        self.give: Callable[[Any], None] = things.append

    def take(self) -> Any:
        """One that nobody else uses."""
        # Not "if there is one": another thread could take it in between.
        try:
            return self._pop()
        except IndexError:
            return self._make()
