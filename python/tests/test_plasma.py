# SPDX-License-Identifier: BSD-3-Clause
"""What programs used of Plasma itself: its client, and plasma_store."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
import time
from typing import Any, Callable

import numpy as np
import pyarrow as pa
import pytest
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal
from ska_sdp_dal import plasma


@pytest.fixture
def client(path: str) -> Any:
    made = plasma.connect(path, create=True)
    yield made
    made.disconnect()


def oid(number: int) -> plasma.ObjectID:
    # In a namespace that nobody reserves: who does deletes what is in it.
    return plasma.ObjectID(b"\xee" * 4 + number.to_bytes(16, "big"))


def test_an_object_is_created_sealed_got_and_deleted(client: plasma.PlasmaClient) -> None:
    memory = client.create(oid(1), 1000, metadata=b"what it is")
    np.frombuffer(memory, np.uint8)[:] = np.arange(1000, dtype=np.uint8)
    assert not client.contains(oid(1))
    client.seal(oid(1))
    assert client.contains(oid(1))
    (found,) = client.get_buffers([oid(1)])
    assert found.size == 1000 and bytes(found[:3]) == b"\0\1\2" and not found.is_mutable
    assert client.get_buffers([oid(1), oid(2)], 0, with_meta=True) == [(b"what it is", found), (None, None)]
    assert bytes(client.get_metadata([oid(1)])[0]) == b"what it is"
    with pytest.raises(plasma.PlasmaObjectExists):
        client.create(oid(1), 1)
    with pytest.raises(plasma.PlasmaObjectNotFound):
        client.seal(oid(2))
    listed = client.list()[oid(1)]
    assert (listed["data_size"], listed["metadata_size"], listed["state"]) == (1000, 10, "sealed")
    # Somebody holds it: it goes when he lets go.
    client.delete([oid(1), oid(3)])
    assert client.contains(oid(1)) and bytes(found[:3]) == b"\0\1\2"
    del found, memory
    assert not client.contains(oid(1))


def test_what_is_given_up_is_gone(client: plasma.PlasmaClient) -> None:
    client.create(oid(1), 10)
    assert client.list()[oid(1)]["state"] == "created"
    client.abort(oid(1))
    assert oid(1) not in client.list()
    empty = client.create(oid(1), 0)
    client.seal(oid(1))
    assert empty.size == 0 and client.get_buffers([oid(1)])[0].size == 0


def test_values_lie_in_the_store(client: plasma.PlasmaClient) -> None:
    value = {"array": np.arange(1000.0).reshape(10, 100), "text": "é", "list": [1, None, (2, 3)]}
    made = client.put(value)
    found = client.get(made)
    assert (
        np.array_equal(found["array"], value["array"]) and found["text"] == "é" and found["list"] == [1, None, (2, 3)]
    )
    assert not found["array"].flags.writeable and found["array"].ctypes.data % 64 == 0
    assert np.shares_memory(found["array"], client.get(made)["array"]), "both lie in the store"
    several = client.get([made, oid(7)], timeout_ms=0)
    assert several[0]["text"] == "é" and several[1] is plasma.ObjectNotAvailable
    assert client.get(client.put(5)) == 5 and client.get(client.put(np.array(3.5))) == 3.5
    assert client.put(1, oid(9)) == oid(9)
    raw = client.put_raw_buffer(b"bytes", metadata=b"m")
    assert bytes(client.get(raw)) == b"bytes" and bytes(client.get_metadata([raw])[0]) == b"m"
    client.create_and_seal(oid(10), b"bytes", b"m")
    assert client.hash(oid(10)) == client.hash(raw) != client.hash(made) and len(client.hash(raw)) == 8
    del found, several


def test_a_client_of_a_connection(path: str) -> None:
    with dal.Store(path) as store:
        client = store.conn.client
        assert client is store.conn.client and client.store_socket_name == path
        ref = store.put_new_tensor(np.arange(3))
        (data,) = client.get_buffers([ref.oid])
        assert pa.ipc.read_tensor(data).to_numpy().tolist() == [0, 1, 2]
        client.subscribe()
        # What is there first: the declaration of the store's namespace, and the tensor.
        told = [client.get_next_notification()[0] for _ in range(2)]
        assert told == [store.prefix + dal.NAMESPACE_DECL_SUFFIX, ref.oid]
        late = threading.Timer(0.1, lambda: client.put_raw_buffer(b"12345", oid(5), b"678"))
        late.start()
        assert client.get_next_notification() == (oid(5), 5, 3)
        late.join()
        client.delete([oid(5)])
        assert client.get_next_notification() == (oid(5), -1, -1)
        assert client.store_capacity() == store.conn.stat()["size"] and "objects" in client.debug_string()
        client.set_client_options("the receiver")
        del ref, data


PLASMA_STORE = "import sys; from ska_sdp_dal.plasma_store import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("how", ["module", "script"])
def test_plasma_store(path: str, start: Callable[..., Program], how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDP_DAL_FULL_TIMEOUT", "0.1")
    script = os.path.join(os.path.dirname(sys.executable), "plasma_store")
    source = (
        f"import os, sys; os.execv({script!r}, ['plasma_store', *sys.argv[1:]])" if how == "script" else PLASMA_STORE
    )
    server = start(source, "-s", path, "-m", "20000000")
    assert server.line("Allowing") == "Allowing the Plasma store to use up to 20MB of memory."
    server.line("Ready")
    client = plasma.connect(path)
    assert client.store_capacity() == 20000000
    # What nobody uses goes when there is no room: the one unused for longest first.
    for number in range(3):
        client.create_and_seal(oid(number), bytes((10_000_000, 8_000_000, 9_000_000)[number]))
    assert [client.contains(oid(number)) for number in range(3)] == [False, True, True]
    held = client.get_buffers([oid(1)])
    assert client.evict(10**9) == 9_000_000
    assert [client.contains(oid(number)) for number in range(3)] == [False, True, False]
    # What is held does not.
    with pytest.raises(plasma.PlasmaStoreFull):
        client.create(oid(4), 14_000_000)
    del held
    # Clients that are killed leave nothing behind, though nobody waits.
    other = start(
        """
        import os, signal, sys, numpy as np, ska_sdp_dal as dal
        store = dal.Store(sys.argv[1]); ref = store.put_new_tensor(np.zeros(1000000)); print("there", flush=True)
        signal.pause()
        """,
        path,
    )
    other.line("there")
    other.signal(signal.SIGKILL)
    other.wait()
    deadline = time.monotonic() + WATCHDOG
    while client._conn.stat()["clients"] > 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client._conn.stat()["clients"] == 2
    server.signal(signal.SIGTERM)
    assert server.wait() == 0 and server.out[-1].startswith("Ended by SIGTERM")
    assert client.contains(oid(1)), "the store goes with its last client"
    client.disconnect()
    assert not os.path.lexists(path)


def test_plasma_store_says_what_is_wrong(path: str, start: Callable[..., Program], tmp_path: Any) -> None:
    assert start(PLASMA_STORE, "-s", path).wait() == 2
    for wrong_size in ("much", "inf", "nan", "0", "-1", "1e30"):
        refused = start(PLASMA_STORE, "-s", path, f"-m{wrong_size}")
        assert refused.wait() == 2 and not any("Traceback" in line for line in refused.err), refused.err
    wrong = start(PLASMA_STORE, "-s", "/no/such/folder/store", "-m", "1e6")
    assert wrong.wait() == 1 and "plasma_store: " in wrong.err[-1] and "/no/such/folder" in wrong.err[-1]


def test_plasma_store_keeps_only_what_was_asked_for(path: str, start: Callable[..., Program]) -> None:
    # A client that was quicker has made the store, of another size and without eviction.
    for memory, named in (("1e6", "1000000 bytes, with eviction"), (str(32 << 20), "33554432 bytes, with eviction")):
        with dal.Connection(path, size=32 << 20) as conn:
            server = start(PLASMA_STORE, "-s", path, "-m", memory)
            assert server.wait() == 1 and server.out == []
            assert "33554432 bytes, without eviction" in server.err[-1] and named in server.err[-1], server.err
            assert conn.stat()["size"] == 32 << 20 and conn.stat()["clients"] == 1
    # The same once more adopts it: as after a restart.
    first = start(PLASMA_STORE, "-s", path, "-m", "1e6", "-z")
    client = plasma.connect(path, 600)
    second = start(PLASMA_STORE, "-s", path, "-m", "1e6")
    second.line("Ready")
    for server in (first, second):
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert first.out == [] and client.store_capacity() == 1000000
    client.disconnect()


def test_connecting_waits_for_the_store(path: str, start: Callable[..., Program]) -> None:
    server = start(PLASMA_STORE, "-s", path, "-m", "100000000")
    writer = plasma.connect(path, num_retries=600)
    writer.put_raw_buffer(b"hello", oid(1))
    del writer
    gc.collect()
    reader = plasma.connect(path)
    (found,) = reader.get_buffers([oid(1)], timeout_ms=0)
    assert bytes(found) == b"hello" and reader.store_capacity() == 100000000
    del found
    reader.disconnect()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0 and not os.path.lexists(path)


def test_without_a_store_connecting_fails(path: str) -> None:
    with pytest.raises(OSError, match="no store at") as raised:
        plasma.connect(path, num_retries=1)
    assert isinstance(raised.value, ConnectionError) and isinstance(raised.value, dal.StoreNotFound)
    assert isinstance(raised.value, dal.NotFound) and raised.value.status == -2
    with pytest.raises(OSError, match="/no/such/folder"):
        plasma.connect("/no/such/folder/store", num_retries=1)
    assert not os.path.lexists(path), "none was made"
    with pytest.raises(dal.DalError, match="no_such"):
        plasma.connect("/dev/shm/no_such/store", create=True)
    made = plasma.connect(path, create=True)
    assert plasma.connect(path, 0).store_capacity() == made.store_capacity()
    made.disconnect()


def test_plasmas_exceptions_are_arrows(client: plasma.PlasmaClient) -> None:
    client.create_and_seal(oid(1), b"1")
    with pytest.raises(pa.lib.ArrowException) as exists:
        client.create(oid(1), 1)
    with pytest.raises(pa.lib.ArrowException) as missing:
        client.seal(oid(2))
    with pytest.raises(pa.lib.ArrowException) as full:
        client.create(oid(3), client.store_capacity() + 1)
    kinds = [plasma.PlasmaObjectExists, plasma.PlasmaObjectNotFound, plasma.PlasmaStoreFull]
    assert [type(raised.value) for raised in (exists, missing, full)] == kinds
    for kind in kinds:
        assert issubclass(kind, dal.DalError) and pickle.loads(pickle.dumps(kind("why", -1))).args == ("why",)


def test_start_plasma_store() -> None:
    with plasma.start_plasma_store(10_000_000) as (socket, process):
        client = plasma.connect(socket)
        assert client.store_capacity() == 10_000_000 and process.poll() is None
        assert client.get(client.put([1, 2])) == [1, 2]
        client.disconnect()
    assert process.returncode == 0 and not os.path.lexists(socket)
