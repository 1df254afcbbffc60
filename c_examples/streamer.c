/* Streams payloads to stream_processor: each is written once, into shared memory, and read there.
 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

#define SIGNATURE "receive(sequence: int64, payload: int64[i]) -> (tag: int64[])"

/* So many payloads are on their way at once: the next is written while one is read. */
enum { IN_FLIGHT = 4 };

static const char *const arguments = "STORE [--size BYTES] [--seconds SECONDS]";
static const char *const text =
    "Writes payloads into the store at the path STORE and sends them to a StreamProcessor; prints "
    "GB/s\nevery second.\n\n"
    "  --size BYTES       of a payload (80000000)\n"
    "  --seconds SECONDS  how long to send (until Ctrl-C)\n";

struct options {
    const char *path;
    double bytes;
    double seconds;
};

static double number(const char *name, const char *value, double smallest) {
    char *end = NULL;
    const double number = value != NULL ? strtod(value, &end) : 0.0;
    if (value == NULL || end == value || *end != '\0' || !(number >= smallest)) {
        fprintf(stderr, "%s needs a number of at least %g\n", name, smallest);
        exit(2);
    }
    return number;
}

static struct options parse(int argc, char **argv) {
    struct options options = {NULL, 80e6, 1e9};
    for (int i = 1; i < argc; i++) {
        if (is_help(argv[i])) {
            usage(stdout, argv[0], arguments, text);
            exit(0);
        } else if (strcmp(argv[i], "--size") == 0) {
            options.bytes = number("--size", argv[++i], 8.0);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            options.seconds = number("--seconds", argv[++i], 0.0);
        } else if (options.path == NULL && argv[i][0] != '-') {
            options.path = argv[i];
        } else {
            fprintf(stderr, "'%s' is not understood\n", argv[i]);
            options.path = NULL;
            break;
        }
    }
    if (options.path == NULL) {
        usage(stderr, argv[0], arguments, text);
        exit(2);
    }
    return options;
}

/* Writes a payload in place: every element is its number. NULL after Ctrl-C. */
static sdp_dal_ref *write_payload(const sdp_dal_store *store, int64_t sequence, int64_t count) {
    sdp_dal_tensor_spec spec = {.struct_size = sizeof spec};
    sdp_dal_ref *payload = NULL;
    void *data = NULL;
    spec.dtype = SDP_DAL_INT64;
    spec.ndim = 1;
    spec.shape = &count;
    sdp_dal_status status = sdp_dal_tensor_create(store, &spec, &data, &payload);
    if (status == SDP_DAL_INTERRUPTED) return NULL;
    check(status, "a payload");
    for (int64_t i = 0; i < count; i++) ((int64_t *)data)[i] = sequence;
    check(sdp_dal_ref_seal(payload), "a payload");
    return payload;
}

/* Sends one payload. NULL after Ctrl-C. */
static sdp_dal_results *send_payload(const sdp_dal_store *store, sdp_dal_caller *caller,
                                     sdp_dal_args *args, int64_t sequence, int64_t count) {
    sdp_dal_results *results = NULL;
    sdp_dal_ref *payload = write_payload(store, sequence, count);
    if (payload == NULL) return NULL;
    check(sdp_dal_args_set_int64(args, "sequence", sequence), "sequence");
    check(sdp_dal_args_set_ref(args, "payload", payload), "payload");
    const sdp_dal_status status = sdp_dal_caller_call(caller, "receive", args, &results);
    if (status != SDP_DAL_OK && status != SDP_DAL_INTERRUPTED) die("receive");
    /* The call keeps its input; the arguments would keep it until they change. */
    check(sdp_dal_args_clear(args), "arguments");
    sdp_dal_ref_free(payload);
    return results;
}

/* Waits until a payload was received; false after Ctrl-C. */
static bool wait_received(const sdp_dal_results *results) {
    const sdp_dal_ref *tag = NULL;
    check(sdp_dal_results_get_ref(results, "tag", &tag), "tag");
    const sdp_dal_status status = sdp_dal_ref_wait(tag, SDP_DAL_WAIT_FOREVER);
    if (status != SDP_DAL_OK && status != SDP_DAL_INTERRUPTED) die("a payload was not received");
    return status == SDP_DAL_OK;
}

int main(int argc, char **argv) {
    const struct options options = parse(argc, argv);
    const int64_t count = (int64_t)(options.bytes / 8.0);
    sdp_dal_store *store = open_store(options.path, "streamer");
    sdp_dal_caller *caller = open_caller(store, SIGNATURE);
    sdp_dal_args *args = NULL;
    sdp_dal_results *flying[IN_FLIGHT] = {NULL};
    check(sdp_dal_args_create(&args), "arguments");
    printf("Payload size %.1f MB\n", 8.0 * (double)count / 1e6);

    const double start = seconds_now();
    double last = start;
    int64_t issued = 0, received = 0, received_then = 0;
    while (!stopped && (seconds_now() - start < options.seconds || received < issued)) {
        if (seconds_now() - start < options.seconds && issued - received < IN_FLIGHT) {
            sdp_dal_results *results = send_payload(store, caller, args, issued, count);
            if (results != NULL) flying[issued++ % IN_FLIGHT] = results;
        } else if (wait_received(flying[received % IN_FLIGHT])) {
            sdp_dal_results_free(flying[received % IN_FLIGHT]);
            flying[received++ % IN_FLIGHT] = NULL;
        }
        const double now = seconds_now();
        if (now - last >= 1.0) {
            const double bytes = 8.0 * (double)count * (double)(received - received_then);
            printf("%.1f GB/s\n", bytes / (now - last) / 1e9);
            last = now;
            received_then = received;
        }
    }
    const double taken = seconds_now() - start;

    /* Dropping the references to the outputs cancels what was not received. */
    for (int i = 0; i < IN_FLIGHT; i++) sdp_dal_results_free(flying[i]);
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
    close_store(store);
    const double bytes = 8.0 * (double)count * (double)received;
    printf("Sent %lld payloads, %.3f GB in %.1f s, %.1f GB/s\n", (long long)received, bytes / 1e9,
           taken, taken > 0.0 ? bytes / taken / 1e9 : 0.0);
    return 0;
}
