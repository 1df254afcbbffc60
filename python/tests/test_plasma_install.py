# SPDX-License-Identifier: BSD-3-Clause
"""Programs that import pyarrow.plasma: install() in one process, a .pth file for all, and what pyarrow has no longer."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any, Callable

import numpy
import pytest
from conftest import Program

import ska_sdp_dal as dal
from ska_sdp_dal import plasma

#: What a program does that was written for Plasma.
PLASMAS_PROGRAM = """
import sys
import numpy as np
import pyarrow as pa
import pyarrow.plasma as plasma
from pyarrow import plasma as again
from pyarrow._plasma import ObjectID, ObjectNotAvailable, PlasmaObjectExists, make_object_id
assert plasma is again is pa.plasma and pa._plasma.PlasmaClient is plasma.PlasmaClient
if sys.argv[1] == "put":
    client = plasma.connect(sys.argv[2])
    oid = client.put(np.arange(10), ObjectID(b"x" * 20))
    try:
        client.create(oid, 1)
    except PlasmaObjectExists:
        print("exists")
else:
    print(plasma.__name__)
"""


def test_install_is_for_this_process(path: str, start: Callable[..., Program]) -> None:
    before = start("import pyarrow.plasma")
    assert before.wait() == 1 and "No module named 'pyarrow.plasma'" in before.err[-1]
    installs = "from ska_sdp_dal.plasma import install; install(); install()\n"
    with plasma.start_plasma_store(1_000_000) as (socket, _):
        assert start(installs + PLASMAS_PROGRAM, "put", socket).check() == ["exists"]
        client = plasma.connect(socket)
        assert client.get(plasma.ObjectID(b"x" * 20)).tolist() == list(range(10))
        client.disconnect()
    # Forked processes have it, too; nothing else has changed.
    forked = start(
        installs
        + """
import multiprocessing
def child():
    import pyarrow.plasma
    print(pyarrow.plasma.__spec__.name)
process = multiprocessing.get_context("fork").Process(target=child)
process.start(); process.join()
import pyarrow
try:
    pyarrow.no_such
except AttributeError as problem:
    print(problem)
        """
    )
    assert forked.check() == ["ska_sdp_dal.plasma", "module 'pyarrow' has no attribute 'no_such'"]


def test_ids_that_plasma_pickled(start: Callable[..., Program]) -> None:
    # As pyarrow 11 pickled them.
    pickled = b"\x80\x04cpyarrow._plasma\nmake_object_id\nC\x14" + b"i" * 20 + b"\x85R."
    source = f"""
        from ska_sdp_dal import plasma
        plasma.install()
        import pickle
        print(pickle.loads({pickled!r}) == plasma.ObjectID(b"i" * 20))
        """
    assert start(source).check() == ["True"]
    assert pickle.loads(pickle.dumps(plasma.make_object_id(b"i" * 20))) == plasma.ObjectID(b"i" * 20)


def test_what_pyarrow_has_no_longer_says_what_to_use(start: Callable[..., Program]) -> None:
    source = """
        from ska_sdp_dal import plasma
        plasma.install()
        import pyarrow as pa
        assert not hasattr(pa, "serialize") and not hasattr(pa.lib, "SerializationContext")
        for module, name in [(pa, "serialize"), (pa, "deserialize"), (pa.lib, "SerializationContext"),
                             (pa, "default_serialization_context"), (pa.lib, "no_such")]:
            try:
                getattr(module, name)
            except AttributeError as problem:
                print(problem)
        """
    said = start(source).check()
    assert len(said) == 5 and all("removed from pyarrow in version 14" in line for line in said[:4])
    assert said[0].startswith("pyarrow.serialize was") and "pickle.dumps" in said[0] and "pickle.loads" in said[1]
    assert said[2].startswith("pyarrow.lib.SerializationContext") and "__reduce__" in said[2] and "copyreg" in said[3]
    assert said[4] == "module 'pyarrow.lib' has no attribute 'no_such'"


def test_what_is_not_there_says_what_to_use(path: str) -> None:
    client = plasma.connect(path, create=True)
    for no_operator in (plasma.build_plasma_tensorflow_op, plasma.load_plasma_tensorflow_op):
        with pytest.raises(dal.Unsupported, match="convert_to_tensor"):
            no_operator()
    for name in ("TF_PLASMA_OP_PATH", "tf_plasma_op"):
        with pytest.raises(AttributeError, match=f"{name}: there is no TensorFlow operator"):
            getattr(plasma, name)
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        plasma.no_such  # noqa: B018
    with pytest.raises(dal.Unsupported, match=r"sdp_dal\.h"):
        client.to_capsule()
    for use in (
        lambda: client.put(1, serialization_context=object()),
        lambda: client.get(plasma.ObjectID(b"x" * 20), 0, serialization_context=object()),
    ):
        with pytest.raises(dal.Unsupported, match=r"serialization_context.*__reduce__"):
            use()
    assert client.list() == {}
    client.disconnect()


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the Python of a fresh virtual environment, which sees this package and what it needs."""
    venv.create(tmp_path / "venv", with_pip=False)
    modules = (dal, numpy, sys.modules["pyarrow"])
    # This package's first: another one may be installed beside numpy.
    folders = list(dict.fromkeys(str(Path(module.__file__).resolve().parents[1]) for module in modules))
    user = str(tmp_path / "user")

    def run(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "PYTHONUSERBASE": user, **changed}
        python = str(tmp_path / "venv" / "bin" / "python")
        return subprocess.run([python, *arguments], capture_output=True, text=True, env=environ, check=False)

    return run


def test_installing_is_for_all_programs_until_it_is_removed(environment: Any, tmp_path: Path) -> None:
    program = ["-c", PLASMAS_PROGRAM, "name"]
    assert "No module named 'pyarrow.plasma'" in environment(*program).stderr
    installed = environment("-m", "ska_sdp_dal.plasma", "install")
    assert installed.returncode == 0 and installed.stderr == "", installed
    (pth,) = (tmp_path / "venv").rglob("ska_sdp_dal_plasma.pth")
    hook = pth.with_name("_ska_sdp_dal_plasma.py")
    assert installed.stdout.splitlines()[:2] == [f"Wrote {hook}", f"Wrote {pth}"]
    assert "every program that" in installed.stdout and "install --remove" in installed.stdout
    ran = environment(*program)
    assert ran.stdout == "ska_sdp_dal.plasma\n" and ran.stderr == ""
    # Also of its child processes; and programs that do not need it do not pay for it.
    spawn = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', 'import pyarrow._plasma']))"
    assert environment("-c", spawn).returncode == 0
    light = environment("-c", "import sys; print(any(n in sys.modules for n in ('pyarrow', 'ska_sdp_dal', 'typing')))")
    assert light.stdout == "False\n", light
    # Where the package is not, it is as if nothing were installed.
    (tmp_path / "bare" / "pyarrow").mkdir(parents=True)
    bare = environment("-c", "import pyarrow.plasma", PYTHONPATH=str(tmp_path / "bare"))
    assert "No module named 'pyarrow.plasma'" in bare.stderr, bare
    # What pyarrow has itself is left alone.
    (tmp_path / "bare" / "pyarrow" / "plasma.py").write_text("print('pyarrow 11')")
    assert environment("-c", "import pyarrow.plasma", PYTHONPATH=str(tmp_path / "bare")).stdout == "pyarrow 11\n"
    removed = environment("-m", "ska_sdp_dal.plasma", "install", "--remove")
    assert removed.returncode == 0 and removed.stdout.splitlines() == [f"Removed {pth}", f"Removed {hook}"], removed
    assert "No module named 'pyarrow.plasma'" in environment(*program).stderr
    again = environment("-m", "ska_sdp_dal.plasma", "install", "--remove")
    assert again.returncode == 0 and again.stdout.startswith(
        "Nothing to remove: there is no ska_sdp_dal_plasma.pth in "
    )


def test_installing_says_why_it_cannot(environment: Any, tmp_path: Path) -> None:
    refused = environment("-m", "ska_sdp_dal.plasma", "install", "--user")
    assert refused.returncode == 1 and "Fix: leave --user out" in refused.stderr, "a virtual environment has no such"
    assert environment("-m", "ska_sdp_dal.plasma").returncode == 2
    (folder,) = (tmp_path / "venv").rglob("site-packages")
    folder.rename(folder.with_name("away"))
    folder.write_text("not a folder")
    failed = environment("-m", "ska_sdp_dal.plasma", "install")
    assert failed.returncode == 1 and "Cannot write" in failed.stderr and "Fix:" in failed.stderr, failed


def test_installing_for_the_user(environment: Any, tmp_path: Path) -> None:
    (config,) = (tmp_path / "venv").glob("pyvenv.cfg")
    config.write_text(
        config.read_text().replace("include-system-site-packages = false", "include-system-site-packages = true")
    )
    installed = environment("-m", "ska_sdp_dal.plasma", "install", "--user")
    assert installed.returncode == 0, installed
    (pth,) = tmp_path.rglob("ska_sdp_dal_plasma.pth")
    assert pth.is_relative_to(tmp_path / "user") and f"Wrote {pth}" in installed.stdout
    assert environment("-c", PLASMAS_PROGRAM, "name").stdout == "ska_sdp_dal.plasma\n"
    blind = environment("-m", "ska_sdp_dal.plasma", "install", PYTHONNOUSERSITE="1")
    assert blind.returncode == 0, "the environment's is read nevertheless"
    removed = environment("-m", "ska_sdp_dal.plasma", "install", "--remove")
    assert removed.returncode == 0 and removed.stdout.count("Removed") == 4, removed
    assert "No module named 'pyarrow.plasma'" in environment("-c", PLASMAS_PROGRAM, "name").stderr
