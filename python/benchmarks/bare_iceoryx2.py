# SPDX-License-Identifier: BSD-3-Clause
"""A mark: a bare request of 100 bytes and its response between two processes, through iceoryx2's Python binding. Both
sides poll without sleeping, as it offers; there are no types, no tensors, no errors.

    bare_iceoryx2.py server
    bare_iceoryx2.py client ROUNDS     prints a line of JSON
"""

import ctypes
import json
import signal
import statistics
import sys
import time

import iceoryx2


class Bytes(ctypes.Structure):
    """What is sent, both ways."""

    _fields_ = (("data", ctypes.c_uint8 * 100),)


def main():
    # So that what it has in /dev/shm goes, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    iceoryx2.set_log_level(iceoryx2.LogLevel.Fatal)
    node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
    service = (
        node.service_builder(iceoryx2.ServiceName.new("sdp-dal/benchmark"))
        .request_response(Bytes, Bytes)
        .open_or_create()
    )
    if sys.argv[1] == "server":
        server = service.server_builder().create()
        print("ready", flush=True)
        while True:
            request = server.receive()
            if request is not None:
                response = request.loan_uninit()
                response.write_payload(Bytes()).send()
                del request
    client = service.client_builder().create()
    answer = Bytes()

    def exchange():
        pending = client.loan_uninit().write_payload(answer).send()
        while pending.receive() is None:
            pass

    rounds = []
    for _ in range(int(sys.argv[2]) + 1):
        began = time.perf_counter()
        for _ in range(300):
            exchange()
        rounds.append((time.perf_counter() - began) / 300)
    print(json.dumps({"exchange": statistics.median(rounds[1:])}))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
