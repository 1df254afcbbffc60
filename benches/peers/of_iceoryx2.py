# SPDX-License-Identifier: BSD-3-Clause
"""iceoryx2 through its Python binding: a request of 800 bytes and its response, without types, arrays or errors. Both
sides poll without sleeping, as it offers. It runs as job.py says."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, Callable, Dict

import iceoryx2
from job import Job, main


class Numbers(ctypes.Structure):
    """What is sent, both ways."""

    _fields_ = (("data", ctypes.c_int64 * 100),)


def open_service(folder: str) -> Any:
    """What it makes lies in the job's folder, or begins with its name."""
    iceoryx2.set_log_level(iceoryx2.LogLevel.Fatal)
    config = iceoryx2.config.default()
    config.global_cfg.root_path = iceoryx2.Path.new(folder)
    config.global_cfg.prefix = iceoryx2.FileName.new(Path(folder).name + "_")
    node = iceoryx2.NodeBuilder.new().config(config).create(iceoryx2.ServiceType.Ipc)
    name = iceoryx2.ServiceName.new("sdp-dal-bench")
    return node, node.service_builder(name).request_response(Numbers, Numbers).open_or_create()


def answer(folder: str) -> None:
    node, service = open_service(folder)
    server, numbers = service.server_builder().create(), Numbers()
    while node:
        request = server.receive()
        if request is not None:
            request.loan_uninit().write_payload(numbers).send()
            del request


def calls(job: Job) -> None:
    folder = str(job.folder)
    _node, service = open_service(folder)
    job.start(answer, folder)
    client, numbers = service.client_builder().create(), Numbers()

    def turn() -> None:
        pending = client.loan_uninit().write_payload(numbers).send()
        while pending.receive() is None:
            pass

    while service.dynamic_config.number_of_servers == 0:
        pass
    job.measure("py_call.tensor", turn, turns=50)


JOBS: Dict[str, Callable[[Job], None]] = {"py_call": calls}

if __name__ == "__main__":
    main(JOBS)
