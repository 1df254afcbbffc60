# SPDX-License-Identifier: BSD-3-Clause
"""Objects that are ended by ``close()``, or at the end of a ``with`` block."""

from __future__ import annotations

import abc
from types import TracebackType
from typing import Any, Optional, Type, TypeVar

_Self = TypeVar("_Self", bound="Closes")


class Closes(abc.ABC):
    """An object that can be used in a ``with`` block, which closes it at its end."""

    @abc.abstractmethod
    def close(self) -> None:
        """Closes the object. May be called again."""

    def __reduce__(self) -> Any:
        raise TypeError(
            f"a {type(self).__name__} can be neither pickled nor copied, because it belongs to its process: create one "
            "where it is needed, with the path of the store; references (TensorRef, TableRef) can be pickled"
        )

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()
