#!/usr/bin/env bash
# Runs the tests of programs that were written for Apache Plasma, with ska_sdp_dal.plasma in its place.
set -euo pipefail

cd "$(dirname "$0")/.."
export HOME=${HOME:-~}
readonly work=$PWD/target/peers-plasma

usage() {
    cat <<END
usage: scripts/peers_plasma.sh [--python PATH] [--python39 PATH] [--only PEER] [WHEEL]

Runs the tests of programs that were written for Apache Plasma, with ska_sdp_dal.plasma in its place. The programs are not
changed: 'python -m ska_sdp_dal.plasma install' lets 'import pyarrow.plasma' find it. A line is printed for each:
  plasma        the tests of pyarrow.plasma in pyarrow 11, the last with Plasma; with pyarrow 11 itself for comparison
  brain-plasma  its tests, and a session of its functions on a real store
  improv        the tests of its store
  daliuge       DALiuGE's tests of its Plasma drops and of its drop utilities

  --python PATH    the Python that runs all but DALiuGE, with the newest packages. Default: python3
  --python39 PATH  a Python 3.9, for pyarrow 11 and DALiuGE, whose dependencies need it. Default: python3.9
  --only PEER      runs this one only; may be given several times
  WHEEL            the wheel of ska_sdp_dal. Default: it is built from ./python, which takes minutes

Everything is fetched by pip into $work (some 1.5 GB), and stays there.
Ends with a status other than 0 if a test fails that is not known to fail.
END
}

fail() {
    printf 'peers_plasma.sh: %s\n' "$@" >&2
    exit 1
}

python=python3 python39=python3.9 wheel='' chosen=()
while (($#)); do
    case $1 in
    --help) usage && exit ;;
    --python) python=${2:?} && shift ;;
    --python39) python39=${2:?} && shift ;;
    --only) chosen+=("${2:?}") && shift ;;
    -*) usage >&2 && exit 2 ;;
    *) wheel=$(realpath -e "$1") ;;
    esac
    shift
done
((${#chosen[@]})) || chosen=(plasma brain-plasma improv daliuge)
for peer in "${chosen[@]}"; do
    case $peer in
    plasma | brain-plasma | improv) ;;
    daliuge) [ ! -e /tmp/plasma ] || fail "DALiuGE's tests use the store /tmp/plasma, which is there: end it first" ;;
    *) fail "there is no peer '$peer': plasma, brain-plasma, improv or daliuge" ;;
    esac
done
for needed in "$python" "$python39"; do
    command -v "$needed" >/dev/null || fail "$needed is missing: name another one with --python or --python39"
done

# A virtual environment of some packages, made once.
environment() { # name, python, packages
    local folder=$work/$1
    if [ ! -e "$folder/complete" ]; then
        rm -rf "$folder"
        "$2" -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check "${@:3}" || fail "pip failed: see above"
        touch "$folder/complete"
    fi
}

# This package, in an environment, so that it is found as pyarrow.plasma.
install_ours() { # name
    "$work/$1/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheel"
    "$work/$1/bin/python" -m ska_sdp_dal.plasma install >"$work/$1.log"
}

# The sources of a package, with its tests; their folder.
sources() { # package, version
    local folder=$work/sources/$1-$2
    if [ ! -d "$folder" ]; then
        "$work/ours/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary "$1" \
            --dest "$work/sources" "$1==$2" || fail "pip could not fetch $1 $2"
        tar xzf "$folder.tar.gz" -C "$work/sources"
    fi
    echo "$folder"
}

# Runs tests, and says in a line what became of them. Those that are known to fail are named with the reason.
failed=0
tests() { # line's beginning, environment, folder, arguments of pytest; in `known` a line for each known failure
    local label=$1 bin=$work/$2/bin folder=$3 report log
    shift 3
    report=$(mktemp "$work/report.XXXXXX") log=$work/$(tr -c 'a-z0-9\n' '-' <<<"${label,,}").log
    (cd "$folder" && PATH=$bin:$PATH timeout 900 "$bin/python" -m pytest -p no:cacheprovider --junitxml "$report" "$@") \
        >"$log" 2>&1 || true
    "$python" - "$label" "$report" "$log" "${known:-}" <<'PYTHON' || failed=1
import sys
import xml.etree.ElementTree as xml

label, report, log, known = sys.argv[1:]
why = dict(line.split(": ", 1) for line in known.splitlines() if line)
try:
    cases = list(xml.parse(report).iter("testcase"))
except xml.ParseError:
    cases = []
names = {kind: [case.get("name") for case in cases if case.find(kind) is not None] for kind in ("failure", "error", "skipped")}
broken = names["failure"] + names["error"]
passed = len(cases) - len(broken) - len(names["skipped"])
print(f"{label}: {passed} passed, {len(names['skipped'])} skipped, {len(broken)} failed")
for name in broken:
    print(f"  {name}: {why.get(name, 'NOT KNOWN to fail, see ' + log)}")
for name in why.keys() - set(broken):
    print(f"  {name} passes: it was known to fail")
sys.exit(not passed or any(name not in why for name in broken))
PYTHON
    rm -f "$report"
}

run_plasma() {
    environment pyarrow-11 "$python39" pyarrow==11.0.0 'numpy<2' 'pandas<2.1' pytest 'setuptools<70'
    local suite=$work/sources/pyarrow-11 known newest
    mkdir -p "$suite"
    cp "$(find "$work/pyarrow-11/lib" -path '*/pyarrow/tests/test_plasma.py')" "$suite/"
    tests "plasma with pyarrow 11" pyarrow-11 "$suite" test_plasma.py
    known="test_put_and_get_raw_buffer: pyarrow's, which removed deserialize()
test_put_and_get_serialization_context: pyarrow's, which removed SerializationContext
test_store_pandas_dataframe: the test's, which takes a column of the newest pandas for one array
test_plasma_deprecated: meant so, ska_sdp_dal.plasma is not deprecated
test_eviction: meant so, there is no external store"
    newest=$("$work/ours/bin/python" -c 'import pyarrow; print(pyarrow.__version__)')
    tests "plasma with ska_sdp_dal, pyarrow $newest" ours "$suite" test_plasma.py
}

run_brain() {
    local folder
    folder=$(sources brain-plasma 0.3.3)
    tests "brain-plasma 0.3.3" ours "$folder" tests
    if (cd "$folder" && PATH=$work/ours/bin:$PATH "$work/ours/bin/python" -) <<'PYTHON' >"$work/brain-session.log" 2>&1; then
import numpy as np
import pandas as pd
from brain_plasma import Brain
from pyarrow import plasma

with plasma.start_plasma_store(100_000_000) as (path, _):
    brain = Brain(path=path)
    brain["numbers"] = np.arange(1000)
    brain["frame"] = pd.DataFrame({"a": [1, 2]})
    brain.learn("text", "this", "a description")
    assert brain["numbers"].sum() == 499500 and brain["frame"].equals(pd.DataFrame({"a": [1, 2]}))
    brain["text"] = "that"
    assert brain.recall("text") == "that" and brain.metadata("text")["description"] == "a description"
    assert sorted(brain.names()) == ["frame", "numbers", "text"] and len(brain) == 3 and "text" in brain
    assert {brain.object_id(name) for name in brain.names()} == set(brain.ids()) == set(brain.object_ids().values())
    assert brain.size() > 0 and brain.used() > 0 and brain.free() < brain.size()
    del brain["numbers"]
    brain.sleep()
    brain.wake_up()
    other = Brain(path=path)
    assert sorted(other.names()) == ["frame", "text"] and other["text"] == "that"
    other.set_namespace("second")
    other["only here"] = [1, "two", None]
    assert other["only here"] == [1, "two", None] and other.names() == ["only here"]
    assert other.namespaces() == {"default", "second"}
    other.remove_namespace("second")
    assert other.namespaces() == {"default"} and sorted(other.names()) == ["frame", "text"]
    brain.client.disconnect()
    other.client.disconnect()
PYTHON
        echo "brain-plasma 0.3.3, all functions on a real store: right"
    else
        echo "brain-plasma 0.3.3, all functions on a real store: WRONG, see $work/brain-session.log"
        failed=1
    fi
}

run_improv() {
    local folder
    folder=$(sources improv 0.2.2)
    tests "improv 0.2.2, its store" ours "$folder" test/test_store_with_errors.py
    # Its tests kill plasma_store, the last client, which leaves the store. Opening and closing a store removes it.
    "$work/ours/bin/python" - <<'PYTHON'
import glob
import os

from ska_sdp_dal import Connection

for path in glob.glob("/tmp/????????-????-????-????-????????????"):
    if os.path.islink(path) and os.readlink(path).startswith("/dev/shm/sdp-dal-"):
        Connection(path).close()
PYTHON
}

run_daliuge() {
    environment daliuge "$python39" pyarrow numpy cffi pytest 'setuptools<70' wheel merklelib gputil 'python-benedict<0.33' \
        pyzmq pyyaml bottle boto3 configobj crc32c dill docker lockfile netifaces overrides paramiko psutil python-daemon \
        scp zeroconf zerorpc
    install_ours daliuge
    local engine common
    engine=$(sources daliuge-engine 4.0.1)
    common=$(sources daliuge-common 4.0.1)
    PYTHONPATH=$engine:$common tests "DALiuGE 4.0.1, its Plasma drops" daliuge "$engine" test/test_drop.py -k plasma
    PYTHONPATH=$engine:$common tests "DALiuGE 4.0.1, its drop utilities" daliuge "$engine" test/test_droputils.py
}

mkdir -p "$work/sources"
if [ -z "$wheel" ]; then
    rm -rf "$work/wheel"
    "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/wheel" ./python
    wheel=$(echo "$work"/wheel/*.whl)
fi
environment ours "$python" pyarrow numpy cffi pandas pytest 'setuptools<70' lmdb scipy pyyaml pyzmq
install_ours ours
for peer in "${chosen[@]}"; do
    case $peer in
    plasma) run_plasma ;;
    brain-plasma) run_brain ;;
    improv) run_improv ;;
    daliuge) run_daliuge ;;
    esac
done
exit $failed
