# SPDX-License-Identifier: BSD-3-Clause
"""The README's programs, and the examples in the documentation of the modules."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import ska_sdp_dal as dal

FOLDER = Path(__file__).resolve().parent
README = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
MODULES = [found.name for found in pkgutil.iter_modules(dal.__path__) if found.name not in ("_ffi", "__main__")]


def test_the_readmes_programs(path: str, start: Callable[..., Any]) -> None:
    processor, caller, awaiting, serving = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    served = start(processor, path)
    # As the text says, the caller waits for its processor: which may not be there yet.
    begin = processor.split("if __name__")[0]
    called = start(begin + caller, path)
    assert " ".join(called.check()).split() == str(1 + np.arange(100)).split()
    expected = ["[[0, 1, 2], [1, 2, 3], [2, 3, 4]]", "[11 12 13]"]
    assert start(begin + awaiting, path).check() == expected
    served.interrupt()
    patient = start(begin + serving, path)
    assert start(begin + awaiting, path).check() == expected
    patient.signal(signal.SIGTERM)
    assert patient.wait() == 0 and patient.err == []


def test_the_programs_of_the_projects_readme(path: str, tmp_path: Path, start: Callable[..., Any]) -> None:
    readme = (FOLDER.parent.parent / "README.md").read_text(encoding="utf-8").replace("/dev/shm/quick", path)
    named = re.findall(r"^```(?:python|cpp)\n((?:#|//) ([a-z.]+): .*?)^```", readme, re.DOTALL | re.MULTILINE)
    programs = {name: text for text, name in named}
    assert list(programs) == ["processor.py", "caller.py", "scale.cpp"]
    in_python, in_cpp = re.findall(r"^```console\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    first, printed = in_python.splitlines()
    assert first == "$ python caller.py"

    processor = start(programs["processor.py"])
    assert start(programs["caller.py"]).check() == [printed]
    processor.interrupt()

    compiling, starting, *rest = in_cpp.splitlines()
    assert (starting, rest) == ("$ ./scale &", [first, printed])
    (tmp_path / "scale.cpp").write_text(programs["scale.cpp"], encoding="utf-8")
    command = compiling[2:].replace("python ", f"{sys.executable} ")
    subprocess.run(["bash", "-euc", command], cwd=tmp_path, check=True)
    with subprocess.Popen([tmp_path / "scale"]) as processor_in_cpp:
        try:
            assert start(programs["caller.py"]).check() == [printed]
        finally:
            # It has no handler of signals, so that its store is left.
            processor_in_cpp.kill()


def test_flags_for_compilers() -> None:
    def says(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "ska_sdp_dal", *options], capture_output=True, text=True)

    assert says("--cflags").stdout == f"-I{dal.get_include()}\n"
    library, runtime_path = says("--libs").stdout.split()
    assert Path(library).samefile(dal.get_library()) and runtime_path == f"-Wl,-rpath,{Path(library).parent}"
    assert says("--version").stdout.strip() == dal.__version__
    nothing = says()
    assert nothing.returncode == 2 and "say --cflags, --libs or both" in nothing.stderr


def test_what_the_readme_names_is_there() -> None:
    names = re.findall(r"`(?:dal\.|ska_sdp_dal\.)([A-Za-z_.]+)", README)
    assert len(names) >= 3
    for name in names:
        found: Any = dal
        for part in name.split("."):
            found = getattr(found, part, None) or importlib.import_module(f"{found.__name__}.{part}")
    for name in ("FunctionError", "ProcessorLost"):
        assert name in README and hasattr(dal, name)


def test_the_oldest_packages_are_those_that_are_tested() -> None:
    (line,) = re.findall(r"^dependencies = \[(.*)\]$", (FOLDER.parent / "pyproject.toml").read_text(), re.MULTILINE)
    promised = [f"{name}=={version}.*" for name, version in re.findall(r'"([a-z]+)>=([0-9.]+)', line)]
    tested = (FOLDER / "oldest.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in tested if line.endswith(".*")] == promised
    assert "(14 and later)" in README and "(1.26 or 2)" in README and ">=1.26,<3" in line


@pytest.mark.parametrize("module", ["", *MODULES])
def test_the_modules_examples(module: str) -> None:
    found = importlib.import_module(f"ska_sdp_dal.{module}".rstrip("."))
    assert doctest.testmod(found).failed == 0
