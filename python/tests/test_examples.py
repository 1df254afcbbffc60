# SPDX-License-Identifier: BSD-3-Clause
"""The demo programs, as processes, with the command lines of the documentation and its output."""

from __future__ import annotations

import importlib.util
import re
import signal
from pathlib import Path
from typing import Any, Callable

import numpy as np
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def test_streaming(path: str, start: Callable[..., Program]) -> None:
    processor = start(EXAMPLES / "stream_processor.py", path)
    processor.line("StreamProcessor waiting for calls at prefix 00000000")
    processor.line("0.0 GB/s")
    streamer = start(EXAMPLES / "streamer.py", path, "--count", "30", "--size", "4")
    assert streamer.check() == [
        "Store using prefix 00000001 for objects",
        "Found processor StreamProcessor at prefix 00000000",
        "Paylod size 4.0 MB",
    ]
    # The bar: all of it, and the rate.
    assert any(re.search(r"100%.*120M/120M.*[0-9]+(\.[0-9]+)?[MG]B/s", line) for line in streamer.err), streamer.err
    again = start(EXAMPLES / "streamer.py", path, "--count", "30", "--size", "8", "--in-place", "--in-flight", "4")
    assert again.check()[-1] == "Paylod size 8.0 MB"
    # Within a second of what came.
    while float(processor.line("GB/s").split()[0]) == 0:
        pass
    assert processor.interrupt() == 0 and processor.err == []


def test_the_streamer_goes_on_until_ctrl_c(path: str, start: Callable[..., Program]) -> None:
    processor = start(EXAMPLES / "stream_processor.py", path)
    processor.line("waiting for calls")
    streamer = start(EXAMPLES / "streamer.py", path, "--size", "1")
    streamer.line("Paylod size 1.0 MB")
    while float(processor.line("GB/s").split()[0]) == 0:
        pass
    assert streamer.interrupt() == 0 and not any("Traceback" in line for line in streamer.err)
    processor.signal(signal.SIGTERM)
    processor.wait()


def test_receiving_in_an_event_loop(path: str, start: Callable[..., Program]) -> None:
    processors = [start(EXAMPLES / "stream_processor.py", path) for _ in range(2)]
    receiver = start(EXAMPLES / "async_receiver.py", path, "--processors", "2", "--count", "50", "--timeout", "60")
    assert receiver.check()[-1] == "50 payloads to 2 processors"
    # One that dies takes nothing with it but its own part.
    receiver = start(EXAMPLES / "async_receiver.py", path, "--processors", "2", "--count", "1000000")
    while float(processors[0].line("GB/s").split()[0]) == 0:
        pass
    processors[1].process.kill()
    receiver.line("crashed or was closed")
    while float(processors[0].line("GB/s").split()[0]) == 0:
        pass
    receiver.signal(signal.SIGTERM)
    assert receiver.wait() == 0, receiver.err
    assert processors[0].interrupt() == 0 and processors[0].err == []


def test_without_a_processor(path: str, start: Callable[..., Program]) -> None:
    streamer = start(EXAMPLES / "streamer.py", path, "--timeout", "0.1")
    assert streamer.wait() == 1
    assert "streamer.py: " in streamer.err[-1] and "processor" in streamer.err[-1], streamer.err
    assert start(EXAMPLES / "streamer.py", "--help").check()[0].startswith("usage: streamer.py")


def test_the_gridder(path: str, start: Callable[..., Program]) -> None:
    processor = start(EXAMPLES / "ng_processor.py", path)
    processor.line("NiftyProcessor waiting for calls at prefix 00000000")
    demo = start(EXAMPLES / "demo_wstack.py", path)
    out = demo.check()
    assert out[:2] == [
        "Store using prefix 00000001 for objects",
        "Found processor NiftyProcessor at prefix 00000000",
    ]
    errors = numbers(out, "L2 error between explicit transform and gridder: ")
    assert len(errors) == 2 and all(0 < error < 1e-12 for error in errors)
    assert out.count("Testing adjointness of the gridding/degridding operation") == 2
    adjointness = numbers(out, "adjointness test: ")
    assert len(adjointness) == 2 and all(error < 1e-12 for error in adjointness)
    assert processor.interrupt() == 0 and processor.err == []


def test_the_gridder_in_both_precisions(path: str, start: Callable[..., Program]) -> None:
    start(EXAMPLES / "ng_processor.py", path).line("NiftyProcessor waiting for calls")
    spec: Any = importlib.util.spec_from_file_location("gridding", EXAMPLES / "gridding.py")
    gridding = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gridding)
    random = np.random.default_rng(7)
    uvw, freq = random.uniform(-500, 500, (100, 3)), np.linspace(1e9, 1.1e9, 4)
    vis = random.normal(size=(100, 4)) + 1j * random.normal(size=(100, 4))
    how: Any = dict(pixsize_x=1e-4, pixsize_y=1e-4, epsilon=1e-5, do_wstacking=True, nthreads=1, verbosity=0)
    with dal.Store(path) as store, dal.Caller(gridding.NIFTY_FORMS, store) as gridder:
        many: Any = gridder
        assert "of ms2dirty() in 2 forms, dirty2ms() in 2 forms in" in repr(gridder)
        images, back = [], []
        for ms in (vis, vis.astype("complex64")):
            dirty = many.ms2dirty(uvw, freq, ms, npix_x=32, npix_y=32, **how)["dirty"]
            # The image is yet to come when it is passed on.
            again = many.dirty2ms(uvw, freq, dirty, **how)["ms"]
            images.append(dirty.get(WATCHDOG))
            back.append(again.get(WATCHDOG))
        assert [image.dtype for image in images] == [np.float64, np.float32]
        assert [ms.dtype for ms in back] == [np.complex128, np.complex64]
        for double, single in (images, back):
            assert 0 < np.linalg.norm(double - single) < 1e-4 * np.linalg.norm(double)


def numbers(lines: Any, begin: str) -> Any:
    return [float(line[len(begin) :]) for line in lines if line.startswith(begin)]
