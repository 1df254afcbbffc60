# SPDX-License-Identifier: BSD-3-Clause
"""Plasma's notifications: complete, in order, from the queue or a socket, however late a program reads them."""

from __future__ import annotations

import gc
import os
import select
import struct
import threading
import time
from typing import Any, Callable, Iterator, List, Tuple

import pytest
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal
from ska_sdp_dal import plasma


@pytest.fixture
def client(path: str) -> Iterator[plasma.PlasmaClient]:
    made = plasma.connect(path, create=True)
    yield made
    made.disconnect()


def threads() -> List[threading.Thread]:
    """Those of the notifications that run."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("plasma-")]


def oid(number: int) -> plasma.ObjectID:
    # In a namespace that no store reserves: reserving one deletes what is in it.
    return plasma.ObjectID(b"\xee" * 4 + number.to_bytes(16, "big"))


#: Events that the store's log holds, and more than that.
HELD, MANY = 4096, 10_000


def test_ten_thousand_events_come_in_order(client: plasma.PlasmaClient) -> None:
    client.subscribe()
    # Sealed in another order than that of the IDs.
    numbers = [number * 7919 % MANY for number in range(MANY)]
    for number in numbers:
        client.create_and_seal(oid(number), bytes(number % 100), bytes(number % 7))
    assert [client.get_next_notification() for _ in numbers] == [
        (oid(number), number % 100, number % 7) for number in numbers
    ]
    # Deletions, too; and what came and went in between. No more at once than the log holds: on a busy machine the
    # thread that reads it may not run meanwhile.
    numbers.sort()
    for begin in range(0, MANY, HELD // 4):
        some = numbers[begin : begin + HELD // 4]
        for number in some:
            client.delete([oid(number)])
            client.put_raw_buffer(b"1", oid(MANY + number))
            client.delete([oid(MANY + number)])
        for number in some:
            assert client.get_next_notification() == (oid(number), -1, -1)
            assert client.get_next_notification() == (oid(MANY + number), 1, 0)
            assert client.get_next_notification() == (oid(MANY + number), -1, -1)


def test_what_is_there_is_reported_first(client: plasma.PlasmaClient) -> None:
    for number in (3, 1, 2, 4):
        client.create_and_seal(oid(number), b"12", b"3")
    unsealed = client.create(oid(5), 6)
    client.delete([oid(1)])
    # In the order of sealing, not of creating.
    kept = [client.create(oid(number), 5000) for number in (6, 7)]
    client.seal(oid(7))
    client.seal(oid(6))
    client.subscribe()
    client.subscribe()
    assert [client.get_next_notification() for _ in range(3)] == [(oid(number), 2, 1) for number in (3, 2, 4)]
    assert [client.get_next_notification() for _ in range(2)] == [(oid(7), 5000, 0), (oid(6), 5000, 0)]
    client.seal(oid(5))
    assert client.get_next_notification() == (oid(5), 6, 0)
    client.delete([oid(2)])
    assert client.get_next_notification() == (oid(2), -1, -1)
    del unsealed, kept


def test_what_the_log_lost_is_listed_in_the_order_of_sealing(path: str) -> None:
    with dal.Connection(path) as conn:
        client = conn.client
        kept = client.put_raw_buffer(b"kept", oid(MANY))
        gone = client.put_raw_buffer(b"gone", oid(MANY + 1))
        assert [update[0] for update in conn.update_obj_table()] == [kept, gone]
        client.delete([gone])
        numbers = [number * 7919 % MANY for number in range(MANY)]
        for number in numbers:
            client.put_raw_buffer(b"1", oid(number))
        assert conn.update_obj_table() == [(gone, -1, -1), *((oid(number), 1, 0) for number in numbers)]


def message(sock: Any) -> bytes:
    # As Plasma's users read it.
    (length,) = struct.unpack("L", sock.recv(8))
    return bytes(sock.recv(length))


def test_a_socket_tells_the_notifications(client: plasma.PlasmaClient) -> None:
    with pytest.raises(dal.InvalidArgument, match="subscribe"):
        client.get_notification_socket()
    client.create_and_seal(oid(0), b"before")
    client.subscribe()
    with client.get_notification_socket() as sock, client.get_notification_socket() as again:
        assert client.decode_notifications(message(sock)) == ([oid(0)], [6], [0])
        assert not select.select([sock], [], [], 0)[0]
        # More than a socket holds while its reader does something else.
        for number in range(1, MANY):
            client.create_and_seal(oid(number), b"12", b"3")
        assert select.select([sock], [], [], WATCHDOG)[0]
        for number in range(1, MANY):
            assert client.decode_notifications(message(sock)) == ([oid(number)], [2], [1])
        client.delete([oid(1)])
        assert client.get_next_notification() == (oid(1), -1, -1)
        sock.setblocking(False)
        late = threading.Timer(0.1, lambda: client.put_raw_buffer(b"1", oid(MANY)))
        late.start()
        assert client.get_next_notification() == (oid(MANY), 1, 0)
        late.join()
        client.put_raw_buffer(b"12", oid(MANY + 1))
        assert select.select([again], [], [], WATCHDOG)[0]
        client.disconnect()
        again.setblocking(True)
        assert client.decode_notifications(message(again))[0] == [oid(MANY + 1)]
        assert again.recv(8) == b"", "the end"
        with pytest.raises(dal.InvalidArgument, match="disconnected"):
            client.get_next_notification()
    with pytest.raises(dal.InvalidArgument, match="36 bytes, not 35"):
        client.decode_notifications(bytes(35))
    assert client.decode_notifications(bytearray(b"")) == ([], [], [])


def test_a_socket_that_is_not_read_does_not_keep_a_client(client: plasma.PlasmaClient) -> None:
    client.subscribe()
    sock = client.get_notification_socket()
    for number in range(MANY):
        client.create_and_seal(oid(number), b"")
    assert select.select([sock], [], [], WATCHDOG)[0]
    client.disconnect()
    sock.close()
    deadline = time.monotonic() + WATCHDOG
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not threads()


def test_notifications_end_with_their_client(path: str) -> None:
    for how in ("disconnect", "close", "drop"):
        conn = dal.Connection(path)
        client = conn.client
        client.subscribe()
        assert len(threads()) == 1
        if how == "drop":
            del client, conn
            deadline = time.monotonic() + WATCHDOG
            while os.path.lexists(path) and time.monotonic() < deadline:
                gc.collect()
                time.sleep(0.01)
            assert not threads()
        else:
            client.disconnect() if how == "disconnect" else conn.close()
            assert not threads()
            with pytest.raises(dal.InvalidArgument, match="disconnected"):
                client.get_next_notification()
            del client, conn
        assert not os.path.lexists(path), how


def test_a_waiting_program_wakes_when_its_client_is_disconnected(client: plasma.PlasmaClient) -> None:
    client.subscribe()
    late = threading.Timer(0.1, client.disconnect)
    late.start()
    with pytest.raises(dal.InvalidArgument, match="disconnected"):
        client.get_next_notification()
    late.join()


def test_a_forked_child_is_told_to_subscribe_itself(client: plasma.PlasmaClient) -> None:
    client.subscribe()
    child = os.fork()
    if child == 0:
        told: List[str] = []
        for ask in (client.get_next_notification, client.get_notification_socket):
            try:
                ask()
            except dal.Forked as problem:
                told.append(str(problem))
        client.disconnect()
        os._exit(0 if len(told) == 2 and all("in the child" in text for text in told) else 1)
    assert os.waitpid(child, 0)[1] == 0
    client.create_and_seal(oid(1), b"")
    assert client.get_next_notification() == (oid(1), 0, 0)


WAITS = """
import sys
from ska_sdp_dal import plasma
client = plasma.connect(sys.argv[1])
client.subscribe()
sock = client.get_notification_socket() if sys.argv[2] == "socket" else None
print("waiting", flush=True)
try:
    client.get_next_notification()
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("how", ["queue", "socket"])
def test_ctrl_c_ends_the_wait_and_the_program(
    path: str, client: plasma.PlasmaClient, start: Callable[..., Program], how: str
) -> None:
    program = start(WAITS, path, how)
    program.line("waiting")
    time.sleep(0.2)
    assert program.interrupt() == 0 and program.out[-1] == "interrupted" and program.err == []


def test_another_process_hears_what_this_one_does(
    path: str, client: plasma.PlasmaClient, start: Callable[..., Program]
) -> None:
    program = start(
        """
        import sys
        from ska_sdp_dal import plasma
        client = plasma.connect(sys.argv[1])
        client.subscribe()
        print("subscribed", flush=True)
        sys.stdin.readline()
        for number in range(int(sys.argv[2])):
            for expected in ((number % 10, 1), (-1, -1)):
                oid, data, metadata = client.get_next_notification()
                assert (int.from_bytes(oid[4:], "big"), (data, metadata)) == (number, expected), (number, oid)
        """,
        path,
        str(MANY),
        stdin=True,
    )
    program.line("subscribed")
    for number in range(MANY):
        client.create_and_seal(oid(number), bytes(number % 10), b"m")
        client.delete([oid(number)])
    program.say("read")
    program.check()


def test_evicting_counts_metadata_and_is_told() -> None:
    with plasma.start_plasma_store(10_000_000) as (socket, _):
        client = plasma.connect(socket)
        client.subscribe()
        for number in range(3):
            client.create_and_seal(oid(number), bytes(540), bytes(766))
        assert client.evict(1) == 540 + 766
        assert client.evict(2000) == 2 * (540 + 766)
        told: List[Tuple[Any, int, int]] = [client.get_next_notification() for _ in range(6)]
        assert told == [(oid(n), 540, 766) for n in range(3)] + [(oid(n), -1, -1) for n in range(3)]
        client.disconnect()
