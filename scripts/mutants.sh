#!/bin/bash
# Mutants: are the tests a net? Changes the code in one place at a time (cargo-mutants) and runs the tests. A change that no
# test notices is a survivor: it needs a test, or a line in tests/mutants.txt that says why it makes no difference.
#
#   scripts/mutants.sh [--list] [--judges "NAME..."] [ROOM|FILE]... [K/N]
#
# ROOM is sync, shm, store or dal (default: all of them); FILE is one of their files. K/N takes every N-th mutant from the K-th
# on: 1/20 to 20/20 are all of them. --list shows which, and runs nothing.
#
# Each room has its judges, which are test commands (below): the survivors of one come before the next, cheap ones first. The
# dear ones, crash and simulate, judge only if --judges names them: for survivors, as FILE and K/N choose them. Fails
# if there are survivors that tests/mutants.txt does not name. What each mutant did is in target/mutants/out/results. It runs in
# copies of the tree beside that, one mutant after the other: to use several processors, run shards in several
# CARGO_TARGET_DIRs. Some 10 s a mutant.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/mutants/out
known=tests/mutants.txt
export CARGO_TERM_COLOR=never
unset SDP_DAL_STORE SDP_DAL_STORE_SIZE SDP_DAL_FAIL

# ---- what is changed, and who judges it -----------------------------------------------------------------------------

files_of() {
    case $1 in
    sync | shm | store) git ls-files -co --exclude-standard "src/$1/*.rs" ;;
    dal) git ls-files -co --exclude-standard 'src/dal/queue.rs' 'src/dal/queue/*.rs' 'src/dal/crew*.rs' 'src/dal/output*.rs' 'src/dal/pending*.rs' ;;
    *.rs) echo "$1" ;;
    *) give_up "$1 is no room and no file: see --help" ;;
    esac
}

# By the room of the first file.
judges_of() {
    case $1 in
    src/sync/*) echo loom unit store clients ;;
    src/shm/*) echo unit store clients files ;;
    src/store/*) echo unit store clients calls files ;;
    *) echo whole calls ;;
    esac
}

# Sets how cargo test is called, with what for the tests themselves, in which tree, and how many seconds the tests may take. A
# further judge is a further case. The tree "core" is the library without dal, wire and capi, which its tests must not use: it
# compiles in a third of the time.
judge() {
    tree=$target/mutants/core environment=() tests=() seconds=120
    case $1 in
    unit) arguments=(--lib) seconds=30 ;;
    # Each but what takes long and sees little more: all of it again on other kernels, and eighty scribbled stores.
    store) arguments=(--test store --test rings) tests=(--skip pages_may_have_any_size) seconds=60 ;;
    clients)
        arguments=(--test clients --test hostile) tests=(--skip scribbling_gives_errors_not_crashes)
        environment=(SDP_DAL_TEST_STORM=1)
        ;;
    whole) tree=$target/mutants/whole arguments=(--lib) ;;
    files) tree=$target/mutants/whole arguments=(--test fork --test growth --test operate) ;;
    calls)
        tree=$target/mutants/whole
        arguments=(--test events --test dal_calls --test waiting_calls --test processors --test batches)
        ;;
    # The models, and nothing but sync.
    loom)
        arguments=(--test loom) seconds=300
        environment=(RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="$target/mutants/loom" CARGO_PROFILE_MUTANTS_OPT_LEVEL=3)
        ;;
    # Deaths at every step: minutes for each mutant.
    crash)
        tree=$target/mutants/whole arguments=(--features failpoints --test crash) seconds=600
        environment=(CARGO_TARGET_DIR="$target/mutants/crash")
        ;;
    # Clients in one process, in orders that a seed decides: the seeds that failed once, then half a minute from one on.
    simulate)
        tree=$target/mutants/whole arguments=(--features simulate --features failpoints --test simulate) seconds=300
        tests=(--minutes 0.5 --seed 1 --jobs 1)
        environment=(CARGO_TARGET_DIR="$target/mutants/simulate" CARGO_PROFILE_MUTANTS_OPT_LEVEL=3)
        ;;
    *) give_up "there is no judge $1" ;;
    esac
}

# ---- the run --------------------------------------------------------------------------------------------------------

give_up() {
    printf 'mutants.sh: %s\n' "$*" >&2
    exit 1
}

# Copies what changes it into a file that may be there: files that stay the same keep their time, so that little is compiled.
put() {
    cat >"$out/new" && { cmp -s "$out/new" "$1" || cp "$out/new" "$1"; }
}

# The tree as it is in git or will be, with the library as Rust code alone (nothing is linked that no judge uses) and a profile
# that is quick to compile.
copy_tree() {
    local tree=$1 file
    mkdir -p "$tree" || return
    while IFS= read -r -d '' file; do
        mkdir -p "$tree/$(dirname "$file")" || return
        case $tree:$file in
        *:Cargo.toml)
            { sed 's/^crate-type = .*/crate-type = ["rlib"]/' Cargo.toml && cat; } <<'PROFILE' | put "$tree/$file"

[profile.mutants]
inherits = "dev"
debug = false
incremental = true

[profile.mutants.package."*"]
opt-level = 1
debug = false
PROFILE
            ;;
        */core:src/lib.rs)
            awk '/^#\[/ { held = held $0 "\n"; next }
                !/^(pub )?mod (capi|dal|wire);/ { printf "%s%s\n", held, $0 }
                { held = "" }' "$file" | put "$tree/$file"
            ;;
        */core:tests/common/mod.rs) sed '/^pub mod calls;/d' "$file" | put "$tree/$file" ;;
        *) [ ! -f "$file" ] || cmp -s "$file" "$tree/$file" || cp "$file" "$tree/$file" ;;
        esac || return
    done < <(git ls-files -z -co --exclude-standard)
}

mutants() {
    cargo mutants --dir "$1" --no-shuffle --colors never "${@:2}"
}

# Stores that tests left which a mutant, or its time limit, ended.
# shellcheck disable=SC2329
remove_left_overs() {
    local store
    while IFS= read -r store; do
        [ -e "/proc/${store##*-}" ] || rm -f "$store"
    done < <(find /dev/shm -maxdepth 1 -user "$(id -u)" -name 'sdp-dal-test-*' -newer "$out/begun")
}

# The names that no edit elsewhere changes: without line and column, and with "#2" for the second of one name.
labels() {
    sed -E 's/^([^:]+):[0-9]+:[0-9]+: /\1: /' | awk '{ n = ++seen[$0]; print (n > 1 ? $0 " #" n : $0) }'
}

lists=
judges=
chosen=()
shard=1/1
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
        exit
        ;;
    --list) lists=yes ;;
    --judges)
        judges=${2-}
        shift
        ;;
    [0-9]*/[0-9]*) shard=$1 ;;
    -*) give_up "there is no option $1: see --help" ;;
    *) chosen+=("$1") ;;
    esac
    shift
done
[ ${#chosen[@]} -gt 0 ] || chosen=(sync shm store dal)
cargo mutants --version >/dev/null 2>&1 ||
    give_up "cargo-mutants is missing: cargo install --locked cargo-mutants"
mkdir -p "$out" && touch "$out/begun" || exit
for tree in core whole; do
    copy_tree "$target/mutants/$tree" || give_up "the tree cannot be copied"
done
trap remove_left_overs EXIT

status=0
for room in "${chosen[@]}"; do
    filters=() first=
    while read -r file; do
        first=${first:-$file}
        filters+=(--file "$file")
    done < <(files_of "$room")
    [ -n "$first" ] || exit 1
    mutants "$target/mutants/whole" --list "${filters[@]}" >"$out/names" || give_up "the mutants cannot be listed"
    labels <"$out/names" >"$out/labels"
    paste "$out/names" "$out/labels" |
        awk -v k="${shard%/*}" -v n="${shard#*/}" '(NR - k) % n == 0' >"$out/chosen"
    cut -f 1 "$out/chosen" >"$out/left"
    if [ -n "$lists" ]; then
        cut -f 2 "$out/chosen"
        continue
    fi
    tried=$(wc -l <"$out/left")
    printf '%s %s: %s mutants\n' "$room" "$shard" "$tried"
    for name in ${judges:-$(judges_of "$first")}; do
        [ -s "$out/left" ] || break
        judge "$name"
        # A folder for each tree: cargo takes both for one package, and would build nothing anew for a change in the other.
        export CARGO_TARGET_DIR=$tree-build
        # Without a mutant; and from here on little is to be compiled.
        (cd "$tree" && env "${environment[@]}" cargo test --locked --profile mutants "${arguments[@]}" \
            -- "${tests[@]}") >"$out/$name.log" 2>&1 ||
            give_up "the tests of $name fail without a mutant: $out/$name.log"
        # Each by its whole name, as a regular expression.
        mapfile -t selected < <(sed 's/[][\.*^$+?(){}|]/\\&/g; s/.*/--re=^&$/' "$out/left")
        mapfile -t files < <(sed 's/:.*//; s/^/--file=/' "$out/left" | sort -u)
        (
            # cargo-mutants sees what the judge's cargo sees.
            [ ${#environment[@]} -eq 0 ] || export "${environment[@]}"
            mutants "$tree" --in-place --output "$out" --baseline skip --timeout "$seconds" "${files[@]}" "${selected[@]}" \
                "${arguments[@]/#/--cargo-arg=}" -- -- "${tests[@]}"
        ) >"$out/$name.log" 2>&1
        for kind in caught timeout unviable missed; do
            # Up to version 27.1 all that delete a field are tried, whatever was selected.
            sort -u "$out/mutants.out/$kind.txt" 2>/dev/null | grep -Fxf "$out/left" >"$out/$kind"
            sed "s|^|$name\t$kind\t|" "$out/$kind" >>"$out/results"
        done
        [ "$(cat "$out"/{caught,timeout,unviable,missed} | wc -l)" -eq "$(wc -l <"$out/left")" ] ||
            give_up "not every mutant was judged by $name: $out/$name.log"
        printf '%s %s, %s:' "$room" "$shard" "$name"
        for kind in caught timeout unviable missed; do printf ' %s %s' "$(wc -l <"$out/$kind")" "$kind"; done
        echo
        cp "$out/missed" "$out/left"
    done
    # What is left, by its label, that the list does not name.
    awk -F '\t' 'NR == FNR { left[$0]; next } $1 in left { print $2 }' "$out/left" "$out/chosen" >"$out/survivors"
    sed -n 's| // .*||p' "$known" | sort >"$out/known"
    if new=$(sort "$out/survivors" | comm -23 - "$out/known") && [ -n "$new" ]; then
        printf 'survivors that %s does not name:\n%s\n' "$known" "$new"
        status=1
    fi
    printf '%s %s: %s of %s survive\n' "$room" "$shard" "$(wc -l <"$out/survivors")" "$tried"
done
exit $status
