# SPDX-License-Identifier: BSD-3-Clause
"""Memory handed on: outputs that start from an input, and tensors that are shrunk."""

import numpy as np
import pytest

import ska_sdp_dal as dal

ADD = "grid_add(vis: complex64[row,chan], grid: complex128[u,v]) -> (sum: complex128[u,v] = grid)"


class Gridder(dal.Processor):
    def grid_add(self, vis, grid, sum):
        array = sum.start()
        with pytest.raises(dal.InvalidArgument, match="output 'sum' starts from parameter 'grid'"):
            grid.get()
        array += vis.get().sum()


def test_a_chain_runs_in_the_memory_of_one_grid(path):
    schema = dal.parse_call_schema(ADD)
    with dal.Store(path) as store, Gridder([schema], path) as processor:
        caller = dal.Caller([schema], store)
        vis = store.put_new_tensor(np.ones((3, 4), np.complex64))
        grid = store.put_new_tensor(np.zeros((200, 300), np.complex128))
        before = store.conn.stat()
        for _ in range(50):
            grid = caller.grid_add(vis=vis, grid=dal.given(grid))["sum"]
        peak = 0
        while processor.process(0):
            peak = max(peak, store.conn.stat()["used"])
        after = store.conn.stat()
        assert (peak, after["copied"]) == (before["used"], before["copied"])
        assert (grid.get() == 600).all()
        last = caller.grid_add(vis=vis, grid=dal.given(grid))["sum"]
        with pytest.raises(dal.ObjectDeleted, match="given away"):
            grid.get()
        processor.process(0)
        assert (last.get() == 612).all()
        with pytest.raises(dal.InvalidArgument, match="no output starts from it"):
            caller.grid_add(vis=dal.given(vis), grid=last)
        caller.close()


def test_the_parameter_builders_say_the_same():
    pars = [
        dal.make_tensor_input_par("vis", dal.complex64, ["row", "chan"]),
        dal.make_tensor_input_par("grid", dal.complex128, ["u", "v"]),
        dal.make_tensor_output_par("sum", dal.complex128, ["u", "v"], starts_from="grid"),
    ]
    assert dal.make_call_schema("grid_add", pars).equals(dal.parse_call_schema(ADD), check_metadata=True)


def test_a_tensor_is_shrunk_before_it_is_sealed(path):
    with dal.Store(path) as store:
        ref = store.new_tensor_ref(dal.from_numpy_dtype(np.float64))
        array = ref.create((100_000, 8))
        array[:] = np.arange(8)
        before = store.conn.stat()["used"]
        ref.shrink((1000, 8))
        assert store.conn.stat()["used"] < before / 3
        ref.seal()
        assert (ref.get() == np.broadcast_to(np.arange(8.0), (1000, 8))).all()
