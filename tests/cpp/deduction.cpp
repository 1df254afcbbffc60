// What the wrapper finds out about C++ functions, without a store.
#include "check.hpp"

using sdp_dal::output;
using sdp_dal::signature_of;
using sdp_dal::tensor_view;

static void simple_fn(std::int64_t, tensor_view<const std::int64_t, 1>, output<std::int64_t, 1>) {}

static void ms2dirty(tensor_view<const double, 2>, tensor_view<const double, 1>,
                     tensor_view<const std::complex<double>, 2>,
                     std::optional<tensor_view<const double, 2>>, std::int64_t, std::int64_t,
                     double, double, double, bool, std::int64_t, std::int64_t,
                     output<double, 2> &) {}

static void scalars(bool, std::int8_t, std::uint16_t, int, unsigned long long, float,
                    const std::string &, std::string_view, std::optional<double>,
                    std::optional<std::string>) noexcept {}

static void elements(const tensor_view<const bool, 0> &, tensor_view<const std::uint8_t, 1>,
                     tensor_view<const float, 1>, std::optional<output<std::complex<float>, 1>>) {}

static void nothing() {}

static void signatures() {
    CHECK(signature_of<simple_fn>("simple_fn", {"x", "ys[i]", "zs[i]"}) ==
          "simple_fn(in x: int64, in ys: int64[i], out zs: int64[i])");
    CHECK((signature_of<ms2dirty>("ms2dirty",
                                  {"uvw[row,uvw=3]", "freq[chan]", "ms[row,chan]", "wgt[row,chan]",
                                   "npix_x", "npix_y", "pixsize_x", "pixsize_y", "epsilon",
                                   "do_wstacking", "nthreads", "verbosity", "dirty[x,y]"}) ==
           "ms2dirty(in uvw: float64[row,uvw=3], in freq: float64[chan], in ms: "
           "complex128[row,chan], in wgt: float64[row,chan]?, in npix_x: int64, in npix_y: int64, "
           "in pixsize_x: float64, in pixsize_y: float64, in epsilon: float64, in do_wstacking: "
           "bool, in nthreads: int64, in verbosity: int64, out dirty: float64[x,y])"));
    CHECK((signature_of<scalars>("scalars", {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}) ==
           "scalars(in a: bool, in b: int8, in c: uint16, in d: int32, in e: uint64, in f: "
           "float32, in g: utf8, in h: utf8, in i: float64?, in j: utf8?)"));
    CHECK(signature_of<elements>("elements", {"a[]", "b[i]", "c[3]", "d[i]"}) ==
          "elements(in a: bool[], in b: uint8[i], in c: float32[3], out d: complex64[i]?)");
    CHECK(signature_of<nothing>("nothing", {}) == "nothing()");
}

static void mismatches() {
    using sdp_dal::invalid_argument;
    THROWS(invalid_argument, "simple_fn: 2 parameters are named, but the C++ function has 3",
           signature_of<simple_fn>("simple_fn", {"x", "ys[i]"}));
    THROWS(invalid_argument,
           "parameter 1 ('ys[i,j]'): [i,j] has 2 dimensions, but the C++ type has 1",
           signature_of<simple_fn>("simple_fn", {"x", "ys[i,j]", "zs[i]"}));
    THROWS(invalid_argument, "name them in brackets",
           signature_of<simple_fn>("simple_fn", {"x", "ys", "zs[i]"}));
    THROWS(invalid_argument, "[i] is given, but the C++ type is int64, which has no dimensions",
           signature_of<simple_fn>("simple_fn", {"x[i]", "ys[i]", "zs[i]"}));
    THROWS(invalid_argument, "is missing its closing bracket",
           signature_of<simple_fn>("simple_fn", {"x", "ys[i", "zs[i]"}));
}

static void views() {
    double values[6] = {0, 1, 2, 3, 4, 5};
    tensor_view<double, 2> matrix(values, {2, 3});
    CHECK(matrix.size() == 6 && matrix.stride(0) == 24 && matrix.stride(1) == 8);
    CHECK(matrix.is_c_contiguous());
    matrix(1, 2) = 7;
    CHECK(values[5] == 7);
    tensor_view<const double, 2> read_only = matrix;
    CHECK(read_only(1, 2) == 7 && read_only.shape(1) == 3);
    tensor_view<const double, 2> transposed(values, {3, 2}, {8, 24});
    CHECK(transposed(2, 1) == 7 && !transposed.is_c_contiguous());
    tensor_view<const double, 1> backwards(values + 5, {6}, {-8});
    CHECK(backwards(0) == 7 && backwards(5) == 0 && !backwards.is_c_contiguous());
    tensor_view<double, 0> scalar(values + 1, {});
    CHECK(scalar() == 1 && scalar.size() == 1 && scalar.is_c_contiguous());
    tensor_view<float, 2> empty(nullptr, {0, 5});
    CHECK(empty.size() == 0 && empty.is_c_contiguous());
    static_assert(std::is_same_v<decltype(read_only(0, 0)), const double &>);
    static_assert(!std::is_convertible_v<tensor_view<const double, 2>, tensor_view<double, 2>>);
}

// What other libraries ask of a view.
static void layouts() {
    double values[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    tensor_view<double, 2> turned(values, {3, 2}, {8, 24});
    CHECK((turned.extents() == std::array<std::size_t, 2>{3, 2}));
    CHECK((turned.element_strides() == std::array<std::ptrdiff_t, 2>{1, 3}));
    CHECK((tensor_view<double, 1>(values + 5, {6}, {-8}).element_strides()[0] == -1));
    CHECK((tensor_view<double, 0>(values, {}).element_strides().empty()));
    struct row {
        double value;
        float weight;
    };
    row rows[2] = {{1, 2}, {3, 4}};
    tensor_view<float, 1> weights(&rows[0].weight, {2}, {sizeof(row)});
    CHECK(weights.element_strides()[0] == 4 && weights(1) == 4);
    tensor_view<double, 2> uneven(values, {2, 2}, {24, 12});
    THROWS(sdp_dal::invalid_argument,
           "the stride of dimension 1 is 12 bytes, not a multiple of the 8 bytes of an element",
           uneven.element_strides());
    // A stride that no element follows does not matter.
    CHECK((tensor_view<double, 2>(values, {2, 1}, {24, 12}).element_strides()[0] == 3));

    auto dense = tensor_view<const double, 2>(values, {3, 4}).dense();
    static_assert(std::is_same_v<decltype(dense), sdp_dal::dense_view<const double, 2>>);
    CHECK(dense.data() == values);
    THROWS(sdp_dal::invalid_argument, "not in C order", turned.dense());
    sdp_dal::tensor_view<const double, 1> of_array(values);
    CHECK(of_array.size() == 12 && of_array.first() == values);
    const std::complex<float> pair[2] = {{1, 2}, {3, 4}};
    CHECK((tensor_view<const std::complex<float>, 1>(pair)(1).imag() == 4));
    // Elements one by one, in C order in any layout.
    auto visited = [](const auto &view) {
        std::vector<double> all;
        for (double element : view) all.push_back(element);
        CHECK(all == view.to_vector());
        return all;
    };
    using list = std::vector<double>;
    CHECK((visited(turned) == list{0, 3, 1, 4, 2, 5}));
    CHECK((visited(tensor_view<const double, 2>(values + 11, {2, 2}, {-48, -16})) ==
           list{11, 9, 5, 3}));
    CHECK((visited(dense).size() == 12 &&
           visited(tensor_view<double, 0>(values + 2, {})) == list{2}));
    CHECK((visited(tensor_view<double, 2>(nullptr, {0, 5})).empty()));
    CHECK((visited(tensor_view<double, 3>(values, {2, 1, 2}, {8, 7, 32})) == list{0, 4, 1, 5}));
    static_assert(std::is_same_v<decltype(dense.begin()), const double *>);
    for (double &element : turned) element += 1;
    CHECK(values[5] == 6 && values[6] == 6);
    for (double &element : turned) element -= 1;
#ifdef __cpp_lib_span
    std::span<const double> implied = dense;
    CHECK(implied.size() == 12);
    static_assert(std::is_same_v<decltype(of_array.span()), std::span<const double>>);
    CHECK(of_array.span().size() == 12 && of_array.span()[11] == 11);
    CHECK(dense.span().size() == 12 && dense.span().data() == values);
    CHECK((tensor_view<double, 1>(values, {12}).span()[3] = 3) == 3);
    THROWS(sdp_dal::invalid_argument, "not in C order",
           tensor_view<double, 1>(values, {4}, {16}).span());
    CHECK((tensor_view<double, 1>(nullptr, {0}).span().empty()));
#endif
}

#ifdef __cpp_lib_span
static void spans(std::span<const double>, std::optional<std::span<const std::int64_t>>,
                  output<double, 1>) {}

static void span_parameters() {
    CHECK((signature_of<spans>("spans", {"a[i]", "b[3]", "c[i]"}) ==
           "spans(in a: float64[i] C, in b: int64[3] C?, out c: float64[i])"));
    THROWS(sdp_dal::invalid_argument, "a dense_view or a span is in C order",
           signature_of<spans>("spans", {"a[i] F", "b[3]", "c[i]"}));
}
#endif

static void ownership() {
    static_assert(!std::is_copy_constructible_v<sdp_dal::store>);
    static_assert(std::is_nothrow_move_constructible_v<sdp_dal::store>);
    static_assert(!std::is_copy_constructible_v<sdp_dal::processor>);
    static_assert(!std::is_copy_constructible_v<sdp_dal::tensor<double, 2>>);
    static_assert(std::is_move_constructible_v<sdp_dal::tensor_writer<double, 2>>);
    static_assert(!std::is_copy_constructible_v<sdp_dal::tensor_writer<double, 2>>);
    static_assert(std::is_copy_constructible_v<sdp_dal::ref>);
    static_assert(std::is_nothrow_destructible_v<sdp_dal::results>);
    static_assert(std::is_base_of_v<std::runtime_error, sdp_dal::timeout_error>);
    static_assert(std::is_convertible_v<std::chrono::seconds, sdp_dal::timeout>);
}

static void errors() {
    THROWS(sdp_dal::invalid_argument, "not UTF-8", sdp_dal::store("\xff"));
    THROWS(sdp_dal::invalid_argument, "not UTF-8", sdp_dal::args().set("\xff", 1));
    try {
        sdp_dal::store("\xff");
    } catch (const sdp_dal::error &problem) {
        CHECK(problem.status() == SDP_DAL_INVALID_ARGUMENT);
    }
}

int main() {
    signatures();
    mismatches();
    views();
    layouts();
#ifdef __cpp_lib_span
    span_parameters();
#endif
    ownership();
    errors();
    return 0;
}
