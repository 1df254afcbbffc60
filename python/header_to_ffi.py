# SPDX-License-Identifier: BSD-3-Clause
"""Makes ``ska_sdp_dal/_ffi.py`` from ``include/sdp_dal.h``: what cffi needs to know of the library, parsed once, when
the package is built, so that importing it takes milliseconds and no compiler.

    python header_to_ffi.py ../include/sdp_dal.h src/ska_sdp_dal/_ffi.py
"""

import re
import sys
from pathlib import Path

HEAD = """\
# SPDX-License-Identifier: BSD-3-Clause
# Made from sdp_dal.h by header_to_ffi.py when the package was built: not to be edited.
# ruff: noqa
"""


def declarations(header: str) -> str:
    """The declarations of the header alone: no comments, no preprocessor, nothing for C++."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"#ifdef __cplusplus.*?#endif", "", text, flags=re.DOTALL)
    text = re.sub(r"^[ \t]*#[^\n]*(\\\n[^\n]*)*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def version(header: str) -> str:
    """The version that the header is of, as 'major.minor.patch'."""
    found = re.search(r'#define SDP_DAL_VERSION_STRING "([^"]+)"', header)
    if found is None:
        raise ValueError("the header does not say its version (SDP_DAL_VERSION_STRING)")
    return found.group(1)


def write(header: Path, module: Path) -> None:
    """Writes the module, unless what it would say is there already."""
    import cffi

    text = header.read_text(encoding="utf-8")
    builder = cffi.FFI()
    builder.cdef(declarations(text))
    builder.set_source("ska_sdp_dal._ffi", None)
    scratch = module.with_suffix(".new")
    builder.emit_python_code(str(scratch))
    made = HEAD + scratch.read_text(encoding="utf-8") + f'\nVERSION = "{version(text)}"\n'
    scratch.unlink()
    if not module.exists() or module.read_text(encoding="utf-8") != made:
        module.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write(Path(sys.argv[1]), Path(sys.argv[2]))
