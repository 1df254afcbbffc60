// Offers `calibrate`: one complex gain per antenna and channel range, against a point source at the
// phase centre.

#include "gains.hpp"
#include "serve.hpp"

#include <algorithm>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using sdp_dal::output;
using sdp_dal::tensor_view;
using visibility = std::complex<double>;
using antenna_numbers = tensor_view<const std::int64_t, 1>;

std::int64_t antenna_count(const antenna_numbers &antenna1, const antenna_numbers &antenna2) {
    std::int64_t count = 0;
    for (const antenna_numbers &antennas : {antenna1, antenna2})
        for (std::int64_t row = 0; row < antennas.shape(0); ++row) {
            if (antennas(row) < 0 || antennas(row) > 65535)
                throw std::invalid_argument("row " + std::to_string(row) + " names antenna " +
                                            std::to_string(antennas(row)) +
                                            ", expected 0 to 65535");
            count = std::max(count, antennas(row) + 1);
        }
    return count;
}

// Flagged: no weight, or a value that no correlator means.
bool usable(visibility value, double weight) {
    return weight > 0 && std::isfinite(weight) && std::isfinite(value.real()) &&
           std::isfinite(value.imag());
}

/// vis: as observed; wgt: 1/variance, 0 = flagged. A gain is shared by `chan_per_gain` neighbouring
/// channels. calibrated = vis / (g1 conj(g2)), and weights = wgt |g1 g2|^2, the noise growing as
/// the signal does; both are 0 where there is no usable visibility. A baseline of an antenna with
/// itself says nothing and gets weight 0.
void calibrate(tensor_view<const visibility, 2> vis, antenna_numbers antenna1,
               antenna_numbers antenna2, tensor_view<const double, 2> wgt,
               std::int64_t chan_per_gain, output<visibility, 2> calibrated,
               output<double, 2> weights, output<visibility, 2> gains) {
    if (chan_per_gain < 1)
        throw std::invalid_argument("chan_per_gain is " + std::to_string(chan_per_gain) +
                                    ", expected 1 or more");
    const std::int64_t rows = vis.shape(0), channels = vis.shape(1),
                       antennas = antenna_count(antenna1, antenna2);
    const std::int64_t ranges = channels / chan_per_gain + (channels % chan_per_gain != 0);
    auto calibrated_view = calibrated.create({rows, channels});
    auto weights_view = weights.create({rows, channels});
    auto gains_view = gains.create({antennas, ranges});

    for (std::int64_t range = 0; range < ranges; ++range) {
        const std::int64_t first = range * chan_per_gain,
                           end = std::min(channels, first + chan_per_gain);
        gain_equations equations{std::size_t(antennas)};
        for (std::int64_t row = 0; row < rows; ++row)
            for (std::int64_t chan = first; chan < end; ++chan)
                if (antenna1(row) != antenna2(row) && usable(vis(row, chan), wgt(row, chan)))
                    equations.add(std::size_t(antenna1(row)), std::size_t(antenna2(row)),
                                  vis(row, chan), wgt(row, chan));
        const std::vector<visibility> solution = equations.solve();

        for (std::int64_t antenna = 0; antenna < antennas; ++antenna)
            gains_view(antenna, range) = solution[std::size_t(antenna)];
        for (std::int64_t row = 0; row < rows; ++row) {
            const visibility gain = solution[std::size_t(antenna1(row))] *
                                    std::conj(solution[std::size_t(antenna2(row))]);
            for (std::int64_t chan = first; chan < end; ++chan) {
                const bool good = gain != 0.0 && antenna1(row) != antenna2(row) &&
                                  usable(vis(row, chan), wgt(row, chan));
                calibrated_view(row, chan) = good ? vis(row, chan) / gain : 0;
                weights_view(row, chan) = good ? wgt(row, chan) * std::norm(gain) : 0;
            }
        }
    }
}

void offer(sdp_dal::processor &processor) {
    processor.add<calibrate>("calibrate", {"vis[row,chan]", "antenna1[row]", "antenna2[row]",
                                           "wgt[row,chan]", "chan_per_gain", "calibrated[row,chan]",
                                           "weights[row,chan]", "gains[antenna,range]"});
}

} // namespace

int main(int argc, char **argv) {
    return serve(
        argc, argv, "CalibrationProcessor",
        "Offers calibrate: antenna gains against a point source at the phase centre, applied.",
        offer);
}
