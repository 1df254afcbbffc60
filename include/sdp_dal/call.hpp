/* SPDX-License-Identifier: BSD-3-Clause */
/* A call that a processor took, and its outputs. */

#ifndef SDP_DAL_CALL_HPP
#define SDP_DAL_CALL_HPP

#include "reference.hpp"

namespace sdp_dal {

/// An output of a processing function: it knows its shape, so it asks for the memory.
template <class T, std::size_t N> class output {
    static_assert(!std::is_const_v<T>, "an output is written: its elements are not const");
    static_assert(detail::dtype_of<T>() != 0);

public:
    output(sdp_dal_call *call, std::size_t index) : call_(call), index_(index) {}

    /// Memory in the store, C order, not zeroed unless asked for; sealed when the function returns.
    tensor_view<T, N> create(std::array<std::int64_t, N> shape, bool zeroed = false) {
        sdp_dal_output_options options;
        detail::check(sdp_dal_output_options_init(&options, sizeof options));
        options.flags = zeroed ? std::uint32_t{SDP_DAL_TENSOR_ZEROED} : 0u;
        void *data = nullptr;
        detail::check(sdp_dal_call_create_tensor_with_at(
            call_, index_, static_cast<std::int32_t>(N), shape.data(), &options, &data));
        return {static_cast<T *>(data), shape};
    }

    /// Copies a tensor.
    template <class U> void put(const tensor_view<U, N> &value) {
        static_assert(std::is_same_v<std::remove_const_t<U>, T>,
                      "the output has another element type");
        detail::check(sdp_dal_call_put_tensor_at(call_, index_, detail::c_view(value, {}).get()));
    }

    /// Makes it visible before the function returns.
    void seal() { detail::check(sdp_dal_call_seal_at(call_, index_)); }

private:
    sdp_dal_call *call_;
    std::size_t index_;
};

} // namespace sdp_dal

#endif
