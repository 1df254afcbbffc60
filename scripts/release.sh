#!/bin/bash
# Prepares a release:
#
#   scripts/release.sh VERSION --dry-run   checks everything and builds everything, changes nothing
#   scripts/release.sh VERSION             the same, then asks, tags the commit, and prints the commands that upload
#   scripts/release.sh --check             only that the files agree about version, date and repository; takes a second
#
# Before it: set the version in Cargo.toml and in the files that --check then names, put the date behind the version in
# CHANGELOG.md ("## 1.2.3, 2030-01-31") and into CITATION.cff (date-released), commit, and let scripts/test.sh pass.
#
# It makes, in build/release/VERSION: the crates, the wheels and the source package for pip (scripts/wheels.sh), packages for
# Debian, Fedora, RHEL and SUSE (scripts/packages.sh), a bill of materials (scripts/sbom.py), the sources, and SHA256SUMS. The
# ABI is compared with that of the last tag, if the versions promise the same one. It uploads nothing. Cargo builds in
# CARGO_TARGET_DIR (default target/). It needs the network, and takes some 20 minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
}

dry_run='' check='' version=''
for argument in "$@"; do
    case $argument in
    -h | --help) usage; exit ;;
    --dry-run) dry_run=1 ;;
    --check) check=1 ;;
    [0-9]*.[0-9]*.[0-9]*) version=$argument ;;
    *) echo "release.sh: '$argument' is neither an option nor a version as 1.2.3; see --help" >&2; exit 2 ;;
    esac
done
[ -n "$check" ] || [ -n "$version" ] || { usage >&2; exit 2; }

CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sdp-dal-release.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
out=$scratch/out
problems=()

# ---- what must agree ------------------------------------------------------------------------------------------------

# A file, and the pattern whose first group is the version in it; more than one line may fit, and then all must be the same.
# The crates and the Python package take version and address from Cargo.toml.
VERSIONS='
Cargo.toml ^sdp-dal = .*version = "=([^"]+)".*
include/sdp_dal.h ^#define SDP_DAL_VERSION_STRING "([^"]+)".*
CITATION.cff ^version: "?([^"]+)"?
packaging/conda/recipe.yaml ^  version: "([0-9][^"]+)"
packaging/spack/package.py .*tag="v([^"]+)".*
packaging/docker/Dockerfile .* -t sdp-dal[a-z-]*:([0-9.]+) .*
packaging/kubernetes/pod.yaml .*image: [^:]+:(.+)
packaging/kubernetes/statefulset.yaml .*image: [^:]+:(.+)
'
# The same for where the project lives.
REPOSITORIES='
CITATION.cff ^repository-code: "?([^"]+)"?
packaging/conda/recipe.yaml ^  repository: (.+)
packaging/spack/package.py ^    homepage = "(.+)"
packaging/spack/package.py ^    git = "(.+)\.git"
'

stated() {
    sed -nE "s|$2|\1|p" "$1" | sort -u | paste -s -d ' '
}

agree() {
    local wanted=$1 file pattern found
    while read -r file pattern; do
        [ -n "$file" ] || continue
        found=$(stated "$file" "$pattern")
        [ "$found" = "$wanted" ] || problems+=("$file says '$found', and Cargo.toml '$wanted'")
    done <<<"$2"
}

# What the changelog says behind the version that its first heading names.
changelog_date() {
    sed -nE "/^## /{s/^## ${version//./\\.}, (.+)/\1/p;q}" CHANGELOG.md
}

check_files() {
    local own date cited
    own=$(stated Cargo.toml '^version = "([^"]+)".*')
    version=${version:-$own}
    [ "$own" = "$version" ] || problems+=("Cargo.toml says '$own', and you '$version'")
    agree "$own" "$VERSIONS"
    agree "$(stated Cargo.toml '^repository = "([^"]+)".*')" "$REPOSITORIES"
    date=$(changelog_date) cited=$(stated CITATION.cff '^date-released: "?([^"]+)"?')
    case $date in
    [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9])
        [ "$cited" = "$date" ] || problems+=("CITATION.cff has the date '$cited', and CHANGELOG.md '$date'") ;;
    unreleased)
        [ -z "$cited" ] || problems+=("CITATION.cff has the date '$cited', and CHANGELOG.md says 'unreleased'")
        [ -n "$dry_run$check" ] || problems+=("CHANGELOG.md says 'unreleased': put the date behind $version") ;;
    *) problems+=("the first heading of CHANGELOG.md is not '## $version, DATE' with a date as 2030-01-31") ;;
    esac
}

# For each version the one of the ABI: before 1.0 a minor version may change it, then a major one.
abi_of() {
    case $1 in
    0.*) echo "${1%.*}" ;;
    *) echo "${1%%.*}" ;;
    esac
}

last_tag() {
    git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || true
}

check_commit() {
    local last
    [ -z "$(git status --porcelain)" ] || problems+=("the tree differs from its commit: git status")
    last=$(last_tag)
    if [ -n "$last" ] && [ "$(printf '%s\n' "${last#v}" "$version" | sort -V | tail -n 1)" = "${last#v}" ]; then
        problems+=("$version is not newer than the last tag, $last")
    fi
    [ -x scripts/wheels.sh ] || [ -n "$dry_run" ] || problems+=("there is no scripts/wheels.sh, which makes the wheels")
}

give_up_if_wrong() {
    [ ${#problems[@]} -eq 0 ] || { printf 'release.sh: %s\n' "${problems[@]}" >&2; exit 1; }
}

# ---- what is made ---------------------------------------------------------------------------------------------------

# Runs a step: says how long it took, and what it said if it failed.
step() {
    local name=$1 start=$SECONDS
    shift
    printf '%4d s  %s ...\n' "$SECONDS" "$name"
    if ! "$@" >"$scratch/step.log" 2>&1; then
        tail -n 40 "$scratch/step.log" >&2
        printf 'release.sh: %s failed after %d s\n' "$name" $((SECONDS - start)) >&2
        exit 1
    fi
    # Notes are for who releases; the rest is of interest only if it fails.
    sed -n 's/^note: /        /p' "$scratch/step.log"
}

compare_abi() {
    local last
    last=$(last_tag)
    if [ -z "$last" ]; then
        echo "note: there is no tag yet, and the ABI is compared with none"
    elif [ "$(abi_of "${last#v}")" != "$(abi_of "$version")" ]; then
        echo "note: $version may differ from $last in its ABI, and is not compared with it"
    else
        git show "$last:tests/abi/libsdp_dal.abi" >"$scratch/last.abi" || return
        abidiff --no-architecture --no-added-syms --suppressions tests/abi/appended.suppr "$scratch/last.abi" \
            tests/abi/libsdp_dal.abi || return
        echo "note: the ABI is that of $last, or has more"
    fi
}

# Together: the program's crate needs the library's, which is in no registry yet.
make_crates() {
    cargo package --locked --package sdp-dal --package sdp-dal-cli &&
        cp "$CARGO_TARGET_DIR/package/sdp-dal-$version.crate" "$CARGO_TARGET_DIR/package/sdp-dal-cli-$version.crate" "$out"
}

make_wheels() {
    if [ ! -x scripts/wheels.sh ]; then
        echo "note: there is no scripts/wheels.sh, and no wheel is made"
        return
    fi
    scripts/wheels.sh --out "$out" && ls "$out/ska_sdp_dal-$version"-*.whl "$out/ska_sdp_dal-$version.tar.gz"
}

make_packages() {
    SDP_DAL_LTO=ON scripts/packages.sh "$scratch/packages" && cp "$scratch/packages"/* "$out"
}

make_bill() {
    python3 -B scripts/sbom.py --output "$out/sdp-dal-$version.cdx.json" &&
        "$tools/python" packaging/validate_bill.py "$out/sdp-dal-$version.cdx.json"
}

make_sources() {
    git archive --prefix="sdp-dal-$version/" HEAD | gzip -n -9 >"$out/sdp-dal-$version.tar.gz"
}

make_sums() {
    (cd "$out" && sha256sum -- * >"$scratch/SHA256SUMS") && mv "$scratch/SHA256SUMS" "$out"
}

show_plan() {
    local folder=$1 place
    place=$(stated Cargo.toml '^repository = "([^"]+)".*')
    cat <<END

What a release does now, in this order:

  git tag --sign v$version --message 'Version $version' $(git rev-parse --short HEAD)
  git push origin v$version
  cargo publish --locked --package sdp-dal
  cargo publish --locked --package sdp-dal-cli
  twine upload $folder/ska_sdp_dal-$version*

Attach to the release v$version of ${place:-the project}:
$(cd "$folder" && du -h -- *.deb *.rpm *.cdx.json "sdp-dal-$version.tar.gz" SHA256SUMS | sed 's/^/  /')
END
}

make_tag() {
    local answer
    printf '\nTag commit %s as v%s? Type the version: ' "$(git rev-parse --short HEAD)" "$version"
    read -r answer || answer=
    if [ "$answer" != "$version" ]; then
        echo "release.sh: nothing was tagged" >&2
        exit 1
    fi
    git tag --sign "v$version" --message "Version $version"
    echo "Tagged. The other commands are yours to run."
}

# ---- all of it ------------------------------------------------------------------------------------------------------

check_files
if [ -n "$check" ]; then
    give_up_if_wrong
    echo "release.sh: the files agree: version $version, $(changelog_date)"
    exit
fi
check_commit
give_up_if_wrong
tools=$(packaging/tools.sh)
mkdir "$out"
[ "$(changelog_date)" != unreleased ] ||
    echo "CHANGELOG.md says 'unreleased': a dry run may go on, a release needs the date"
step "ABI" compare_abi
step "crates" make_crates
step "wheels" make_wheels
step "packages for Debian, Fedora, RHEL and SUSE" make_packages
step "bill of materials" make_bill
step "sources" make_sources
step "checksums" make_sums
folder=build/release/$version
rm -rf "$folder"
mkdir -p build/release
mv "$out" "$folder"
printf '%4d s  %d files are in %s\n' "$SECONDS" "$(find "$folder" -type f | wc -l)" "$folder"
show_plan "$folder"
[ -n "$dry_run" ] || make_tag
