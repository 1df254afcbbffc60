# SPDX-License-Identifier: BSD-3-Clause
"""Writes what was measured into docs/performance.md and README.md, and has pictures drawn of it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Dict

import brief
from build import HERE, ROOT, Builder, NotHere
from table import Result, markdown

PAGE, README = ROOT / "docs" / "performance.md", ROOT / "README.md"
BEGIN = "<!-- measured: scripts/bench.sh --document writes what follows -->"
END = "<!-- measured: end -->"


def write(result: Result) -> None:
    for page, text in ((PAGE, markdown(result)), (README, brief.markdown(result))):
        before, rest = page.read_text().split(BEGIN)
        after = rest.split(END)[1]
        page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def draw(builder: Builder, found: Dict[str, Any], folder: Path) -> None:
    """Draws the pictures in an environment of its own, which has matplotlib."""
    try:
        python = builder.environment("pictures", ["matplotlib"])
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(found, file)
            file.flush()
            print(builder.run(python, HERE / "pictures.py", file.name, folder.absolute()), end="")
    except NotHere as why:
        raise SystemExit(f"bench.sh: {why}") from why
