/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw objects: bytes under an ID. */

#ifndef SDP_DAL_OBJECT_HPP
#define SDP_DAL_OBJECT_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "id.hpp"

namespace sdp_dal {

/// The bytes of a complete object, valid as long as this.
class buffer {
public:
    /// Takes over the C handle.
    explicit buffer(sdp_dal_buffer *handle)
        : handle_(handle), info_(detail::sized<sdp_dal_buffer_info>()) {
        detail::check(sdp_dal_buffer_get_info(handle, &info_));
    }

    /// Views of the bytes are valid as long as this: store the buffer in a variable.
    const void *data() const & { return info_.data; }
    const void *data() const && = delete;
    std::size_t size() const { return info_.data_size; }
    std::string_view bytes() const & { return view(info_.data, info_.data_size); }
    std::string_view bytes() const && = delete;
    std::string_view metadata() const & { return view(info_.metadata, info_.metadata_size); }
    std::string_view metadata() const && = delete;

    object_id id() const { return object_id(info_.id); }

    /// Creates a second buffer of the same bytes, which is released separately.
    buffer clone() const {
        sdp_dal_buffer *handle = nullptr;
        detail::check(sdp_dal_buffer_clone(raw(), &handle));
        return buffer(handle);
    }

    sdp_dal_buffer *raw() const { return handle_.get(); }

private:
    static std::string_view view(const void *data, std::size_t size) {
        return {static_cast<const char *>(data), size};
    }

    detail::owned<sdp_dal_buffer, sdp_dal_buffer_free> handle_;
    sdp_dal_buffer_info info_;
};

/// Options for creating a raw object.
struct object_options {
    /// Metadata, which can be read beside the data.
    std::string metadata = {};
    /// Bits of sdp_dal_object_flag.
    std::uint32_t flags = 0;
    /// How long to wait for space when the store is full. Default (0): SDP_DAL_FULL_TIMEOUT.
    timeout full_timeout = timeout{0};
};

/// A raw object that is being written. If this is destroyed before seal(), the object is aborted.
class object_writer {
public:
    object_writer(sdp_dal_writer *handle, void *data, std::size_t size)
        : handle_(handle), data_(data), size_(size) {}

    /// The memory to fill, valid until seal() or until this is destroyed: store this in a variable.
    void *data() const & { return data_; }
    void *data() const && = delete;
    std::size_t size() const { return size_; }

    /// Seals the object: it is complete.
    void seal() {
        detail::check(sdp_dal_writer_seal(handle_.get()));
        data_ = nullptr;
    }
    /// Aborts the object and frees its memory.
    void abort() {
        handle_.reset();
        data_ = nullptr;
    }

    sdp_dal_writer *raw() const { return handle_.get(); }

private:
    detail::owned<sdp_dal_writer, sdp_dal_writer_free> handle_;
    void *data_;
    std::size_t size_;
};

} // namespace sdp_dal

#endif
