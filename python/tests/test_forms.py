# SPDX-License-Identifier: BSD-3-Clause
"""Functions of several element types: which form a call is for, in processes and in one."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Iterator, List

import numpy as np
import pytest
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal

SIGNATURE = "scale(vis: {0}[row], wgt: {1}[row]?, by: {1}) -> (out: {0}[row])"
FORMS = [SIGNATURE.format("complex64", "float32"), SIGNATURE.format("complex128", "float64")]
PROGRAM = f"""
import sys
import numpy as np
import ska_sdp_dal as dal

class Scaler(dal.Processor):
    def scale(self, vis, wgt, by, out):
        weights = 1 if wgt is None else wgt.get()
        np.multiply(vis.get(), by * weights, out=out.create(vis.get().shape), casting="same_kind")

processor = Scaler([dal.parse_call_schema(form) for form in {FORMS!r}], sys.argv[1])
print(processor, flush=True)
with dal.end_on_sigterm():
    while True:
        processor.process()
"""


def schemas(forms: List[str]) -> Any:
    return [dal.parse_call_schema(form) for form in forms]


def unborn(caller: Any) -> Any:
    """A reference of which nothing is known."""
    return dal.TensorRef(caller.store.conn, dal.ObjectID(bytes(range(1, 21))))


@pytest.fixture
def caller(path: str, start: Callable[..., Program]) -> Iterator[Any]:
    """A caller of both forms, which a process of its own offers."""
    program = start(PROGRAM, path)
    assert "of scale() in 2 forms in" in program.line("Scaler")
    with dal.Store(path) as store, dal.Caller(schemas(FORMS), store, timeout=WATCHDOG) as made:
        made.store = store  # type: ignore[attr-defined]
        yield made


SMALL = np.array([1, 2j], "complex64")
LARGE = np.array([3, 4j], "complex128")


def test_arrays_and_references_choose_the_form(caller: Any) -> None:
    assert "of scale() in 2 forms in" in repr(caller) and "to 1 processor" in repr(caller)
    for vis in (SMALL, LARGE):
        out = caller.scale(vis, by=2)["out"]
        assert out.get(WATCHDOG).dtype == vis.dtype and (out.get() == 2 * vis).all()
        # A reference to what is there, with a type and without; to what is yet to come; an ID.
        ref = caller.store.put_new_tensor(vis)
        chain = caller.scale(caller.scale(ref, by=2)["out"], by=3)["out"]
        assert chain.get(WATCHDOG).dtype == vis.dtype and (chain.get() == 6 * vis).all()
        for other in (dal.TensorRef(caller.store.conn, ref.oid), ref.oid, ref.oid.binary()):
            assert caller.scale(vis=other, by=1)["out"].get(WATCHDOG).dtype == vis.dtype
    # Weights, outputs and numpy's scalars decide as well, and the byte order does not matter.
    unknown = unborn(caller)
    for wgt in (np.ones(2, "float32"), np.ones(2, ">f4")):
        assert caller.scale(unknown, wgt, 1)["out"].typ == dal.complex64
    assert caller.scale(unknown, by=np.float64(1))["out"].typ == dal.complex128
    out = caller.store.new_tensor_ref(dal.complex128, ["row"])
    assert caller.scale([1], by=1, out=out)["out"] is out and out.get(WATCHDOG).tolist() == [1]
    assert caller.scale(SMALL.astype(">c8"), by=1)["out"].get(WATCHDOG).dtype == np.complex64


def test_what_does_not_choose_is_told(caller: Any) -> None:
    unknown = unborn(caller)
    two = (
        r"more than one form: scale<complex64,float32,float32,complex64>, scale<complex128,float64,float64,complex128>"
    )
    for vis in (unknown, [1, 2], np.array([1, 2], "int8")):
        with pytest.raises(dal.InvalidArgument, match=two):
            caller.scale(vis, by=1)
        with pytest.raises(dal.InvalidArgument, match=two):
            caller.scale_batch([dict(vis=vis, by=1)])
    with pytest.raises(dal.InvalidArgument, match=r"fit no form: .*'wgt' is float64, expected float32"):
        caller.scale(SMALL, np.ones(2), 1)
    # The form is named.
    for form in ("complex64", np.complex64, "float32", ["complex64", "float32"], np.dtype("c8")):
        assert caller.scale([1, 2], by=1, form=form)["out"].get(WATCHDOG).dtype == np.complex64
        assert caller.scale_batch([dict(vis=[1, 2], by=1)], form=form)[0]["out"].get(WATCHDOG).dtype == np.complex64
    assert caller.scale([1, 2], by=1, form="complex128")["out"].get(WATCHDOG).dtype == np.complex128
    # It converts its arguments as a function of one form does.
    assert caller.scale(SMALL, np.ones(2, "float32"), 1, form="complex128")["out"].get(WATCHDOG).dtype == np.complex128
    with pytest.raises(dal.InvalidArgument, match=r"parameter 'wgt': .*float64"):
        caller.scale(SMALL, np.ones(2), 1, form="complex64")
    assert caller.call("scale<complex64>", [1], by=1)["out"].get(WATCHDOG).dtype == np.complex64
    for nth, dtype in enumerate((np.complex64, np.complex128)):
        assert caller.call(schemas(FORMS)[nth], [1], by=1)["out"].get(WATCHDOG).dtype == dtype
    assert caller.call("scale", SMALL, by=1)["out"].get(WATCHDOG).dtype == np.complex64
    with pytest.raises(dal.DalError, match="no form <int8>, only: scale<complex64"):
        caller.scale(SMALL, by=1, form="int8")
    with pytest.raises(TypeError, match=r"scale\(\): the form is 3"):
        caller.scale(SMALL, by=1, form=3)
    # What is widened decides if there is one form to which it is: none here that is narrower than an int32.
    assert caller.scale(np.array([1, 2], "int32"), by=1)["out"].get(WATCHDOG).dtype == np.complex128
    # Mistakes in names are told as ever.
    with pytest.raises(dal.InvalidArgument, match=r"scale\(\): parameter 'viz' is none of the function's"):
        caller.scale(viz=SMALL)
    with pytest.raises(TypeError, match="given by position and by name"):
        caller.scale(SMALL, vis=SMALL)


def test_batches_and_broadcasts_have_one_form(caller: Any, path: str) -> None:
    rows = caller.scale_batch([dict(vis=SMALL, by=k) for k in range(3)])
    assert [row["out"].get(WATCHDOG).dtype for row in rows] == [np.complex64] * 3
    with pytest.raises(dal.InvalidArgument, match="row 1: 'vis' is complex128, expected complex64"):
        caller.scale_batch([dict(vis=SMALL, by=1), dict(vis=LARGE, by=1)])
    with pytest.raises(dal.InvalidArgument, match="row 1: parameter 'viz'"):
        caller.scale_batch([dict(vis=SMALL, by=1), dict(viz=LARGE, by=1)])
    assert caller.scale_batch([]) == []
    with dal.Caller(schemas(FORMS), caller.store, broadcast=True) as every:
        for vis in (SMALL, LARGE):
            (outputs,) = every.scale(vis, by=2)
            assert (outputs["out"].get(WATCHDOG) == 2 * vis).all() and outputs["out"].get().dtype == vis.dtype
            ((first, _),) = every.scale_batch([dict(vis=vis, by=2)] * 2)
            assert first["out"].get(WATCHDOG).dtype == vis.dtype


def test_callers_of_one_form_find_a_processor_of_several(caller: Any) -> None:
    for form, dtype in zip(FORMS, (np.complex64, np.complex128)):
        with dal.Caller(schemas([form]), caller.store) as one:
            assert one.scale([1, 2], by=1)["out"].get(WATCHDOG).dtype == dtype
            assert one.scale([1, 2], by=1, form=dtype)["out"].get(WATCHDOG).dtype == dtype
            assert "of scale() in" in repr(one)
    with pytest.raises(dal.NoProcessor, match="form 2: parameter 'vis' of 'scale' is complex128"):
        dal.Caller(schemas([SIGNATURE.format("float32", "float32")]), caller.store)
    # A schema that is given twice is one function.
    with dal.Caller(schemas([FORMS[0], FORMS[0]]), caller.store) as one:
        assert "of scale() in /" in repr(one)


def test_numpys_scalars_and_the_kinds_of_numbers_choose(path: str) -> None:
    class Kinds(dal.Processor):
        def kind(self, x: Any, out: Any) -> None:
            out.create(())[...] = 0

    forms = schemas(
        ["kind(x: utf8) -> (out: uint8[])"]
        + [f"kind(x: {one}) -> (out: {one}[])" for one in ("int64", "float32", "float64", "bool", "complex64")]
    )
    with Kinds(forms, path) as processor, dal.Store(path) as store, dal.Caller(forms, store) as caller:
        many: Any = caller

        def chosen(value: Any, **form: Any) -> str:
            out = many.kind(value, **form)["out"]
            assert processor.process(WATCHDOG)
            return str(out.get().dtype)

        for value, found in ((1, "int64"), ("a", "uint8"), (True, "bool"), (1 + 2j, "complex64")):
            assert chosen(value) == found
        for typed in (np.float32(1.5), np.float64(1.5), np.int64(3), np.bool_(True), np.complex64(1)):
            assert chosen(typed) == str(typed.dtype)
        with pytest.raises(dal.InvalidArgument, match=r"kind<float32,float32>, kind<float64,float64>\. Call"):
            chosen(1.5)
        assert (chosen(1.5, form="float32"), chosen(1, form=np.float64)) == ("float32", "float64")


def test_a_subclass_that_overrides_call_gets_the_name(path: str, caller: Any) -> None:
    seen = []

    class Told(dal.Caller):
        def call(self, call_schema: Any, *args: Any, **kwargs: Any) -> Any:
            seen.append(call_schema)
            return super().call(call_schema, *args, **kwargs)

    with Told(schemas(FORMS), caller.store) as told:
        assert told.scale(LARGE, by=1)["out"].get(WATCHDOG).dtype == np.complex128
    assert seen == ["scale"]


def test_forms_in_an_event_loop(caller: Any) -> None:
    async def main() -> None:
        many: Any = dal.AsyncCaller(schemas(FORMS), caller.store)
        with many:
            for vis in (SMALL, LARGE):
                assert (await many.scale(vis, by=2))["out"].dtype == vis.dtype
                assert (await many.scale([1], by=2, form=vis.dtype))["out"].dtype == vis.dtype
                (row,) = await many.scale_batch([dict(vis=[1], by=2)], form=vis.dtype)
                assert row["out"].dtype == vis.dtype

    asyncio.run(main())


def test_what_is_no_form_is_refused(path: str) -> None:
    for wrong, why in (
        ("scale(vis: complex128[row], by: float64) -> (out: complex128[row])", "its parameters are vis, by, out"),
        (FORMS[1].replace("row", "chan"), "only element types may differ"),
    ):
        with pytest.raises(dal.DalError, match=why):
            dal.LogProcessor(schemas([FORMS[0], wrong]), path)
    with dal.Store(path) as store:
        with pytest.raises(dal.InvalidArgument, match="'scale' is given twice: parameter 'vis' is complex128"):
            dal.Caller(schemas([FORMS[0], FORMS[1].replace("row", "chan")]), store)
