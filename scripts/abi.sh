#!/bin/bash
# Compares the ABI with the one under version control, or writes it again:
#
#   scripts/abi.sh [--update]
#
# Two files in tests/abi describe the ABI. sdp_dal.abi.txt is for people: sizes, offsets, values, prototypes. tests/abi.rs
# generates it and requires it to be equal, so that every change of the ABI is a diff to be reviewed. libsdp_dal.abi is for
# libabigail (abidiff), which distinguishes an addition, which is allowed, from a change or a removal, which is not. Functions
# and enumerators may be added anywhere, and fields at the end of structs that carry their size. A released ABI does not
# change: --update after a failure of abidiff is for versions that may break it (before 1.0: a new minor version).
#
# libabigail reads a shell: C functions with the header's prototypes and empty bodies, compiled with debug information
# by tests/abi.rs, which checks that the library exports exactly these. The shell has two kinds of functions more: one for
# each enum, because the header's functions take int32_t, and one for the offset of each field, because the rule that allows
# fields to be appended also hides two fields that changed places.
#
# libabigail does not read the library itself. It could, because Rust's debug information names the library's types. But that
# dump contains what is not part of the ABI: the standard library's types behind each handle, names that change with each
# rustc, i32 for int32_t, and 600 KB in total. It also differs between debug and release builds. The header is generated from
# the same declarations as the library, and programs are compiled with the header.
set -euo pipefail
cd "$(dirname "$0")/.."

update=
case "${1:-}" in
    --update) update=1 ;;
    '') ;;
    *) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
for tool in abidw abidiff; do
    command -v "$tool" >/dev/null || { echo "abi.sh: $tool is missing: apt-get install abigail-tools" >&2; exit 1; }
done

target=${CARGO_TARGET_DIR:-target}
committed=tests/abi/libsdp_dal.abi
new=$target/tmp/abi/libsdp_dal.abi
[ -z "$update" ] || export SDP_DAL_UPDATE_ABI=1
# As scripts/test.sh builds the tests, so that nothing is compiled anew.
cargo test --quiet --workspace --exclude sdp-dal-mutants --locked --features failpoints,sdp-dal/ndarray --test abi

abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --type-id-style hash \
    --out-file "$new" "$target/tmp/abi/libsdp_dal_shell.so"
# 4: something differs, 8: incompatibly, 1 and 2: it could not compare. The committed one was made on x86-64; it is the same on
# every machine that the library is for.
compare() { abidiff --no-architecture --no-added-syms --suppressions tests/abi/appended.suppr "$committed" "$new"; }
if [ -n "$update" ]; then
    [ ! -e "$committed" ] || compare || echo "abi.sh: this breaks programs that were compiled before"
    cp "$new" "$committed"
    git --no-pager diff --stat -- tests/abi
elif compare; then
    echo "abi.sh: nothing was changed or removed"
else
    echo "abi.sh: the ABI has changed in a way that breaks existing programs. If this version may do that:" \
        "scripts/abi.sh --update" >&2
    exit 1
fi
