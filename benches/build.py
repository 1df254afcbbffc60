# SPDX-License-Identifier: BSD-3-Clause
"""Builds what is measured, in the target folder: this library as users have it, the programs, environments for Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


class NotHere(Exception):
    """Something cannot be had on this machine; the text says why."""


@dataclass
class Party:
    """Who is measured: for each job the command that runs it."""

    name: str
    commands: Dict[str, List[str]]
    environment: Dict[str, str] = field(default_factory=dict)


class Builder:
    """All that is built; what the tools say goes to a log."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = target / "bench"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "build.log"
        self.log.write_text("")

    def run(self, *command: object, environment: Dict[str, str] = {}) -> str:
        """What it prints to its standard output."""
        words = [str(word) for word in command]
        try:
            done = subprocess.run(
                words,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        except OSError as error:
            raise NotHere(f"{words[0]}: {error.strerror}") from error
        with open(self.log, "a") as log:
            log.write(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}")
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["nothing"]
            errors = [line for line in said if "error" in line.lower()]
            raise NotHere(f"{Path(words[0]).name} said: {(errors or said)[-1].strip()} (more in {self.log})")
        return done.stdout

    # ---- this library --------------------------------------------------------------------------------------------

    def install(self) -> None:
        """As users install it: CMake builds the release library with cargo."""
        build = self.folder / "library"
        self.run("cmake", "-S", ROOT, "-B", build, f"-DCARGO_TARGET_DIR={self.target}", "-DCMAKE_INSTALL_LIBDIR=lib")
        self.run("cmake", "--build", build)
        self.run("cmake", "--install", build, "--prefix", self.prefix)

    @property
    def prefix(self) -> Path:
        return self.folder / "prefix"

    def programs(self, pyarrow: Optional[Path] = None) -> Path:
        """The programs in C and C++; with Plasma's if that is there. Gives their folder."""
        build = self.folder / "programs"
        self.run(
            "cmake", "-S", HERE, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DPYARROW_DIR={pyarrow or ''}"
        )
        self.run("cmake", "--build", build, "--parallel", os.cpu_count() or 1)
        return build

    def crate(self, name: str) -> Path:
        """A program of peers/ in Rust, with what its lock file names. Gives its path."""
        manifest, target = HERE / "peers" / name / "Cargo.toml", self.folder / "peers"
        self.run("cargo", "build", "--release", "--locked", "--manifest-path", manifest, "--target-dir", target)
        return target / "release" / f"of_{name}"

    def wheel(self) -> str:
        """A Python with this package."""
        pins = ROOT / "python" / "tests" / "current.txt"
        wheels = self.folder / "wheel"
        shutil.rmtree(wheels, ignore_errors=True)
        # What builds the wheel is fetched by pip, as for a user, but the versions are those that the tests have.
        environment = {"CARGO_TARGET_DIR": str(self.target)}
        if sys.version_info >= (3, 11):
            environment["PIP_CONSTRAINT"] = str(pins)
        python = self.environment("bench", ["cffi", "numpy", "pyarrow"], environment)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        self.run(*pip, "wheel", "--no-deps", "--wheel-dir", wheels, "./python", environment=environment)
        (wheel,) = wheels.glob("*.whl")
        self.run(*pip, "install", "--force-reinstall", "--no-deps", wheel)
        return python

    # ---- environments --------------------------------------------------------------------------------------------

    def environment(
        self, name: str, packages: Sequence[str], variables: Dict[str, str] = {}, base: Tuple[str, str] = ("", "")
    ) -> str:
        """The Python of an environment of its own; it is kept, and made again when other packages are asked for."""
        version = base[1] or "{}.{}".format(*sys.version_info)
        folder = self.target / "python" / f"{version}-{name}"
        python, made = folder / "bin" / "python", folder / "made-for"
        wish = "\n".join(packages)
        if made.exists() and made.read_text() == wish:
            return str(python)
        self.run(base[0] or sys.executable, "-m", "venv", "--clear", folder)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        # Nothing is compiled here: what has no wheel is left out.
        self.run(*pip, "--only-binary", ":all:", *packages, environment=variables)
        made.write_text(wish)
        return str(python)


def jobs_of(builder: Builder, command: Sequence[object], environment: Dict[str, str] = {}) -> Dict[str, List[str]]:
    """A program lists its jobs when it is asked for none."""
    words = [str(word) for word in command]
    return dict.fromkeys(builder.run(*words, environment=environment).split(), words)


def native(builder: Builder, name: str, programs: Sequence[Path]) -> Party:
    commands: Dict[str, List[str]] = {}
    for program in programs:
        commands.update(jobs_of(builder, [program]))
    return Party(name, commands)


def ours(builder: Builder, folder: Path, python: str) -> List[Party]:
    """The floors, and this library in its languages."""
    return [
        native(builder, "machine", [folder / "floors"]),
        native(builder, "probe", [folder / "probe"]),
        native(builder, "C", [folder / name for name in ("objects", "calls", "large", "tables")]),
        native(builder, "C++", [folder / "wrapper"]),
        in_python(builder, "Python", python, "dal_program.py", "ska_sdp_dal"),
    ]


def in_python(builder: Builder, name: str, python: str, program: str, *words: str) -> Party:
    # One thread each: what numpy and others do with more is not measured.
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [python, HERE / "peers" / program, *words]
    return Party(name, jobs_of(builder, command, environment), environment)
