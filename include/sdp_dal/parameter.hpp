/* SPDX-License-Identifier: BSD-3-Clause */
/* How the parameters of a C++ function are written in a signature, and read from a call. */

#ifndef SDP_DAL_PARAMETER_HPP
#define SDP_DAL_PARAMETER_HPP

#include <complex>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "output.hpp"

namespace sdp_dal {

namespace detail {

template <class T> using bare = std::remove_cv_t<std::remove_reference_t<T>>;

/// A parameter of a call, and its value.
struct given {
    sdp_dal_call *call;
    std::size_t index;
    const sdp_dal_value &value;

    std::string name() const { return param_of(schema_of(call), index).name; }
    /// Throws if the value is not of this kind. The second argument is the name of the kind in
    /// messages.
    void is(std::int32_t kind, const char *asked) const {
        if (value.kind != kind)
            wrong(std::string(asked) + " was requested, but parameter '" + name() + "' " +
                  (value.kind == SDP_DAL_VALUE_NULL ? "is null" : "is of another type"));
    }
    std::string_view bytes() const { return {static_cast<const char *>(value.data), value.size}; }
    /// A whole number of a signed or unsigned type.
    template <class T> T whole() const {
        if (value.kind != SDP_DAL_VALUE_UINT64) is(SDP_DAL_VALUE_INT64, "an integer");
        const bool is_signed = value.kind == SDP_DAL_VALUE_INT64;
        const bool fits =
            is_signed ? (value.int64 >= 0
                             ? static_cast<std::uint64_t>(value.int64) <=
                                   std::uint64_t{std::numeric_limits<T>::max()}
                             : std::is_signed_v<T> &&
                                   value.int64 >= std::int64_t(std::numeric_limits<T>::min()))
                      : value.uint64 <= std::uint64_t{std::numeric_limits<T>::max()};
        if (!fits)
            wrong("parameter '" + name() + "' is " +
                  (is_signed ? std::to_string(value.int64) : std::to_string(value.uint64)) +
                  ", which the requested type cannot hold");
        return is_signed ? static_cast<T>(value.int64) : static_cast<T>(value.uint64);
    }
};

/// How a parameter of a C++ function is written in a signature and read from a call.
///   type(dims)  text of the type; dims is the text in the brackets, null if there are none
///   is_output, nullable
///   load(given), then get()
template <class T, class = void> struct parameter {
    static_assert(
        always_false<T>::value,
        "a parameter of a processing function is bool, an integer, float, double, std::complex, "
        "std::string, std::string_view, std::vector<std::byte>, object_id, tensor_view<const T, "
        "N>, dense_view<const T, N>, std::span<const T>, "
        "table, ref, output<T, N>, table_output, object_output, or std::optional of one of these; "
        "before them there may be call &");
};

inline void no_dims(const std::string *dims, const char *type) {
    if (dims != nullptr)
        wrong((dims->rfind('{', 0) == 0 ? *dims : "[" + *dims + "]") +
              " is given, but the C++ type is " + type + ", which has no dimensions");
}

template <class T> struct parameter<T, std::enable_if_t<std::is_arithmetic_v<T>>> {
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::string *dims) {
        std::string name = dtype_name(dtype_of<T>());
        no_dims(dims, name.c_str());
        return name;
    }
    void load(const given &one) {
        if constexpr (std::is_same_v<T, bool>) {
            one.is(SDP_DAL_VALUE_BOOL, "a bool");
            value = one.value.int64 != 0;
        } else if constexpr (std::is_floating_point_v<T>) {
            one.is(SDP_DAL_VALUE_DOUBLE, "a floating-point number");
            value = static_cast<T>(one.value.real);
        } else {
            value = one.whole<T>();
        }
    }
    T &get() { return value; }
    T value = {};
};

template <> struct parameter<std::string> {
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::string *dims) {
        no_dims(dims, "a text");
        return "utf8";
    }
    void load(const given &one) {
        one.is(SDP_DAL_VALUE_STRING, "a text");
        value = one.bytes();
    }
    std::string &get() { return value; }
    std::string value = {};
};

template <> struct parameter<std::string_view> : parameter<std::string> {
    std::string_view get() { return value; }
};

template <class T> struct parameter<std::complex<T>> {
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::string *dims) {
        std::string name = dtype_name(dtype_of<std::complex<T>>());
        no_dims(dims, name.c_str());
        return name;
    }
    void load(const given &one) {
        one.is(SDP_DAL_VALUE_COMPLEX, "a complex number");
        value = {static_cast<T>(one.value.real), static_cast<T>(one.value.imag)};
    }
    std::complex<T> &get() { return value; }
    std::complex<T> value = {};
};

template <> struct parameter<std::vector<std::byte>> {
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::string *dims) {
        no_dims(dims, "bytes");
        return "binary";
    }
    void load(const given &one) {
        one.is(SDP_DAL_VALUE_BINARY, "bytes");
        const std::byte *first = static_cast<const std::byte *>(one.value.data);
        value.assign(first, first + one.value.size);
    }
    std::vector<std::byte> &get() { return value; }
    std::vector<std::byte> value = {};
};

/// An ID that is only passed on: its object is not waited for.
template <> struct parameter<object_id> {
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::string *dims) {
        no_dims(dims, "an object's ID");
        return "id";
    }
    void load(const given &one) {
        one.is(SDP_DAL_VALUE_ID, "an object's ID");
        value = object_id(static_cast<const std::uint8_t *>(one.value.data));
    }
    object_id &get() { return value; }
    object_id value = {};
};

/// An object of any kind, which is waited for.
template <> struct parameter<ref> {
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::string *dims) {
        no_dims(dims, "a reference to any object");
        return "oid";
    }
    void load(const given &one) {
        sdp_dal_ref *handle = nullptr;
        check(sdp_dal_call_get_ref(one.call, one.name().c_str(), &handle));
        value = ref(handle);
    }
    ref &get() { return value; }
    ref value{nullptr};
};

/// Columns are written in braces: "rows{id: int64, name: utf8?}".
inline std::string table_type(const std::string *columns) {
    if (columns != nullptr && columns->rfind('{', 0) != 0)
        wrong("[" + *columns +
              "] is given, but the C++ type is a table: write its columns in "
              "braces");
    return "table" + (columns != nullptr ? *columns : std::string());
}

template <> struct parameter<table> {
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::string *columns) { return table_type(columns); }
    template <class = void> void load(const given &one) {
        arrow_stream stream;
        check(sdp_dal_call_get_table(one.call, one.name().c_str(), stream.raw()));
        value = table(stream.raw());
    }
    table &get() { return value; }
    table value = {};
};

/// An output that knows its call, which creates it.
template <class O> struct output_parameter {
    static constexpr bool is_output = true, nullable = false;
    void load(const given &one) {
        one.is(SDP_DAL_VALUE_OUTPUT, "an output");
        if constexpr (std::is_constructible_v<O, sdp_dal_call *, std::string, std::int64_t>)
            value = O(one.call, std::string(one.bytes()), one.value.int64);
        else
            value = O(one.call, std::string(one.bytes()));
    }
    O &get() { return value; }
    O value{nullptr, {}};
};

template <> struct parameter<table_output> : output_parameter<table_output> {
    static std::string type(const std::string *columns) { return table_type(columns); }
};

template <> struct parameter<object_output> : output_parameter<object_output> {
    static std::string type(const std::string *dims) {
        no_dims(dims, "an object of any kind");
        return "oid";
    }
};

inline std::string tensor_type(std::int32_t dtype, std::size_t ndim, const std::string *dims) {
    if (dims != nullptr && dims->rfind('{', 0) == 0)
        wrong(*dims + " is given, but the C++ type is a tensor: name its dimensions in brackets");
    std::size_t given = 0;
    if (dims != nullptr && !dims->empty()) {
        given = 1;
        for (char letter : *dims) given += letter == ',' ? 1 : 0;
    }
    if (dims == nullptr && ndim != 0)
        wrong("the C++ type is a tensor of " + std::to_string(ndim) +
              " dimensions: name them in brackets");
    if (given != ndim)
        wrong("[" + *dims + "] has " + std::to_string(given) +
              " dimensions, but the C++ type has " + std::to_string(ndim));
    return dtype_name(dtype) + "[" + (dims != nullptr ? *dims : std::string()) + "]";
}

/// Whether it is an output that starts from an input: elements that are there, and may be written.
template <class T> constexpr bool is_started = false;
template <class T, std::size_t N>
constexpr bool is_started<tensor_view<T, N>> = !std::is_const_v<T>;

/// An input, or without const an output that starts from an input.
template <class T, std::size_t N> struct parameter<tensor_view<T, N>> {
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::string *dims) {
        return tensor_type(dtype_of<std::remove_const_t<T>>(), N, dims);
    }
    void load(const given &one) {
        if constexpr (std::is_const_v<T>) {
            one.is(SDP_DAL_VALUE_TENSOR, "a tensor");
            value = typed_view<std::remove_const_t<T>, N>(*one.value.view,
                                                          "parameter " + std::to_string(one.index));
        } else {
            one.is(SDP_DAL_VALUE_OUTPUT, "an output");
            if (one.value.view == nullptr)
                wrong(
                    "output '" + one.name() +
                    "' starts from nothing in this call: it exists already, or the input is null");
            value = writable_view<T, N>(*one.value.view, "output " + std::to_string(one.index));
        }
    }
    tensor_view<T, N> &get() { return value; }
    tensor_view<T, N> value = {};
};

/// In C order, even if the signature of a call has another order.
template <class T, std::size_t N>
struct parameter<dense_view<T, N>> : parameter<tensor_view<T, N>> {
    static_assert(std::is_const_v<T>,
                  "an input is read-only: write dense_view<const T, N>, and output<T, N> for "
                  "what the function is to write");
    using base = parameter<tensor_view<T, N>>;
    void load(const given &one) {
        base::load(one);
        if (!base::value.is_c_contiguous()) {
            std::string name = one.name();
            auto raw = sized<sdp_dal_tensor_view>();
            check(sdp_dal_call_get_tensor(one.call, name.c_str(), SDP_DAL_ORDER_C, &raw));
            base::value = typed_view<std::remove_const_t<T>, N>(raw, "parameter '" + name + "'");
        }
        value = dense_view<T, N>(base::value);
    }
    dense_view<T, N> &get() { return value; }
    dense_view<T, N> value = {};
};

#ifdef __cpp_lib_span
/// One dimension without gaps.
template <class T, std::size_t Size>
struct parameter<std::span<T, Size>> : parameter<dense_view<const T, 1>> {
    static_assert(std::is_const_v<T>, "an input is read-only: write std::span<const T>, and "
                                      "output<T, 1> for what the function is to write");
    static_assert(Size == std::dynamic_extent,
                  "write std::span<const T>, and the size into the name of the parameter: xyz[3]");
    std::span<T> get() { return this->value.span(); }
};
#endif

/// The elements of an input are in the store.
template <class T, class A>
struct parameter<std::vector<T, A>> : parameter<tensor_view<const T, 1>> {
    static_assert(always_false<T>::value,
                  "a std::vector would be a copy of what is in the store: take tensor_view<const "
                  "T, 1>, which has to_vector(), or in C++20 std::span<const T>");
};

/// Whether the type of a parameter requires C order.
template <class T> constexpr bool is_dense = false;
template <class T, std::size_t N> constexpr bool is_dense<dense_view<T, N>> = true;
#ifdef __cpp_lib_span
template <class T> constexpr bool is_dense<std::span<T>> = true;
#endif
template <class T> constexpr bool is_dense<std::optional<T>> = is_dense<T>;

template <class T, std::size_t N> struct parameter<output<T, N>> : output_parameter<output<T, N>> {
    static std::string type(const std::string *dims) { return tensor_type(dtype_of<T>(), N, dims); }
};

template <class T> struct parameter<std::optional<T>> {
    using inner = parameter<T>;
    static constexpr bool is_output = inner::is_output, nullable = true;
    static_assert(!inner::nullable, "std::optional of std::optional has no meaning here");
    static_assert(!is_started<T>,
                  "an input is read-only: write std::optional<tensor_view<const T, N>>, and "
                  "output<T, N> for what the function is to write");
    static std::string type(const std::string *dims) { return inner::type(dims); }
    void load(const given &one) {
        if (one.value.kind == SDP_DAL_VALUE_NULL) return;
        held.load(one);
        value = T(held.get());
    }
    std::optional<T> &get() { return value; }
    inner held = {};
    std::optional<T> value = {};
};

/// "uvw[row,uvw=3] C" taken apart: dims is the text in the brackets, order the text after
/// them. "rows{a: utf8}" too: columns keep their braces.
struct named_dims {
    std::string name;
    std::string dims;
    bool has_dims = false;
    std::string order;
    /// The input that an output starts from: "sum[u,v] = grid".
    std::string from;

    explicit named_dims(std::string text) {
        std::size_t equals =
            text.find('=', text.rfind(']') == std::string::npos ? 0 : text.rfind(']'));
        if (equals != std::string::npos && text.find('{') == std::string::npos) {
            from = text.substr(equals + 1);
            from.erase(0, from.find_first_not_of(' '));
            text.erase(equals);
            text.erase(text.find_last_not_of(' ') + 1);
        }
        std::size_t brace = text.find('{');
        if (brace != std::string::npos) {
            if (text.back() != '}')
                wrong("'" + text + "' is missing its closing brace: write name{column: type}");
            name = text.substr(0, brace);
            dims = text.substr(brace);
            has_dims = true;
            return;
        }
        std::size_t open = text.find('[');
        if (open == std::string::npos) {
            name = text;
            return;
        }
        std::size_t close = text.rfind(']');
        if (close == std::string::npos)
            wrong("'" + text + "' is missing its closing bracket: write name[dim,dim]");
        name = text.substr(0, open);
        dims = text.substr(open + 1, close - open - 1);
        has_dims = true;
        std::size_t word = text.find_first_not_of(' ', close + 1);
        if (word == std::string::npos) return;
        order = text.substr(word);
        if (order != "C" && order != "F")
            wrong("'" + order + "' after the dimensions is not an order: use C or F");
    }
};

} // namespace detail

} // namespace sdp_dal

#endif
