# SPDX-License-Identifier: BSD-3-Clause
"""Object IDs: 20 bytes, of which the first four are the namespace's prefix."""

from __future__ import annotations

import os
from typing import Any, Union

from .errors import InvalidArgument

#: Bytes of an object ID.
OBJECT_ID_SIZE = 20
#: Bytes of a namespace's prefix.
NAMESPACE_ID_SIZE = 4


class ObjectID(bytes):
    """The ID of an object: 20 bytes, and usable wherever bytes are.

    Args:
        value: 20 bytes, or an object whose ``binary()`` returns them, such as Plasma's IDs.
    """

    __slots__ = ()

    def __new__(cls, value: Any) -> ObjectID:
        raw = raw_id(value)
        if len(raw) != OBJECT_ID_SIZE:
            raise InvalidArgument(f"an object ID has {OBJECT_ID_SIZE} bytes, not {len(raw)}")
        return super().__new__(cls, raw)

    def binary(self) -> bytes:
        """Returns the 20 bytes."""
        return bytes(self)

    @classmethod
    def from_random(cls) -> ObjectID:
        """Returns a new random ID. Its prefix belongs to an existing namespace only by chance."""
        return cls(os.urandom(OBJECT_ID_SIZE))

    def __repr__(self) -> str:
        return f"ObjectID({self.hex()})"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        return (ObjectID, (bytes(self),))


#: The accepted forms of an object ID: :class:`ObjectID`, 20 bytes, or an object with ``binary()``.
AnyID = Union[ObjectID, bytes, bytearray, memoryview, Any]


def raw_id(value: AnyID) -> bytes:
    """Returns the bytes of an ID, or of the first part of one, given in any accepted form."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    binary = getattr(value, "binary", None)
    if callable(binary):
        raw = binary()
        if isinstance(raw, bytes):
            return raw
    raise InvalidArgument(f"{value!r} is no object ID: give 20 bytes, an ObjectID, or an object with binary()")


def whole_id(value: AnyID) -> bytes:
    """Returns the 20 bytes of an ID given in any accepted form."""
    raw = raw_id(value)
    if len(raw) != OBJECT_ID_SIZE:
        raise InvalidArgument(f"an object ID has {OBJECT_ID_SIZE} bytes, not {len(raw)}")
    return raw
