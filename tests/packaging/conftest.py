"""What the tests of packaging share: packages that are built once, and a folder into which they were unpacked."""

import dataclasses
import os
import pathlib
import platform
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **options):
    """Runs a command, which must succeed; what it printed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclasses.dataclass
class Installed:
    """A folder into which the packages of one kind were unpacked."""

    root: pathlib.Path
    libraries: pathlib.Path

    def environment(self, **more):
        return {
            **os.environ,
            "PATH": f"{self.root / 'usr/bin'}:{os.environ['PATH']}",
            "PKG_CONFIG_PATH": str(self.libraries / "pkgconfig"),
            "LD_LIBRARY_PATH": str(self.libraries),
            **more,
        }

    def compile(self, compiler, source, program, static=False):
        """Compiles a program against the headers and the library that were unpacked."""
        wish = ["--cflags", "--libs", *(["--static"] if static else [])]
        flags = run("pkg-config", *wish, "sdp_dal", env=self.environment()).split()
        flags = ["-l:libsdp_dal.a" if static and flag == "-lsdp_dal" else flag for flag in flags]
        run(*compiler, "-o", program, source, *flags)


@pytest.fixture
def store():
    """The path of a store that does not exist before the test and must not exist after it."""
    path = pathlib.Path(f"/dev/shm/sdp-dal-packaging-{os.getpid()}")
    yield path
    left = path.exists()
    path.unlink(missing_ok=True)
    assert not left, "the test left its store behind"


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """The packages, as scripts/packages.sh makes them."""
    folder = tmp_path_factory.mktemp("packages")
    run(ROOT / "scripts/packages.sh", folder)
    return folder


@pytest.fixture(scope="session")
def debian(packages, tmp_path_factory):
    root = tmp_path_factory.mktemp("debian")
    for package in packages.glob("*.deb"):
        run("dpkg-deb", "-x", package, root)
    return Installed(root, root / f"usr/lib/{platform.machine()}-linux-gnu")
