// Images side by side as a PNG picture in false colours, with a colour bar.
#pragma once

#include "image.hpp"

#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

class picture {
public:
    /// Each pixel of an image becomes `zoom` times `zoom` of the picture's.
    explicit picture(const std::vector<const image *> &panels, std::int64_t zoom = 2) {
        std::int64_t x = 0;
        for (const image *panel : panels) x += panel->size() * zoom + gap;
        width_ = x + bar_width;
        height_ = panels.front()->size() * zoom;
        pixels_.assign(std::size_t(width_ * height_ * 3), 255);
        x = 0;
        for (const image *panel : panels) {
            draw(*panel, x, zoom);
            x += panel->size() * zoom + gap;
        }
        for (std::int64_t row = 0; row < height_; ++row)
            for (std::int64_t i = 0; i < bar_width; ++i)
                set(x + i, row, colour(1 - double(row) / double(height_ - 1)));
    }

    void save(const std::string &path) const {
        png_image out{};
        out.version = PNG_IMAGE_VERSION;
        out.width = png_uint_32(width_);
        out.height = png_uint_32(height_);
        out.format = PNG_FORMAT_RGB;
        if (!png_image_write_to_file(&out, path.c_str(), 0, pixels_.data(), 0, nullptr))
            throw std::runtime_error(path + ": writing the picture failed: " + out.message);
    }

private:
    static constexpr std::int64_t gap = 8, bar_width = 24;
    // Below 1 it lifts what is faint: noise and sidelobes are to be seen beside the source.
    static constexpr double gamma = 0.5;
    // The part of the scale that is below zero.
    static constexpr double floor = -0.02;

    // Between black and white by way of blue, red and yellow, ever lighter.
    static std::array<double, 3> colour(double level) {
        static constexpr double stops[6][3] = {{0, 0, 8},     {50, 15, 110},  {140, 40, 110},
                                               {225, 85, 50}, {250, 175, 35}, {255, 255, 225}};
        const double place = std::clamp(level, 0.0, 1.0) * 5;
        const int below = std::min(int(place), 4);
        std::array<double, 3> result;
        for (std::size_t i = 0; i < 3; ++i)
            result[i] = stops[below][i] + (place - below) * (stops[below + 1][i] - stops[below][i]);
        return result;
    }

    void draw(const image &panel, std::int64_t left, std::int64_t zoom) {
        const double top = panel.peak().value;
        for (std::int64_t x = 0; x < panel.size(); ++x)
            for (std::int64_t y = 0; y < panel.size(); ++y) {
                const double level = (panel(x, y) / top - floor) / (1 - floor);
                const auto rgb = colour(std::pow(std::max(level, 0.0), gamma));
                // North is up and the east on the left.
                for (std::int64_t i = 0; i < zoom * zoom; ++i)
                    set(left + (panel.size() - 1 - x) * zoom + i % zoom,
                        (panel.size() - 1 - y) * zoom + i / zoom, rgb);
            }
    }

    void set(std::int64_t x, std::int64_t row, const std::array<double, 3> &rgb) {
        for (std::size_t i = 0; i < 3; ++i)
            pixels_[std::size_t((row * width_ + x) * 3) + i] = std::uint8_t(std::lround(rgb[i]));
    }

    std::int64_t width_, height_;
    std::vector<std::uint8_t> pixels_;
};
