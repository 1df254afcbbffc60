# SPDX-License-Identifier: BSD-3-Clause
"""The peers: other libraries that pass data between processes, from package registries. Their programs are in peers/."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from build import HERE, Builder, NotHere, Party, in_python, native

#: pyarrow 11, the last with Plasma, has wheels for these.
OF_PLASMA = ("3.11", "3.10", "3.9")


@dataclass(frozen=True)
class Peer:
    """A peer that is installed by its packages' names, in an environment of its own, and has one program."""

    name: str
    about: str
    #: What the table calls it.
    title: str
    program: str
    packages: Tuple[str, ...] = ()
    words: Tuple[str, ...] = ()
    default: bool = True
    #: Of the package whose version is told; Python's if there is none.
    package: str = ""

    def python(self, builder: Builder) -> str:
        return builder.environment(self.name, self.packages) if self.packages else sys.executable

    def install(self, builder: Builder) -> Dict[str, str]:
        """Its name and version."""
        code = "import platform; print('Python', platform.python_version())"
        if self.package:
            code = f"import importlib.metadata as m; print('{self.package}', m.version('{self.package}'))"
        return {self.title: builder.run(self.python(builder), "-c", code).strip()}

    def parties(self, builder: Builder, folder: Path) -> List[Party]:
        return [in_python(builder, f"{self.title} (Python)", self.python(builder), self.program, *self.words)]


class Crate(Peer):
    """A program in Rust, which stands on the crate `package`."""

    def install(self, builder: Builder) -> Dict[str, str]:
        builder.crate(self.program)
        lock = (HERE / "peers" / self.program / "Cargo.lock").read_text()
        (version,) = re.findall(f'^name = "{self.package}"\nversion = "(.*)"', lock, re.MULTILINE)
        return {self.title: f"{self.package} {version}"}

    def parties(self, builder: Builder, folder: Path) -> List[Party]:
        return [native(builder, self.title, [builder.crate(self.program)])]


class Plasma(Peer):
    """In Python, and by the C++ client that its wheels have."""

    def python(self, builder: Builder) -> str:
        return builder.environment(self.name, self.packages, base=older_python())

    def parties(self, builder: Builder, folder: Path) -> List[Party]:
        found = super().parties(builder, folder)
        server = Path(self.python(builder)).parent / "plasma_store"
        party = native(builder, self.title, [folder / "plasma"])
        party.environment["PLASMA_STORE"] = str(server)
        return [party, *found]


def older_python() -> Tuple[str, str]:
    """One that has wheels of Plasma, and its version."""
    for version in OF_PLASMA:
        for python in (sys.executable, shutil.which(f"python{version}") or ""):
            code = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
            done = subprocess.run([python, "-c", code], capture_output=True, text=True) if python else None
            if done and done.returncode == 0 and done.stdout.strip() == version:
                return python, version
    raise NotHere("pyarrow 11 needs Python 3.9, 3.10 or 3.11, of which none is here")


def plasmas_package(builder: Builder) -> Path:
    """Where the headers and libraries of Plasma are."""
    code = "import os, pyarrow; print(os.path.dirname(pyarrow.__file__))"
    return Path(builder.run(PEERS[0].python(builder), "-c", code).strip())


PEERS: List[Peer] = [
    Plasma(
        "plasma", "Apache Plasma, of pyarrow 11, in Python and C++", "Plasma", "dal_program.py",
        ("pyarrow==11.*", "numpy<2"), ("plasma_dal",), package="pyarrow",
    ),
    Peer(
        "iceoryx2", "iceoryx2's requests and responses", "iceoryx2", "of_iceoryx2.py", ("iceoryx2",), package="iceoryx2"
    ),
    Crate(
        "iceoryx2-rust", "the same in Rust (compiles it, a minute)", "iceoryx2 (Rust)", "iceoryx2_rust", package="iceoryx2"
    ),
    Peer("zmq", "ZeroMQ over a local socket", "ZeroMQ", "of_zmq.py", ("pyzmq", "numpy"), package="pyzmq"),
    Peer(
        "flight", "Arrow Flight, of the newest pyarrow", "Arrow Flight", "of_flight.py", ("pyarrow", "numpy"),
        package="pyarrow",
    ),
    Peer("pipe", "Python's own pipes", "pipe", "of_pipe.py", ("numpy",)),
    Peer("multiprocessing", "Python's own shared memory", "multiprocessing", "of_multiprocessing.py", ("numpy",)),
    Peer(
        "ray", "Ray's objects and actors (70 MB; not by default)", "Ray", "of_ray.py", ("ray", "numpy"), package="ray",
        default=False,
    ),
    Peer(
        "vineyard", "vineyard's objects (not by default)", "vineyard", "of_vineyard.py", ("vineyard", "numpy"),
        package="vineyard", default=False,
    ),
]  # fmt: skip
