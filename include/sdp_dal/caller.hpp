/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds processors and issues calls. */

#ifndef SDP_DAL_CALLER_HPP
#define SDP_DAL_CALLER_HPP

#include "args.hpp"
#include "store.hpp"

namespace sdp_dal {

struct caller_options {
    /// Number of compatible processors that the constructor waits for. Fewer are an error then, and
    /// only then.
    std::uint64_t minimum_processors = 1;
    /// The start of the prefixes to use, up to 8 hexadecimal digits.
    std::string processor_prefix = {};
    /// How long to wait for the processors, and for calls to end when max_in_flight is reached.
    /// With attempts of 2 or more, also for another processor when all are lost.
    timeout wait = poll;
    /// Maximum number of unfinished calls per processor. Default (0): no limit.
    std::uint64_t max_in_flight = 0;
    /// Which of several processors gets a call, one of sdp_dal_select.
    std::int32_t select = SDP_DAL_SELECT_LEAST_BUSY;
    /// Check that dimensions of the same name have equal sizes, and the sizes in the signature.
    bool strict_dims = true;
    /// To how many processors a call is issued at most, one after the other, if the earlier ones
    /// crash or are closed before it has ended. With 2 or more a function may run more than once
    /// for a call. See sdp_dal_caller_call().
    std::uint32_t attempts = 1;
    /// How long values and calls wait for space when the store is full. std::nullopt: as long as
    /// the store. poll: not at all.
    std::optional<timeout> full_timeout = std::nullopt;
};

/// Name and prefix (8 hexadecimal digits) of a processor.
struct found_processor {
    std::string name;
    std::string prefix;
};

/// The result of a broadcast at one processor.
struct reply {
    /// The processor.
    std::string name;
    std::string prefix;
    /// SDP_DAL_OK if it got the rows, otherwise the error and its message. SDP_DAL_PROCESSOR_LOST:
    /// it crashed or was closed. SDP_DAL_TIMEOUT: max_in_flight is still reached.
    sdp_dal_status status;
    std::string error;
    /// The outputs of each row, if it got the rows.
    std::vector<results> rows;

    bool ok() const { return status == SDP_DAL_OK; }
    /// Returns an output of a single call. Throws if the processor did not get the call.
    template <class = void> ref operator[](const std::string &output) const {
        if (!ok()) detail::fail(status, error);
        return rows.at(0)[output];
    }
};

namespace detail {

class replies_handle {
public:
    using issue = sdp_dal_status (*)(const sdp_dal_caller *, const char *,
                                     const sdp_dal_args *const *, std::size_t, sdp_dal_replies **,
                                     std::size_t *);

    template <class Rows>
    replies_handle(issue fn, const sdp_dal_caller *caller, const std::string &function,
                   const Rows &rows) {
        std::vector<const sdp_dal_args *> raw;
        for (const args &row : rows) raw.push_back(row.raw());
        rows_ = raw.size();
        sdp_dal_replies *handle = nullptr;
        check(fn(caller, detail::text(function), raw.data(), raw.size(), &handle, &processors_));
        handle_.reset(handle);
    }

    std::size_t num_processors() const { return processors_; }

    template <class Results> std::vector<Results> rows(std::size_t processor) const {
        std::vector<Results> all;
        for (std::size_t row = 0; row < rows_; row++) {
            const sdp_dal_results *borrowed = nullptr;
            check(sdp_dal_replies_get_results(handle_.get(), processor, row, &borrowed));
            // The names are kept once for all rows.
            if (all.empty())
                all.emplace_back(borrowed);
            else
                all.emplace_back(borrowed, all.front());
        }
        return all;
    }

    template <class Reply> Reply at(std::size_t processor) const {
        auto raw = sized<sdp_dal_reply>();
        check(sdp_dal_replies_get_reply(handle_.get(), processor, &raw));
        Reply one{raw.name, hex(raw.prefix, sizeof raw.prefix), raw.status, {}, {}};
        if (one.ok()) {
            one.rows = rows<results>(processor);
        } else {
            const sdp_dal_results *none = nullptr;
            one.error = last_text(sdp_dal_replies_get_results(handle_.get(), processor, 0, &none));
        }
        return one;
    }

private:
    owned<sdp_dal_replies, sdp_dal_replies_free> handle_;
    std::size_t rows_ = 0, processors_ = 0;
};

} // namespace detail

/// Finds processors and issues calls.
class caller {
public:
    template <class = void>
    caller(store &store, const std::vector<std::string> &signatures,
           const caller_options &options = {}) {
        std::vector<const char *> texts;
        for (const std::string &signature : signatures) texts.push_back(detail::text(signature));
        open(store, texts, {}, options);
    }

    /// Creates a caller of functions that are given as schemas.
    template <class = void>
    static caller of_schemas(store &store, const std::vector<schema> &schemas,
                             const caller_options &options = {}) {
        std::vector<const sdp_dal_schema *> raw;
        for (const schema &function : schemas) raw.push_back(function.raw());
        caller made;
        made.open(store, {}, raw, options);
        return made;
    }

    /// Issues a call. Does not wait for it.
    template <class = void> results call(const std::string &function, const args &arguments) {
        sdp_dal_results *handle = nullptr;
        detail::check(sdp_dal_caller_call(raw(), detail::text(function), arguments.raw(), &handle));
        detail::owned<sdp_dal_results, sdp_dal_results_free> kept(handle);
        return results(handle);
    }

    /// Issues a call with the arguments by position.
    template <
        class... A,
        std::enable_if_t<(std::is_constructible_v<detail::argument, const A &> && ...), int> = 0>
    results call(const std::string &function, const A &...arguments) {
        args positional;
        (positional.push(arguments), ...);
        return call(function, positional);
    }

    /// Issues many calls of one function to one processor at once. Does not wait for them. Returns
    /// the outputs of each row.
    template <class Results = results>
    std::vector<Results> batch(const std::string &function, const std::vector<args> &rows) {
        return issue_batch<Results>(function, rows);
    }
    template <class Results = results>
    std::vector<Results> batch(const std::string &function, std::initializer_list<args> rows) {
        return issue_batch<Results>(function, rows);
    }

    /// Issues a call to every processor that was found. Does not wait for it. Returns a reply for
    /// each processor, in the order of their prefixes, with an error if it could not get the call.
    template <class Reply = reply>
    std::vector<Reply> broadcast(const std::string &function, const args &arguments) {
        const args *one = &arguments;
        struct {
            const args *first;
            const args *begin() const { return first; }
            const args *end() const { return first + 1; }
        } rows{one};
        return issue_broadcast<Reply>(function, rows);
    }
    /// Issues many rows to every processor that was found.
    template <class Reply = reply>
    std::vector<Reply> broadcast_batch(const std::string &function, const std::vector<args> &rows) {
        return issue_broadcast<Reply>(function, rows);
    }
    template <class Reply = reply>
    std::vector<Reply> broadcast_batch(const std::string &function,
                                       std::initializer_list<args> rows) {
        return issue_broadcast<Reply>(function, rows);
    }

    /// Waits until a processor that was found crashes or is closed. Returns which one, or
    /// std::nullopt after the timeout. Each is returned once.
    template <class Found = found_processor>
    std::optional<Found> next_lost(timeout time = forever) {
        std::uint8_t prefix[SDP_DAL_PREFIX_SIZE] = {};
        char name[name_room];
        std::size_t length = sizeof name;
        sdp_dal_status status =
            sdp_dal_caller_next_lost(raw(), time.count(), prefix, name, &length);
        if (status == SDP_DAL_TIMEOUT) return std::nullopt;
        detail::check(status);
        return Found{length <= sizeof name ? std::string(name) : std::string(),
                     detail::hex(prefix, sizeof prefix)};
    }

    /// Looks again for processors, and returns their number. Too few are not an error. If there are
    /// none it waits for the first one.
    std::size_t find_processors(timeout time = poll) {
        std::size_t count = 0;
        detail::check(sdp_dal_caller_find_processors(raw(), time.count(), &count));
        return count;
    }

    std::size_t num_processors() const { return sdp_dal_caller_num_processors(raw()); }

    template <class Found = found_processor> std::vector<Found> processors() const {
        std::vector<Found> found;
        for (std::size_t i = 0; i < num_processors(); i++) {
            std::uint8_t prefix[SDP_DAL_PREFIX_SIZE] = {};
            std::string name = detail::text_of([&](char *buffer, std::size_t *length) {
                return sdp_dal_caller_get_processor(raw(), i, prefix, buffer, length);
            });
            found.push_back({std::move(name), detail::hex(prefix, sizeof prefix)});
        }
        return found;
    }

    sdp_dal_caller *raw() const { return handle_.get(); }

private:
    // A processor's name that is longer is told as "".
    static constexpr std::size_t name_room = 4096;

    caller() = default;

    template <class = void>
    void open(store &store, const std::vector<const char *> &signatures,
              const std::vector<const sdp_dal_schema *> &schemas, const caller_options &options) {
        auto c = detail::sized<sdp_dal_caller_options>();
        detail::id_start start(options.processor_prefix);
        c.minimum_processors = options.minimum_processors;
        c.processor_prefix = start.bytes;
        c.processor_prefix_size = start.size;
        c.timeout_ns = options.wait.count();
        c.max_in_flight = options.max_in_flight;
        c.select = options.select;
        c.flags = options.strict_dims ? 0u : std::uint32_t{SDP_DAL_CALLER_LOOSE_DIMS};
        if (options.minimum_processors == 0) c.flags |= SDP_DAL_CALLER_NONE_NEEDED;
        c.schemas = schemas.data();
        c.num_schemas = schemas.size();
        c.full_timeout_ns = detail::full_timeout(options.full_timeout);
        c.attempts = options.attempts;
        sdp_dal_caller *handle = nullptr;
        detail::check(
            sdp_dal_caller_open(store.raw(), signatures.data(), signatures.size(), &c, &handle));
        handle_.reset(handle);
    }

    template <class Results, class Rows>
    std::vector<Results> issue_batch(const std::string &function, const Rows &rows) {
        detail::replies_handle all(sdp_dal_caller_batch, raw(), function, rows);
        return all.num_processors() == 0 ? std::vector<Results>() : all.rows<Results>(0);
    }

    template <class Reply, class Rows>
    std::vector<Reply> issue_broadcast(const std::string &function, const Rows &rows) {
        detail::replies_handle all(sdp_dal_caller_broadcast, raw(), function, rows);
        std::vector<Reply> replies;
        for (std::size_t i = 0; i < all.num_processors(); i++) replies.push_back(all.at<Reply>(i));
        return replies;
    }

    detail::owned<sdp_dal_caller, sdp_dal_caller_close> handle_;
};

} // namespace sdp_dal

#endif
