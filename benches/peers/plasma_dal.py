# SPDX-License-Identifier: BSD-3-Clause
"""What program.py needs of `ska_sdp_dal`, over Apache Plasma (pyarrow 11, the last with its client).

Written from the documentation of `ska_sdp_dal` to have something to compare with, with as little as that takes: no
checks, no errors, no namespaces but two fixed ones. What a call costs here is what Plasma costs: the earlier package does
more, and takes longer.
"""

import itertools
import os

import numpy as np
import pyarrow as pa
from pyarrow import plasma

OBJECT_ID = pa.binary(20)


def make_call_schema(func_name, pars):
    return pa.schema(pars, metadata={b"proc:func": func_name.encode()})


def make_par(name, typ):
    return pa.field(name, typ)


def make_tensor_input_par(name, elem_type, dim_names):
    return pa.field(name, OBJECT_ID, metadata={b"proc:par": b"in"})


def make_tensor_output_par(name, elem_type, dim_names):
    return pa.field(name, OBJECT_ID, metadata={b"proc:par": b"out"})


def _kind(field):
    return (field.metadata or {}).get(b"proc:par")


class TensorRef:
    """An object, and what must live until it exists."""

    def __init__(self, client, oid, owning=True, dependency=None):
        self.client, self.oid, self.owning, self.dependency = client, oid, owning, dependency

    def get(self):
        (buffer,) = self.client.get_buffers([self.oid])
        self.dependency = None
        return pa.ipc.read_tensor(pa.BufferReader(buffer)).to_numpy()

    def put(self, array):
        tensor = pa.Tensor.from_numpy(np.ascontiguousarray(array))
        buffer = self.client.create(self.oid, pa.ipc.get_tensor_size(tensor))
        writer = pa.FixedSizeBufferWriter(buffer)
        writer.set_memcopy_threads(6)  # as Plasma's own put() does
        pa.ipc.write_tensor(tensor, writer)
        self.client.seal(self.oid)

    def __del__(self):
        if self.owning:
            self.client.delete([self.oid])


class _Call:
    """The object of a call, which goes when all its outputs are there."""

    def __init__(self, client, oid, inputs):
        self.client, self.oid, self.inputs = client, oid, inputs

    def __del__(self):
        self.client.delete([self.oid])


class Store:
    def __init__(self, plasma_path):
        self.client = plasma.connect(plasma_path)
        self.numbers = itertools.count(1)
        self.prefix = b"\0\0\0\1" + os.urandom(8)

    def new_id(self, prefix=None):
        return plasma.ObjectID(
            (prefix or self.prefix) + next(self.numbers).to_bytes(20 - len(prefix or self.prefix), "big")
        )

    def put_new_tensor(self, array):
        ref = TensorRef(self.client, self.new_id())
        ref.put(array)
        return ref


class Caller:
    def __init__(self, procs, store):
        self.store = store
        for schema in procs:
            name = schema.metadata[b"proc:func"].decode()
            setattr(self, name, lambda *args, schema=schema: self._call(schema, [dict(zip(schema.names, args))])[0])
            setattr(self, name + "_batch", lambda rows, schema=schema: self._call(schema, rows))

    def _call(self, schema, rows):
        store, client = self.store, self.store.client
        kept, outputs = [], [{} for _ in rows]
        columns = []
        for field in schema:
            values = []
            for row, made in zip(rows, outputs):
                if _kind(field) == b"out":
                    made[field.name] = ref = TensorRef(client, store.new_id())
                    values.append(ref.oid.binary())
                elif _kind(field) == b"in":
                    value = row[field.name]
                    ref = value if isinstance(value, TensorRef) else store.put_new_tensor(value)
                    kept.append(ref)
                    values.append(ref.oid.binary())
                else:
                    values.append(row[field.name])
            columns.append(pa.array(values, field.type))
        batch = pa.record_batch(columns, schema=schema)
        size = pa.MockOutputStream()
        with pa.ipc.new_stream(size, schema) as writer:
            writer.write_batch(batch)
        oid = store.new_id(b"\0\0\0\0" + store.prefix[4:])
        with pa.ipc.new_stream(pa.FixedSizeBufferWriter(client.create(oid, size.size())), schema) as writer:
            writer.write_batch(batch)
        client.seal(oid)
        call = _Call(client, oid, kept)
        for made in outputs:
            for ref in made.values():
                ref.dependency = call
        return outputs


class Processor:
    def __init__(self, procs, plasma_path):
        self.client = plasma.connect(plasma_path)
        self.client.subscribe()

    def process(self):
        """Waits for a call, and runs it: all its rows."""
        while True:
            oid, size, _ = self.client.get_next_notification()
            if size >= 0 and oid.binary().startswith(b"\0\0\0\0"):
                break
        (buffer,) = self.client.get_buffers([oid])
        batch = pa.ipc.open_stream(buffer).read_next_batch()
        function = getattr(self, batch.schema.metadata[b"proc:func"].decode())
        for row in range(batch.num_rows):
            arguments = {}
            for index, field in enumerate(batch.schema):
                value = batch.column(index)[row].as_py()
                if _kind(field):
                    value = TensorRef(self.client, plasma.ObjectID(value), owning=False)
                arguments[field.name] = value
            function(**arguments)
