# What wheels.sh and wheels_elsewhere.sh share.
# shellcheck shell=bash
began=$SECONDS
scratch=

say() {
    printf '== %s (%d s)\n' "$*" $((SECONDS - began))
}

fail() { # sentences, a line each
    printf "$(basename "$0"): %s\n" "$@" >&2
    exit 1
}

# A folder for what is in the making, which is removed however this ends.
make_scratch() {
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/sdp-dal-wheels.XXXXXX")
    # Where pip and the others have their temporary folders, too.
    export TMPDIR=$scratch
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# The folder that is there, of a path that is to be made.
existing() {
    local there=$1
    while [ ! -e "$there" ]; do there=$(dirname "$there"); done
    echo "$there"
}

# apt_for NATIVE OTHER FOLDER: makes apt-get and apt-cache of this shell work for two architectures, with an empty state of
# their own in a folder. They read where the system gets its packages, and change nothing of it.
apt_for() {
    mkdir -p "$3"/{lists,archives}/partial
    : >"$3/status"
    cat >"$3/conf" <<EOF
APT::Architecture "$1";
APT::Architectures { "$1"; "$2"; };
APT::Sandbox::User "root";
Dir::State::lists "$3/lists";
Dir::State::status "$3/status";
Dir::Cache::archives "$3/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
EOF
    export APT_CONFIG=$3/conf
    # A source without packages for an architecture is no failure: what is needed and missing is one later.
    apt-get --quiet --quiet update >"$3/log" 2>&1 || cat "$3/log" >&2
}

# newest_dependency PACKAGE PREFIX: the name of the package that it depends on and that begins so.
newest_dependency() {
    apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | tr ',' '\n' | sed 's/^ *//;s/ .*//' | grep "^$2"
}

# unpack FOLDER PACKAGE...: the newest of each into a folder, with nothing that they depend on.
unpack() {
    local folder=$1 file
    shift
    mkdir -p "$folder" "$scratch/debs"
    (cd "$scratch/debs" && apt-get --quiet --quiet download "$@")
    for file in "$scratch"/debs/*.deb; do dpkg -x "$file" "$folder"; done
    rm -rf "$scratch/debs"
}
