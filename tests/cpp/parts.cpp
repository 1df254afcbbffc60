// Parts of tensors by the wrapper. argv[1]: the store's path.
#include <numeric>

#include "check.hpp"

using sdp_dal::output;
using sdp_dal::slice;
using sdp_dal::tensor_view;
using namespace std::chrono_literals;

static void sum(tensor_view<const double, 1> x, output<double, 1> &y) {
    double total = 0;
    for (std::int64_t i = 0; i < x.shape(0); i++) total += x(i);
    y.create({1})(0) = total;
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    sdp_dal::store store(argv[1]);
    std::vector<double> elements(24);
    std::iota(elements.begin(), elements.end(), 0);
    sdp_dal::ref whole =
        store.put(tensor_view<const double, 2>(elements.data(), {4, 6}), {"i", "j"});

    using doubles = std::vector<double>;
    const auto all = slice::all();
    auto block = whole.part({all, {2, 4}}).get<double, 2>();
    CHECK(block.shape(0) == 4 && block.shape(1) == 2);
    CHECK((block.to_vector() == doubles{2, 3, 8, 9, 14, 15, 20, 21}));
    CHECK(block.view().stride(0) == 48 && block.view().stride(1) == 8);
    auto held = whole.get<double, 2>();
    CHECK((&block(0, 0) == &held(0, 2)));
    auto backwards = whole.part({-1, {std::nullopt, std::nullopt, -2}}).get<double, 1>();
    CHECK((backwards.to_vector() == doubles{23, 21, 19}));
    CHECK((whole.part({2, 3}).get<double, 0>()() == 15));
    auto first = whole.part({slice::rest(), 0}).get<double, 1>();
    CHECK((first.to_vector() == doubles{0, 6, 12, 18}));
    CHECK((whole.part({{1, 3}}).part({all, {-2, std::nullopt}}).part_text() == "[1:3][:, -2:]"));
    CHECK(whole.part_text().empty());
    std::vector<slice> slices(2, all);
    slices[1] = {0, 100, 3};
    CHECK((whole.part(slices).get<double, 2>().shape(1) == 2));
    CHECK(whole.part(slices).dim_names()->at(1) == "j");
    THROWS(sdp_dal::error, "index 6 is out of range", whole.part({0, 6}));
    THROWS(sdp_dal::error, "step 0", whole.part({{0, 1, 0}}));

    // Two processing threads are not needed: the calls are run here.
    sdp_dal::processor processor(store, "Summer");
    processor.add<sum>("sum", {"x[*]", "y[m=1]"});
    processor.start();
    sdp_dal::caller caller(store, {"sum(x: float64[*]) -> (y: float64[m=1])"});
    std::vector<sdp_dal::args> rows;
    for (std::int64_t column = 0; column < 6; column++)
        rows.emplace_back(sdp_dal::args{{"x", whole.part({all, column})}});
    auto results = caller.batch("sum", rows);
    // What does not exist yet has parts, too.
    auto later = caller.call("sum", results[5]["y"].part({{0, 1}}));
    while (!later["y"].exists()) processor.process();
    for (std::size_t column = 0; column < 6; column++) {
        auto y = results[column]["y"].get<double, 1>();
        CHECK(y(0) == 36 + 4.0 * static_cast<double>(column));
    }
    CHECK((later["y"].get<double, 1>()(0) == 56));
    return 0;
}
