/* A processor with one function: zs = x + ys. Run simple_caller against it. */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

static const char *const arguments = "STORE";
static const char *const text =
    "Offers simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i]), which adds x to ys, in the store\n"
    "at the path STORE (it is made if there is none). Ctrl-C ends it.\n";

static sdp_dal_status simple_fn(sdp_dal_call *call, void *user_data) {
    int64_t x = 0;
    sdp_dal_tensor_view ys = {.struct_size = sizeof ys};
    void *zs = NULL;
    sdp_dal_status status;
    (void)user_data;
    /* A status that is handed on takes the text of its error along to the caller. */
    if ((status = sdp_dal_call_get_int64(call, "x", &x)) != SDP_DAL_OK) return status;
    if ((status = sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &ys)) != SDP_DAL_OK)
        return status;
    /* Memory in the store: written here, read by the caller, copied nowhere. */
    status = sdp_dal_call_create_tensor(call, "zs", ys.ndim, ys.shape, NULL, &zs);
    if (status != SDP_DAL_OK) return status;
    for (int64_t i = 0; i < ys.shape[0]; i++) {
        int64_t y;
        memcpy(&y, (const char *)ys.data + i * ys.strides[0], sizeof y);
        ((int64_t *)zs)[i] = x + y;
    }
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
    sdp_dal_store *store = open_store(argv[1], "SimpleProcessor");
    sdp_dal_processor *processor = open_processor(store, "SimpleProcessor");
    check(sdp_dal_processor_register(processor,
                                     "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])", NULL,
                                     simple_fn, NULL, NULL),
          "simple_fn");
    start_processor(processor, "SimpleProcessor");

    while (!stopped) {
        sdp_dal_status status = sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER);
        if (status != SDP_DAL_OK && status != SDP_DAL_INTERRUPTED) die("processing");
    }

    sdp_dal_processor_close(processor);
    close_store(store);
    return 0;
}
