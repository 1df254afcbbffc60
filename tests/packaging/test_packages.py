"""The .deb and .rpm packages: what is in them, what they need, and that programs compile and run with what they bring."""

import re

import pytest
from conftest import ROOT, run

PROGRAM = """\
#include <sdp_dal.h>
#include <stdio.h>

int main(int argc, char **argv) {
    const double value = 5.5;
    sdp_dal_store *store = NULL;
    sdp_dal_ref *ref = NULL;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view in = {.struct_size = sizeof in}, out = {.struct_size = sizeof out};
    in.data = &value, in.dtype = SDP_DAL_FLOAT64;
    if (argc != 2 || sdp_dal_store_open(argv[1], NULL, &store) || sdp_dal_tensor_put(store, &in, &ref) ||
        sdp_dal_ref_get_tensor(ref, SDP_DAL_WAIT_FOREVER, &tensor, &out))
        return 1;
    printf("%s %g\\n", SDP_DAL_VERSION_STRING, *(const double *)out.data);
    sdp_dal_tensor_free(tensor);
    sdp_dal_ref_free(ref);
    sdp_dal_store_close(store);
    return 0;
}
"""
# What glibc brings, in one package.
OF_GLIBC = re.compile(r"lib(c|m|dl|pthread|rt)\.so\.\d|ld-linux.*")


def version():
    return re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def abi():
    """The version of the ABI, as the library's own file names have it."""
    major, minor, _ = version().split(".")
    return f"0.{minor}" if major == "0" else major


def needed(file):
    """The libraries that a file is linked with."""
    return set(re.findall(r"NEEDED.*\[(.+)\]", run("readelf", "-d", file)))


def newest_glibc(*files):
    found = {tuple(map(int, text.split("."))) for text in re.findall(r"GLIBC_([\d.]+)", run("objdump", "-T", *files))}
    return ".".join(map(str, max(found)))


def listed(root):
    return sorted(f"/{path.relative_to(root)}" for path in root.rglob("*") if not path.is_dir() or path.is_symlink())


def test_all_packages_are_there(packages):
    names = {re.split(r"[_-]\d+\.\d+\.\d+", path.name)[0] + path.suffix for path in packages.iterdir()}
    library = f"libsdp-dal{abi()}"
    assert names == {f"{library}.deb", "sdp-dal.deb", "libsdp-dal-dev.deb"} | {
        f"{library}.rpm",
        "sdp-dal.rpm",
        "libsdp-dal-devel.rpm",
    }


def test_debian_packages_need_what_their_files_need(packages, debian):
    library, program = debian.libraries / f"libsdp_dal.so.{version()}", debian.root / "usr/bin/sdp-dal"
    assert needed(library) | needed(program) <= {"libgcc_s.so.1"} | {
        name for file in (library, program) for name in needed(file) if OF_GLIBC.fullmatch(name)
    }
    glibc = newest_glibc(library, program)
    for name in (f"libsdp-dal{abi()}", "sdp-dal"):
        [package] = packages.glob(f"{name}_*.deb")
        assert run("dpkg-deb", "-f", package, "Depends") == f"libc6 (>= {glibc}), libgcc-s1 (>= 4.2)\n"
        assert run("dpkg-deb", "-f", package, "Version") == f"{version()}-1\n"
    [headers] = packages.glob("libsdp-dal-dev_*.deb")
    assert run("dpkg-deb", "-f", headers, "Depends") == f"libsdp-dal{abi()} (= {version()}-1)\n"


def test_the_loader_learns_of_the_library(packages):
    [package] = packages.glob(f"libsdp-dal{abi()}_*.deb")
    assert run("dpkg-deb", "--info", package, "triggers") == "activate-noawait ldconfig\n"


def test_rpm_packages_need_and_provide_what_their_files_do(packages, debian):
    [library] = packages.glob(f"libsdp-dal{abi()}-*.rpm")
    glibc = newest_glibc(debian.libraries / f"libsdp_dal.so.{version()}", debian.root / "usr/bin/sdp-dal")
    wanted = run("rpm", "-qp", "--requires", library).splitlines()
    assert [name for name in wanted if not name.startswith("rpmlib(")] == [
        f"libc.so.6(GLIBC_{glibc})(64bit)",
        "libgcc_s.so.1()(64bit)",
    ]
    assert f"libsdp_dal.so.{abi()}()(64bit)" in run("rpm", "-qp", "--provides", library).splitlines()
    [headers] = packages.glob("libsdp-dal-devel-*.rpm")
    assert f"libsdp-dal{abi()} = {version()}-1" in run("rpm", "-qp", "--requires", headers).splitlines()


def test_both_kinds_hold_the_same_files(packages, debian):
    in_rpm = []
    for package in packages.glob("*.rpm"):
        for line in run("rpm", "-qplv", package).splitlines():
            if not line.startswith("d"):
                in_rpm.append(re.search(r" (/\S+)", line)[1])
    libraries = f"/usr/lib/{debian.libraries.name}"
    as_rpm = [
        path.replace(libraries, "/usr/lib64").replace("/libsdp-dal-dev/", "/libsdp-dal-devel/")
        for path in listed(debian.root)
    ]
    assert sorted(as_rpm) == sorted(in_rpm)
    assert sum(path.endswith("/copyright") for path in as_rpm) == 3
    assert sum(path.endswith("/THIRD-PARTY.txt") for path in as_rpm) == 3


@pytest.mark.parametrize("linked", ["shared", "static"])
def test_a_c_program_compiles_and_runs(debian, tmp_path, store, linked):
    source, program = tmp_path / "put_get.c", tmp_path / "put_get"
    source.write_text(PROGRAM)
    debian.compile(["cc", "-std=c11", "-Wall", "-Werror"], source, program, static=linked == "static")
    assert (f"libsdp_dal.so.{abi()}" in needed(program)) == (linked == "shared")
    environment = debian.environment(SDP_DAL_STORE_SIZE="16000000")
    assert run(program, store, env=environment) == f"{version()} 5.5\n"


def test_the_program_runs(debian):
    assert run(debian.root / "usr/bin/sdp-dal", "--version") == f"sdp-dal {version()}\n"
