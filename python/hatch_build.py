# SPDX-License-Identifier: BSD-3-Clause
"""Puts together what the package needs and Python does not have: the library and `sdp-dal`, which cargo builds, and from
the library's header the module for cffi. One wheel serves every Python of a platform. An sdist has the library's sources in
rust/; in a clone of the repository they are the folder above.

With SDP_DAL_PREBUILT, a folder with libsdp_dal.so and sdp-dal, the wheel gets these and nothing is compiled;
SDP_DAL_WHEEL_PLATFORM is the platform that its name then states (scripts/wheels.sh).
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PACKAGE = "ska_sdp_dal"


#: What cargo needs of the repository to build the library and `sdp-dal`.
MEMBERS = [".", "capi", "cli"]
SOURCES = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "examples",
    "include",
    "capi/Cargo.toml",
    "capi/build.rs",
    "capi/src",
    "cli/Cargo.toml",
    "cli/src",
]


def sources(root: str) -> Path:
    """The folder of the library's Cargo.toml."""
    for folder in (Path(root) / "rust", Path(root).parent):
        if (folder / "src" / "capi").is_dir():
            return folder
    raise FileNotFoundError(
        "the sources of the library are neither in rust/ nor beside this folder: build in a clone of its repository, or "
        "from an sdist"
    )


def cargo_field(folder: Path, name: str) -> str:
    """A text of Cargo.toml: the first with this name is the library's."""
    found = re.search(rf'^{name} = "([^"]+)"', (folder / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{folder / 'Cargo.toml'} has no {name}")
    return found.group(1)


def soname(version: str) -> str:
    """The library's file name, under which linked programs look for it: before 1.0 a minor version is an ABI."""
    major, minor = version.split(".")[:2]
    return f"libsdp_dal.so.{major}.{minor}" if major == "0" else f"libsdp_dal.so.{major}"


def workspace_without(manifest: str) -> str:
    """The workspace's Cargo.toml, for a folder that holds only the members that users build."""
    members = ", ".join(f'"{member}"' for member in MEMBERS)
    text, changed = re.subn(r"^members = \[[^\]]*\]", f"members = [{members}]", manifest, count=1, flags=re.MULTILINE)
    if not changed:
        raise ValueError("Cargo.toml has no line with the workspace's members")
    return text


def shorten_lock(folder: Path, cargo: str) -> None:
    """Takes out of Cargo.lock what only members need that are not here: cargo build --locked refuses packages too many."""
    lock = folder / "Cargo.lock"
    before = set(lock.read_text(encoding="utf-8").split("\n"))
    command = [cargo, "update", "--workspace", "--quiet"]
    # The network is needed only if cargo has never seen these crates.
    if subprocess.run([*command, "--offline"], cwd=folder, capture_output=True, check=False).returncode != 0:
        subprocess.run(command, cwd=folder, check=True)
    added = set(lock.read_text(encoding="utf-8").split("\n")) - before
    if added:
        raise RuntimeError(f"cargo wants other crates than Cargo.lock names: {' '.join(sorted(added))}")


class Metadata(MetadataHookInterface):
    """The version, the authors and the addresses of the library are the package's."""

    def update(self, metadata: Dict[str, Any]) -> None:
        folder = sources(self.root)
        repository = cargo_field(folder, "repository")
        metadata["version"] = cargo_field(folder, "version")
        metadata["authors"] = [{"name": "the SDP DAL authors"}]
        metadata["urls"] = {
            "Homepage": cargo_field(folder, "homepage"),
            "Source": repository,
            "Changelog": f"{repository}/-/blob/main/CHANGELOG.md",
            "Issues": f"{repository}/-/issues",
        }


class Library(BuildHookInterface):
    """The library, its headers, `sdp-dal` and the module for cffi; in an sdist, their sources."""

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        folder = sources(self.root)
        self.parts = Path(tempfile.mkdtemp(prefix="ska-sdp-dal-"))
        atexit.register(shutil.rmtree, self.parts, ignore_errors=True)
        if self.target_name == "sdist":
            self.add_sources(folder, build_data)
        else:
            self.add_products(folder, version == "editable", build_data)

    def add_sources(self, folder: Path, build_data: Dict[str, Any]) -> None:
        rust = self.parts / "rust"
        for name in SOURCES:
            (rust / name).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (folder / name).is_dir() else shutil.copyfile)(folder / name, rust / name)
        manifest = rust / "Cargo.toml"
        manifest.write_text(workspace_without(manifest.read_text(encoding="utf-8")), encoding="utf-8")
        sys.path.insert(0, self.root)
        import cargo_build

        shorten_lock(rust, cargo_build.find_cargo(cargo_field(folder, "rust-version")))
        included = build_data["force_include"]
        included[str(rust)] = "rust"
        # In a clone these are links.
        for name in ("LICENSE", "THIRD-PARTY.txt"):
            included.pop(str(Path(self.root) / name), None)
            included[str((Path(self.root) / name).resolve())] = name

    def add_products(self, folder: Path, editable: bool, build_data: Dict[str, Any]) -> None:
        # An editable install looks for all but the program in the source tree.
        into = Path(self.root) / "src" / PACKAGE if editable else self.parts
        sys.path.insert(0, self.root)
        import cargo_build
        import header_to_ffi

        prebuilt = os.environ.get("SDP_DAL_PREBUILT")
        built = Path(prebuilt) if prebuilt else cargo_build.build(folder, cargo_field(folder, "rust-version"))
        program = self.parts / "sdp-dal"
        (into / "lib").mkdir(parents=True, exist_ok=True)
        for source, to in (
            ("libsdp_dal.so", into / "lib" / soname(cargo_field(folder, "version"))),
            ("sdp-dal", program),
        ):
            shutil.copy(built / source, to)
            strip = shutil.which("strip")
            if strip and not prebuilt:
                subprocess.run([strip, "--strip-unneeded", str(to)], check=True)
        shutil.copytree(folder / "include", into / "include", dirs_exist_ok=True)
        header_to_ffi.write(folder / "include" / "sdp_dal.h", into / "_ffi.py")
        if not editable:
            for part in ("lib", "include", "_ffi.py"):
                build_data["force_include"][str(into / part)] = f"{PACKAGE}/{part}"
        build_data["shared_scripts"][str(program)] = "sdp-dal"
        build_data["pure_python"] = False
        platform = os.environ.get("SDP_DAL_WHEEL_PLATFORM") or sysconfig.get_platform()
        build_data["tag"] = f"py3-none-{re.sub(r'[^A-Za-z0-9]', '_', platform)}"
