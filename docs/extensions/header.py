# SPDX-License-Identifier: BSD-3-Clause
"""Reads ``sdp_dal.h``: as a Doxygen filter, it turns the notation of its comments into Doxygen's commands.

A paragraph of "name: text" lines describes parameters, one that begins with "Errors:" the statuses that a function
returns, and what follows them, how long it blocks. The head of the file is a comment of its own with its sections.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

#: The beginning of what stands behind the list of errors.
BLOCKING = re.compile(
    r"(?<=[.;]) (?=(?:Does not|Do not|Blocks|Waits|With values|Nothing was|Missing|An object that)\b)"
)
DECLARED = re.compile(r"^(?!typedef)\w[\w \*]*?\b(sdp_dal_\w+)\(", re.MULTILINE)
ENUMERATOR = re.compile(r"^ +(SDP_DAL_\w+) = ", re.MULTILINE)


def blocks(lines: List[str]) -> Iterator[Tuple[List[str], List[str]]]:
    """Each comment with the declaration behind it; lines without a comment stand alone."""
    at = 0
    while at < len(lines):
        comment: List[str] = []
        while at < len(lines) and lines[at].lstrip().startswith("///"):
            comment.append(lines[at])
            at += 1
        declaration: List[str] = []
        while comment and at < len(lines) and not lines[at].lstrip().startswith("///"):
            declaration.append(lines[at])
            at += 1
            if re.search(r"[;{,]\s*$", declaration[-1]) and "".join(declaration).count("(") == "".join(
                declaration
            ).count(")"):
                break
        if not comment:
            declaration.append(lines[at])
            at += 1
        yield comment, declaration


def parameters(declaration: str) -> List[str]:
    """The names of a function's parameters, or of those of a type of functions."""
    found = re.search(r"\w+\)?\((?!\*)(.*)\);?\s*$", declaration, re.DOTALL)
    if found is None:
        return []
    return re.findall(r"(\w+)\s*(?:,|$)", re.sub(r"\s+", " ", found[1]))


def paragraphs(comment: List[str]) -> List[List[str]]:
    """The text of a comment, as lists of lines."""
    found: List[List[str]] = [[]]
    for line in comment:
        text = re.sub(r"^\s*/// ?", "", line).rstrip()
        if text:
            found[-1].append(text)
        elif found[-1]:
            found.append([])
    return [lines for lines in found if lines]


def described(lines: List[str], names: List[str], command: str) -> List[str]:
    """A paragraph with a command before each parameter."""
    if not names:
        return lines
    one = "|".join(map(re.escape, names))
    start = re.compile(rf"^((?:{one})(?:, (?:{one}))*): (.*)$")
    inside = re.compile(rf"(?<=[.;:)]) (?=(?:{one})(?:, (?:{one}))*: )")
    out: List[str] = []
    for line in lines:
        for part in inside.split(line):
            found = start.match(part)
            if found:
                # Several parameters with one description: it stands with the last of them.
                *others, name = found[1].split(", ")
                told = [*((other, f"see {name}.") for other in others), (name, found[2])]
                out += [command.format(name=told_of, text=text) for told_of, text in told]
            else:
                out.append(part)
    return out


def errors(lines: List[str]) -> List[str]:
    """The paragraph of the errors: its list, and how long the function blocks."""
    what, _, text = " ".join(lines).partition(": ")
    title = "Errors" if what == "Errors" else "Errors and blocking"
    parts = BLOCKING.split(text, maxsplit=1)
    out = [f"@par {title}", parts[0]]
    if len(parts) > 1:
        out += ["", "@par Blocking", parts[1]]
    return out


def converted(comment: List[str], declaration: List[str], constants: re.Pattern[str]) -> List[str]:
    """A comment in Doxygen's notation, in which a # before a constant or its type makes a link of it."""
    names = parameters(" ".join(declaration))
    # A type has no parameters for breathe.
    command = "@par {name}\n{text}" if declaration[0].startswith("typedef") else "@param {name} {text}"
    out: List[str] = []
    for lines in paragraphs(comment):
        told = errors(lines) if re.match(r"Errors( and blocking)?: ", lines[0]) else described(lines, names, command)
        out += [constants.sub(r"#\1", line) for line in "\n".join(told).split("\n")] + [""]
    indent = re.match(r"\s*", comment[0])[0]
    return [f"{indent}/// {line}".rstrip() for line in out[:-1]]


def for_doxygen(text: str) -> str:
    """The header as Doxygen is to read it."""
    out: List[str] = []
    names = [*ENUMERATOR.findall(text), *declared(text)["enum"]]
    constants = re.compile(rf"(?<![#\w])({'|'.join(names)})\b")
    for comment, declaration in blocks(text.split("\n")):
        out += (converted(comment, declaration, constants) if comment else []) + declaration
    return "\n".join(out)


def declared(text: str) -> Dict[str, List[str]]:
    """The documented names by kind: functions, structs, enums, handles, types."""
    found: Dict[str, List[str]] = {"function": [], "struct": [], "enum": [], "typedef": []}
    opened = ""
    for comment, declaration in blocks(text.split("\n")):
        line = re.sub(r"\s+", " ", " ".join(declaration))
        if comment and re.match(r"\s*typedef (struct|enum) \{", line):
            opened = "struct" if "struct" in line else "enum"
        elif end := re.match(r"\} (sdp_dal_\w+);", line):
            found[opened].append(end[1])
        elif comment and line.startswith("typedef "):
            name = re.search(r"\(\*(\w+)\)|(\w+);", line)
            found["typedef"].append(name[1] or name[2])
        elif comment and (name := re.match(r"[\w \*]*?(sdp_dal_\w+)\(", line)):
            found["function"].append(name[1])
    missing = set(DECLARED.findall(text)) - set(found["function"])
    if missing:
        raise ValueError(f"these functions of the header are without a comment, or were not read: {sorted(missing)}")
    return found


def head(text: str) -> List[Tuple[str, str]]:
    """The sections of the comment at the head of the header: titles and their texts; the first has no title."""
    lines = text.split("/*", 2)[2].split("*/")[0].split("\n")
    sections: List[Tuple[str, List[str]]] = [("", [])]
    for line in (re.sub(r"^ \* ?", "", line).rstrip() for line in lines):
        if re.fullmatch(r"[A-Z][a-z]+( [a-z]+)*", line):
            sections.append((line, []))
        elif found := re.match(r"(Example): (.*)", line):
            sections.append((found[1], [found[2], ""]))
        else:
            sections[-1][1].append(line)
    return [(title, "\n".join(body).strip("\n")) for title, body in sections]


if __name__ == "__main__":
    source = Path(sys.argv[1])
    sources = source.read_text(encoding="utf-8")
    sys.stdout.write(for_doxygen(sources) if source.name == "sdp_dal.h" else sources)
