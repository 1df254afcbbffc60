# SPDX-License-Identifier: BSD-3-Clause
"""What pip shows while it builds the package, with and without a terminal. cargo is a stand-in that compiles nothing."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

PACKAGE = Path(__file__).resolve().parent.parent

CARGO = """#!/bin/sh
if [ "$1" = --version ]; then echo "cargo 999.0.0"; exit; fi
echo "$*" >"$CARGO_TARGET_DIR/asked"
for number in 1 2 3; do
    printf '   Compiling crate%d v0.1.0\\n' $number >&2
    [ "$CARGO_TERM_PROGRESS_WHEN" != always ] || printf '    Building [=> ] %d/3: crate%d, other\\r' $number $number >&2
    sleep 0.2
done
if [ -n "$CARGO_FAILS" ]; then echo "error: could not compile crate3" >&2; exit 101; fi
mkdir -p "$CARGO_TARGET_DIR/release"
for product in libsdp_dal.so sdp-dal; do cp /bin/true "$CARGO_TARGET_DIR/release/$product"; done
"""


@pytest.fixture
def pip(tmp_path: Path) -> Tuple[List[str], Dict[str, str]]:
    """A command that builds the wheel, and its environment."""
    cargo = tmp_path / "bin" / "cargo"
    cargo.parent.mkdir()
    cargo.write_text(CARGO)
    cargo.chmod(0o755)
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(tmp_path)]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "SDP_DAL_"))},
        "PATH": f"{cargo.parent}:{os.environ['PATH']}",
        "CARGO_TARGET_DIR": str(tmp_path),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "TERM": "xterm",
    }
    return [*command, str(PACKAGE)], environment


def on_a_terminal(command: List[str], environment: Dict[str, str]) -> str:
    """All that a terminal got while a command ran on it."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(command[0], command, environment)
    shown = b""
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError:
            break  # The last program on it has ended.
        shown += read
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert status == 0, shown.decode()
    return shown.decode()


def without_a_terminal(command: List[str], environment: Dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def in_order(text: str, *parts: str) -> None:
    place = 0
    for part in parts:
        place = text.find(part, place) + 1
        assert place, f"{part!r} is not in its place in {text!r}"


def test_a_terminal_shows_what_happens_and_how_far_it_is(pip: Tuple[List[str], Dict[str, str]]) -> None:
    shown = on_a_terminal(*pip)
    in_order(shown, "compiling Rust code", "1 of 3 steps", "3 of 3 steps", "cargo has ended", "Successfully built")
    assert "Compiling crate1" not in shown and "Building [" not in shown


def test_verbose_output_on_a_terminal_has_cargos_lines_alone(pip: Tuple[List[str], Dict[str, str]]) -> None:
    command, environment = pip
    shown = on_a_terminal([*command, "-v"], environment)
    in_order(shown, "compiling Rust code", "Compiling crate1 v0.1.0\r\n", "Compiling crate3", "compiled in")
    assert "of 3 steps" not in shown and "Building [" not in shown


def test_quiet_is_quiet(pip: Tuple[List[str], Dict[str, str]]) -> None:
    command, environment = pip
    assert on_a_terminal([*command, "-q"], environment) == ""


def test_a_log_has_lines_only(pip: Tuple[List[str], Dict[str, str]]) -> None:
    command, environment = pip
    quiet = without_a_terminal(command, environment)
    assert quiet.returncode == 0, quiet.stdout
    verbose = without_a_terminal([*command, "-v"], environment)
    in_order(verbose.stdout, "compiling Rust code", "Compiling crate1 v0.1.0\n", "Compiling crate3")
    for log in (quiet, verbose):
        assert "\r" not in log.stdout and "\x1b" not in log.stdout and "Building [" not in log.stdout


def test_cargos_errors_are_shown(pip: Tuple[List[str], Dict[str, str]]) -> None:
    command, environment = pip
    failed = without_a_terminal(command, {**environment, "CARGO_FAILS": "1"})
    assert failed.returncode != 0
    in_order(failed.stdout, "error: could not compile crate3", "cargo ended with status 101")
    assert "Traceback" not in failed.stdout


def test_the_wheel_has_the_library_and_the_program(pip: Tuple[List[str], Dict[str, str]], tmp_path: Path) -> None:
    assert without_a_terminal(*pip).returncode == 0
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-linux_" + os.uname().machine + ".whl")
    # The same selection as CMake's: then neither compiles again what the other has.
    asked = (tmp_path / "asked").read_text()
    assert asked == "build --release --locked --package sdp-dal-capi --package sdp-dal-cli\n"
    with zipfile.ZipFile(wheel) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    (program,) = (name for name in modes if name.endswith(".data/scripts/sdp-dal"))
    assert modes[program] == 0o755
    assert "ska_sdp_dal/lib/libsdp_dal.so.0.1" in modes
