# SPDX-License-Identifier: BSD-3-Clause
"""Pages of the Python reference: every public name of the package stands on one of them."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any, Dict, List, Tuple

from pages import heading, write

PACKAGE = "ska_sdp_dal"

#: Pages: a title, an introduction, and names in their order. Other names have a page at the end.
PAGES: Dict[str, Tuple[str, str, List[str]]] = {
    "store": ("Stores and connections", "", ["Store", "Connection", "Events", "Event"]),
    "references": ("References", "", ["Ref", "TensorRef", "TableRef", "adopt", "wait_any"]),
    "processor": (
        "Processors",
        "",
        ["Processor", "BasicProcessor", "LogProcessor", "end_on_sigterm"],
    ),
    "caller": ("Callers", "", ["Caller", "AsyncCaller", "Results", "FoundProcessor", "LostOutputs"]),
    "schemas": (
        "Schemas of functions",
        "A schema says which parameters a function has. :doc:`../signatures` describes its form in one line.",
        [
            "parse_call_schema",
            "make_call_schema",
            "make_par",
            "make_tensor_input_par",
            "make_tensor_output_par",
            "make_table_input_par",
            "make_table_output_par",
            "make_oid_input_par",
            "make_oid_output_par",
            "make_oid_par",
            "complex64",
            "complex128",
            "ComplexType",
            "from_numpy_dtype",
            "call_name",
            "par_meta",
            "par_table_schema",
            "par_tensor_dim_names",
            "par_tensor_elem_type",
            "par_tensor_order",
            "schema_compatible",
        ],
    ),
    "errors": (
        "Errors",
        "Every error is a :class:`DalError`, and an error of Python's own kind where there is one.",
        [],
    ),
    "ids": (
        "Object IDs and versions",
        "",
        [
            "ObjectID",
            "object_id_hex",
            "parse_hex_objectid",
            "objectid_generator",
            "is_namespace_decl",
            "get_include",
            "get_library",
            "library_version",
        ],
    ),
}


def is_error(found: Any) -> bool:
    """Whether a public name is an exception."""
    return inspect.isclass(found) and issubclass(found, BaseException)


def directive(name: str, found: Any) -> str:
    """What autodoc is to write about a name."""
    if is_error(found):
        return f".. autoexception:: {name}\n   :members:\n   :show-inheritance:\n\n"
    if inspect.isclass(found):
        # What a base that is not public gives a class is shown with it; what Python's own bases give is not.
        return f".. autoclass:: {name}\n   :members:\n   :inherited-members: {', '.join(foreign(found))}\n\n"
    if callable(found) and not isinstance(found, type) and hasattr(found, "__name__"):
        return f".. autofunction:: {name}\n\n"
    if isinstance(found, (bytes, int, str)):
        return f".. py:data:: {name}\n   :value: {found!r}\n\n"
    return f".. py:data:: {name}\n\n   {(inspect.getdoc(found) or '').splitlines()[0]}\n\n"


def foreign(found: type) -> List[str]:
    """The bases that stand elsewhere: of other packages, or public themselves."""
    public = set(importlib.import_module(PACKAGE).__all__)
    bases = [base for base in found.__mro__[1:] if base.__name__ in public or not base.__module__.startswith(PACKAGE)]
    return list(dict.fromkeys(base.__name__ for base in bases))


def page(name: str, title: str, introduction: str, names: List[str]) -> str:
    """A page with some names of the package."""
    package = importlib.import_module(PACKAGE)
    text = heading(title, "=") + f".. py:currentmodule:: {PACKAGE}\n\n"
    return (
        text + (introduction and introduction + "\n\n") + "".join(directive(at, getattr(package, at)) for at in names)
    )


def plasma() -> str:
    """The page of what programs used of ``pyarrow.plasma``."""
    module = importlib.import_module(f"{PACKAGE}.plasma")
    text = heading("ska_sdp_dal.plasma", "=") + f".. automodule:: {PACKAGE}.plasma\n   :no-members:\n\n"
    for name in module.__all__:
        found = getattr(module, name)
        if getattr(found, "__module__", "").startswith(f"{PACKAGE}.plasma") or not hasattr(
            importlib.import_module(PACKAGE), name
        ):
            text += directive(name, found)
    return text


def generate(folder: Path) -> None:
    """Writes the pages."""
    package = importlib.import_module(PACKAGE)
    names = [
        name for name in package.__all__ if not inspect.ismodule(getattr(package, name)) and not name.startswith("__")
    ]
    errors = [name for name in names if is_error(getattr(package, name))]
    PAGES["errors"][2][:] = sorted(errors, key=lambda name: (name != "DalError", name))
    rest = [name for name in names if not any(name in listed for _, _, listed in PAGES.values())]
    values = [name for name in rest if not callable(getattr(package, name))]
    others = [name for name in rest if name not in values]
    pages = {**PAGES, "constants": ("Constants", "", values)}
    if others:
        pages["more"] = ("More", "", others)
    for at, (title, introduction, listed) in pages.items():
        present = [name for name in listed if name in names]
        write(folder / f"{at}.rst", page(at, title, introduction, present))
    write(folder / "plasma.rst", plasma())
    write(folder / "index.rst", index([*pages, "plasma"]))


def index(pages: List[str]) -> str:
    """The first page of the Python reference."""
    return (
        heading("Python", "=")
        + f".. automodule:: {PACKAGE}\n   :no-members:\n\n.. toctree::\n   :maxdepth: 1\n\n"
        + "".join(f"   {name}\n" for name in pages)
    )
