# SPDX-License-Identifier: BSD-3-Clause
"""Prints what compilers need for programs in C and C++ that use the library of this package:

c++ -std=c++17 program.cpp $(python -m ska_sdp_dal --cflags --libs)
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from ._native import get_include, get_library, library_version


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m ska_sdp_dal",
        description="Prints what compilers need for programs in C and C++ that use the library of this package.",
        epilog="Example: c++ -std=c++17 program.cpp -o program $(python -m ska_sdp_dal --cflags --libs)",
    )
    parser.add_argument("--cflags", action="store_true", help="print options that find the headers")
    parser.add_argument(
        "--libs", action="store_true", help="print the library, and an option that finds it at run time"
    )
    parser.add_argument("--version", action="version", version=library_version())
    options = parser.parse_args()
    if not (options.cflags or options.libs):
        parser.error("say --cflags, --libs or both")
    library = Path(get_library()).resolve()
    flags = [f"-I{get_include()}"] if options.cflags else []
    flags += [str(library), f"-Wl,-rpath,{library.parent}"] if options.libs else []
    print(shlex.join(flags))


if __name__ == "__main__":
    main()
