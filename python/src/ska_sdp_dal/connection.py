# SPDX-License-Identifier: BSD-3-Clause
"""Connections to a store, and references to its objects: the names that programs import."""

from ._connection import Connection
from .errors import TimeoutException
from .references import Ref, TableRef, TensorRef

__all__ = ["Connection", "Ref", "TableRef", "TensorRef", "TimeoutException"]
