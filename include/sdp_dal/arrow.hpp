/* SPDX-License-Identifier: BSD-3-Clause */
/* Arrow's C structs, as objects that release themselves, and made from memory that is shared. */

#ifndef SDP_DAL_ARROW_HPP
#define SDP_DAL_ARROW_HPP

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "error.hpp"

namespace sdp_dal {

/// Owns one of the Arrow C structs (ArrowSchema, ArrowArray, ArrowArrayStream) and releases it in
/// its destructor.
template <class S> class arrow_owned {
public:
    /// Empty: owns nothing.
    arrow_owned() : value_{} {}
    /// Takes over the struct, and marks it as released.
    explicit arrow_owned(S *from) : value_(*from) { from->release = nullptr; }
    arrow_owned(arrow_owned &&other) noexcept : arrow_owned(&other.value_) {}
    arrow_owned &operator=(arrow_owned &&other) noexcept {
        std::swap(value_, other.value_);
        return *this;
    }
    ~arrow_owned() {
        if (value_.release != nullptr) value_.release(&value_);
    }

    /// The struct, for functions that fill it or take it over.
    S *raw() { return &value_; }
    const S *raw() const { return &value_; }
    S *operator->() { return &value_; }
    const S *operator->() const { return &value_; }
    const S &operator*() const { return value_; }

    /// Moves the struct to another one, whose owner releases it.
    void move_to(S *out) {
        *out = value_;
        value_.release = nullptr;
    }

private:
    S value_;
};

using arrow_schema = arrow_owned<ArrowSchema>;
using arrow_array = arrow_owned<ArrowArray>;
using arrow_stream = arrow_owned<ArrowArrayStream>;

namespace detail {

/// The private data of an exported struct S. Its children are separate structs: an importer may
/// move one of them and release it separately.
template <class S> struct exported {
    std::vector<S> children = {};
    std::vector<S *> pointers = {};
    std::vector<const void *> buffers = {};
    std::string format = {};
    std::string name = {};
    /// Keeps the memory to which the struct points.
    std::shared_ptr<const void> owner = {};

    exported() = default;
    exported(const exported &) = delete;
    exported &operator=(const exported &) = delete;
    ~exported() {
        for (S &child : children)
            if (child.release != nullptr) child.release(&child);
    }

    static void release(S *self) noexcept {
        delete static_cast<exported *>(self->private_data);
        self->release = nullptr;
    }

    /// Moves this into a struct. The caller fills the other fields.
    static void hand_over(boxed<exported> from, S *out) {
        for (S &child : from->children) from->pointers.push_back(&child);
        out->n_children = static_cast<std::int64_t>(from->children.size());
        out->children = from->pointers.data();
        out->release = release;
        out->private_data = from.release();
    }
};

/// Creates a struct of the same type (ArrowSchema) or elements (ArrowArray). owner keeps the memory
/// to which it points.
template <class S> void share(const S &from, const std::shared_ptr<const void> &owner, S *out) {
    boxed<exported<S>> held(new exported<S>);
    held->owner = owner;
    // The dictionary is owned as a last child, which is not counted as one.
    std::size_t count = static_cast<std::size_t>(from.n_children);
    held->children.resize(count + (from.dictionary != nullptr ? 1 : 0));
    for (std::size_t i = 0; i < count; i++) share(*from.children[i], owner, &held->children[i]);
    if (from.dictionary != nullptr) share(*from.dictionary, owner, &held->children[count]);
    exported<S> *data = held.get();
    *out = from;
    exported<S>::hand_over(std::move(held), out);
    out->n_children = from.n_children;
    out->dictionary = from.dictionary != nullptr ? data->pointers[count] : nullptr;
}

/// Creates a type without children.
template <class S = ArrowSchema>
S make_type(const std::string &name, const char *format, bool nullable) {
    boxed<exported<S>> held(new exported<S>);
    held->format = format;
    held->name = name;
    S out{};
    out.format = held->format.c_str();
    out.name = held->name.c_str();
    out.flags = nullable ? ARROW_FLAG_NULLABLE : 0;
    exported<S>::hand_over(std::move(held), &out);
    return out;
}

/// Creates an array without children.
template <class S = ArrowArray>
S make_array(std::size_t length, std::size_t nulls, std::vector<const void *> buffers,
             std::shared_ptr<const void> owner) {
    boxed<exported<S>> held(new exported<S>);
    held->buffers = std::move(buffers);
    held->owner = std::move(owner);
    S out{};
    out.length = static_cast<std::int64_t>(length);
    out.null_count = static_cast<std::int64_t>(nulls);
    out.n_buffers = static_cast<std::int64_t>(held->buffers.size());
    out.buffers = held->buffers.data();
    exported<S>::hand_over(std::move(held), &out);
    return out;
}

} // namespace detail

} // namespace sdp_dal

#endif
