/* SPDX-License-Identifier: BSD-3-Clause */
/* xtensor: tensors, arrays, adaptors and views with strides. */

#ifndef SDP_DAL_ADAPT_XTENSOR_HPP
#define SDP_DAL_ADAPT_XTENSOR_HPP

#if __has_include(<xtensor/containers/xadapt.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xtensor.hpp>
#endif

#include "../view.hpp"

namespace sdp_dal {

/// A view in any layout as an xtensor_adaptor with strides.
template <class T, std::size_t N> auto as_xtensor(const tensor_view<T, N> &view) {
    auto steps = view.element_strides();
    // xtensor repeats a dimension of one element by this stride.
    for (std::size_t i = 0; i < N; i++)
        if (view.shape(i) == 1) steps[i] = 0;
    // A pointer that is no temporary would be referred to.
    T *first = view.first();
    return xt::adapt(std::move(first), view.size(), xt::no_ownership(), view.extents(), steps);
}

/// A view in C order as an xtensor_adaptor, which is row-major.
template <class T, std::size_t N> auto as_xtensor(const dense_view<T, N> &view) {
    T *first = view.data();
    return xt::adapt<xt::layout_type::row_major>(std::move(first), view.size(), xt::no_ownership(),
                                                 view.extents());
}

namespace detail {

/// The number of dimensions of an expression that has memory and strides. SIZE_MAX: it is known at
/// run time only.
template <class E,
          class = std::enable_if_t<xt::is_xexpression<E>::value &&
                                   xt::has_data_interface<E>::value && xt::has_strides<E>::value>>
using xtensor_rank = xt::get_rank<E>;

template <class E> struct xtensor_owns : std::false_type {};
template <class C, xt::layout_type L, class S, class Tag>
struct xtensor_owns<xt::xarray_container<C, L, S, Tag>> : std::true_type {};
template <class C, std::size_t N, xt::layout_type L, class Tag>
struct xtensor_owns<xt::xtensor_container<C, N, L, Tag>> : std::true_type {};

template <std::size_t N, class E>
tensor_view<const typename E::value_type, N> xtensor_view(const E &values) {
    using value = typename E::value_type;
    if (values.dimension() != N)
        wrong("the array of xtensor has " + std::to_string(values.dimension()) + " dimensions, " +
              std::to_string(N) + " were requested");
    std::array<std::int64_t, N> shape{}, strides{};
    for (std::size_t i = 0; i < N; i++) {
        shape[i] = static_cast<std::int64_t>(values.shape()[i]);
        strides[i] = static_cast<std::int64_t>(values.strides()[i]) *
                     static_cast<std::int64_t>(sizeof(value));
    }
    return {values.data() + values.data_offset(), shape, strides};
}

} // namespace detail

/// A read-only view of a tensor of xtensor, or of a view with strides.
template <class E, std::size_t N = detail::xtensor_rank<E>::value,
          std::enable_if_t<N != SIZE_MAX, int> = 0>
tensor_view<const typename E::value_type, N> view(const E &values) {
    return detail::xtensor_view<N>(values);
}
/// The same of an array of xtensor, whose number of dimensions is known at run time only:
/// view<2>(array). Throws if it has another one.
template <std::size_t N, class E, class = detail::xtensor_rank<E>>
tensor_view<const typename E::value_type, N> view(const E &values) {
    return detail::xtensor_view<N>(values);
}
template <class E, std::enable_if_t<detail::xtensor_owns<E>::value, int> = 0>
void view(const E &&) = delete;
template <std::size_t N, class E, std::enable_if_t<detail::xtensor_owns<E>::value, int> = 0>
void view(const E &&) = delete;

} // namespace sdp_dal

#endif
