/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tensors as the arrays of other C++ libraries, and back, without a copy.
 *
 * This header is not part of sdp_dal.hpp. It includes an adaptor for each library whose headers the
 * compiler finds: mdspan, Eigen, xtensor, casacore, ducc0. Their headers take the compiler seconds,
 * so a program that uses one library includes its adaptor alone: sdp_dal/adapt/eigen.hpp.
 *
 * as_eigen() and the like return a tensor_view or a dense_view as an array of the library.
 * sdp_dal::view() returns an array of the library as a tensor_view<const T, N>, for put() and as an
 * argument of a call. Write the namespace, because other libraries have a view(), too.
 *
 * Both own nothing. The array is valid as long as the elements: keep the tensor in a variable.
 */

#ifndef SDP_DAL_ADAPT_HPP
#define SDP_DAL_ADAPT_HPP

#include "view.hpp"

#if __has_include(<mdspan>)
#include <mdspan>
#endif
#if defined(__cpp_lib_mdspan) || defined(MDSPAN_IMPL_STANDARD_NAMESPACE) ||                        \
    __has_include(<experimental/mdspan>) || __has_include(<mdspan/mdspan.hpp>)
#include "adapt/mdspan.hpp"
#endif
#if __has_include(<Eigen/Core>)
#include "adapt/eigen.hpp"
#endif
#if __has_include(<xtensor/xadapt.hpp>) || __has_include(<xtensor/containers/xadapt.hpp>)
#include "adapt/xtensor.hpp"
#endif
#if __has_include(<casacore/casa/Arrays/Array.h>)
#include "adapt/casacore.hpp"
#endif
#if __has_include(<ducc0/infra/mav.h>)
#include "adapt/ducc0.hpp"
#endif

#endif
