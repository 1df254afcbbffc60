# SPDX-License-Identifier: BSD-3-Clause
"""What is ended by ``close()``, or at the end of a ``with`` block."""

from __future__ import annotations

import abc
from types import TracebackType
from typing import Optional, Type, TypeVar

_Self = TypeVar("_Self", bound="Closes")


class Closes(abc.ABC):
    """Can be used in a ``with`` block, at whose end it is closed."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends it. May be called again."""

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()
