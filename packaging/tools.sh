#!/bin/bash
# Installs the tools of packaging/requirements.txt into an environment in the target folder, unless they are there, and
# prints the folder of its programs. PYTHON names another Python than python3 (3.9 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
environment=$target/python/packaging
wanted=packaging/requirements.txt
if ! cmp -s "$wanted" "$environment/installed.txt"; then
    "${PYTHON:-python3}" -m venv --clear "$environment" >&2
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted" >&2
    cp "$wanted" "$environment/installed.txt"
fi
echo "$environment/bin"
