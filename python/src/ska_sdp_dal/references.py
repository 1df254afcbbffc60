# SPDX-License-Identifier: BSD-3-Clause
"""References to objects that may not exist yet: tensors, tables, and objects of any kind."""

from ._passing import adopt
from ._ref import Ref
from ._table_ref import TableRef
from ._tensor_ref import TensorRef
from ._waiting import wait_any
from .errors import TimeoutException

__all__ = ["Ref", "TableRef", "TensorRef", "TimeoutException", "adopt", "wait_any"]
