#!/usr/bin/env bash
# Fetches what the demo needs and the repository does not hold: the sources of the gridder ducc0 (GPL, version 2 or
# later); a real observation, which comes inside a package of pyuvdata (BSD); matplotlib and astropy for the picture.
# All end up in a cache folder; what is there and intact is not fetched again.
set -euo pipefail

readonly ducc0=ducc0-0.42.0
readonly ducc0_sha256=4e11c59b53a43355b053aebb2a62ee16eebeed026575f7d216cf09d437ce52ef
readonly wheel_sha256=3720e555aecff0b5cdd2e5354f981d6418813cb999db1f34e1d355ea2cd58889
readonly data=day2_TDEM0003_10s_norx_1src_1spw.uvfits
readonly data_sha256=926ed6175d6725f6f27b04a97b658d13341f528a3847b5bc1b7246a24bde4b27
export HOME=${HOME:-~}
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/sdp-dal

usage() {
    cat <<END
usage: scripts/fetch_demo_data.sh [--needed]

Fetches into $cache
what is not there yet:
  $ducc0/   sources of the gridder
  $data   the observation
  python/   a Python environment with matplotlib and astropy, if python3 has not got them
--needed only says how many MB of what it would transfer.
$by_hand
Needs python3 with its venv module (Debian: apt-get install python3-venv).
END
}

readonly by_hand="On a machine without a network, put these files there by hand:
  $cache/$ducc0.tar.gz   from PyPI
  $cache/$data   from the wheel of pyuvdata 2.4.5, on PyPI"

intact() { # file, sha256
    [[ -f $1 ]] && echo "$2  $1" | sha256sum --check --status
}

draws() { # a Python
    "$1" "$(dirname "$0")/../cpp_examples/draw_image.py" --help >/dev/null 2>&1
}

needed() {
    intact "$cache/$ducc0.tar.gz" "$ducc0_sha256" || echo "4 MB of the gridder ducc0"
    intact "$cache/$data" "$data_sha256" || echo "67 MB of a package with an observation of the EVLA"
    draws "$cache/python/bin/python" || draws python3 || echo "54 MB of matplotlib and astropy, for the picture"
}

case ${1:-} in
-h | --help)
    usage
    exit 0
    ;;
--needed)
    needed
    exit 0
    ;;
'') ;;
*)
    echo "fetch_demo_data.sh: knows no '$1'; see --help" >&2
    exit 2
    ;;
esac

# Everything is made in here and then renamed into place: whatever stops this script, nothing is left half done.
mkdir -p "$cache"
work=$(mktemp -d "$cache/fetching.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# pip's own temporary folders, too.
export TMPDIR=$work

check() { # file, sha256
    if ! intact "$1" "$2"; then
        echo "fetch_demo_data.sh: $(basename "$1") is not the file expected: its sha256 is" \
            "$(sha256sum "$1" | cut -d' ' -f1), expected $2" >&2
        exit 1
    fi
}

pip() {
    if [[ ! -x $work/venv/bin/python ]] && ! python3 -m venv "$work/venv"; then
        echo "fetch_demo_data.sh: python3 cannot make a virtual environment (Debian: apt-get install python3-venv)" >&2
        exit 1
    fi
    "$work/venv/bin/python" -m pip "$1" --quiet --disable-pip-version-check --retries 2 "${@:2}"
}

# pip downloads by package name from wherever this machine is set up to look. With the hash in the requirement it
# refuses another file before it opens it.
download() { # requirement, sha256, pip's options...
    echo "$1 --hash=sha256:$2" >"$work/requirement"
    if ! pip download --no-deps --dest "$work" "${@:3}" --requirement "$work/requirement"; then
        printf '%s\n' "fetch_demo_data.sh: pip could not fetch ${1%%=*}, see above" "$by_hand" >&2
        exit 1
    fi
}

fetch_ducc0() {
    local archive=$cache/$ducc0.tar.gz
    if ! intact "$archive" "$ducc0_sha256"; then
        echo "fetching $ducc0"
        download ducc0==0.42.0 "$ducc0_sha256" --no-binary ducc0
        check "$work/$ducc0.tar.gz" "$ducc0_sha256"
        mv "$work/$ducc0.tar.gz" "$archive"
    fi
    # It may have been damaged since: its list of sums lies beside it.
    if ! (cd "$cache/$ducc0" && sha256sum --check --status "../$ducc0.sums") 2>/dev/null; then
        tar -xzf "$archive" -C "$work"
        (cd "$work/$ducc0" && find . -type f -exec sha256sum {} +) >"$work/sums"
        rm -rf "${cache:?}/$ducc0"
        mv "$work/sums" "$cache/$ducc0.sums"
        mv -T "$work/$ducc0" "$cache/$ducc0"
    fi
}

fetch_data() {
    if intact "$cache/$data" "$data_sha256"; then
        return
    fi
    echo "fetching the observation (67 MB, of which 4 are kept)"
    download pyuvdata==2.4.5 "$wheel_sha256" --only-binary :all: --python-version 3.11 \
        --platform manylinux2014_x86_64
    local wheel
    wheel=$(echo "$work"/pyuvdata-2.4.5-*.whl)
    check "$wheel" "$wheel_sha256"
    # A wheel is a zip file.
    python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' \
        "$wheel" "pyuvdata/data/$data" >"$work/$data"
    check "$work/$data" "$data_sha256"
    mv "$work/$data" "$cache/$data"
}

# Without it the demo has no picture, and all else.
fetch_matplotlib() {
    if draws "$cache/python/bin/python" || draws python3; then
        return
    fi
    echo "fetching matplotlib and astropy"
    if pip install --only-binary :all: 'matplotlib>=3.6' astropy; then
        rm -rf "$cache/python"
        mv -T "$work/venv" "$cache/python"
    else
        echo "fetch_demo_data.sh: pip could not fetch matplotlib and astropy, see above: there will be no picture" >&2
    fi
}

fetch_ducc0
fetch_data
fetch_matplotlib
echo "$cache holds $ducc0 and $data"
