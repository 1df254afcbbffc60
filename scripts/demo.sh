#!/usr/bin/env bash
# From a fresh checkout to an image of a real observation: installs what is missing, fetches, builds, starts a
# calibrator and a gridder on a store, sends them the observation, checks the result, and cleans up.
set -euo pipefail

cd "$(dirname "$0")/.."
export HOME=${HOME:-~}
readonly build=build/demo output=demo-output target=${CARGO_TARGET_DIR:-$PWD/target}
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/sdp-dal
readonly started=$SECONDS
# The oldest that will do.
rust=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1)

usage() {
    cat <<END
usage: scripts/demo.sh

Builds the library (in $target, as
scripts/test.sh does) and three C++ examples (in $build), runs them on an observation of the EVLA, and writes
  $output/image.png   as observed, calibrated, and with the beam's sidelobes removed
  $output/image.fits  the same as FITS images
  $output/trace.json  the calls over time, for ui.perfetto.dev or chrome://tracing
  $output/graph.dot   the graph of calls, for Graphviz
Run as root, it installs missing Debian packages, Rust among them. What it fetches besides is kept in
  $cache
Takes a few minutes the first time, seconds afterwards. Nothing is left running, and no store is left behind.
Ends with a status other than 0 if a step fails or a checked value is out of its bounds.
END
}

say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - started)); }

fail() { # sentences, a line each
    printf 'demo.sh: %s\n' "$@" >&2
    exit 1
}

# Every program runs in a session of its own, whose number is the program's: it can be stopped with all its children,
# and the shell waits in `wait`, where a signal reaches it at once. A program is also ended if this shell is killed.
running=()
work=

start() {
    setsid setpriv --pdeathsig TERM "$@" &
    running+=($!)
}

forget() { # pid
    local pid left=()
    for pid in "${running[@]}"; do
        [[ $pid == "$1" ]] || left+=("$pid")
    done
    running=("${left[@]}")
}

finish() { # pid: its status
    local status=0
    wait "$1" || status=$?
    forget "$1"
    return $status
}

run() {
    start "$@"
    finish $!
}

stop() { # pids: asked first, killed if that does not help
    local pid
    for pid in "$@"; do
        kill -TERM -- "-$pid" 2>/dev/null || true
    done
    for ((tenths = 0; tenths < 50; ++tenths)); do
        local alive=0
        for pid in "$@"; do
            if kill -0 -- "-$pid" 2>/dev/null; then alive=1; fi
        done
        ((alive)) || return 0
        sleep 0.1
    done
    for pid in "$@"; do
        kill -KILL -- "-$pid" 2>/dev/null || true
    done
}

clean_up() {
    local status=$?
    trap '' INT TERM
    ((${#running[@]} == 0)) || stop "${running[@]}"
    [[ -z $work ]] || rm -rf "$work"
    exit $status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What is missing is told at once, before anything is fetched or built.
problems=()

check_rust() {
    local found
    if ! command -v cargo >/dev/null && [[ -x $HOME/.cargo/bin/cargo ]]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    command -v cargo >/dev/null || return 0
    if ! found=$(cargo --version | cut -d' ' -f2); then
        problems+=("cargo does not run. With rustup: rustup default stable")
    elif ! at_least "$found" "$rust"; then
        problems+=("Rust is $found, $rust or newer is needed. With rustup: rustup update stable; without:\
 https://rustup.rs, or Debian's package cargo-web")
    fi
}

at_least() { # version, oldest
    [[ $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

# A store of 40 MB; what is fetched, and what is built.
check_room() {
    local folder megabytes free fetched=10 built=300
    ((${#needed[@]} == 0)) || fetched=600
    [[ -e $target/release/libsdp_dal.so ]] || built=1500
    [[ $(stat -f -c %T /dev/shm 2>/dev/null) == tmpfs && -w /dev/shm ]] ||
        problems+=("/dev/shm is not a tmpfs that can be written to: the store lies there")
    for folder in "/dev/shm 45" "$cache $fetched" "$target $built"; do
        megabytes=${folder##* } folder=${folder% *}
        while [[ ! -e $folder ]]; do folder=$(dirname "$folder"); done
        [[ -w $folder ]] || problems+=("$folder cannot be written to")
        free=$(($(df --output=avail -B 1M "$folder" | tail -n 1)))
        ((free >= megabytes)) || problems+=("$folder has $free MB free, $megabytes are needed")
    done
}

missing=()

check_packages() {
    command -v g++ >/dev/null && command -v make >/dev/null || missing+=(build-essential)
    command -v cmake >/dev/null || missing+=(cmake)
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    pkg-config --exists cfitsio 2>/dev/null || missing+=(libcfitsio-dev)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    command -v cargo >/dev/null && ((${#missing[@]} == 0)) && return
    if ! command -v apt-get >/dev/null; then
        ((${#missing[@]} == 0)) ||
            problems+=("this needs what Debian calls ${missing[*]}: install it the way your system does")
    elif ((EUID == 0)); then
        # The lists of a fresh image are empty, and without them no package is known. Nothing that is missing
        # otherwise should wait for that.
        ((${#problems[@]} == 0)) || return 0
        say "Reading the lists of packages"
        run apt-get update --quiet=2
    fi
    check_rust_package
    ((${#missing[@]} == 0)) || ((EUID == 0)) || ! command -v apt-get >/dev/null ||
        problems+=("some packages are missing; install them with
  sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${missing[*]}")
}

# Debian's own cargo is too old, but the one that it builds browsers with is not.
check_rust_package() {
    local candidate
    ! command -v cargo >/dev/null || return 0
    candidate=$(LC_ALL=C apt-cache policy cargo-web 2>/dev/null | sed -n 's/ *Candidate: //p')
    if at_least "${candidate:-0}" "$rust"; then
        missing+=(cargo-web)
    else
        problems+=("there is no cargo. Install Rust $rust or newer: https://rustup.rs, or Debian's package cargo-web")
    fi
}

# cargo fetch would ask for the crates of the tests, too.
crates_are_there() {
    cargo tree --quiet --offline --locked --package sdp-dal --package sdp-dal-cli --edges normal,build \
        --target "$(rustc -vV | sed -n 's/^host: //p')" >/dev/null 2>&1
}

# What will be transferred, before it is.
tell_sizes() {
    local size lines=()
    if ((${#missing[@]})); then
        size=$(LC_ALL=C apt-get install --assume-no --no-install-recommends "${missing[@]}" 2>/dev/null |
            sed -n 's/^Need to get \(.*\) of archives.*/\1/p' || true)
        lines+=("${size:-an unknown size} of Debian packages: ${missing[*]} and what they need")
    fi
    crates_are_there || lines+=("some 12 MB of Rust crates")
    lines+=("${needed[@]}")
    ((${#lines[@]})) || return 0
    say "What is fetched over the network"
    printf '  %s\n' "${lines[@]}"
}

install_packages() {
    ((${#missing[@]})) || return 0
    local log=$build/apt.log get=(apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}")
    export DEBIAN_FRONTEND=noninteractive
    say "Fetching Debian packages"
    run "${get[@]}" --download-only
    say "Installing them; Ctrl-C takes effect when all are installed"
    mkdir -p "$build"
    # A half-installed package has to be repaired by hand.
    setsid --wait "${get[@]}" >"$log" 2>&1 || {
        tail "$log" >&2
        fail "the packages could not be installed, see above and $log"
    }
}

fetch_and_build() {
    local fetching jobs
    jobs=$(nproc)
    say "Fetching the gridder and the observation, and meanwhile building the library"
    start scripts/fetch_demo_data.sh
    fetching=$!
    run cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DSDP_DAL_BUILD_EXAMPLES=OFF \
        -DCARGO_TARGET_DIR="$target"
    run cmake --build "$build" --parallel "$jobs"
    finish "$fetching" || fail "fetching failed, see above"
    say "Building the examples"
    # Without the warnings that others are left out.
    run cmake --log-level=ERROR -S . -B "$build" -DSDP_DAL_BUILD_EXAMPLES=ON -DSDP_DAL_DUCC0_DIR="$cache/ducc0-0.42.0"
    run cmake --build "$build" --parallel "$jobs" --target cpp_imaging
}

observe() {
    local programs=$build/cpp_examples status=0 processors=() tracer pid copied
    mkdir -p "$output"
    work=$(mktemp -d /dev/shm/sdp-dal-demo.XXXXXX)
    # Some 25 MB are needed; a container's /dev/shm often has no more than 64.
    export SDP_DAL_STORE_SIZE=40000000
    say "Calibrating and imaging"
    start "$programs/calibration_processor" "$work/store"
    processors+=($!)
    start "$programs/gridder_processor" "$work/store"
    processors+=($!)
    # It writes nothing of its own accord, and ends when it is asked to.
    run "$build/bin/sdp-dal" wait "$work/store" --processor GridderProcessor --timeout 60
    start "$build/bin/sdp-dal" trace "$work/store" -o "$output/trace.json" --dot "$output/graph.dot"
    tracer=$!
    run "$programs/imaging_caller" "$work/store" --data "$cache/day2_TDEM0003_10s_norx_1src_1spw.uvfits" \
        --output "$output" || status=$?
    copied=$("$build/bin/sdp-dal" stat "$work/store" --json | sed -n 's/.*"copied": *\([0-9]*\).*/\1/p')
    stop "$tracer"
    finish "$tracer" || fail "the trace did not end as it should: status $?"
    stop "${processors[@]}"
    for pid in "${processors[@]}"; do
        finish "$pid" || fail "a processor did not end as it should: status $?"
    done
    ((status == 0)) || fail "the imaging failed or a check did not hold, see above"
    [[ $copied == 0 ]] || fail "the calls copied '$copied' bytes of their arguments: all of these are in the store"
    echo "Bytes that the calls copied: $copied"
}

draw() {
    local python
    say "Drawing"
    for python in "$cache/python/bin/python" python3; do
        if "$python" cpp_examples/draw_image.py --help >/dev/null 2>&1; then
            run "$python" cpp_examples/draw_image.py "$output/image.fits" "$output/image.png"
            return
        fi
    done
    rm -f "$output/image.png"
    echo "image.png is not drawn: matplotlib and astropy are missing. Debian: python3-matplotlib python3-astropy"
}

case ${1:-} in
-h | --help)
    usage
    exit 0
    ;;
'') ;;
*) fail "takes no arguments; see --help" ;;
esac

mapfile -t needed < <(scripts/fetch_demo_data.sh --needed)
check_rust
check_room
check_packages
((${#problems[@]} == 0)) || fail "${problems[@]}"
tell_sizes
install_packages
fetch_and_build
observe
draw
say "Done: all checks hold. The images are in $PWD/$output"
