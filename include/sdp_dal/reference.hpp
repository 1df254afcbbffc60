/* SPDX-License-Identifier: BSD-3-Clause */
/* Tensors that are held, and references to objects that may not exist yet. */

#ifndef SDP_DAL_REFERENCE_HPP
#define SDP_DAL_REFERENCE_HPP

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "id.hpp"
#include "object.hpp"
#include "part.hpp"
#include "table.hpp"

namespace sdp_dal {

namespace detail {
class argument;
}

/// A complete tensor. Its elements are valid as long as this.
template <class T, std::size_t N> class tensor {
    static_assert(!std::is_const_v<T>,
                  "write tensor<double, 2>: what it holds is read-only anyway");

public:
    /// Takes over the C handle.
    explicit tensor(sdp_dal_tensor *handle) : handle_(handle) {
        sdp_dal_tensor_view view;
        view = detail::sized<sdp_dal_tensor_view>();
        detail::check(sdp_dal_tensor_get_view(handle, &view));
        view_ = detail::typed_view<T, N>(view, "the tensor");
    }

    /// Views of the elements are valid as long as this: store the tensor in a variable.
    tensor_view<const T, N> view() const & { return view_; }
    tensor_view<const T, N> view() const && = delete;
    operator tensor_view<const T, N>() const & { return view_; }
    operator tensor_view<const T, N>() const && = delete;
    /// Like tensor_view::data(): for tensors of one dimension or none.
    const T *data() const & { return view_.data(); }
    const T *data() const && = delete;
    std::array<std::int64_t, N> shape() const { return view_.shape(); }
    std::int64_t shape(std::size_t i) const { return view_.shape(i); }
    std::size_t size() const { return view_.size(); }
    /// Visits the elements in C order: for (double x : tensor).
    auto begin() const & { return view_.begin(); }
    auto end() const & { return view_.end(); }
    void begin() const && = delete;
    void end() const && = delete;
    /// Returns a copy of the elements, in C order.
    std::vector<T> to_vector() const { return view_.to_vector(); }
    template <class... I> const T &operator()(I... indices) const & { return view_(indices...); }
    template <class... I> T operator()(I... indices) const && { return view_(indices...); }
    object_id id() const {
        std::uint8_t bytes[SDP_DAL_ID_SIZE];
        detail::check(sdp_dal_tensor_get_id(raw(), bytes));
        return object_id(bytes);
    }
    /// Creates a second handle of the same tensor, which is released separately.
    tensor clone() const {
        sdp_dal_tensor *handle = nullptr;
        detail::check(sdp_dal_tensor_clone(raw(), &handle));
        return tensor(handle);
    }
    /// Returns a DLPack 1.0 struct. The caller must call its deleter. It may outlive this.
    DLManagedTensorVersioned *to_dlpack() const {
        return static_cast<DLManagedTensorVersioned *>(dlpack(1));
    }
    /// Returns a struct of DLPack before version 1. The caller must call its deleter. It may
    /// outlive this.
    DLManagedTensor *to_dlpack_unversioned() const {
        return static_cast<DLManagedTensor *>(dlpack(0));
    }
    sdp_dal_tensor *raw() const { return handle_.get(); }

private:
    void *dlpack(std::int32_t version) const {
        void *out = nullptr;
        detail::check(sdp_dal_tensor_to_dlpack(raw(), version, &out));
        return out;
    }

    detail::owned<sdp_dal_tensor, sdp_dal_tensor_free> handle_;
    tensor_view<const T, N> view_;
};

/// A reference to an object that may not exist yet. Copies share the reference.
class ref {
    friend class detail::argument;

public:
    /// Takes over the C handle.
    explicit ref(sdp_dal_ref *handle) {
        if (handle != nullptr) handle_.reset(handle, sdp_dal_ref_free);
    }

    /// Creates a separate reference to the object of a borrowed C handle.
    static ref clone(const sdp_dal_ref *borrowed) {
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_ref_clone(borrowed, &handle));
        return ref(handle);
    }

    /// Waits until the object exists. Throws the error of an object that will never exist.
    void wait(timeout time = forever) const {
        detail::check(sdp_dal_ref_wait(raw(), time.count()));
    }

    bool exists() const { return state() == SDP_DAL_STATE_SEALED; }

    /// Waits until the object exists, and holds it. Nothing is copied.
    template <class T, std::size_t N> tensor<T, N> get(timeout time = forever) const {
        sdp_dal_tensor *handle = nullptr;
        detail::check(sdp_dal_ref_get_tensor(raw(), time.count(), &handle, nullptr));
        return tensor<T, N>(handle);
    }

    /// Creates a reference to a part of the tensor, which need not exist yet: for each dimension
    /// an index, or a slice as in Python. part({slice::all(), {0, 64}}) is the first 64 columns.
    /// Nothing is copied. The part keeps the whole tensor, can be passed wherever this can, and
    /// get() returns the same bytes, with the strides of the whole. It has no ID, and cannot be
    /// written, be the output of a call, or be disowned.
    ref part(std::initializer_list<slice> slices) const { return part(std::vector<slice>(slices)); }
    ref part(const std::vector<slice> &slices) const {
        sdp_dal_ref *handle = nullptr;
        std::string text = detail::part_text(slices);
        detail::check(sdp_dal_ref_part_from_text(raw(), text.c_str(), &handle));
        return ref(handle);
    }

    /// The part that this refers to, as a text like "[:, 0:64]", or "" for a whole object.
    std::string part_text() const {
        const char *part = info().part;
        return part == nullptr ? "" : part;
    }

    /// Waits until the table exists, and holds it. Nothing is copied.
    template <class Table = table> Table get_table(timeout time = forever) const {
        arrow_stream stream;
        detail::check(sdp_dal_ref_get_table(raw(), time.count(), stream.raw()));
        return Table(stream.raw());
    }

    /// Waits until the object exists, and holds its bytes. The object may be of any kind.
    buffer get_buffer(timeout time = forever) const {
        sdp_dal_buffer *handle = nullptr;
        detail::check(sdp_dal_ref_get_buffer(raw(), time.count(), &handle));
        return buffer(handle);
    }

    /// Sets how long writing the object waits for space when the store is full. std::nullopt:
    /// SDP_DAL_FULL_TIMEOUT. poll: not at all.
    void set_full_timeout(std::optional<timeout> time) {
        detail::check(sdp_dal_ref_set_full_timeout(raw(), detail::full_timeout(time)));
    }

    /// Writes the table of a reference whose object does not exist yet.
    template <class = void> void put(const table &value) {
        detail::check(sdp_dal_ref_put_table(raw(), value.stream().raw(), nullptr));
    }

    /// Writes the tensor of a reference whose object does not exist yet.
    template <class T, std::size_t N>
    void put(const tensor_view<T, N> &value, const std::vector<std::string> &dims = {}) {
        detail::check(sdp_dal_ref_put_tensor(raw(), detail::c_view(value, dims).get()));
    }

    /// Writes a tensor from the elements of a vector, an array or a span.
    template <class C, detail::if_elements<C> = 0>
    void put(const C &elements, const std::vector<std::string> &dims = {}) {
        put(tensor_view<const detail::element_of<C>, 1>(elements), dims);
    }

    /// Creates the tensor of a reference whose object does not exist yet, in place. It is in C
    /// order, not zeroed unless requested. Complete it with seal().
    template <class T, std::size_t N>
    tensor_view<T, N> create(std::array<std::int64_t, N> shape,
                             const std::vector<std::string> &dims = {}, bool zeroed = false) {
        detail::c_view form(tensor_view<T, N>(nullptr, shape), dims);
        auto spec = form.spec(zeroed, SDP_DAL_ORDER_C);
        void *data = nullptr;
        detail::check(sdp_dal_ref_create_tensor(raw(), &spec, &data));
        return {static_cast<T *>(data), shape};
    }

    /// Seals a tensor from create(): it is complete and visible, and its memory must not be written
    /// any more.
    void seal() { detail::check(sdp_dal_ref_seal(raw())); }

    /// The expected element type, one of sdp_dal_dtype. 0 if no tensor is expected, or any tensor.
    std::int32_t dtype() const { return info().dtype; }

    /// The expected names of the dimensions, "" for one without a name. std::nullopt if no tensor
    /// is expected, or any tensor.
    template <class Name = std::string> std::optional<std::vector<Name>> dim_names() const {
        sdp_dal_ref_info info = this->info();
        if (info.ndim < 0) return std::nullopt;
        std::vector<Name> names;
        for (std::int32_t i = 0; i < info.ndim; i++)
            names.emplace_back(info.dim_names == nullptr ? "" : info.dim_names[i]);
        return names;
    }

    /// The columns of the expected table, or of the table if it exists, as a struct.
    arrow_schema columns() const {
        arrow_schema out;
        detail::check(sdp_dal_ref_get_columns(raw(), out.raw()));
        return out;
    }

    /// Keeps the object when its last reference is destroyed.
    void disown() const { detail::check(sdp_dal_ref_disown(raw())); }

    bool is_owning() const { return info().owning != 0; }

    /// The ID of the object. For a part, that of the whole.
    object_id id() const { return object_id(info().id); }

    /// One of sdp_dal_object_state.
    std::int32_t state() const { return look().state; }

    /// The error of an object that will never exist, std::nullopt if it has not failed.
    template <class Error = error> std::optional<Error> failure() const {
        if (state() != SDP_DAL_STATE_FAILED) return std::nullopt;
        sdp_dal_status status = sdp_dal_ref_wait(raw(), SDP_DAL_POLL);
        return Error(status, detail::last_text(status));
    }

    /// The progress of the call that creates the object, 0 to 1.
    double progress() const { return look().progress; }

    /// Whether a processor has taken the call that creates the object, and the call has not ended
    /// yet.
    bool is_running() const { return look().running != 0; }

    /// Keeps another object alive until this one exists or has failed, and the library has noticed
    /// that.
    void add_dependency(const ref &other, timeout time = forever) const {
        detail::check(sdp_dal_ref_add_dependency(raw(), other.raw(), time.count()));
    }

    /// Keeps another object alive as long as this one is needed.
    void add_reference(const ref &other, timeout time = forever) const {
        detail::check(sdp_dal_ref_add_reference(raw(), other.raw(), time.count()));
    }

    /// Returns a text from which store::import_ref() creates a reference, in another process or in
    /// another copy of the library. Keep this reference until then.
    std::string export_text() const {
        return detail::checked_text([&](char *buffer, std::size_t *length) {
            return sdp_dal_ref_export(raw(), buffer, length);
        });
    }

    /// Like store::import_ref(), but opens the store, for programs that have not opened it.
    static ref import_text(const std::string &text) {
        sdp_dal_ref *handle = nullptr;
        detail::check(sdp_dal_ref_import(nullptr, detail::text(text), &handle));
        return ref(handle);
    }

    /// Sets whether store::event_fd() becomes readable when the object may exist or have failed.
    void watch(bool on = true) const { detail::check(sdp_dal_ref_watch(raw(), on)); }

    sdp_dal_ref *raw() const { return handle_.get(); }

private:
    sdp_dal_ref_info info() const {
        auto info = detail::sized<sdp_dal_ref_info>();
        detail::check(sdp_dal_ref_get_info(raw(), &info));
        return info;
    }
    sdp_dal_ref_state look() const {
        auto state = detail::sized<sdp_dal_ref_state>();
        detail::check(sdp_dal_ref_get_state(raw(), &state));
        return state;
    }

    std::shared_ptr<sdp_dal_ref> handle_;
};

/// Waits until all objects have ended: they exist or will never exist. Returns false after the
/// timeout. An object that failed has ended too, and get() throws its error.
template <class = void> bool wait_all(const std::vector<ref> &refs, timeout time = forever) {
    std::vector<const sdp_dal_ref *> raw;
    for (const ref &one : refs) raw.push_back(one.raw());
    sdp_dal_status status =
        sdp_dal_ref_wait_many(raw.data(), raw.size(), SDP_DAL_WAIT_ALL, time.count(), nullptr);
    if (status == SDP_DAL_TIMEOUT) return false;
    detail::check(status);
    return true;
}

/// Waits until one of several objects has ended: it exists or will never exist. Returns the index
/// of the first such object, or std::nullopt after the timeout.
template <class Index = std::size_t>
std::optional<Index> wait_any(const std::vector<ref> &refs, timeout time = forever) {
    std::vector<const sdp_dal_ref *> raw;
    for (const ref &one : refs) raw.push_back(one.raw());
    std::vector<sdp_dal_status> statuses(refs.size());
    sdp_dal_status status = sdp_dal_ref_wait_many(raw.data(), raw.size(), SDP_DAL_WAIT_ANY,
                                                  time.count(), statuses.data());
    if (status == SDP_DAL_TIMEOUT) return std::nullopt;
    detail::check(status);
    for (std::size_t i = 0; i < statuses.size(); i++)
        if (statuses[i] != SDP_DAL_TIMEOUT) return i;
    return std::nullopt;
}

/// A tensor in the store that is being written. If this is destroyed before seal(), the tensor is
/// aborted.
template <class T, std::size_t N> class tensor_writer {
public:
    tensor_writer(sdp_dal_ref *handle, tensor_view<T, N> view) : handle_(handle), view_(view) {}

    /// The elements to fill, valid until seal() or until this is destroyed: store this in a
    /// variable.
    tensor_view<T, N> view() const & { return view_; }
    tensor_view<T, N> view() const && = delete;

    /// Makes the tensor smaller before it is sealed, without a copy: its first dimension if it is
    /// in C order, its last one if it is in F order. Returns the view, in which the elements that
    /// stay are where they were.
    tensor_view<T, N> shrink(std::array<std::int64_t, N> shape) & {
        if (!handle_) detail::wrong("the tensor was already sealed");
        detail::check(
            sdp_dal_ref_shrink(handle_.get(), static_cast<std::int32_t>(N), shape.data()));
        view_ = {view_.data(), shape, view_.strides()};
        return view_;
    }

    /// Seals the tensor and returns its reference.
    ref seal() {
        if (!handle_) detail::wrong("the tensor was already sealed");
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
