// Images a real observation with the processors of a store: calibrate -> ms2dirty -> dirty2ms as
// one graph of calls, none of whose results is looked at before all of it has finished. Then it
// checks what came back against an explicit transform and against itself, and writes the images,
// which draw_image.py draws.

#include "beam.hpp"
#include "checks.hpp"
#include "dft.hpp"
#include "fits_image.hpp"
#include "graph.hpp"
#include "image.hpp"
#include "options.hpp"
#include "stopping.hpp"
#include "uvfits.hpp"

#include <sdp_dal.hpp>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <random>
#include <string>

namespace {

using visibility = std::complex<double>;
using sdp_dal::tensor_view;

// What the gridder's results are compared with: the inputs that the explicit transform needs.
struct transform_inputs {
    sdp_dal::tensor<double, 2> uvw, wgt;
    sdp_dal::tensor<double, 1> freq;
    sdp_dal::tensor<visibility, 2> vis;
};

double total(const sdp_dal::tensor<double, 2> &values) {
    double sum = 0;
    for (std::int64_t i = 0; i < values.shape(0); ++i) {
        double row = 0;
        for (std::int64_t j = 0; j < values.shape(1); ++j) row += values(i, j);
        sum += row;
    }
    return sum;
}

/// Relative difference between gridder and explicit transform, on the centre and 64 pixels
/// anywhere.
double explicit_error(const transform_inputs &in, const tensor_view<const double, 2> &dirty,
                      double pixel_size, bool w_stacking) {
    std::mt19937 random(20100426);
    double difference = 0, size = 0;
    for (int i = 0; i <= 64; ++i) {
        const auto x = i == 0 ? image_size / 2 : std::int64_t(random() % image_size);
        const auto y = i == 0 ? image_size / 2 : std::int64_t(random() % image_size);
        const double truth =
            dirty_pixel(in.uvw, in.freq, in.vis, in.wgt, double(x - image_size / 2) * pixel_size,
                        double(y - image_size / 2) * pixel_size, w_stacking);
        difference += (dirty(x, y) - truth) * (dirty(x, y) - truth);
        size += truth * truth;
    }
    return std::sqrt(difference / size);
}

/// ms2dirty and dirty2ms are adjoint: <ms2dirty(vis), dirty> = <vis, dirty2ms(dirty)>.
double adjointness(const tensor_view<const visibility, 2> &vis,
                   const tensor_view<const double, 2> &dirty,
                   const tensor_view<const visibility, 2> &back) {
    double images = 0, visibilities = 0;
    for (std::int64_t x = 0; x < dirty.shape(0); ++x)
        for (std::int64_t y = 0; y < dirty.shape(1); ++y) images += dirty(x, y) * dirty(x, y);
    for (std::int64_t row = 0; row < vis.shape(0); ++row)
        for (std::int64_t chan = 0; chan < vis.shape(1); ++chan)
            visibilities += (std::conj(vis(row, chan)) * back(row, chan)).real();
    return std::abs(images - visibilities) / std::max(std::abs(images), std::abs(visibilities));
}

void check_round_trip(const transform_inputs &in, const round_trip &trip, double pixel_size,
                      bool w_stacking, checks &results) {
    const auto dirty = trip.dirty.get<double, 2>();
    const auto back = trip.ms.get<visibility, 2>();
    std::cout << (w_stacking ? "with w-stacking:" : "without w-stacking:") << std::endl;
    const double error = explicit_error(in, dirty, pixel_size, w_stacking);
    std::cout << "L2 error between explicit transform and gridder: " << error << std::endl;
    const double asymmetry = adjointness(in.vis, dirty, back);
    std::cout << "adjointness test: " << asymmetry << std::endl;
    results.below("L2 error between explicit transform and gridder", error, 1e-12);
    results.below("adjointness test", asymmetry, 1e-12);
}

/// A point that was put to one side must come back there, and its visibilities must be those of the
/// formula: an axis or a sign that both directions had wrong would cancel in the image alone.
void check_simulation(const graph &calls, const transform_inputs &in, const options &chosen,
                      double pixel_size, double weight, checks &results) {
    const auto peak = image(calls.simulated_dirty.get<double, 2>(), 1 / weight).peak();
    const auto x = peak.x - image_size / 2, y = peak.y - image_size / 2;
    const auto vis = calls.simulated_vis.get<visibility, 2>();
    const tensor_view<const double, 2> uvw = in.uvw;
    const tensor_view<const double, 1> freq = in.freq;
    const tensor_view<const visibility, 2> seen = vis;
    double largest = 0;
    for (std::int64_t row = 0; row < seen.shape(0); row += 7)
        for (std::int64_t chan = 0; chan < seen.shape(1); chan += 5) {
            const auto truth =
                point_visibility(uvw(row, 0), uvw(row, 1), uvw(row, 2), speed_of_light / freq(chan),
                                 double(chosen.simulate_x) * pixel_size,
                                 double(chosen.simulate_y) * pixel_size, true);
            largest = std::max(largest, std::abs(seen(row, chan) - truth));
        }
    std::cout << "simulated point at offset (" << chosen.simulate_x << ", " << chosen.simulate_y
              << "): peak " << peak.value << " at offset (" << x << ", " << y
              << "), visibilities within " << largest << " of the formula" << std::endl;
    results.that(x == chosen.simulate_x && y == chosen.simulate_y,
                 "the simulated point came back at another pixel: a sign or an axis is wrong");
    results.below("distance of the simulated point's peak from 1", std::abs(peak.value - 1), 1e-6);
    results.below("error of the simulated visibilities", largest, 1e-10);
}

void print_gains(const sdp_dal::ref &gains, const observation &seen, const uvfits &file) {
    const auto solved = gains.get<visibility, 2>();
    const auto antenna1 = seen.antenna1.get<std::int64_t, 1>(),
               antenna2 = seen.antenna2.get<std::int64_t, 1>();
    const tensor_view<const visibility, 2> gain = solved;
    for (std::int64_t hand = 0; hand < uvfits::hands; ++hand) {
        std::int64_t present = 0, whole = 0, part = 0;
        for (std::int64_t antenna = hand; antenna < gain.shape(0); antenna += uvfits::hands) {
            bool there = false;
            for (const tensor_view<const std::int64_t, 1> numbers :
                 {antenna1.view(), antenna2.view()})
                for (std::int64_t row = 0; row < numbers.shape(0) && !there; ++row)
                    there = numbers(row) == antenna;
            std::int64_t solved_ranges = 0;
            for (std::int64_t range = 0; range < gain.shape(1); ++range)
                solved_ranges += gain(antenna, range) != 0.0;
            present += there;
            whole += solved_ranges == gain.shape(1);
            part += solved_ranges > 0 && solved_ranges < gain.shape(1);
        }
        std::cout << file.hand_names[hand] << ": of " << present << " antennas " << whole
                  << " have gains in the whole band, " << part << " in parts of it" << std::endl;
    }
}

struct images {
    image observed, dirty, residual, restored, psf;
    gaussian_beam beam;
};

/// What is left when the point source is taken away, and the same with a Gaussian in its place, so
/// that the beam's sidelobes are gone: CLEAN with its one component known.
images deconvolve(const graph &calls, double weight) {
    const double observed_weight = total(calls.observed_wgt.get<double, 2>());
    images made{image(calls.observed.get<double, 2>(), 1 / observed_weight),
                image(calls.w_stacked.dirty.get<double, 2>(), 1 / weight),
                image(image_size),
                image(image_size),
                image(calls.psf.get<double, 2>(), 1 / weight),
                gaussian_beam{}};
    const double flux = made.dirty(image_size / 2, image_size / 2);
    made.beam = fit_beam(made.psf);
    made.residual = made.dirty;
    made.residual.add(made.psf, -flux);
    made.restored = made.residual;
    for (std::int64_t x = 0; x < image_size; ++x)
        for (std::int64_t y = 0; y < image_size; ++y)
            made.restored(x, y) +=
                flux * made.beam.at(double(x - image_size / 2), double(y - image_size / 2));
    return made;
}

void check_image(const images &made, checks &results) {
    const auto before = made.observed.peak();
    const auto peak = made.dirty.peak(), restored = made.restored.peak();
    const double ratio = peak.value / made.residual.rms();
    std::cout << "before calibration: peak/rms " << before.value / made.observed.rms() << "\n"
              << "peak: " << std::fixed << std::setprecision(4) << peak.value << std::defaultfloat
              << std::setprecision(6) << " at pixel (" << peak.x << ", " << peak.y << ")\n"
              << "peak/rms: " << ratio
              << " (rms of what is left without the source; with its sidelobes "
              << peak.value / made.dirty.rms() << ")" << std::endl;
    results.that(peak.x == image_size / 2 && peak.y == image_size / 2,
                 "the source is not at the centre pixel");
    results.that(restored.x == peak.x && restored.y == peak.y,
                 "the restored source is not at the centre pixel");
    results.below("distance of the peak from 1", std::abs(peak.value - 1), 0.01);
    results.above("peak/rms", ratio, 100);
}

void write_images(const images &made, const uvfits &file, double pixel_size,
                  const std::string &folder) {
    std::filesystem::create_directories(folder);
    const double degree = M_PI / 180;
    const sky_position sky{file.object,
                           file.telescope,
                           file.date,
                           file.right_ascension,
                           file.declination,
                           file.equinox,
                           (file.frequencies.front() + file.frequencies.back()) / 2,
                           pixel_size / degree,
                           made.beam};
    fits_image_file fits(folder + "/image.fits", sky);
    fits.add("RESTORED", made.restored);
    fits.add("DIRTY", made.dirty);
    fits.add("RESIDUAL", made.residual);
    fits.add("PSF", made.psf);
    fits.add("OBSERVED", made.observed);
    fits.close();
    std::cout << folder
              << "/image.fits: the restored image; extensions DIRTY, RESIDUAL, PSF, OBSERVED"
              << std::endl;
}

bool run(const options &chosen) {
    uvfits file(chosen.data);
    stopping::listen();
    sdp_dal::store store(chosen.store);
    stopping::interruptible guard(store);
    const observation seen = put_observation(store, file);
    std::cout << file.telescope << ", " << file.object << ": " << file.rows() << " rows of "
              << file.hand_names[0] << " and " << file.hand_names[1] << ", " << file.channels()
              << " channels; " << image_size << " x " << image_size << " pixels of "
              << seen.pixel_size * 180 / M_PI * 3600 << " arcsec" << std::endl;

    const graph calls = issue(store, seen, chosen);
    calls.wait();

    checks results;
    const transform_inputs in{seen.uvw.get<double, 2>(), calls.wgt.get<double, 2>(),
                              seen.freq.get<double, 1>(), calls.vis.get<visibility, 2>()};
    const double weight = total(in.wgt);
    print_gains(calls.gains, seen, file);
    check_round_trip(in, calls.w_stacked, seen.pixel_size, true, results);
    check_round_trip(in, calls.flat, seen.pixel_size, false, results);
    check_simulation(calls, in, chosen, seen.pixel_size, weight, results);
    const images made = deconvolve(calls, weight);
    check_image(made, results);
    write_images(made, file, seen.pixel_size, chosen.output);
    return results.passed();
}

} // namespace

int main(int argc, char **argv) {
    try {
        const options chosen = read_options(argc, argv, image_size / 2 - 1);
        if (chosen.help) {
            print_help(argv[0]);
            return EXIT_SUCCESS;
        }
        return run(chosen) ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const sdp_dal::interrupted &) {
        return stopping::status();
    } catch (const std::exception &failure) {
        std::cerr << argv[0] << ": " << failure.what() << '\n';
        return EXIT_FAILURE;
    }
}
