// ducc0's views and the store's tensors, one as the other. ducc0 is under the GPL: what this file
// makes is a test, and is never installed.
#include <sdp_dal/adapt/ducc0.hpp>

#include "../check.hpp"

using sdp_dal::as_ducc0;
using sdp_dal::tensor_view;

int main() {
    double values[12];
    for (int i = 0; i < 12; i++) values[i] = i;
    const tensor_view<double, 2> rows(values, {3, 4}), turned(values, {4, 3}, {8, 32}),
        gaps(values + 11, {2, 2}, {-48, -16});
    for (const auto &view : {rows, turned, gaps}) {
        auto array = as_ducc0(view);
        static_assert(std::is_same_v<decltype(array), ducc0::vmav<double, 2>>);
        for (std::size_t i = 0; i < array.shape(0); i++)
            for (std::size_t j = 0; j < array.shape(1); j++)
                CHECK(&array(i, j) == &view(std::int64_t(i), std::int64_t(j)));
        auto back = sdp_dal::view(array);
        static_assert(std::is_same_v<decltype(back), tensor_view<const double, 2>>);
        CHECK(back.first() == view.first() && back.strides() == view.strides());
    }
    as_ducc0(turned)(0, 1) = 40;
    CHECK(values[4] == 40);
    const tensor_view<const double, 2> constant = rows;
    auto read = as_ducc0(constant);
    static_assert(std::is_same_v<decltype(read), ducc0::cmav<double, 2>>);
    CHECK(&read(1, 0) == values + 4 && as_ducc0(constant.dense()).shape(1) == 4);
    CHECK(as_ducc0(std::optional(constant)).data() == values);
    CHECK(as_ducc0(std::optional<tensor_view<const double, 2>>()).size() == 0);
    THROWS(sdp_dal::invalid_argument, "not a multiple",
           as_ducc0(tensor_view<double, 2>(values, {2, 2}, {16, 4})));
    const ducc0::vmav<float, 1> own({5});
    CHECK(sdp_dal::view(own).shape(0) == 5 && sdp_dal::view(own).first() == own.data());
    return 0;
}
