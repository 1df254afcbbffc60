/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * casacore: Array and what derives from it.
 *
 * casacore's first axis is the one whose elements lie side by side, that of a tensor in C order is
 * the last. The axes are therefore named in the opposite order: vis[row,chan,pol] is an Array of
 * shape [pol,chan,row].
 */

#ifndef SDP_DAL_ADAPT_CASACORE_HPP
#define SDP_DAL_ADAPT_CASACORE_HPP

#include <casacore/casa/Arrays/Array.h>
#include <casacore/casa/Arrays/Cube.h>
#include <casacore/casa/Arrays/Matrix.h>
#include <casacore/casa/Arrays/Vector.h>

#include "../view.hpp"

namespace sdp_dal {

namespace detail {

/// const if T is.
template <class T>
using casacore_array =
    std::conditional_t<std::is_const_v<T>, const casacore::Array<std::remove_const_t<T>>,
                       casacore::Array<T>>;

} // namespace detail

/// A view in C order as an Array that shares the memory, with the axes in the opposite order. Of a
/// tensor_view<T, N> a column of a table can be read into the store, of a tensor_view<const T, N>
/// one can be written. An Array of read-only elements must not be written, nor a copy of it, which
/// shares them, too.
template <class T, std::size_t N>
detail::casacore_array<T> as_casacore(const dense_view<T, N> &view) {
    casacore::IPosition shape(N);
    for (std::size_t i = 0; i < N; i++) shape[N - 1 - i] = static_cast<ssize_t>(view.shape(i));
    return {shape, const_cast<std::remove_const_t<T> *>(view.data()), casacore::SHARE};
}

/// The same of any view. Throws if it is not in C order without gaps, as an Array must be.
template <class T, std::size_t N>
detail::casacore_array<T> as_casacore(const tensor_view<T, N> &view) {
    return as_casacore(view.dense());
}

/// A read-only view of an Array with N axes, or of a part of one, in the opposite order:
/// view<3>(array). Throws if it has another number of axes.
template <std::size_t N, class T, class Alloc>
tensor_view<const T, N> view(const casacore::Array<T, Alloc> &values) {
    if (values.ndim() != N)
        detail::wrong("the Array of casacore has " + std::to_string(values.ndim()) + " axes, " +
                      std::to_string(N) + " were requested");
    std::array<std::int64_t, N> shape{}, strides{};
    for (std::size_t i = 0; i < N; i++) {
        shape[i] = values.shape()[N - 1 - i];
        strides[i] = values.steps()[N - 1 - i] * static_cast<std::int64_t>(sizeof(T));
    }
    return {values.data(), shape, strides};
}
template <std::size_t N, class T, class Alloc>
void view(const casacore::Array<T, Alloc> &&) = delete;

/// The same of a Vector, a Matrix or a Cube.
template <class T, class Alloc>
tensor_view<const T, 1> view(const casacore::Vector<T, Alloc> &values) {
    return view<1>(values);
}
template <class T, class Alloc>
tensor_view<const T, 2> view(const casacore::Matrix<T, Alloc> &values) {
    return view<2>(values);
}
template <class T, class Alloc>
tensor_view<const T, 3> view(const casacore::Cube<T, Alloc> &values) {
    return view<3>(values);
}
template <class T, class Alloc> void view(const casacore::Vector<T, Alloc> &&) = delete;
template <class T, class Alloc> void view(const casacore::Matrix<T, Alloc> &&) = delete;
template <class T, class Alloc> void view(const casacore::Cube<T, Alloc> &&) = delete;

} // namespace sdp_dal

#endif
