// Antenna gains from a point source at the phase centre, by alternating least squares.
//
// There every true visibility is 1, so what baseline (p, q) measured is g_p conj(g_q) plus noise.
// With all gains but g_p held, the least-squares g_p is a quotient of two sums; every antenna is
// solved so in turn, and the mean of the old and the new gains is the next step's start (without
// the mean the steps swing around the solution).
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// Weighted sums over everything that shares one set of gains: all that the solution depends on.
class gain_equations {
public:
    explicit gain_equations(std::size_t antennas)
        : antennas_(antennas), data_(antennas * antennas), weight_(antennas * antennas) {}

    /// A visibility of the baseline (p, q) whose noise has the variance 1/weight.
    void add(std::size_t p, std::size_t q, std::complex<double> visibility, double weight) {
        data_[p * antennas_ + q] += weight * visibility;
        data_[q * antennas_ + p] += weight * std::conj(visibility);
        weight_[p * antennas_ + q] += weight;
        weight_[q * antennas_ + p] += weight;
    }

    /// One gain per antenna; 0 for those without usable data. Throws if the steps do not settle.
    std::vector<std::complex<double>> solve() {
        std::vector<std::complex<double>> gains(antennas_, start());
        do settle(gains);
        while (drop_weak(gains));
        return gains;
    }

private:
    // An antenna that sees less than this part of the usual signal is broken: its visibilities are
    // noise.
    static constexpr double weakest = 0.1;
    static constexpr double tolerance = 1e-13;
    static constexpr int most_steps = 2000;

    double start() const {
        double data = 0, weight = 0;
        for (std::size_t i = 0; i < data_.size(); ++i) {
            data += std::abs(data_[i]);
            weight += weight_[i];
        }
        return weight > 0 ? std::sqrt(data / weight) : 0;
    }

    std::complex<double> best(std::size_t p, const std::vector<std::complex<double>> &gains) const {
        std::complex<double> data = 0;
        double weight = 0;
        for (std::size_t q = 0; q < antennas_; ++q) {
            data += data_[p * antennas_ + q] * gains[q];
            weight += weight_[p * antennas_ + q] * std::norm(gains[q]);
        }
        return weight > 0 ? data / weight : 0;
    }

    void settle(std::vector<std::complex<double>> &gains) const {
        std::vector<std::complex<double>> next(antennas_);
        for (int step = 0; step < most_steps; ++step) {
            double change = 0, largest = 0;
            for (std::size_t p = 0; p < antennas_; ++p) {
                next[p] = 0.5 * (gains[p] + best(p, gains));
                change = std::max(change, std::abs(next[p] - gains[p]));
                largest = std::max(largest, std::abs(next[p]));
            }
            gains.swap(next);
            if (change <= tolerance * largest) return;
        }
        throw std::runtime_error("the antenna gains have not settled after " +
                                 std::to_string(most_steps) +
                                 " steps: is the source a point at the phase centre?");
    }

    bool drop_weak(std::vector<std::complex<double>> &gains) {
        std::vector<double> sizes;
        for (const auto &gain : gains)
            if (gain != 0.0) sizes.push_back(std::abs(gain));
        if (sizes.empty()) return false;
        std::nth_element(sizes.begin(), sizes.begin() + sizes.size() / 2, sizes.end());
        const double least = weakest * sizes[sizes.size() / 2];
        bool dropped = false;
        for (std::size_t p = 0; p < antennas_; ++p) {
            if (gains[p] == 0.0 || std::abs(gains[p]) >= least) continue;
            gains[p] = 0;
            for (std::size_t q = 0; q < antennas_; ++q)
                for (std::size_t i : {p * antennas_ + q, q * antennas_ + p})
                    data_[i] = 0, weight_[i] = 0;
            dropped = true;
        }
        return dropped;
    }

    std::size_t antennas_;
    std::vector<std::complex<double>> data_; // Hermitian, row p is antenna p's
    std::vector<double> weight_;
};
