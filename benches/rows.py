# SPDX-License-Identifier: BSD-3-Clause
"""The rows of the table, and the floor that each is compared with.

A row is named JOB.ROW, as the programs print it: one process runs one job and may measure several rows of it. Every party
that has a row of the same name measures the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

TIME, RATE, BANDWIDTH = "time", "rate", "bandwidth"
LARGE = 80_000_000


@dataclass(frozen=True)
class Row:
    """A line of the table. A floor is a party and a row; the row's first part alone means the best of that job."""

    name: str
    title: str
    floor: Optional[Tuple[str, str]] = None
    unit: str = TIME
    #: The party whose figure is "ours".
    party: str = "C"
    #: Processors that it needs.
    cpus: int = 1

    @property
    def job(self) -> str:
        return job_of(self.name)


def job_of(name: str) -> str:
    return name.split(".")[0]


#: The names of floors in a row.
FLOORS: Dict[str, str] = {
    "wake_two": "wake, 2 CPUs",
    "wake_one": "wake, 1 CPU",
    "ping_two": "ping, 2 CPUs",
    "ping_one": "ping, 1 CPU",
    "ping_two_silent": "ping after 3 ms",
    "ping_one_silent": "ping after 3 ms",
    "ping_beside_1": "ping, one computes",
    "ping_beside_2": "ping, two compute",
    "copy": "best copy",
    "fresh": "best fresh copy",
    "read": "random read",
    "map": "open and map",
}

MACHINE: List[Row] = [
    Row("wake_two.sleeper_runs", "wake: futex wake until the sleeper runs, 2 CPUs", cpus=2),
    Row("wake_one.sleeper_runs", "the same on 1 CPU"),
    Row("ping_two.awake", "ping: two processes wake each other, 2 CPUs", cpus=2),
    Row("ping_one.awake", "the same on 1 CPU"),
    Row("ping_two_silent.after_3_ms", "ping after 3 ms of silence, 2 CPUs", cpus=2),
    Row("ping_one_silent.after_3_ms", "the same on 1 CPU"),
    Row("ping_beside_1.awake", "ping while another process computes"),
    Row("ping_beside_2.awake", "ping while two others compute"),
    Row("copy.libc", "copy of 80 MB into shared memory, memcpy()", unit=BANDWIDTH),
    Row("copy.rep_movsb", "the same, rep movsb", unit=BANDWIDTH),
    Row("copy.past_the_cache", "the same, bypassing the cache", unit=BANDWIDTH),
    Row("copy.pages_side_by_side", "the same, four pages interleaved", unit=BANDWIDTH),
    Row("fresh.huge_pages", "copy of 80 MB into new memory, huge pages", unit=BANDWIDTH),
    Row("fresh.plain_pages", "the same, plain pages", unit=BANDWIDTH),
    Row("read.random", "one dependent random read in 256 MB"),
    Row("map.file", "open, map, touch, unmap and close a file"),
]


def _probe(name: str) -> Tuple[str, str]:
    return "probe", name


def _machine(name: str) -> Tuple[str, str]:
    return "machine", name


OURS: List[Tuple[str, List[Row]]] = [
    (
        "objects of 100 bytes",
        [
            Row("small.create_seal", "create, write and seal", _probe("small.create_seal")),
            Row("small.get", "get", _probe("small.get")),
            Row("small.get_again", "get again while held", _probe("small.get")),
            Row("small.contains", "contains", _probe("small.contains")),
            Row("small.release", "release", _probe("small.release")),
            Row("small.delete", "delete", _probe("small.delete")),
        ],
    ),
    (
        "create, write, seal and delete 100 bytes, total of all clients",
        [
            Row("lives_1.cycle", "1 client", _probe("lives_1.cycle"), RATE),
            Row("lives_2.cycle", "2 clients", _probe("lives_2.cycle"), RATE, cpus=2),
            Row("lives_4.cycle", "4 clients", _probe("lives_4.cycle"), RATE),
            Row("lives_2_threads.cycle", "2 threads", _probe("lives_2_threads.cycle"), RATE, cpus=2),
            Row("lives_4_threads.cycle", "4 threads", _probe("lives_4_threads.cycle"), RATE),
            Row("lives_beside_1.cycle", "1 client while another computes", _probe("lives_1.cycle"), RATE),
            Row("lives_beside_2.cycle", "1 client while two others compute", _probe("lives_1.cycle"), RATE),
        ],
    ),
    (
        "get and release own objects, total of all clients",
        [
            Row("gets_1.get_release", "1 client", _probe("gets_1.get_release"), RATE),
            Row("gets_2.get_release", "2 clients", _probe("gets_2.get_release"), RATE, cpus=2),
            Row("gets_2_threads.get_release", "2 threads", _probe("gets_2_threads.get_release"), RATE, cpus=2),
        ],
    ),
    (
        "waiting for an object",
        [
            Row("seal_two.reader_has_it", "seal until a sleeping get ends, 2 CPUs", _machine("wake_two"), cpus=2),
            Row("seal_one.reader_has_it", "the same on 1 CPU", _machine("wake_one")),
        ],
    ),
    (
        "calls, round trip",
        [
            Row("call_two.awake", "empty call, 2 CPUs", _probe("call_two.awake"), cpus=2),
            Row("call_one.awake", "empty call, 1 CPU", _machine("ping_one")),
            Row("call_two_silent.after_3_ms", "the same after 3 ms, 2 CPUs", _machine("ping_two_silent"), cpus=2),
            Row("call_one_silent.after_3_ms", "the same after 3 ms, 1 CPU", _machine("ping_one_silent")),
            Row("call_beside_1.awake", "empty call while another computes", _machine("ping_beside_1")),
            Row("call_beside_2.awake", "empty call while two others compute", _machine("ping_beside_2")),
            Row("tensor.in_the_store", "100 int64 in (in the store) and out", _probe("call_two.awake"), cpus=2),
            Row("tensor.put_for_the_call", "100 int64 in (put first) and out", _probe("call_two.awake"), cpus=2),
            Row("batch.empty", "a row of a batch of 1000, empty", _probe("call_two.awake"), cpus=2),
            Row("batch.with_tensors", "the same with 100 int64 in and out", _probe("call_two.awake"), cpus=2),
        ],
    ),
    (
        "80 MB",
        [
            Row("put_warm.into_used_memory", "put into used memory", _machine("copy"), BANDWIDTH),
            Row("put_cold.first_of_a_store", "put into a new store", _machine("fresh"), BANDWIDTH),
            Row("stream_unread.payload", "stream, copied in", _probe("stream_unread.payload"), BANDWIDTH, cpus=2),
            Row("stream_read.payload", "stream, copied in, all read", _probe("stream_read.payload"), BANDWIDTH, cpus=2),
            Row("place_awake.reader_has_it", "handed over in place", _probe("place_awake.reader_has_it"), cpus=2),
            Row(
                "place_asleep.reader_has_it",
                "the same to a sleeping reader",
                _probe("place_asleep.reader_has_it"),
                cpus=2,
            ),
        ],
    ),
    (
        "many objects",
        [
            Row("list.all", "list 100 000"),
            Row("list.namespace", "list 1000 of a namespace among 100 000"),
            Row("list.one_prefix", "the same of a prefix without a declaration"),
            Row("among_3.get_release", "get and release among 2^10, at random", _machine("read")),
            Row("among_5.get_release", "the same among 2^17", _machine("read")),
            Row("among_6.get_release", "the same among 2^20", _machine("read")),
            Row("attach.open", "open an existing store", _machine("map")),
            Row("attach.close", "close it", _machine("map")),
        ],
    ),
    (
        "tables of 16 columns",
        [
            Row("table.put_80_MB", "put 80 MB", _machine("copy"), BANDWIDTH),
            Row("table.get_80_MB", "get and release 80 MB"),
            Row("table.get_80_kB", "get and release 80 kB"),
        ],
    ),
    (
        "the C++ wrapper, compared with C",
        [
            Row("cpp_small.create_seal", "create, write and seal", ("C", "small.create_seal"), party="C++"),
            Row("cpp_small.get", "get", ("C", "small.get"), party="C++"),
            Row("cpp_small.release", "release", ("C", "small.release"), party="C++"),
            Row("cpp_small.delete", "delete", ("C", "small.delete"), party="C++"),
            Row(
                "cpp_call.in_the_store", "call, 100 int64 in and out", ("C", "tensor.in_the_store"), party="C++", cpus=2
            ),
        ],
    ),
    (
        "Python",
        [
            Row("py_call.tensor", "call, 100 int64 in and out", _probe("call_two.awake"), party="Python"),
            Row("py_number.number", "call, a number in, an empty array out", _probe("call_two.awake"), party="Python"),
            Row("py_batch.row", "a row of a batch of 100 such calls", ("C", "batch.with_tensors"), party="Python"),
            Row("py_small.put_get_delete", "put, get and delete 100 int64", _probe("lives_1.cycle"), party="Python"),
            Row("py_stream.unread", "stream 80 MB, copied in", _machine("copy"), BANDWIDTH, "Python"),
            Row("py_stream.read", "the same, all of it summed up", _machine("copy"), BANDWIDTH, "Python"),
            Row(
                "py_place.handed_over",
                "hand over 80 MB, written in place",
                _machine("ping_two"),
                party="Python",
                cpus=2,
            ),
        ],
    ),
]


def all_rows() -> List[Row]:
    return MACHINE + [row for _, rows in OURS for row in rows]
