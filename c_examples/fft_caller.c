/* Calls irfft of fft_processor twice with the spectrum of a cosine, and
 * compares the signal with the cosine. */
#define _POSIX_C_SOURCE 200809L
#include <complex.h>
#include <math.h>

#include "common.h"

static const char *const arguments = "STORE [LENGTH]";
static const char *const text =
    "Calls irfft(spectrum: complex128[freq]) -> (signal: float64[time]) of a "
    "processor in the store\n"
    "at the path STORE, for a signal of LENGTH samples (default 1024), and "
    "prints the largest error.\n";

/* Periods in the signal. */
enum { LINE = 3 };

/* The spectrum of a cosine, written in place: one line at LINE. FFTW's c2r adds
 * its mirror image. */
static sdp_dal_ref *put_spectrum(const sdp_dal_store *store, int64_t samples) {
    const int64_t shape[1] = {samples / 2 + 1};
    const char *const names[1] = {"freq"};
    sdp_dal_tensor_spec spec = {.struct_size = sizeof spec};
    sdp_dal_ref *reference = NULL;
    void *data = NULL;
    spec.shape = shape;
    spec.dim_names = names;
    spec.dtype = SDP_DAL_COMPLEX128;
    spec.ndim = 1;
    spec.flags = SDP_DAL_TENSOR_ZEROED;
    check(sdp_dal_tensor_create(store, &spec, &data, &reference), "spectrum");
    ((double complex *)data)[LINE] = 0.5;
    check(sdp_dal_ref_seal(reference), "spectrum");
    return reference;
}

/* The largest difference from the cosine. */
static double error_of(const sdp_dal_results *results) {
    const double pi = acos(-1.0);
    const sdp_dal_ref *reference = NULL;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view signal = {.struct_size = sizeof signal};
    double worst = 0;
    check(sdp_dal_results_get_ref(results, "signal", &reference), "signal");
    check(sdp_dal_ref_get_tensor(reference, SDP_DAL_WAIT_FOREVER, &tensor, &signal), "signal");
    for (int64_t i = 0; i < signal.shape[0]; i++) {
        double expected = cos(2 * pi * LINE * (double)i / (double)signal.shape[0]);
        worst = fmax(worst, fabs(((const double *)signal.data)[i] - expected));
    }
    sdp_dal_tensor_free(tensor);
    return worst;
}

int main(int argc, char **argv) {
    int64_t samples = 1024;
    if (argc == 2 && is_help(argv[1])) {
        usage(stdout, argv[0], arguments, text);
        return 0;
    }
    if (argc == 3) samples = strtoll(argv[2], NULL, 10);
    if (argc < 2 || argc > 3 || samples <= 2 * LINE) {
        usage(stderr, argv[0], arguments, text);
        return 2;
    }
    sdp_dal_store *store = open_store(argv[1], "fft_caller");
    sdp_dal_caller *caller =
        open_caller(store, "irfft(spectrum: complex128[freq]) -> (signal: float64[time])");
    sdp_dal_ref *spectrum = put_spectrum(store, samples);
    sdp_dal_args *args = NULL;
    double worst = 0;
    check(sdp_dal_args_create(&args), "arguments");
    check(sdp_dal_args_set_ref(args, "spectrum", spectrum), "spectrum");
    /* The second call finds the spectrum as it was: FFTW has overwritten its
     * private copy only. */
    for (int i = 0; i < 2; i++) {
        sdp_dal_results *results = NULL;
        check(sdp_dal_caller_call(caller, "irfft", args, &results), "irfft");
        double error = error_of(results);
        printf("call %d: largest error %.1e\n", i + 1, error);
        worst = fmax(worst, error);
        sdp_dal_results_free(results);
    }
    sdp_dal_args_free(args);
    sdp_dal_ref_free(spectrum);
    sdp_dal_caller_close(caller);
    close_store(store);
    return worst < 1e-12 ? 0 : 1;
}
