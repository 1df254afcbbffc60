# SPDX-License-Identifier: BSD-3-Clause
"""References to parts of tensors."""

from __future__ import annotations

import pickle
from typing import Any, Callable, Iterator

import numpy as np
import pytest
from conftest import WATCHDOG, Program

import ska_sdp_dal as dal

PROCESSOR = """
import sys
import numpy as np
import ska_sdp_dal as dal
SCHEMAS = [dal.parse_call_schema(text) for text in (
    "total(x: float64[*]) -> (y: float64[m], where: int64[m])",
    "dense(x: float64[n,m] C) -> (y: float64[m])",
    "anything(x: oid) -> (y: float64[m])",
)]
class Parts(dal.Processor):
    def total(self, x, y, where):
        array = x.get()
        assert not array.flags.writeable
        y.put([array.sum()])
        where.put(np.array(array.strides))
    def dense(self, x, y):
        assert x.get().flags.c_contiguous
        y.put(x.get().ravel())
    def anything(self, x, y):
        # A part has no ID. It is got, and parts of it are taken.
        print(type(x).__name__, x.part, flush=True)
        y.put(x[::2].get())
if __name__ == "__main__":
    with dal.end_on_sigterm(), Parts(SCHEMAS, sys.argv[1]) as processor:
        print("ready", flush=True)
        while True:
            processor.process()
"""

KEYS: Any = [
    np.s_[0],
    np.s_[-1],
    np.s_[:, 2:4],
    np.s_[::-1],
    np.s_[..., -2],
    np.s_[1, ..., ::2],
    np.s_[3:1, 0],
    np.s_[-3:-1, ::-3],
    np.s_[:100:3, np.int64(4)],
    np.s_[2, 3],
    np.s_[...],
    (),
]


@pytest.fixture
def store(path: str) -> Iterator[dal.Store]:
    with dal.Store(path, size=64 << 20) as opened:
        yield opened


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_part_is_what_numpy_makes_of_the_same_key(store: dal.Store, order: Any) -> None:
    whole = np.asarray(np.arange(4 * 6).reshape(4, 6) * (1 + 2j), order=order)
    ref = store.put_new_tensor(whole, dim_names=["row", "chan"])
    used = store.conn.stat()["used"]
    held = ref.get()
    for key in KEYS:
        part = ref[key]
        found = part.get()
        np.testing.assert_array_equal(found, whole[key])
        assert found.shape == whole[key].shape and not found.flags.writeable, key
        assert found.size == 0 or np.shares_memory(found, held), key
        assert part.dtype == whole.dtype and part.shape == found.shape and len(part.dim_names or []) == found.ndim
        again = pickle.loads(pickle.dumps(part))
        np.testing.assert_array_equal(again.get(), whole[key])
        assert again.part == part.part and again.is_owning
    assert store.conn.stat()["used"] == used
    assert [row.get()[0] for row in ref] == list(whole[:, 0])
    assert ref[1:3][:, 0].part == "[1:3][:, 0]" and ref[1:3, 0].dim_names == ["row"]
    assert np.asarray(ref[:, 1]).tolist() == whole[:, 1].tolist()
    assert np.from_dlpack(ref[::-1, 1]).tolist() == whole[::-1, 1].tolist()
    assert "[:, 1]: complex128[row=4], exists" in repr(ref[:, 1])


def test_a_part_keeps_the_whole(store: dal.Store) -> None:
    ref = store.put_new_tensor(np.arange(10))
    part, oid = ref[2:4], ref.oid
    del ref
    assert part.get().tolist() == [2, 3] and store.conn.object_exists(oid)
    text = part.export()
    adopted = dal.adopt(text)
    del part
    assert adopted.get().tolist() == [2, 3] and adopted.part == "[2:4]"
    del adopted
    assert not store.conn.object_exists(oid)


def test_what_is_no_part_is_told(store: dal.Store) -> None:
    ref = store.put_new_tensor(np.zeros((2, 3)), dim_names=["row", "chan"])
    with pytest.raises(ValueError, match=r"dimension 1 \('chan'\): index 3 is out of range: it has size 3"):
        ref[0, 3]
    with pytest.raises(ValueError, match="it has 3 dimensions, but the tensor has 2"):
        ref[0, 0, 0]
    for key in (None, True, 0.5, [0, 1], np.array([True, False]), "row"):
        with pytest.raises(ValueError, match="by integers, slices and"):
            ref[key]
    part = ref[0]
    for action in (part.disown, lambda: part.put(np.zeros(3)), lambda: part.create(3)):
        with pytest.raises(ValueError, match=r"part \[0\] of object"):
            action()
    with pytest.raises(ValueError, match="has no ID of its own"):
        store.conn.object_exists(part)


def test_a_part_of_what_nobody_has_promised_is_pickled_with_its_whole(store: dal.Store) -> None:
    unborn = store.new_tensor_ref(float, ["i"])
    part = unborn[1:]
    again = pickle.loads(pickle.dumps(part))
    assert again.part == "[1:]" and not again.exists()
    with pytest.raises(ValueError, match="it has 2 dimensions"):
        unborn[0, 0]
    unborn.put(np.arange(3.0))
    assert part.get().tolist() == again.get().tolist() == [1.0, 2.0]


def test_parts_are_arguments(store: dal.Store, path: str, start: Callable[..., Program]) -> None:
    running = start(PROCESSOR, path)
    running.line("ready")
    namespace: dict = {"__name__": "schemas"}
    exec(PROCESSOR, namespace)
    caller = dal.Caller(namespace["SCHEMAS"], store, timeout=WATCHDOG)
    whole = np.arange(40.0).reshape(4, 10)
    ref = store.put_new_tensor(whole)
    rows = caller.total_batch([{"x": ref[:, at]} for at in range(10)])
    for at, row in enumerate(rows):
        assert row["y"].get(WATCHDOG)[0] == whole[:, at].sum()
        assert row["where"].get(WATCHDOG)[0] == 80
    assert caller.dense(ref[::-2, 3:5])["y"].get(WATCHDOG).tolist() == whole[::-2, 3:5].ravel().tolist()
    # Of what does not exist yet, and of what that makes.
    first = caller.dense(ref[1:])["y"]
    second = caller.total(first[::10])["y"]
    third = caller.anything(first[-4:])["y"]
    assert second.get(WATCHDOG)[0] == whole[1:, 0].sum()
    assert third.get(WATCHDOG).tolist() == [36.0, 38.0]
    running.line("InputTensor [-4:]")
