# SPDX-License-Identifier: BSD-3-Clause
"""Builds the library and `sdp-dal` with cargo, and shows how far it is.

pip keeps what a build prints to itself, unless the build fails or `pip -v` asks for it. So cargo's output goes there
either way, and the progress goes to the terminal (/dev/tty) if there is one that pip does not show the output on.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

#: As CMakeLists.txt selects them: together, so that nothing is compiled again with other features.
BUILD = ["build", "--release", "--locked", "--package", "sdp-dal-capi", "--package", "sdp-dal-cli"]
EXPECTED = "compiling Rust code: 4.5 minutes of processor time if nothing is built yet"


def build(folder: Path, oldest: str) -> Path:
    """Builds what the workspace in a folder has for users, and returns the folder of the results."""
    command = [find_cargo(oldest), *BUILD]
    target = Path(os.environ.get("CARGO_TARGET_DIR") or folder / "target").resolve()
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    began = time.monotonic()
    if sys.stderr.isatty():
        say(EXPECTED)
        status = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    else:
        with watching_terminal() as terminal:
            status, kept = run_piped(command, folder, environment, terminal)
        if kept:
            say("\n".join(kept))
    if status != 0:
        raise SystemExit(f"cargo ended with status {status}: its messages are above")
    say(f"compiled in {time.monotonic() - began:.0f} s")
    return target / "release"


def find_cargo(oldest: str) -> str:
    cargo = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
    if cargo is None:
        raise SystemExit(
            "cargo is missing: the library is written in Rust. Install Rust with rustup (https://rustup.rs), or "
            "install a wheel that was built elsewhere"
        )
    found = subprocess.run([cargo, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"(\d+)\.(\d+)", found)
    if number is None or tuple(map(int, number.groups())) < tuple(map(int, oldest.split(".")[:2])):
        raise SystemExit(
            f"cargo is {found.strip() or 'not working'}, at least {oldest} is needed: rustup update stable"
        )
    return cargo


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_piped(
    command: List[str], folder: Path, environment: Dict[str, str], terminal: Optional[Terminal]
) -> Tuple[int, List[str]]:
    """Runs cargo and prints its lines; or returns them if a terminal shows progress, where each would turn pip's spinner."""
    environment = {
        **environment,
        "CARGO_TERM_COLOR": "never",
        "CARGO_TERM_PROGRESS_WHEN": "always",
        "CARGO_TERM_PROGRESS_WIDTH": "80",
    }
    kept: List[str] = []
    if terminal:
        terminal.show(EXPECTED)
        terminal.end_line()
    tell = kept.append if terminal else say
    tell(EXPECTED)
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, env=environment, **pipes) as process:
        assert process.stderr is not None
        for text, is_progress in pieces(process.stderr.fileno()):
            if not is_progress:
                tell(text)
            elif terminal:
                terminal.show(progress(text))
    return process.returncode, kept


def pieces(descriptor: int) -> Iterator[Tuple[str, bool]]:
    """What cargo writes: lines, and texts that the next one replaces (they end with a carriage return)."""
    buffer = b""
    while True:
        read = os.read(descriptor, 65536)
        *whole, buffer = re.split(rb"(?<=[\r\n])", buffer + read)
        if not read:
            whole, buffer = [*whole, buffer], b""
        for piece in whole:
            text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", piece.decode("utf-8", "replace")).rstrip()
            if text:
                yield text, piece.endswith(b"\r")
        if not read:
            return


def progress(text: str) -> str:
    """What a text of cargo's progress bar tells: `Building [==> ] 12/160: names` and the like."""
    counted = re.search(r"(\d+)/(\d+)", text)
    if counted and text.lstrip().startswith("Building"):
        return f"{counted.group(1)} of {counted.group(2)} steps"
    return text.strip()


class Terminal:
    """The terminal of the person who started pip, below the line on which pip says that it builds."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.shown = 0
        try:
            self.columns = os.get_terminal_size(descriptor).columns or 80
        except OSError:
            self.columns = 80
        self.write("\n")

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self.descriptor, text.encode())

    def show(self, text: str) -> None:
        """Replaces what the line shows."""
        text = f"    {text}"[: self.columns - 1]
        self.write("\r" + text.ljust(self.shown))
        self.shown = len(text)

    def end_line(self) -> None:
        self.write("\n")
        self.shown = 0


@contextlib.contextmanager
def watching_terminal() -> Iterator[Optional[Terminal]]:
    """The terminal, if there is one, this runs in its foreground, and pip was told to print neither all nor nothing."""
    try:
        descriptor = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY)
    except OSError:
        yield None
        return
    try:
        in_front = os.tcgetpgrp(descriptor) == os.getpgrp()
        terminal = Terminal(descriptor) if in_front and not is_told_what_to_show() else None
        began = time.monotonic()
        yield terminal
        if terminal:
            terminal.show(f"cargo has ended after {time.monotonic() - began:.0f} s")
            terminal.end_line()
    finally:
        os.close(descriptor)


def is_told_what_to_show() -> bool:
    """Whether the program that asked for the build (pip, uv) was told to show all that it prints, or nothing."""
    if os.environ.get("PIP_VERBOSE") or os.environ.get("PIP_QUIET"):
        return True
    try:
        words = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return False
    return any(re.fullmatch(r"--verbose|--quiet|-[A-Za-z]*[vq]", word) for word in words)
