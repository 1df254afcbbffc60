# SPDX-License-Identifier: BSD-3-Clause
"""One of the processes of scripts/torture.sh, over the Python package. worker/worker.c says what it is told, what it
writes and how it ends; what the two write is the same, and each checks what the other has written."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np
import pyarrow as pa
from tally import COUNTS, DOING, ERRORS, OPERATIONS, READY, SINCE, VERIFIED, WRONG, words_of

import ska_sdp_dal as dal
from ska_sdp_dal._native import ffi, lib

# As in worker/worker.h.
SHARED, HOLDS, OWNED, CHAIN, ROWS = 48, 6, 8, 8, 12
MASK = (1 << 64) - 1
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FACTOR = np.uint64(0xD6E8FEB86659FD93)
HALF = np.uint64(32)

SCHEMAS = [
    dal.make_call_schema(
        "add",
        [
            dal.make_par("x", pa.int64()),
            dal.make_tensor_input_par("ys", pa.int64(), ["i"]),
            dal.make_tensor_output_par("zs", pa.int64(), ["i"]),
        ],
    ),
    dal.make_call_schema(
        "make",
        [
            dal.make_par("n", pa.int64()),
            dal.make_par("key", pa.int64()),
            dal.make_tensor_output_par("zs", pa.int64(), ["i"]),
        ],
    ),
    dal.make_call_schema("fails", [dal.make_par("x", pa.int64()), dal.make_tensor_output_par("zs", pa.int64(), [])]),
    dal.make_call_schema("slow", [dal.make_par("ms", pa.int64()), dal.make_tensor_output_par("zs", pa.int64(), [])]),
]


class Failure(Exception):
    """Something that must not be."""


class Told(Exception):
    """The worker was told to end."""


def mixed(x: int) -> int:
    x ^= x >> 32
    x = x * int(FACTOR) & MASK
    return x ^ x >> 32


def numbers_of(key: int, count: int) -> Any:
    x = np.arange(count, dtype=np.uint64) * GOLDEN + np.uint64(key)
    x ^= x >> HALF
    x *= FACTOR
    x ^= x >> HALF
    return x


def key_of(oid: bytes, sequence: int) -> int:
    value = sequence
    for byte in oid:
        value = (value ^ byte) * 0x100000001B3 & MASK
    return mixed(value)


def bytes_of(oid: bytes, size: int, sequence: int) -> bytes:
    words = numbers_of(key_of(oid, sequence if size >= 8 else 0), size // 8 + 1)
    if size >= 8:
        words[0] = sequence
    return bytes(words.tobytes()[:size])


def array_of(key: int, offset: int, count: int) -> Any:
    words = numbers_of(key, count) + np.uint64(offset)
    words[0], words[1] = key, offset
    return words.view(np.int64)


class Worker:
    """What it was told, what it counts, and what it has."""

    def __init__(self, path: str, seed: int, tally: str, options: Dict[str, str]) -> None:
        self.path = path
        self.random = random.Random(seed)
        self.words = words_of(Path(tally))
        self.allowed = set(options.get("allowed", "").split(","))
        self.size = int(options.get("size", 16 << 20))
        self.largest = int(options.get("largest", 1 << 17))
        self.wild = options.get("wild") == "1"
        self.comes_and_goes = options.get("comes_and_goes") == "1"
        self.told = False
        self.store: Any = None
        self.held: List[Tuple[bytes, Any]] = []
        self.owned: List[Tuple[Any, int]] = []
        self.tables: List[Tuple[Any, int]] = []
        self.caller: Any = None
        self.broadcaster: Any = None

    # ---- what an operation came to -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def doing(self, operation: str, *may: str) -> Iterator[None]:
        number = OPERATIONS.index(operation)
        self.words[SINCE] = time.monotonic_ns()
        self.words[DOING] = number + 1
        try:
            yield
        except dal.DalError as error:
            self.went(operation, error, *may)
        finally:
            self.words[DOING] = 0
            self.words[COUNTS + number] += 1

    def went(self, operation: str, error: dal.DalError, *may: str) -> None:
        self.words[ERRORS - error.status] += 1
        name = NAMES.get(error.status, str(error.status))
        if name not in may and name not in self.allowed:
            raise Failure(f"{operation}: {name}: {error}") from error

    def wrong(self, what: str) -> None:
        self.words[WRONG] += 1
        if not self.wild:
            raise Failure(f"wrong bytes: {what}")

    # ---- contents ------------------------------------------------------------------------------------------------

    def some_size(self) -> int:
        dice = self.random.randrange(8)
        if dice == 0:
            return self.random.randrange(17)
        if dice < 4:
            return self.random.randrange(4200)
        return self.random.randrange(min(self.largest, 65536) if dice < 7 else self.largest + 1)

    def shared_id(self) -> bytes:
        return b"\xee" * 19 + bytes([self.random.randrange(SHARED)])

    def verify(self, oid: bytes, data: Any) -> None:
        found = bytes(data)
        self.words[VERIFIED] += len(found)
        sequence = struct.unpack("<Q", found[:8])[0] if len(found) >= 8 else 0
        if found != bytes_of(oid, len(found), sequence):
            self.wrong(f"data {oid.hex()}")

    def verify_array(self, array: Any, key: int | None = None, offset: int | None = None) -> None:
        self.words[VERIFIED] += array.nbytes
        if array.ndim != 1 or array.dtype != np.int64 or len(array) < 2:
            self.wrong("a tensor of another type")
            return
        found = int(array[0]) & MASK, int(array[1]) & MASK
        right = key in (None, found[0]) and offset in (None, found[1])
        if not right or not np.array_equal(array, array_of(*found, len(array))):
            self.wrong("a tensor")

    # ---- the store -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        while self.store is None:
            if self.told:
                raise Told
            with self.doing("open"):
                self.store = dal.Store(self.path, size=self.size)
            if self.store is None:
                time.sleep(0.005)

    def close(self) -> None:
        while self.held:
            self.release()
        with self.doing("close"):
            self.owned.clear()
            self.tables.clear()
            for what in (self.caller, self.broadcaster, self.store):
                if what is not None:
                    what.close()
            self.caller = self.broadcaster = self.store = None

    def nap(self) -> None:
        time.sleep(self.random.random() * 0.002)

    # ---- storm ---------------------------------------------------------------------------------------------------

    def put_shared(self) -> None:
        oid, size = self.shared_id(), self.some_size()
        with self.doing("create", "ALREADY_EXISTS", "OBJECT_DELETED"):
            self.store.conn.client.create_and_seal(oid, bytes_of(oid, size, self.random.getrandbits(64)))

    def get_shared(self) -> None:
        ids = [self.shared_id() for _ in range(self.random.choice((1, 1, 1, 4)))]
        with self.doing("get_many" if len(ids) > 1 else "get", "TIMEOUT", "OBJECT_DELETED"):
            timeout = self.random.choice((0, 0, 0.01))
            for oid, data in zip(ids, self.store.conn.get_buffers(ids, timeout)):
                if data is not None:
                    self.verify(oid, data)
                    self.held.append((oid, data))
        while len(self.held) > HOLDS:
            self.release()

    def release(self) -> None:
        if self.held:
            with self.doing("release"):
                oid, data = self.held.pop(self.random.randrange(len(self.held)))
                self.verify(oid, data)

    def delete_shared(self) -> None:
        with self.doing("delete"):
            self.store.conn.delete([self.shared_id()])

    def put_own(self) -> None:
        with self.doing("put"):
            key, count = self.random.getrandbits(64), 2 + self.some_size() // 8
            if len(self.owned) >= OWNED:
                self.owned.pop(self.random.randrange(OWNED))
            array = array_of(key, 0, count)
            if self.random.randrange(2):
                reference = self.store.new_tensor_ref(pa.int64(), ["i"])
                reference.create((count,))[:] = array
                reference.seal()
            else:
                reference = self.store.put_new_tensor(array, dim_names=["i"])
            self.owned.append((reference, key))

    def put_table(self) -> None:
        with self.doing("put"):
            key, count = self.random.getrandbits(64), 2 + self.some_size() // 16
            if len(self.tables) >= 3:
                self.tables.pop(0)
            table = pa.table({"n": array_of(key, 0, count), "text": [f"{key:x}-{row}" for row in range(count)]})
            self.tables.append((self.store.put_new_table(table), key))

    def get_own(self) -> None:
        with self.doing("own_get"):
            if self.tables and self.random.randrange(3) == 0:
                reference, key = self.random.choice(self.tables)
                table = reference.get(timeout=0)
                self.verify_array(table["n"].to_numpy(), key, 0)
                if table["text"].to_pylist() != [f"{key:x}-{row}" for row in range(len(table))]:
                    self.wrong("a table's texts")
            elif self.owned:
                reference, key = self.random.choice(self.owned)
                self.verify_array(reference.get(timeout=0), key, 0)

    def pass_on(self) -> None:
        with self.doing("pass"):
            if self.owned:
                at = self.random.randrange(len(self.owned))
                reference, key = self.owned[at]
                self.owned[at] = dal.adopt(reference.export(), dal.TensorRef, store=self.store), key

    def look(self) -> None:
        with self.doing("look", "NOT_FOUND"):
            conn, dice = self.store.conn, self.random.randrange(5)
            if dice == 0:
                conn.stat()
            elif dice == 1:
                conn.object_exists(self.shared_id())
            elif dice == 2:
                list(conn.namespaces)
            elif dice == 3:
                dict(conn.namespace_procs)
            else:
                conn.client.list()

    def watch(self) -> None:
        with self.doing("events", "TIMEOUT"):
            self.store.conn.update_obj_table(timeout=0.001)

    def storm(self) -> None:
        operations = [self.put_shared] * 6 + [self.get_shared] * 8 + [self.release] * 2 + [self.delete_shared] * 3
        operations += [self.put_own] * 4 + [self.put_table] * 2 + [self.get_own] * 4
        operations += [self.pass_on, self.look, self.watch]
        self.run(lambda: self.random.choice(operations)())

    def run(self, operation: Callable[[], None]) -> None:
        while not self.told:
            self.open()
            operation()
            if self.random.randrange(20 if self.comes_and_goes else 500) == 0:
                self.close()
            self.nap()

    # ---- calls ---------------------------------------------------------------------------------------------------

    def process(self) -> None:
        processor: Any = None
        while not self.told:
            with self.doing("process", "TIMEOUT"):
                if processor is None:
                    processor = Functions(SCHEMAS, self.path)
                    processor.worker = self
                try:
                    processor.process(timeout=0.1)
                except dal.DalError as error:
                    if error.status != -4:
                        lost, processor = processor, None
                        lost.close()
                    raise
            if processor is None:
                time.sleep(0.005)
            elif self.comes_and_goes and self.random.randrange(30) == 0:
                with self.doing("close"):
                    lost, processor = processor, None
                    lost.close()
        if processor is not None:
            with self.doing("close"):
                processor.close()

    def found(self) -> bool:
        with self.doing("find", "NO_PROCESSOR", "TIMEOUT"):
            if self.caller is None:
                self.caller = dal.Caller(SCHEMAS, self.store, timeout=0.05)
                self.broadcaster = dal.Caller(SCHEMAS, self.store, broadcast=True, minimum_processors=0)
            elif self.caller.num_processors == 0 or self.random.randrange(20) == 0:
                self.caller.find_processors()
                self.broadcaster.find_processors()
            return bool(self.caller.num_processors and self.broadcaster)
        return False

    def ended(self, zs: Any, key: int, offset: int) -> None:
        # As in worker/caller.c: the driver watches that it ends.
        while not (self.wild and self.told):
            try:
                array = zs.get(timeout=self.random.random() * 0.4)
            except dal.TimeoutException:
                continue
            self.verify_array(array, key, offset)
            return

    def call(self) -> None:
        key, count, x = self.random.getrandbits(64), 2 + self.some_size() // 8, self.random.randrange(1000)
        with self.doing("call", "NO_PROCESSOR", "PROCESSOR_LOST"):
            self.ended(self.caller.add(x, array_of(key, 0, count))["zs"], key, x)

    def chain(self) -> None:
        key, offset = self.random.getrandbits(64), 0
        signed = key - (1 << 64) if key >> 63 else key
        with self.doing("chain", "NO_PROCESSOR", "PROCESSOR_LOST"):
            zs = self.caller.make(2 + self.some_size() // 8, signed)["zs"]
            for _ in range(self.random.randrange(1, CHAIN)):
                x = self.random.randrange(1000)
                zs = self.caller.add(x, zs)["zs"]
                offset += x
            self.ended(zs, key, offset)

    def rows(self) -> None:
        keys = [self.random.getrandbits(63) for _ in range(self.random.randrange(1, ROWS))]
        rows = [{"n": 2 + self.some_size() // 8, "key": key} for key in keys]
        broadcast = self.random.randrange(2) == 1
        with self.doing("broadcast" if broadcast else "batch", "NO_PROCESSOR", "PROCESSOR_LOST"):
            replies = self.broadcaster.make_batch(rows) if broadcast else [self.caller.make_batch(rows)]
            for outputs in replies:
                for row, key in zip(outputs, keys):
                    self.ended(row["zs"], key, 0)

    def cancel(self) -> None:
        with self.doing("cancel", "NO_PROCESSOR", "PROCESSOR_LOST"):
            outputs = [self.caller.slow(self.random.randrange(5, 25)) for _ in range(4)]
            self.nap()
            outputs.clear()

    def failing(self) -> None:
        x = self.random.randrange(1000000)
        with self.doing("failing_call", "NO_PROCESSOR", "PROCESSOR_LOST", "FUNCTION_FAILED"):
            zs = self.caller.fails(x)["zs"]
            while not (self.wild and self.told):
                try:
                    zs.get(timeout=0.1)
                    self.wrong("a call that fails gave a result")
                except dal.TimeoutException:
                    continue
                except dal.FunctionError as error:
                    if f"refused {x}" not in str(error) and not self.wild and "OUT_OF_MEMORY" not in self.allowed:
                        raise Failure(f"failing_call: expected 'refused {x}' in: {error}") from error
                    raise
                return

    def calls(self) -> None:
        operations = [self.call] * 4 + [self.chain] * 3 + [self.rows] * 3 + [self.cancel, self.failing]
        self.run(lambda: self.random.choice(operations)() if self.found() else time.sleep(0.005))


class Functions(dal.Processor):
    """The functions of worker/processor.c."""

    worker: Worker

    def add(self, x: int, ys: Any, zs: Any) -> None:
        array = ys.get()
        self.worker.verify_array(array)
        out = zs.create(array.shape)
        out[0] = array[0]
        out[1:] = array[1:] + x
        self.worker.verify_array(array)

    def make(self, n: int, key: int, zs: Any) -> None:
        zs.put(array_of(key & MASK, 0, n))

    def fails(self, x: int, zs: Any) -> None:
        raise ValueError(f"refused {x}")

    def slow(self, ms: int, zs: Any) -> None:
        time.sleep(ms / 1000)
        zs.put(np.array(ms))


NAMES = {-n: ffi.string(lib.sdp_dal_status_name(-n)).decode() for n in range(1, 32)}


def main() -> int:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    role, path, seed, tally = sys.argv[1:5]
    worker = Worker(path, int(seed), tally, dict(option.split("=", 1) for option in sys.argv[5:]))

    def end(*_: Any) -> None:
        worker.told = True

    signal.signal(signal.SIGTERM, end)
    worker.words[READY] = 1
    # Functions that fail on purpose.
    logging.disable(logging.CRITICAL)
    roles = {"storm": worker.storm, "caller": worker.calls, "processor": worker.process}
    try:
        roles[role]()
        if worker.store is not None:
            worker.close()
    except Told:
        pass
    except Failure as failure:
        print(f"FAILURE {failure}", file=sys.stderr, flush=True)
        os._exit(3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
