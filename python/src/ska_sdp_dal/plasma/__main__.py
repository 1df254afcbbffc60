# SPDX-License-Identifier: BSD-3-Clause
"""``python -m ska_sdp_dal.plasma install``: for programs that import ``pyarrow.plasma``, and cannot be changed."""

from __future__ import annotations

import argparse
import sys
from typing import List, Optional

from ._install import install_files, remove_files


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs the program. Its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ska_sdp_dal.plasma",
        description="Lets programs that import pyarrow.plasma run with ska_sdp_dal.plasma.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    install = commands.add_parser(
        "install",
        help="let 'import pyarrow.plasma' find this module, in all programs of this Python",
        description="Writes a .pth file and a module of 40 lines into the site-packages of this Python. With them 'import "
        "pyarrow.plasma' finds ska_sdp_dal.plasma in every program of this Python, child processes among them. Programs "
        "that do not import it are not affected.",
    )
    how = install.add_mutually_exclusive_group()
    how.add_argument("--user", action="store_true", help="write into the user's own site-packages")
    how.add_argument("--remove", action="store_true", help="remove what was written, the user's and this Python's")
    options = parser.parse_args(arguments)
    return remove_files() if options.remove else install_files(options.user)


if __name__ == "__main__":
    sys.exit(main())
