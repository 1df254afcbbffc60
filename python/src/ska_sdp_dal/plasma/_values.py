# SPDX-License-Identifier: BSD-3-Clause
"""The bytes of values that :meth:`.PlasmaClient.put` writes.

A pickled value is: the number of its parts, the bytes of each (little-endian, 8 bytes), and the parts, each from a
multiple of 64 bytes. The first is the pickle, the others are the buffers that it takes out of band.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any, List, Optional, Tuple

import pyarrow as pa

#: Metadata of objects that hold a pickled value.
PICKLED = b"pickle5"


class ObjectNotAvailable:
    """Replaces an object that was not sealed within the timeout."""


def pickled(value: Any) -> List[Any]:
    """The parts of a value."""
    parts: List[Any] = []
    first = pickle.dumps(value, protocol=5, buffer_callback=lambda part: parts.append(part.raw()))
    return [first, *parts]


def head(sizes: List[int]) -> bytes:
    """What stands before the parts."""
    return struct.pack(f"<{1 + len(sizes)}Q", len(sizes), *sizes)


def places(sizes: List[int]) -> Tuple[List[int], int]:
    """Where each part begins, and the bytes of all."""
    at, begins = 8 * (1 + len(sizes)), []
    for size in sizes:
        at = -(-at // 64) * 64
        begins.append(at)
        at += size
    return begins, at


def value_of(metadata: Optional[bytes], data: Optional[pa.Buffer]) -> Any:
    """The value of an object; of an object that holds no value, its bytes."""
    if data is None:
        return ObjectNotAvailable
    if metadata != PICKLED:
        return data
    (count,) = struct.unpack_from("<Q", data)
    sizes = list(struct.unpack_from(f"<{count}Q", data, 8))
    begins, _ = places(sizes)
    parts = [data.slice(begin, size) for begin, size in zip(begins, sizes)]
    return pickle.loads(parts[0], buffers=parts[1:])
