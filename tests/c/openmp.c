/* A processor whose function uses OpenMP. argv: the store's path, the function's name, "tell" or
 * "leave".
 *
 * NAME(gate: utf8) -> (heard: int64[2]) reports how many threads its call may use, and how many a
 * parallel region has. With a gate it says "busy" and does not return before that file exists. */
#include <omp.h>
#include <unistd.h>

#include "check.h"

static sdp_dal_status hear(sdp_dal_call *call, void *user_data) {
    size_t length = 0;
    int32_t budget = 0;
    int64_t in_region = 0;
    const int64_t shape[] = {2};
    void *data = NULL;
    char path[4096];
    (void)user_data;
    length = sizeof path;
    OK(sdp_dal_call_get_string(call, "gate", path, &length));
#pragma omp parallel
    {
#pragma omp single
        in_region = omp_get_num_threads();
    }
    OK(sdp_dal_call_get_threads(call, &budget));
    OK(sdp_dal_call_create_tensor(call, "heard", 1, shape, NULL, &data));
    ((int64_t *)data)[0] = budget;
    ((int64_t *)data)[1] = in_region;
    if (path[0] != 0) {
        puts("busy");
        fflush(stdout);
        while (access(path, F_OK) != 0) usleep(1000);
    }
    return SDP_DAL_OK;
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    sdp_dal_processor *processor = NULL;
    sdp_dal_processor_options options;
    char signature[100];
    CHECK(argc == 4);
    CLEAR(options);
    options.name = argv[2];
    options.flags = strcmp(argv[3], "leave") == 0 ? SDP_DAL_PROCESSOR_LEAVE_POOLS : 0;
    snprintf(signature, sizeof signature, "%.40s(gate: utf8) -> (heard: int64[2])", argv[2]);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    OK(sdp_dal_processor_open(store, &options, &processor));
    OK(sdp_dal_processor_register(processor, signature, NULL, hear, NULL, NULL));
    OK(sdp_dal_processor_start(processor));
    puts("ready");
    fflush(stdout);
    while (sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER) == SDP_DAL_OK) {
    }
    return 1;
}
