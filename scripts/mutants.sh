#!/bin/bash
# Tests the tests with mutants. Changes the code in one place at a time (as cargo-mutants lists it) and runs the tests that
# execute that place. A change that no test notices is a survivor. It needs a test, or a line in tests/mutants.txt that gives
# the reason why it makes no difference.
#
#   scripts/mutants.sh [--list] [--new] [--again] [--deep] [--alone] [--jobs N] [MODULE|FILE]... [K/N]
#
#   MODULE     sync, shm, store or dal (default: all of them)
#   FILE       a file of these modules
#   K/N        every N-th mutant, from the K-th on: 1/20 to 20/20 are all of them
#   --list     lists the mutants, and runs nothing
#   --new      leaves out the mutants that tests/mutants.txt names
#   --again    chooses the mutants that survived the last time
#   --deep     also runs tests that take minutes: crashes at every step, and the simulator
#   --alone    builds each mutant by itself, for those that cannot be in the one build
#
# Fails if there are survivors that tests/mutants.txt does not name. target/mutants/results has the result of each mutant.
#
# All mutants are in one build, so that each costs only the run of some tests, 1 to 10 s. tests/mutants/src/main.rs explains how.
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
