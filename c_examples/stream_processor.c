/* Receives what streamer sends, and prints how fast it came. */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

#define SIGNATURE "receive(sequence: int64, payload: int64[i]) -> (tag: int64[])"

static const char *const arguments = "STORE";
static const char *const text =
    "Offers " SIGNATURE "\nin the store at the path STORE (it is made if there is none), checks "
    "that payloads are what\nstreamer wrote, and prints GB/s every second. Ctrl-C ends it and "
    "prints the totals.\n";

struct totals {
    uint64_t payloads;
    double bytes;
};

static sdp_dal_status receive(sdp_dal_call *call, void *user_data) {
    struct totals *totals = (struct totals *)user_data;
    int64_t sequence = 0;
    sdp_dal_tensor_view payload = {.struct_size = sizeof payload};
    void *tag = NULL;
    sdp_dal_status status;
    if ((status = sdp_dal_call_get_int64(call, "sequence", &sequence)) != SDP_DAL_OK) return status;
    if ((status = sdp_dal_call_get_tensor(call, "payload", SDP_DAL_ORDER_ANY, &payload)) !=
        SDP_DAL_OK)
        return status;
    const int64_t *numbers = (const int64_t *)payload.data;
    const int64_t count = payload.shape[0];
    /* Every element is read: otherwise GB/s would only tell how fast the sender writes. */
    int64_t different = 0;
    for (int64_t i = 0; i < count; i++) different |= numbers[i] ^ sequence;
    if (different != 0) {
        (void)sdp_dal_call_fail(call, SDP_DAL_FUNCTION_FAILED, "the payload is not what was sent");
        return SDP_DAL_FUNCTION_FAILED;
    }
    /* The tag says that it was received: the sender lets the payload go then. */
    status = sdp_dal_call_create_tensor(call, "tag", 0, NULL, NULL, &tag);
    if (status != SDP_DAL_OK) return status;
    *(int64_t *)tag = sequence;
    totals->payloads++;
    totals->bytes += 8.0 * (double)count;
    return SDP_DAL_OK;
}

int main(int argc, char **argv) {
    if (argc == 2 && is_help(argv[1])) {
        usage(stdout, argv[0], arguments, text);
        return 0;
    }
    if (argc != 2) {
        usage(stderr, argv[0], arguments, text);
        return 2;
    }
    struct totals totals = {0, 0.0};
    sdp_dal_store *store = open_store(argv[1], "StreamProcessor");
    sdp_dal_processor *processor = open_processor(store, "StreamProcessor");
    check(sdp_dal_processor_register(processor, SIGNATURE, NULL, receive, &totals, NULL),
          "receive");
    start_processor(processor, "StreamProcessor");

    double last = seconds_now(), bytes_then = 0.0;
    while (!stopped) {
        /* Short enough to print zeros every second when nothing comes. */
        sdp_dal_status status = sdp_dal_processor_process(processor, INT64_C(100000000));
        if (status != SDP_DAL_OK && status != SDP_DAL_TIMEOUT && status != SDP_DAL_INTERRUPTED)
            die("processing");
        const double now = seconds_now();
        if (now - last >= 1.0) {
            printf("%.1f GB/s\n", (totals.bytes - bytes_then) / (now - last) / 1e9);
            last = now;
            bytes_then = totals.bytes;
        }
    }

    sdp_dal_processor_close(processor);
    close_store(store);
    printf("Received %llu payloads, %.3f GB\n", (unsigned long long)totals.payloads,
           totals.bytes / 1e9);
    return 0;
}
