/* The processor: functions whose inputs and outputs can be checked, one that fails and one that
 * takes its time. */
#include "worker.h"

#include <stdio.h>
#include <string.h>

const char *const signatures[FUNCTIONS] = {
    "add(x: int64, ys: int64[i]) -> (zs: int64[i])",
    "make(n: int64, key: int64) -> (zs: int64[i])",
    "fails(x: int64) -> (zs: int64[])",
    "slow(ms: int64) -> (zs: int64[])",
};

static sdp_dal_status run_add(sdp_dal_call *call, void *user_data) {
    int64_t x = 0;
    void *data = NULL;
    sdp_dal_tensor_view ys = {.struct_size = sizeof ys};
    sdp_dal_status status = sdp_dal_call_get_int64(call, "x", &x);
    (void)user_data;
    if (status == SDP_DAL_OK) status = sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &ys);
    if (status == SDP_DAL_OK && !array_is_right(ys.data, (uint64_t)ys.shape[0]))
        wrong("the input of a call", NULL);
    if (status == SDP_DAL_OK)
        status = sdp_dal_call_create_tensor(call, "zs", 1, ys.shape, NULL, &data);
    if (status != SDP_DAL_OK) return status;
    const int64_t *in = ys.data;
    int64_t *out = data;
    for (int64_t i = 0; i < ys.shape[0]; i++)
        out[i] = (int64_t)((uint64_t)in[i] + (uint64_t)(i == 0 ? 0 : x));
    if (!array_is_right(ys.data, (uint64_t)ys.shape[0]))
        wrong("the input of a call, at its end", NULL);
    return SDP_DAL_OK;
}

static sdp_dal_status run_make(sdp_dal_call *call, void *user_data) {
    int64_t n = 0, key = 0;
    void *data = NULL;
    (void)user_data;
    sdp_dal_status status = sdp_dal_call_get_int64(call, "n", &n);
    if (status == SDP_DAL_OK) status = sdp_dal_call_get_int64(call, "key", &key);
    if (status == SDP_DAL_OK) status = sdp_dal_call_create_tensor(call, "zs", 1, &n, NULL, &data);
    if (status == SDP_DAL_OK) fill_array(data, (uint64_t)n, (uint64_t)key);
    return status;
}

static sdp_dal_status run_fails(sdp_dal_call *call, void *user_data) {
    int64_t x = 0;
    char text[64];
    (void)user_data;
    sdp_dal_status status = sdp_dal_call_get_int64(call, "x", &x);
    if (status != SDP_DAL_OK) return status;
    snprintf(text, sizeof text, "refused %lld", (long long)x);
    status = sdp_dal_call_fail(call, SDP_DAL_FUNCTION_FAILED, text);
    return status == SDP_DAL_OK ? SDP_DAL_FUNCTION_FAILED : status;
}

static sdp_dal_status run_slow(sdp_dal_call *call, void *user_data) {
    int64_t ms = 0;
    void *data = NULL;
    (void)user_data;
    sdp_dal_status status = sdp_dal_call_get_int64(call, "ms", &ms);
    for (int64_t i = 0; status == SDP_DAL_OK && i < ms && !sdp_dal_call_is_cancelled(call); i++)
        nap(1000000);
    if (status == SDP_DAL_OK) status = sdp_dal_call_create_tensor(call, "zs", 0, NULL, NULL, &data);
    if (status == SDP_DAL_OK) memcpy(data, &ms, sizeof ms);
    return status;
}

void process(struct thread *me) {
    static const sdp_dal_function functions[FUNCTIONS] = {run_add, run_make, run_fails, run_slow};
    sdp_dal_processor *processor = NULL;
    while (!told_to_end) {
        if (me->store == NULL && !open_store(me)) return;
        if (processor == NULL &&
            went(PROCESS, sdp_dal_processor_open(me->store, NULL, &processor), 0)) {
            for (int i = 0; i < FUNCTIONS; i++) {
                went(PROCESS,
                     sdp_dal_processor_register(processor, signatures[i], NULL, functions[i], NULL,
                                                NULL),
                     0);
            }
        }
        if (processor == NULL) {
            nap(5000000);
            continue;
        }
        begin(me, PROCESS);
        sdp_dal_status status = sdp_dal_processor_process(processor, 100000000);
        done(me, PROCESS);
        const int one = went(PROCESS, status, BIT(TIMEOUT));
        /* A store that was replaced under its path is left. */
        if ((!one && status != SDP_DAL_TIMEOUT) || (comes_and_goes && below(me, 30) == 0)) {
            begin(me, CLOSE);
            sdp_dal_processor_close(processor);
            processor = NULL;
            sdp_dal_store_close(me->store);
            me->store = NULL;
            done(me, CLOSE);
        }
    }
    sdp_dal_processor_close(processor);
    if (me->store != NULL) close_store(me);
}
