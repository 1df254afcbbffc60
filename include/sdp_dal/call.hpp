/* SPDX-License-Identifier: BSD-3-Clause */
/* A call that a processor took. */

#ifndef SDP_DAL_CALL_HPP
#define SDP_DAL_CALL_HPP

#include "parameter.hpp"

namespace sdp_dal {

/// A call that a processor took. A function that has a first parameter `call &` gets the call that
/// it runs, valid until it returns. The calls from retain(), defer() and processor::next() are
/// owned by the program. Parameters are accessed by name.
class call {
public:
    /// The name of the function.
    std::string function() const { return info().function; }
    std::string signature() const { return detail::format(schema()); }
    /// The ID of the call. The rows of a batch have the same ID.
    object_id id() const { return object_id(info().id); }
    /// The index of the row of a batch.
    std::size_t row() const { return info().row; }
    /// The number of the client that called.
    std::uint32_t caller() const { return info().caller; }
    std::size_t num_params() const { return info().num_params; }
    std::string param_name(std::size_t index) const {
        return detail::param_of(schema(), index).name;
    }
    std::size_t index(const std::string &name) const { return detail::index_of(schema(), name); }

    /// Returns whether no client wants the outputs any more, so that a long function can stop.
    bool is_cancelled() const { return sdp_dal_call_is_cancelled(raw()); }
    /// Throws sdp_dal::cancelled if no client wants the outputs any more.
    void stop_if_cancelled() const {
        if (is_cancelled())
            detail::fail(SDP_DAL_CANCELLED, "the call was cancelled: no client wants its outputs");
    }
    /// Reports the progress of the call, 0 to 1, see ref::progress().
    void set_progress(double fraction) {
        detail::check(sdp_dal_call_set_progress(raw(), fraction));
    }
    /// Returns how many threads this run may use.
    int thread_budget() const {
        std::int32_t threads = 1;
        detail::check(sdp_dal_call_get_threads(raw(), &threads));
        return threads;
    }

    /// Returns the value of a parameter, as any type that a function could have as a parameter:
    /// get<double>("x"), get<tensor_view<const double, 2>>("vis"), get<std::optional<table>>("t").
    /// get<dense_view<const double, 2>>("vis") is in C order, even if the signature has another
    /// order.
    template <class T> T get(const std::string &name) const {
        static_assert(!std::is_same_v<T, std::string_view>, "ask for a std::string");
        static_assert(!detail::parameter<T>::is_output,
                      "get it with output(), output_table() or output_object()");
        std::size_t at = index(name);
        std::vector<sdp_dal_value> values(num_params());
        detail::check(sdp_dal_call_values(raw(), values.data(), values.size()));
        detail::parameter<T> value;
        value.load({raw(), at, values[at]});
        return std::move(value.get());
    }
    /// Returns whether a parameter was left out.
    bool is_null(const std::string &name) const {
        bool is_null = false;
        detail::check(sdp_dal_call_is_null(raw(), detail::text(name), &is_null));
        return is_null;
    }
    /// Returns a value of any Arrow type, as an array of one element and its type.
    void get_arrow(const std::string &name, arrow_array &value, arrow_schema &type) const {
        value = {};
        type = {};
        detail::check(sdp_dal_call_get_arrow(raw(), detail::text(name), value.raw(), type.raw()));
    }
    /// Returns an input tensor that may outlive the call, in the order of the signature if that has
    /// one. It is copied only if it is stored in another order.
    template <class T, std::size_t N> tensor<T, N> hold(const std::string &name) const {
        sdp_dal_tensor *handle = nullptr;
        detail::check(sdp_dal_call_hold_tensor(raw(), detail::text(name), &handle, nullptr));
        return tensor<T, N>(handle);
    }
    /// Returns a private copy of an input tensor, which may be written, valid as long as the call.
    /// It has the order of the signature, or if that has none, the order in which the tensor is
    /// stored. See its strides().
    template <class T, std::size_t N> tensor_view<T, N> copy(const std::string &name) const {
        auto view = detail::sized<sdp_dal_tensor_view>();
        void *data = nullptr;
        detail::check(sdp_dal_call_copy_tensor(raw(), detail::text(name), &view, &data));
        auto typed = detail::typed_view<T, N>(view, "parameter '" + name + "'");
        return {static_cast<T *>(data), typed.shape(), typed.strides()};
    }
    /// Returns a borrowed reference to the object of a parameter, for instance to pass it on.
    ref reference(const std::string &name) const {
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_call_get_ref(raw(), detail::text(name), &handle));
        return ref(handle);
    }

    /// Returns an output tensor, valid as long as this.
    template <class T, std::size_t N> sdp_dal::output<T, N> output(const std::string &name) {
        return {raw(), name};
    }
    table_output output_table(const std::string &name) { return {raw(), name}; }
    object_output output_object(const std::string &name) { return {raw(), name}; }

    /// Fails all outputs that are not sealed yet, with a message for the caller.
    void fail(const std::string &message, sdp_dal_status status = SDP_DAL_FUNCTION_FAILED) {
        detail::check(sdp_dal_call_fail(raw(), status, message.c_str()));
    }

    /// Returns a call with which the outputs can be written after the function has returned, from
    /// any thread. The call ends with finish(), or when this object is destroyed. Views of inputs
    /// stay valid until then.
    call defer() const {
        sdp_dal_call *handle = nullptr;
        detail::check(sdp_dal_call_defer(raw(), &handle));
        return call(handle, true);
    }
    /// Returns a call that keeps what was read valid, but does not keep the call open.
    call retain() const {
        sdp_dal_call *handle = nullptr;
        detail::check(sdp_dal_call_retain(raw(), &handle));
        return call(handle, true);
    }
    /// Declares that this thread runs the function of a call from processor::next(), until the call
    /// has ended. A wait here that could never end then fails at once.
    void run_here() const { detail::check(sdp_dal_call_run_here(raw())); }
    /// Ends a call from defer() or processor::next(), and seals outputs that were created in place.
    void finish() { detail::check(sdp_dal_call_finish(raw(), nullptr, 0)); }

    /// From a C handle that is taken over, or from one that the caller keeps.
    call(sdp_dal_call *handle, bool take_over)
        : own_(take_over ? handle : nullptr), borrowed_(take_over ? nullptr : handle) {}
    sdp_dal_call *raw() const { return own_ ? own_.get() : borrowed_.get(); }

private:
    sdp_dal_call_info info() const {
        auto info = detail::sized<sdp_dal_call_info>();
        detail::check(sdp_dal_call_get_info(raw(), &info));
        return info;
    }
    const sdp_dal_schema *schema() const { return detail::schema_of(raw()); }

    static void leave(sdp_dal_call *) noexcept {}

    // One of them is empty.
    detail::owned<sdp_dal_call, sdp_dal_call_free> own_;
    detail::owned<sdp_dal_call, leave> borrowed_;
};

} // namespace sdp_dal

#endif
