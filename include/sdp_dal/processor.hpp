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
    /// How many threads its functions may use in total. Default (0): as many as the system allows,
    /// shared with other processes of the store that run functions.
    std::int32_t threads = 0;
    /// How long outputs wait for space when the store is full. std::nullopt: SDP_DAL_FULL_TIMEOUT.
    /// poll: not at all.
    std::optional<timeout> full_timeout = std::nullopt;
    /// Leave the thread pools of OpenMP, OpenBLAS and MKL as they are. Default: before a function
    /// runs, they are told to use at most call::thread_budget() threads, and never more than the
    /// program has set.
    bool leave_pools = false;
};

/// Options for running the calls of a function. Default: one at a time, in no strict order.
struct function_options {
    /// Its calls run in several threads at the same time, one for each that calls
    /// processor::process().
    bool reentrant = false;
    /// Its calls run strictly in the order in which they were issued.
    bool ordered = false;
    /// Check that dimensions of the same name have equal sizes, and the sizes in the signature.
    bool strict_dims = true;

    std::uint32_t flags() const {
        return (reentrant ? std::uint32_t{SDP_DAL_FUNCTION_REENTRANT} : 0u) |
               (ordered ? std::uint32_t{SDP_DAL_FUNCTION_ORDERED} : 0u) |
               (strict_dims ? 0u : std::uint32_t{SDP_DAL_FUNCTION_LOOSE_DIMS});
    }
};

/// Offers functions and runs their calls.
///
/// Its destructor shuts it down and waits for the threads that are inside process() or next(). No
/// thread may call these functions later. If other threads use it, call shutdown() and join them
/// before destroying it. A function of the processor cannot close it: if it is destroyed there, the
/// C handle and its functions stay until the process exits.
class processor {
public:
    /// Creates a processor in the store at a path.
    processor(const std::string &path, const std::string &name,
              const processor_options &options = {})
        : own_(new store(path, named(name))), store_(own_->raw()) {
        open(name, options);
    }

    /// Creates a processor in a store, which must exist as long as the processor.
    processor(store &in, const std::string &name, const processor_options &options = {})
        : store_(in.raw()) {
        open(name, options);
    }

    /// Registers the function Fn with a name. params lists the names of its parameters in their
    /// order, tensors with their dimensions, tables with their columns if these are fixed: {"x",
    /// "ys[i]", "uvw[row,uvw=3]", "dirty[x,y] F", "antennas{name: utf8}"}. Kinds and types come
    /// from the C++ function, which may have a `call &` as its first parameter.
    ///
    /// Several functions are forms of one function: add<ms2dirty<float>, ms2dirty<double>>(...).
    /// They differ in element types only. The types of the arguments of a call choose the form.
    template <auto Fn, auto... Forms>
    void add(const std::string &name, const std::vector<std::string> &params,
             const function_options &options = {}) {
        add_form<Fn>(name, params, options);
        (add_form<Forms>(name, params, options), ...);
    }

    /// Registers anything that can be called, for instance a lambda with its state. It is kept
    /// until the processor is closed.
    template <class F>
    void add(const std::string &name, const std::vector<std::string> &params, F &&fn,
             const function_options &options = {}) {
        using D = std::decay_t<F>;
        detail::deduce<D>::type::add(raw(), name, params, options.flags(), D(std::forward<F>(fn)));
    }

    /// Registers a function that is given as a schema, with metadata that callers can read. fn(call
    /// &) reads and writes the parameters by name.
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

    /// Registers a function whose calls are taken with next(). Do not use process() with this
    /// processor then.
    void add(const schema &function) {
        detail::check(sdp_dal_processor_register_schema(raw(), function.raw(), nullptr, nullptr,
                                                        nullptr, nullptr));
    }

    /// Publishes the functions. The first process() does this too.
    void start() { detail::check(sdp_dal_processor_start(raw())); }

    /// Runs one call. Returns false if none arrived in time. Throws an error with
    /// SDP_DAL_PROCESSOR_LOST after shutdown().
    bool process(timeout time = forever) {
        sdp_dal_status status = sdp_dal_processor_process(raw(), time.count());
        if (status == SDP_DAL_TIMEOUT) return false;
        detail::check(status);
        return true;
    }

    /// Takes one call, or returns std::nullopt if none arrived in time. Work on it, then end it
    /// with finish().
    template <class Call = call> std::optional<Call> next(timeout time = forever) {
        sdp_dal_call *handle = nullptr;
        sdp_dal_status status = sdp_dal_processor_next(raw(), time.count(), &handle, nullptr);
        if (status == SDP_DAL_TIMEOUT) return std::nullopt;
        detail::check(status);
        return Call(handle, true);
    }

    /// Shuts the processor down: callers do not find it any more, and process() and next() fail
    /// with SDP_DAL_PROCESSOR_LOST, now and later. Does not wait for running functions. May be
    /// called from any thread, also by a function of the processor.
    void shutdown() const { detail::check(sdp_dal_processor_shutdown(raw())); }

    /// Sets whether store::event_fd() becomes readable when a call may have arrived.
    void watch(bool on = true) const { detail::check(sdp_dal_processor_watch(raw(), on)); }

    /// Interrupts all waits of this process on the store of the processor while on is true. May be
    /// called from any thread or signal handler.
    void interrupt(bool on = true) { detail::check(sdp_dal_store_interrupt(store_, on)); }

    /// The prefix as 8 hexadecimal digits. Starts the processor.
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
    template <auto Fn>
    void add_form(const std::string &name, const std::vector<std::string> &params,
                  const function_options &options) {
        detail::deduce<std::decay_t<decltype(Fn)>>::type::add(raw(), name, params, options.flags(),
                                                              detail::fixed<Fn>{});
    }

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
        raw.full_timeout_ns = detail::full_timeout(options.full_timeout);
        raw.flags = options.leave_pools ? SDP_DAL_PROCESSOR_LEAVE_POOLS : 0;
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
