# SPDX-License-Identifier: BSD-3-Clause
"""Lets ``import pyarrow.plasma`` find ``ska_sdp_dal.plasma``, in every program of this Python.

``python -m ska_sdp_dal.plasma install`` writes it into site-packages, and ``--remove`` removes it. It imports nothing until
a program imports ``pyarrow.plasma`` or ``pyarrow._plasma``. A Plasma that pyarrow itself has is left alone.
"""
# mypy: allow-untyped-defs
# Without types, for which each start of Python would have to import typing.

import sys


class _Plasma:
    """Finds the two modules where no other finder does, if ska_sdp_dal is there."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in ("pyarrow.plasma", "pyarrow._plasma"):
            return None
        from importlib.machinery import ModuleSpec, PathFinder

        if PathFinder.find_spec("ska_sdp_dal") is None:
            return None
        return ModuleSpec(name, _Plasma)  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        import ska_sdp_dal.plasma

        # Puts itself into the place of the empty module.
        ska_sdp_dal.plasma.install()


if not any(finder is _Plasma for finder in sys.meta_path):
    sys.meta_path.append(_Plasma)
