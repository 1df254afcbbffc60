/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * C++17 over sdp_dal.h, header only. What sdp_dal.h says about threads, blocking and the life of
 * bytes holds here too.
 *
 * Handles are objects that end themselves: move-only, apart from ref, which is shared. raw() gives
 * the C handle, still owned by the object. What fails throws sdp_dal::error (or a class derived
 * from it); no destructor throws.
 *
 *   void simple_fn(std::int64_t x, sdp_dal::tensor_view<const std::int64_t, 1> ys,
 *                  sdp_dal::output<std::int64_t, 1> &zs) {
 *       auto out = zs.create(ys.shape());
 *       for (std::int64_t i = 0; i < ys.shape(0); i++) out(i) = x + ys(i);
 *   }
 *
 *   sdp_dal::processor processor("/tmp/plasma", "SimpleProcessor");
 *   processor.add<simple_fn>("simple_fn", {"x", "ys[i]", "zs[i]"});
 *   while (true) processor.process();
 */

#ifndef SDP_DAL_HPP
#define SDP_DAL_HPP

#include <array>
#include <chrono>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sdp_dal.h"

namespace sdp_dal {

// ---- errors ----

/// What a function of the library reported: its status, and its sentence as what().
class error : public std::runtime_error {
public:
    error(sdp_dal_status status, const std::string &text)
        : std::runtime_error(text), status_(status) {}
    sdp_dal_status status() const noexcept { return status_; }

private:
    sdp_dal_status status_;
};

/// SDP_DAL_TIMEOUT
class timeout_error : public error {
    using error::error;
};

/// SDP_DAL_PROCESSOR_LOST
class processor_lost : public error {
    using error::error;
};

/// SDP_DAL_INTERRUPTED
class interrupted : public error {
    using error::error;
};

/// SDP_DAL_INVALID_ARGUMENT
class invalid_argument : public error {
    using error::error;
};

namespace detail {

/// Runs a C function that copies a text out: fn(buffer, &length).
template <class F> std::string text_of(F &&fn) {
    std::string text;
    std::size_t length = 0;
    // The text may grow between two calls, if another thread changes what it tells.
    while (true) {
        std::size_t room = text.size();
        length = room;
        if (fn(room == 0 ? nullptr : &text[0], &length) != SDP_DAL_OK || length == 0) return {};
        if (length <= room) break;
        text.resize(length);
    }
    text.resize(length - 1);
    return text;
}

[[noreturn]] inline void fail(sdp_dal_status status, const std::string &text) {
    switch (status) {
    case SDP_DAL_TIMEOUT:
        throw timeout_error(status, text);
    case SDP_DAL_PROCESSOR_LOST:
        throw processor_lost(status, text);
    case SDP_DAL_INTERRUPTED:
        throw interrupted(status, text);
    case SDP_DAL_INVALID_ARGUMENT:
        throw invalid_argument(status, text);
    default:
        throw error(status, text);
    }
}

[[noreturn]] inline void wrong(const std::string &text) { fail(SDP_DAL_INVALID_ARGUMENT, text); }

inline void check(sdp_dal_status status) {
    if (status == SDP_DAL_OK) return;
    std::string text = text_of(sdp_dal_last_error);
    fail(status, text.empty() ? std::string(sdp_dal_status_name(status)) : text);
}

} // namespace detail

// ---- time ----

/// How long to wait; made from any std::chrono duration.
using timeout = std::chrono::nanoseconds;
/// Until it happens, the producer dies, or somebody interrupts.
inline constexpr timeout forever{-1};
/// Look once, do not wait.
inline constexpr timeout poll{0};

// ---- element types ----

namespace detail {

template <class T> struct always_false : std::false_type {};

template <class T> constexpr std::int32_t dtype_of() {
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_same_v<U, bool>) {
        return SDP_DAL_BOOL;
    } else if constexpr (std::is_same_v<U, float>) {
        return SDP_DAL_FLOAT32;
    } else if constexpr (std::is_same_v<U, double>) {
        return SDP_DAL_FLOAT64;
    } else if constexpr (std::is_same_v<U, std::complex<float>>) {
        return SDP_DAL_COMPLEX64;
    } else if constexpr (std::is_same_v<U, std::complex<double>>) {
        return SDP_DAL_COMPLEX128;
    } else if constexpr (std::is_integral_v<U> && !std::is_same_v<U, char> &&
                         !std::is_same_v<U, wchar_t> && !std::is_same_v<U, char16_t> &&
                         !std::is_same_v<U, char32_t>) {
        constexpr bool is_signed = std::is_signed_v<U>;
        switch (sizeof(U)) {
        case 1:
            return is_signed ? SDP_DAL_INT8 : SDP_DAL_UINT8;
        case 2:
            return is_signed ? SDP_DAL_INT16 : SDP_DAL_UINT16;
        case 4:
            return is_signed ? SDP_DAL_INT32 : SDP_DAL_UINT32;
        default:
            return is_signed ? SDP_DAL_INT64 : SDP_DAL_UINT64;
        }
    } else {
        static_assert(always_false<T>::value,
                      "the elements of a tensor are bool, integers of 8 to 64 bits, float, double, "
                      "std::complex<float> or std::complex<double>");
        return 0;
    }
}

inline std::string dtype_name(std::int32_t dtype) { return sdp_dal_dtype_name(dtype); }

inline std::string hex(const std::uint8_t *bytes, std::size_t size) {
    static const char digits[] = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < size; i++) {
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return text;
}

} // namespace detail

// ---- views ----

/// Elements of type T with N indices that lie somewhere: owns nothing. T const means read-only.
/// Strides are in bytes and may be negative.
template <class T, std::size_t N> class tensor_view {
    static_assert(N <= SDP_DAL_MAX_DIMS, "a tensor has at most SDP_DAL_MAX_DIMS dimensions");
    static_assert(detail::dtype_of<T>() != 0);
    using byte = std::conditional_t<std::is_const_v<T>, const char, char>;

public:
    using element_type = T;
    using shape_type = std::array<std::int64_t, N>;
    static constexpr std::size_t ndim = N;

    /// No elements.
    tensor_view() : data_(nullptr), shape_{}, strides_{} {
        if constexpr (N > 0) set_c_strides();
    }

    /// Elements in C order without gaps.
    tensor_view(T *data, shape_type shape) : data_(data), shape_(shape), strides_{} {
        if constexpr (N > 0) set_c_strides();
    }

    /// Elements in any layout.
    tensor_view(T *data, shape_type shape, shape_type byte_strides)
        : data_(data), shape_(shape), strides_(byte_strides) {}

    /// A read-only view of what can be written.
    template <class U, std::enable_if_t<std::is_same_v<const U, T> && !std::is_const_v<U>, int> = 0>
    tensor_view(const tensor_view<U, N> &other)
        : data_(other.data()), shape_(other.shape()), strides_(other.strides()) {}

    T *data() const { return data_; }
    shape_type shape() const { return shape_; }
    std::int64_t shape(std::size_t i) const { return shape_[i]; }
    /// In bytes.
    shape_type strides() const { return strides_; }
    /// In bytes.
    std::int64_t stride(std::size_t i) const { return strides_[i]; }

    /// Number of elements.
    std::size_t size() const {
        std::size_t size = 1;
        for (std::int64_t dim : shape_) size *= static_cast<std::size_t>(dim);
        return size;
    }

    /// Whether the elements follow each other in C order without gaps.
    bool is_c_contiguous() const {
        std::int64_t step = sizeof(T);
        for (std::size_t i = N; i-- > 0;) {
            if (shape_[i] == 0) return true;
            if (shape_[i] != 1 && strides_[i] != step) return false;
            step *= shape_[i];
        }
        return true;
    }

    /// The element with these indices; they are not checked.
    template <class... I> T &operator()(I... indices) const {
        static_assert(sizeof...(I) == N,
                      "an element has as many indices as the tensor has dimensions");
        static_assert((std::is_integral_v<I> && ...), "indices are integers");
        std::int64_t offset = 0;
        [[maybe_unused]] std::size_t i = 0;
        ((offset += static_cast<std::int64_t>(indices) * strides_[i++]), ...);
        return *reinterpret_cast<T *>(reinterpret_cast<byte *>(data_) + offset);
    }

private:
    void set_c_strides() {
        std::int64_t step = sizeof(T);
        for (std::size_t i = N; i-- > 0;) {
            strides_[i] = step;
            step *= shape_[i];
        }
    }

    T *data_;
    shape_type shape_;
    shape_type strides_;
};

namespace detail {

/// The C view of a view, and the names it points to.
class c_view {
public:
    template <class T, std::size_t N>
    c_view(const tensor_view<T, N> &view, const std::vector<std::string> &dims)
        : shape_{}, strides_{}, names_{} {
        if (!dims.empty() && dims.size() != N)
            wrong("a tensor of " + std::to_string(N) + " dimensions got " +
                  std::to_string(dims.size()) + " names");
        for (std::size_t i = 0; i < N; i++) {
            shape_[i] = view.shape(i);
            strides_[i] = view.stride(i);
            if (!dims.empty()) names_[i] = dims[i].c_str();
        }
        check(sdp_dal_tensor_view_init(&view_, sizeof view_));
        view_.data = view.data();
        view_.shape = shape_;
        view_.strides = strides_;
        view_.dim_names = dims.empty() ? nullptr : names_;
        view_.dtype = dtype_of<T>();
        view_.ndim = static_cast<std::int32_t>(N);
    }
    c_view(const c_view &) = delete;
    c_view &operator=(const c_view &) = delete;

    const sdp_dal_tensor_view *get() const { return &view_; }

private:
    sdp_dal_tensor_view view_;
    std::int64_t shape_[SDP_DAL_MAX_DIMS];
    std::int64_t strides_[SDP_DAL_MAX_DIMS];
    const char *names_[SDP_DAL_MAX_DIMS];
};

/// A C view as a typed one; what is the tensor in messages.
template <class T, std::size_t N>
tensor_view<const T, N> typed_view(const sdp_dal_tensor_view &view, const std::string &what) {
    if (view.dtype != dtype_of<T>() || view.ndim != static_cast<std::int32_t>(N))
        wrong(what + " has " + std::to_string(view.ndim) + " dimensions of " +
              dtype_name(view.dtype) + ", " + std::to_string(N) + " of " +
              dtype_name(dtype_of<T>()) + " are asked for");
    std::array<std::int64_t, N> shape{}, strides{};
    for (std::size_t i = 0; i < N; i++) {
        shape[i] = view.shape[i];
        strides[i] = view.strides[i];
    }
    return {static_cast<const T *>(view.data), shape, strides};
}

template <class H, void (*End)(H *)> struct ender {
    void operator()(H *handle) const noexcept { End(handle); }
};
template <class H, void (*End)(H *)> using owned = std::unique_ptr<H, ender<H, End>>;

} // namespace detail

// ---- tensors and references ----

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

// ---- the store ----

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

// ---- calling ----

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

struct caller_options {
    /// Fewer compatible processors are an error.
    std::uint64_t minimum_processors = 1;
    /// First bytes of the prefixes to use.
    std::string processor_prefix = {};
    /// How long to wait for the processors, and for room when max_in_flight is reached.
    timeout wait = poll;
    /// Most unfinished calls per processor; 0: no limit.
    std::uint64_t max_in_flight = 0;
};

/// Name and prefix (8 hexadecimal digits) of a processor.
struct found_processor {
    std::string name;
    std::string prefix;
};

/// Finds processors and issues calls.
class caller {
public:
    caller(store &store, const std::vector<std::string> &signatures,
           const caller_options &options = {}) {
        std::vector<const char *> texts;
        for (const std::string &signature : signatures) texts.push_back(signature.c_str());
        sdp_dal_caller_options raw;
        detail::check(sdp_dal_caller_options_init(&raw, sizeof raw));
        raw.minimum_processors = options.minimum_processors;
        raw.processor_prefix =
            reinterpret_cast<const std::uint8_t *>(options.processor_prefix.data());
        raw.processor_prefix_size = options.processor_prefix.size();
        raw.timeout_ns = options.wait.count();
        raw.max_in_flight = options.max_in_flight;
        sdp_dal_caller *handle = nullptr;
        detail::check(sdp_dal_caller_open(store.raw(), texts.data(), texts.size(), &raw, &handle));
        handle_.reset(handle);
    }

    /// Issues a call, and does not wait for it.
    results call(const std::string &function, const args &arguments) {
        sdp_dal_results *handle = nullptr;
        detail::check(sdp_dal_caller_call(raw(), function.c_str(), arguments.raw(), &handle));
        return results(handle);
    }

    /// Looks again for processors; their number.
    std::size_t find_processors(timeout time = poll) {
        std::size_t count = 0;
        detail::check(sdp_dal_caller_find_processors(raw(), time.count(), &count));
        return count;
    }

    std::size_t num_processors() const { return sdp_dal_caller_num_processors(raw()); }

    std::vector<found_processor> processors() const {
        std::vector<found_processor> found;
        for (std::size_t i = 0; i < num_processors(); i++) {
            std::uint8_t prefix[SDP_DAL_PREFIX_SIZE] = {};
            std::string name = detail::text_of([&](char *buffer, std::size_t *length) {
                return sdp_dal_caller_processor(raw(), i, prefix, buffer, length);
            });
            found.push_back({std::move(name), detail::hex(prefix, sizeof prefix)});
        }
        return found;
    }

    sdp_dal_caller *raw() const { return handle_.get(); }

private:
    detail::owned<sdp_dal_caller, sdp_dal_caller_close> handle_;
};

// ---- processing ----

/// An output of a processing function: it knows its shape, so it asks for the memory.
template <class T, std::size_t N> class output {
    static_assert(!std::is_const_v<T>, "an output is written: its elements are not const");
    static_assert(detail::dtype_of<T>() != 0);

public:
    output(sdp_dal_call *call, std::size_t index) : call_(call), index_(index) {}

    /// Memory in the store, C order, not zeroed unless asked for; sealed when the function returns.
    tensor_view<T, N> create(std::array<std::int64_t, N> shape, bool zeroed = false) {
        sdp_dal_output_options options;
        detail::check(sdp_dal_output_options_init(&options, sizeof options));
        options.flags = zeroed ? std::uint32_t{SDP_DAL_TENSOR_ZEROED} : 0u;
        void *data = nullptr;
        detail::check(sdp_dal_call_create_tensor_with_at(
            call_, index_, static_cast<std::int32_t>(N), shape.data(), &options, &data));
        return {static_cast<T *>(data), shape};
    }

    /// Copies a tensor.
    template <class U> void put(const tensor_view<U, N> &value) {
        static_assert(std::is_same_v<std::remove_const_t<U>, T>,
                      "the output has another element type");
        detail::check(sdp_dal_call_put_tensor_at(call_, index_, detail::c_view(value, {}).get()));
    }

    /// Makes it visible before the function returns.
    void seal() { detail::check(sdp_dal_call_seal_at(call_, index_)); }

private:
    sdp_dal_call *call_;
    std::size_t index_;
};

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

struct processor_options {
    /// First bytes of the prefix.
    std::string prefix = {};
};

/// Offers functions and runs their calls.
class processor {
public:
    /// A processor in the store at a path.
    processor(const std::string &path, const std::string &name,
              const processor_options &options = {})
        : own_(std::make_unique<store>(path, named(name))), store_(own_->raw()) {
        open(name, options);
    }

    /// A processor in a store, which must live as long as it.
    processor(store &in, const std::string &name, const processor_options &options = {})
        : store_(in.raw()) {
        open(name, options);
    }

    /// Offers the function Fn under a name. params names its parameters in their order, tensors
    /// with their dimensions: {"x", "ys[i]", "uvw[row,uvw=3]"}. Kinds and types come from the C++
    /// function.
    template <auto Fn> void add(const std::string &name, const std::vector<std::string> &params) {
        detail::deduce<std::decay_t<decltype(Fn)>>::type::add(raw(), name, params,
                                                              detail::fixed<Fn>{});
    }

    /// The same for anything that can be called: a lambda with its state, for instance. It lives
    /// until the processor is closed.
    template <class F>
    void add(const std::string &name, const std::vector<std::string> &params, F &&fn) {
        using D = std::decay_t<F>;
        detail::deduce<D>::type::add(raw(), name, params, D(std::forward<F>(fn)));
    }

    /// Publishes the functions. The first process() does it too.
    void start() { detail::check(sdp_dal_processor_start(raw())); }

    /// Runs one call; false if none came in time.
    bool process(timeout time = forever) {
        sdp_dal_status status = sdp_dal_processor_process(raw(), time.count());
        if (status == SDP_DAL_TIMEOUT) return false;
        detail::check(status);
        return true;
    }

    /// Ends all waiting in this process on the processor's store while on. From any thread or
    /// signal handler.
    void interrupt(bool on = true) { detail::check(sdp_dal_store_interrupt(store_, on)); }

    /// The prefix in 8 hexadecimal digits; starts the processor.
    std::string prefix() const {
        std::uint8_t bytes[SDP_DAL_PREFIX_SIZE];
        detail::check(sdp_dal_processor_prefix(raw(), bytes));
        return detail::hex(bytes, sizeof bytes);
    }

    std::string name() const {
        return detail::text_of([&](char *buffer, std::size_t *length) {
            return sdp_dal_processor_name(raw(), buffer, length);
        });
    }

    sdp_dal_processor *raw() const { return handle_.get(); }

private:
    static store_options named(const std::string &name) {
        store_options options;
        options.name = name;
        return options;
    }

    void open(const std::string &name, const processor_options &options) {
        sdp_dal_processor_options raw;
        detail::check(sdp_dal_processor_options_init(&raw, sizeof raw));
        raw.name = name.empty() ? nullptr : name.c_str();
        raw.prefix = reinterpret_cast<const std::uint8_t *>(options.prefix.data());
        raw.prefix_size = options.prefix.size();
        sdp_dal_processor *handle = nullptr;
        detail::check(sdp_dal_processor_open(store_, &raw, &handle));
        handle_.reset(handle);
    }

    // Ended in the opposite order: the processor first.
    std::unique_ptr<store> own_;
    sdp_dal_store *store_;
    detail::owned<sdp_dal_processor, sdp_dal_processor_close> handle_;
};

} // namespace sdp_dal

#endif
