#!/bin/bash
# Runs the tests again under tools that find faults which a passing test does not show. Without arguments it runs all of them:
#
#   asan       the programs in C and C++ under clang's AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer
#   tsan       the same under clang's ThreadSanitizer
#   valgrind   the same, compiled by gcc, under valgrind's memcheck
#   analyze    clang's static analyser, and more compiler warnings than in the tests, by gcc and clang
#   rust-asan  the library and its own tests under AddressSanitizer
#   rust-tsan  the same under ThreadSanitizer
#   miri       the parts of the library that need no shared memory under Miri
#   deny       licences, versions and sources of the crates
#   audit      known vulnerabilities of the crates
#   docs       rustdoc, whose warnings are errors
#
#   --quick    only short tests: the programs that need few processes
#   --help     this text
#
# At the end the script lists the tools that cannot run here, with the reason. rust-asan, rust-tsan and miri need parts of a
# nightly Rust, deny and audit need cargo-deny, and audit needs the network. Run as root, the script installs missing Debian
# packages; otherwise it lists them. Everything is built below CARGO_TARGET_DIR (default target/).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
root=$PWD

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
unset SDP_DAL_STORE SDP_DAL_STORE_SIZE SDP_DAL_FAIL CC CXX CFLAGS CXXFLAGS RUSTFLAGS
modes=(asan tsan valgrind analyze rust-asan rust-tsan miri deny audit docs)
quick=
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sdp-dal-sanitize.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

give_up() {
    printf 'sanitize.sh: %s\n' "$*" >&2
    exit 1
}

# A mode that cannot be run says why, and returns this.
not_run() {
    reason=$*
    return 1
}

wants() {
    [[ " ${modes[*]} " == *" $1 "* ]]
}

# ---- what must be there ---------------------------------------------------------------------------------------------

need_packages() {
    command -v dpkg-query >/dev/null || return 0
    local package wanted=(gcc g++ libc6-dev pkg-config) missing=()
    if wants asan || wants tsan || wants analyze || wants rust-asan || wants rust-tsan; then
        # The runtimes are a package of the version that `clang` depends on.
        wanted+=(clang "libclang-rt-$(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p')-dev" llvm)
    fi
    if wants valgrind; then wanted+=(valgrind libc6-dbg); fi
    # What the examples and the tests use.
    if wants asan || wants tsan || wants valgrind || wants analyze; then
        wanted+=(libfftw3-dev libcfitsio-dev libeigen3-dev libxtensor-dev casacore-dev)
    fi
    for package in "${wanted[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local line="apt-get install -y --no-install-recommends ${missing[*]}"
    [ "$(id -u)" = 0 ] || give_up "packages are missing: sudo apt-get update && sudo $line"
    echo "sanitize.sh: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { apt-get -q update && $line; } >"$scratch/apt.log" 2>&1 || {
        tail -n 20 "$scratch/apt.log" >&2
        give_up "packages could not be installed: $line"
    }
}

# ---- the programs in C and C++ --------------------------------------------------------------------------------------

# The tests that compile and run programs, as the environment says (tests/support/mod.rs); arguments: what is left out. Always
# left out: what only compiles, and compares g++'s sentences.
run_programs() {
    # As scripts/test.sh builds it, so that nothing is built twice.
    local tests=(--workspace --features "failpoints,sdp-dal/ndarray" --locked --no-fail-fast)
    if [ -n "$quick" ]; then
        cargo test "${tests[@]}" --test c_programs -- --skip compile "$@"
        return
    fi
    cargo test "${tests[@]}" --test c_programs --test every_function --test errors --test examples --test fork --test growth \
        --test receiver -- --skip compile "$@" || return
    cargo test "${tests[@]}" --test operate -- the_c_functions two_copies
}

# allocator_may_return_null: tests ask for more memory than there is.
# handle_segv, handle_sigbus: a test wants a child that is killed by its signal.
# use_sigaltstack: ending a thread that pthread_cancel() unwound, it takes its own work on that stack for an overflow.
common_options=allocator_may_return_null=1:handle_segv=0:handle_sigbus=0
asan_options=$common_options:use_sigaltstack=0:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1

run_asan() {
    local flags="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
    # A child of threads that allocate hangs in the allocator of LLVM 14, which is not made for forks.
    CC=clang CXX=clang++ CFLAGS=$flags CXXFLAGS=$flags UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=$asan_options \
        run_programs --skip a_child_hangs_in_no_function
}

# The library is not compiled for it: what the library does is not looked at (ignore_noninstrumented_modules), as its atomics
# are not seen and all that they protect would seem to be a race. What is looked at: the programs and the C++ wrapper. Left out:
# a program whose functions rely on the library, which runs one call at a time.
run_tsan() {
    local flags="-fsanitize=thread -fno-omit-frame-pointer"
    CC=clang CXX=clang++ CFLAGS=$flags CXXFLAGS=$flags SDP_DAL_TEST_RUNNER=$(without_aslr) \
        TSAN_OPTIONS=$common_options:ignore_noninstrumented_modules=1 run_programs --skip how_a_processor_runs
}

# ThreadSanitizer before LLVM 18 does not start where addresses are more random than it knows.
without_aslr() {
    [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)" -le 28 ] || echo "setarch --addr-no-randomize"
}

# Not helgrind and drd: they take each atomic for a race. Not the tests of forks: valgrind does not know that a child lacks
# what was mapped with MADV_DONTFORK. Not what looks on purpose whether a handle was freed, nor a program that runs itself again
# (/proc/self/exe is valgrind then).
run_valgrind() {
    local options="--error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite"
    SDP_DAL_TEST_RUNNER="valgrind --quiet --num-callers=30 $options" \
        run_programs --skip a_child --skip a_client_whose_descriptors --skip handles_after_their_end \
        --skip the_sentences_are_those --skip losses_with_processors_of_their_own
}

# Also what the tests are not compiled with, as this would be too slow for each of their runs.
run_analyze() {
    local compiler status=0 sources
    for compiler in "gcc g++" "clang clang++"; do
        CC=${compiler% *} CXX=${compiler#* } cargo test --package sdp-dal --locked --test header || status=1
    done
    mapfile -t sources < <(printf '%s\n' tests/c/*.c c_examples/*.c tests/cpp/*.cpp cpp_examples/*.cpp)
    export -f analyze_source
    # shellcheck disable=SC2016
    printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -I{} bash -c 'analyze_source "$0"' {} || status=1
    return $status
}

# One source, in the newest standard that its compilers know; any warning is an error.
analyze_source() {
    local source=$1 compiler=clang flags=(-std=c17)
    # It needs the sources that scripts/fetch_demo_data.sh fetches.
    ! grep -q '#include <ducc0/' "$source" || return 0
    case $source in *.cpp) compiler=clang++ flags=(-std=c++2b) ;; esac
    # shellcheck disable=SC2046
    "$compiler" "${flags[@]}" -Wall -Wextra -Wpedantic -Werror -pthread -Iinclude $(pkg-config --cflags cfitsio fftw3) \
        --analyze --analyzer-output text -Xclang -analyzer-werror -o /dev/null "$source"
}

# ---- the library itself ---------------------------------------------------------------------------------------------

# A nightly Rust, or why not.
need_nightly() {
    cargo +nightly --version >/dev/null 2>&1 || not_run "no nightly Rust: rustup toolchain install nightly"
}

# The library, its tests and the programs in C and C++, all of them instrumented; Rust's standard library is only by
# -Zbuild-std. The programs get the runtime that the nightly brings: clang's may be older than what it needs. Left out: what looks
# on purpose whether a handle was freed, and what preloads a library, which comes before the runtime.
run_instrumented() {
    local sanitizer=$1 runtime flags host test tests=()
    shift
    runtime=$(rustc +nightly --print target-libdir)/librustc-nightly_rt.${sanitizer:0:1}san.a
    host=$(rustc +nightly --version --verbose | sed -n 's/^host: //p')
    flags="-fsanitize=$sanitizer -fno-sanitize-link-runtime -fno-omit-frame-pointer -Wno-unused-command-line-argument"
    flags+=" -rdynamic -Wl,--whole-archive,$runtime,--no-whole-archive -lstdc++ -lm -ldl"
    for test in batches c_programs clients dal_calls errors events every_function processors store waiting_calls; do
        tests+=(--test "$test")
    done
    CC=clang CXX=clang++ CFLAGS=$flags CXXFLAGS=$flags RUSTFLAGS="-Zsanitizer=$sanitizer" \
        CARGO_TARGET_DIR=$CARGO_TARGET_DIR/rust-$sanitizer SDP_DAL_TEST_RUNNER=$(without_aslr) \
        cargo +nightly test --package sdp-dal --locked --no-fail-fast --target "$host" "$@" --lib "${tests[@]}" -- \
        --skip compile --skip handles_after_their_end --skip the_sentences_are_those --skip pages_may_have_any_size
}

run_rust_asan() {
    need_nightly || return
    ASAN_OPTIONS=$asan_options run_instrumented address
}

# It sees no synchronisation that it has not compiled, and reports data that this protects as races. The standard library is
# therefore compiled again.
run_rust_tsan() {
    need_nightly || return
    [ -d "$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library" ] ||
        { not_run "no sources of Rust's standard library: rustup component add --toolchain nightly rust-src"; return; }
    # The tests let cargo build the library for C, so that an option would not reach it.
    TSAN_OPTIONS=$common_options CARGO_UNSTABLE_BUILD_STD=std,panic_unwind run_instrumented thread
}

# Miri interprets: only what needs no file that is mapped.
run_miri() {
    need_nightly || return
    cargo +nightly miri --version >/dev/null 2>&1 ||
        { not_run "no Miri: rustup component add --toolchain nightly miri"; return; }
    MIRIFLAGS=-Zmiri-disable-isolation CARGO_TARGET_DIR=$CARGO_TARGET_DIR/miri \
        cargo +nightly miri test --package sdp-dal --locked --lib -- wire:: store::id
}

# ---- crates, documents ----------------------------------------------------------------------------------------------

need_deny() {
    command -v cargo-deny >/dev/null || not_run "no cargo-deny: cargo install --locked cargo-deny"
}

run_deny() {
    need_deny || return
    cargo deny --locked check --deny warnings licenses bans sources
}

# Needs the database of https://rustsec.org, which cargo-deny fetches.
run_audit() {
    need_deny || return
    cargo deny fetch db >"$scratch/fetch.log" 2>&1 || { cat "$scratch/fetch.log"; not_run "the database cannot be fetched"; return; }
    cargo deny --locked --offline check advisories
}

run_docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
}

# ---- all of it ------------------------------------------------------------------------------------------------------

for wish in "$@"; do
    case $wish in
        -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        --quick) quick=yes ;;
        *) wants "$wish" || give_up "'$wish' is no mode: name some of ${modes[*]}" ;;
    esac
done
mapfile -t wished < <(printf '%s\n' "$@" | grep -v '^--quick$\|^$')
[ ${#wished[@]} -eq 0 ] || modes=("${wished[@]}")
command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
command -v cargo >/dev/null || give_up "cargo is missing: install Rust with rustup"
need_packages

passed=() failed=() others=()
began=$SECONDS
for mode in "${modes[@]}"; do
    start=$SECONDS reason=
    printf '\n==== %s\n' "$mode"
    if "run_${mode//-/_}"; then
        passed+=("$mode")
        printf '==== %s: passed in %d s\n' "$mode" $((SECONDS - start))
    elif [ -n "$reason" ]; then
        others+=("$mode")
        printf '==== %s: not run: %s\n' "$mode" "$reason" | tee -a "$scratch/not-run"
    else
        failed+=("$mode")
        printf '==== %s: FAILED after %d s\n' "$mode" $((SECONDS - start))
    fi
done

printf '\nsanitize.sh: %d passed (%s), %d failed (%s), %d not run (%s), %d s\n' ${#passed[@]} "${passed[*]:-none}" \
    ${#failed[@]} "${failed[*]:-none}" ${#others[@]} "${others[*]:-none}" $((SECONDS - began))
[ ! -s "$scratch/not-run" ] || sed 's/^==== /    /' "$scratch/not-run"
[ ${#failed[@]} -eq 0 ]
