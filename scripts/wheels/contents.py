# SPDX-License-Identifier: BSD-3-Clause
"""Checks that a wheel or an sdist has all parts, and that cargo can build from the sdist.

    python3 contents.py FILE [PLATFORM]

FILE is a .whl or a .tar.gz, PLATFORM what the wheel's name must state (for one manylinux_2_17_x86_64). Prints what is
wrong, and exits with status 1 then. Needs readelf for a wheel, cargo for an sdist.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Dict, List, Optional

ROOT = Path(__file__).resolve().parent.parent.parent
MACHINES = {"x86_64": "X86-64", "aarch64": "AArch64"}


def version() -> str:
    found = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found.group(1)


def library_name() -> str:
    major, minor = version().split(".")[:2]
    return f"libsdp_dal.so.{major}.{minor}" if major == "0" else f"libsdp_dal.so.{major}"


def differing(folder: Path, wanted: Dict[str, Path]) -> List[str]:
    """What is missing below a folder, or is not as in the repository."""
    problems = []
    for name, original in wanted.items():
        file = folder / name
        if not file.is_file() or file.is_symlink():
            problems.append(f"{name} is missing")
        elif file.read_bytes() != original.read_bytes():
            problems.append(f"{name} is not {original.relative_to(ROOT)}")
    return problems


def below(folder: str, to: str) -> Dict[str, Path]:
    """The files of a folder of the repository, by the names that they have elsewhere."""
    files = (file for file in (ROOT / folder).rglob("*") if file.is_file())
    return {f"{to}/{file.relative_to(ROOT / folder)}": file for file in files}


def of_elf(file: Path, machine: str) -> List[str]:
    read = subprocess.run(["readelf", "-hSdW", str(file)], capture_output=True, text=True, check=False)
    text, problems = read.stdout, []
    if not re.search(rf"Machine: .*{MACHINES[machine]}", text):
        problems.append(f"{file.name} is not for {machine}")
    if re.search(r"\] \.(symtab|debug)", text):
        problems.append(f"{file.name} is not stripped")
    if re.search(r"R(UN)?PATH", text):
        problems.append(f"{file.name} has a path of the machine that built it")
    if ".so" in file.name and f"soname: [{file.name}]" not in text:
        problems.append(f"{file.name} has another SONAME")
    if ".so" in file.name and "NODELETE" not in text:
        problems.append(f"{file.name} can be unloaded")
    return problems


def of_wheel(wheel: Path, platform: Optional[str]) -> List[str]:
    base = f"ska_sdp_dal-{version()}"
    named = re.fullmatch(rf"{re.escape(base)}-py3-none-((?:linux|manylinux_\d+_\d+)_(x86_64|aarch64))\.whl", wheel.name)
    if named is None:
        return [f"{wheel.name} is not the name of a wheel for every Python of a platform"]
    problems = [] if platform in (None, named.group(1)) else [f"{wheel.name} is not for {platform}"]
    library, program = f"ska_sdp_dal/lib/{library_name()}", f"{base}.data/scripts/sdp-dal"
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(wheel) as archive:
        folder = Path(scratch)
        archive.extractall(folder)
        names = archive.namelist()
        licences = {f"{base}.dist-info/licenses/{name}": ROOT / name for name in ("LICENSE", "THIRD-PARTY.txt")}
        problems += differing(folder, {**below("include", "ska_sdp_dal/include"), **licences})
        for name in (library, program, "ska_sdp_dal/_ffi.py", "ska_sdp_dal/__init__.py", "ska_sdp_dal/py.typed"):
            if name not in names:
                problems.append(f"{name} is missing")
        for name in (library, program):
            if name in names:
                problems += of_elf(folder / name, named.group(2))
        if program in names and archive.getinfo(program).external_attr >> 16 & 0o777 != 0o755:
            problems.append(f"{program} has not the mode 755")
        text = (folder / f"{base}.dist-info" / "METADATA").read_text(encoding="utf-8")
        problems += [
            f"the metadata has no {field}" for field in ("Project-URL: Source", "License-File") if field not in text
        ]
    return problems


def of_sdist(sdist: Path) -> List[str]:
    base = f"ska_sdp_dal-{version()}"
    if sdist.name != f"{base}.tar.gz":
        return [f"{sdist.name} is not {base}.tar.gz"]
    wanted = {"LICENSE": ROOT / "LICENSE", "THIRD-PARTY.txt": ROOT / "THIRD-PARTY.txt"}
    for name in ("src", "include", "capi/src", "cli/src"):
        wanted.update(below(name, f"rust/{name}"))
    for name in ("pyproject.toml", "hatch_build.py", "cargo_build.py", "header_to_ffi.py", "README.md"):
        wanted[name] = ROOT / "python" / name
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(sdist) as archive:
            archive.extractall(scratch)
        folder = Path(scratch) / base
        problems = differing(folder, wanted)
        host = re.search(r"^host: (.*)$", subprocess.check_output(["rustc", "-vV"], text=True), re.MULTILINE)
        assert host is not None
        # Offline: cargo has fetched these crates for the repository, and needs no others.
        command = [
            "cargo",
            "metadata",
            "--offline",
            "--locked",
            "--format-version=1",
            "--filter-platform",
            host.group(1),
        ]
        asked = subprocess.run(command, cwd=folder / "rust", capture_output=True, text=True, check=False)
        if asked.returncode != 0:
            problems.append(f"cargo does not take rust/ for a workspace that it can build: {asked.stderr.strip()}")
    return problems


def main(arguments: List[str]) -> int:
    if len(arguments) not in (1, 2):
        sys.stderr.write(__doc__ or "")
        return 2
    file = Path(arguments[0])
    platform = arguments[1] if len(arguments) == 2 else None
    problems = of_sdist(file) if file.name.endswith(".tar.gz") else of_wheel(file, platform)
    for problem in problems:
        print(f"{file.name}: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
