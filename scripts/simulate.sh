#!/bin/bash
# Runs whole clients of a store in one process, in an order that a seed determines, with stops and crashes at any step:
#
#   scripts/simulate.sh [MINUTES] [SEED]    the seeds that failed once, then new ones from SEED on, for 2 minutes by default
#   scripts/simulate.sh --replay WORLD/SEED one world with its history, twice; both runs must be the same
#   scripts/simulate.sh --list              the worlds
#   scripts/simulate.sh --reverted [MINUTES] removes the fixes of old faults, one at a time. Each fault must be found again
#                                           within MINUTES (default 10)
#
# Ctrl-C ends it and prints the results so far. A failing seed is printed with the command that replays it. A seed in
# tests/simulate/regressions.txt runs first from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

# The program: the library with its stand-ins, built in the same folder and with the same crates as the release.
build() {
    cargo test --release --locked --package sdp-dal-capi --package sdp-dal-cli --package sdp-dal-simulate --test simulate \
        --no-run --message-format=json 2>"$1.log" >"$1.json" || { cat "$1.log" >&2; exit 1; }
    python3 - "$1.json" <<'END'
import json, sys
for line in open(sys.argv[1]):
    made = json.loads(line)
    if made.get("executable") and made["target"]["name"] == "simulate":
        print(made["executable"])
END
}

forget() {
    cargo clean --quiet --locked --release --package sdp-dal-simulate
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/sdp-dal-simulate.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# Each removed fix, and the world in which its fault shows.
reverted() {
    local minutes=${1:-10} fault world found=0 all=0 program begun
    git ls-files -z >"$scratch/files" 2>/dev/null || find . -path ./target -prune -o -type f -print0 >"$scratch/files"
    mkdir "$scratch/tree"
    tar --null --files-from "$scratch/files" -cf - | tar -xf - -C "$scratch/tree"
    patch -s -d "$scratch/tree" -p1 <tests/simulate/reverted.patch
    # Cargo would take the build of one tree for that of the other: names are the same, and so are the times of most files.
    forget
    program=$(cd "$scratch/tree" && build "$scratch/reverted")
    cp "$program" "$scratch/simulate"
    forget
    while read -r fault world; do
        all=$((all + 1)) begun=$SECONDS
        if SDP_DAL_REVERTED=$fault "$scratch/simulate" --minutes "$minutes" --seed 1 --world "$world" --fresh >"$scratch/out"; then
            echo "$fault: NOT found in $minutes minutes of $world"
        else
            found=$((found + 1))
            echo "$fault: found after $((SECONDS - begun)) s: $(grep -m 1 '^FAILED' "$scratch/out")"
        fi
    done < <(sed -n 's/^# \([A-Z]-[A-Z0-9]*\) \([a-z]*\)$/\1 \2/p' tests/simulate/reverted.patch)
    echo "reverted: $found passed, $((all - found)) failed"
    [ "$found" = "$all" ]
}

case ${1:-} in
    --help | -h) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" ;;
    --reverted) reverted "${2:-}" ;;
    --replay | --list | --world) exec "$(build "$scratch/simulate")" "$@" ;;
    *)
        program=$(build "$scratch/built")
        # A copy: the program starts itself again and again, and the folder may be rebuilt meanwhile.
        cp "$program" "$scratch/simulate"
        "$scratch/simulate" --minutes "${1:-2}" ${2:+--seed "$2"}
        ;;
esac
