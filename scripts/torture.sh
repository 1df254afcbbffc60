#!/bin/bash
# Runs processes that use the library, in C and in Python, under adverse conditions: kills and stops at any time, full
# stores and file systems, hostile writes, failing system calls, containers. Every byte that they read is checked.
#
#   scripts/torture.sh [MINUTES] [SEED]
#   scripts/torture.sh --short [SEED]        some 35 seconds
#   scripts/torture.sh --help                the other options, and the phases
#
# Builds the release library and `sdp-dal` in the target folder (CARGO_TARGET_DIR, default target/), and installs nothing.
# Python's workers use the environment that `scripts/test.sh python` makes there, or --python. A failing phase prints the seed
# with which it can be repeated (the plan is the same then, not the timing), and keeps its folders.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
case " $* " in
*" --help "* | *" -h "*) ;;
*) cargo build --release --locked --quiet --package sdp-dal-capi --package sdp-dal-cli ;;
esac
exec "${PYTHON:-python3}" tests/torture/drive.py --target "$target" "$@"
