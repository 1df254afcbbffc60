# SPDX-License-Identifier: BSD-3-Clause
"""Takes every class, function, property and constant out of the documentation of the package `ska_sdp_dal`, with
parameters and defaults as they stand there:

    python extract_signatures.py ska_sdp_dal.txt > signatures.txt

`signatures.txt` is what the tests compare the package with: methods and properties stand indented below their class.
"""

import re
import sys
from typing import List

_TOP = re.compile(r"(?P<kind>class |exception )?ska_sdp_dal\.(?P<name>\w+\.\w+)(?P<rest>\(.*\)| = .*)?( → .*)?$")
_MEMBER = re.compile(r"(?P<kind>property |abstract )?(?P<name>\w+)(?P<rest>\(.*\))?(: .*)?( → .*)?$")


def signatures(documentation: str) -> List[str]:
    """The lines of `signatures.txt`."""
    lines = documentation.splitlines()
    found: List[str] = []
    in_class = False
    for line in lines[lines.index("Processing Functions", lines.index("Scoping", lines.index("A simple processor"))) :]:
        top = _TOP.match(line)
        if top and (top["kind"] or top["rest"]):
            in_class = bool(top["kind"])
            found.append(f"{(top['kind'] or '').replace('exception', 'class')}{top['name']}{_bare(top['rest'])}")
            continue
        member = _MEMBER.match(line)
        # A description is indented, and has no parentheses at once behind its first word.
        if in_class and member and (member["rest"] or member["kind"] == "property ") and line[0] not in "\t ":
            kind = "property " if member["kind"] == "property " else ""
            found.append(f"    {kind}{member['name']}{_bare(member['rest'])}")
    return found


def _bare(rest: "str | None") -> str:
    """Parameters without their types."""
    if rest is None or not rest.startswith("("):
        return rest or ""
    parts, depth, part = [], 0, ""
    for letter in rest[1:-1]:
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += letter
    parts.append(part)
    return "(" + ", ".join(_parameter(part.strip()) for part in parts if part.strip()) + ")"


def _parameter(text: str) -> str:
    name, _, default = text.partition(" = ")
    if not default:
        name, _, default = text.partition("=")
    return name.partition(":")[0].strip() + (f"={default.strip()}" if default else "")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as source:
        print("\n".join(signatures(source.read())))
