#!/bin/bash
# Fuzzes the library on a stable toolchain:
#
#   scripts/fuzz.sh [MINUTES] [TARGET...]
#
# The targets share the MINUTES (default 10). By default all targets run; cargo run -p sdp-dal-fuzz -- --list prints them.
# Inputs that fail are written into fuzz/failures. The exit code is that of the first target that failed, or 0.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

minutes=10
if [[ ${1:-} =~ ^[0-9]+(\.[0-9]+)?$ ]]; then
    minutes=$1
    shift
elif [[ ${1:-} == -* ]]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit
fi
cargo build --release --locked --package sdp-dal-fuzz || exit
fuzz=${CARGO_TARGET_DIR:-target}/release/sdp-dal-fuzz
[ $# -gt 0 ] || mapfile -t targets < <("$fuzz" --list | cut -d ' ' -f 1)
[ $# -eq 0 ] || targets=("$@")
share=$(awk -v minutes="$minutes" -v targets="${#targets[@]}" 'BEGIN { print minutes / targets }')

interrupted=0 failed=0
trap 'interrupted=1' INT TERM
for target in "${targets[@]}"; do
    "$fuzz" "$target" --minutes "$share" || { code=$?; [ "$failed" != 0 ] || failed=$code; }
    [ "$interrupted" = 0 ] || break
done
exit "$failed"
