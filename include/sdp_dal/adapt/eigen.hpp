/* SPDX-License-Identifier: BSD-3-Clause */
/* Eigen 3.4 or newer: vectors and matrices. */

#ifndef SDP_DAL_ADAPT_EIGEN_HPP
#define SDP_DAL_ADAPT_EIGEN_HPP

#include <Eigen/Core>

#include "../view.hpp"

namespace sdp_dal {

namespace detail {

/// A matrix, or a vector if N is 1. It is const if T is.
template <class T, std::size_t N, int Order> struct eigen_plain {
    static_assert(N == 1 || N == 2,
                  "Eigen's matrices have one or two dimensions: view the others one by one");
    using value = std::remove_const_t<T>;
    // A vector of Eigen is a column.
    using plain = std::conditional_t<N == 1, Eigen::Matrix<value, Eigen::Dynamic, 1>,
                                     Eigen::Matrix<value, Eigen::Dynamic, Eigen::Dynamic, Order>>;
    using type = std::conditional_t<std::is_const_v<T>, const plain, plain>;
};
template <class T, std::size_t N, int Order>
using eigen_plain_t = typename eigen_plain<T, N, Order>::type;

template <std::size_t N>
using eigen_strides =
    std::conditional_t<N == 1, Eigen::InnerStride<>, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

} // namespace detail

/// A view of one or two dimensions, in any layout, as a Map with strides. Order is that of the
/// Map's type, Eigen::RowMajor or Eigen::ColMajor. It does not change the elements, but Eigen is
/// faster if it is the order in which they are stored.
template <int Order = Eigen::RowMajor, class T, std::size_t N>
Eigen::Map<detail::eigen_plain_t<T, N, Order>, Eigen::Unaligned, detail::eigen_strides<N>>
as_eigen(const tensor_view<T, N> &view) {
    const auto steps = view.element_strides();
    if constexpr (N == 1) {
        return {view.first(), view.shape(0), Eigen::InnerStride<>(steps[0])};
    } else {
        constexpr bool rows = Order == Eigen::RowMajor;
        return {view.first(), view.shape(0), view.shape(1),
                Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>(steps[rows ? 0 : 1],
                                                              steps[rows ? 1 : 0])};
    }
}

/// A view in C order as a Map without strides, which is row-major.
template <class T, std::size_t N>
Eigen::Map<detail::eigen_plain_t<T, N, Eigen::RowMajor>> as_eigen(const dense_view<T, N> &view) {
    if constexpr (N == 1) {
        return {view.data(), view.shape(0)};
    } else {
        return {view.data(), view.shape(0), view.shape(1)};
    }
}

/// A read-only view of a matrix, an array, a map or a block of Eigen, in both storage orders. It
/// has one dimension if that of Eigen is a vector. What Eigen has not evaluated is refused.
template <class Derived>
tensor_view<const typename Derived::Scalar, Derived::IsVectorAtCompileTime ? 1 : 2>
view(const Eigen::DenseBase<Derived> &values) {
    static_assert((int(Derived::Flags) & Eigen::DirectAccessBit) != 0,
                  "the expression has no elements in memory: evaluate it into a matrix first");
    const Derived &matrix = values.derived();
    constexpr auto size = static_cast<std::int64_t>(sizeof(typename Derived::Scalar));
    if constexpr (Derived::IsVectorAtCompileTime) {
        return {matrix.data(), {matrix.size()}, {matrix.innerStride() * size}};
    } else {
        return {matrix.data(),
                {matrix.rows(), matrix.cols()},
                {matrix.rowStride() * size, matrix.colStride() * size}};
    }
}
template <class Derived> void view(const Eigen::PlainObjectBase<Derived> &&) = delete;

} // namespace sdp_dal

#endif
