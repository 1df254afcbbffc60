# SPDX-License-Identifier: BSD-3-Clause
"""How references are displayed, in one line and in a notebook. This never waits and never raises."""

from __future__ import annotations

import html
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
import pyarrow as pa

from ._native import filled, last_error, lib

#: Rows of a table that a notebook shows, and letters of a cell.
_ROWS, _LETTERS = 10, 40
_STATES = {
    lib.SDP_DAL_STATE_ABSENT: "does not exist",
    lib.SDP_DAL_STATE_AWAITED: "does not exist yet",
    lib.SDP_DAL_STATE_CREATING: "is being written",
    lib.SDP_DAL_STATE_SEALED: "exists",
    lib.SDP_DAL_STATE_DOOMED: "deleted",
}
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size_text(size: int) -> str:
    """Returns a number of bytes in readable form."""
    number, unit = float(size), 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{size} bytes" if unit == 0 else f"{number:.3g} {_UNITS[unit]}"


def state_of(ref: Any) -> str:
    """Returns whether the object of a reference exists, or the reason why not."""
    handle = ref._handle
    state = filled("sdp_dal_ref_state")
    if lib.sdp_dal_ref_get_state(handle, state):
        return _line(last_error())
    if state.state in (lib.SDP_DAL_STATE_ABSENT, lib.SDP_DAL_STATE_FAILED):
        status = lib.sdp_dal_ref_wait(handle, 0)
        if status == lib.SDP_DAL_OBJECT_DELETED:
            return "deleted"
        if status and status != lib.SDP_DAL_TIMEOUT:
            return f"failed: {_line(last_error())}"
    if state.state == lib.SDP_DAL_STATE_AWAITED and state.running:
        return f"does not exist yet, {state.progress:.0%} done"
    return _STATES.get(state.state, "exists")


def _line(text: str) -> str:
    """Returns the first line of a text."""
    first = text.strip().partition("\n")[0]
    return first if len(first) <= 80 else first[:77] + "..."


def line_of(ref: Any, about: str, size: Optional[int] = None) -> str:
    """Returns a reference in one line."""
    parts = [about] if about else []
    parts.append(state_of(ref))
    if size is not None:
        parts.append(size_text(size))
    part = ref.part or ""
    return f"<{type(ref).__name__} {ref.oid.hex()}{part}: {', '.join(parts)}>"


def unknown(ref: Any, problem: Exception) -> str:
    """Returns a reference in one line, if its object is not available."""
    return f"<{type(ref).__name__}: {_line(str(problem))}>"


def tensor_text(elements: str, names: Optional[Sequence[str]], shape: Optional[Tuple[int, ...]]) -> str:
    """Returns a tensor's type, such as ``float64[row=100, uvw=3]``; without sizes if it does not exist."""
    if shape is not None:
        given = names if names is not None and len(names) == len(shape) else [""] * len(shape)
        dims = [f"{name}={size}" if name else str(size) for name, size in zip(given, shape)]
    elif names is not None:
        dims = [name or "?" for name in names]
    else:
        return f"{elements}[...]"
    return f"{elements}[{', '.join(dims)}]"


def table_text(schema: Optional[pa.Schema], rows: Optional[int]) -> str:
    """Returns a table's columns, such as ``3 columns (a: int64, b: double, ...)``."""
    if schema is None:
        return "any columns"
    shown = [f"{field.name}: {field.type}" for field in list(schema)[:5]] + ["..."] * (len(schema) > 5)
    count = f"{len(schema)} column{'' if len(schema) == 1 else 's'}"
    head = count if rows is None else f"{rows} row{'' if rows == 1 else 's'}, {count}"
    return f"{head} ({', '.join(shown)})" if shown else head


# ---- in a notebook ---------------------------------------------------------------------------------------------------


def tensor_html(line: str, array: Optional[np.ndarray[Any, Any]]) -> str:
    """Returns a tensor for a notebook, with its description and its first and last values."""
    head = f"<div><code>{html.escape(line)}</code></div>"
    if array is None:
        return head
    values = np.array2string(array, threshold=100, edgeitems=3, max_line_width=100)
    return f"{head}<pre>{html.escape(values)}</pre>"


def table_html(line: str, table: Optional[pa.Table]) -> str:
    """Returns a table for a notebook, with its description and its first rows."""
    head = f"<div><code>{html.escape(line)}</code></div>"
    if table is None:
        return head
    first = table.slice(0, _ROWS)
    titles = "".join(
        f"<th>{html.escape(field.name)}<br><small>{html.escape(str(field.type))}</small></th>" for field in table.schema
    )
    rows: List[str] = []
    for at in range(first.num_rows):
        cells = "".join(f"<td>{html.escape(_cell(column[at]))}</td>" for column in first.columns)
        rows.append(f"<tr>{cells}</tr>")
    if table.num_rows > first.num_rows:
        left = table.num_rows - first.num_rows
        rows.append(f'<tr><td colspan="{max(table.num_columns, 1)}">... {left} more rows</td></tr>')
    return f"{head}<table><thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(value: pa.Scalar) -> str:
    text = str(value.as_py())
    return text if len(text) <= _LETTERS else text[: _LETTERS - 3] + "..."
