# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: F403, F405
"""Spack recipe of the SDP Data Access Library. Untested: Spack was not at hand.

Put it into a repository of your own as packages/sdp_dal/package.py, then `spack install sdp-dal`.
"""

from spack.package import *
from spack_repo.builtin.build_systems.cmake import CMakePackage


class SdpDal(CMakePackage):
    """Tensors, tables and calls between the processes of one node, in shared memory, without copies and without a server."""

    homepage = "https://gitlab.com/ska-telescope/sdp/ska-sdp-dal"
    git = "https://gitlab.com/ska-telescope/sdp/ska-sdp-dal.git"

    license("BSD-3-Clause")

    version("0.1.0", tag="v0.1.0")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.22:", type="build")
    depends_on("rust@1.87:", type="build")

    conflicts("platform=darwin", msg="the library needs Linux")
    conflicts("platform=windows", msg="the library needs Linux")

    def setup_build_environment(self, env):
        # The crates are downloaded while it builds. On a node without network: `cargo vendor` beforehand, and a
        # configuration of cargo in CARGO_HOME that names the folder.
        env.set("CARGO_HOME", join_path(self.stage.path, "cargo-home"))

    def cmake_args(self):
        return [self.define("CARGO_TARGET_DIR", join_path(self.build_directory, "cargo"))]
