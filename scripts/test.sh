#!/bin/bash
# Runs every test and check. Without arguments all of them; or name some:
#
#   scripts/test.sh [format lint test abi crash loom licences package python torture]
#
# Everything is built in one target folder (CARGO_TARGET_DIR, default target/), which also holds environments for Python's
# packages. Missing Debian packages are installed when this runs as root; otherwise it says which. PYTHON names another
# Python than python3 (3.9 or newer).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
root=$PWD

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
unset SDP_DAL_STORE SDP_DAL_STORE_SIZE SDP_DAL_FAIL
jobs=$(nproc)
steps=(format lint test abi crash loom licences package python torture)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sdp-dal-test.XXXXXX")
children=()
# Makes Python's environments meanwhile; builds what later steps need.
preparing=
building=

leave() {
    local child
    for child in "${children[@]}" $preparing $building; do kill "$child" 2>/dev/null; done
    rm -rf "$scratch"
}
trap leave EXIT
trap 'exit 130' INT TERM

give_up() {
    printf 'test.sh: %s\n' "$*" >&2
    exit 1
}

# ---- what must be there ---------------------------------------------------------------------------------------------

need_rust() {
    command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    command -v cargo >/dev/null ||
        give_up "cargo is missing: install Rust with rustup (Debian 12's own is too old), and put ~/.cargo/bin into PATH"
    local oldest found
    oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    found=$(cargo --version | cut -d ' ' -f 2) || give_up "cargo does not run: rustup default stable"
    [ "$(printf '%s\n%s\n' "$oldest" "$found" | sort -V | head -n 1)" = "$oldest" ] ||
        give_up "cargo is $found, at least $oldest is needed: rustup update stable"
    local tool
    for tool in clippy rustfmt; do
        cargo "${tool/rustfmt/fmt}" --version >/dev/null 2>&1 ||
            give_up "cargo has no $tool: rustup component add $tool"
    done
}

need_packages() {
    command -v dpkg-query >/dev/null || return 0
    local package missing=()
    for package in gcc g++ gfortran libc6-dev binutils cmake make pkg-config libcfitsio-dev libpng-dev \
        libfftw3-dev clang-format abigail-tools python3 python3-cffi python3-venv; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local line="apt-get install -y --no-install-recommends ${missing[*]}"
    [ "$(id -u)" = 0 ] || give_up "packages are missing: sudo $line"
    echo "test.sh: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # The lists of a fresh image are empty; with old ones a package may be gone.
    # shellcheck disable=SC2086
    { apt-get -q update && $line; } >"$scratch/apt.log" 2>&1 || {
        tail -n 20 "$scratch/apt.log" >&2
        give_up "packages could not be installed: $line"
    }
}

# ---- the steps ------------------------------------------------------------------------------------------------------

run_format() {
    cargo fmt --all --check || return
    if [ -f .clang-format ]; then
        local sources
        mapfile -t sources < <(git ls-files 'include/*.hpp' '*_examples/*.[ch]' '*_examples/*.[ch]pp' 'tests/*.[ch]' 'tests/*.[ch]pp' 'benches/*.c')
        clang-format --dry-run -Werror "${sources[@]}"
    fi
}

run_lint() {
    cargo clippy --workspace --locked --lib --bins -- -D warnings || return
    # Tests may unwrap, cast and lock: a panic is how they fail.
    cargo clippy --workspace --locked --all-targets --features failpoints -- -D warnings -A clippy::unwrap_used \
        -A clippy::cast_possible_truncation -A clippy::disallowed_types || return
    # Clippy cannot tell sync's atomics from the standard library's, which they are.
    if grep -rnE '(std|core)::sync::atomic' --include='*.rs' src cli/src | grep -v '^src/sync/'; then
        echo 'atomics are named only in src/sync: use crate::sync::atomic'
        return 1
    fi
    if command -v cargo-deny >/dev/null; then
        cargo deny --locked check licenses bans sources
    fi
}

wants() {
    [[ " ${steps[*]} " == *" $1 "* ]]
}

# What later steps build in folders of their own, with what time the tests leave: they wait more than they compute. A step
# that comes too early waits for cargo's lock.
build_ahead() {
    if wants package || wants python || wants torture; then
        nice cargo build --release --locked --package sdp-dal --package sdp-dal-cli
    fi
    if wants loom; then
        nice bash -c "$(declare -f cargo_loom); cargo_loom --no-run"
    fi
}

# The C and C++ tests are driven from here, too.
run_test() {
    build_ahead >"$scratch/ahead.log" 2>&1 &
    building=$!
    cargo test --workspace --locked
}

run_abi() {
    scripts/abi.sh
}

run_crash() {
    cargo test --package sdp-dal --locked --features failpoints --test crash
}

# All of the library is compiled in another way: in a folder of its own, so that neither build throws the other's away.
cargo_loom() {
    RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$CARGO_TARGET_DIR/loom CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo test --package sdp-dal --locked --release --test loom "$@"
}

run_loom() {
    cargo_loom
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
    package_files "$prefix" && package_cmake "$prefix" && package_pkgconfig "$prefix" &&
        package_run "$prefix" "$scratch/by-cmake" && package_run "$prefix" "$scratch/by-pkgconfig"
}

package_files() {
    local version abi file
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    abi=${version%.*}
    [ "${abi%%.*}" = 0 ] || abi=${abi%%.*}
    for file in "lib/libsdp_dal.so.$version" "lib/libsdp_dal.so.$abi" lib/libsdp_dal.so lib/libsdp_dal.a \
        include/sdp_dal.h include/sdp_dal.hpp include/sdp_dal/processor.hpp lib/pkgconfig/sdp_dal.pc \
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

# An environment of some name, with some packages: its folder is in $environment then.
python_environment() {
    environment=$CARGO_TARGET_DIR/python/$("${PYTHON:-python3}" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-$1
    shift
    [ -x "$environment/bin/python" ] || "${PYTHON:-python3}" -m venv --clear "$environment" || return
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# What takes long and needs the network rather than the processor: beside the other steps.
prepare_python() {
    local environment
    python_environment build pip && python_environment current --requirement python/tests/current.txt &&
        python_environment oldest --requirement python/tests/oldest.txt
}

# As a user has it: one wheel, installed into environments of its own; the tests run from here.
run_python() {
    local environment wheel current bare files
    # The oldest packages know no Python after 3.12.
    wait "$preparing" || case $("${PYTHON:-python3}" --version) in
        *\ 3.1[3-9].*) ;;
        *) cat "$scratch/prepare.log"; return 1 ;;
    esac
    python_environment build pip || return
    "$environment/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps \
        --wheel-dir "$scratch/wheel" ./python || return
    wheel=$(echo "$scratch"/wheel/*.whl)
    case $wheel in *-py3-none-*.whl) ;; *) echo "$wheel is not for every Python"; return 1 ;; esac
    python_environment current --force-reinstall --no-deps "$wheel" && current=$environment || return
    (cd python && "$current/bin/ruff" check . && "$current/bin/ruff" format --check . && "$current/bin/mypy") || return
    (cd python && "$current/bin/python" -m pytest -q) || return
    # With nothing else there than what the wheel itself asks for.
    python_environment bare pip && rm -rf "$environment" && python_environment bare "$wheel" && bare=$environment || return
    [ "$("$bare/bin/python" -m pip list --format freeze | sed 's/==.*//' | sort | grep -vx 'pip\|setuptools' | xargs)" = \
        "cffi numpy pyarrow pycparser ska-sdp-dal" ] || { "$bare/bin/python" -m pip list; return 1; }
    (cd python && "$current/bin/python" -m pytest -q tests/test_guide.py --programs-python "$bare/bin/python") || return
    # With the oldest packages that are promised.
    case $current in */3.1[3-9]-*) return 0 ;; esac
    python_environment oldest --force-reinstall --no-deps "$wheel" || return
    files=(tests/test_{calls,guide,objects,passing,plasma,reference}.py)
    (cd python && "$environment/bin/python" -m pytest -q "${files[@]}")
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

# ---- all of it ------------------------------------------------------------------------------------------------------

for wish in "$@"; do
    [[ " ${steps[*]} " == *" $wish "* ]] || give_up "'$wish' is no step: name some of ${steps[*]}"
done
[ $# -eq 0 ] || steps=("$@")
need_rust
need_packages

if wants python; then
    prepare_python >"$scratch/prepare.log" 2>&1 &
    preparing=$!
fi

passed=() failed=()
began=$SECONDS
for step in "${steps[@]}"; do
    start=$SECONDS
    printf '\n==== %s\n' "$step"
    if "run_$step"; then
        passed+=("$step")
        printf '==== %s: passed in %d s\n' "$step" $((SECONDS - start))
    else
        failed+=("$step")
        printf '==== %s: FAILED after %d s\n' "$step" $((SECONDS - start))
    fi
done

printf '\ntest.sh: %d passed (%s), %d failed (%s), %d s\n' ${#passed[@]} "${passed[*]:-none}" ${#failed[@]} \
    "${failed[*]:-none}" $((SECONDS - began))
[ ${#failed[@]} -eq 0 ]
