/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory handed on: outputs that start from an input, and tensors that are shrunk. */

#include <complex>

#include <unistd.h>

#include "check.hpp"

using namespace sdp_dal;

using c64 = std::complex<float>;
using c128 = std::complex<double>;

/// Calls fn for every element.
template <class T, class F> void each(tensor_view<T, 2> view, F fn) {
    for (std::int64_t i = 0; i < view.shape(0); i++)
        for (std::int64_t j = 0; j < view.shape(1); j++) fn(view(i, j));
}

static void grid_add(tensor_view<const c64, 2> vis, tensor_view<c128, 2> sum) {
    each(sum, [&](c128 &element) { element += c128(vis(0, 0)); });
}

static void choose(tensor_view<const double, 1> values, output<double, 1> kept) {
    auto all = kept.create({values.shape(0)});
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < values.shape(0); i++)
        if (values(i) > 0) all(count++) = values(i);
    auto fewer = kept.shrink({count});
    CHECK(fewer.shape(0) == count && fewer.data() == all.data());
}

static void chain(const std::string &path) {
    store store(path);
    processor processor(path, "Gridder");
    processor.add<grid_add>("grid_add", {"vis[row,chan]", "sum[u,v] = grid"});
    processor.add<choose>("choose", {"values[row]", "kept[kept]"});
    processor.start();
    caller caller(store, {signature_of<grid_add>("grid_add", {"vis[row,chan]", "sum[u,v] = grid"}),
                          "choose(values: float64[row]) -> (kept: float64[kept])"});
    auto vis = store.create<c64, 2>({2, 3});
    each(vis.view(), [](c64 &element) { element = 2; });
    ref data = vis.seal();
    auto zeros = store.create<c128, 2>({100, 50});
    each(zeros.view(), [](c128 &element) { element = 0; });
    ref grid = zeros.seal();
    auto before = store.stat();
    for (int k = 0; k < 20; k++)
        grid = caller.call("grid_add", {{"vis", data}, {"grid", given(grid)}})["sum"];
    while (processor.process(std::chrono::seconds(0))) CHECK(store.stat().used == before.used);
    auto sum = grid.get<c128, 2>();
    each(sum.view(), [](const c128 &element) { CHECK(element == c128(40)); });
    CHECK(store.stat().copied == before.copied);

    std::vector<double> values{1, -1, 2, -2, 3};
    ref kept = caller.call("choose", {{"values", values}})["kept"];
    processor.process(std::chrono::seconds(0));
    auto positive = kept.get<double, 1>();
    const std::vector<double> expected{1, 2, 3};
    CHECK(positive.view().to_vector() == expected);
}

int main() {
    chain("/dev/shm/sdp-dal-test-cpp-handed-" + std::to_string(getpid()));
    return 0;
}
