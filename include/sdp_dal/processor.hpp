/* SPDX-License-Identifier: BSD-3-Clause */
/* Offers functions and runs their calls. */

#ifndef SDP_DAL_PROCESSOR_HPP
#define SDP_DAL_PROCESSOR_HPP

#include "function.hpp"
#include "store.hpp"

namespace sdp_dal {

struct processor_options {
    /// First bytes of the prefix.
    std::string prefix = {};
};

/// Offers functions and runs their calls.
class processor {
public:
    /// A processor in the store at a path.
    processor(const std::string &path, const std::string &name,
              const processor_options &options = {})
        : own_(std::make_unique<store>(path, named(name))), store_(own_->raw()) {
        open(name, options);
    }

    /// A processor in a store, which must live as long as it.
    processor(store &in, const std::string &name, const processor_options &options = {})
        : store_(in.raw()) {
        open(name, options);
    }

    /// Offers the function Fn under a name. params names its parameters in their order, tensors
    /// with their dimensions: {"x", "ys[i]", "uvw[row,uvw=3]"}. Kinds and types come from the C++
    /// function.
    template <auto Fn> void add(const std::string &name, const std::vector<std::string> &params) {
        detail::deduce<std::decay_t<decltype(Fn)>>::type::add(raw(), name, params,
                                                              detail::fixed<Fn>{});
    }

    /// The same for anything that can be called: a lambda with its state, for instance. It lives
    /// until the processor is closed.
    template <class F>
    void add(const std::string &name, const std::vector<std::string> &params, F &&fn) {
        using D = std::decay_t<F>;
        detail::deduce<D>::type::add(raw(), name, params, D(std::forward<F>(fn)));
    }

    /// Publishes the functions. The first process() does it too.
    void start() { detail::check(sdp_dal_processor_start(raw())); }

    /// Runs one call; false if none came in time.
    bool process(timeout time = forever) {
        sdp_dal_status status = sdp_dal_processor_process(raw(), time.count());
        if (status == SDP_DAL_TIMEOUT) return false;
        detail::check(status);
        return true;
    }

    /// Ends all waiting in this process on the processor's store while on. From any thread or
    /// signal handler.
    void interrupt(bool on = true) { detail::check(sdp_dal_store_interrupt(store_, on)); }

    /// The prefix in 8 hexadecimal digits; starts the processor.
    std::string prefix() const {
        std::uint8_t bytes[SDP_DAL_PREFIX_SIZE];
        detail::check(sdp_dal_processor_prefix(raw(), bytes));
        return detail::hex(bytes, sizeof bytes);
    }

    std::string name() const {
        return detail::text_of([&](char *buffer, std::size_t *length) {
            return sdp_dal_processor_name(raw(), buffer, length);
        });
    }

    sdp_dal_processor *raw() const { return handle_.get(); }

private:
    static store_options named(const std::string &name) {
        store_options options;
        options.name = name;
        return options;
    }

    void open(const std::string &name, const processor_options &options) {
        sdp_dal_processor_options raw;
        detail::check(sdp_dal_processor_options_init(&raw, sizeof raw));
        raw.name = name.empty() ? nullptr : name.c_str();
        raw.prefix = reinterpret_cast<const std::uint8_t *>(options.prefix.data());
        raw.prefix_size = options.prefix.size();
        sdp_dal_processor *handle = nullptr;
        detail::check(sdp_dal_processor_open(store_, &raw, &handle));
        handle_.reset(handle);
    }

    // Ended in the opposite order: the processor first.
    std::unique_ptr<store> own_;
    sdp_dal_store *store_;
    detail::owned<sdp_dal_processor, sdp_dal_processor_close> handle_;
};

} // namespace sdp_dal

#endif
