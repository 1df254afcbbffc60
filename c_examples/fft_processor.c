/* A processor around FFTW (https://www.fftw.org, Debian's libfftw3-dev; its
 * licence is the GPL): the inverse transform of a real signal. The plan is made
 * once and comes as user_data; FFTW's c2r destroys its input, so the function
 * works on a private copy of it. Run fft_caller against it. */
#define _POSIX_C_SOURCE 200809L
#include <fftw3.h>

#include "common.h"

static const char *const arguments = "STORE [LENGTH]";
static const char *const text =
    "Offers irfft(spectrum: complex128[freq]) -> (signal: float64[time]) for "
    "signals of LENGTH\n"
    "samples (default 1024) in the store at the path STORE. Ctrl-C ends it.\n";

static int64_t length = 1024;

static sdp_dal_status irfft(sdp_dal_call *call, void *plan) {
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    void *spectrum = NULL, *signal = NULL;
    sdp_dal_status status = sdp_dal_call_copy_tensor(call, "spectrum", &view, &spectrum);
    if (status == SDP_DAL_OK)
        status = sdp_dal_call_create_tensor(call, "signal", 1, &length, NULL, &signal);
    if (status == SDP_DAL_OK) fftw_execute_dft_c2r((fftw_plan)plan, spectrum, signal);
    return status;
}

/* Called when the processor is closed. */
static void destroy_plan(void *plan) { fftw_destroy_plan((fftw_plan)plan); }

/* FFTW measures on arrays of its own; a plan works on all that are aligned
 * alike, which those of the library are. */
static fftw_plan make_plan(void) {
    fftw_complex *spectrum = fftw_alloc_complex((size_t)(length / 2 + 1));
    double *signal = fftw_alloc_real((size_t)length);
    fftw_plan plan = fftw_plan_dft_c2r_1d((int)length, spectrum, signal, FFTW_MEASURE);
    fftw_free(spectrum);
    fftw_free(signal);
    return plan;
}

int main(int argc, char **argv) {
    if (argc == 2 && is_help(argv[1])) {
        usage(stdout, argv[0], arguments, text);
        return 0;
    }
    if (argc == 3) length = strtoll(argv[2], NULL, 10);
    if (argc < 2 || argc > 3 || length < 2 || length > 1 << 24) {
        usage(stderr, argv[0], arguments, text);
        return 2;
    }
    /* The sizes stand in the signature: calls with others are refused before they
     * come here. */
    char signature[128];
    snprintf(signature, sizeof signature,
             "irfft(spectrum: complex128[freq=%lld]) -> (signal: float64[time=%lld])",
             (long long)(length / 2 + 1), (long long)length);
    sdp_dal_store *store = open_store(argv[1], "FftProcessor");
    sdp_dal_processor *processor = open_processor(store, "FftProcessor");
    check(sdp_dal_processor_register(processor, signature, NULL, irfft, make_plan(), destroy_plan),
          "irfft");
    start_processor(processor, "FftProcessor");

    while (!stopped) {
        sdp_dal_status status = sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER);
        if (status != SDP_DAL_OK && status != SDP_DAL_INTERRUPTED) die("processing");
    }

    sdp_dal_processor_close(processor);
    close_store(store);
    return 0;
}
