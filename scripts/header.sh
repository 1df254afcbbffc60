#!/bin/bash
# Measures what `#include <sdp_dal.hpp>` costs the compiler, compared with the standard headers that it includes. Counts the
# instructions that g++ executes to read either, which are the same in every run. CXX names another g++, and flags may follow:
#
#   scripts/header.sh -std=c++20 -O2
#
# It needs valgrind, and takes a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

instructions() {
    "${CXX:-g++}" -std=c++17 "$@" -wrapper "valgrind,--tool=callgrind,--callgrind-out-file=/dev/null" -Iinclude -S \
        -o "$scratch/out" -x c++ - 2>"$scratch/said" || { cat "$scratch/said" >&2; return 1; }
    sed -n 's/.*Collected : //p' "$scratch/said"
}

# That of C++20 with the #if around it.
standard=$(sed -n '/^#if __cplusplus/,/^#endif/{p;d}; /^#include </p' include/sdp_dal/*.hpp include/sdp_dal.h)
alone=$(instructions "$@" <<<"$standard")
all=$(instructions "$@" <<<"#include <sdp_dal.hpp>")
awk -v all="$all" -v alone="$alone" 'BEGIN {
    printf "%.2f times the standard headers: %.0f million instructions, they alone %.0f\n", all / alone, all / 1e6, alone / 1e6
}'
