/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds out what a C++ function takes, and calls it with what a call has. */

#ifndef SDP_DAL_FUNCTION_HPP
#define SDP_DAL_FUNCTION_HPP

#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "call.hpp"

namespace sdp_dal {

namespace detail {

template <class T> using bare = std::remove_cv_t<std::remove_reference_t<T>>;

/// How a parameter of a C++ function is written in a signature and read from a call.
///   type(dims)  text of the type; dims is what stands in the brackets, nothing if there are none
///   is_output, nullable
///   load(call, index), then get()
template <class T, class = void> struct parameter {
    static_assert(
        always_false<T>::value,
        "a parameter of a processing function is bool, an integer, float, double, std::string, "
        "std::string_view, tensor_view<const T, N>, output<T, N>, or std::optional of one of "
        "these");
};

inline void no_dims(const std::optional<std::string> &dims, const char *type) {
    if (dims)
        wrong(std::string("[") + *dims + "] is given, but the C++ type is " + type +
              ", which has no dimensions");
}

template <class T> struct parameter<T, std::enable_if_t<std::is_arithmetic_v<T>>> {
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::optional<std::string> &dims) {
        std::string name = dtype_name(dtype_of<T>());
        no_dims(dims, name.c_str());
        return name;
    }
    void load(sdp_dal_call *call, std::size_t index) {
        if constexpr (std::is_same_v<T, bool>) {
            check(sdp_dal_call_get_bool_at(call, index, &value));
        } else if constexpr (std::is_floating_point_v<T>) {
            double wide = 0;
            check(sdp_dal_call_get_double_at(call, index, &wide));
            value = static_cast<T>(wide);
        } else if constexpr (std::is_signed_v<T>) {
            std::int64_t wide = 0;
            check(sdp_dal_call_get_int64_at(call, index, &wide));
            value = static_cast<T>(wide);
        } else {
            std::uint64_t wide = 0;
            check(sdp_dal_call_get_uint64_at(call, index, &wide));
            value = static_cast<T>(wide);
        }
    }
    T &get() { return value; }
    T value = {};
};

template <> struct parameter<std::string> {
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::optional<std::string> &dims) {
        no_dims(dims, "a text");
        return "utf8";
    }
    void load(sdp_dal_call *call, std::size_t index) {
        std::size_t length = 0;
        check(sdp_dal_call_get_string_at(call, index, nullptr, &length));
        value.resize(length);
        check(sdp_dal_call_get_string_at(call, index, &value[0], &length));
        value.resize(length - 1);
    }
    std::string &get() { return value; }
    std::string value = {};
};

template <> struct parameter<std::string_view> : parameter<std::string> {
    std::string_view get() { return value; }
};

inline std::string tensor_type(std::int32_t dtype, std::size_t ndim,
                               const std::optional<std::string> &dims) {
    std::size_t given = 0;
    if (dims && !dims->empty()) {
        given = 1;
        for (char letter : *dims) given += letter == ',' ? 1 : 0;
    }
    if (!dims && ndim != 0)
        wrong("the C++ type is a tensor of " + std::to_string(ndim) +
              " dimensions: name them in brackets");
    if (given != ndim)
        wrong("[" + *dims + "] has " + std::to_string(given) + " dimensions, the C++ type has " +
              std::to_string(ndim));
    return dtype_name(dtype) + "[" + dims.value_or("") + "]";
}

template <class T, std::size_t N> struct parameter<tensor_view<T, N>> {
    static_assert(std::is_const_v<T>,
                  "an input is read-only: write tensor_view<const T, N>, and output<T, N> for "
                  "what the function is to write");
    static constexpr bool is_output = false, nullable = false;
    static std::string type(const std::optional<std::string> &dims) {
        return tensor_type(dtype_of<T>(), N, dims);
    }
    void load(sdp_dal_call *call, std::size_t index) {
        sdp_dal_tensor_view raw;
        check(sdp_dal_tensor_view_init(&raw, sizeof raw));
        check(sdp_dal_call_get_tensor_at(call, index, &raw));
        value = typed_view<std::remove_const_t<T>, N>(raw, "parameter " + std::to_string(index));
    }
    tensor_view<T, N> &get() { return value; }
    tensor_view<T, N> value = {};
};

template <class T, std::size_t N> struct parameter<output<T, N>> {
    static constexpr bool is_output = true, nullable = false;
    static std::string type(const std::optional<std::string> &dims) {
        return tensor_type(dtype_of<T>(), N, dims);
    }
    void load(sdp_dal_call *call, std::size_t index) { value.emplace(call, index); }
    output<T, N> &get() { return *value; }
    std::optional<output<T, N>> value = {};
};

template <class T> struct parameter<std::optional<T>> {
    using inner = parameter<T>;
    static constexpr bool is_output = inner::is_output, nullable = true;
    static_assert(!inner::nullable, "std::optional of std::optional has no meaning here");
    static std::string type(const std::optional<std::string> &dims) { return inner::type(dims); }
    void load(sdp_dal_call *call, std::size_t index) {
        bool is_null = false;
        check(sdp_dal_call_is_null_at(call, index, &is_null));
        if (is_null) return;
        one.load(call, index);
        value = T(one.get());
    }
    std::optional<T> &get() { return value; }
    inner one = {};
    std::optional<T> value = {};
};

/// "uvw[row,uvw=3]" taken apart.
struct named_dims {
    std::string name;
    std::optional<std::string> dims;

    explicit named_dims(const std::string &text) {
        std::size_t open = text.find('[');
        if (open == std::string::npos) {
            name = text;
            return;
        }
        if (text.back() != ']')
            wrong("'" + text + "' lacks its closing bracket: write name[dim,dim]");
        name = text.substr(0, open);
        dims = text.substr(open + 1, text.size() - open - 2);
    }
};

template <class... A>
std::string signature(const std::string &function, const std::vector<std::string> &params) {
    if (params.size() != sizeof...(A))
        wrong(function + ": " + std::to_string(params.size()) +
              " parameters are named, the C++ function has " + std::to_string(sizeof...(A)));
    std::string text = function + "(";
    [[maybe_unused]] std::size_t i = 0;
    [[maybe_unused]] auto add = [&](auto type) {
        using P = parameter<typename decltype(type)::type>;
        const std::string &given = params[i];
        try {
            named_dims one(given);
            if (i != 0) text += ", ";
            text += P::is_output ? "out " : "in ";
            text += one.name + ": " + P::type(one.dims) + (P::nullable ? "?" : "");
        } catch (const error &problem) {
            wrong(function + ": parameter " + std::to_string(i) + " ('" + given +
                  "'): " + problem.what());
        }
        i++;
    };
    (add(std::enable_if<true, bare<A>>{}), ...);
    return text + ")";
}

/// Reads the arguments and calls fn; exceptions pass.
template <class F, class... A, std::size_t... I>
void apply(F &fn, sdp_dal_call *call, std::index_sequence<I...>) {
    [[maybe_unused]] std::tuple<parameter<bare<A>>...> arguments;
    (std::get<I>(arguments).load(call, I), ...);
    fn(static_cast<A>(std::get<I>(arguments).get())...);
}

/// What C calls: no exception gets past this.
template <class F, class... A>
sdp_dal_status trampoline(sdp_dal_call *call, void *user_data) noexcept {
    try {
        apply<F, A...>(*static_cast<F *>(user_data), call, std::index_sequence_for<A...>{});
        return SDP_DAL_OK;
    } catch (const std::exception &problem) {
        sdp_dal_call_fail(call, problem.what());
    } catch (...) {
        sdp_dal_call_fail(call, "the function threw something that is not a std::exception");
    }
    return SDP_DAL_FUNCTION_FAILED;
}

template <class F> void drop(void *user_data) noexcept { delete static_cast<F *>(user_data); }

template <class A> constexpr bool is_output_reference = false;
template <class T, std::size_t N> constexpr bool is_output_reference<output<T, N>> = true;
template <class T> constexpr bool is_output_reference<std::optional<T>> = is_output_reference<T>;

/// The parameters of a function.
template <class... A> struct parameters {
    static_assert(((!std::is_lvalue_reference_v<A> || std::is_const_v<std::remove_reference_t<A>> ||
                    is_output_reference<bare<A>>)&&...),
                  "a processing function gets its inputs by value or by const reference; only "
                  "output<T, N> may be "
                  "a reference that is not const");
    static_assert(
        (!std::is_pointer_v<bare<A>> && ...),
        "a processing function takes tensor_view<const T, N> or output<T, N>, not a pointer");

    static std::string text(const std::string &name, const std::vector<std::string> &params) {
        return signature<A...>(name, params);
    }

    template <class F>
    static void add(sdp_dal_processor *processor, const std::string &name,
                    const std::vector<std::string> &params, F fn) {
        std::string text = signature<A...>(name, params);
        auto kept = std::make_unique<F>(std::move(fn));
        check(sdp_dal_processor_register(processor, text.c_str(), trampoline<F, A...>, kept.get(),
                                         drop<F>));
        // The library calls drop() from now on.
        (void)kept.release();
    }
};

/// Finds the parameters of whatever can be called.
template <class F, class = void> struct deduce {
    static_assert(always_false<F>::value, "a processing function is a function, or an object with "
                                          "one operator() that is no template");
};
template <class R, class... A> struct deduce<R (*)(A...)> {
    static_assert(std::is_void_v<R>,
                  "a processing function returns void: results go to output<T, N> parameters");
    using type = parameters<A...>;
};
template <class R, class... A> struct deduce<R (*)(A...) noexcept> : deduce<R (*)(A...)> {};
template <class C, class R, class... A> struct deduce<R (C::*)(A...)> : deduce<R (*)(A...)> {};
template <class C, class R, class... A>
struct deduce<R (C::*)(A...) const> : deduce<R (*)(A...)> {};
template <class C, class R, class... A>
struct deduce<R (C::*)(A...) noexcept> : deduce<R (*)(A...)> {};
template <class C, class R, class... A>
struct deduce<R (C::*)(A...) const noexcept> : deduce<R (*)(A...)> {};
template <class F>
struct deduce<F, std::void_t<decltype(&F::operator())>> : deduce<decltype(&F::operator())> {};

/// A function known at compile time, as an object.
template <auto Fn> struct fixed {
    template <class... A> void operator()(A &&...arguments) const {
        Fn(std::forward<A>(arguments)...);
    }
};

} // namespace detail

/// The signature that processor::add() makes of a C++ function and the names of its parameters: a
/// caller can use the same text.
template <auto Fn>
std::string signature_of(const std::string &name, const std::vector<std::string> &params) {
    return detail::deduce<std::decay_t<decltype(Fn)>>::type::text(name, params);
}

} // namespace sdp_dal

#endif
