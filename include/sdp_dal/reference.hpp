/* SPDX-License-Identifier: BSD-3-Clause */
/* Tensors that are held, and references to objects that may not exist yet. */

#ifndef SDP_DAL_REFERENCE_HPP
#define SDP_DAL_REFERENCE_HPP

#include <memory>

#include "view.hpp"

namespace sdp_dal {

/// A complete tensor, held: its elements stay as long as this.
template <class T, std::size_t N> class tensor {
    static_assert(!std::is_const_v<T>,
                  "write tensor<double, 2>: what it holds is read-only anyway");

public:
    /// Takes the C handle over.
    explicit tensor(sdp_dal_tensor *handle) : handle_(handle) {
        sdp_dal_tensor_view view;
        detail::check(sdp_dal_tensor_view_init(&view, sizeof view));
        detail::check(sdp_dal_tensor_get_view(handle, &view));
        view_ = detail::typed_view<T, N>(view, "the tensor");
    }

    tensor_view<const T, N> view() const { return view_; }
    operator tensor_view<const T, N>() const { return view_; }
    const T *data() const { return view_.data(); }
    std::array<std::int64_t, N> shape() const { return view_.shape(); }
    std::int64_t shape(std::size_t i) const { return view_.shape(i); }
    std::size_t size() const { return view_.size(); }
    template <class... I> const T &operator()(I... indices) const { return view_(indices...); }
    sdp_dal_tensor *raw() const { return handle_.get(); }

private:
    detail::owned<sdp_dal_tensor, sdp_dal_tensor_free> handle_;
    tensor_view<const T, N> view_;
};

/// A reference to an object that may not exist yet. Copies share it.
class ref {
public:
    /// Takes the C handle over.
    explicit ref(sdp_dal_ref *handle) : handle_(handle, sdp_dal_ref_free) {}

    /// A reference of one's own to what a borrowed C handle refers to.
    static ref clone(const sdp_dal_ref *borrowed) {
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_ref_clone(borrowed, &handle));
        return ref(handle);
    }

    /// Waits until the object exists; throws the error of one that never will.
    void wait(timeout time = forever) const {
        detail::check(sdp_dal_ref_wait(raw(), time.count()));
    }

    bool exists() const {
        bool exists = false;
        detail::check(sdp_dal_ref_exists(raw(), &exists));
        return exists;
    }

    /// Waits until the object exists, and holds it. Nothing is copied.
    template <class T, std::size_t N> tensor<T, N> get(timeout time = forever) const {
        sdp_dal_tensor *handle = nullptr;
        detail::check(sdp_dal_ref_get_tensor(raw(), time.count(), &handle));
        return tensor<T, N>(handle);
    }

    /// Writes the value of a reference that has none yet.
    template <class T, std::size_t N>
    void put(const tensor_view<T, N> &value, const std::vector<std::string> &dims = {}) {
        detail::check(sdp_dal_ref_put_tensor(raw(), detail::c_view(value, dims).get()));
    }

    /// The object stays when its last reference goes.
    void disown() const { detail::check(sdp_dal_ref_disown(raw())); }

    bool is_owning() const { return sdp_dal_ref_is_owning(raw()); }

    /// The object's ID in 40 hexadecimal digits.
    std::string id() const {
        std::uint8_t bytes[SDP_DAL_ID_SIZE];
        detail::check(sdp_dal_ref_id(raw(), bytes));
        return detail::hex(bytes, sizeof bytes);
    }

    sdp_dal_ref *raw() const { return handle_.get(); }

private:
    std::shared_ptr<sdp_dal_ref> handle_;
};

/// A tensor in the store that is being written. If it goes before seal(), the tensor will not
/// exist.
template <class T, std::size_t N> class tensor_writer {
public:
    tensor_writer(sdp_dal_ref *handle, T *data, std::array<std::int64_t, N> shape)
        : handle_(handle), view_(data, shape) {}

    /// The elements to fill; not after seal().
    tensor_view<T, N> view() const { return view_; }

    /// Makes the tensor complete and gives its reference.
    ref seal() {
        if (!handle_) detail::wrong("the tensor was sealed before");
        detail::check(sdp_dal_ref_seal(handle_.get()));
        view_ = {};
        return ref(handle_.release());
    }

private:
    detail::owned<sdp_dal_ref, sdp_dal_ref_free> handle_;
    tensor_view<T, N> view_;
};

} // namespace sdp_dal

#endif
