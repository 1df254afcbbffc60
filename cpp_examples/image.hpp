// An image of this process's own, and what is measured on it.
#pragma once

#include <sdp_dal.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// Pixel (x, y); x grows to the east, y to the north; the phase centre is pixel (size/2, size/2).
class image {
public:
    explicit image(std::int64_t size) : size_(size), pixels_(std::size_t(size * size)) {}
    image(const sdp_dal::tensor<double, 2> &pixels, double scale) : image(pixels.shape(0)) {
        for (std::int64_t x = 0; x < size_; ++x)
            for (std::int64_t y = 0; y < size_; ++y) (*this)(x, y) = pixels(x, y) * scale;
    }

    std::int64_t size() const { return size_; }
    double &operator()(std::int64_t x, std::int64_t y) {
        return pixels_[std::size_t(x * size_ + y)];
    }
    double operator()(std::int64_t x, std::int64_t y) const {
        return pixels_[std::size_t(x * size_ + y)];
    }

    struct pixel {
        std::int64_t x, y;
        double value;
    };

    pixel peak() const {
        pixel best{0, 0, (*this)(0, 0)};
        for (std::int64_t x = 0; x < size_; ++x)
            for (std::int64_t y = 0; y < size_; ++y)
                if ((*this)(x, y) > best.value) best = {x, y, (*this)(x, y)};
        return best;
    }

    double rms() const {
        double sum = 0;
        for (double value : pixels_) sum += value * value;
        return std::sqrt(sum / double(pixels_.size()));
    }

    /// Adds `factor` times another image of the same size.
    void add(const image &other, double factor) {
        for (std::size_t i = 0; i < pixels_.size(); ++i) pixels_[i] += factor * other.pixels_[i];
    }

private:
    std::int64_t size_;
    std::vector<double> pixels_;
};
