/* SPDX-License-Identifier: BSD-3-Clause */
/* ducc0: cmav and vmav, its multi-dimensional views. */

#ifndef SDP_DAL_ADAPT_DUCC0_HPP
#define SDP_DAL_ADAPT_DUCC0_HPP

#include <ducc0/infra/mav.h>

#include <optional>

#include "../view.hpp"

namespace sdp_dal {

/// A view in any layout as a vmav, or as a cmav if it is read-only.
template <class T, std::size_t N>
std::conditional_t<std::is_const_v<T>, ducc0::cmav<std::remove_const_t<T>, N>,
                   ducc0::vmav<std::remove_const_t<T>, N>>
as_ducc0(const tensor_view<T, N> &view) {
    return {view.first(), view.extents(), view.element_strides()};
}

/// A parameter that may be left out, as an empty cmav then: ducc0 means by it that there is none.
template <class T, std::size_t N>
ducc0::cmav<T, N> as_ducc0(const std::optional<tensor_view<const T, N>> &view) {
    return view ? as_ducc0(*view) : ducc0::cmav<T, N>::build_empty();
}

/// A read-only view of a cmav or a vmav.
template <class T, std::size_t N> tensor_view<const T, N> view(const ducc0::cmav<T, N> &values) {
    std::array<std::int64_t, N> shape{}, strides{};
    for (std::size_t i = 0; i < N; i++) {
        shape[i] = static_cast<std::int64_t>(values.shape(i));
        strides[i] = values.stride(i) * static_cast<std::int64_t>(sizeof(T));
    }
    return {values.data(), shape, strides};
}
template <class T, std::size_t N> void view(const ducc0::cmav<T, N> &&) = delete;
template <class T, std::size_t N> void view(const ducc0::vmav<T, N> &&) = delete;

} // namespace sdp_dal

#endif
