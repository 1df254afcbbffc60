/* SPDX-License-Identifier: BSD-3-Clause */
/* mdspan: that of C++23, otherwise that of the reference implementation, from C++17 on. */

#ifndef SDP_DAL_ADAPT_MDSPAN_HPP
#define SDP_DAL_ADAPT_MDSPAN_HPP

#include "../view.hpp"

#if __has_include(<mdspan>)
#include <mdspan>
#endif
#ifndef __cpp_lib_mdspan
#ifdef MDSPAN_IMPL_STANDARD_NAMESPACE
// The program has included it.
#elif __has_include(<experimental/mdspan>)
#include <experimental/mdspan>
#elif __has_include(<mdspan/mdspan.hpp>)
#include <mdspan/mdspan.hpp>
#else
#error "there is no mdspan: use C++23, or https://github.com/kokkos/mdspan"
#endif
#endif

namespace sdp_dal {

namespace detail {

#if !defined(__cpp_lib_mdspan) && defined(MDSPAN_IMPL_STANDARD_NAMESPACE)
namespace md = ::MDSPAN_IMPL_STANDARD_NAMESPACE;
#else
namespace md = ::std;
#endif

template <class Extents> inline constexpr std::size_t rank_of = Extents::rank();

template <class T, std::size_t N, class Layout>
using mdspan_of = md::mdspan<T, md::dextents<std::size_t, N>, Layout>;

} // namespace detail

/// A view as an mdspan with strides. Throws if a stride is negative or 0, which mdspan does not
/// know.
template <class T, std::size_t N>
detail::mdspan_of<T, N, detail::md::layout_stride> as_mdspan(const tensor_view<T, N> &view) {
    using result = detail::mdspan_of<T, N, detail::md::layout_stride>;
    const auto steps = view.element_strides();
    std::array<std::size_t, N> strides{};
    for (std::size_t i = 0; i < N; i++) {
        if (view.shape(i) > 1 && steps[i] <= 0)
            detail::wrong("the stride of dimension " + std::to_string(i) + " is " +
                          std::to_string(view.stride(i)) +
                          " bytes, but those of an mdspan are positive: copy the elements with "
                          "to_vector()");
        // That of a single element leads nowhere.
        strides[i] = steps[i] > 0 ? static_cast<std::size_t>(steps[i]) : 1;
    }
    using extents = typename result::extents_type;
    return result(view.first(), typename result::mapping_type(extents(view.extents()), strides));
}

/// A view in C order as an mdspan with layout_right.
template <class T, std::size_t N>
detail::mdspan_of<T, N, detail::md::layout_right> as_mdspan(const dense_view<T, N> &view) {
    return detail::mdspan_of<T, N, detail::md::layout_right>(view.data(), view.extents());
}

/// A read-only view of an mdspan of any layout with strides.
template <class T, class Extents, class Layout, class Accessor>
tensor_view<const T, detail::rank_of<Extents>>
view(const detail::md::mdspan<T, Extents, Layout, Accessor> &values) {
    static_assert(std::is_convertible_v<decltype(values.data_handle()), const T *>,
                  "the accessor of the mdspan has no plain pointer");
    std::array<std::int64_t, Extents::rank()> shape{}, strides{};
    for (std::size_t i = 0; i < Extents::rank(); i++) {
        shape[i] = static_cast<std::int64_t>(values.extent(i));
        strides[i] =
            static_cast<std::int64_t>(values.stride(i)) * static_cast<std::int64_t>(sizeof(T));
    }
    return {values.data_handle(), shape, strides};
}

} // namespace sdp_dal

#endif
