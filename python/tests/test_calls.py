# SPDX-License-Identifier: BSD-3-Clause
"""Calls beyond the guide: errors, lost processors, limits, outputs in place and later, progress, threads."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from typing import Any, Callable

import numpy as np
import pyarrow as pa
import pytest
from conftest import PROCESSOR, SCHEMAS, WATCHDOG, Program

import ska_sdp_dal as dal


def one(path: str, schema: pa.Schema, function: Callable[..., Any], **options: Any) -> dal.Processor:
    """A processor of one function in this process."""
    kind = type("One", (dal.Processor,), {dal.call_name(schema): staticmethod(function)})
    return kind([schema], path, **options)  # type: ignore[no-any-return]


ADD = dal.make_call_schema(
    "add",
    [
        dal.make_par("x", pa.int64()),
        dal.make_tensor_input_par("ys", pa.int64(), ["i"]),
        dal.make_tensor_output_par("zs", pa.int64(), ["i"]),
    ],
)


# ---- what a call gives, and what goes wrong --------------------------------------------------------------------------


def test_call_returns_a_dictionary_of_references(caller: Any) -> None:
    outputs = caller.call(caller_schema(caller, "add"), 1, ys=np.arange(3))
    assert list(outputs) == ["zs"]
    zs = outputs["zs"]
    assert isinstance(zs, dal.TensorRef) and zs.typ == pa.int64() and zs.dim_names == ["i"]
    assert zs.get(WATCHDOG).tolist() == [1, 2, 3]
    rows = caller.batch_call(caller_schema(caller, "add"), [dict(x=1, ys=[1]), dict(x=2, ys=[1])])
    assert [row["zs"].get(WATCHDOG).tolist() for row in rows] == [[2], [3]]
    assert caller.add_batch([]) == []


def caller_schema(caller: dal.Caller, name: str) -> pa.Schema:
    return caller._issuer.functions[name].schema


def test_an_exception_reaches_the_caller(caller: Any) -> None:
    tag = caller.fail("the image is too small: 31 pixels")["tag"]
    with pytest.raises(dal.FunctionError) as raised:
        tag.get(WATCHDOG)
    error = raised.value
    assert "the image is too small: 31 pixels" in str(error) and error.type_name == "ValueError"
    assert error.remote_traceback is not None and "in fail" in error.remote_traceback
    assert "raise ValueError(text)" in error.remote_traceback or "<string>" in error.remote_traceback
    assert isinstance(error, RuntimeError) and error.status == -8
    # As the first cause of what builds on it, and in a long text, too.
    with pytest.raises(dal.FunctionError, match=r"é{100}"):
        caller.fail("é" * 3000)["tag"].get(WATCHDOG)


def test_catch_exceptions_fails_the_outputs_and_raises(path: str) -> None:
    def add(x: int, ys: Any, zs: Any) -> None:
        raise KeyError("no such thing")

    with one(path, ADD, add) as processor, dal.Store(path) as store:
        caller = dal.Caller([ADD], store)
        zs = caller.add(1, [1])["zs"]
        with pytest.raises(KeyError, match="no such thing"):
            processor.process(0, catch_exceptions=False)
        with pytest.raises(dal.FunctionError, match="no such thing") as raised:
            zs.get(0)
        assert raised.value.type_name == "KeyError"
        zs = caller.add(1, [1])["zs"]
        assert processor.process(0) is True, "logged, and gone on"
        assert processor.process(0) is False, "no call came"
        with pytest.raises(dal.FunctionError):
            zs.get(0)
        caller.close()


def test_wrong_arguments_name_themselves(caller: Any) -> None:
    ys = caller.store.put_new_tensor(np.arange(3))
    for wrong, named in (
        (lambda: caller.add("1", ys), "parameter 'x': expected an integer, got '1'"),
        (lambda: caller.add(1.5, ys), "parameter 'x'"),
        (lambda: caller.add(1 << 64, ys), "parameter 'x': int too big to convert"),
        (lambda: caller.add(1), "ys"),
        (lambda: caller.add(1, np.zeros(3)), "array of float64, expected int64"),
        (lambda: caller.add(1, np.zeros((2, 2), int)), "ys"),
        (lambda: caller.add(1, ys, None, 4), "3 parameters, but 4 were given"),
        (lambda: caller.add(1, ys, x=2), "'x' was given by position and by name"),
        (lambda: caller.add(1, ys=ys, q=2), "'q' is none of the function's, which are x, ys, zs"),
        (lambda: caller.add_batch([dict(x=1, ys=ys), dict(x="2", ys=ys)]), "row 1: parameter 'x'"),
        (lambda: caller.add_batch(dict(x=1, ys=ys)), "list of dictionaries"),
        (lambda: caller.multiply(1, ys), "no function 'multiply'"),
        (lambda: caller.fail(b"bytes"), "parameter 'text': expected a str"),
    ):
        with pytest.raises((TypeError, ValueError, AttributeError)) as raised:
            wrong()
        assert named in str(raised.value), str(raised.value)
    assert caller.add(np.int32(1), ys)["zs"].get(WATCHDOG).tolist() == [1, 2, 3], "and it goes on"


def test_nothing_of_a_call_is_left_to_the_next(caller: Any) -> None:
    ys = caller.store.put_new_tensor(np.arange(3))
    for wrong in (
        lambda: caller.add(1),
        lambda: caller.add(ys=ys),
        lambda: caller.add(),
        lambda: caller.add(None, ys),
        lambda: caller.add(1 << 64, ys),
        lambda: caller.add_batch([dict(x=1, ys=ys), dict(x=1)]),
    ):
        assert caller.add(1, ys=ys)["zs"].get(WATCHDOG).tolist() == [1, 2, 3]
        assert caller.add(2, ys)["zs"].get(WATCHDOG).tolist() == [2, 3, 4]
        with pytest.raises(dal.InvalidArgument):
            wrong()
    zs = caller.store.new_tensor_ref(pa.int64(), ["i"])
    assert caller.add(3, ys, zs)["zs"] is zs
    assert caller.add(4, ys)["zs"].get(WATCHDOG).tolist() == [4, 5, 6]
    assert zs.get(WATCHDOG).tolist() == [3, 4, 5]


def test_a_refused_call_keeps_nothing(caller: Any) -> None:
    gc.disable()
    try:
        for refused in (1 << 64, "1"):
            ys = caller.store.put_new_tensor(np.arange(3))
            oid = ys.oid
            try:
                caller.add(ys=ys, x=refused)
            except (dal.InvalidArgument, TypeError):
                pass
            del ys
            assert not caller.store.conn.object_exists(oid), refused
    finally:
        gc.enable()


def test_a_timeout_names_what_is_missing(caller: Any) -> None:
    tag = caller.wait(0.5)["tag"]
    with pytest.raises(dal.TimeoutException) as raised:
        tag.get(timeout=0.01)
    late = raised.value
    assert isinstance(late, TimeoutError) and late.refs == [tag] and late.timeout == 0.01
    assert dal.connection.TimeoutException([tag], 1).refs == [tag]
    other = caller.add(1, [1])["zs"]
    with pytest.raises(dal.TimeoutException) as raised:
        caller.store.conn.get_ref_buffers([other, tag], 0.0)
    assert tag in raised.value.refs
    caller.store.conn.get_ref_buffers([other, tag], WATCHDOG)
    assert tag.exists() and other.exists()


def test_a_lost_processor_is_told(caller: Any, adder: Program) -> None:
    running, queued = caller.wait(1000)["tag"], caller.add(1, [1])["zs"]
    deadline = time.monotonic() + WATCHDOG
    while not running.is_running and time.monotonic() < deadline:
        time.sleep(0.01)
    adder.signal(signal.SIGKILL)
    for ref in (running, queued):
        with pytest.raises(dal.ProcessorLost):
            ref.get(WATCHDOG)
    assert caller.next_lost(WATCHDOG).name == "Adder"
    assert caller.num_processors == 0
    with pytest.raises(dal.NoProcessor):
        dal.Caller([ADD], caller.store)


def test_minimum_processors_are_waited_for(path: str, start: Callable[..., Program], schemas: Any) -> None:
    with dal.Store(path) as store:
        with pytest.raises(dal.NoProcessor, match="1"):
            dal.Caller(schemas, store)
        none = dal.Caller(schemas, store, minimum_processors=0)
        assert none.num_processors == 0 and none.find_processors() == []
        start(PROCESSOR, path)
        with dal.Caller(schemas, store, timeout=WATCHDOG) as caller:
            assert [found.name for found in caller.find_processors()] == ["Adder"]
            assert caller.num_processors == 1
        assert none.find_processors(verbose=True)[0].prefix == none.processors[0].prefix
        none.close()


def test_calls_in_flight_are_limited(path: str, schemas: Any, adder: Program) -> None:
    with dal.Store(path) as store:
        with dal.Caller(schemas, store, max_in_flight=2, timeout=0.05) as caller:
            tags = [caller.wait(1)["tag"], caller.wait(0)["tag"]]
            with pytest.raises(TimeoutError):
                caller.wait(0)
            assert all(tag.get(WATCHDOG) is not None for tag in tags)
            assert caller.wait(0)["tag"].get(WATCHDOG).size == 0


def test_first_is_always_the_same_processor(path: str, start: Callable[..., Program], schemas: Any) -> None:
    programs = [start(PROCESSOR, path) for _ in range(2)]
    for program in programs:
        program.line("waiting for calls")
    with dal.Store(path) as store, dal.Caller(schemas, store, select="first", minimum_processors=2) as caller:
        busy = [caller.wait(0.2)["tag"] for _ in range(4)]
        taken = {bytes(tag.oid[:4]) for tag in busy}
        assert len(taken) == 1, "outputs lie in the caller's namespace"
        queues = caller.store if hasattr(caller, "store") else store
        assert queues.conn.stat()["clients"] == 3
        for tag in busy:
            tag.get(WATCHDOG)
        with pytest.raises(dal.InvalidArgument, match="'least_busy' or 'first'"):
            dal.Caller(schemas, store, select="last")


def test_broadcast_gives_a_list(path: str, start: Callable[..., Program], schemas: Any) -> None:
    programs = [start(PROCESSOR, path) for _ in range(3)]
    for program in programs:
        program.line("waiting for calls")
    with dal.Store(path) as store, dal.Caller(schemas, store, broadcast=True, minimum_processors=3) as caller:
        results = caller.add(2, np.arange(3))
        assert [result["zs"].get(WATCHDOG).tolist() for result in results] == [[2, 3, 4]] * 3
        rows = caller.add_batch([dict(x=1, ys=[1]), dict(x=2, ys=[1])])
        assert [[row["zs"].get(WATCHDOG).tolist() for row in replies] for replies in rows] == [[[2], [3]]] * 3
        programs[1].signal(signal.SIGKILL)
        programs[1].wait()
        answered, lost = 0, 0
        for result in caller.add(3, [1]):
            try:
                assert result["zs"].get(WATCHDOG).tolist() == [4]
                answered += 1
            except dal.ProcessorLost:
                lost += 1
        assert answered == 2 and lost <= 1
        assert caller.num_processors == 2


def test_sizes_of_equal_dimensions_are_compared_if_asked_for(path: str) -> None:
    schema = dal.make_call_schema(
        "dot",
        [
            dal.make_tensor_input_par("a", pa.float64(), ["i"]),
            dal.make_tensor_input_par("b", pa.float64(), ["i"]),
            dal.make_tensor_output_par("c", pa.float64(), []),
        ],
    )
    with one(path, schema, lambda a, b, c: c.put(np.float64(a.get().size + b.get().size))) as processor:
        with dal.Store(path) as store:
            loose, strict = dal.Caller([schema], store), dal.Caller([schema], store, strict_dims=True)
            result = loose.dot([1.0, 2.0], [1.0, 2.0, 3.0])["c"]
            processor.process(WATCHDOG)
            assert result.get(0) == 5.0
            with pytest.raises(dal.InvalidArgument, match="dimension"):
                strict.dot([1.0, 2.0], [1.0, 2.0, 3.0])
            loose.close()
            strict.close()


# ---- outputs in place, later, and not at all -------------------------------------------------------------------------


def test_outputs_are_written_in_place(path: str) -> None:
    kept = []

    def add(x: int, ys: dal.TensorRef, zs: dal.TensorRef) -> None:
        values = ys.get()
        out = zs.create(values.shape)  # type: ignore[attr-defined]
        np.add(values, x, out=out)
        kept.append(out)

    with one(path, ADD, add) as processor, dal.Store(path) as store:
        caller = dal.Caller([ADD], store)
        zs = caller.add(5, np.arange(1000))["zs"]
        processor.process(WATCHDOG)
        got = zs.get(0)
        assert got.tolist() == list(range(5, 1005))
        out = kept[0]
        with pytest.raises(ValueError, match="read-only"):
            out[0] = 1
        with pytest.raises(ValueError, match="read-only"):
            got[0] = 1
        with pytest.raises(ValueError):
            got.flags.writeable = True
        del zs, got
        assert out[999] == 1004, "what the creator keeps stays, too"
        kept.clear()
        del out
        caller.close()


def test_an_output_may_be_written_after_the_function_returned(path: str) -> None:
    kept = {}

    def add(x: int, ys: dal.TensorRef, zs: dal.TensorRef, **_unused: Any) -> None:
        kept[x] = (ys, zs)

    with one(path, ADD, add) as processor, dal.Store(path) as store:
        caller = dal.Caller([ADD], store)
        first, second = caller.add(1, [10])["zs"], caller.add(2, [20])["zs"]
        assert processor.process(WATCHDOG) and processor.process(WATCHDOG), "a call that is not over holds up no other"
        assert not first.exists()
        ys, zs = kept.pop(1)
        zs.put(ys.get() + 1)
        assert first.get(0).tolist() == [11] and not second.exists()
        ys, zs = kept.pop(2)
        input_, output = ys.get(), zs.create((1,))
        output[:] = input_ + 2
        zs.seal()
        assert second.get(0).tolist() == [22]
        del zs, output
        # Nobody is left who could write it.
        third = caller.add(3, [30])["zs"]
        processor.process(WATCHDOG)
        assert not third.exists()
        del kept[3]
        with pytest.raises(dal.OutputNotWritten, match="zs"):
            third.get(0)
        assert input_.tolist() == [20], "inputs stay as long as they are held"
        caller.close()


def test_an_output_that_is_not_written_fails(path: str) -> None:
    with one(path, ADD, lambda x, ys, zs: None) as processor, dal.Store(path) as store:
        caller = dal.Caller([ADD], store)
        zs = caller.add(1, [1])["zs"]
        processor.process(WATCHDOG)
        with pytest.raises(dal.OutputNotWritten, match="zs"):
            zs.get(0)
        caller.close()


def test_what_is_written_is_converted_if_nothing_is_lost(path: str) -> None:
    outputs = iter([np.arange(3, dtype=np.int16), np.arange(3.0), [1, 2, 3], None])

    with one(path, ADD, lambda x, ys, zs: zs.put(next(outputs))) as processor, dal.Store(path) as store:
        caller = dal.Caller([ADD], store)
        results = [caller.add(1, [1])["zs"] for _ in range(4)]
        for _ in range(4):
            processor.process(WATCHDOG)
        assert results[0].get(0).tolist() == [0, 1, 2] and results[0].get(0).dtype == np.int64
        with pytest.raises(dal.FunctionError, match="array of float64, expected int64"):
            results[1].get(0)
        assert results[2].get(0).tolist() == [1, 2, 3]
        assert results[3].get(0).shape == (0,)
        caller.close()


def test_nullable_parameters_may_be_left_out(path: str) -> None:
    schema = dal.make_call_schema(
        "f",
        [
            dal.make_par("n", pa.int64(), nullable=True),
            dal.make_tensor_input_par("w", pa.float64(), ["i"], nullable=True),
            dal.make_table_input_par("t", pa.schema([("a", pa.int64())]), nullable=True),
            dal.make_tensor_output_par("out", pa.bool_(), ["i"]),
            dal.make_tensor_output_par("more", pa.int64(), [], nullable=True),
        ],
    )

    def f(n: Any, w: Any, t: Any, out: Any, more: Any) -> None:
        out.put(np.array([n is None, w is None, t is None, more is None]))
        if more is not None:
            more.put(7)

    with one(path, schema, f) as processor, dal.Store(path) as store:
        caller = dal.Caller([schema], store)
        absent, there = caller.f(more=None), caller.f(1, [1.0], {"a": [1]})
        processor.process(WATCHDOG), processor.process(WATCHDOG)
        assert absent["more"] is None and absent["out"].get(0).tolist() == [True] * 4
        assert there["out"].get(0).tolist() == [False] * 4 and there["more"].get(0) == 7
        caller.close()


def test_values_of_many_types(path: str) -> None:
    types = {
        "i8": (pa.int8(), -5),
        "u64": (pa.uint64(), 2**64 - 1),
        "f16": (pa.float16(), 0.5),
        "f32": (pa.float32(), 0.25),
        "b": (pa.bool_(), True),
        "s": (pa.utf8(), "Orion Ã  \u2603"),
        "nul": (pa.utf8(), "ab\0cd\0"),
        "raw": (pa.binary(), b"\x00\x01"),
        "z": (dal.complex128, 1 + 2j),
        "l": (pa.list_(pa.float64()), [1.0, 2.0]),
        "st": (pa.struct([("a", pa.int32())]), {"a": 3}),
        "id20": (dal.OBJECT_ID_TYPE, bytes(range(20))),
    }
    schema = dal.make_call_schema(
        "f",
        [dal.make_par(name, typ) for name, (typ, _) in types.items()]
        + [dal.make_oid_par("oid"), dal.make_tensor_output_par("n", pa.int64(), [])],
    )
    seen = {}

    def f(n: Any, **values: Any) -> None:
        seen.update(values)
        n.put(len(values))

    oid = dal.ObjectID(bytes(range(20)))
    with one(path, schema, f) as processor, dal.Store(path) as store:
        caller = dal.Caller([schema], store)
        n = caller.f(**{name: value for name, (_, value) in types.items()}, oid=oid)["n"]
        processor.process(WATCHDOG)
        assert n.get(0) == len(types) + 1
        assert seen == {**{name: value for name, (_, value) in types.items()}, "oid": oid}
        assert isinstance(seen["oid"], dal.ObjectID)
        caller.close()


# ---- while it runs ---------------------------------------------------------------------------------------------------


def test_progress_is_told(caller: Any) -> None:
    tag = caller.wait(1.0)["tag"]
    seen = set()
    while not tag.exists():
        seen.add(round(tag.progress, 1))
        time.sleep(0.01)
    assert tag.progress == 1.0 and len(seen) > 3, seen
    assert not tag.is_running


def test_a_function_knows_its_call(path: str) -> None:
    known = {}

    class Known(dal.Processor):
        def add(self, x: int, ys: Any, zs: Any) -> None:
            call = self.call
            known[x] = (call.function, call.row, call.thread_budget, call.is_cancelled, len(call.oid))
            zs.put(ys.get())

    with Known([ADD], path, name="Somebody") as processor, dal.Store(path) as store:
        caller = dal.Caller([ADD], store)
        assert caller.processors[0].name == processor.name == "Somebody"
        rows = caller.add_batch([dict(x=x, ys=[x]) for x in range(3)])
        for _ in rows:
            processor.process(WATCHDOG)
        assert [known[x][:2] for x in range(3)] == [("add", x) for x in range(3)]
        assert all(known[x][2] >= 1 and known[x][3] is False and known[x][4] == 20 for x in range(3))
        with pytest.raises(dal.InvalidArgument, match="no function of Somebody is running"):
            _ = processor.call
        del rows
        caller.close()


def test_many_threads_process(path: str) -> None:
    together, most, lock = [0], [0], threading.Lock()

    def wait(n: int, out: Any) -> None:
        with lock:
            together[0] += 1
            most[0] = max(most[0], together[0])
        time.sleep(0.01)
        with lock:
            together[0] -= 1
        out.put(n)

    schema = dal.make_call_schema(
        "f", [dal.make_par("n", pa.int64()), dal.make_tensor_output_par("out", pa.int64(), [])]
    )
    for reentrant in (True, False):
        most[0] = 0
        with one(path, schema, wait, reentrant=reentrant) as processor, dal.Store(path) as store:
            caller = dal.Caller([schema], store)
            results = [caller.f(n)["out"] for n in range(24)]
            workers = [threading.Thread(target=lambda: [processor.process(0.2) for _ in range(12)]) for _ in range(4)]
            for worker in workers:
                worker.start()
            assert [int(result.get(WATCHDOG)) for result in results] == list(range(24))
            for worker in workers:
                worker.join(WATCHDOG)
            assert most[0] > 1 if reentrant else most[0] == 1
            caller.close()


def test_a_basic_processor(path: str, caplog: pytest.LogCaptureFixture) -> None:
    schema = dal.make_call_schema(
        "scale",
        [
            dal.make_par("factor", pa.float64()),
            dal.make_tensor_input_par("vis", dal.complex64, ["row", "pol"]),
            dal.make_tensor_input_par("wgt", pa.float32(), ["row"], nullable=True),
            dal.make_tensor_output_par("out", dal.complex64, ["row", "pol"]),
        ],
    )
    seen = {}

    class Scale(dal.BasicProcessor):
        def _process_call(self, proc_func: str, batch: pa.RecordBatch) -> None:
            factor = self.parameter(batch, "factor", pa.float64())
            vis = self.tensor_parameter(batch, "vis", dal.complex64, ["row", "pol"])
            wgt, again = self.tensor_parameters(batch, [("wgt", pa.float32(), ["row"], True), "vis"])
            seen.update(
                name=proc_func, rows=batch.num_rows, dims=vis.dim_names, wgt=wgt, id=self.oid_parameter(batch, "vis")
            )
            assert again.shape == vis.shape and vis.shape[-1] == 2
            with pytest.raises(dal.InvalidArgument, match="is null"):
                self.parameter(batch, "wgt")
            with pytest.raises(dal.InvalidArgument, match="expected int64"):
                self.parameter(batch, "factor", pa.int64())
            with pytest.raises(dal.InvalidArgument, match="no parameter 'nothing'"):
                self.parameter(batch, "nothing")
            with pytest.raises(dal.InvalidArgument, match="expected"):
                self.tensor_parameter(batch, "vis", pa.float64())
            values = vis.to_numpy().reshape(-1).view(np.complex64).reshape(vis.shape[:-1])
            self.output_tensor(batch, "out", values * np.float32(factor), dal.complex64)

    vis = np.arange(6).reshape(3, 2).astype(np.complex64) * 1j
    with Scale([schema], path) as processor, dal.Store(path) as store:
        caller = dal.Caller([schema], store)
        out = caller.scale(2.0, vis)["out"]
        processor.process(WATCHDOG, catch_exceptions=False)
        assert np.array_equal(out.get(0), 2 * vis)
        assert seen["name"] == "scale" and seen["rows"] == 1 and seen["wgt"] is None
        assert seen["dims"] in (["row", "pol", "re_im"], ("row", "pol", "re_im")) and len(seen["id"]) == 20
        caller.close()
    with dal.LogProcessor([schema], path, name="Listener") as log, dal.Store(path) as store:
        assert isinstance(log, dal.BasicProcessor) and len(log.prefix) == 4
        caller = dal.Caller([schema], store)
        out = caller.scale(2.0, vis)["out"]
        with caplog.at_level("INFO"):
            log.process(WATCHDOG)
        assert any("scale(factor=2.0, vis=" in line for line in caplog.messages)
        with pytest.raises(dal.OutputNotWritten):
            out.get(0)
        caller.close()


def test_a_processor_may_watch_all_its_calls(path: str) -> None:
    seen = []

    class Watching(dal.Processor):
        def _process_call(self, proc_func: str, batch: pa.RecordBatch) -> None:
            seen.append((proc_func, batch.column("x")[0].as_py()))
            super()._process_call(proc_func, batch)

        def add(self, x: int, ys: Any, zs: Any) -> None:
            zs.put(ys.get() + x)

    with Watching([ADD], path) as processor, dal.Store(path) as store:
        caller = dal.Caller([ADD], store)
        rows = caller.add_batch([dict(x=1, ys=[1]), dict(x=2, ys=[1])])
        processor.process(WATCHDOG), processor.process(WATCHDOG)
        assert [row["zs"].get(0).tolist() for row in rows] == [[2], [3]]
        assert seen == [("add", 1), ("add", 2)]
        caller.close()


def test_schemas_text_is_the_programs(path: str) -> None:
    # The programs that the other tests start, so that a mistake in them is found here.
    compile(SCHEMAS, "schemas", "exec"), compile(PROCESSOR, "processor", "exec")


def test_objects_of_any_kind_are_made_and_waited_for(path: str) -> None:
    schema = dal.make_call_schema(
        "f", [dal.make_oid_par("name"), dal.make_oid_input_par("given"), dal.make_oid_output_par("made")]
    )

    class Copies(dal.Processor):
        def f(self, name: dal.ObjectID, given: dal.ObjectID, made: dal.ObjectID) -> None:
            if name.endswith(b"ok"):
                dal.TensorRef(self.conn, made, pa.int64(), ["i"]).put(dal.TensorRef(self.conn, given).get(0) + 1)

    with Copies([schema], path) as processor, dal.Store(path) as store:
        caller = dal.Caller([schema], store)
        given = store.new_tensor_ref(pa.int64(), ["i"])
        made = caller.f(b"\xee" * 18 + b"ok", given, None)["made"]
        assert type(made) is dal.Ref and processor.process(0.01) is False, "its input does not exist"
        given.put([1, 2])
        assert processor.process(WATCHDOG)
        made.wait(0)
        assert dal.TensorRef(store.conn, made).get(0).tolist() == [2, 3]
        missing = caller.f(b"\xee" * 20, given.oid)["made"]
        processor.process(WATCHDOG)
        with pytest.raises(dal.OutputNotWritten, match="made"):
            missing.wait(0)
        oid = made.oid
        del made, missing
        assert not store.conn.object_exists(oid), "the caller's reference was the one that kept it"
        caller.close()


def test_many_threads_call(path: str, adder: Program, schemas: Any) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with dal.Store(path) as store, dal.Caller(schemas, store, timeout=WATCHDOG) as caller:
            wrong: list = []

            def work(number: int) -> None:
                try:
                    for x in range(100):
                        ys = store.put_new_tensor(np.arange(number + x))
                        zs = caller.add(x, ys)["zs"]
                        assert zs.get(WATCHDOG).tolist() == list(range(x, number + 2 * x)), "another's arguments"
                except BaseException as problem:
                    wrong.append(problem)

            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WATCHDOG)
            assert wrong == []
    finally:
        sys.setswitchinterval(before)


def test_threads_of_a_function_write_outputs_later(path: str) -> None:
    names = [f"out{number}" for number in range(4)]
    schema = dal.make_call_schema("f", [dal.make_tensor_output_par(name, pa.int64(), []) for name in names])
    writers = []

    def f(**outputs: Any) -> None:
        for name, output in outputs.items():
            writers.append(threading.Thread(target=output.put, args=(int(name[3:]),)))
            writers[-1].start()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with one(path, schema, f) as processor, dal.Store(path) as store:
            caller = dal.Caller([schema], store)
            for _ in range(100):
                outputs = caller.f()
                assert processor.process(WATCHDOG)
                assert [int(outputs[name].get(WATCHDOG)) for name in names] == [0, 1, 2, 3]
            for writer in writers:
                writer.join(WATCHDOG)
            writers.clear()
            del outputs
            caller.close()
            # All calls have ended: nothing is left but the two declarations.
            assert store.conn.stat()["objects"] == 2
    finally:
        sys.setswitchinterval(before)


def test_a_function_cannot_close_its_processor(path: str) -> None:
    class Closing(dal.Processor):
        def add(self, x: int, ys: Any, zs: Any) -> None:
            self.close()

    with Closing([ADD], path) as processor, dal.Store(path) as store:
        caller = dal.Caller([ADD], store)
        zs = caller.add(1, [1])["zs"]
        processor.process(WATCHDOG)
        with pytest.raises(dal.FunctionError, match="cannot be closed by a function of its own"):
            zs.get(0)
        assert processor.process(0) is False
        caller.close()
