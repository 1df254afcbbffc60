/* SPDX-License-Identifier: BSD-3-Clause */
/* What went wrong, as exceptions; and how long to wait. */

#ifndef SDP_DAL_ERROR_HPP
#define SDP_DAL_ERROR_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "../sdp_dal.h"

namespace sdp_dal {

/// An error that a function of the library reported: its status, and its message as what().
class error : public std::runtime_error {
public:
    error(sdp_dal_status status, const std::string &text)
        : std::runtime_error(text), status_(status) {}
    sdp_dal_status status() const noexcept { return status_; }

private:
    sdp_dal_status status_;
};

/// SDP_DAL_TIMEOUT
class timeout_error : public error {
    using error::error;
};

/// SDP_DAL_PROCESSOR_LOST
class processor_lost : public error {
    using error::error;
};

/// SDP_DAL_INTERRUPTED
class interrupted : public error {
    using error::error;
};

/// SDP_DAL_CANCELLED
class cancelled : public error {
    using error::error;
};

/// SDP_DAL_INVALID_ARGUMENT
class invalid_argument : public error {
    using error::error;
};

namespace detail {

/// Calls a C function that copies a text: fn(buffer, &length).
template <class F> std::string text_of(F &&fn) {
    std::string text;
    std::size_t length = 0;
    // The text may grow between two calls, if another thread changes what it tells.
    while (true) {
        std::size_t room = text.size();
        length = room;
        if (fn(room == 0 ? nullptr : &text[0], &length) != SDP_DAL_OK || length == 0) return {};
        if (length <= room) break;
        text.resize(length);
    }
    text.resize(length - 1);
    return text;
}

[[noreturn]] inline void fail(sdp_dal_status status, const std::string &text) {
    switch (status) {
    case SDP_DAL_TIMEOUT:
        throw timeout_error(status, text);
    case SDP_DAL_PROCESSOR_LOST:
        throw processor_lost(status, text);
    case SDP_DAL_INTERRUPTED:
        throw interrupted(status, text);
    case SDP_DAL_CANCELLED:
        throw cancelled(status, text);
    case SDP_DAL_INVALID_ARGUMENT:
        throw invalid_argument(status, text);
    default:
        throw error(status, text);
    }
}

[[noreturn]] inline void wrong(const std::string &text) { fail(SDP_DAL_INVALID_ARGUMENT, text); }

/// A text for C, which ends at the first NUL byte. Throws if there is one inside.
inline const char *text(const std::string &value) {
    if (value.find('\0') != std::string::npos)
        wrong("the text '" + value.substr(0, value.find('\0')) + "...' has a NUL byte inside");
    return value.c_str();
}

/// The message of the last failure in this thread, which had this status.
inline std::string last_text(sdp_dal_status status) {
    std::string text = text_of(sdp_dal_last_error);
    return text.empty() ? std::string(sdp_dal_status_name(status)) : text;
}

inline void check(sdp_dal_status status) {
    if (status != SDP_DAL_OK) fail(status, last_text(status));
}

/// Like text_of(), for functions that can fail.
template <class F> std::string checked_text(F &&fn) {
    sdp_dal_status status = SDP_DAL_OK;
    std::string text =
        text_of([&](char *buffer, std::size_t *length) { return status = fn(buffer, length); });
    check(status);
    return text;
}

/// A C struct with its size and its defaults.
template <class S> S sized() {
    S value{};
    value.struct_size = sizeof value;
    return value;
}

/// A C handle, or an object, that is freed automatically. (A std::unique_ptr for each kind of them
/// is slow to compile.)
template <class H, void (*End)(H *)> class owned {
public:
    owned() = default;
    explicit owned(H *handle) : handle_(handle) {}
    owned(owned &&other) noexcept : handle_(other.release()) {}
    owned &operator=(owned &&other) noexcept {
        reset(other.release());
        return *this;
    }
    ~owned() { reset(); }

    H *get() const noexcept { return handle_; }
    H *operator->() const noexcept { return handle_; }
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    H *release() noexcept {
        H *handle = handle_;
        handle_ = nullptr;
        return handle;
    }
    void reset(H *handle = nullptr) noexcept {
        if (handle_ != nullptr) End(handle_);
        handle_ = handle;
    }

private:
    H *handle_ = nullptr;
};

template <class T> void destroy(T *object) noexcept { delete object; }
template <class T> using boxed = owned<T, destroy<T>>;

} // namespace detail

/// How long to wait. It can be created from any std::chrono duration.
using timeout = std::chrono::nanoseconds;
/// Wait without a limit: until the event occurs, the producer crashes, or the wait is interrupted.
inline constexpr timeout forever{-1};
/// Check once, and do not wait.
inline constexpr timeout poll{0};

namespace detail {

/// A time to wait for space, as C has it: 0 is the default, and 1 is not at all.
inline std::int64_t full_timeout(std::optional<timeout> time) {
    if (!time) return 0;
    return *time == poll ? 1 : static_cast<std::int64_t>(time->count());
}

} // namespace detail

} // namespace sdp_dal

#endif
