// mdspan and the store's tensors, one as the other.
#include <sdp_dal/adapt/mdspan.hpp>

#include "../check.hpp"

using sdp_dal::as_mdspan;
using sdp_dal::tensor_view;
namespace md = sdp_dal::detail::md;

int main() {
    double values[12];
    for (int i = 0; i < 12; i++) values[i] = i;
    const tensor_view<double, 2> rows(values, {3, 4}), turned(values, {4, 3}, {8, 32}),
        gaps(values, {2, 2}, {48, 16}), single(values, {1, 4}, {-7, 8});
    auto at = [](const auto &span, std::size_t i, std::size_t j) {
        return span.data_handle() + span.mapping()(i, j);
    };
    for (const auto &view : {rows, turned, gaps, single}) {
        auto span = as_mdspan(view);
        static_assert(std::is_same_v<decltype(span)::layout_type, md::layout_stride>);
        static_assert(std::is_same_v<decltype(span)::element_type, double>);
        CHECK(span.extents() == (md::dextents<std::size_t, 2>(view.extents())));
        for (std::size_t i = 0; i < span.extent(0); i++)
            for (std::size_t j = 0; j < span.extent(1); j++)
                CHECK(at(span, i, j) == &view(std::int64_t(i), std::int64_t(j)));
        auto back = sdp_dal::view(span);
        static_assert(std::is_same_v<decltype(back), tensor_view<const double, 2>>);
        CHECK(back.first() == view.first() && back.shape() == view.shape() &&
              back.stride(1) == view.stride(1));
    }
    auto dense = as_mdspan(tensor_view<const double, 2>(values, {3, 4}).dense());
    static_assert(std::is_same_v<decltype(dense)::layout_type, md::layout_right>);
    static_assert(std::is_same_v<decltype(dense)::element_type, const double>);
    CHECK(*at(dense, 2, 1) == 9 && sdp_dal::view(dense).is_c_contiguous());
    CHECK(as_mdspan(tensor_view<double, 0>(values, {})).rank() == 0);
    THROWS(sdp_dal::invalid_argument,
           "the stride of dimension 0 is -8 bytes, but those of an mdspan are positive",
           as_mdspan(tensor_view<double, 1>(values + 5, {6}, {-8})));
    THROWS(sdp_dal::invalid_argument, "not a multiple",
           as_mdspan(tensor_view<double, 2>(values, {2, 2}, {16, 4})));
    md::mdspan<double, md::extents<int, 3, 4>, md::layout_left> columns(values);
    CHECK(sdp_dal::view(columns)(1, 2) == 7 && sdp_dal::view(columns).stride(0) == 8);
    return 0;
}
