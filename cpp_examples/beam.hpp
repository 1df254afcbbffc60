// The synthesised beam: what a point source looks like in the dirty image, and the Gaussian that
// takes its place.
#pragma once

#include "image.hpp"

#include <cmath>
#include <cstdint>
#include <stdexcept>

/// exp(-(xx dx^2 + xy dx dy + yy dy^2)), dx and dy in pixels.
struct gaussian_beam {
    double xx, xy, yy;

    double at(double dx, double dy) const {
        return std::exp(-(xx * dx * dx + xy * dx * dy + yy * dy * dy));
    }

    /// Full widths at half maximum in pixels, and the major axis' angle in degrees from north
    /// through east.
    double major() const { return 2 * std::sqrt(M_LN2 / (mean() - spread())); }
    double minor() const { return 2 * std::sqrt(M_LN2 / (mean() + spread())); }
    double angle() const { return 90 - 0.5 * std::atan2(-xy, yy - xx) * 180 / M_PI; }

private:
    double mean() const { return (xx + yy) / 2; }
    double spread() const { return std::hypot((xx - yy) / 2, xy / 2); }
};

/// Fits the main lobe of a point spread function (1 at the centre), as far as it is above one half.
inline gaussian_beam fit_beam(const image &psf) {
    constexpr std::int64_t reach = 12;
    const std::int64_t centre = psf.size() / 2;
    // Normal equations of -log(psf) = xx dx^2 + xy dx dy + yy dy^2.
    double m[3][4] = {};
    for (std::int64_t dx = -reach; dx <= reach; ++dx)
        for (std::int64_t dy = -reach; dy <= reach; ++dy) {
            const double value = psf(centre + dx, centre + dy);
            if (!(value > 0.5)) continue;
            const double terms[4] = {double(dx * dx), double(dx * dy), double(dy * dy),
                                     -std::log(value)};
            for (int i = 0; i < 3; ++i)
                for (int j = 0; j < 4; ++j) m[i][j] += terms[i] * terms[j];
        }
    // Positive definite when there is something to fit: no pivoting needed.
    for (int i = 0; i < 3; ++i) {
        if (!(m[i][i] > 0))
            throw std::runtime_error("the beam is narrower than a pixel: choose smaller pixels");
        for (int k = 0; k < 3; ++k)
            if (k != i)
                for (int j = 3; j >= i; --j) m[k][j] -= m[k][i] / m[i][i] * m[i][j];
    }
    return {m[0][3] / m[0][0], m[1][3] / m[1][1], m[2][3] / m[2][2]};
}
