# SPDX-License-Identifier: BSD-3-Clause
"""Everything in the documentation of `ska_sdp_dal` is there: names, parameters in their order, defaults; and where its
annotations and its text disagree, the text holds."""

from __future__ import annotations

import importlib
import inspect
import os
from pathlib import Path
from typing import Any, List, Tuple

import numpy as np
import pyarrow as pa
import pytest
from conftest import WATCHDOG
from extract_signatures import signatures

import ska_sdp_dal as dal

SIGNATURES = (Path(__file__).resolve().parent / "signatures.txt").read_text(encoding="utf-8").splitlines()


def entries() -> List[Tuple[str, str]]:
    """What stands in the documentation: the path of its owner, and its line."""
    found, owner = [], ""
    for line in SIGNATURES:
        text = line.strip()
        if line.startswith(" "):
            found.append((owner, text))
        else:
            module, _, text = text.replace("class ", "").partition(".")
            owner = f"{module}.{text.partition('(')[0]}"
            found.append((module, text))
    return found


def resolved(path: str) -> Any:
    module, _, name = path.partition(".")
    found: Any = importlib.import_module(f"ska_sdp_dal.{module}")
    return getattr(found, name) if name else found


def test_the_signatures_are_those_of_the_documentation() -> None:
    documentation = os.environ.get("SDP_DAL_REFERENCE")
    if documentation:
        assert signatures(Path(documentation).read_text(encoding="utf-8")) == SIGNATURES
    assert len(SIGNATURES) == 84


@pytest.mark.parametrize("owner, text", entries(), ids=lambda value: value.partition("(")[0])
def test_it_is_there(owner: str, text: str) -> None:
    where = resolved(owner)
    if text.startswith("property "):
        assert isinstance(getattr(where, text.partition(" ")[2]), property)
    elif " = " in text and "(" not in text.partition(" = ")[0]:
        name, _, value = text.partition(" = ")
        # OBJECT_ID_TYPE is told as 20, which is how pyarrow's binary(20) prints there; see below.
        if not value.startswith("<") and name != "OBJECT_ID_TYPE":
            assert getattr(where, name) == eval(value)
    else:
        name, _, rest = text.partition("(")
        found = list(inspect.signature(getattr(where, name)).parameters.values())
        found = [parameter for parameter in found if parameter.name != "self"]
        wanted = inspect.signature(eval(f"lambda {rest[:-1]}: 0")).parameters.values()
        for ours, theirs in zip(found, wanted):
            assert (ours.name, ours.kind) == (theirs.name, theirs.kind)
            if theirs.default is not theirs.empty:
                assert ours.default == theirs.default, f"{ours.name} of {text}"
        assert len(found) >= len(wanted)
        for more in found[len(wanted) :]:
            assert more.default is not more.empty, f"{more.name} must be given, which no program does"


def test_everything_public_is_at_the_top_level() -> None:
    for owner, text in entries():
        if "." not in owner:
            name = text.partition("(")[0].partition(" = ")[0]
            assert getattr(dal, name) is getattr(resolved(owner), name)
    for module in ("processor", "caller", "store", "connection", "common"):
        assert getattr(dal, module) is resolved(module)
    assert dal.make_table_output_par("t", None).name == "t"


def test_text_wins_over_annotations(path: str) -> None:
    schema = dal.make_call_schema("f", [dal.make_par("x", pa.int64()), dal.make_tensor_output_par("y", pa.int64(), [])])
    other = dal.make_call_schema("f", [dal.make_par("x", pa.int32())])
    assert pa.binary(20) == dal.OBJECT_ID_TYPE
    assert dal.schema_compatible(schema, schema) == []
    mismatches = dal.schema_compatible(schema, other)
    assert isinstance(mismatches, list) and len(mismatches) == 2 and all(isinstance(text, str) for text in mismatches)
    assert "'x'" in mismatches[0] and "'y'" in mismatches[1]
    assert issubclass(dal.Processor, dal.BasicProcessor) and issubclass(dal.LogProcessor, dal.BasicProcessor)
    assert issubclass(dal.TimeoutException, TimeoutError)
    with dal.LogProcessor([schema], path) as processor, dal.Store(path) as store:
        with dal.Caller([schema], store) as caller:
            outputs = caller.call(schema, 1)
            assert type(outputs) is dict and list(outputs) == ["y"]
        ref = store.put_new_tensor(np.arange(3))
        assert type(store.conn.object_size(ref.oid)) is int
        assert processor.process(WATCHDOG) is True and processor.process(0) is False
        del outputs, ref


def test_schemas_tell_what_they_were_made_of() -> None:
    columns = pa.schema([("time", pa.float64())])
    fields = {
        "value": dal.make_par("value", pa.int64(), metadata={"unit": "Hz"}),
        "vis": dal.make_tensor_input_par("vis", dal.complex64, ["row", "pol"]),
        "out": dal.make_tensor_output_par("out", pa.float32(), [], nullable=True),
        "rows": dal.make_table_input_par("rows", columns),
        "done": dal.make_table_output_par("done", columns),
        "any": dal.make_oid_par("any"),
        "first": dal.make_oid_input_par("first", metadata={b"what": b"a call"}),
        "last": dal.make_oid_output_par("last"),
    }
    schema = dal.make_call_schema("f", list(fields.values()), metadata={"version": "2"})
    assert dal.call_name(schema) == "f" and schema.metadata[b"version"] == b"2" and schema.names == list(fields)
    kinds = {"vis": "in", "out": "out", "rows": "in", "done": "out", "any": "id", "first": "in", "last": "out"}
    assert {name: dal.par_meta(field) for name, field in fields.items() if dal.par_meta(field)} == kinds
    assert dal.par_tensor_elem_type(fields["vis"]) == dal.complex64
    assert dal.par_tensor_elem_type(fields["out"]) == pa.float32() and fields["out"].nullable
    assert dal.par_tensor_dim_names(fields["vis"]) == ["row", "pol"] and dal.par_tensor_dim_names(fields["out"]) == []
    assert dal.par_table_schema(fields["rows"]) == dal.par_table_schema(fields["done"]) == columns
    for absent in (dal.par_tensor_elem_type, dal.par_tensor_dim_names, dal.par_table_schema, dal.par_meta):
        assert absent(fields["value"]) is None
    assert all(fields[name].type == dal.OBJECT_ID_TYPE for name in kinds)
    assert fields["first"].metadata[b"what"] == b"a call" and fields["value"].metadata == {b"unit": b"Hz"}
    for wrong in (
        lambda: dal.make_call_schema("no name", []),
        lambda: dal.make_call_schema("f", [dal.make_par("x", pa.int64()), dal.make_par("x", pa.int64())]),
        lambda: dal.make_tensor_input_par("x", pa.utf8(), ["i"]),
        lambda: dal.make_tensor_input_par("x", pa.int64(), "row"),
        lambda: dal.call_name(columns),
    ):
        with pytest.raises(dal.InvalidArgument):
            wrong()


def test_complex_types_and_ids() -> None:
    assert dal.complex64.to_pandas_dtype() is np.complex64 and dal.complex128.to_pandas_dtype() is np.complex128
    assert dal.from_numpy_dtype(np.complex64) == dal.complex64 and dal.from_numpy_dtype("f8") == pa.float64()
    assert dal.from_numpy_dtype(np.dtype("<M8[ns]")) == pa.timestamp("ns")
    ids = dal.objectid_generator(b"\0\0\0\7")
    first, second = next(ids), next(ids)
    assert len(first) == 20 and first[:4] == b"\0\0\0\7" and first != second and not dal.is_namespace_decl(first)
    assert len(next(dal.objectid_generator(b"a", 3))) == 3
    assert dal.is_namespace_decl(b"\0\0\0\7" + dal.NAMESPACE_DECL_SUFFIX)
    assert dal.parse_hex_objectid(dal.object_id_hex(first)) == first == dal.ObjectID(first).binary()
    assert dal.parse_hex_objectid("0000000a") == b"\0\0\0\x0a" and dal.object_id_hex(b"\0\x0a") == "000a"
    for wrong in ("0", "xy", "00" * 21):
        with pytest.raises(dal.InvalidArgument):
            dal.parse_hex_objectid(wrong)
