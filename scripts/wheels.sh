#!/bin/bash
# Makes the artefacts of a release of the Python package, from the package registries alone:
#
#   scripts/wheels.sh [--only x86_64|aarch64|sdist]... [--out FOLDER]
#
#   x86_64    a wheel for glibc 2.17 and newer (manylinux_2_17)
#   aarch64   a wheel for glibc 2.28 and newer (manylinux_2_28)
#   sdist     the sources, from which pip builds with Rust's cargo
#
# Each wheel has the library, its headers and the program sdp-dal, built with the profile dist. Their contents and tags are
# checked. The wheel for this machine is installed into a fresh environment and run; the sdist is built with pip in a folder
# of its own. FOLDER (default: dist/) gets what passed. Some 25 minutes on two cores for all three.
#
# Needed: cargo, Python 3.9 or newer with venv, cc and readelf, 4 GB of disk, the network. cargo-zigbuild and zig come from
# PyPI (scripts/wheels/requirements.txt). Rust's standard library for the other processor is rustup's where it is installed
# (rustup target add aarch64-unknown-linux-gnu), else it comes with a compiler from the packages of Debian 12, unpacked into
# the target folder: nothing is installed. All that is fetched and built is kept in CARGO_TARGET_DIR (default: target/).
set -euo pipefail
cd "$(dirname "$0")/.."
export HOME=${HOME:-~}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$target/wheels
python=${PYTHON:-python3}
out=dist
wanted=()
problems=()
# shellcheck source-path=SCRIPTDIR/..
. scripts/wheels/common.sh

usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
}

while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit ;;
    --only)
        case ${2:-} in
        x86_64 | aarch64 | sdist) wanted+=("$2") ;;
        *) fail "--only takes x86_64, aarch64 or sdist" ;;
        esac
        shift
        ;;
    --out)
        [ -n "${2:-}" ] || fail "--out takes a folder"
        out=$2
        shift
        ;;
    *) fail "'$1' is unknown, see --help" ;;
    esac
    shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=(x86_64 aarch64 sdist)
out=$(realpath -m "$out")

wants() {
    [[ " ${wanted[*]} " == *" $1 "* ]]
}

# ---- what must be there ---------------------------------------------------------------------------------------------

need_tools() {
    local oldest found tool
    command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    if ! found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2); then
        problems+=("cargo is missing: install Rust with rustup (https://rustup.rs)")
    elif [ "$(printf '%s\n%s\n' "$oldest" "$found" | sort -V | head -n 1)" != "$oldest" ]; then
        problems+=("cargo is $found, at least $oldest is needed: rustup update stable")
    fi
    "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null ||
        problems+=("$python is no Python of 3.9 or newer with venv: apt-get install python3-venv")
    for tool in cc:gcc readelf:binutils; do
        command -v "${tool%:*}" >/dev/null || problems+=("${tool%:*} is missing: apt-get install ${tool#*:}")
    done
    [ "$(df --output=avail -B 1M "$(existing "$work")" | tail -n 1)" -ge 4000 ] ||
        problems+=("$work has less than 4 GB free: CARGO_TARGET_DIR names another folder")
}

# A compiler with the standard library for a processor: the one that cargo takes, or Debian's.
has_std() {
    local there
    there=$(rustc --print sysroot)/lib/rustlib/$1-unknown-linux-gnu/lib
    compgen -G "$there/libstd-*.rlib" >/dev/null
}

debian=$work/debian
need_std() {
    has_std "$1" || [ -x "$debian/rustc" ] && return
    if [ "$(uname -m)" != x86_64 ] || ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null ||
        ! apt-cache show rustc-web >/dev/null 2>&1; then
        problems+=("Rust's standard library for $1 is missing, and this system has no package rustc-web (Debian 12 on\
 x86-64 has): rustup target add $1-unknown-linux-gnu")
    fi
}

# ---- tools ----------------------------------------------------------------------------------------------------------

# Debian's compiler and its standard libraries for both processors, with lists and a state of apt's own.
fetch_debian_rust() {
    [ ! -x "$debian/rustc" ] || return 0
    say "fetching Debian's Rust compiler (130 MB, 600 MB unpacked)"
    rm -rf "$debian.new" && apt_for amd64 arm64 "$debian.new/apt"
    local std llvm
    std=$(newest_dependency libstd-rust-web-dev libstd-rust-web-)
    llvm=$(newest_dependency "$std" libllvm)
    unpack "$debian.new" rustc-web:amd64 libstd-rust-web-dev:amd64 libstd-rust-web-dev:arm64 "$std:amd64" "$llvm:amd64"
    # Its own libraries are where Debian has them, which is not where it looks for them.
    cat >"$debian.new/rustc" <<EOF
#!/bin/sh
LD_LIBRARY_PATH=$debian/usr/lib/x86_64-linux-gnu exec $debian/usr/bin/rustc "\$@"
EOF
    chmod +x "$debian.new/rustc"
    rm -rf "$debian" && mv "$debian.new" "$debian"
}

# ---- the artefacts --------------------------------------------------------------------------------------------------

# compile PROCESSOR GLIBC: the folder of the products is in $built then.
compile() {
    local triple=$1-unknown-linux-gnu
    local environment=(CARGO_TARGET_DIR="$work/cargo" CARGO_PROFILE_DIST_STRIP=symbols PATH="$tools/bin:$PATH")
    if ! has_std "$1"; then
        fetch_debian_rust
        environment+=(RUSTC="$debian/rustc" CARGO_TARGET_DIR="$work/cargo-debian")
    fi
    say "$1: compiling and linking as a whole, 5 to 12 minutes on two cores"
    env "${environment[@]}" cargo zigbuild --profile dist --locked --package sdp-dal-capi --package sdp-dal-cli \
        --target "$triple.$2"
    built=$(printf '%s\n' "${environment[@]}" | sed -n 's/^CARGO_TARGET_DIR=//p' | tail -n 1)/$triple/dist
}

# make_wheel PROCESSOR GLIBC: a wheel of what `compile` made, whose path is in $wheel then.
make_wheel() {
    local platform=manylinux_${2/./_}_$1 built
    compile "$1" "$2"
    say "$1: making the wheel"
    SDP_DAL_PREBUILT=$built SDP_DAL_WHEEL_PLATFORM=$platform PIP_CONSTRAINT=python/tests/current.txt \
        "$tools/bin/pip" wheel --quiet --no-deps --wheel-dir "$scratch/out" ./python
    wheel=$(echo "$scratch"/out/*"_$1".whl)
    "$python" scripts/wheels/contents.py "$wheel" "$platform"
    "$tools/bin/auditwheel" show "$wheel" >"$scratch/audit"
    # What the library and the program need must be in the promised glibc.
    tr '\n' ' ' <"$scratch/audit" | grep "following platform tag: \"$platform\"" >/dev/null || {
        cat "$scratch/audit"
        fail "auditwheel gives $wheel another tag than $platform"
    }
    "$tools/bin/twine" check --strict "$wheel"
    "$tools/bin/check-wheel-contents" "$wheel"
    [ "$1" != "$(uname -m)" ] || run_wheel
}

run_wheel() {
    local fresh=$scratch/environment
    say "installing $(basename "$wheel") into a fresh environment, and running it"
    "$python" -m venv "$fresh"
    "$fresh/bin/pip" install --quiet --disable-pip-version-check "$wheel"
    "$fresh/bin/python" scripts/wheels/first_example.py python/README.md --program "$fresh/bin/sdp-dal" \
        --compiler cc c_examples/simple_caller.c
}

make_sdist() {
    say "making the sdist"
    local sdist place=$scratch/elsewhere
    PIP_CONSTRAINT=python/tests/current.txt "$tools/bin/python" -m build --sdist --outdir "$scratch/out" python
    sdist=$(echo "$scratch"/out/*.tar.gz)
    "$python" scripts/wheels/contents.py "$sdist"
    "$tools/bin/twine" check --strict "$sdist"
    say "building a wheel from the sdist in a folder of its own, 2 to 5 minutes on two cores"
    mkdir "$place"
    (cd "$place" && env -u CARGO_TARGET_DIR "$tools/bin/pip" wheel --no-cache-dir --no-deps --wheel-dir . "$sdist")
    "$python" scripts/wheels/contents.py "$place"/*.whl
}

need_tools
[ ${#problems[@]} -gt 0 ] || for processor in x86_64 aarch64; do
    ! wants $processor || need_std $processor
done
[ ${#problems[@]} -eq 0 ] || fail "${problems[@]}"

make_scratch
tools=$work/tools
say "fetching tools into $tools"
"$python" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check --requirement scripts/wheels/requirements.txt
mkdir "$scratch/out"
! wants x86_64 || make_wheel x86_64 2.17
! wants aarch64 || make_wheel aarch64 2.28
! wants sdist || make_sdist
mkdir -p "$out"
for file in "$scratch"/out/*; do
    mv -f "$file" "$out/"
    say "made $out/$(basename "$file"), $(du -h "$out/$(basename "$file")" | cut -f 1)"
done
