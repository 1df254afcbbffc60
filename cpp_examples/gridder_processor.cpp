// Offers ducc0's w-gridder (the maintained successor of nifty_gridder) as two processing functions,
// each in two forms: for visibilities in single and in double precision.
//
// The visibilities and images lie in the store: the gridder reads its inputs and writes its outputs
// there, in place. ducc0 is licensed under the GPL (version 2 or later), so the program that this
// file makes is too; it is never installed, and nothing of it goes into the library.

#include "serve.hpp"

#include <ducc0/wgridder/wgridder.h>

// Its views of the tensors in the store.
#include <sdp_dal/adapt/ducc0.hpp>

#include <complex>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

namespace {

using sdp_dal::as_ducc0;
using sdp_dal::output;
using sdp_dal::tensor_view;

// T: the precision of visibilities, weights and images. Coordinates are always double.
template <class T> using visibility = std::complex<T>;

std::size_t count(std::int64_t value, const char *name) {
    if (value < 0)
        throw std::invalid_argument(std::string(name) + " is " + std::to_string(value) +
                                    ", but cannot be negative");
    return std::size_t(value);
}

// The values of ducc0's Python interface, and no centre but the phase centre.
constexpr double sigma_min = 1.1, sigma_max = 2.6, phase_centre = 0.0;
constexpr bool flip_u = false, flip_v = false, flip_w = false, divide_by_n = true, shift_n = true;

const auto no_mask = ducc0::cmav<std::uint8_t, 2>::build_empty();

// As many threads as the caller asks for; for 0 as many as are free while other processors work.
std::size_t threads(const sdp_dal::call &self, std::int64_t nthreads) {
    auto asked = count(nthreads, "nthreads");
    return asked == 0 ? std::size_t(self.thread_budget()) : asked;
}

// ducc0 says first where in its sources it failed, with the types of templates, and why in the
// last line: callers get that one.
template <class F> void with_reason(F &&run) {
    try {
        run();
    } catch (const std::exception &problem) {
        std::string text = problem.what();
        text.erase(text.find_last_not_of('\n') + 1);
        text.erase(0, text.rfind('\n') + 1);
        // Some have no reason but their place.
        if (text == "Assertion failure") throw;
        throw std::runtime_error(text);
    }
}

template <class T>
void ms2dirty(sdp_dal::call &self, tensor_view<const double, 2> uvw,
              tensor_view<const double, 1> freq, tensor_view<const visibility<T>, 2> ms,
              std::optional<tensor_view<const T, 2>> wgt, std::int64_t npix_x, std::int64_t npix_y,
              double pixsize_x, double pixsize_y, double epsilon, bool do_wstacking,
              std::int64_t nthreads, std::int64_t verbosity, output<T, 2> dirty) {
    auto image = dirty.create({npix_x, npix_y});
    with_reason([&] {
        ducc0::ms2dirty<T, T>(as_ducc0(uvw), as_ducc0(freq), as_ducc0(ms), as_ducc0(wgt), no_mask,
                              pixsize_x, pixsize_y, epsilon, do_wstacking, threads(self, nthreads),
                              as_ducc0(image), count(verbosity, "verbosity"), flip_u, flip_v,
                              flip_w, divide_by_n, sigma_min, sigma_max, phase_centre, phase_centre,
                              shift_n);
    });
}

template <class T>
void dirty2ms(sdp_dal::call &self, tensor_view<const double, 2> uvw,
              tensor_view<const double, 1> freq, tensor_view<const T, 2> dirty,
              std::optional<tensor_view<const T, 2>> wgt, double pixsize_x, double pixsize_y,
              double epsilon, bool do_wstacking, std::int64_t nthreads, std::int64_t verbosity,
              output<visibility<T>, 2> ms) {
    auto visibilities = ms.create({uvw.shape(0), freq.shape(0)});
    with_reason([&] {
        ducc0::dirty2ms<T, T>(as_ducc0(uvw), as_ducc0(freq), as_ducc0(dirty), as_ducc0(wgt),
                              no_mask, pixsize_x, pixsize_y, epsilon, do_wstacking,
                              threads(self, nthreads), as_ducc0(visibilities),
                              count(verbosity, "verbosity"), flip_u, flip_v, flip_w, divide_by_n,
                              sigma_min, sigma_max, phase_centre, phase_centre, shift_n);
    });
}

void offer(sdp_dal::processor &processor) {
    processor.add<ms2dirty<float>, ms2dirty<double>>(
        "ms2dirty", {"uvw[row,uvw=3]", "freq[chan]", "ms[row,chan]", "wgt[row,chan]", "npix_x",
                     "npix_y", "pixsize_x", "pixsize_y", "epsilon", "do_wstacking", "nthreads",
                     "verbosity", "dirty[x,y]"});
    processor.add<dirty2ms<float>, dirty2ms<double>>(
        "dirty2ms",
        {"uvw[row,uvw=3]", "freq[chan]", "dirty[x,y]", "wgt[row,chan]", "pixsize_x", "pixsize_y",
         "epsilon", "do_wstacking", "nthreads", "verbosity", "ms[row,chan]"});
}

} // namespace

int main(int argc, char **argv) {
    return serve(argc, argv, "GridderProcessor",
                 "Offers the gridder ducc0: ms2dirty (visibilities to image) and dirty2ms (image "
                 "to visibilities).",
                 offer);
}
