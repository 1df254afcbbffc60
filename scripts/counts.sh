#!/bin/bash
# Counts the instructions of operations with valgrind's callgrind, and compares them with the figures in benches/counts.txt:
#
#   scripts/counts.sh [--update] [--python PATH] [--figures FILE] [--last]
#
#   --update        writes the counts to the file; commit changed figures with the reason
#   --python PATH   a Python with cffi, numpy and pyarrow (default: that of scripts/test.sh in the target folder)
#   --figures FILE  a file to use instead of benches/counts.txt
#   --last          counts nothing, and uses the last counts
#
# A difference of more than 3 %, in either direction, is a failure if the compiler is the one that Cargo.toml names
# (checked-with) and the machine is an x86-64. Instructions in the library count, so the C library, the CPU and other work on
# the machine change nothing. Python's own instructions count, too, but fail only with the Python that the file names. No
# thread waits during counting. benches/counts.c and benches/counts_call.py describe the operations.
#
# Builds the release library in the target folder (CARGO_TARGET_DIR, default target/). The output of callgrind stays there, in
# counts/parts, for callgrind_annotate. The script needs valgrind and a C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
unset SDP_DAL_STORE SDP_DAL_STORE_SIZE SDP_DAL_FAIL
python=${PYTHON:-python3}
python_packages=$target/python/$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-current/bin/python
figures=benches/counts.txt update="" last=""
usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
}
while [ $# -gt 0 ]; do
    case $1 in
    --update) update=1 ;;
    --last) last=1 ;;
    --python) python_packages=${2:?--python needs a path} && shift ;;
    --figures) figures=${2:?--figures needs a file} && shift ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

folder=$target/counts parts=$target/counts/parts
judged="Rust $(sed -n 's/^checked-with = "\(.*\)"/\1/p' Cargo.toml), x86_64"
made_for="Rust $(rustc --version | sed 's/^rustc \([0-9]*\.[0-9]*\).*/\1/'), $(uname -m)"

give_up() {
    printf 'counts.sh: %s\n' "$*" >&2
    exit 1
}

build() {
    cargo build --release --locked --quiet --package sdp-dal-capi --package sdp-dal-cli
    rm -rf "$folder"
    mkdir -p "$parts" "$folder/lib" "$folder/package"
    # Under the name that programs look for.
    ln -s "$target/release/libsdp_dal.so" \
        "$folder/lib/$(objdump -p "$target/release/libsdp_dal.so" | sed -n 's/.*SONAME *//p')"
    local flags=(-std=c11 -O2 -Wall -Wextra -Iinclude benches/counts.c)
    "${CC:-cc}" "${flags[@]}" "$target/release/libsdp_dal.so" -o "$folder/counts"
    "${CC:-cc}" "${flags[@]}" -shared -fPIC "$target/release/libsdp_dal.so" -o "$folder/counts.so"
    nm -D --defined-only "$target/release/libsdp_dal.so" >"$parts/symbols"
    # The package of this tree, with the declarations from the header.
    cp -r python/src/ska_sdp_dal "$folder/package/"
    "$python_packages" python/header_to_ffi.py include/sdp_dal.h "$folder/package/ska_sdp_dal/_ffi.py" >/dev/null
    "$python_packages" -m compileall -q "$folder/package"
}

under_callgrind() {
    local name=$1
    shift
    env LD_LIBRARY_PATH="$folder/lib" PYTHONPATH="$folder/package" SDP_DAL_LIBRARY="$target/release/libsdp_dal.so" \
        PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
        valgrind --tool=callgrind --quiet --instr-atstart=no --collect-atstart=no --compress-strings=no \
        --compress-pos=no --dump-instr=yes --dump-line=no --callgrind-out-file="$parts/callgrind.$name" "$@" ||
        give_up "what is counted of $name failed under callgrind"
}

count() {
    command -v valgrind >/dev/null || give_up "valgrind is missing: apt-get install valgrind"
    "$python_packages" -c 'import cffi, numpy, pyarrow' 2>/dev/null ||
        give_up "$python_packages lacks cffi, numpy or pyarrow: scripts/test.sh python creates a Python that has them, --python" \
            "names another"
    build
    store=$(mktemp -u /dev/shm/sdp-dal-counts.XXXXXX)
    trap 'rm -rf "$store"' EXIT
    under_callgrind c "$folder/counts" "$store"
    under_callgrind python "$python_packages" benches/counts_call.py "$folder/counts.so" "$store"
    "$python" benches/counts.py --write "$parts" --for "$made_for" "$folder/last.txt" --interpreter \
        "$("$python_packages" -c 'from platform import *; print(python_version(), python_compiler())')"
}

if [ -z "$last" ]; then
    count
elif [ ! -e "$folder/last.txt" ]; then
    give_up "nothing was counted before"
fi
if [ -n "$update" ]; then
    grep -qx "# for: $judged" "$folder/last.txt" || give_up "what was counted is not for $judged"
    cp "$folder/last.txt" "$figures"
    git --no-pager diff --stat -- "$figures"
else
    "$python" benches/counts.py --compare "$figures" --judged "$judged" "$folder/last.txt"
fi
