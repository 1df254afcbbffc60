/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of calls, and their results. */

#ifndef SDP_DAL_ARGS_HPP
#define SDP_DAL_ARGS_HPP

#include <complex>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "reference.hpp"

namespace sdp_dal {

/// A reference whose object the caller gives away, see given().
struct given_ref {
    ref reference;
};

/// Gives the object of a reference away, as the argument for an input from which an output starts
/// ("sum: complex128[u,v] = grid"). The output takes its memory over, without a copy, if no
/// other client wants or reads it when the call is taken. Otherwise it is copied. Once the call is
/// issued, this process can no longer use the object.
inline given_ref given(const ref &reference) { return {reference}; }

namespace detail {

/// An argument, which sets itself in a C handle of arguments.
class argument {
public:
    argument(std::nullopt_t) {}
    argument(std::nullptr_t) {}
    argument(const char *text) : argument(SDP_DAL_VALUE_STRING, text) {}
    argument(std::string text) : argument(SDP_DAL_VALUE_STRING, std::move(text)) {}
    argument(std::string_view text) : argument(SDP_DAL_VALUE_STRING, std::string(text)) {}
    argument(const ref &reference) : argument(SDP_DAL_VALUE_REF, reference.handle_) {}
    argument(const given_ref &one) : argument(one.reference) { value_.flags = SDP_DAL_VALUE_GIVEN; }
    argument(const object_id &id)
        : argument(SDP_DAL_VALUE_ID,
                   std::string(reinterpret_cast<const char *>(id.data()), SDP_DAL_ID_SIZE)) {}
    template <class = void>
    argument(table value)
        : argument(SDP_DAL_VALUE_TABLE, std::make_shared<table>(std::move(value))) {}
    /// The value of a binary parameter.
    argument(const std::vector<std::byte> &bytes)
        : argument(SDP_DAL_VALUE_BINARY,
                   std::string(reinterpret_cast<const char *>(bytes.data()), bytes.size())) {}
    template <class T> argument(std::complex<T> value) {
        value_.kind = SDP_DAL_VALUE_COMPLEX;
        value_.real = static_cast<double>(value.real());
        value_.imag = static_cast<double>(value.imag());
    }
    /// A value of any Arrow type: an array of one element, and its type. It takes both over.
    template <class = void>
    argument(arrow_array value, arrow_schema type)
        : argument(SDP_DAL_VALUE_ARROW,
                   std::make_shared<arrow_value>(arrow_value{std::move(value), std::move(type)})) {}

    template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0> argument(T value) {
        if constexpr (std::is_same_v<T, bool>) {
            value_.kind = SDP_DAL_VALUE_BOOL;
            value_.int64 = value;
        } else if constexpr (std::is_floating_point_v<T>) {
            static_assert(sizeof(T) <= sizeof(double), "long double cannot be passed");
            value_.kind = SDP_DAL_VALUE_DOUBLE;
            value_.real = static_cast<double>(value);
        } else if constexpr (std::is_signed_v<T>) {
            value_.kind = SDP_DAL_VALUE_INT64;
            value_.int64 = static_cast<std::int64_t>(value);
        } else {
            value_.kind = SDP_DAL_VALUE_UINT64;
            value_.uint64 = static_cast<std::uint64_t>(value);
        }
    }

    template <class T, std::size_t N>
    argument(const tensor_view<T, N> &view)
        : argument(SDP_DAL_VALUE_TENSOR,
                   std::make_shared<c_view>(view, std::vector<std::string>{})) {}

    /// Also holds the tensor.
    template <class T, std::size_t N> argument(const tensor<T, N> &held) : argument(held.view()) {
        held_ = std::make_shared<tensor<T, N>>(held.clone());
    }

    /// The elements of a vector, an array or a span.
    template <class C, if_owner<C> = 0>
    argument(C &elements) : argument(tensor_view<const element_of<C>, 1>(elements)) {}
    template <class C, if_owner<C> = 0> argument(const C &&) = delete;
    template <class C, if_span<C> = 0>
    argument(const C &elements) : argument(tensor_view<const element_of<C>, 1>(elements)) {}

    template <class T> argument(const std::optional<T> &value) {
        if (value) *this = argument(*value);
    }

    /// What must be kept until the call has been issued, if the program does not keep it.
    const std::shared_ptr<const void> &held() const { return held_; }

    /// Sets the parameter with the name, or the next one by position if there is no name.
    template <class = void> void give(sdp_dal_args *args, const char *name) const {
        check(given(args, name));
    }

private:
    struct arrow_value {
        arrow_array value;
        arrow_schema type;
    };

    argument(std::int32_t kind, std::string bytes) : bytes_(std::move(bytes)) {
        value_.kind = kind;
    }
    argument(std::int32_t kind, std::shared_ptr<const void> object) : object_(std::move(object)) {
        value_.kind = kind;
    }

    template <class T> const T &object() const { return *static_cast<const T *>(object_.get()); }

    template <class = void> sdp_dal_status given(sdp_dal_args *args, const char *name) const {
        switch (value_.kind) {
        case SDP_DAL_VALUE_BOOL:
            return sdp_dal_args_set_bool(args, name, value_.int64 != 0);
        case SDP_DAL_VALUE_INT64:
            return sdp_dal_args_set_int64(args, name, value_.int64);
        case SDP_DAL_VALUE_UINT64:
            return sdp_dal_args_set_uint64(args, name, value_.uint64);
        case SDP_DAL_VALUE_DOUBLE:
            return sdp_dal_args_set_double(args, name, value_.real);
        case SDP_DAL_VALUE_COMPLEX:
            return sdp_dal_args_set_complex(args, name, value_.real, value_.imag);
        case SDP_DAL_VALUE_STRING:
            // C's texts end at the first NUL.
            if (bytes_.find('\0') != std::string::npos) return give_text(args, name);
            return sdp_dal_args_set_string(args, name, bytes_.c_str());
        case SDP_DAL_VALUE_BINARY:
            return sdp_dal_args_set_binary(args, name, bytes_.data(), bytes_.size());
        case SDP_DAL_VALUE_ID:
            return sdp_dal_args_set_id(args, name,
                                       reinterpret_cast<const std::uint8_t *>(bytes_.data()));
        case SDP_DAL_VALUE_REF:
            if (value_.flags == SDP_DAL_VALUE_GIVEN)
                return sdp_dal_args_set_given(args, name,
                                              static_cast<const sdp_dal_ref *>(object_.get()));
            return sdp_dal_args_set_ref(args, name,
                                        static_cast<const sdp_dal_ref *>(object_.get()));
        case SDP_DAL_VALUE_TENSOR:
            return sdp_dal_args_set_tensor(args, name, object<c_view>().get());
        case SDP_DAL_VALUE_TABLE:
            return sdp_dal_args_set_table(args, name, object<table>().stream().raw());
        case SDP_DAL_VALUE_ARROW:
            return give_arrow(args, name);
        default:
            return sdp_dal_args_set_null(args, name);
        }
    }

    /// A text that may contain NUL bytes, as an array of one element.
    template <class = void> sdp_dal_status give_text(sdp_dal_args *args, const char *name) const {
        struct text {
            std::string bytes;
            std::int32_t offsets[2];
        };
        if (bytes_.size() > std::size_t{std::numeric_limits<std::int32_t>::max()})
            wrong("a text of more than 2 GB cannot be passed");
        auto kept = std::make_shared<text>(text{bytes_, {0, std::int32_t(bytes_.size())}});
        ArrowArray one = make_array(1, 0, {nullptr, kept->offsets, kept->bytes.data()}, kept);
        ArrowSchema type = make_type("", "u", false);
        arrow_array owned_one(&one);
        arrow_schema owned_type(&type);
        return sdp_dal_args_set_arrow(args, name, owned_one.raw(), owned_type.raw());
    }

    /// Copies, so that the argument may be used again.
    template <class = void> sdp_dal_status give_arrow(sdp_dal_args *args, const char *name) const {
        const arrow_value &kept = object<arrow_value>();
        arrow_array one;
        arrow_schema type;
        share(*kept.value, object_, one.raw());
        share(*kept.type, object_, type.raw());
        return sdp_dal_args_set_arrow(args, name, one.raw(), type.raw());
    }

    /// The kind, and the number if it is a number.
    sdp_dal_value value_ = {};
    /// A text, bytes, or an ID.
    std::string bytes_;
    /// The value, as its kind tells.
    std::shared_ptr<const void> object_;
    std::shared_ptr<const void> held_;
};

} // namespace detail

/// The arguments of a call by name: args{{"x", 1}, {"ys", ys}}. A value is a bool, a number
/// (complex too), a text, bytes, an object_id, a ref, a table, a tensor, a tensor_view,
/// std::vector, std::array or std::span (whose elements must not change until the call has
/// returned), an optional of these, or std::nullopt.
class args {
public:
    struct named {
        std::string name;
        detail::argument value;
    };

    args() {
        sdp_dal_args *handle = nullptr;
        detail::check(sdp_dal_args_create(&handle));
        handle_.reset(handle);
    }

    template <class = void> args(std::initializer_list<named> list) : args() {
        for (const named &one : list) set(one.name, one.value);
    }

    template <class = void> args &set(const std::string &name, const detail::argument &value) {
        value.give(handle_.get(), detail::text(name));
        for (held &one : held_)
            if (one.name == name) {
                one.value = value.held();
                return *this;
            }
        if (value.held() != nullptr) held_.push_back({name, value.held()});
        return *this;
    }

    /// Sets the next parameter by position.
    template <class = void> args &push(const detail::argument &value) {
        value.give(handle_.get(), nullptr);
        if (value.held() != nullptr) held_.push_back({{}, value.held()});
        return *this;
    }

    /// Removes all arguments.
    template <class = void> void clear() {
        detail::check(sdp_dal_args_clear(handle_.get()));
        held_.clear();
    }

    sdp_dal_args *raw() const { return handle_.get(); }

private:
    /// The tensor of an argument, without a name if the argument was given by position.
    struct held {
        std::string name;
        std::shared_ptr<const void> value;
    };
    std::vector<held> held_;
    detail::owned<sdp_dal_args, sdp_dal_args_free> handle_;
};

/// References to the outputs of a call. A call that has not started is cancelled when all of them,
/// and all references copied from them, are destroyed.
class results {
public:
    /// Created by caller: the outputs of the C handle, with references of its own.
    template <class = void>
    explicit results(const sdp_dal_results *borrowed) : results(borrowed, names_of(borrowed)) {}

    /// The outputs of another row of the same function.
    template <class = void>
    results(const sdp_dal_results *borrowed, const results &like)
        : results(borrowed, like.names_) {}

    std::size_t size() const { return refs_.size(); }
    const std::string &name(std::size_t index) const & { return names_->at(index); }
    std::string name(std::size_t index) const && { return names_->at(index); }

    /// Returns an output. Throws if there is none with that name, or if it is null.
    ref operator[](const std::string &name) const {
        const ref &found = find(name);
        if (found.raw() == nullptr) detail::wrong("output '" + name + "' is null");
        return found;
    }

    /// Returns an output, std::nullopt if it is null.
    template <class Ref = ref> std::optional<Ref> get(const std::string &name) const {
        const Ref &found = find(name);
        if (found.raw() == nullptr) return std::nullopt;
        return found;
    }

private:
    using name_list = std::vector<std::string>;

    const ref &find(const std::string &name) const {
        std::string known;
        for (std::size_t i = 0; i < refs_.size(); i++) {
            if ((*names_)[i] == name) return refs_[i];
            known += (i == 0 ? "" : ", ") + (*names_)[i];
        }
        detail::fail(SDP_DAL_NOT_FOUND, "there is no output '" + name + "', but " +
                                            (known.empty() ? "none at all" : known));
    }

    template <class = void>
    static std::shared_ptr<name_list> names_of(const sdp_dal_results *borrowed) {
        auto names = std::make_shared<name_list>();
        const char *name = nullptr;
        const sdp_dal_ref *output = nullptr;
        while (sdp_dal_results_get_output(borrowed, names->size(), &name, &output) == SDP_DAL_OK)
            names->emplace_back(name);
        return names;
    }

    template <class = void>
    results(const sdp_dal_results *borrowed, std::shared_ptr<name_list> names)
        : names_(std::move(names)) {
        for (std::size_t i = 0; i < names_->size(); i++) {
            const char *name = nullptr;
            const sdp_dal_ref *output = nullptr;
            detail::check(sdp_dal_results_get_output(borrowed, i, &name, &output));
            refs_.push_back(output == nullptr ? ref(nullptr) : ref::clone(output));
        }
    }

    std::shared_ptr<name_list> names_;
    /// References without an object are null.
    std::vector<ref> refs_;
};

} // namespace sdp_dal

#endif
