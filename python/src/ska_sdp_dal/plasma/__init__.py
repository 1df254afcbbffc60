# SPDX-License-Identifier: BSD-3-Clause
"""The API of ``pyarrow.plasma``: raw objects by their IDs, in the same stores.

>>> import numpy as np
>>> from ska_sdp_dal import plasma
>>> client = plasma.connect("/dev/shm/sdp-dal-doctest", create=True)
>>> oid = client.put({"gains": np.arange(3)})
>>> client.get(oid)
{'gains': array([0, 1, 2])}
>>> client.disconnect()

Objects that are created here stay until they are deleted. A store of ``plasma_store`` evicts objects that no client
uses when it is full, beginning with the one unused for longest, as Plasma's did.

Timeouts are in milliseconds here, as they were with Plasma: ``timeout_ms=-1`` waits forever and is the default, 0 does
not wait. Elsewhere in ska_sdp_dal timeouts are in seconds, and ``None`` waits forever.

For programs that import ``pyarrow.plasma`` and cannot be changed there is :func:`install`, and for all programs of a Python
``python -m ska_sdp_dal.plasma install``.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import Unsupported
from ..ids import ObjectID
from ._client import (
    PlasmaBuffer,
    PlasmaClient,
    PlasmaObjectExists,
    PlasmaObjectNotFound,
    PlasmaStoreFull,
    connect,
    start_plasma_store,
)
from ._install import install
from ._values import ObjectNotAvailable

__all__ = [
    "ObjectID",
    "ObjectNotAvailable",
    "PlasmaBuffer",
    "PlasmaClient",
    "PlasmaObjectExists",
    "PlasmaObjectNotFound",
    "PlasmaStoreFull",
    "build_plasma_tensorflow_op",
    "connect",
    "install",
    "load_plasma_tensorflow_op",
    "make_object_id",
    "start_plasma_store",
]

_NO_OPERATOR = (
    "there is no TensorFlow operator: give TensorFlow the array that PlasmaClient.get() returns, as in "
    "tf.convert_to_tensor(client.get(object_id)), and PlasmaClient.put() the array of tensor.numpy()"
)


def make_object_id(object_id: bytes) -> ObjectID:
    """An object ID by its 20 bytes: ``pyarrow._plasma.make_object_id`` in the pickles of Plasma's own IDs."""
    return ObjectID(object_id)


def build_plasma_tensorflow_op() -> NoReturn:
    """Raises Unsupported: there is no TensorFlow operator. Its text says what to use instead."""
    raise Unsupported(_NO_OPERATOR)


def load_plasma_tensorflow_op() -> NoReturn:
    """Raises Unsupported: there is no TensorFlow operator. Its text says what to use instead."""
    raise Unsupported(_NO_OPERATOR)


def __getattr__(name: str) -> Any:
    if name in ("TF_PLASMA_OP_PATH", "tf_plasma_op"):
        raise AttributeError(f"{__name__}.{name}: {_NO_OPERATOR}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
