# SPDX-License-Identifier: BSD-3-Clause
"""Arrow Flight over a socket of the machine: an action with 100 numbers and its result; a stream of 80 MB, of which each
payload is answered. It runs as job.py says."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator

import numpy as np
import pyarrow as pa
from job import Job, main, wait_for
from pyarrow import flight

#: Says that a payload was taken.
TAG = pa.record_batch({"tag": np.zeros(0)})


class Server(flight.FlightServerBase):  # type: ignore[misc]
    """Answers actions, and takes payloads."""

    def do_action(self, context: Any, action: Any) -> Iterator[Any]:
        numbers = np.frombuffer(action.body, np.int64)
        yield flight.Result(pa.py_buffer(1 + numbers))

    def do_exchange(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        reads_all = descriptor.command == b"read"
        writer.begin(TAG.schema)
        for chunk in reader:
            payload = chunk.data.column(0).to_numpy()
            payload.sum() if reads_all else payload[0]
            writer.write_batch(TAG)


def serve(address: str) -> None:
    Server(address).serve()


def connect(job: Job) -> Any:
    path = job.folder / "socket"
    job.start(serve, f"grpc+unix://{path}")
    wait_for(path)
    client = flight.FlightClient(f"grpc+unix://{path}")
    client.wait_for_available(10)
    return client


def calls(job: Job) -> None:
    client, numbers = connect(job), np.arange(100)

    def turn() -> None:
        (result,) = client.do_action(flight.Action("add", pa.py_buffer(numbers)))
        np.frombuffer(result.body, np.int64)

    job.measure("py_call.tensor", turn, turns=20)


def streams(job: Job) -> None:
    client = connect(job)
    batch = pa.record_batch({"payload": np.full(job.large // 8, 0.5)})
    for row in ("unread", "read"):
        writer, reader = client.do_exchange(flight.FlightDescriptor.for_command(row))
        writer.begin(batch.schema)

        def turn(writer: Any = writer, reader: Any = reader) -> None:
            for number in range(8):
                writer.write_batch(batch)
                if number:
                    reader.read_chunk()
            reader.read_chunk()

        job.measure(f"py_stream.{row}", turn, operations=8)
        writer.done_writing()


JOBS: Dict[str, Callable[[Job], None]] = {"py_call": calls, "py_stream": streams}

if __name__ == "__main__":
    main(JOBS)
