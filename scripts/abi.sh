#!/bin/bash
# Compares the ABI with the one under version control, or writes it anew:
#
#   scripts/abi.sh [--update]
#
# Two files in tests/abi say what it is. sdp_dal.abi.txt is for people: sizes, offsets, values, prototypes; tests/abi.rs
# makes it and wants it equal, so that every change of the ABI is a diff to be reviewed. libsdp_dal.abi is for libabigail
# (abidiff), which tells an addition, which is allowed, from a change or a removal, which is not: functions and
# enumerators may be added anywhere, fields at the end of structs that carry their size. A released ABI is left alone:
# --update after a failure of abidiff is for versions that may break it (before 1.0: a new minor one).
#
# libabigail reads a shell: C functions with the header's prototypes and empty bodies, compiled with debug information
# by tests/abi.rs, which checks that the library exports just these. (The shell has more: a function for each enum, as the
# header's functions take int32_t, and one for the offset of each field, as what allows fields to be appended also hides
# two fields that changed places.) It does not read the library itself. It could (Rust's
# debug information names our types), but the dump then holds what the ABI does not: the standard library's types behind
# each handle, names that change with each rustc, i32 for int32_t, and 600 KB of it; and it differs between debug and
# release builds. The header is made from the same declarations as the library, and programs are compiled with the header.
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
cargo test --quiet --workspace --exclude sdp-dal-mutants --locked --features failpoints,ndarray --test abi

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
    echo "abi.sh: the ABI has changed in a way that programs in use do not survive. If this version may do that:" \
        "scripts/abi.sh --update" >&2
    exit 1
fi
