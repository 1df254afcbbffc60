# SPDX-License-Identifier: BSD-3-Clause
"""Pages that are written when the site is built."""

from __future__ import annotations

from pathlib import Path
from typing import Set

#: What was written.
written: Set[Path] = set()


def heading(text: str, line: str) -> str:
    """A title in reStructuredText."""
    return f"{text}\n{line * len(text)}\n\n"


def write(path: Path, text: str) -> None:
    """Writes a page if it has changed: what has not is not read again."""
    written.add(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def sweep(folder: Path) -> None:
    """Removes what was written into a folder before, and is no page any more."""
    for path in folder.glob("*.rst"):
        if path not in written:
            path.unlink()
