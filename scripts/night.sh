#!/bin/bash
# A night of a receiver: 12 payloads are shared out to 4 processors, of which one is killed at work, and one stopped for a while.
#
#   scripts/night.sh [MEGABYTES] [SECONDS]    the size of a payload (default 1000), how long one is stopped (default 20)
#   BUILD=debug scripts/night.sh ...          with the debug build. Default: release
#
# All payloads must arrive with the right checksums, without anything that the receiver does for it: it calls with attempts = 2,
# and `sdp-dal run --restart` starts the killed processor again. Needs some 6 payloads of memory in /dev/shm. The suite has the
# short form (tests/receiver.rs).
set -euo pipefail
cd "$(dirname "$0")/.."
megabytes=${1:-1000} stopped=${2:-20}
target=${CARGO_TARGET_DIR:-target}
build=${BUILD:-release}

profile=()
[ "$build" = debug ] || profile=(--release)
cargo build --quiet "${profile[@]}" --locked -p sdp-dal-capi -p sdp-dal-cli
folder=$(mktemp -d "${TMPDIR:-/tmp}/sdp-dal-night.XXXXXX")
store=/dev/shm/sdp-dal-night-$$
runner=
finish() {
    [ -z "$runner" ] || kill "$runner" 2>/dev/null || true
    [ -z "$runner" ] || wait "$runner" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
soname=$(readelf -d "$target/$build/libsdp_dal.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
cp "$target/$build/libsdp_dal.so" "$folder/$soname"
ln -s "$soname" "$folder/libsdp_dal.so"
for program in receiver payload_processor; do
    c++ -std=c++17 -O2 -Iinclude "cpp_examples/$program.cpp" -o "$folder/$program" -L"$folder" -lsdp_dal \
        -Wl,-rpath,"$folder"
done

# 4 times, 528 baselines, 4 polarisations of 8 bytes: 67584 bytes a channel.
channels=$((megabytes * 1000000 / 67584))
export SDP_DAL_STORE_SIZE=$((megabytes * 1000000 * 7))
"$target/$build/sdp-dal" run --store "$store" --count 4 --restart -- "$folder/payload_processor" "$store" 0 >"$folder/processors" 2>&1 &
runner=$!
processors() { ps -o pid= --ppid "$runner" | sort -n; }
until [ "$(grep -c 'waiting for calls at prefix' "$folder/processors" || true)" -ge 4 ]; do sleep 0.1; done

"$folder/receiver" "$store" --share --payloads 12 --in-flight 1 --channels "$channels" >"$folder/receiver.out" 2>&1 &
receiver=$!
until grep -q 'payload 1,' "$folder/processors"; do sleep 0.1; done
mapfile -t victims < <(processors)
kill -STOP "${victims[0]}"
(sleep "$stopped" && kill -CONT "${victims[0]}") &
kill -KILL "${victims[1]}"
wait "$receiver" || { cat "$folder/receiver.out" "$folder/processors"; exit 1; }
cat "$folder/receiver.out"
grep -q 'the processors together acknowledged 12 of 12 payloads' "$folder/receiver.out"
if grep -q 'another checksum' "$folder/processors"; then
    cat "$folder/processors"
    exit 1
fi
"$target/$build/sdp-dal" check "$store"
echo "12 of 12 payloads of $megabytes MB arrived"
