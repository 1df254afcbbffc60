/* SPDX-License-Identifier: BSD-3-Clause */
/* The store of this process, and what is put into it. */

#ifndef SDP_DAL_STORE_HPP
#define SDP_DAL_STORE_HPP

#include "reference.hpp"

namespace sdp_dal {

struct store_options {
    /// Bytes that can be put into a new store; 0: the default.
    std::uint64_t size = 0;
    /// Name in displays; empty: the program's.
    std::string name = {};
    std::uint32_t max_objects = 0;
    std::uint32_t max_clients = 0;
    /// Make the store if there is none.
    bool create = true;
    /// More bits of sdp_dal_store_flag; group and accept_owner count with theirs.
    std::uint32_t flags = 0;
    std::uint32_t group = 0;
    std::uint32_t accept_owner = 0;
};

/// A store that this process uses, with a namespace in it.
class store {
public:
    /// Opens the store at a path, and makes it if there is none.
    explicit store(const std::string &path, const store_options &options = {}) {
        sdp_dal_store_options raw;
        detail::check(sdp_dal_store_options_init(&raw, sizeof raw));
        raw.size = options.size;
        raw.name = options.name.empty() ? nullptr : options.name.c_str();
        raw.max_objects = options.max_objects;
        raw.max_clients = options.max_clients;
        raw.create = options.create ? SDP_DAL_CREATE_IF_MISSING : SDP_DAL_CREATE_NEVER;
        raw.flags = options.flags;
        raw.group = options.group;
        raw.accept_owner = options.accept_owner;
        sdp_dal_store *handle = nullptr;
        detail::check(sdp_dal_store_open(path.c_str(), &raw, &handle));
        handle_.reset(handle);
    }

    /// Copies a tensor into the store.
    template <class T, std::size_t N>
    ref put(const tensor_view<T, N> &value, const std::vector<std::string> &dims = {}) {
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_tensor_put(raw(), detail::c_view(value, dims).get(), &handle));
        return ref(handle);
    }

    /// Memory in the store for a tensor, to be filled in place: C order, not zeroed unless asked
    /// for.
    template <class T, std::size_t N>
    tensor_writer<T, N> create(std::array<std::int64_t, N> shape,
                               const std::vector<std::string> &dims = {}, bool zeroed = false) {
        detail::c_view form(tensor_view<T, N>(nullptr, shape), dims);
        sdp_dal_tensor_spec spec;
        detail::check(sdp_dal_tensor_spec_init(&spec, sizeof spec));
        spec.shape = form.get()->shape;
        spec.dim_names = form.get()->dim_names;
        spec.dtype = form.get()->dtype;
        spec.ndim = form.get()->ndim;
        spec.flags = zeroed ? std::uint32_t{SDP_DAL_TENSOR_ZEROED} : 0u;
        void *data = nullptr;
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_tensor_create(raw(), &spec, &data, &handle));
        return tensor_writer<T, N>(handle, static_cast<T *>(data), shape);
    }

    /// An owning reference to a tensor that does not exist yet: to be passed as an output.
    template <class T, std::size_t N> ref new_ref(const std::vector<std::string> &dims = {}) {
        detail::c_view form(tensor_view<T, N>(nullptr, {}), dims);
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_ref_new(raw(), form.get()->dtype, form.get()->ndim,
                                      form.get()->dim_names, &handle));
        return ref(handle);
    }

    /// Ends all waiting in this process on this store while on. From any thread or signal handler.
    void interrupt(bool on = true) { detail::check(sdp_dal_store_interrupt(raw(), on)); }

    /// The namespace's prefix in 8 hexadecimal digits.
    std::string prefix() const {
        std::uint8_t bytes[SDP_DAL_PREFIX_SIZE];
        detail::check(sdp_dal_store_prefix(raw(), bytes));
        return detail::hex(bytes, sizeof bytes);
    }

    std::string path() const {
        return detail::text_of([&](char *buffer, std::size_t *length) {
            return sdp_dal_store_path(raw(), buffer, length);
        });
    }

    sdp_dal_store *raw() const { return handle_.get(); }

private:
    detail::owned<sdp_dal_store, sdp_dal_store_close> handle_;
};

} // namespace sdp_dal

#endif
