/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds out what a C++ function takes, and calls it with what a call has. */

#ifndef SDP_DAL_FUNCTION_HPP
#define SDP_DAL_FUNCTION_HPP

#include <exception>
#include <tuple>
#include <utility>

#include "call.hpp"

namespace sdp_dal {

namespace detail {

template <class... A>
std::string signature(const std::string &function, const std::vector<std::string> &params) {
    if (params.size() != sizeof...(A))
        wrong(function + ": " + std::to_string(params.size()) +
              " parameters are named, but the C++ function has " + std::to_string(sizeof...(A)));
    std::string text = function + "(";
    [[maybe_unused]] std::size_t i = 0;
    [[maybe_unused]] auto add = [&](auto type) {
        using P = parameter<typename decltype(type)::type>;
        const std::string &given = params[i];
        try {
            named_dims one(given);
            if (i != 0) text += ", ";
            if (is_started<typename decltype(type)::type> != !one.from.empty())
                wrong(
                    "a tensor_view<T, N> that is not const is an output that starts from an input, "
                    "and no other is: name both, as \"sum[u,v] = grid\"");
            if (!one.from.empty()) {
                std::string both = P::type(one.has_dims ? &one.dims : nullptr);
                if (!one.order.empty()) both += " " + one.order;
                text += "in " + one.from + ": " + both + ", out " + one.name + ": " + both + " = " +
                        one.from;
                i++;
                return;
            }
            text += P::is_output ? "out " : "in ";
            text += one.name + ": " + P::type(one.has_dims ? &one.dims : nullptr);
            if (is_dense<typename decltype(type)::type> && one.order.empty()) one.order = "C";
            if (is_dense<typename decltype(type)::type> && one.order != "C")
                wrong("a dense_view or a span is in C order: take tensor_view<const T, N>");
            if (!one.order.empty()) text += " " + one.order;
            if (P::nullable) text += "?";
        } catch (const error &problem) {
            wrong(function + ": parameter " + std::to_string(i) + " ('" + given +
                  "'): " + problem.what());
        }
        i++;
    };
    (add(std::enable_if<true, bare<A>>{}), ...);
    return text + ")";
}

/// Where the parameters of a C++ function begin in its signature, and how many there are: an output
/// that starts from an input stands for both, the input first.
template <class... A> constexpr std::array<std::size_t, sizeof...(A) + 1> places() {
    std::array<std::size_t, sizeof...(A) + 1> at{};
    [[maybe_unused]] std::size_t i = 0;
    ((at[i + 1] = at[i] + (is_started<bare<A>> ? 2 : 1), i++), ...);
    return at;
}

/// Reads the arguments and calls fn. Does not catch exceptions.
template <bool WithCall, class F, class... A, std::size_t... I>
void apply(F &fn, sdp_dal_call *handle, std::index_sequence<I...>) {
    [[maybe_unused]] std::tuple<parameter<bare<A>>...> arguments;
    if constexpr (sizeof...(A) > 0) {
        constexpr auto at = places<A...>();
        sdp_dal_value values[at[sizeof...(A)]];
        check(sdp_dal_call_values(handle, values, at[sizeof...(A)]));
        // The last of those of a parameter is the output.
        (std::get<I>(arguments).load({handle, at[I + 1] - 1, values[at[I + 1] - 1]}), ...);
    }
    if constexpr (WithCall) {
        call borrowed(handle, false);
        fn(borrowed, static_cast<A>(std::get<I>(arguments).get())...);
    } else {
        fn(static_cast<A>(std::get<I>(arguments).get())...);
    }
}

/// The function that C calls. No exception leaves it.
template <bool WithCall, class F, class... A>
sdp_dal_status trampoline(sdp_dal_call *call, void *user_data) noexcept {
    auto failed = [call](sdp_dal_status status, const char *text) {
        // If not even that works, the status alone tells.
        (void)sdp_dal_call_fail(call, status, text);
        return status;
    };
    try {
        apply<WithCall, F, A...>(*static_cast<F *>(user_data), call,
                                 std::index_sequence_for<A...>{});
        return SDP_DAL_OK;
    } catch (const cancelled &problem) {
        return failed(SDP_DAL_CANCELLED, problem.what());
    } catch (const std::exception &problem) {
        return failed(SDP_DAL_FUNCTION_FAILED, problem.what());
    } catch (...) {
        return failed(SDP_DAL_FUNCTION_FAILED,
                      "the function threw something that is not a std::exception");
    }
}

template <class F> void drop(void *user_data) noexcept { delete static_cast<F *>(user_data); }

template <class A> constexpr bool is_output_reference = false;
template <class T, std::size_t N> constexpr bool is_output_reference<output<T, N>> = true;
template <> inline constexpr bool is_output_reference<table_output> = true;
template <> inline constexpr bool is_output_reference<object_output> = true;
template <class T> constexpr bool is_output_reference<std::optional<T>> = is_output_reference<T>;

/// Runs the calls of F, and owns F until it is registered.
template <class F> struct registration {
    sdp_dal_function function;
    boxed<F> kept;

    void with(sdp_dal_processor *processor, const std::string &signature, std::uint32_t flags) {
        auto options = sized<sdp_dal_function_options>();
        options.flags = flags;
        check(sdp_dal_processor_register(processor, detail::text(signature), &options, function,
                                         kept.get(), drop<F>));
        // The library calls drop() from now on.
        (void)kept.release();
    }
};

/// The parameters of a function. WithCall: they come after the call itself.
template <bool WithCall, class... A> struct parameters {
    static_assert(((!std::is_lvalue_reference_v<A> || std::is_const_v<std::remove_reference_t<A>> ||
                    is_output_reference<bare<A>>)&&...),
                  "a processing function gets its inputs by value or by const reference; only "
                  "output<T, N> may be a reference that is not const, and call &, the first one");
    static_assert(
        (!std::is_pointer_v<bare<A>> && ...),
        "a processing function takes tensor_view<const T, N> or output<T, N>, not a pointer");

    static std::string text(const std::string &name, const std::vector<std::string> &params) {
        return signature<A...>(name, params);
    }

    template <class F>
    static void add(sdp_dal_processor *processor, const std::string &name,
                    const std::vector<std::string> &params, std::uint32_t flags, F fn) {
        registration<F>{trampoline<WithCall, F, A...>, boxed<F>(new F(std::move(fn)))}.with(
            processor, signature<A...>(name, params), flags);
    }
};

/// Finds the parameters of anything that can be called.
template <class F, class = void> struct deduce {
    static_assert(always_false<F>::value, "a processing function is a function, or an object with "
                                          "one operator() that is no template");
};
template <class R, class... A> struct deduce<R (*)(A...)> {
    static_assert(std::is_void_v<R>,
                  "a processing function returns void: results go to output<T, N> parameters");
    using type = parameters<false, A...>;
};
template <class R, class... A> struct deduce<R (*)(call &, A...)> {
    static_assert(std::is_void_v<R>,
                  "a processing function returns void: results go to output<T, N> parameters");
    using type = parameters<true, A...>;
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

/// Returns the signature that processor::add() creates from a C++ function and the names of its
/// parameters. A caller can use the same text.
template <auto Fn>
std::string signature_of(const std::string &name, const std::vector<std::string> &params) {
    return detail::deduce<std::decay_t<decltype(Fn)>>::type::text(name, params);
}

} // namespace sdp_dal

#endif
