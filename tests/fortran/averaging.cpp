// Calls averaging_processor with visibilities and weights in every combination of orders, and
// checks what comes back.
#include <complex>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <sdp_dal.hpp>

using complex = std::complex<float>;

static void expect(bool right, const char *what) {
    if (right) return;
    std::printf("wrong: %s\n", what);
    std::exit(1);
}

static constexpr std::int64_t rows = 5, chans = 6, count = 3;

static std::int64_t place(bool f, std::int64_t row, std::int64_t chan) {
    return f ? chan * rows + row : row * chans + chan;
}

/// An array in C or in F order.
template <class T>
static sdp_dal::tensor_view<const T, 2> view(const std::vector<T> &numbers, bool f) {
    const auto size = std::int64_t(sizeof(T));
    return f ? sdp_dal::tensor_view<const T, 2>(numbers.data(), {rows, chans}, {size, size * rows})
             : sdp_dal::tensor_view<const T, 2>(numbers.data(), {rows, chans},
                                                {size * chans, size});
}

int main(int argc, char **argv) {
    expect(argc == 2, "one argument");
    sdp_dal::store store(argv[1]);
    sdp_dal::caller caller(
        store,
        {"average_channels(vis: complex64[row,chan], weight: float32[row,chan], count: int32) "
         "-> (vis_out: complex64[row,chan_out], weight_out: float32[row,chan_out])"});
    for (int orders = 0; orders < 4; orders++) {
        const bool vis_f = orders & 1, weight_f = orders & 2;
        std::vector<complex> vis(rows * chans);
        std::vector<float> weight(rows * chans);
        for (std::int64_t row = 0; row < rows; row++)
            for (std::int64_t chan = 0; chan < chans; chan++) {
                vis[std::size_t(place(vis_f, row, chan))] = complex(float(row), float(chan));
                // The first row has no weight at all in its first channels.
                weight[std::size_t(place(weight_f, row, chan))] =
                    row == 0 && chan < count ? 0.0f : float(1 + row + chan);
            }
        auto results = caller.call("average_channels", view(vis, vis_f), view(weight, weight_f),
                                   std::int32_t(count));
        auto v = results["vis_out"].get<complex, 2>();
        auto w = results["weight_out"].get<float, 2>();
        expect(v.shape(0) == rows && v.shape(1) == chans / count, "the shape");
        expect(vis_f == (v.view().strides()[0] == std::int64_t(sizeof(complex))), "the order");
        for (std::int64_t row = 0; row < rows; row++)
            for (std::int64_t out = 0; out < chans / count; out++) {
                float total = 0;
                complex sum = 0;
                for (std::int64_t chan = out * count; chan < (out + 1) * count; chan++) {
                    const float one = weight[std::size_t(place(weight_f, row, chan))];
                    total += one;
                    sum += one * vis[std::size_t(place(vis_f, row, chan))];
                }
                expect(w(row, out) == total, "a weight");
                expect(std::abs(v(row, out) - (total > 0 ? sum / total : 0)) < 1e-5f, "a sum");
            }
    }
    // What cannot be divided is refused with a sentence.
    std::vector<complex> vis(rows * chans);
    std::vector<float> weight(rows * chans);
    auto results =
        caller.call("average_channels", view(vis, false), view(weight, false), std::int32_t(4));
    try {
        results["vis_out"].get<complex, 2>();
        expect(false, "4 does not divide 6");
    } catch (const sdp_dal::error &error) {
        expect(std::string(error.what()).find("divisor") != std::string::npos, error.what());
    }
    std::puts("all right");
}
