# SPDX-License-Identifier: BSD-3-Clause
"""What is refused, and in which words: values that would be changed silently, names that cannot be used, and what would end
in a message of Python's that names nothing of the program's."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pandas
import pyarrow as pa
import pytest
from conftest import WATCHDOG

import ska_sdp_dal as dal

# ---- values that would be changed ------------------------------------------------------------------------------------

SINGLE = dal.make_call_schema(
    "grid",
    [
        dal.make_tensor_input_par("vis", dal.complex64, ["row", "chan"]),
        dal.make_tensor_input_par("uvw", pa.float32(), ["row", "uvw"]),
        dal.make_tensor_output_par("image", pa.float32(), ["x"]),
    ],
)


@pytest.fixture
def single(path: str) -> Any:
    """A store and a caller of a gridder in single precision, whose processor runs in this process."""
    with dal.LogProcessor([SINGLE], path), dal.Store(path) as store, dal.Caller([SINGLE], store) as caller:
        yield store, caller


#: Values for vis and uvw; what is found, what is expected, and the line that converts it.
NARROWED = {
    "double": (
        np.zeros((2, 2), "c16"),
        np.zeros((2, 3), "f4"),
        "vis",
        "complex128",
        "complex64",
        "astype('complex64')",
    ),
    "overflow": (np.zeros((2, 2), "c8"), np.full((2, 3), 1e300), "uvw", "float64", "float32", "astype('float32')"),
    "integers": (np.zeros((2, 2), "c8"), np.zeros((2, 3), int), "uvw", "int64", "float32", "astype('float32')"),
    "complex": (np.zeros((2, 2), "c8"), np.zeros((2, 3), "c8"), "uvw", "complex64", "float32", "value.real.astype"),
}


@pytest.mark.filterwarnings("ignore:Casting complex")
@pytest.mark.parametrize("case", NARROWED)
def test_what_narrows_is_refused(single: Any, case: str) -> None:
    store, caller = single
    vis, uvw, name, found, expected, line = NARROWED[case]
    with pytest.raises(dal.InvalidArgument) as refused:
        caller.grid(vis, uvw)
    for part in (f"'{name}'", f"array of {found}", f"expected {expected}", line, "casting="):
        assert part in str(refused.value), (part, str(refused.value))
    with pytest.raises(dal.InvalidArgument, match=f"array of {found}, expected {expected}"):
        caller.grid_batch([{"vis": vis, "uvw": uvw}])
    value, typ = (vis, dal.complex64) if name == "vis" else (uvw, pa.float32())
    with pytest.raises(dal.InvalidArgument, match=f"array of {found}, expected {expected}"):
        store.put_new_tensor(value, typ)
    with pytest.raises(dal.InvalidArgument, match=f"array of {found}, expected {expected}"):
        store.new_tensor_ref(typ, ["a", "b"]).put(value)
    # As asked for.
    casting = "unsafe" if case == "complex" else "same_kind"
    with np.errstate(over="ignore"):
        assert store.put_new_tensor(value, typ, casting=casting).get().dtype == expected
        if case != "complex":
            late = store.new_tensor_ref(typ, ["a", "b"])
            late.put(value, casting=casting)
            assert late.get().shape == value.shape
        with dal.Caller([SINGLE], store, casting=casting) as willing:
            assert set(willing.grid(vis, uvw)) == {"image"}


def test_what_loses_nothing_is_converted(single: Any) -> None:
    store, caller = single
    # float16, bool and int16 fit into float32; floats are complex numbers; bytes may be in any order.
    for uvw in (np.ones((2, 3), "f2"), np.ones((2, 3), bool), np.ones((2, 3), "i2"), np.ones((2, 3), ">f4")):
        caller.grid(np.ones((2, 2), "f4"), uvw)
        assert store.put_new_tensor(uvw, pa.float32()).get().tolist() == [[1, 1, 1]] * 2
    # Python's numbers have no width, but a size.
    caller.grid([[1, 2.5, 3j]], [[1, 2, 0.1]])
    assert store.put_new_tensor([0.1, float("inf")], pa.float32()).get().tolist() == [np.float32(0.1), float("inf")]
    for wrong, typ in (([1e300], pa.float32()), ([70000], pa.float16()), ([300], pa.int8()), ([-1], pa.uint8())):
        with pytest.raises(dal.InvalidArgument, match="do not fit into"):
            store.put_new_tensor(wrong, typ)
    with pytest.raises(dal.InvalidArgument, match="array of float64, expected int64"):
        store.put_new_tensor([1.5], pa.int64())
    # But what numpy made has one, in a list, too.
    with pytest.raises(dal.InvalidArgument, match="array of float64, expected float32"):
        store.put_new_tensor([np.ones(2), np.ones(2)], pa.float32())
    for call in (
        lambda: dal.Caller([SINGLE], store, casting="safely"),
        lambda: store.put_new_tensor(np.ones(1), pa.int64(), casting="3"),
    ):
        with pytest.raises(dal.InvalidArgument, match=r"casting is .*'same_kind'"):
            call()


def test_masked_arrays_are_refused(single: Any) -> None:
    store, caller = single
    vis = np.ma.masked_array(np.ones((2, 2), "c8"), [[False, True], [False, False]])
    uvw = np.zeros((2, 3), "f4")
    advice = r"masked array.*fill it.*weights: value\.filled\(0\), and ~np\.ma\.getmaskarray\(value\)"
    for use in (
        lambda: caller.grid(vis, uvw),
        lambda: caller.grid_batch([dict(vis=vis, uvw=uvw)]),
        lambda: store.put_new_tensor(vis),
        lambda: store.put_new_tensor([vis, vis], dal.complex64),
        lambda: store.put_new_tensor([vis, vis]),
        lambda: store.new_tensor_ref(dal.complex64, ["a", "b"]).put(vis),
        lambda: store.new_tensor_ref().put(vis, casting="unsafe"),
        lambda: store.put_new_tensor(np.ma.masked_array([1.0])),
    ):
        with pytest.raises(dal.InvalidArgument, match=advice):
            use()
    # The line of the message.
    weights = ~np.ma.getmaskarray(vis)
    caller.grid(vis.filled(0), uvw)
    assert store.put_new_tensor(weights, pa.float32()).get().tolist() == [[1, 0], [1, 1]]


def test_nulls_are_refused(single: Any) -> None:
    store, _ = single
    for column in (pa.array([1, None]), pa.chunked_array([[1.5], [None]]), pandas.array([1, None], dtype="Int64")):
        with pytest.raises(dal.InvalidArgument, match=r"nulls.*fill them.*weights"):
            store.put_new_tensor(column)
    nullable = pandas.Series([1, None], dtype="Int64")
    with pytest.raises(dal.InvalidArgument, match="nulls"):
        store.put_new_tensor(nullable, pa.float64())
    assert store.put_new_tensor(nullable.fillna(0).astype(int)).get().tolist() == [1, 0]
    assert store.put_new_tensor(pa.array([1, 2])).get().tolist() == [1, 2]
    # NaN is a number.
    assert np.isnan(store.put_new_tensor(pandas.Series([1, np.nan])).get()[1])
    value = dal.make_call_schema("f", [dal.make_par("x", pa.float64())])
    with dal.Caller([value], store, minimum_processors=0) as values:
        with pytest.raises(TypeError, match="expected a number"):
            values.f(np.ma.masked)


def test_tables_lose_no_numbers(path: str) -> None:
    schema = pa.schema([("n", pa.int64()), ("x", pa.float32())])
    with dal.Store(path) as store:
        for wrong, words in (
            ({"n": [1.5], "x": [1.0]}, "truncated"),
            ({"n": (1, 1.5), "x": [1.0, 2.0]}, "truncated"),
            ({"n": np.array([1.5]), "x": [1.0]}, "truncated"),
            ({"n": [1], "x": [1e300]}, "'x' has numbers that do not fit into float"),
            (
                {"n": [1], "x": np.array([0.1])},
                r"'x' is float64, which float32 .* give np.asarray\(column, 'float32'\)",
            ),
            ({"n": [1], "x": pa.array([0.1])}, "'x' is float64, which float32 cannot hold"),
            (pandas.DataFrame({"n": [1], "x": [0.1]}), "'x' is float64, which float32 cannot hold"),
        ):
            with pytest.raises(dal.InvalidArgument, match=words):
                store.put_new_table(wrong, schema)
        inf = float("inf")
        for fine in (
            {"n": [1, 2.0, None], "x": [0.5, inf, None]},
            {"n": [1, 2, None], "x": pa.array([0.5, inf, None], pa.float32())},
        ):
            assert store.put_new_table(fine, schema).get_dict() == {"n": [1, 2, None], "x": [0.5, inf, None]}
        assert store.put_new_table({"n": [], "x": []}, schema).get().num_rows == 0


# ---- names -----------------------------------------------------------------------------------------------------------


def test_names_of_callers_are_refused() -> None:
    taken = {name for name in dir(dal.Caller) if not name.startswith("_")}
    assert taken == dal.common.CALLER_NAMES, "what callers have is what functions cannot be called"
    for name in taken:
        with pytest.raises(dal.InvalidArgument, match=f"the name '{name}'.*rename it, for example to '{name}_'"):
            dal.make_call_schema(name, [])
        with pytest.raises(dal.InvalidArgument, match=f"the name '{name}'.*rename it, for example to '{name}_'"):
            dal.parse_call_schema(f"{name}(x: int64) -> (y: int64[i])")
    with pytest.raises(TypeError, match="give a text"):
        dal.parse_call_schema(["f"])  # type: ignore[arg-type]
    with pytest.raises(dal.InvalidArgument, match=r"'self'.*rename it, for example to 'self_'"):
        dal.make_call_schema("f", [dal.make_par("self", pa.int64())])


def test_such_a_function_from_elsewhere_is_called_by_its_name(path: str) -> None:
    # As a program in C may offer it.
    schema = dal.make_call_schema(
        "closes", [dal.make_par("x", pa.int64()), dal.make_tensor_output_par("y", pa.int64(), [])]
    ).with_metadata({b"proc:func": b"close"})

    class Closing(dal.BasicProcessor):
        def _process_call(self, proc_func: str, batch: pa.RecordBatch) -> None:
            self.output_tensor(batch, "y", np.array(self.parameter(batch, "x") + 1.5), casting="unsafe")

    with Closing([schema], path) as processor, dal.Store(path) as store, dal.Caller([schema], store) as caller:
        one, (two,) = caller.call("close", 1), caller.batch_call("close", [{"x": 2}])
        assert processor.process(WATCHDOG) and processor.process(WATCHDOG)
        assert (one["y"].get(0), two["y"].get(0)) == (2, 3)
        with pytest.raises(dal.InvalidArgument, match="'open' is not a function of this caller"):
            caller.call("open")


ADD = dal.make_call_schema("add", [dal.make_par("x", pa.int64()), dal.make_tensor_output_par("y", pa.int64(), [])])


def test_a_function_without_a_method_is_told_when_the_processor_starts(path: str) -> None:
    with dal.Processor([ADD], path) as processor:
        for _ in range(2):
            with pytest.raises(dal.InvalidArgument, match=r"offers a function add\(\), but has no method"):
                processor.process(0)
        # Methods may be set until then.
        processor.add = lambda x, y: y.put(x)  # type: ignore[attr-defined]
        assert processor.process(0) is False
    process = dal.make_call_schema("process", [])
    with dal.Processor([process], path) as processor:
        with pytest.raises(dal.InvalidArgument, match=r"process\(\), a name that processors have"):
            processor.process(0)


# ---- sentences -------------------------------------------------------------------------------------------------------


def test_times_are_not_negative(single: Any) -> None:
    store, caller = single
    ref = store.put_new_tensor([1])
    for use in (
        lambda: ref.get(-1),
        lambda: ref.wait(-0.001),
        lambda: ref.get_buffer(-1),
        lambda: store.conn.get_buffers([ref.oid], -1),
        lambda: store.conn.get_ref_buffers([ref], -1),
        lambda: store.conn.update_obj_table(-1),
        lambda: caller.next_lost(-1),
        lambda: dal.Caller([SINGLE], store, timeout=-1),
        lambda: ref.get(float("-inf")),
    ):
        with pytest.raises(dal.InvalidArgument, match=r"the timeout is -.*give 0 or more seconds.*None waits forever"):
            use()
    for wrong in ("5", float("nan"), [1], 1j):
        with pytest.raises(dal.InvalidArgument, match=r"the timeout is .*give seconds as a number; None"):
            ref.get(wrong)
    assert ref.get(0).tolist() == ref.get(1e300).tolist() == ref.get(None).tolist() == [1]
    # Plasma's -1 is for ever.
    assert store.conn.client.get_buffers([ref.oid], -1)[0].size > 0


def test_bare_messages_are_sentences(single: Any, path: str) -> None:
    store, caller = single
    ref = store.put_new_tensor([1])
    for use, words in (
        (lambda: dal.Caller([SINGLE], path), "the store is .*give a Store"),
        (lambda: dal.Caller(store, [SINGLE]), "the functions are .*give a list of schemas"),
        (lambda: dal.Caller(SINGLE, store), "the functions are .*give a list of schemas"),
        (lambda: dal.Caller([5], store), "the functions are .*give a list of schemas"),
        (lambda: dal.Caller("grid", store), "the functions are .*give a list of schemas"),
        (lambda: dal.LogProcessor(path, [SINGLE]), "the functions are .*give a list of schemas"),
        (lambda: dal.LogProcessor(SINGLE, path), "the functions are .*give a list of schemas"),
        (lambda: dal.Store(5), "the path of the store is 5: give a text"),
        (lambda: dal.Store(path, size="1G"), "the size of the store is '1G': give a number of bytes"),
        (lambda: dal.LogProcessor([SINGLE], path, name=5), "the name is 5: give a text"),
        (lambda: dal.LogProcessor([SINGLE], path, threads="2"), "threads is '2': give 1 or more"),
        (lambda: dal.Caller([SINGLE], store, max_in_flight="2"), "max_in_flight is '2': give 1 or more"),
        (lambda: caller.grid_batch(5), r"grid_batch\(\) takes a list of dictionaries"),
        (lambda: caller.grid_batch([5]), r"grid_batch\(\) takes a list of dictionaries"),
        (lambda: caller.call(5), "the function is 5: give its schema"),
        (lambda: store.conn.get_buffers(5), "5 is no list of object IDs"),
        (lambda: store.conn.delete(ref.oid), "is no list of object IDs"),
        (lambda: store.conn.get_ref_buffers(ref), "is no list of references"),
        (lambda: store.conn.get_ref_buffers([ref.oid]), "is no list of references"),
        (lambda: ref.add_dependency(5), "the dependency is 5: give a reference"),
        (lambda: dal.TensorRef(path, ref.oid), "the connection is .*give a Connection"),
        (lambda: store.new_table_ref("a"), "the columns are 'a': give a pyarrow.Schema"),
        (lambda: dal.make_table_input_par("t", 5), "the columns of the table are 5: give a pyarrow.Schema"),
        (lambda: dal.make_call_schema(5, []), "the name of the function is 5: give a text"),
        (lambda: dal.make_call_schema("f", 5), r"the parameters of f\(\) are 5: give a list"),
        (lambda: pickle.dumps(store), "a Store can be neither pickled nor copied.*path of the store.*references"),
        (lambda: pickle.dumps(caller), "a Caller can be neither pickled nor copied"),
        (lambda: copy.copy(store.conn), "a Connection can be neither pickled nor copied"),
        (lambda: pickle.dumps(store.conn.client), "a Connection can be neither pickled nor copied"),
    ):
        with pytest.raises(TypeError, match=words) as refused:
            use()
        assert "cdata" not in str(refused.value).lower()


# ---- types -----------------------------------------------------------------------------------------------------------

#: What users write.
TYPED = """
from typing import Any

import numpy as np
import pyarrow
import ska_sdp_dal as dal
from ska_sdp_dal import plasma

SCHEMAS = [
    dal.make_call_schema(
        "add",
        [
            dal.make_par("x", pyarrow.int64()),
            dal.make_tensor_input_par("ys", dal.complex64, ["i"]),
            dal.make_tensor_output_par("zs", pyarrow.int64(), ["i"]),
        ],
    )
]


class Adder(dal.Processor):
    def __init__(self, path: str, **kwargs: Any) -> None:
        super().__init__(SCHEMAS, path, **kwargs)

    def add(self, x: int, ys: dal.TensorRef, zs: dal.TensorRef) -> None:
        zs.put(x + ys.get())
        self.set_progress(1)


def serve(path: str) -> None:
    with dal.end_on_sigterm(), Adder(path) as processor:
        while processor.process(timeout=1.0):
            pass


def call(path: str) -> "np.ndarray[Any, Any]":
    store = dal.Store(path, size=1 << 20)
    caller = dal.Caller(SCHEMAS, store, timeout=10)
    outputs = caller.add(1, np.arange(3))
    zs: dal.TensorRef = outputs["zs"]
    same = dal.adopt(zs.export(), dal.TensorRef)
    try:
        return same.get(timeout=1)
    except (dal.TimeoutException, dal.connection.TimeoutException) as late:
        print(late.refs, late.timeout, dal.__version__)
        raise
    except dal.StoreNotFound as missing:
        raise ConnectionError(str(missing)) from missing


def raw(path: str) -> plasma.ObjectID:
    client = plasma.connect(path, create=True)
    return client.put_raw_buffer(b"bytes")
"""
WRONG = """
import ska_sdp_dal as dal

store = dal.Store(5)
dal.no_such_name()
"""


def checked(program: str, folder: Any) -> Any:
    """What mypy says, in its strictest mode, of a program of a user's."""
    (folder / "program.py").write_text(program, encoding="utf-8")
    (folder / "mypy.ini").write_text("[mypy]\n[mypy-pyarrow.*]\nignore_missing_imports = True\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "mypy.ini", "program.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=10 * WATCHDOG,
        check=False,
    )


def test_type_checkers_accept_a_users_program(tmp_path: Any) -> None:
    done = checked(TYPED, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = checked(WRONG, tmp_path)
    assert done.returncode == 1 and "arg-type" in done.stdout and "no_such_name" in done.stdout, done.stdout


def test_all_names_are_told() -> None:
    shown = {name for name in vars(dal) if not name.startswith("_")} | {"__version__"}
    # Modules that something has imported since.
    assert set(dal.__all__) <= shown and shown - set(dal.__all__) <= {"plasma", "plasma_store"}
    assert len(dal.__all__) == len(set(dal.__all__))
