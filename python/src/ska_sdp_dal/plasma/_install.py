# SPDX-License-Identifier: BSD-3-Clause
"""How programs that import ``pyarrow.plasma`` get this module: in one process, or in all programs of a Python."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List

import pyarrow

#: What a program imports of pyarrow.
_NAMES = ("plasma", "_plasma")
#: The files of an installation: the first is read when Python starts, and imports the second.
_PTH, _HOOK = "ska_sdp_dal_plasma.pth", "_ska_sdp_dal_plasma.py"

_WRITE = "use pickle.dumps(value, protocol=5), or PlasmaClient.put(value), which pickles it"
_READ = "use PlasmaClient.get(object_id) for what put() wrote, pickle.loads(data) for what pickle.dumps() wrote"
_CONTEXT = (
    "values are pickled: give the class a __reduce__() method, or register it with copyreg.pickle(), and leave "
    "serialization_context out"
)
#: What pyarrow has no longer, and what to use instead.
_GONE: Dict[str, str] = {
    "serialize": _WRITE,
    "serialize_to": _WRITE,
    "SerializedPyObject": _WRITE,
    "deserialize": _READ,
    "deserialize_components": _READ,
    "deserialize_from": _READ,
    "read_serialized": _READ,
    "SerializationContext": _CONTEXT,
    "default_serialization_context": _CONTEXT,
    "register_default_serialization_handlers": _CONTEXT,
    "register_torch_serialization_handlers": _CONTEXT,
    "SerializationCallbackError": "what cannot be pickled raises pickle.PicklingError, TypeError or AttributeError",
    "DeserializationCallbackError": "what cannot be unpickled raises pickle.UnpicklingError",
}


class _Explains:
    """Says what to use instead of what a module of pyarrow has no longer. To hasattr() it is missing, as before."""

    def __init__(self, module: ModuleType) -> None:
        self._name = module.__name__
        self._before = vars(module).get("__getattr__")

    def __call__(self, name: str) -> Any:
        if name in _GONE:
            raise AttributeError(f"{self._name}.{name} was removed from pyarrow in version 14: {_GONE[name]}")
        if self._before is not None:
            return self._before(name)
        raise AttributeError(f"module {self._name!r} has no attribute {name!r}")


def install() -> None:
    """Lets ``import pyarrow.plasma`` and ``import pyarrow._plasma`` return this module, in this process.

    Call it before the first import of them. Processes that are forked from this one have it, too; other child processes
    need ``python -m ska_sdp_dal.plasma install``, which is done once for a Python environment.

    What pyarrow has no longer, as ``pyarrow.serialize``, then says in its AttributeError what to use instead.
    """
    module = sys.modules[__package__]
    for name in _NAMES:
        sys.modules[f"pyarrow.{name}"] = module
        setattr(pyarrow, name, module)
    for explained in (pyarrow, pyarrow.lib):
        if not isinstance(vars(explained).get("__getattr__"), _Explains):
            explained.__getattr__ = _Explains(explained)


# ---- for all programs of a Python ------------------------------------------------------------------------------------


def install_files(user: bool) -> int:
    """Writes the files into site-packages. The exit status of the program that does it."""
    if user and not site.ENABLE_USER_SITE:
        print("This Python does not read the user's site-packages. Fix: leave --user out.", file=sys.stderr)
        return 1
    folder = Path(site.getusersitepackages() if user else sysconfig.get_path("purelib"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The .pth last: it imports the other file.
        _write(folder / _HOOK, Path(__file__).with_name("_hook.py").read_text(encoding="utf-8"))
        _write(folder / _PTH, f"import {_HOOK[:-3]}\n")
    except OSError as problem:
        print(f"Cannot write: {problem}. Fix: use --user, or a virtual environment.", file=sys.stderr)
        return 1
    found = subprocess.run(
        [sys.executable, "-c", "import pyarrow.plasma as found; print(found.__name__)"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout.strip()
    if found != __package__:
        print(
            f"A new process of {sys.executable} does not import it from there. Fix: check that this Python reads .pth "
            f"files in {folder} (it does not with -S, -I or PYTHONNOUSERSITE).",
            file=sys.stderr,
        )
        return 1
    print(f"'import pyarrow.plasma' finds ska_sdp_dal.plasma now, in every program that {sys.executable} runs.")
    print("Other programs are not affected. To undo it: python -m ska_sdp_dal.plasma install --remove")
    return 0


def _write(path: Path, text: str) -> None:
    # In one step: Python programs start all the time.
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    print(f"Wrote {path}")


def remove_files() -> int:
    """Removes the files from site-packages, the user's and the environment's. The exit status."""
    folders = list(dict.fromkeys([sysconfig.get_path("purelib"), site.getusersitepackages()]))
    removed: List[Path] = []
    try:
        for folder in folders:
            # The .pth first: it imports the other file.
            for path in (Path(folder) / _PTH, Path(folder) / _HOOK):
                if path.exists():
                    path.unlink()
                    removed.append(path)
                    print(f"Removed {path}")
    except OSError as problem:
        print(f"Cannot remove: {problem}", file=sys.stderr)
        return 1
    if not removed:
        print(f"Nothing to remove: there is no {_PTH} in {' or '.join(folders)}.")
    return 0
