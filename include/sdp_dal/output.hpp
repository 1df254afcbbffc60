/* SPDX-License-Identifier: BSD-3-Clause */
/* What a processing function writes. */

#ifndef SDP_DAL_OUTPUT_HPP
#define SDP_DAL_OUTPUT_HPP

#include <string_view>

#include "reference.hpp"
#include "schema.hpp"

namespace sdp_dal {

/// An output of a processing function. The function knows the shape, so it creates the output.
template <class T, std::size_t N> class output {
    static_assert(!std::is_const_v<T>, "an output is written: its elements are not const");
    static_assert(detail::dtype_of<T>() != 0);

public:
    /// order: the order in the signature, one of sdp_dal_order. -1: not known.
    output(sdp_dal_call *call, std::string name, std::int64_t order = -1)
        : call_(call), name_(std::move(name)), order_(order) {}

    /// Creates the output in the store, not zeroed unless requested. It is sealed when the function
    /// returns. order: one of sdp_dal_order. Default: the order in the signature ("dirty[x,y] F"),
    /// or C if it has none.
    tensor_view<T, N> create(std::array<std::int64_t, N> shape, bool zeroed = false,
                             std::int32_t order = SDP_DAL_ORDER_ANY) {
        if (N > 1 && order == SDP_DAL_ORDER_ANY) {
            if (order_ < 0) {
                const sdp_dal_schema *schema = detail::schema_of(call_);
                order_ = detail::param_of(schema, detail::index_of(schema, name_)).order;
            }
            order = static_cast<std::int32_t>(order_);
        }
        auto options = detail::sized<sdp_dal_output_options>();
        options.order = order;
        options.flags = zeroed ? std::uint32_t{SDP_DAL_TENSOR_ZEROED} : 0u;
        void *data = nullptr;
        detail::check(sdp_dal_call_create_tensor(call_, name_.c_str(), static_cast<std::int32_t>(N),
                                                 shape.data(), &options, &data));
        return packed(static_cast<T *>(data), shape, order);
    }

    /// Copies a tensor, in the order of the signature if that has one.
    template <class U> void put(const tensor_view<U, N> &value) {
        static_assert(std::is_same_v<std::remove_const_t<U>, T>,
                      "the output has another element type");
        detail::check(
            sdp_dal_call_put_tensor(call_, name_.c_str(), detail::c_view(value, {}).get()));
    }
    /// Copies the elements of a vector, an array or a span.
    template <class C, detail::if_elements<C> = 0> void put(const C &elements) {
        put(tensor_view<const detail::element_of<C>, N>(elements));
    }

    /// Returns the elements of an output that is being written: of one that starts from an input
    /// ("sum: complex128[u,v] = grid"), which has the elements of the input, or of one from
    /// create().
    tensor_view<T, N> view() const {
        auto view = detail::sized<sdp_dal_tensor_view>();
        detail::check(sdp_dal_call_get_output(call_, name_.c_str(), &view));
        return detail::writable_view<T, N>(view, "output '" + name_ + "'");
    }

    /// Makes an output that is being written smaller, without a copy: its first dimension if it is
    /// in C order, its last one if it is in F order. The elements that stay are where they were.
    tensor_view<T, N> shrink(std::array<std::int64_t, N> shape) {
        detail::check(
            sdp_dal_call_shrink(call_, name_.c_str(), static_cast<std::int32_t>(N), shape.data()));
        return view();
    }

    /// Seals the output before the function returns.
    void seal() { detail::check(sdp_dal_call_seal(call_, name_.c_str())); }

    /// Frees the memory. The output can then be created again, with another shape.
    void abort() { detail::check(sdp_dal_call_abort(call_, name_.c_str())); }

private:
    sdp_dal_call *call_;
    std::string name_;
    std::int64_t order_;
};

/// An output that is a table.
class table_output {
public:
    table_output(sdp_dal_call *call, std::string name) : call_(call), name_(std::move(name)) {}

    /// Copies a table into the store, in record batches of at most max_chunksize rows. Default (0):
    /// no limit.
    template <class = void> void put(const table &value, std::size_t max_chunksize = 0) {
        put(value.stream().raw(), max_chunksize);
    }
    /// Copies a table from an Arrow stream, which is read to its end and released.
    void put(ArrowArrayStream *stream, std::size_t max_chunksize = 0) {
        auto options = detail::sized<sdp_dal_table_options>();
        options.max_chunksize = max_chunksize;
        detail::check(sdp_dal_call_put_table(call_, name_.c_str(), stream, &options));
    }

private:
    sdp_dal_call *call_;
    std::string name_;
};

/// An output that is an object of any kind.
class object_output {
public:
    object_output(sdp_dal_call *call, std::string name) : call_(call), name_(std::move(name)) {}

    /// Copies bytes, and metadata that can be read beside them.
    void put(std::string_view data, std::string_view metadata = {}) {
        detail::check(sdp_dal_call_put_object(call_, name_.c_str(), data.data(), data.size(),
                                              metadata.data(), metadata.size()));
    }

private:
    sdp_dal_call *call_;
    std::string name_;
};

} // namespace sdp_dal

#endif
