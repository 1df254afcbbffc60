# SPDX-License-Identifier: BSD-3-Clause
"""Takes the code blocks of the usage guide of the package `ska_sdp_dal` out of its documentation, word for word:

    python extract_guide.py ska_sdp_dal.txt > guide.txt

`guide.txt` is what the tests run. It is the SKA's (BSD-3-Clause), and stands here to prove that it runs unchanged.
"""

import sys
from typing import Dict, List, Tuple

#: Each block: its name here, its first line, and the line that follows it in the guide.
BLOCKS: List[Tuple[str, str, str]] = [
    ("schemas", "import ska_sdp_dal as dal", "This declares a processing function"),
    ("processor", "class TestProcessor(dal.Processor):", "The get() method returns"),
    ("loop", "import sys", "Assuming we have started the processor"),
    ("call", "store = dal.Store(plasma_path=sys.argv[1])", "Parameters can be passed both by name"),
    ("references", "ys = store.put_new_tensor(np.arange(100))", "In this case, ys is only allocated"),
    ("chain", "zs1 = caller.simple_fn(1, np.arange(100))['zs']", "In this case the tensor is passed"),
    ("batch", "ys = store.put_new_tensor(np.arange(100))", "This will submit all three requests"),
    ("broadcast", "import sys", "This caller will refresh its list"),
    ("dropped", "caller.simple_fn(1, np.arange(100))", "As this call happens asynchronously"),
    ("scoping", "ys = store.put_new_tensor(np.arange(100))", "This will run for 10 ms"),
]


def blocks(documentation: str) -> Dict[str, str]:
    """The blocks of the guide, by name, in its order."""
    lines = documentation.splitlines()
    # The first of these is in the table of contents.
    at = lines.index("A simple processor", lines.index("Usage Guide"))
    found: Dict[str, str] = {}
    for name, first, behind in BLOCKS:
        begin = lines.index(first, at)
        at = next(line for line in range(begin, len(lines)) if lines[line].startswith(behind))
        found[name] = "\n".join(lines[begin:at]).rstrip() + "\n"
    return found


def written(found: Dict[str, str]) -> str:
    """The blocks as one text."""
    return "".join(f"=== {name}\n{text}" for name, text in found.items())


def read(text: str) -> Dict[str, str]:
    """The blocks in what :func:`written` gave."""
    parts = [part.partition("\n") for part in text.split("=== ")[1:]]
    return {name: body for name, _, body in parts}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as source:
        sys.stdout.write(written(blocks(source.read())))
