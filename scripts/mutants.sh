#!/bin/bash
# Mutants: are the tests a net? Changes the code in one place at a time (as cargo-mutants lists it) and runs the tests that come
# past that place. A change that no test notices is a survivor: it needs a test, or a line in tests/mutants.txt that says why it
# makes no difference.
#
#   scripts/mutants.sh [--list] [--new] [--again] [--deep] [--alone] [--jobs N] [ROOM|FILE]... [K/N]
#
# ROOM is sync, shm, store or dal (default: all of them); FILE is one of their files. K/N takes every N-th mutant from the K-th
# on: 1/20 to 20/20 are all of them. --list shows which, and runs nothing. --new leaves out what tests/mutants.txt names, --again
# chooses those that survived the last time. --deep judges with what takes minutes too: deaths at every step, and the simulator.
# Fails if there are survivors that tests/mutants.txt does not name. What each mutant did is in target/mutants/results.
#
# All mutants are in one build, so that each costs only the run of some tests: 1 to 10 s. How: tests/mutants/src/main.rs. Those
# that cannot be in it are built by themselves with --alone.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

case ${1-} in
--help | -h)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit
    ;;
esac
cargo mutants --version >/dev/null 2>&1 || {
    echo "mutants.sh: cargo-mutants is missing: cargo install --locked cargo-mutants" >&2
    exit 1
}
export CARGO_TERM_COLOR=never
unset SDP_DAL_STORE SDP_DAL_STORE_SIZE SDP_DAL_FAIL SDP_DAL_MUTANT
exec cargo run --quiet --locked --package sdp-dal-mutants -- "$@"
