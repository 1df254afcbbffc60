# SPDX-License-Identifier: BSD-3-Clause
"""The usage guide of `ska_sdp_dal`, whose programs run unchanged: its code blocks, word for word, as processes.

They are edited in exactly these places:

- broadcast: ``{len(results}`` becomes ``{len(results)}``, for the text has a mistake there;
- broadcast: the loop runs twice instead of 1000 times;
- scoping: each ``get(timeout=0)`` gives its value or raises TimeoutException, which ends the block as it stands in the
  guide: a function around it notes which.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Dict

import numpy as np
import pytest
from extract_guide import blocks, read, written

HERE = Path(__file__).resolve().parent
GUIDE = read((HERE / "guide.txt").read_text(encoding="utf-8"))
#: Shows what the library logs, as the guide's programs are shown with it.
LOGGING = "import logging; logging.basicConfig(level=logging.INFO, format='%(message)s')\n"

EDITS: Dict[str, Dict[str, str]] = {
    "broadcast": {"{len(results} processors": "{len(results)} processors", "range(1000)": "range(2)"},
    "scoping": {"result['zs'].get(timeout=0)": "got(result['zs'])"},
}


def block(name: str) -> str:
    """A block of the guide with its edits."""
    text = GUIDE[name]
    for found, edited in EDITS.get(name, {}).items():
        assert text.count(found) == 1, f"{found!r} is not once in the block {name}"
        text = text.replace(found, edited)
    return text


def program(*names: str) -> str:
    return LOGGING + "".join(block(name) for name in names)


@pytest.fixture
def processor(path: str, start: Callable[..., Any]) -> Any:
    """The guide's processor: its three blocks are its program."""
    made = start(program("schemas", "processor", "loop"), path)
    made.line("TestProcessor waiting for calls at prefix 00000000")
    return made


def array(values: Any) -> str:
    """How Python prints an array, in one line."""
    return " ".join(str(np.asarray(values)).split())


def said(lines: Any) -> str:
    return " ".join(" ".join(lines).split())


def test_the_blocks_are_those_of_the_documentation() -> None:
    documentation = os.environ.get("SDP_DAL_REFERENCE")
    if documentation:
        found = blocks(Path(documentation).read_text(encoding="utf-8"))
        assert written(found) == (HERE / "guide.txt").read_text(encoding="utf-8")
    assert list(GUIDE) == [
        "schemas",
        "processor",
        "loop",
        "call",
        "references",
        "chain",
        "batch",
        "broadcast",
        "dropped",
        "scoping",
    ]


def test_a_simple_processor(path: str, start: Callable[..., Any], processor: Any) -> None:
    caller = start("import sys\n" + program("schemas", "call"), path)
    assert said(caller.check()) == array(1 + np.arange(100))
    assert "Store using prefix 00000001 for objects" in caller.err
    assert processor.interrupt() == 0


def test_references(path: str, start: Callable[..., Any], processor: Any) -> None:
    caller = start("import sys\n" + program("schemas", "call", "references", "chain"), path)
    expected = [array(x + np.arange(100)) for x in (1, 1, 2, 3, 6)]
    assert said(caller.check()) == " ".join(expected)


def test_batch_calls(path: str, start: Callable[..., Any], processor: Any) -> None:
    caller = start("import sys\n" + program("schemas", "call", "batch"), path)
    expected = [array(x + np.arange(100)) for x in (1, 1, 2, 3)]
    assert said(caller.check()) == " ".join(expected)


def test_broadcast(path: str, start: Callable[..., Any], processor: Any) -> None:
    second = start(program("schemas", "processor", "loop"), path)
    second.line("TestProcessor waiting for calls at prefix 00000001")
    caller = start(program("schemas", "broadcast"), path)
    assert caller.check() == ["Have 2 processors"] * 2
    assert second.interrupt() == 0


def test_broadcast_to_nobody(path: str, start: Callable[..., Any]) -> None:
    caller = start(program("schemas", "broadcast"), path)
    assert caller.check() == ["Have 0 processors"] * 2


#: The guide's processor, slow enough that 100 calls cannot end in 10 ms, and with a file that grows with each run.
COUNTING = """
import time
def simple_fn(self, x, ys, zs, before=TestProcessor.simple_fn):
    with open(sys.argv[2], "ab") as runs:
        runs.write(b".")
    time.sleep(0.002)
    before(self, x, ys, zs)
TestProcessor.simple_fn = simple_fn
"""

#: What stands around the scoping block.
BEFORE = """
import time
ended, missing = [], []
def got(ref):
    try:
        value = ref.get(timeout=0)
    except dal.connection.TimeoutException as late:
        assert [missed.oid for missed in late.refs] == [ref.oid] and late.timeout == 0
        missing.append(ref.oid)
        return None
    ended.append(ref.oid)
    return value
"""
AFTER = """
# Behind all others in the queue.
assert caller.simple_fn(1, ys)['zs'].get()[0] == 1
print(len(ended), len(missing))
"""


def test_scoping(path: str, start: Callable[..., Any], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    blocks_ = block("schemas") + "import sys\n" + block("processor") + COUNTING + block("loop")
    processor = start(LOGGING + blocks_, path, str(runs))
    processor.line("waiting for calls")
    text = "import sys\n" + program("schemas", "call", "dropped") + BEFORE + block("scoping") + AFTER
    caller = start(text, path)
    ended, missing = map(int, caller.check()[-1].split())
    # The first call ran and the last one, and perhaps the one that was dropped. Of the hundred between them those ran that
    # had ended, and a few more that a processor took before the list was overwritten.
    ran = len(runs.read_bytes()) - 2
    assert ended + missing == 100
    assert missing >= 1
    assert ended <= ran < 100, f"{ran} calls ran, of which {ended} had ended"
