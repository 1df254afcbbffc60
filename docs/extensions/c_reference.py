# SPDX-License-Identifier: BSD-3-Clause
"""Pages of the C and C++ reference, from the headers: Doxygen reads them, a page per handle or header shows them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as Tree
from pathlib import Path
from typing import Dict, List, Set, Tuple

import header
from pages import heading, write

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parent.parent / "include"

#: Pages of the C reference: a title, and the third words of the names on it. Other words get a page of their own.
PAGES: Dict[str, Tuple[str, List[str]]] = {
    "library": (
        "Version, errors, messages and limits",
        ["version", "status", "last", "set", "log", "interrupt", "timeout", "limit"],
    ),
    "store": ("store: a store and a namespace in it", ["store", "create"]),
    "ref": ("ref: a reference to an object", ["ref", "expectation", "wait"]),
    "tensor": ("tensor: elements, types and orders", ["tensor", "dtype", "order"]),
    "table": ("table: tables of Arrow's types", ["table"]),
    "schema": ("schema: a function and its parameters", ["schema", "param", "direction"]),
    "caller": ("caller: issues calls", ["caller", "select"]),
    "args": ("args: the arguments of a call", ["args", "value"]),
    "results": ("results: the outputs of a call", ["results"]),
    "replies": ("replies: the outputs of batches and broadcasts", ["replies", "reply"]),
    "processor": ("processor: offers functions", ["processor", "function", "drop"]),
    "call": ("call: what a function works on", ["call", "output"]),
    "object": ("object: raw objects", ["object", "info", "delete", "holder"]),
    "writer": ("writer: a raw object being written", ["writer"]),
    "buffer": ("buffer: the bytes of an object", ["buffer"]),
    "list": ("list: the objects of a store", ["list"]),
    "id": ("id: object IDs as text", ["id"]),
    "namespaces": ("namespaces: who declared what", ["namespaces", "namespace"]),
    "clients": ("clients: the processes that use a store", ["clients", "client"]),
    "stores": ("stores: all stores of the machine", ["stores"]),
    "subscription": ("subscription: events of a store", ["subscription", "event"]),
}

SETTINGS = """
QUIET = YES
WARN_IF_UNDOCUMENTED = NO
WARN_IF_DOC_ERROR = NO
WARN_IF_INCOMPLETE_DOC = NO
WARNINGS = NO
GENERATE_HTML = NO
GENERATE_LATEX = NO
GENERATE_XML = YES
XML_PROGRAMLISTING = NO
JAVADOC_AUTOBRIEF = YES
AUTOLINK_SUPPORT = YES
EXTRACT_ALL = YES
MARKDOWN_SUPPORT = YES
TOC_INCLUDE_HEADINGS = 0
ENABLE_PREPROCESSING = YES
PREDEFINED = __cplusplus
SHOW_HEADERFILE = NO
EXCLUDE_SYMBOLS = sdp_dal::detail sdp_dal::detail::*
"""


def doxygen(name: str, into: Path, inputs: List[Path], more: str) -> Path:
    """Lets Doxygen read some headers; the folder of what it has written as XML."""
    program = shutil.which("doxygen")
    if program is None:
        raise RuntimeError("doxygen is missing (Debian: apt-get install doxygen): the references are made with it")
    folder = into / name
    folder.mkdir(parents=True, exist_ok=True)
    given = " ".join(f'"{path}"' for path in inputs)
    settings = f'{SETTINGS}\nINPUT = {given}\nOUTPUT_DIRECTORY = "{folder}"\n{more}'
    subprocess.run([program, "-"], input=settings, text=True, check=True)
    for file in (folder / "xml").glob("*.xml"):
        text = file.read_text(encoding="utf-8")
        # The file that is to be included is the same everywhere: it stands on the first page.
        file.write_text(re.sub(r"<includes [^\n]*</includes>\n", "", text), encoding="utf-8")
    return folder / "xml"


def directives(kind: str, names: List[str], project: str, options: str = "") -> str:
    """A directive of breathe for each name."""
    return "".join(f".. doxygen{kind}:: {name}\n   :project: {project}\n{options}\n" for name in names)


def c_pages(into: Path) -> None:
    """A page per handle, by the third words of the names."""
    found = header.declared((INCLUDE / "sdp_dal.h").read_text(encoding="utf-8"))
    page_of = {word: page for page, (_, words) in PAGES.items() for word in words}
    pages: Dict[str, Dict[str, List[str]]] = {page: {} for page in PAGES}
    for kind, names in found.items():
        for name in names:
            word = name.split("_")[2]
            pages.setdefault(page_of.get(word, word), {}).setdefault(kind, []).append(name)
    for page, kinds in pages.items():
        title = PAGES[page][0] if page in PAGES else page
        text = heading(title, "=") + directives("typedef", kinds.get("typedef", []), "c")
        for kind, section in ("function", "Functions"), ("struct", "Structs"), ("enum", "Constants"):
            if kind in kinds:
                options = "   :members:\n" if kind == "struct" else ""
                text += heading(section, "-") + directives(kind, kinds[kind], "c", options)
        write(into / f"{page}.rst", text)
    write(into / "index.rst", c_index(pages))
    write(into / "conventions.rst", conventions())


def c_index(pages: Dict[str, Dict[str, List[str]]]) -> str:
    """The first page of the C reference."""
    text = heading("C", "=") + (
        "The C interface is one header, ``#include <sdp_dal.h>``, for C11 and C++. Its functions are named\n"
        "``sdp_dal_<noun>_<verb>``, and each noun has a page. Read :doc:`conventions` first: it says who owns what, and\n"
        "how errors, threads and waits work everywhere.\n\n"
        ".. toctree::\n   :maxdepth: 1\n\n   conventions\n"
    )
    return text + "".join(f"   {page}\n" for page in pages)


def conventions() -> str:
    """The comment at the head of the header."""
    source = (INCLUDE / "sdp_dal.h").read_text(encoding="utf-8")
    (_, first), *sections = header.head(source)
    known = set(header.declared(source)["function"])
    text = heading("What holds for all functions", "=") + linked(first.split("\n\n")[0], known) + "\n\n"
    for title, body in sections:
        text += heading(title, "-")
        if title == "Example":
            introduction, code = body.split("\n\n", 1)
            text += linked(introduction[0].upper() + introduction[1:], known) + "\n\n.. code-block:: c\n\n"
            text += "\n".join(f"   {line[2:]}".rstrip() for line in code.strip("\n").split("\n")) + "\n\n"
        else:
            text += linked(remedies(body), known) + "\n\n"
    return text


def remedies(body: str) -> str:
    """A text in which each remedy is a paragraph of its own."""
    lines: List[str] = []
    remedy = False
    for line in body.split("\n"):
        if line.strip().startswith("Fix: ") or (remedy and lines[-1].endswith(".")):
            lines.append("")
            remedy = line.strip().startswith("Fix: ")
        lines.append(line.strip().replace("Fix: ", "**Fix:** "))
    return "\n".join(lines)


def linked(text: str, functions: Set[str]) -> str:
    """reStructuredText with links to the functions that it names."""
    text = re.sub(r"([`|\\]|(?<!\*)\*(?!\*))", r"\\\1", text)
    text = re.sub(r"(?<!\w)_\w+\(\)", r"``\g<0>``", text)
    text = re.sub(
        r"\b(sdp_dal_\w+)\(\)",
        lambda found: f":c:func:`{found[1]}`" if found[1] in functions else f"``{found[0]}``",
        text,
    )
    return re.sub(r"\bSDP_DAL_[A-Z_]*[A-Z]\b", r"``\g<0>``", text)


def cpp_pages(into: Path, xml: Path) -> None:
    """A page per header of the C++ interface, in the order in which sdp_dal.hpp lists them."""
    pages: Dict[str, List[str]] = {path.stem: [] for path in sorted((INCLUDE / "sdp_dal").glob("*.hpp"))}
    compounds = Tree.parse(xml / "index.xml").getroot()
    classes = [found for found in compounds.iter("compound") if found.get("kind") in ("class", "struct")]
    for compound in sorted(classes, key=lambda found: found.get("kind") != "class"):
        definition = Tree.parse(xml / f"{compound.get('refid')}.xml").getroot().find("compounddef")
        name = definition.findtext("compoundname")
        if "::detail" in name or name.count("::") != 1 or "<" in name:
            continue
        pages[page_of(definition)].append(
            f".. doxygen{compound.get('kind')}:: {name}\n   :project: cpp\n   :members:\n   :undoc-members:\n\n"
        )
    for kind, page, name, signature in cpp_members(xml):
        pages[page].append(f".. doxygen{kind}:: {name}{signature}\n   :project: cpp\n\n")
    listed = []
    for page, parts in pages.items():
        if parts:
            write(into / f"{page}.rst", heading(f"{page}.hpp", "=") + purpose(page) + "".join(parts))
            listed.append(page)
    write(into / "index.rst", cpp_index(listed))


def page_of(described: Tree.Element) -> str:
    """The page of a class or a member: that of its header. All adaptors share one."""
    file = Path(described.find("location").get("file"))
    return "adapt" if file.parent.name == "adapt" else file.stem


def purpose(page: str) -> str:
    """What the second comment of a header says that it is for."""
    source = (INCLUDE / "sdp_dal" / f"{page}.hpp").read_text(encoding="utf-8")
    found = re.search(r"\n/\* (.*?)\*/", source, re.DOTALL)
    return re.sub(r"\s*\n \*? *", "\n", found[1]).strip() + "\n\n" if found else ""


def cpp_members(xml: Path) -> List[Tuple[str, str, str, str]]:
    """What the namespace has besides classes: kind, page, name, and a function's parameters."""
    found = []
    for member in Tree.parse(xml / "namespacesdp__dal.xml").getroot().iter("memberdef"):
        page = page_of(member)
        kind = member.get("kind")
        if "=delete" in (member.findtext("argsstring") or "").replace(" ", ""):
            continue
        signature = ""
        if kind == "function":
            types = ["".join(param.find("type").itertext()) for param in member.findall("param")]
            signature = f"({', '.join(types)})"
        found.append((kind, page, f"sdp_dal::{member.findtext('name')}", signature))
    return found


def cpp_index(pages: List[str]) -> str:
    """The first page of the C++ reference."""
    introduction = (
        "The C++ interface is C++17 over the C interface, header only: ``#include <sdp_dal.hpp>``. Everything is in the\n"
        "namespace ``sdp_dal``. Handles are objects that end themselves. They are move-only, except ``ref`` and\n"
        "``table``, which are shared. ``raw()`` returns the C handle, which the object still owns. A failure throws\n"
        "``sdp_dal::error`` or a class derived from it; no destructor throws. What :doc:`../c/conventions` says about\n"
        "threads, waits and the life of bytes holds here, too.\n\n"
        ".. toctree::\n   :maxdepth: 1\n\n"
    )
    return heading("C++", "=") + introduction + "".join(f"   {page}\n" for page in pages)


def generate(reference: Path, work: Path) -> Dict[str, str]:
    """Writes the pages; breathe's projects."""
    script = HERE / "header.py"
    filtered = f'INPUT_FILTER = "{sys.executable} {script}"\nOPTIMIZE_OUTPUT_FOR_C = YES\n'
    c_xml = doxygen("c", work, [INCLUDE / "sdp_dal.h"], filtered)
    cpp_xml = doxygen("cpp", work, sorted((INCLUDE / "sdp_dal").rglob("*.hpp")), "BUILTIN_STL_SUPPORT = NO\n")
    c_pages(reference / "c")
    cpp_pages(reference / "cpp", cpp_xml)
    return {"c": str(c_xml), "cpp": str(cpp_xml)}
