# SPDX-License-Identifier: BSD-3-Clause
"""A processor in Fortran, compiled with the module that the package brings, called from Python."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "fortran_examples"
EXECUTE = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
AVERAGE = (
    "average_channels(vis: complex64[row,chan], weight: float32[row,chan], count: int32) -> "
    "(vis_out: complex64[row,chan_out], weight_out: float32[row,chan_out])"
)


@pytest.fixture(scope="module")
def averaging(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the compiled example."""
    folder = tmp_path_factory.mktemp("fortran")
    library = Path(dal.get_library())
    command = [os.environ.get("FC", "gfortran"), "-std=f2008", "-Wall", "-Wextra", "-Werror", f"-J{folder}"]
    command += [str(Path(dal.get_include()) / "sdp_dal.f90")]
    command += [str(EXAMPLES / f"{name}.f90") for name in ("stopping", "averaging_processor")]
    command += [str(library), f"-Wl,-rpath,{library.parent}", "-o", str(folder / "averaging_processor")]
    subprocess.run(command, check=True)
    return str(folder / "averaging_processor")


def expected(vis: Any, weight: Any, count: int) -> Any:
    rows = len(vis)
    total = weight.reshape(rows, -1, count).sum(axis=2)
    return (vis * weight).reshape(rows, -1, count).sum(axis=2) / total, total


def test_a_processor_in_fortran_averages_arrays_of_numpy(
    path: str, start: Callable[..., Program], averaging: str
) -> None:
    processor = start(EXECUTE, averaging, path)
    random = np.random.default_rng(1)
    vis = (random.normal(size=(20, 12)) + 1j * random.normal(size=(20, 12))).astype(np.complex64)
    weight = random.uniform(1, 2, size=(20, 12)).astype(np.float32)
    schemas = [dal.parse_call_schema(AVERAGE)]
    with dal.Store(path) as store, dal.Caller(schemas, store, timeout=WATCHDOG) as caller:
        for v, w in [
            (vis, weight),
            (np.asfortranarray(vis), np.asfortranarray(weight)),
            (vis, np.asfortranarray(weight)),
            (np.asfortranarray(vis), weight),
            (vis[::2, ::-1], weight[::2, ::-1]),
        ]:
            results = caller.average_channels(v, w, 4)
            want_vis, want_weight = expected(v, w, 4)
            made = results["vis_out"].get(WATCHDOG)
            np.testing.assert_allclose(made, want_vis, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(results["weight_out"].get(WATCHDOG), want_weight, rtol=1e-5)
            # The output has the order of the input: nothing was turned.
            assert made.flags.f_contiguous == (v.flags.f_contiguous and not v.flags.c_contiguous)
        with pytest.raises(dal.FunctionError, match="count must be a positive divisor of the number of channels"):
            caller.average_channels(vis, weight, 5)["vis_out"].get(WATCHDOG)
    assert processor.interrupt() == 0
