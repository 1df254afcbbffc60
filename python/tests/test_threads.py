"""Thread pools are told how many threads a function may use: that of NumPy, which Python keeps for itself."""

from __future__ import annotations

import ctypes
import re
import time
from pathlib import Path
from typing import Any, Callable, List, Optional

import numpy as np
import pytest

import ska_sdp_dal as dal

ADD = dal.parse_call_schema("add(x: int64, ys: float64[i]) -> (zs: float64[i])")
NAMES = ["scipy_openblas_get_num_threads64_", "scipy_openblas_get_num_threads", "openblas_get_num_threads64_"]


def openblas() -> Optional[Callable[[], int]]:
    """How many threads NumPy's OpenBLAS uses."""
    np.dot(np.ones((2, 2)), np.ones((2, 2)))
    for path in set(re.findall(r"/\S*openblas\S*\.so\S*", Path("/proc/self/maps").read_text())):
        library = ctypes.CDLL(path)
        for name in [*NAMES, "openblas_get_num_threads"]:
            if hasattr(library, name):
                return getattr(library, name)  # type: ignore[no-any-return]
    return None


def test_a_function_finds_the_pools_told(path: str) -> None:
    asks = openblas()
    if asks is None:
        pytest.skip("this NumPy does not use OpenBLAS")
    heard: List[Any] = []

    class Adder(dal.Processor):
        def add(self, x: int, ys: Any, zs: Any) -> None:
            heard.append((self.call.thread_budget, asks()))
            zs.put(ys.get())

    def run(threads: Optional[int]) -> List[Any]:
        with Adder([ADD], path, threads=threads) as processor, dal.Store(path) as store:
            with dal.Caller([ADD], store) as caller:
                outputs = caller.add(x=1, ys=np.ones(3))
                processor.process(60)
                outputs["zs"].wait(60)
        return list(heard.pop())

    # Never more than the program had set, which other tests of this process may have had changed. What a thread has told the
    # pools holds for a millisecond.
    budget, most = run(1000)
    assert budget == 1000 and 1 <= most < 1000
    for threads, told in ((1, 1), (1000, most)):
        time.sleep(0.002)
        assert run(threads) == [threads, told]
