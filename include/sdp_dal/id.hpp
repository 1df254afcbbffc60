/* SPDX-License-Identifier: BSD-3-Clause */
/* The names of objects, and of namespaces. */

#ifndef SDP_DAL_ID_HPP
#define SDP_DAL_ID_HPP

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "error.hpp"

namespace sdp_dal {

namespace detail {

inline std::string hex(const std::uint8_t *bytes, std::size_t size) {
    return checked_text([&](char *buffer, std::size_t *length) {
        return sdp_dal_id_format(bytes, size, buffer, length);
    });
}

/// The first bytes of IDs, from hexadecimal digits.
struct id_start {
    explicit id_start(const std::string &digits) {
        check(sdp_dal_id_parse(detail::text(digits), bytes, &size));
    }
    std::uint8_t bytes[SDP_DAL_ID_SIZE] = {};
    std::size_t size = 0;
};

} // namespace detail

/// The ID of an object.
class object_id {
public:
    /// All bytes are 0.
    object_id() : bytes_{} {}

    /// SDP_DAL_ID_SIZE bytes.
    explicit object_id(const std::uint8_t *bytes) {
        std::memcpy(bytes_.data(), bytes, bytes_.size());
    }

    /// Parses 40 hexadecimal digits.
    static object_id parse(const std::string &text) {
        object_id id;
        std::size_t size = 0;
        detail::check(sdp_dal_id_parse(detail::text(text), id.bytes_.data(), &size));
        if (size != id.bytes_.size())
            detail::wrong("'" + text + "' has " + std::to_string(2 * size) +
                          " digits, but an object ID has 40");
        return id;
    }

    /// The ID as 40 hexadecimal digits.
    std::string text() const { return detail::hex(data(), bytes_.size()); }
    const std::uint8_t *data() const { return bytes_.data(); }
    /// The prefix of its namespace as 8 hexadecimal digits.
    std::string prefix() const { return detail::hex(data(), SDP_DAL_PREFIX_SIZE); }
    /// Whether it is the ID of the declaration of a namespace.
    bool is_declaration() const {
        return std::all_of(bytes_.begin() + SDP_DAL_PREFIX_SIZE, bytes_.end(),
                           [](std::uint8_t byte) { return byte == 0; });
    }

    friend bool operator==(const object_id &a, const object_id &b) { return a.bytes_ == b.bytes_; }
    friend bool operator!=(const object_id &a, const object_id &b) { return a.bytes_ != b.bytes_; }
    friend bool operator<(const object_id &a, const object_id &b) { return a.bytes_ < b.bytes_; }

private:
    std::array<std::uint8_t, SDP_DAL_ID_SIZE> bytes_;
};

} // namespace sdp_dal

template <> struct std::hash<sdp_dal::object_id> {
    std::size_t operator()(const sdp_dal::object_id &id) const noexcept {
        // The last bytes count up within a namespace.
        std::size_t value = 0;
        std::memcpy(&value, id.data() + SDP_DAL_ID_SIZE - sizeof value, sizeof value);
        return std::hash<std::size_t>()(value);
    }
};

#endif
