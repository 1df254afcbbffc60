# SPDX-License-Identifier: BSD-3-Clause
"""The page of ``sdp-dal``: what its commands say of themselves with ``--help``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import List, Tuple

from pages import heading, write

ROOT = Path(__file__).resolve().parent.parent.parent


def program() -> str:
    """The program whose help is shown: that of the environment, else one that was built here or is installed."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    built = [str(target / kind / "sdp-dal") for kind in ("release", "debug")]
    for found in (os.environ.get("SDP_DAL_PROGRAM"), *built, shutil.which("sdp-dal")):
        if found and os.access(found, os.X_OK):
            return found
    raise RuntimeError("sdp-dal is not built: cargo build --release --package sdp-dal-cli, or SDP_DAL_PROGRAM=<path>")


def help_of(*command: str) -> str:
    """What the program says about itself or about a command."""
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run([program(), *command, "--help"], capture_output=True, text=True, check=True, env=environment)
    return done.stdout


def sections(text: str) -> List[Tuple[str, str]]:
    """The parts of a help text: titles with what stands below them; the first has none."""
    found: List[Tuple[str, List[str]]] = [("", [])]
    for line in text.split("\n"):
        title = re.fullmatch(r"([A-Z][A-Za-z]+):( .*)?", line)
        if title and title[1] in ("Usage", "Arguments", "Options", "Commands"):
            found.append((title[1], [(title[2] or "").strip()]))
        elif found[-1][0] in ("Arguments", "Options", "Commands") and re.match(r"\S", line):
            found.append(("After", [line]))
        else:
            found[-1][1].append(line)
    return [(title, "\n".join(lines).strip("\n")) for title, lines in found]


def entries(text: str) -> List[Tuple[str, str]]:
    """Arguments and options, each with what is said about it."""
    found: List[Tuple[str, List[str]]] = []
    for line in text.split("\n"):
        started = re.match(r" {2,6}(-\S.*?|[<\[]\S.*?|[a-z-]+)(?: {2,}(.*))?$", line)
        if started and (not line.startswith(" " * 8)):
            found.append((started[1], [started[2] or ""]))
        elif found:
            found[-1][1].append(line.strip())
    return [(name, "\n".join(lines).strip()) for name, lines in found]


def escaped(text: str) -> str:
    """Text that reStructuredText takes as it is, but for code between backticks."""
    parts = re.split(r"`([^`]*)`", re.sub(r"(?<![\w`-])--[a-z-]+", r"`\g<0>`", text))
    plain = [re.sub(r"([*`|_\\])", r"\\\1", part) for part in parts[::2]]
    code = [f"``{part}``" for part in parts[1::2]]
    return "".join(part for pair in zip(plain, [*code, ""]) for part in pair)


def paragraphs(text: str) -> str:
    """Paragraphs; the lines of one with indented lines stay apart."""
    out = ""
    for part in re.split(r"\n\s*\n", text):
        lines = part.split("\n")
        apart = any(line.startswith(" ") for line in lines)
        out += "".join(f"| {escaped(line.strip())}\n" for line in lines) if apart else escaped(part) + "\n"
        out += "\n"
    return out


def options(text: str) -> str:
    """A list of arguments or options."""
    out = ""
    for name, said in entries(text):
        lines = escaped(said).split("\n")
        out += f"``{name}``\n" + "".join(f"   {line}".rstrip() + "\n" for line in lines) + "\n"
    return out


def section(title: str, body: str) -> str:
    """A part of a help text."""
    if title == "Usage":
        return f".. code-block:: text\n\n   {body.splitlines()[0]}\n\n"
    if title == "After":
        return paragraphs(body)
    return f".. rubric:: {title}\n\n{options(body)}"


def command_page(command: str) -> str:
    """The section of a command."""
    (_, about), *parts = sections(help_of(command))
    text = f".. _sdp-dal-{command}:\n\n" + heading(f"sdp-dal {command}", "-") + escaped(about) + "\n\n"
    return text + "".join(section(title, body) for title, body in parts)


def generate(path: Path) -> None:
    """Writes the page."""
    (_, about), *parts = sections(help_of())
    named = dict(parts)
    text = heading("sdp-dal", "=") + escaped(about) + "\n\n"
    usage = named["Usage"].splitlines()[0]
    text += f".. code-block:: text\n\n   {usage}\n\n.. list-table::\n   :widths: 20 80\n\n"
    commands = [(name, said) for name, said in entries(named["Commands"]) if name != "help"]
    for name, said in commands:
        text += f"   * - :ref:`{name} <sdp-dal-{name}>`\n     - {escaped(' '.join(said.split()))}\n"
    text += "\n" + section("Options", named["Options"]) + section("After", named["After"])
    write(path, text + "".join(command_page(name) for name, _ in commands))
