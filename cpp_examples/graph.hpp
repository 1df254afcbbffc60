// The graph of calls: everything is issued before anything has run, each call naming the outputs of
// others that it waits for. Only references pass through this program; the data stay in the store.
#pragma once

#include "options.hpp"
#include "uvfits.hpp"

#include <sdp_dal.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <complex>
#include <cstdint>
#include <string>

constexpr std::int64_t image_size = 256;
constexpr double gridder_epsilon = 5e-13; // half of what the checks allow

struct observation {
    sdp_dal::ref uvw, freq, vis, wgt, antenna1, antenna2;
    double pixel_size; // radians
};

/// Reads the file straight into the store.
inline observation put_observation(sdp_dal::store &store, uvfits &file) {
    const std::int64_t rows = file.rows(), channels = file.channels();
    auto uvw = store.create<double, 2>({rows, 3}, {"row", "uvw"});
    auto freq = store.create<double, 1>({channels}, {"chan"});
    auto vis = store.create<std::complex<double>, 2>({rows, channels}, {"row", "chan"});
    auto wgt = store.create<double, 2>({rows, channels}, {"row", "chan"});
    auto antenna1 = store.create<std::int64_t, 1>({rows}, {"row"});
    auto antenna2 = store.create<std::int64_t, 1>({rows}, {"row"});
    file.read(uvw.view(), vis.view(), wgt.view(), antenna1.view(), antenna2.view());
    std::copy(file.frequencies.begin(), file.frequencies.end(), freq.view().data());

    double longest = 0;
    auto baselines = uvw.view();
    for (std::int64_t row = 0; row < rows; ++row) {
        longest = std::max(longest, std::hypot(baselines(row, 0), baselines(row, 1)));
        // The gridder's sign of w is the opposite of the file's.
        baselines(row, 2) = -baselines(row, 2);
    }
    // The finest fringe is four pixels wide, twice as many as it needs at the least.
    const double pixel_size = speed_of_light / file.frequencies.back() / longest / 4;
    return {uvw.seal(),      freq.seal(),     vis.seal(), wgt.seal(),
            antenna1.seal(), antenna2.seal(), pixel_size};
}

/// An image of nothing but 1 Jy at (x, y) pixels from the centre.
inline sdp_dal::ref put_point(sdp_dal::store &store, std::int64_t x, std::int64_t y) {
    auto sky = store.create<double, 2>({image_size, image_size}, {"x", "y"});
    auto pixels = sky.view();
    std::fill(pixels.data(), pixels.data() + pixels.size(), 0.0);
    pixels(image_size / 2 + x, image_size / 2 + y) = 1;
    return sky.seal();
}

// The processors' functions as this program expects them.
inline constexpr const char *calibrate_signature =
    "calibrate(vis: complex128[row,chan], antenna1: int64[row], antenna2: int64[row], "
    "wgt: float64[row,chan], chan_per_gain: int64) "
    "-> (calibrated: complex128[row,chan], weights: float64[row,chan], gains: "
    "complex128[antenna,range])";
inline constexpr const char *ms2dirty_signature =
    "ms2dirty(uvw: float64[row,uvw=3], freq: float64[chan], ms: complex128[row,chan], "
    "wgt: float64[row,chan]?, npix_x: int64, npix_y: int64, pixsize_x: float64, pixsize_y: "
    "float64, "
    "epsilon: float64, do_wstacking: bool, nthreads: int64, verbosity: int64) "
    "-> (dirty: float64[x,y])";
inline constexpr const char *dirty2ms_signature =
    "dirty2ms(uvw: float64[row,uvw=3], freq: float64[chan], dirty: float64[x,y], "
    "wgt: float64[row,chan]?, pixsize_x: float64, pixsize_y: float64, epsilon: float64, "
    "do_wstacking: bool, nthreads: int64, verbosity: int64) "
    "-> (ms: complex128[row,chan])";

class gridder {
public:
    gridder(sdp_dal::store &store, const observation &seen, std::int64_t threads,
            const sdp_dal::caller_options &how)
        : caller_(store, {ms2dirty_signature, dirty2ms_signature}, how), seen_(seen),
          threads_(threads) {}

    sdp_dal::ref dirty(const sdp_dal::ref &ms, const sdp_dal::ref &wgt, bool w_stacking) {
        auto args = common(w_stacking);
        args.set("ms", ms).set("wgt", wgt).set("npix_x", image_size).set("npix_y", image_size);
        return caller_.call("ms2dirty", args)["dirty"];
    }

    sdp_dal::ref visibilities(const sdp_dal::ref &sky, const sdp_dal::ref &wgt, bool w_stacking) {
        auto args = common(w_stacking);
        args.set("dirty", sky).set("wgt", wgt);
        return caller_.call("dirty2ms", args)["ms"];
    }

    /// Without weights, which the schema allows to leave out.
    sdp_dal::ref visibilities(const sdp_dal::ref &sky, bool w_stacking) {
        auto args = common(w_stacking);
        args.set("dirty", sky);
        return caller_.call("dirty2ms", args)["ms"];
    }

private:
    sdp_dal::args common(bool w_stacking) const {
        sdp_dal::args args;
        args.set("uvw", seen_.uvw).set("freq", seen_.freq).set("pixsize_x", seen_.pixel_size);
        args.set("pixsize_y", seen_.pixel_size)
            .set("epsilon", gridder_epsilon)
            .set("do_wstacking", w_stacking);
        args.set("nthreads", threads_).set("verbosity", std::int64_t(0));
        return args;
    }

    sdp_dal::caller caller_;
    const observation &seen_;
    std::int64_t threads_;
};

/// There and back again: an image of visibilities, and visibilities of that image.
struct round_trip {
    sdp_dal::ref dirty, ms;
};

struct graph {
    sdp_dal::ref vis, wgt, gains;                // calibrated
    round_trip w_stacked, flat;                  // of the calibrated visibilities
    sdp_dal::ref observed, observed_wgt;         // image before calibration
    sdp_dal::ref psf;                            // image of a point at the centre
    sdp_dal::ref simulated_vis, simulated_dirty; // of the simulated point

    void wait() const {
        for (const sdp_dal::ref &last :
             {gains, w_stacked.ms, flat.ms, observed, psf, simulated_dirty})
            last.wait(std::chrono::minutes(5));
    }
};

inline graph issue(sdp_dal::store &store, const observation &seen, const options &chosen) {
    // Gains differ across the band, but every one more fits noise.
    constexpr std::int64_t chan_per_gain = 16;
    sdp_dal::caller_options how;
    how.minimum_processors = 1;
    how.wait = std::chrono::seconds(30);
    sdp_dal::caller calibrator(store, {calibrate_signature}, how);
    gridder grid(store, seen, chosen.threads, how);

    sdp_dal::args args;
    args.set("vis", seen.vis).set("antenna1", seen.antenna1).set("antenna2", seen.antenna2);
    args.set("wgt", seen.wgt).set("chan_per_gain", chan_per_gain);
    const auto calibrated = calibrator.call("calibrate", args);
    const sdp_dal::ref vis = calibrated["calibrated"], wgt = calibrated["weights"];

    const auto there_and_back = [&](bool w_stacking) {
        const sdp_dal::ref dirty = grid.dirty(vis, wgt, w_stacking);
        return round_trip{dirty, grid.visibilities(dirty, wgt, w_stacking)};
    };
    const sdp_dal::ref centre_vis = grid.visibilities(put_point(store, 0, 0), true);
    const sdp_dal::ref simulated_vis =
        grid.visibilities(put_point(store, chosen.simulate_x, chosen.simulate_y), true);
    return {vis,
            wgt,
            calibrated["gains"],
            there_and_back(true),
            there_and_back(false),
            grid.dirty(seen.vis, seen.wgt, true),
            seen.wgt,
            grid.dirty(centre_vis, wgt, true),
            simulated_vis,
            grid.dirty(simulated_vis, wgt, true)};
}
