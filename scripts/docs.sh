#!/usr/bin/env bash
# Builds the site from docs/, the headers, the Python package and the help texts of sdp-dal.
set -euo pipefail

cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
readonly python=${PYTHON:-python3} environment=$CARGO_TARGET_DIR/python/docs site=build/site started=$SECONDS
problems=()

usage() {
    cat <<END
usage: scripts/docs.sh [--open | --check]

Builds the site into $site: the documents in docs/, and the references of C, C++, Python and sdp-dal, which
are made from the headers, the package and the program. Every warning is an error.

  --open    opens the first page in a browser afterwards
  --check   reads everything again and keeps no pages: for tests

Needs Rust, Python 3.11 or newer with venv, and doxygen. Run as root on Debian, it installs the packages that are missing;
otherwise it lists them. It fetches 110 MB of Python packages the first time, into
$environment, and works without a network afterwards.
Takes some 4 minutes the first time, for the library is built too, and half a minute afterwards.
PYTHON names another Python than python3.
END
}

fail() { # sentences, a line each
    printf 'docs.sh: %s\n' "$@" >&2
    exit 1
}

say() { printf '== %s (%d s)\n' "$*" $((SECONDS - started)); }

# What is missing is told at once, before anything is fetched or built.
check_needs() {
    local packages=()
    command -v cargo >/dev/null || PATH=${CARGO_HOME:-${HOME:-~}/.cargo}/bin:$PATH
    command -v cargo >/dev/null || problems+=("there is no cargo. Install Rust: https://www.rust-lang.org/tools/install")
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        problems+=("$python is not Python 3.11 or newer: PYTHON names another one")
    command -v doxygen >/dev/null || packages+=(doxygen)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
    if ((${#packages[@]})); then
        if ! command -v apt-get >/dev/null; then
            problems+=("this needs what Debian calls ${packages[*]}: install it the way your system does")
        elif ((EUID != 0)); then
            problems+=("packages are missing: sudo apt-get install --yes --no-install-recommends ${packages[*]}")
        fi
    fi
    ((${#problems[@]} == 0)) || fail "${problems[@]}"
    ((${#packages[@]})) || return 0
    say "Installing ${packages[*]}"
    { apt-get update --quiet --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes \
        --no-install-recommends "${packages[@]}"; } >/dev/null || fail "the packages could not be installed, see above"
}

# The packages in their pinned versions, once; the package that is described, each time.
prepare() {
    local done=$environment/requirements.txt
    if ! cmp --silent docs/requirements.txt "$done"; then
        say "Fetching Python packages (110 MB the first time)"
        "$python" -m venv --clear "$environment"
        "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement docs/requirements.txt
        cp docs/requirements.txt "$done"
    fi
    say "Building the library, sdp-dal and the Python package"
    cargo build --quiet --release --locked --package sdp-dal-capi --package sdp-dal-cli
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
        --no-index --force-reinstall ./python
}

build() { # where the pages go, and options of Sphinx
    local into=$1
    shift
    say "Building the pages"
    SDP_DAL_SITE_WORK=$CARGO_TARGET_DIR/docs "$environment/bin/python" -m sphinx --quiet --nitpicky --fail-on-warning \
        --builder html --doctree-dir "$CARGO_TARGET_DIR/docs/doctrees" "$@" docs "$into"
}

case ${1:-} in
-h | --help) usage && exit ;;
'' | --open | --check) ;;
*) fail "'$1' is no option; see --help" ;;
esac
(($# < 2)) || fail "one option at most; see --help"

check_needs
prepare
if [[ ${1:-} == --check ]]; then
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/sdp-dal-docs.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    build "$scratch" --fresh-env
    say "Done: no warnings"
else
    build "$site"
    say "Done: $PWD/$site/index.html"
    [[ ${1:-} != --open ]] || xdg-open "$PWD/$site/index.html"
fi
