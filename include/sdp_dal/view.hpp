/* SPDX-License-Identifier: BSD-3-Clause */
/* Element types, and views of elements that lie somewhere. */

#ifndef SDP_DAL_VIEW_HPP
#define SDP_DAL_VIEW_HPP

#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <type_traits>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif

#include "error.hpp"

/* DLPack's structs; include its header to use them. */
struct DLManagedTensor;
struct DLManagedTensorVersioned;

namespace sdp_dal {

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

/// A container of contiguous elements, and whether it owns them.
template <class C> struct elements_of {
    using type = void;
    static constexpr bool owns = false;
};
template <class T, class A> struct elements_of<std::vector<T, A>> {
    using type = T;
    static constexpr bool owns = true;
};
template <class T, std::size_t Size> struct elements_of<std::array<T, Size>> {
    using type = T;
    static constexpr bool owns = true;
};
// An array of char is a text.
template <class T, std::size_t Size> struct elements_of<T[Size]> {
    using type = std::conditional_t<std::is_arithmetic_v<T> && !std::is_same_v<T, char>, T, void>;
    static constexpr bool owns = true;
};
template <class T, std::size_t Size>
struct elements_of<std::complex<T>[Size]> {
    using type = std::complex<T>;
    static constexpr bool owns = true;
};
#ifdef __cpp_lib_span
template <class T, std::size_t Size> struct elements_of<std::span<T, Size>> {
    using type = std::remove_cv_t<T>;
    static constexpr bool owns = false;
};
#endif

template <class C> using element_of = typename elements_of<std::remove_cv_t<C>>::type;

/// A std::vector, a std::array, a std::span or an array of C with an element type of tensors.
/// Vectors of bytes are the values of binary parameters.
template <class C>
constexpr bool has_elements =
    !std::is_void_v<element_of<C>> && !std::is_same_v<element_of<C>, std::byte>;

template <class C> using if_elements = std::enable_if_t<has_elements<C>, int>;
template <class C>
using if_owner = std::enable_if_t<has_elements<C> && elements_of<std::remove_cv_t<C>>::owns, int>;
template <class C>
using if_span = std::enable_if_t<has_elements<C> && !elements_of<std::remove_cv_t<C>>::owns, int>;

/// The first element of a container.
template <class C> auto *first_of(C &elements) {
    constexpr bool bits = std::is_same_v<std::remove_cv_t<C>, std::vector<bool>>;
    static_assert(!bits, "a std::vector<bool> has no elements in memory: fill a tensor of bool in "
                         "the store, or pass a std::vector<std::uint8_t>");
    if constexpr (bits) {
        return static_cast<bool *>(nullptr);
    } else {
        return std::data(elements);
    }
}

/// Visits the elements of a view in C order.
template <class T, std::size_t N> class element_iterator {
    using byte = std::conditional_t<std::is_const_v<T>, const char, char>;

public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = std::remove_const_t<T>;
    using difference_type = std::ptrdiff_t;
    using pointer = T *;
    using reference = T &;

    element_iterator() = default;
    element_iterator(T *first, std::array<std::int64_t, N> shape,
                     std::array<std::int64_t, N> strides, std::size_t left)
        : at_(first), left_(left), shape_(shape), strides_(strides) {}

    T &operator*() const { return *at_; }
    T *operator->() const { return at_; }
    element_iterator &operator++() {
        // Behind the last element the address does not matter.
        if (--left_ == 0) return *this;
        for (std::size_t i = N; i-- > 0;) {
            if (++index_[i] < shape_[i]) {
                step(strides_[i]);
                break;
            }
            index_[i] = 0;
            step((1 - shape_[i]) * strides_[i]);
        }
        return *this;
    }
    element_iterator operator++(int) {
        element_iterator before = *this;
        ++*this;
        return before;
    }
    friend bool operator==(const element_iterator &a, const element_iterator &b) {
        return a.left_ == b.left_;
    }
    friend bool operator!=(const element_iterator &a, const element_iterator &b) {
        return a.left_ != b.left_;
    }

private:
    void step(std::int64_t bytes) {
        at_ = reinterpret_cast<T *>(reinterpret_cast<byte *>(at_) + bytes);
    }

    T *at_ = nullptr;
    /// How many elements are left.
    std::size_t left_ = 0;
    std::array<std::int64_t, N> shape_{}, strides_{}, index_{};
};

} // namespace detail

template <class T, std::size_t N> class dense_view;

/// A view of elements of type T in N dimensions. It owns nothing. A const T means read-only.
/// Strides are in bytes and may be negative.
///
/// A tensor in a store is in C or in F order, as it was written. Code that needs one of them must
/// request it. As a parameter of a processing function, dense_view<const T, N> is in C order.
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

    /// A read-only view of a view that can be written.
    template <class U, std::enable_if_t<std::is_same_v<const U, T> && !std::is_const_v<U>, int> = 0>
    tensor_view(const tensor_view<U, N> &other)
        : data_(other.first()), shape_(other.shape()), strides_(other.strides()) {}

    /// A view of a vector or an array, which must outlive the view.
    template <class C, detail::if_owner<C> = 0>
    tensor_view(C &elements)
        : tensor_view(detail::first_of(elements),
                      {static_cast<std::int64_t>(std::size(elements))}) {
        static_assert(N == 1, "a vector or an array is a tensor of one dimension");
    }
    template <class C, detail::if_owner<C> = 0> tensor_view(const C &&) = delete;
    /// A view of a span, whose elements must outlive the view.
    template <class C, detail::if_span<C> = 0>
    tensor_view(const C &elements)
        : tensor_view(elements.data(), {static_cast<std::int64_t>(elements.size())}) {
        static_assert(N == 1, "a span is a tensor of one dimension");
    }

    /// The element whose indices are all 0. The addresses of the others follow from strides(), so
    /// use both together.
    T *first() const { return data_; }

    /// The elements in C order without gaps, for code that ignores strides. Throws if they are in
    /// another layout.
    T *data() const {
        static_assert(
            N < 2 || !std::is_const_v<T>,
            "what a tensor_view<const T, N> of several dimensions shows may be in C or in F "
            "order: take a dense_view<const T, N>, which has data(), or use first() with "
            "strides()");
        if (!is_c_contiguous())
            detail::wrong("the elements of the tensor are not in C order without gaps: use "
                          "first() with strides()");
        return data_;
    }

    shape_type shape() const { return shape_; }
    std::int64_t shape(std::size_t i) const { return shape_[i]; }
    /// The shape in the type that C++ libraries use.
    std::array<std::size_t, N> extents() const {
        std::array<std::size_t, N> sizes{};
        for (std::size_t i = 0; i < N; i++) sizes[i] = static_cast<std::size_t>(shape_[i]);
        return sizes;
    }
    /// In bytes.
    shape_type strides() const { return strides_; }
    /// In bytes.
    std::int64_t stride(std::size_t i) const { return strides_[i]; }
    /// The strides in elements, as C++ libraries count them. Throws if a stride is no multiple of
    /// the size of an element, as in a column of structs.
    std::array<std::ptrdiff_t, N> element_strides() const {
        constexpr auto size = static_cast<std::int64_t>(sizeof(T));
        std::array<std::ptrdiff_t, N> steps{};
        for (std::size_t i = 0; i < N; i++) {
            // That of a single element leads nowhere.
            if (shape_[i] > 1 && strides_[i] % size != 0)
                detail::wrong("the stride of dimension " + std::to_string(i) + " is " +
                              std::to_string(strides_[i]) + " bytes, not a multiple of the " +
                              std::to_string(size) +
                              " bytes of an element: copy the elements with to_vector()");
            steps[i] = static_cast<std::ptrdiff_t>(strides_[i] / size);
        }
        return steps;
    }

    /// Number of elements.
    std::size_t size() const {
        std::size_t size = 1;
        for (std::int64_t dim : shape_) size *= static_cast<std::size_t>(dim);
        return size;
    }

    /// Whether the elements are in C order without gaps.
    bool is_c_contiguous() const {
        std::int64_t step = sizeof(T);
        for (std::size_t i = N; i-- > 0;) {
            if (shape_[i] == 0) return true;
            if (shape_[i] != 1 && strides_[i] != step) return false;
            step *= shape_[i];
        }
        return true;
    }

    /// The same elements as a view that is known to be in C order without gaps. Throws if they are
    /// in another layout.
    dense_view<T, N> dense() const { return dense_view<T, N>(*this); }
#ifdef __cpp_lib_span
    /// The elements of a view of one dimension. Throws if there are gaps between them.
    std::span<T> span() const {
        static_assert(N == 1, "a span has one dimension: dense().span() has the elements of "
                              "several, in C order");
        return {data(), size()};
    }
#endif

    /// Visits the elements in C order: for (double x : view).
    detail::element_iterator<T, N> begin() const { return {data_, shape_, strides_, size()}; }
    detail::element_iterator<T, N> end() const { return {}; }

    /// Returns a copy of the elements, in C order.
    std::vector<std::remove_const_t<T>> to_vector() const {
        std::vector<std::remove_const_t<T>> elements;
        elements.reserve(size());
        for (T &element : *this) elements.push_back(element);
        return elements;
    }

    /// The element with these indices, which are not checked.
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

/// A view of elements of type T in N dimensions, in C order without gaps, for C libraries that
/// ignore strides. It owns nothing.
///
/// As a parameter of a processing function it requests C order: "vis: float64[row,chan] C". An
/// input that is stored in F order is then copied, once per call.
template <class T, std::size_t N> class dense_view : public tensor_view<T, N> {
public:
    using typename tensor_view<T, N>::shape_type;

    /// No elements.
    dense_view() = default;

    dense_view(T *data, shape_type shape) : tensor_view<T, N>(data, shape) {}

    /// Throws if the elements are in another layout.
    explicit dense_view(const tensor_view<T, N> &view) : tensor_view<T, N>(view) {
        if (!view.is_c_contiguous())
            detail::wrong("the elements of the tensor are not in C order without gaps");
    }

    T *data() const { return this->first(); }
    T *begin() const { return data(); }
    T *end() const { return data() + this->size(); }
#ifdef __cpp_lib_span
    /// All elements, in C order.
    std::span<T> span() const { return {data(), this->size()}; }
#endif
};

namespace detail {

/// The C view of a view, and the names to which it points.
class c_view {
public:
    template <class T, std::size_t N>
    c_view(const tensor_view<T, N> &view, const std::vector<std::string> &dims)
        : shape_{}, strides_{}, names_{} {
        if (!dims.empty() && dims.size() != N)
            wrong("a tensor of " + std::to_string(N) + " dimensions was given " +
                  std::to_string(dims.size()) + " names");
        for (std::size_t i = 0; i < N; i++) {
            shape_[i] = view.shape(i);
            strides_[i] = view.stride(i);
            if (!dims.empty()) names_[i] = detail::text(dims[i]);
        }
        view_ = sized<sdp_dal_tensor_view>();
        view_.data = view.first();
        view_.shape = shape_;
        view_.strides = strides_;
        view_.dim_names = dims.empty() ? nullptr : names_;
        view_.dtype = dtype_of<T>();
        view_.ndim = static_cast<std::int32_t>(N);
    }
    c_view(const c_view &) = delete;
    c_view &operator=(const c_view &) = delete;

    const sdp_dal_tensor_view *get() const { return &view_; }

    /// The spec of a tensor of this form. It points into this.
    sdp_dal_tensor_spec spec(bool zeroed, std::int32_t order) const {
        auto spec = sized<sdp_dal_tensor_spec>();
        spec.shape = view_.shape;
        spec.dim_names = view_.dim_names;
        spec.dtype = view_.dtype;
        spec.ndim = view_.ndim;
        spec.order = order;
        spec.flags = zeroed ? std::uint32_t{SDP_DAL_TENSOR_ZEROED} : 0u;
        return spec;
    }

private:
    sdp_dal_tensor_view view_;
    std::int64_t shape_[SDP_DAL_MAX_DIMS];
    std::int64_t strides_[SDP_DAL_MAX_DIMS];
    const char *names_[SDP_DAL_MAX_DIMS];
};

/// Converts a C view to a typed one. what is the name of the tensor in messages.
template <class T, std::size_t N>
tensor_view<const T, N> typed_view(const sdp_dal_tensor_view &view, const std::string &what) {
    if (view.dtype != dtype_of<T>() || view.ndim != static_cast<std::int32_t>(N))
        wrong(what + " has " + std::to_string(view.ndim) + " dimensions of " +
              dtype_name(view.dtype) + ", " + std::to_string(N) + " of " +
              dtype_name(dtype_of<T>()) + " were requested");
    std::array<std::int64_t, N> shape{}, strides{};
    for (std::size_t i = 0; i < N; i++) {
        shape[i] = view.shape[i];
        strides[i] = view.strides[i];
    }
    return {static_cast<const T *>(view.data), shape, strides};
}

/// The same of memory that may be written.
template <class T, std::size_t N>
tensor_view<T, N> writable_view(const sdp_dal_tensor_view &view, const std::string &what) {
    auto typed = typed_view<T, N>(view, what);
    return {static_cast<T *>(const_cast<void *>(view.data)), typed.shape(), typed.strides()};
}

} // namespace detail

/// A view of elements without gaps. order: one of sdp_dal_order.
template <class T, std::size_t N>
tensor_view<T, N> packed(T *data, const std::array<std::int64_t, N> &shape, std::int32_t order) {
    if (order != SDP_DAL_ORDER_F) return {data, shape};
    std::array<std::int64_t, N> strides{};
    std::int64_t step = sizeof(T);
    for (std::size_t i = 0; i < N; i++) {
        strides[i] = step;
        step *= shape[i];
    }
    return {data, shape, strides};
}

/// A view of a DLPack tensor, which is not taken over and must outlive the view.
template <class T, std::size_t N, class Managed>
tensor_view<const T, N> view_from_dlpack(const Managed *tensor) {
    static_assert(std::is_same_v<Managed, DLManagedTensorVersioned> ||
                      std::is_same_v<Managed, DLManagedTensor>,
                  "DLPack's structs are DLManagedTensorVersioned and DLManagedTensor");
    auto raw = detail::sized<sdp_dal_tensor_view>();
    std::int64_t strides[SDP_DAL_MAX_DIMS];
    const std::int32_t version = std::is_same_v<Managed, DLManagedTensor> ? 0 : 1;
    detail::check(sdp_dal_tensor_view_from_dlpack(tensor, version, strides, &raw));
    return detail::typed_view<T, N>(raw, "the DLPack tensor");
}

/// A view of a vector, which must outlive the view.
template <class T> dense_view<const T, 1> view(const std::vector<T> &elements) {
    return {detail::first_of(elements), {static_cast<std::int64_t>(elements.size())}};
}
template <class T> void view(const std::vector<T> &&) = delete;

} // namespace sdp_dal

#endif
