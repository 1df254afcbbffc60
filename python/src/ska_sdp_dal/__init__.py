# SPDX-License-Identifier: BSD-3-Clause
"""The SDP Data Access Library: tensors, tables and calls between the processes of one node, in shared memory, without
copies and without a server.

A :class:`Processor` offers functions, a :class:`Caller` calls them, and a :class:`Store` holds their data:

>>> import numpy as np, pyarrow
>>> import ska_sdp_dal as dal
>>> schema = dal.make_call_schema("add", [
...     dal.make_par("x", pyarrow.int64()),
...     dal.make_tensor_input_par("ys", pyarrow.int64(), ["i"]),
...     dal.make_tensor_output_par("zs", pyarrow.int64(), ["i"]),
... ])
>>> class Adder(dal.Processor):
...     def add(self, x, ys, zs):
...         zs.put(x + ys.get())
>>> processor = Adder([schema], "/dev/shm/sdp-dal-doctest")
>>> store = dal.Store("/dev/shm/sdp-dal-doctest")
>>> caller = dal.Caller([schema], store)
>>> zs = caller.add(10, np.arange(3))["zs"]

Usually the processor is another process. It runs a call in its ``process()``:

>>> processor.process()
True
>>> zs.get()
array([10, 11, 12])
>>> caller.close(), processor.close(), store.close()
(None, None, None)
"""

from . import caller, common, connection, errors, events, ids, processor, references, store
from ._async_caller import AsyncCaller, Results
from ._ending import end_on_sigterm
from ._native import get_include, get_library, library_version
from .caller import Caller, FoundProcessor, Given, LostOutputs, given
from .common import (
    NAMESPACE_DECL_SUFFIX,
    NAMESPACE_ID_SIZE,
    OBJECT_ID_SIZE,
    OBJECT_ID_TYPE,
    PROC_NAMESPACE_ARGV_META,
    PROC_NAMESPACE_META,
    PROC_NAMESPACE_PID_META,
    ComplexType,
    call_name,
    complex64,
    complex128,
    from_numpy_dtype,
    is_namespace_decl,
    make_call_schema,
    make_oid_input_par,
    make_oid_output_par,
    make_oid_par,
    make_par,
    make_table_input_par,
    make_table_output_par,
    make_tensor_input_par,
    make_tensor_output_par,
    object_id_hex,
    objectid_generator,
    par_meta,
    par_table_schema,
    par_tensor_dim_names,
    par_tensor_elem_type,
    par_tensor_order,
    parse_call_schema,
    parse_hex_objectid,
    schema_compatible,
)
from .connection import Connection
from .errors import (
    AlreadyExists,
    AlreadyStarted,
    Busy,
    Cancelled,
    Corrupt,
    DalError,
    Forked,
    FunctionError,
    InputLost,
    InternalError,
    Interrupted,
    InvalidArgument,
    LimitReached,
    NamespaceInUse,
    NoProcessor,
    NotFound,
    ObjectDeleted,
    OutOfMemory,
    OutputNotWritten,
    PermissionDenied,
    ProcessorLost,
    StoreNotFound,
    SystemFailure,
    TimeoutException,
    Unsupported,
)
from .events import Event, Events
from .ids import ObjectID
from .processor import BasicProcessor, LogProcessor, Processor
from .references import Ref, TableRef, TensorRef, adopt, wait_any
from .store import Store

__version__ = library_version()

__all__ = [
    "NAMESPACE_DECL_SUFFIX",
    "NAMESPACE_ID_SIZE",
    "OBJECT_ID_SIZE",
    "OBJECT_ID_TYPE",
    "PROC_NAMESPACE_ARGV_META",
    "PROC_NAMESPACE_META",
    "PROC_NAMESPACE_PID_META",
    "AlreadyExists",
    "AlreadyStarted",
    "AsyncCaller",
    "BasicProcessor",
    "Busy",
    "Caller",
    "Cancelled",
    "ComplexType",
    "Connection",
    "Corrupt",
    "DalError",
    "Event",
    "Events",
    "Forked",
    "FoundProcessor",
    "FunctionError",
    "Given",
    "InputLost",
    "InternalError",
    "Interrupted",
    "InvalidArgument",
    "LimitReached",
    "LogProcessor",
    "LostOutputs",
    "NamespaceInUse",
    "NoProcessor",
    "NotFound",
    "ObjectDeleted",
    "ObjectID",
    "OutOfMemory",
    "OutputNotWritten",
    "PermissionDenied",
    "Processor",
    "ProcessorLost",
    "Ref",
    "Results",
    "Store",
    "StoreNotFound",
    "SystemFailure",
    "TableRef",
    "TensorRef",
    "TimeoutException",
    "Unsupported",
    "__version__",
    "adopt",
    "call_name",
    "caller",
    "common",
    "complex64",
    "complex128",
    "connection",
    "end_on_sigterm",
    "errors",
    "events",
    "from_numpy_dtype",
    "get_include",
    "get_library",
    "given",
    "ids",
    "is_namespace_decl",
    "library_version",
    "make_call_schema",
    "make_oid_input_par",
    "make_oid_output_par",
    "make_oid_par",
    "make_par",
    "make_table_input_par",
    "make_table_output_par",
    "make_tensor_input_par",
    "make_tensor_output_par",
    "object_id_hex",
    "objectid_generator",
    "par_meta",
    "par_table_schema",
    "par_tensor_dim_names",
    "par_tensor_elem_type",
    "par_tensor_order",
    "parse_call_schema",
    "parse_hex_objectid",
    "processor",
    "references",
    "schema_compatible",
    "store",
    "wait_any",
]
