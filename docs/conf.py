# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: E402
"""The site: `scripts/docs.sh` builds it, and says what it needs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, List

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "extensions"))

import c_reference
import pages
import program_reference
import python_reference
from docutils import nodes

import ska_sdp_dal

project = "SDP Data Access Library"
author = "the SDP DAL authors"
project_copyright = author
version = release = ska_sdp_dal.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "breathe",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["extensions", "_build"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"SDP Data Access Library {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
# What is copied are commands, without the prompt and without what they print.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"

# ---- the references, from the headers, the package and the program ---------------------------------------------------

work = Path(os.environ.get("SDP_DAL_SITE_WORK") or HERE / "_build")
breathe_projects = c_reference.generate(HERE / "reference", work / "doxygen")
python_reference.generate(HERE / "reference" / "python")
program_reference.generate(HERE / "reference" / "sdp-dal.rst")
for folder in ("c", "cpp", "python"):
    pages.sweep(HERE / "reference" / folder)

breathe_default_project = "c"
breathe_domain_by_extension = {"h": "c", "hpp": "cpp"}
breathe_show_include = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
cpp_maximum_signature_line_length = 88
c_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
# Dashes and ellipses, but no curved quotes: texts quote signatures.
smartquotes_action = "De"

# Names that stand on no page of this site: of the standard libraries, of other packages, and of private parts.
nitpick_ignore_regex = [
    (r"c:identifier", r"(u?int\d+_t|size_t|bool|Arrow\w+)"),
    (r"cpp:.*", r".*"),
    (r"py:.*", r"(?!ska_sdp_dal\.[A-Z]).*"),
]


# A character that stands for the colon in the first line of a property: napoleon takes what is before it for a type.
COLON = "\0"


def hide_colon(_app: Any, what: str, _name: str, _found: Any, _options: Any, lines: list) -> None:
    """Before napoleon reads a docstring."""
    if what == "property" and lines:
        lines[0] = lines[0].replace(": ", f"{COLON} ")


def show_colon(_app: Any, _what: str, _name: str, _found: Any, _options: Any, lines: list) -> None:
    """After napoleon has read it."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def public_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """A class is documented by the name that programs import, and named by the module in which it stands."""
    target = node.get("reftarget", "")
    name = target.rsplit(".", 1)[-1]
    if node.get("refdomain") != "py" or name == target.replace("ska_sdp_dal.", "") or name not in ska_sdp_dal.__all__:
        return None
    if not target.startswith(("ska_sdp_dal.", ".")):
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node.get("reftype", "obj"), f"ska_sdp_dal.{name}", node, content
    )


def parameters_first(_app: Any, domain: str, _kind: str, content: Any) -> None:
    """Of a C function the parameters stand before its errors, which breathe puts first."""
    lists = [node for node in content.children if isinstance(node, nodes.field_list)]
    heads = [node for node in content.children if node.next_node(nodes.definition_list) is not None]
    if domain == "c" and lists and heads:
        content.remove(lists[0])
        content.insert(content.index(heads[0]), lists[0])


def without_graphs(_app: Any, _page: str, source: List[str]) -> None:
    """Graphs that only the repository's browser draws are not shown as text here."""
    source[0] = re.sub(
        r"```mermaid\n.*?```\n", "(The repository's own view of this page draws the graph.)\n", source[0], flags=re.S
    )


def setup(app: Any) -> None:
    """Connects what is above."""
    app.connect("object-description-transform", parameters_first)
    app.connect("autodoc-process-docstring", hide_colon, priority=100)
    app.connect("autodoc-process-docstring", show_colon, priority=900)
    app.connect("missing-reference", public_name)
    app.connect("source-read", without_graphs)
