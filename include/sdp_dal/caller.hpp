/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds processors and issues calls. */

#ifndef SDP_DAL_CALLER_HPP
#define SDP_DAL_CALLER_HPP

#include "args.hpp"
#include "store.hpp"

namespace sdp_dal {

struct caller_options {
    /// Fewer compatible processors are an error.
    std::uint64_t minimum_processors = 1;
    /// First bytes of the prefixes to use.
    std::string processor_prefix = {};
    /// How long to wait for the processors, and for room when max_in_flight is reached.
    timeout wait = poll;
    /// Most unfinished calls per processor; 0: no limit.
    std::uint64_t max_in_flight = 0;
};

/// Name and prefix (8 hexadecimal digits) of a processor.
struct found_processor {
    std::string name;
    std::string prefix;
};

/// Finds processors and issues calls.
class caller {
public:
    caller(store &store, const std::vector<std::string> &signatures,
           const caller_options &options = {}) {
        std::vector<const char *> texts;
        for (const std::string &signature : signatures) texts.push_back(signature.c_str());
        sdp_dal_caller_options raw;
        detail::check(sdp_dal_caller_options_init(&raw, sizeof raw));
        raw.minimum_processors = options.minimum_processors;
        raw.processor_prefix =
            reinterpret_cast<const std::uint8_t *>(options.processor_prefix.data());
        raw.processor_prefix_size = options.processor_prefix.size();
        raw.timeout_ns = options.wait.count();
        raw.max_in_flight = options.max_in_flight;
        sdp_dal_caller *handle = nullptr;
        detail::check(sdp_dal_caller_open(store.raw(), texts.data(), texts.size(), &raw, &handle));
        handle_.reset(handle);
    }

    /// Issues a call, and does not wait for it.
    results call(const std::string &function, const args &arguments) {
        sdp_dal_results *handle = nullptr;
        detail::check(sdp_dal_caller_call(raw(), function.c_str(), arguments.raw(), &handle));
        return results(handle);
    }

    /// Looks again for processors; their number.
    std::size_t find_processors(timeout time = poll) {
        std::size_t count = 0;
        detail::check(sdp_dal_caller_find_processors(raw(), time.count(), &count));
        return count;
    }

    std::size_t num_processors() const { return sdp_dal_caller_num_processors(raw()); }

    std::vector<found_processor> processors() const {
        std::vector<found_processor> found;
        for (std::size_t i = 0; i < num_processors(); i++) {
            std::uint8_t prefix[SDP_DAL_PREFIX_SIZE] = {};
            std::string name = detail::text_of([&](char *buffer, std::size_t *length) {
                return sdp_dal_caller_processor(raw(), i, prefix, buffer, length);
            });
            found.push_back({std::move(name), detail::hex(prefix, sizeof prefix)});
        }
        return found;
    }

    sdp_dal_caller *raw() const { return handle_.get(); }

private:
    detail::owned<sdp_dal_caller, sdp_dal_caller_close> handle_;
};

} // namespace sdp_dal

#endif
