# SPDX-License-Identifier: BSD-3-Clause
"""Builds what the package needs and Python does not have: the library, with cargo, and from its header the module for
cffi. One wheel serves every Python of a platform.

The library's sources are the folder above. There are no sdists: they would have to hold the whole repository.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PACKAGE = "ska_sdp_dal"


def sources(root: str) -> Path:
    """The folder of the library's Cargo.toml."""
    folder = Path(root).parent
    if not (folder / "src" / "capi").is_dir():
        raise FileNotFoundError(
            "the sources of the library are not beside this folder: build in a clone of its repository"
        )
    return folder


def cargo_field(folder: Path, name: str) -> str:
    """A text of Cargo.toml's [package], by whose names the first is the library's."""
    found = re.search(rf'^{name} = "([^"]+)"', (folder / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{folder / 'Cargo.toml'} has no {name}")
    return found.group(1)


def soname(version: str) -> str:
    """The library's file name, under which linked programs look for it: before 1.0 a minor version is an ABI."""
    major, minor = version.split(".")[:2]
    return f"libsdp_dal.so.{major}.{minor}" if major == "0" else f"libsdp_dal.so.{major}"


class Version(MetadataHookInterface):
    """The version and the authors of the library are the package's."""

    def update(self, metadata: Dict[str, Any]) -> None:
        metadata["version"] = cargo_field(sources(self.root), "version")
        metadata["authors"] = [{"name": "the SDP DAL authors"}]


class Library(BuildHookInterface):
    """The library, its headers and the module for cffi."""

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        if self.target_name != "wheel":
            raise RuntimeError("only wheels are built: pip wheel ./python, in a clone of the repository")
        folder = sources(self.root)
        release = cargo_field(folder, "version")
        editable = version == "editable"
        # An editable install looks for all this in the source tree, a wheel is put together from elsewhere.
        into = Path(self.root) / "src" / PACKAGE if editable else Path(self.directory) / "wheel-parts"
        (into / "lib").mkdir(parents=True, exist_ok=True)
        self.compile(folder, into / "lib" / soname(release))
        shutil.copytree(folder / "include", into / "include", dirs_exist_ok=True)
        sys.path.insert(0, self.root)
        import header_to_ffi

        header_to_ffi.write(folder / "include" / "sdp_dal.h", into / "_ffi.py")
        if not editable:
            for part in ("lib", "include", "_ffi.py"):
                build_data["force_include"][str(into / part)] = f"{PACKAGE}/{part}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{re.sub(r'[^A-Za-z0-9]', '_', sysconfig.get_platform())}"

    def compile(self, folder: Path, into: Path) -> None:
        """Builds the library with cargo."""
        cargo = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
        if cargo is None:
            raise RuntimeError(
                "cargo is missing: the library is written in Rust. Install Rust with rustup (https://rustup.rs), or "
                "install a wheel that was built elsewhere"
            )
        oldest = cargo_field(folder, "rust-version")
        found = subprocess.run([cargo, "--version"], capture_output=True, text=True, check=False).stdout
        number = re.search(r"(\d+)\.(\d+)", found)
        if number is None or tuple(map(int, number.groups())) < tuple(map(int, oldest.split(".")[:2])):
            raise RuntimeError(
                f"cargo is {found.strip() or 'not working'}, at least {oldest} is needed: rustup update stable"
            )
        target = Path(os.environ.get("CARGO_TARGET_DIR") or folder / "target").resolve()
        self.app.display_info("building the library with cargo")
        # Of the workspace: as when the program is built, so that nothing is compiled anew for it with other features.
        subprocess.run(
            [cargo, "build", "--release", "--locked", "--workspace", "--lib"],
            cwd=folder,
            env={**os.environ, "CARGO_TARGET_DIR": str(target)},
            check=True,
        )
        shutil.copyfile(target / "release" / "libsdp_dal.so", into)
        strip = shutil.which("strip")
        if strip:
            subprocess.run([strip, "--strip-unneeded", str(into)], check=True)

    def finalize(self, version: str, build_data: Dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(Path(self.directory) / "wheel-parts", ignore_errors=True)
