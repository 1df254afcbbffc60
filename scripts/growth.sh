#!/bin/bash
# Measures puts of 80 MB into stores that grow, alternating with the same library without huge pages:
#
#   scripts/growth.sh [--runs N] [--puts N] [--bytes N] [--busy] [--old FOLDER]
#
#   --runs N      stores of each kind, one after the other (default 100)
#   --puts N      puts into each store, which holds all of them (default 10)
#   --bytes N     bytes of a put (default 80 MB)
#   --busy        keeps a CPU busy with a real-time thread; needs root, or the right to SCHED_FIFO
#   --old FOLDER  also measures another build of the library, libsdp_dal.so in FOLDER
#
# It needs 1 GB of memory and of /dev/shm. Other work on the machine disturbs it, so compare ratios, and look at processor
# time, too.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=100 puts=10 busy=() old="" bytes=80000000
while [ $# -gt 0 ]; do
    case $1 in
    --runs) runs=$2 && shift ;;
    --puts) puts=$2 && shift ;;
    --busy) busy=(busy) ;;
    --old) old=$2 && shift ;;
    --bytes) bytes=$2 && shift ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2 ;;
    esac
    shift
done
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sdp-dal-growth.XXXXXX")
store=$(mktemp -u "/dev/shm/sdp-dal-growth.XXXXXX")
trap 'rm -rf "$scratch" "$store"' EXIT

cargo build --release --locked --quiet --package sdp-dal-capi --package sdp-dal-cli
install_library() {
    mkdir "$scratch/$1"
    cp "$2/libsdp_dal.so" "$scratch/$1/"
    ln -s libsdp_dal.so "$scratch/$1/$(objdump -p "$2/libsdp_dal.so" | sed -n 's/.*SONAME *//p')"
}
install_library new "${CARGO_TARGET_DIR:-target}/release"
kinds=(new plain)
[ -z "$old" ] || { install_library old "$old" && kinds+=(old); }
cc -O2 -Iinclude benches/growth.c "$scratch/new/libsdp_dal.so" -o "$scratch/growth"
cc -O2 -shared -fPIC tests/preload/kernel.c -o "$scratch/kernel.so"

measure() {
    local environment=(LD_LIBRARY_PATH="$scratch/${1/plain/new}")
    [ "$1" != plain ] || environment+=(LD_PRELOAD="$scratch/kernel.so" KERNEL_HUGE=0)
    env "${environment[@]}" "$scratch/growth" "$store" 1 "$puts" "$bytes" "${busy[@]}" >>"$scratch/$1.txt"
}
for ((run = 0; run < runs; run++)); do
    # Each is the first of a turn as often as the others.
    for ((i = 0; i < ${#kinds[@]}; i++)); do measure "${kinds[(i + run) % ${#kinds[@]}]}"; done
done

python3 - "$scratch" "$bytes" "${kinds[@]}" <<'PYTHON'
import statistics
import sys

folder, size, kinds = sys.argv[1], int(sys.argv[2]) / 1e9, sys.argv[3:]
plain = {}
print(f"{'GB/s':28}{'median':>9}{'slowest':>9}{'processor':>11}{'median/plain':>14}{'slowest/plain':>15}")
for kind in sorted(kinds, key=lambda kind: kind != "plain"):
    with open(f"{folder}/{kind}.txt") as lines:
        puts = [(int(n), float(wall), float(cpu)) for n, wall, cpu in map(str.split, lines)]
    for what, chosen in (
        ("first put", [put for put in puts if put[0] == 0]),
        ("all puts", puts),
    ):
        wall = [put[1] for put in chosen]
        median, slowest = size / statistics.median(wall), size / max(wall)
        cpu = size / statistics.median(put[2] for put in chosen)
        base = plain.setdefault(what, (median, slowest))
        print(
            f"{kind + ', ' + what:28}{median:9.2f}{slowest:9.2f}{cpu:11.2f}"
            f"{median / base[0]:14.2f}{slowest / base[1]:15.2f}"
        )
PYTHON
