#!/bin/bash
# Measures this library in one run, compared with what the machine can do at all and with its peers:
#
#   scripts/bench.sh                 some ten minutes after building; prints a table
#   scripts/bench.sh --quick         two minutes
#   scripts/bench.sh --help          the other options, and the peers
#
# Builds the release library as users have it, and everything needed, in the target folder (CARGO_TARGET_DIR, default target/).
# It needs Rust, cmake, C and C++ compilers, Python 3.9 or newer with venv, and 1 GB of /dev/shm. The first run also needs the
# network, for Python's packages and the peers' crates. Rows that are bound to CPUs need two. The script leaves no process
# running and nothing in /dev/shm.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
unset SDP_DAL_STORE SDP_DAL_STORE_SIZE SDP_DAL_FAIL
exec "${PYTHON:-python3}" benches/run.py --target "$(realpath -m "${CARGO_TARGET_DIR:-target}")" "$@"
