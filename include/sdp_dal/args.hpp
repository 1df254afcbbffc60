/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of calls, and their results. */

#ifndef SDP_DAL_ARGS_HPP
#define SDP_DAL_ARGS_HPP

#include <complex>
#include <cstddef>
#include <initializer_list>
#include <map>
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
    argument(object_id id) : value_(id) {}
    argument(table value) : value_(std::move(value)) {}
    /// The value of a binary parameter.
    argument(std::vector<std::byte> bytes) : value_(std::move(bytes)) {}
    template <class T>
    argument(std::complex<T> value)
        : value_(std::complex<double>(static_cast<double>(value.real()),
                                      static_cast<double>(value.imag()))) {}
    /// A value of any Arrow type: an array of one element, and its type. Both are taken over.
    argument(arrow_array value, arrow_schema type)
        : value_(std::make_shared<arrow_value>(arrow_value{std::move(value), std::move(type)})) {}

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

    /// Holds the tensor, too.
    template <class T, std::size_t N> argument(const tensor<T, N> &held) : argument(held.view()) {
        held_ = std::make_shared<tensor<T, N>>(held.clone());
    }

    /// The elements of a vector, an array or a span.
    template <class C, if_owner<C> = 0>
    argument(C &elements) : argument(tensor_view<const element_of<C>, 1>(elements)) {}
    template <class C, if_owner<C> = 0> argument(const C &&) = delete;
    template <class C, if_span<C> = 0>
    argument(const C &elements) : argument(tensor_view<const element_of<C>, 1>(elements)) {}

    template <class T> argument(const std::optional<T> &value) : value_(nothing{}) {
        if (value) *this = argument(*value);
    }

    /// What must live until the call has been issued, if that is not the program's own.
    const std::shared_ptr<const void> &held() const { return held_; }

    /// By name, or by position if there is none.
    void give(sdp_dal_args *args, const char *name) const {
        std::visit([&](const auto &value) { check(give(args, name, value)); }, value_);
    }

private:
    struct nothing {};
    struct arrow_value {
        arrow_array value;
        arrow_schema type;
    };

    /// A text of any letters, as an array of one.
    static std::pair<arrow_array, arrow_schema> text_value(const std::string &value) {
        struct text {
            std::string bytes;
            std::int32_t offsets[2];
        };
        if (value.size() > std::size_t{std::numeric_limits<std::int32_t>::max()})
            wrong("a text of more than 2 GB cannot be passed");
        auto kept = std::make_shared<text>(text{value, {0, std::int32_t(value.size())}});
        ArrowArray one = make_array(1, 0, {nullptr, kept->offsets, kept->bytes.data()}, kept);
        ArrowSchema type = make_type("", "u", false);
        return {arrow_array(&one), arrow_schema(&type)};
    }

    static sdp_dal_status give(sdp_dal_args *args, const char *name, nothing) {
        return sdp_dal_args_set_null(args, name);
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name, bool value) {
        return sdp_dal_args_set_bool(args, name, value);
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name, std::int64_t value) {
        return sdp_dal_args_set_int64(args, name, value);
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name, std::uint64_t value) {
        return sdp_dal_args_set_uint64(args, name, value);
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name, double value) {
        return sdp_dal_args_set_double(args, name, value);
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name, std::complex<double> value) {
        return sdp_dal_args_set_complex(args, name, value.real(), value.imag());
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name, const std::string &value) {
        if (value.find('\0') != std::string::npos) {
            // C's texts end there.
            auto [one, type] = text_value(value);
            return sdp_dal_args_set_arrow(args, name, one.raw(), type.raw());
        }
        return sdp_dal_args_set_string(args, name, value.c_str());
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name, const object_id &value) {
        return sdp_dal_args_set_id(args, name, value.data());
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name, const ref &value) {
        return sdp_dal_args_set_ref(args, name, value.raw());
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name,
                               const std::shared_ptr<c_view> &value) {
        return sdp_dal_args_set_tensor(args, name, value->get());
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name, const table &value) {
        return sdp_dal_args_set_table(args, name, value.stream().raw());
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name,
                               const std::vector<std::byte> &value) {
        return sdp_dal_args_set_binary(args, name, value.data(), value.size());
    }
    static sdp_dal_status give(sdp_dal_args *args, const char *name,
                               const std::shared_ptr<arrow_value> &value) {
        // Copies: the argument may be given again.
        arrow_array one;
        arrow_schema type;
        share(*value->value, value, one.raw());
        share(*value->type, value, type.raw());
        return sdp_dal_args_set_arrow(args, name, one.raw(), type.raw());
    }

    std::variant<nothing, bool, std::int64_t, std::uint64_t, double, std::complex<double>,
                 std::string, object_id, ref, table, std::vector<std::byte>,
                 std::shared_ptr<c_view>, std::shared_ptr<arrow_value>>
        value_;
    std::shared_ptr<const void> held_;
};

} // namespace detail

/// The arguments of a call by name: args{{"x", 1}, {"ys", ys}}. A value is a bool, a number
/// (complex too), a text, bytes, an object_id, a ref, a table, a tensor, a tensor_view,
/// std::vector, std::array or std::span (whose elements must stay until the call has returned), an
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
        value.give(handle_.get(), detail::text(name));
        if (value.held() != nullptr)
            named_[name] = value.held();
        else
            named_.erase(name);
        return *this;
    }

    /// Gives the next parameter by position.
    args &push(const detail::argument &value) {
        value.give(handle_.get(), nullptr);
        if (value.held() != nullptr) pushed_.push_back(value.held());
        return *this;
    }

    /// Takes all arguments out.
    void clear() {
        detail::check(sdp_dal_args_clear(handle_.get()));
        named_.clear();
        pushed_.clear();
    }

    sdp_dal_args *raw() const { return handle_.get(); }

private:
    // Tensors that the arguments show.
    std::map<std::string, std::shared_ptr<const void>> named_;
    std::vector<std::shared_ptr<const void>> pushed_;
    detail::owned<sdp_dal_args, sdp_dal_args_free> handle_;
};

/// References to the outputs of a call. Dropping all of them, and all that was made from them,
/// cancels a call that has not started.
class results {
public:
    /// Made by caller: what the C handle has, with references of its own.
    explicit results(const sdp_dal_results *borrowed) : results(borrowed, names_of(borrowed)) {}

    /// Another row of the same function.
    results(const sdp_dal_results *borrowed, const results &like)
        : results(borrowed, like.names_) {}

    std::size_t size() const { return refs_.size(); }
    const std::string &name(std::size_t index) const & { return names_->at(index); }
    std::string name(std::size_t index) const && { return names_->at(index); }

    /// An output; throws if there is none of that name, or if it is null.
    ref operator[](const std::string &name) const {
        std::optional<ref> found = get(name);
        if (!found) detail::wrong("output '" + name + "' is null");
        return *found;
    }

    /// An output; nothing if it is null.
    std::optional<ref> get(const std::string &name) const {
        std::string known;
        for (std::size_t i = 0; i < refs_.size(); i++) {
            if ((*names_)[i] == name) return refs_[i];
            known += (i == 0 ? "" : ", ") + (*names_)[i];
        }
        detail::fail(SDP_DAL_NOT_FOUND, "there is no output '" + name + "', but " +
                                            (known.empty() ? "none at all" : known));
    }

private:
    using name_list = std::vector<std::string>;

    static std::shared_ptr<name_list> names_of(const sdp_dal_results *borrowed) {
        auto names = std::make_shared<name_list>();
        const char *name = nullptr;
        const sdp_dal_ref *output = nullptr;
        while (sdp_dal_results_get_output(borrowed, names->size(), &name, &output) == SDP_DAL_OK)
            names->emplace_back(name);
        return names;
    }

    results(const sdp_dal_results *borrowed, std::shared_ptr<name_list> names)
        : names_(std::move(names)) {
        for (std::size_t i = 0; i < names_->size(); i++) {
            const char *name = nullptr;
            const sdp_dal_ref *output = nullptr;
            detail::check(sdp_dal_results_get_output(borrowed, i, &name, &output));
            refs_.push_back(output == nullptr ? std::nullopt
                                              : std::optional<ref>(ref::clone(output)));
        }
    }

    std::shared_ptr<name_list> names_;
    std::vector<std::optional<ref>> refs_;
};

} // namespace sdp_dal

#endif
