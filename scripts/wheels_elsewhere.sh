#!/bin/bash
# Runs the first example of python/README.md with the wheels that scripts/wheels.sh has made, on other systems:
#
#   scripts/wheels_elsewhere.sh [--only bullseye|aarch64]... [FOLDER]
#
#   bullseye  the x86-64 wheel in a root of Debian 11: Python 3.9, glibc 2.31, the pip of that time
#   aarch64   the aarch64 wheel with an arm64 Python of Debian, emulated by qemu
#
# FOLDER (default: dist/) has the wheels. It needs Debian on x86-64 and the network; bullseye also needs root and debootstrap.
# Some 1.5 GB are used below TMPDIR and removed in the end; nothing is installed. Some five minutes for both.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
folder=dist
wanted=()
problems=()
# shellcheck source-path=SCRIPTDIR/..
. scripts/wheels/common.sh

usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
}

while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit ;;
    --only)
        case ${2:-} in
        bullseye | aarch64) wanted+=("$2") ;;
        *) fail "--only takes bullseye or aarch64" ;;
        esac
        shift
        ;;
    -*) fail "'$1' is unknown, see --help" ;;
    *) folder=$1 ;;
    esac
    shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=(bullseye aarch64)

# find_wheel PROCESSOR: its path is in $wheel then.
find_wheel() {
    wheel=$(compgen -G "$folder/ska_sdp_dal-*_$1.whl" | sort -V | tail -n 1) ||
        problems+=("$folder has no wheel for $1: scripts/wheels.sh --only $1")
}

need_tools() {
    local name tools=(apt-get apt-cache dpkg)
    [[ " ${wanted[*]} " != *" bullseye "* ]] || {
        tools+=(debootstrap unshare chroot)
        PATH=$PATH:/usr/sbin:/sbin
        [ "$(id -u)" = 0 ] || problems+=("only root can make and enter a root of Debian 11: sudo $0, or --only aarch64")
        find_wheel x86_64
    }
    [[ " ${wanted[*]} " != *" aarch64 "* ]] || find_wheel aarch64
    [ "$(uname -m)" = x86_64 ] || problems+=("this is no x86-64 machine")
    for name in "${tools[@]}"; do
        command -v "$name" >/dev/null || problems+=("$name is missing")
    done
    [ "$(df --output=avail -B 1M "${TMPDIR:-/tmp}" | tail -n 1)" -ge 1500 ] ||
        problems+=("${TMPDIR:-/tmp} has less than 1.5 GB free: TMPDIR names another folder")
}

# What is mounted goes with the processes that see it, and these with this script.
run_bullseye() {
    local root=$scratch/bullseye
    find_wheel x86_64
    say "bullseye: making a root of Debian 11"
    unshare --mount debootstrap --variant=minbase --include=python3-venv bullseye "$root" >"$scratch/log" 2>&1 ||
        { tail -n 20 "$scratch/log" >&2 && return 1; }
    say "bullseye: fetching what the wheel depends on"
    mkdir "$root/try"
    "$scratch/tools/bin/pip" download --quiet --only-binary :all: --python-version 3.9 --dest "$root/try" \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 "$wheel"
    cp scripts/wheels/first_example.py python/README.md "$root/try/"
    cat >"$root/try/run" <<'EOF'
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /dev/shm
cd /try
python3 -m venv environment
environment/bin/pip install --quiet --no-index --find-links . ska-sdp-dal
exec environment/bin/python first_example.py README.md --program /try/environment/bin/sdp-dal
EOF
    say "bullseye: installing the wheel and running it"
    unshare --mount --pid --fork --kill-child chroot "$root" /usr/bin/env -i PATH="$PATH" /bin/sh /try/run
    rm -rf "$root"
}

run_aarch64() {
    local root=$scratch/arm64 file emulator interpreter
    find_wheel aarch64
    say "aarch64: fetching an arm64 Python and qemu"
    apt_for arm64 amd64 "$scratch/apt"
    apt-get --quiet --quiet --yes --no-install-recommends --download-only install python3 libstdc++6 >"$scratch/log" 2>&1 ||
        { tail -n 20 "$scratch/log" >&2 && return 1; }
    mkdir "$root"
    for file in "$scratch"/apt/archives/*.deb; do dpkg -x "$file" "$root"; done
    unpack "$scratch/qemu" qemu-user-static:amd64
    emulator=$scratch/qemu/usr/bin/qemu-aarch64-static
    interpreter=$(realpath "$root/usr/bin/python3")
    say "aarch64: fetching what the wheel depends on"
    "$scratch/tools/bin/pip" install --quiet --only-binary :all: --python-version "${interpreter##*/python}" \
        --platform manylinux_2_28_aarch64 --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 \
        --target "$root/site" "$wheel"
    say "aarch64: running it"
    PYTHONHOME=$root/usr PYTHONPATH=$root/site "$emulator" -L "$root" "$interpreter" scripts/wheels/first_example.py \
        python/README.md --program "$root/site/bin/sdp-dal" --emulator "$emulator" -L "$root"
    rm -rf "$root"
}

need_tools
[ ${#problems[@]} -eq 0 ] || fail "${problems[@]}"
make_scratch
"$python" -m venv "$scratch/tools"
for system in "${wanted[@]}"; do "run_$system"; done
say "passed: ${wanted[*]}"
