#!/bin/bash
# Installs the tools of packaging/requirements.txt into an environment in the target folder, unless they are there, and
# prints the folder of its programs. PYTHON names another Python than python3 (3.9 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
environment=$target/python/packaging
python=${PYTHON:-python3}
# The versions are for Python 3.11 and newer.
if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    wanted=$(cat packaging/requirements.txt)
else
    wanted=$(sed 's/==.*//' packaging/requirements.txt)
fi
if [ "$wanted" != "$(cat "$environment/installed.txt" 2>/dev/null)" ]; then
    "$python" -m venv --clear "$environment" >&2
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement <(echo "$wanted") >&2
    echo "$wanted" >"$environment/installed.txt"
fi
echo "$environment/bin"
