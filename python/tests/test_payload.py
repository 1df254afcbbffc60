# SPDX-License-Identifier: BSD-3-Clause
"""A receiver's pipeline: payloads of visibilities with their metadata, broadcast to four processors that know only some of
the parameters, keep the visibilities past the call, and write the tag when they are done with them. One is killed.

Functions and checksums are those of cpp_examples/receiver.cpp, whose payloads these processors take as well.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pyarrow as pa
import pytest
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal

SCHEMA_TEXT = """
import pyarrow as pa
import ska_sdp_dal as dal

def columns(**types):
    return pa.schema([pa.field(name, typ, nullable=False) for name, typ in types.items()])

READ_PAYLOAD = dal.make_call_schema("read_payload", [
    dal.make_table_input_par("scan", columns(number=pa.int64(), checksum=pa.uint64())),
    dal.make_table_input_par("antennas", columns(name=pa.utf8(), diameter=pa.float64())),
    dal.make_table_input_par("baselines", columns(antenna1=pa.int32(), antenna2=pa.int32())),
    dal.make_table_input_par("spectral_window", columns(frequency=pa.float64(), width=pa.float64())),
    dal.make_table_input_par("polarization", columns(name=pa.utf8())),
    dal.make_table_input_par("field", columns(
        name=pa.utf8(), right_ascension=pa.float64(), declination=pa.float64())),
    dal.make_tensor_input_par("time_index", pa.int64(), ["time"]),
    dal.make_tensor_input_par("times", pa.float64(), ["time"]),
    dal.make_tensor_input_par("intervals", pa.float64(), ["time"]),
    dal.make_tensor_input_par("exposures", pa.float64(), ["time"]),
    dal.make_tensor_input_par("uvw", pa.float64(), ["time", "baseline", "uvw=3"]),
    dal.make_tensor_input_par("vis", dal.complex64, ["time", "baseline", "channel", "pol"]),
    dal.make_tensor_output_par("tag", pa.int64(), []),
])
"""

#: Keeps payloads, and is done with each only when two more have come: then nothing may have changed.
PROCESSOR = (
    SCHEMA_TEXT
    + """
import logging, sys
import numpy as np
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

def checksum(vis):
    words = np.ascontiguousarray(vis).view(np.uint64).ravel()
    places = np.arange(words.size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return int((words ^ places).sum(dtype=np.uint64))

class Payloads(dal.Processor):
    def __init__(self, path):
        super().__init__([READ_PAYLOAD], path)
        self.kept = []
    def read_payload(self, scan, vis, uvw, tag, **_unused):
        self.kept.append((scan.get_dict(), vis.get(), uvw.get(), tag))
    def settle(self, most):
        while len(self.kept) > most:
            scan, vis, uvw, tag = self.kept.pop(0)
            assert uvw.shape == (*vis.shape[:2], 3) and not vis.flags.writeable
            if checksum(vis) != scan["checksum"][0]:
                print("WRONG", scan["number"][0], flush=True)
            # Before the tag: from then on it may be interrupted.
            print("payload", scan["number"][0], flush=True)
            tag.put(np.empty(0))

processor = Payloads(sys.argv[1])
while True:
    try:
        # After process() has returned: the call is not over yet.
        processor.settle(2 if processor.process(0.2) else 0)
    except KeyboardInterrupt:
        sys.exit(0)
"""
)


def metadata(store: dal.Store, antennas: int, channels: int) -> Dict[str, Any]:
    """What is the same for all payloads: it goes into the store once."""
    first, second = np.triu_indices(antennas)
    return {
        "antennas": store.put_new_table(
            {"name": [f"C{number}" for number in range(antennas)], "diameter": np.full(antennas, 15.0)}, of("antennas")
        ),
        "baselines": store.put_new_table(
            {"antenna1": first.astype(np.int32), "antenna2": second.astype(np.int32)}, of("baselines")
        ),
        "spectral_window": store.put_new_table(
            {"frequency": 350e6 + 5.4e3 * np.arange(channels), "width": np.full(channels, 5.4e3)}, of("spectral_window")
        ),
        "polarization": store.put_new_table({"name": ["XX", "XY", "YX", "YY"]}, of("polarization")),
        "field": store.put_new_table(
            {"name": ["zenith"], "right_ascension": [1.25], "declination": [-0.47]}, of("field")
        ),
    }


def names() -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    exec(SCHEMA_TEXT, found)
    return found


READ_PAYLOAD = names()["READ_PAYLOAD"]


def of(parameter: str) -> pa.Schema:
    return dal.par_table_schema(READ_PAYLOAD.field(parameter))


def payload(store: dal.Store, number: int, times: int, antennas: int, channels: int) -> Dict[str, Any]:
    """What was measured in a payload's time; the visibilities are written where they will be read."""
    baselines = antennas * (antennas + 1) // 2
    vis = store.new_tensor_ref(dal.complex64, ["time", "baseline", "channel", "pol"])
    into = vis.create((times, baselines, channels, 4))
    into.real = (np.arange(into.size) & 0xFFFF).reshape(into.shape)
    into.imag = number
    words = into.view(np.uint64).ravel()
    places = np.arange(words.size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    checksum = int((words ^ places).sum(dtype=np.uint64))
    vis.seal()
    index = number * times + np.arange(times)
    interval = store.put_new_tensor(np.full(times, 0.9), dim_names=["time"])
    return {
        "vis": vis,
        "uvw": 100 * np.sin(np.arange(times * baselines * 3.0) + number).reshape(times, baselines, 3),
        "time_index": index,
        "times": 0.9 * index,
        "intervals": interval,
        "exposures": interval,
        "scan": {"number": [number], "checksum": pa.array([checksum], pa.uint64())},
    }


def test_a_receivers_pipeline(path: str, start: Callable[..., Program]) -> None:
    programs = [start(PROCESSOR, path) for _ in range(4)]
    for program in programs:
        program.line("Payloads waiting for calls at prefix ")
    size = {"times": 4, "antennas": 16, "channels": 100}
    answered: Dict[int, int] = {}
    lost: List[int] = []
    with dal.Store(path, size=256 << 20) as store:
        same = metadata(store, size["antennas"], size["channels"])
        caller = dal.Caller([READ_PAYLOAD], store, broadcast=True, minimum_processors=4, timeout=WATCHDOG)
        waiting: deque = deque()

        def settle(most: int) -> None:
            while len(waiting) > most:
                number, replies = waiting.popleft()
                for reply in replies:
                    try:
                        assert reply["tag"].get(WATCHDOG).size == 0
                        answered[number] = answered.get(number, 0) + 1
                    except dal.ProcessorLost:
                        lost.append(number)

        for number in range(12):
            waiting.append((number, caller.read_payload(**same, **payload(store, number, **size))))
            if number == 5:
                programs[1].line("payload 2")
                programs[1].signal(signal.SIGKILL)
            settle(3)
        settle(0)
        assert caller.next_lost(WATCHDOG) is not None and caller.num_processors == 3
        assert set(answered.values()) <= {3, 4} and len(answered) == 12 and answered[11] == 3
        # Those that it had kept, that whose tag it was about to write, and perhaps those that were sent before anybody saw
        # it dead; not those whose tags it had written.
        assert lost and min(lost) >= 2
        caller.close()
        del same
        for program in (programs[0], *programs[2:]):
            assert program.interrupt() == 0
            assert [line for line in program.out if line.startswith(("payload", "WRONG"))] == [
                f"payload {number}" for number in range(12)
            ]
        assert {update[0] for update in store.conn.update_obj_table()} == {store.prefix + dal.NAMESPACE_DECL_SUFFIX}
        assert store.conn.stat()["clients"] == 1


def test_the_receiver_in_cpp(path: str, start: Callable[..., Program], tmp_path: Path) -> None:
    examples, library = Path(__file__).resolve().parent.parent.parent / "cpp_examples", Path(dal.get_library())
    program = str(tmp_path / "receiver")
    flags = ["-std=c++17", f"-I{dal.get_include()}", f"-I{examples}", f"-Wl,-rpath,{library.parent}", "-pthread"]
    compiler = os.environ.get("CXX", "c++")
    subprocess.run([compiler, str(examples / "receiver.cpp"), str(library), *flags, "-o", program], check=True)
    programs = [start(PROCESSOR, path, SDP_DAL_STORE_SIZE="100000000") for _ in range(2)]
    for processor in programs:
        processor.line("Payloads waiting for calls at prefix ")
    size = ["--payloads", "10", "--processors", "2", "--antennas", "8", "--channels", "100"]
    receiver = start("import os, sys; os.execv(sys.argv[1], sys.argv[1:])", program, path, *size)
    out = receiver.check()
    assert [f"0000000{number} acknowledged 10 of 10 payloads" for number in range(2)] == out[-2:]
    for processor in programs:
        assert processor.interrupt() == 0
        told = [line for line in processor.out if line.startswith(("payload", "WRONG"))]
        assert told == [f"payload {number}" for number in range(10)]


def test_wrong_payloads_are_refused(path: str, start: Callable[..., Program]) -> None:
    start(PROCESSOR, path).line("Payloads waiting for calls")
    with dal.Store(path, size=64 << 20) as store, dal.Caller([READ_PAYLOAD], store, timeout=WATCHDOG) as caller:
        same, sent = metadata(store, 4, 8), payload(store, 1, 2, 4, 8)
        for name, wrong in (
            ("uvw", np.zeros((2, 10))),
            ("uvw", np.zeros((2, 10, 3), complex)),
            ("vis", np.zeros((2, 10, 8, 4), "M8[s]")),
            ("scan", {"number": [1]}),
            ("antennas", same["baselines"]),
        ):
            with pytest.raises((ValueError, TypeError), match=name):
                caller.read_payload(**{**same, **sent, name: wrong})
        with pytest.raises(ValueError, match="field"):
            caller.read_payload(**{**same, **sent, "field": None})
        assert caller.read_payload(**same, **sent)["tag"].get(WATCHDOG).size == 0
        del sent, same
