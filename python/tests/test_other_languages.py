# SPDX-License-Identifier: BSD-3-Clause
"""C programs, compiled with the headers and the library that the package brings, and Python's call each other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from conftest import SCHEMAS, WATCHDOG, Program

import ska_sdp_dal as dal

C_EXAMPLES = Path(__file__).resolve().parent.parent.parent / "c_examples"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Compiles an example; its path."""
    folder = tmp_path_factory.mktemp("c")

    def compiled(name: str) -> str:
        library = Path(dal.get_library())
        command = [os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{dal.get_include()}"]
        command += [
            str(C_EXAMPLES / f"{name}.c"),
            str(library),
            f"-Wl,-rpath,{library.parent}",
            "-o",
            str(folder / name),
        ]
        subprocess.run(command, check=True)
        return str(folder / name)

    return compiled


EXECUTE = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
SIMPLE = SCHEMAS.replace('"add"', '"simple_fn"')


def test_python_calls_c(path: str, start: Callable[..., Program], compiled: Callable[[str], str]) -> None:
    processor = start(EXECUTE, compiled("simple_processor"), path)
    names: Any = {}
    exec(SIMPLE, names)
    with dal.Store(path) as store, dal.Caller(names["SCHEMAS"][:1], store, timeout=WATCHDOG) as caller:
        zs = caller.simple_fn(5, np.arange(10))["zs"]
        assert zs.get(WATCHDOG).tolist() == list(range(5, 15))
        again = caller.simple_fn_batch([dict(x=x, ys=zs) for x in range(3)])
        assert [row["zs"].get(WATCHDOG)[0] for row in again] == [5, 6, 7]
        del zs, again
    processor.interrupt()


def test_c_calls_python(path: str, start: Callable[..., Program], compiled: Callable[[str], str]) -> None:
    processor = start(
        SIMPLE
        + """
class Simple(dal.Processor):
    def simple_fn(self, x, ys, zs):
        np.add(x, ys.get(), out=zs.create(ys.get().shape))
processor = Simple(SCHEMAS[:1], sys.argv[1])
while True:
    try:
        processor.process()
    except KeyboardInterrupt:
        sys.exit(0)
""",
        path,
    )
    processor.line("waiting for calls")
    caller = start(EXECUTE, compiled("simple_caller"), path)
    assert len(caller.check()) > 0
    assert processor.interrupt() == 0 and processor.err == ["Simple waiting for calls at prefix 00000000"]


def test_the_library_of_the_environment_is_loaded(start: Callable[..., Program], tmp_path: Path) -> None:
    other = tmp_path / "libother.so"
    other.write_bytes(Path(dal.get_library()).read_bytes())
    text = """
    import sys, ska_sdp_dal as dal
    print(dal.get_library(), dal.__version__, dal.library_version())
    print(any(sys.argv[1] in line for line in open("/proc/self/maps")))
    """
    assert start(text, str(other), SDP_DAL_LIBRARY=str(other)).check() == [
        f"{other} {dal.__version__} {dal.__version__}",
        "True",
    ]
    wrong = start("import ska_sdp_dal", SDP_DAL_LIBRARY="/no/such/library.so")
    assert wrong.wait() == 1 and "ImportError: cannot load the library /no/such/library.so" in wrong.err[-1]
    assert "SDP_DAL_LIBRARY" in wrong.err[-1]
