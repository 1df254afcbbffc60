#!/bin/bash
# Measures this library beside what the machine can do at all and beside its peers, all in one run:
#
#   scripts/bench.sh                 some ten minutes after building; prints a table
#   scripts/bench.sh --quick         two minutes
#   scripts/bench.sh --help          the other options, and which peers there are
#
# Builds the release library as users have it, and all else, in the target folder (CARGO_TARGET_DIR, default target/). It
# needs Rust, cmake, C and C++ compilers, Python 3.9 or newer with venv, 1 GB of /dev/shm, and the network for Python's
# packages and the peers' crates the first time. Pinned rows need two CPUs. Nothing is left running or in /dev/shm.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
unset SDP_DAL_STORE SDP_DAL_STORE_SIZE SDP_DAL_FAIL
exec "${PYTHON:-python3}" benches/run.py --target "$(realpath -m "${CARGO_TARGET_DIR:-target}")" "$@"
