/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of calls, and their results. */

#ifndef SDP_DAL_ARGS_HPP
#define SDP_DAL_ARGS_HPP

#include <initializer_list>
#include <optional>
#include <string_view>
#include <variant>

#include "reference.hpp"

namespace sdp_dal {

namespace detail {

/// An argument: sets itself in C's arguments.
class argument {
public:
    argument(std::nullopt_t) : value_(nothing{}) {}
    argument(std::nullptr_t) : value_(nothing{}) {}
    argument(const char *text) : value_(std::string(text)) {}
    argument(std::string text) : value_(std::move(text)) {}
    argument(std::string_view text) : value_(std::string(text)) {}
    argument(ref reference) : value_(std::move(reference)) {}

    template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0> argument(T value) {
        if constexpr (std::is_same_v<T, bool>) {
            value_ = value;
        } else if constexpr (std::is_floating_point_v<T>) {
            static_assert(sizeof(T) <= sizeof(double), "long double cannot be passed");
            value_ = static_cast<double>(value);
        } else if constexpr (std::is_signed_v<T>) {
            value_ = static_cast<std::int64_t>(value);
        } else {
            value_ = static_cast<std::uint64_t>(value);
        }
    }

    template <class T, std::size_t N>
    argument(const tensor_view<T, N> &view)
        : value_(std::make_shared<c_view>(view, std::vector<std::string>{})) {}

    template <class T, std::size_t N> argument(const tensor<T, N> &held) : argument(held.view()) {}

    template <class T> argument(const std::optional<T> &value) : value_(nothing{}) {
        if (value) value_ = argument(*value).value_;
    }

    sdp_dal_status set(sdp_dal_args *args, const char *name) const {
        struct setter {
            sdp_dal_args *args;
            const char *name;
            sdp_dal_status operator()(nothing) const { return sdp_dal_args_set_null(args, name); }
            sdp_dal_status operator()(bool value) const {
                return sdp_dal_args_set_bool(args, name, value);
            }
            sdp_dal_status operator()(std::int64_t value) const {
                return sdp_dal_args_set_int64(args, name, value);
            }
            sdp_dal_status operator()(std::uint64_t value) const {
                return sdp_dal_args_set_uint64(args, name, value);
            }
            sdp_dal_status operator()(double value) const {
                return sdp_dal_args_set_double(args, name, value);
            }
            sdp_dal_status operator()(const std::string &value) const {
                return sdp_dal_args_set_string(args, name, value.c_str());
            }
            sdp_dal_status operator()(const ref &value) const {
                return sdp_dal_args_set_ref(args, name, value.raw());
            }
            sdp_dal_status operator()(const std::shared_ptr<c_view> &value) const {
                return sdp_dal_args_set_tensor(args, name, value->get());
            }
        };
        return std::visit(setter{args, name}, value_);
    }

private:
    struct nothing {};
    std::variant<nothing, bool, std::int64_t, std::uint64_t, double, std::string, ref,
                 std::shared_ptr<c_view>>
        value_;
};

} // namespace detail

/// The arguments of a call by name: args{{"x", 1}, {"ys", ys}}. A value is a bool, a number, a
/// text, a ref, a tensor_view or tensor (whose elements must stay until the call has returned), an
/// optional of these, or std::nullopt.
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

    args(std::initializer_list<named> list) : args() {
        for (const named &one : list) set(one.name, one.value);
    }

    args &set(const std::string &name, const detail::argument &value) {
        detail::check(value.set(handle_.get(), name.c_str()));
        return *this;
    }

    sdp_dal_args *raw() const { return handle_.get(); }

private:
    detail::owned<sdp_dal_args, sdp_dal_args_free> handle_;
};

/// References to the outputs of a call.
class results {
public:
    /// Takes the C handle over.
    explicit results(sdp_dal_results *handle) : handle_(handle) {}

    std::size_t size() const { return sdp_dal_results_count(raw()); }

    std::string name(std::size_t index) const {
        return detail::text_of([&](char *buffer, std::size_t *length) {
            return sdp_dal_results_name(raw(), index, buffer, length);
        });
    }

    /// An output; throws if there is none of that name, or if it is null.
    ref operator[](const std::string &name) const {
        std::optional<ref> found = get(name);
        if (!found) detail::wrong("output '" + name + "' is null");
        return *found;
    }

    /// An output; nothing if it is null.
    std::optional<ref> get(const std::string &name) const {
        const sdp_dal_ref *borrowed = nullptr;
        detail::check(sdp_dal_results_ref(raw(), name.c_str(), &borrowed));
        if (borrowed == nullptr) return std::nullopt;
        return ref::clone(borrowed);
    }

    sdp_dal_results *raw() const { return handle_.get(); }

private:
    detail::owned<sdp_dal_results, sdp_dal_results_free> handle_;
};

} // namespace sdp_dal

#endif
