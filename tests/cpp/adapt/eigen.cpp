// Eigen's matrices and the store's tensors, one as the other. argv[1]: the store's path.
#include <Eigen/Core>

// All adaptors whose libraries are there: they go together.
#include <sdp_dal/adapt.hpp>

#include "../check.hpp"

using sdp_dal::as_eigen;
using sdp_dal::tensor_view;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// out = a * x, in place.
static void product(tensor_view<const double, 2> a, tensor_view<const double, 1> x,
                    sdp_dal::output<double, 1> out) {
    as_eigen(out.create({a.shape(0)})) = as_eigen(a) * as_eigen(x);
}

static void views() {
    double values[12];
    for (int i = 0; i < 12; i++) values[i] = i;
    const tensor_view<double, 2> rows(values, {3, 4}), turned(values, {4, 3}, {8, 32}),
        gaps(values + 11, {2, 2}, {-48, -16});
    for (const auto &view : {rows, turned, gaps}) {
        auto by_rows = as_eigen(view);
        auto by_columns = as_eigen<Eigen::ColMajor>(view);
        CHECK(by_rows.rows() == view.shape(0) && by_columns.cols() == view.shape(1));
        for (int i = 0; i < view.shape(0); i++)
            for (int j = 0; j < view.shape(1); j++)
                CHECK(&by_rows(i, j) == &view(i, j) && &by_columns(i, j) == &view(i, j));
        static_assert(!decltype(by_columns)::IsRowMajor && decltype(by_rows)::IsRowMajor);
    }
    as_eigen(turned)(0, 1) = 40;
    CHECK(values[4] == 40);
    auto dense = as_eigen(rows.dense());
    static_assert(decltype(dense)::InnerStrideAtCompileTime == 1);
    CHECK(dense.data() == values && dense(1, 0) == 40 && dense.IsRowMajor);
    auto backwards = as_eigen(tensor_view<const double, 1>(values + 11, {3}, {-8}));
    CHECK(backwards(2) == 9 && backwards.sum() == 30);
    static_assert((int(decltype(backwards)::Flags) & Eigen::LvalueBit) == 0);
    CHECK(as_eigen(tensor_view<double, 1>(values, {12}).dense()).sum() == 66 + 36);
    CHECK(as_eigen(tensor_view<double, 2>(nullptr, {0, 5})).cols() == 5);
    double pair[4] = {};
    THROWS(sdp_dal::invalid_argument, "not a multiple",
           as_eigen(tensor_view<double, 2>(pair, {2, 2}, {16, 4})));

    // The other way.
    Eigen::MatrixXd columns(2, 3);
    columns << 1, 2, 3, 4, 5, 6;
    const RowMajor same = columns;
    const Eigen::Vector3cd vector(1, std::complex<double>(0, 2), 3);
    auto of_columns = sdp_dal::view(columns), of_rows = sdp_dal::view(same);
    static_assert(std::is_same_v<decltype(of_columns), tensor_view<const double, 2>>);
    CHECK(of_columns.first() == columns.data() && of_columns.stride(0) == 8);
    CHECK(of_rows.first() == same.data() && of_rows.stride(1) == 8);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++) CHECK(of_columns(i, j) == of_rows(i, j));
    auto block = sdp_dal::view(columns.block(0, 1, 2, 2));
    CHECK(block(1, 0) == 5 && block(1, 1) == 6);
    CHECK(sdp_dal::view(columns.transpose())(2, 0) == 3);
    CHECK(sdp_dal::view(columns.row(1)).ndim == 1 && sdp_dal::view(columns.row(1))(2) == 6);
    CHECK(sdp_dal::view(vector)(1).imag() == 2);
    Eigen::ArrayXXf array = Eigen::ArrayXXf::Ones(2, 2);
    CHECK(sdp_dal::view(array)(1, 1) == 1);
    CHECK(sdp_dal::view(as_eigen(turned))(0, 1) == 40);
}

static void stored(sdp_dal::store &store) {
    sdp_dal::processor processor(store, "Eigen");
    processor.add<product>("product", {"a[i,j]", "x[j]", "out[i]"});
    processor.start();
    sdp_dal::caller caller(store, {"product(a: float64[i,j], x: float64[j]) -> (out: float64[i])"});
    Eigen::MatrixXd a = Eigen::MatrixXd::Random(5, 3);
    Eigen::VectorXd x = Eigen::VectorXd::Random(3);
    auto results = caller.call("product", {{"a", sdp_dal::view(a)}, {"x", sdp_dal::view(x)}});
    CHECK(processor.process());
    auto out = results["out"].get<double, 1>();
    CHECK((as_eigen(out.view()) - a * x).norm() < 1e-14);
    auto put = store.put(sdp_dal::view(a), {"i", "j"}).get<double, 2>();
    CHECK(as_eigen(put.view()) == a);
    results = caller.call("product", store.put(sdp_dal::view(a)), sdp_dal::view(x));
    CHECK(processor.process());
    auto again = results["out"].get<double, 1>();
    CHECK(as_eigen(again.view()) == as_eigen(out.view()));
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
