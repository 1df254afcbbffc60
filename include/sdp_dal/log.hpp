/* SPDX-License-Identifier: BSD-3-Clause */
/* The messages of the library. */

#ifndef SDP_DAL_LOG_HPP
#define SDP_DAL_LOG_HPP

#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>

#include "error.hpp"

namespace sdp_dal {

/// Receives a message: its level (one of sdp_dal_log_level) and one line. It is called in the
/// thread that produces the message, possibly in several threads at the same time. Exceptions that
/// it throws are ignored.
using log_function = std::function<void(std::int32_t level, std::string_view message)>;

namespace detail {

struct log_state {
    std::mutex setting;
    boxed<log_function> current;
};

/// It is never destroyed, because a message may arrive while the process exits.
inline log_state &the_log() {
    static log_state *state = new log_state;
    return *state;
}

inline bool &logging_here() {
    static thread_local bool here = false;
    return here;
}

inline void log_trampoline(std::int32_t level, const char *message, void *function) noexcept {
    bool before = logging_here();
    logging_here() = true;
    try {
        (*static_cast<log_function *>(function))(level, message);
    } catch (...) {
        // There is no receiver for it.
    }
    logging_here() = before;
}

} // namespace detail

/// Sets the function that receives the messages of the library up to a level, for the whole
/// process. Without a function they are written to standard error.
template <class = void> void set_log(std::int32_t level, log_function function = {}) {
    detail::log_state &state = detail::the_log();
    std::lock_guard<std::mutex> alone(state.setting);
    detail::boxed<log_function> next(function ? new log_function(std::move(function)) : nullptr);
    detail::check(sdp_dal_set_log(level, next ? detail::log_trampoline : nullptr, next.get()));
    // The one before may be running, if it is the one that sets another: then it has to stay.
    if (detail::logging_here()) (void)state.current.release();
    state.current = std::move(next);
}

} // namespace sdp_dal

#endif
