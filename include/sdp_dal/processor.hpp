/* SPDX-License-Identifier: BSD-3-Clause */
/* Offers functions and runs their calls. */

#ifndef SDP_DAL_PROCESSOR_HPP
#define SDP_DAL_PROCESSOR_HPP

#include "function.hpp"
#include "store.hpp"

namespace sdp_dal {

struct processor_options {
    /// The start of the prefix, up to 8 hexadecimal digits.
    std::string prefix = {};
    /// How many threads its functions may use all together; 0: what the system leaves.
    std::int32_t threads = 0;
};

/// How the calls of a function are run: one at a time, in no strict order, unless said otherwise.
struct function_options {
    /// In as many threads at once as call processor::process().
    bool reentrant = false;
    /// Strictly in the order in which they were issued.
    bool ordered = false;
    /// Compare the sizes of equal dimension names, and those that the signature fixes.
    bool strict_dims = true;

    std::uint32_t flags() const {
        return (reentrant ? std::uint32_t{SDP_DAL_FUNCTION_REENTRANT} : 0u) |
               (ordered ? std::uint32_t{SDP_DAL_FUNCTION_ORDERED} : 0u) |
               (strict_dims ? 0u : std::uint32_t{SDP_DAL_FUNCTION_LOOSE_DIMS});
    }
};

/// Offers functions and runs their calls.
///
/// Its destructor shuts it down and waits for the threads that are inside process() or next(); none
/// may come there later. Where other threads use it: shutdown(), join them, and only then let it
/// go. A function of its own cannot end it: destroyed there, it stays as it is for good, with the
/// functions it has.
class processor {
public:
    /// A processor in the store at a path.
    processor(const std::string &path, const std::string &name,
              const processor_options &options = {})
        : own_(new store(path, named(name))), store_(own_->raw()) {
        open(name, options);
    }

    /// A processor in a store, which must live as long as it.
    processor(store &in, const std::string &name, const processor_options &options = {})
        : store_(in.raw()) {
        open(name, options);
    }

    /// Offers the function Fn under a name. params names its parameters in their order, tensors
    /// with their dimensions, tables with their columns if these are fixed: {"x", "ys[i]",
    /// "uvw[row,uvw=3]", "dirty[x,y] F", "antennas{name: utf8}"}. Kinds and types come from the C++
    /// function, which may have a `call &` before them.
    template <auto Fn>
    void add(const std::string &name, const std::vector<std::string> &params,
             const function_options &options = {}) {
        detail::deduce<std::decay_t<decltype(Fn)>>::type::add(raw(), name, params, options.flags(),
                                                              detail::fixed<Fn>{});
    }

    /// The same for anything that can be called: a lambda with its state, for instance. It lives
    /// until the processor is closed.
    template <class F>
    void add(const std::string &name, const std::vector<std::string> &params, F &&fn,
             const function_options &options = {}) {
        using D = std::decay_t<F>;
        detail::deduce<D>::type::add(raw(), name, params, options.flags(), D(std::forward<F>(fn)));
    }

    /// Offers a function that is given as a schema, whose metadata callers see: fn(call &) reads
    /// and writes the parameters by name.
    template <class F>
    void add(const schema &function, F &&fn, const function_options &options = {}) {
        using D = std::decay_t<F>;
        detail::boxed<D> kept(new D(std::forward<F>(fn)));
        auto how = detail::sized<sdp_dal_function_options>();
        how.flags = options.flags();
        detail::check(sdp_dal_processor_register_schema(
            raw(), function.raw(), &how, detail::trampoline<true, D>, kept.get(), detail::drop<D>));
        (void)kept.release();
    }

    /// Offers a function whose calls come out of next(): process() is then not for this processor.
    void add(const schema &function) {
        detail::check(sdp_dal_processor_register_schema(raw(), function.raw(), nullptr, nullptr,
                                                        nullptr, nullptr));
    }

    /// Publishes the functions. The first process() does it too.
    void start() { detail::check(sdp_dal_processor_start(raw())); }

    /// Runs one call; false if none came in time. Throws an error of SDP_DAL_PROCESSOR_LOST once it
    /// was shut down.
    bool process(timeout time = forever) {
        sdp_dal_status status = sdp_dal_processor_process(raw(), time.count());
        if (status == SDP_DAL_TIMEOUT) return false;
        detail::check(status);
        return true;
    }

    /// Takes one call, to be worked on and ended with finish(); nothing if none came in time.
    template <class Call = call> std::optional<Call> next(timeout time = forever) {
        sdp_dal_call *handle = nullptr;
        sdp_dal_status status = sdp_dal_processor_next(raw(), time.count(), &handle, nullptr);
        if (status == SDP_DAL_TIMEOUT) return std::nullopt;
        detail::check(status);
        return Call(handle, true);
    }

    /// Ends it for callers, and all waiting in process() and next(), now and later, with
    /// SDP_DAL_PROCESSOR_LOST. Does not wait for functions that run. From any thread, also from a
    /// function of its own.
    void shutdown() const { detail::check(sdp_dal_processor_shutdown(raw())); }

    /// Lets store::event_fd() become readable when a call may have come.
    void watch(bool on = true) const { detail::check(sdp_dal_processor_watch(raw(), on)); }

    /// Ends all waiting in this process on the processor's store while on. From any thread or
    /// signal handler.
    void interrupt(bool on = true) { detail::check(sdp_dal_store_interrupt(store_, on)); }

    /// The prefix in 8 hexadecimal digits; starts the processor.
    std::string prefix() const {
        std::uint8_t bytes[SDP_DAL_PREFIX_SIZE];
        detail::check(sdp_dal_processor_get_prefix(raw(), bytes));
        return detail::hex(bytes, sizeof bytes);
    }

    std::string name() const {
        return detail::text_of([&](char *buffer, std::size_t *length) {
            return sdp_dal_processor_get_name(raw(), buffer, length);
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
        auto raw = detail::sized<sdp_dal_processor_options>();
        detail::id_start start(options.prefix);
        raw.name = name.empty() ? nullptr : detail::text(name);
        raw.prefix = start.bytes;
        raw.prefix_size = start.size;
        raw.threads = options.threads;
        sdp_dal_processor *handle = nullptr;
        detail::check(sdp_dal_processor_open(store_, &raw, &handle));
        handle_.reset(handle);
    }

    // Ended in the opposite order: the processor first.
    detail::boxed<store> own_;
    sdp_dal_store *store_;
    detail::owned<sdp_dal_processor, sdp_dal_processor_close> handle_;
};

} // namespace sdp_dal

#endif
