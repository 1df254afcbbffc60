// xtensor's arrays and the store's tensors, one as the other. argv[1]: the store's path.
#include <xtensor/xarray.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>

#include <sdp_dal/adapt/xtensor.hpp>

#include "../check.hpp"

using sdp_dal::as_xtensor;
using sdp_dal::tensor_view;

static void scale(tensor_view<const double, 2> a, double factor, sdp_dal::output<double, 2> out) {
    auto scaled = as_xtensor(out.create(a.shape()));
    xt::noalias(scaled) = factor * as_xtensor(a);
}

static void views() {
    double values[12];
    for (int i = 0; i < 12; i++) values[i] = i;
    const tensor_view<double, 2> rows(values, {3, 4}), turned(values, {4, 3}, {8, 32}),
        gaps(values + 11, {2, 2}, {-48, -16}), row(values, {1, 4}, {7, 8});
    for (const auto &view : {rows, turned, gaps, row}) {
        auto array = as_xtensor(view);
        double sum = 0;
        for (std::size_t i = 0; i < array.shape(0); i++)
            for (std::size_t j = 0; j < array.shape(1); j++) {
                CHECK(&array(i, j) == &view(std::int64_t(i), std::int64_t(j)));
                sum += array(i, j);
            }
        CHECK(xt::sum(array)() == sum);
        xt::xtensor<double, 2> copy = 2 * array;
        CHECK(copy(0, 1) == 2 * view(0, 1));
    }
    // A row is repeated as xtensor does it.
    xt::xtensor<double, 2> sum = as_xtensor(rows) + as_xtensor(row);
    CHECK(sum(2, 3) == 11 + 3);
    as_xtensor(turned)(0, 1) = 40;
    CHECK(values[4] == 40);
    auto dense = as_xtensor(rows.dense());
    static_assert(decltype(dense)::static_layout == xt::layout_type::row_major);
    CHECK(&dense(0, 0) == values && dense(1, 0) == 40);
    auto constant = as_xtensor(tensor_view<const double, 1>(values + 11, {3}, {-8}));
    static_assert(std::is_same_v<decltype(constant(0)), const double &>);
    CHECK(constant(2) == 9);
    CHECK(as_xtensor(tensor_view<double, 0>(values + 3, {}))() == 3);
    CHECK(as_xtensor(tensor_view<double, 2>(nullptr, {0, 5})).shape(1) == 5);

    // The other way.
    xt::xtensor<double, 2> tensor = {{1, 2, 3}, {4, 5, 6}};
    auto of_tensor = sdp_dal::view(tensor);
    static_assert(std::is_same_v<decltype(of_tensor), tensor_view<const double, 2>>);
    CHECK(of_tensor.first() == tensor.data() && of_tensor(1, 2) == 6 && of_tensor.stride(0) == 24);
    const xt::xarray<std::complex<float>> array = xt::ones<float>({1, 2, 2}) * 4.0f;
    CHECK(sdp_dal::view<3>(array)(0, 1, 1) == std::complex<float>(4));
    THROWS(sdp_dal::invalid_argument, "has 3 dimensions, 2 were requested",
           sdp_dal::view<2>(array));
    xt::xtensor<double, 2, xt::layout_type::column_major> columns = tensor;
    CHECK(sdp_dal::view(columns)(1, 2) == 6 && sdp_dal::view(columns).stride(0) == 8);
    auto part = xt::view(tensor, xt::all(), xt::range(1, 3));
    CHECK(sdp_dal::view<2>(part)(1, 0) == 5 && sdp_dal::view<2>(part).first() == &tensor(0, 1));
    CHECK(sdp_dal::view(as_xtensor(turned))(0, 1) == 40);
}

static void stored(sdp_dal::store &store) {
    sdp_dal::processor processor(store, "xtensor");
    processor.add<scale>("scale", {"a[i,j]", "factor", "out[i,j]"});
    processor.start();
    sdp_dal::caller caller(store,
                           {"scale(a: float64[i,j], factor: float64) -> (out: float64[i,j])"});
    xt::xtensor<double, 2> a = {{1, 2, 3}, {4, 5, 6}};
    auto turned = store.put(tensor_view<const double, 2>(a.data(), {3, 2}, {8, 24}));
    for (auto results : {caller.call("scale", {{"a", sdp_dal::view(a)}, {"factor", 2.0}}),
                         caller.call("scale", turned, 2.0)}) {
        CHECK(processor.process());
        auto out = results["out"].get<double, 2>();
        CHECK(xt::sum(as_xtensor(out.view()))() == 42);
        CHECK(out(out.shape(0) - 1, 1) == (out.shape(0) == 2 ? 10 : 12));
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    sdp_dal::store_options options;
    options.size = 16 << 20;
    sdp_dal::store store(argv[1], options);
    views();
    stored(store);
    return 0;
}
