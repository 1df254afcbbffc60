#!/usr/bin/env bash
# From a fresh checkout to an image of a real observation: installs what is missing, fetches, builds, starts a
# calibrator and a gridder on a store, sends them the observation, checks the result, and cleans up.
set -euo pipefail

cd "$(dirname "$0")/.."
export HOME=${HOME:-~}
readonly build=build/demo output=demo-output target=${CARGO_TARGET_DIR:-$PWD/target}
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/sdp-dal
readonly started=$SECONDS

usage() {
    cat <<END
usage: scripts/demo.sh

Builds the library (in $target, as
scripts/test.sh does) and its C++ examples (in $build), runs them on an observation of the EVLA, and leaves
  $output/image.png   as observed, calibrated, and with the beam's sidelobes removed
  $output/image.fits  the same as FITS images
  $output/trace.json  the calls over time, for ui.perfetto.dev or chrome://tracing
  $output/graph.dot   the graph of calls, for Graphviz
Missing Debian packages are installed if this runs as root; what is fetched is kept in
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
    local needed found
    needed=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1)
    if ! command -v cargo >/dev/null && [[ -x $HOME/.cargo/bin/cargo ]]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    if ! command -v cargo >/dev/null; then
        problems+=("there is no cargo. Install Rust $needed or newer: https://www.rust-lang.org/tools/install")
        return
    fi
    found=$(cargo --version | cut -d' ' -f2) || found='not working'
    [[ $(printf '%s\n' "$needed" "$found" | sort -V | head -n 1) == "$needed" ]] ||
        problems+=("Rust is $found, $needed or newer is needed. With rustup: rustup update stable; without:\
 https://www.rust-lang.org/tools/install")
}

# A store of 40 MB; what is fetched, and what is built.
check_room() {
    local folder megabytes free
    [[ $(stat -f -c %T /dev/shm 2>/dev/null) == tmpfs && -w /dev/shm ]] ||
        problems+=("/dev/shm is not a tmpfs that can be written to: the store lies there")
    for folder in "/dev/shm 45" "$cache 200" "$target 1500"; do
        megabytes=${folder##* } folder=${folder% *}
        while [[ ! -e $folder ]]; do folder=$(dirname "$folder"); done
        [[ -w $folder ]] || problems+=("$folder cannot be written to")
        free=$(($(df --output=avail -B 1M "$folder" | tail -n 1)))
        ((free >= megabytes)) || problems+=("$folder has $free MB free, $megabytes are needed")
    done
}

install_packages() {
    local missing=()
    command -v g++ >/dev/null && command -v make >/dev/null || missing+=(build-essential)
    command -v cmake >/dev/null || missing+=(cmake)
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    pkg-config --exists cfitsio 2>/dev/null || missing+=(libcfitsio-dev)
    pkg-config --exists libpng 2>/dev/null || missing+=(libpng-dev)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    if ((${#missing[@]})); then
        if ! command -v apt-get >/dev/null; then
            problems+=("this needs what Debian calls ${missing[*]}: install it the way your system does")
        elif ((EUID != 0)); then
            problems+=("some packages are missing; install them with
  sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${missing[*]}")
        fi
    fi
    ((${#problems[@]} == 0)) || fail "${problems[@]}"
    ((${#missing[@]})) || return 0
    say "Installing ${missing[*]}"
    run apt-get update --quiet
    run env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "${missing[@]}"
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
    finish "$fetching" ||
        fail "fetching failed; scripts/fetch_demo_data.sh --help says what can be put into the cache by hand"
    say "Building the examples"
    run cmake -S . -B "$build" -DSDP_DAL_BUILD_EXAMPLES=ON -DSDP_DAL_DUCC0_DIR="$cache/ducc0-0.42.0"
    run cmake --build "$build" --parallel "$jobs"
}

observe() {
    local programs=$build/cpp_examples status=0 processors=() tracer pid
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
    "$build/bin/sdp-dal" wait "$work/store" --processor GridderProcessor --timeout 60
    start "$build/bin/sdp-dal" trace "$work/store" -o "$output/trace.json" --dot "$output/graph.dot"
    tracer=$!
    run "$programs/imaging_caller" "$work/store" --data "$cache/day2_TDEM0003_10s_norx_1src_1spw.uvfits" \
        --output "$output" || status=$?
    stop "$tracer"
    finish "$tracer" || fail "the trace did not end as it should: status $?"
    stop "${processors[@]}"
    for pid in "${processors[@]}"; do
        finish "$pid" || fail "a processor did not end as it should: status $?"
    done
    ((status == 0)) || fail "the imaging failed or a check did not hold, see above"
}

case ${1:-} in
-h | --help)
    usage
    exit 0
    ;;
'') ;;
*) fail "takes no arguments; see --help" ;;
esac

check_rust
check_room
install_packages
fetch_and_build
observe
say "Done: all checks hold. The image is $PWD/$output/image.png (and image.fits beside it)"
