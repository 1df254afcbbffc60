// The transform that the gridder approximates, written out term by term: slow, and what it is
// checked against.
#pragma once

#include "uvfits.hpp"

#include <sdp_dal.hpp>

#include <cmath>
#include <complex>
#include <cstdint>

/// The visibility of a point of 1 Jy at (x, y), direction cosines from the phase centre. The
/// gridder's sign of w is the opposite of the textbooks'. Without `w_term` the sky is flat.
inline std::complex<double> point_visibility(double u, double v, double w, double wavelength,
                                             double x, double y, bool w_term) {
    const double r2 = x * x + y * y;
    // sqrt(1 - r2) - 1 without the cancellation.
    const double n_minus_1 = w_term ? -r2 / (std::sqrt(1 - r2) + 1) : 0;
    const double turns = (u * x + v * y - w * n_minus_1) / wavelength;
    return std::polar(1 / (1 + n_minus_1), -2 * M_PI * turns);
}

/// One pixel of the dirty image: the real part of sum wgt·ms·exp(+2πi(...))/n.
inline double dirty_pixel(const sdp_dal::tensor_view<const double, 2> &uvw,
                          const sdp_dal::tensor_view<const double, 1> &freq,
                          const sdp_dal::tensor_view<const std::complex<double>, 2> &ms,
                          const sdp_dal::tensor_view<const double, 2> &wgt, double x, double y,
                          bool w_term) {
    double sum = 0;
    for (std::int64_t row = 0; row < ms.shape(0); ++row) {
        double row_sum = 0;
        for (std::int64_t chan = 0; chan < ms.shape(1); ++chan) {
            if (wgt(row, chan) == 0) continue;
            const auto model = point_visibility(uvw(row, 0), uvw(row, 1), uvw(row, 2),
                                                speed_of_light / freq(chan), x, y, w_term);
            row_sum += wgt(row, chan) * (ms(row, chan) * std::conj(model)).real();
        }
        sum += row_sum;
    }
    return sum;
}
