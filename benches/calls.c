/* This library's calls through its C interface: a caller and a processor, in two processes. */
#include "bench.h"

#include "ours.h"

enum { CALLS_STORE = 256 << 20, NUMBERS = 100, ROWS = 1000 };

static const char *const signatures[] = {
    "empty(x: int64) -> (tag: int64[])",
    "add(x: int64, ys: int64[i]) -> (zs: int64[i])",
};

static sdp_dal_status empty(sdp_dal_call *call, void *user_data) {
    void *tag = NULL;
    (void)user_data;
    OK(sdp_dal_call_create_tensor(call, "tag", 0, NULL, NULL, &tag));
    *(int64_t *)tag = 0;
    return SDP_DAL_OK;
}

static sdp_dal_status add(sdp_dal_call *call, void *user_data) {
    sdp_dal_value values[3];
    void *zs = NULL;
    (void)user_data;
    OK(sdp_dal_call_values(call, values, 3));
    const sdp_dal_tensor_view *ys = values[1].view;
    OK(sdp_dal_call_create_tensor(call, "zs", ys->ndim, ys->shape, NULL, &zs));
    for (int64_t i = 0; i < ys->shape[0]; i++)
        ((int64_t *)zs)[i] = values[0].int64 + ((const int64_t *)ys->data)[i];
    return SDP_DAL_OK;
}

/* ---- the two sides ---- */

/* Where the caller and the processor run. */
static enum { TWO_CPUS, ONE_CPU, ANYWHERE } where;

static void process(int number) {
    sdp_dal_processor *processor = NULL;
    (void)number;
    if (where != ANYWHERE) pin(where == ONE_CPU ? 0 : 1);
    open_store(CALLS_STORE);
    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register(processor, signatures[0], NULL, empty, NULL, NULL));
    OK(sdp_dal_processor_register(processor, signatures[1], NULL, add, NULL, NULL));
    for (;;) OK(sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER));
}

static pid_t processor;
static sdp_dal_caller *caller;

enum { EMPTY, ADD, MOST_PARAMS = 3 };

/* The arguments of empty() or add(); ys: by reference or by value, or neither. */
static void give(sdp_dal_value *values, const sdp_dal_ref *ys, const sdp_dal_tensor_view *view) {
    memset(values, 0, MOST_PARAMS * sizeof *values);
    values[0].kind = SDP_DAL_VALUE_INT64;
    values[0].int64 = 1;
    if (ys == NULL && view == NULL) return;
    values[1].kind = ys != NULL ? SDP_DAL_VALUE_REF : SDP_DAL_VALUE_TENSOR;
    values[1].reference = ys;
    values[1].view = view;
}

static void begin(int cpus) {
    sdp_dal_caller_options options = {.struct_size = sizeof options};
    where = cpus;
    processor = start(process, 0);
    if (where != ANYWHERE) pin(0);
    open_store(CALLS_STORE);
    options.timeout_ns = INT64_C(10000000000);
    OK(sdp_dal_caller_open(store, signatures, 2, &options, &caller));
}

static void end(void) {
    sdp_dal_caller_close(caller);
    stop(processor);
    close_store();
}

static void wait_for(sdp_dal_ref *output) {
    OK(sdp_dal_ref_wait(output, SDP_DAL_WAIT_FOREVER));
    sdp_dal_ref_free(output);
}

static void call_and_wait(size_t function, const sdp_dal_value *values) {
    sdp_dal_ref *output = NULL;
    OK(sdp_dal_caller_issue(caller, function, values, 1, &output));
    wait_for(output);
}

/* ---- one at a time, there and back ---- */

static void empty_calls(const char *row, double silence, int turns) {
    sdp_dal_value values[MOST_PARAMS];
    give(values, NULL, NULL);
    while (sampling()) {
        if (silence > 0) pause_ms(silence);
        uint64_t begun = now();
        for (int i = 0; i < turns; i++) call_and_wait(EMPTY, values);
        sample(row, since(begun) / turns);
    }
    end();
}

static void call_two(void) {
    begin(TWO_CPUS);
    empty_calls("call_two.awake", 0, 500);
}

static void call_one(void) {
    begin(ONE_CPU);
    empty_calls("call_one.awake", 0, 500);
}

static void call_two_silent(void) {
    begin(TWO_CPUS);
    empty_calls("call_two_silent.after_3_ms", 3, 1);
}

static void call_one_silent(void) {
    begin(ONE_CPU);
    empty_calls("call_one_silent.after_3_ms", 3, 1);
}

static void beside(const char *row, int neighbours) {
    pid_t others[MOST_WORKERS];
    for (int i = 0; i < neighbours; i++) others[i] = start(compute, i);
    begin(ANYWHERE);
    empty_calls(row, 0, 100);
    for (int i = 0; i < neighbours; i++) stop(others[i]);
}

static void call_beside_1(void) { beside("call_beside_1.awake", 1); }
static void call_beside_2(void) { beside("call_beside_2.awake", 2); }

/* A tensor of 100 numbers, which lies in the store or is put for the call, and one that comes back.
 */
static void tensors(void) {
    static const int64_t numbers[NUMBERS], shape[1] = {NUMBERS};
    const sdp_dal_tensor_view view = view_of(numbers, shape, SDP_DAL_INT64);
    sdp_dal_ref *ys = NULL;
    begin(TWO_CPUS);
    OK(sdp_dal_tensor_put(store, &view, &ys));
    sdp_dal_value values[MOST_PARAMS];
    while (sampling()) {
        give(values, ys, NULL);
        uint64_t begun = now();
        for (int i = 0; i < 500; i++) call_and_wait(ADD, values);
        sample("tensor.in_the_store", since(begun) / 500);
        give(values, NULL, &view);
        begun = now();
        for (int i = 0; i < 500; i++) call_and_wait(ADD, values);
        sample("tensor.put_for_the_call", since(begun) / 500);
    }
    sdp_dal_ref_free(ys);
    end();
}

/* ---- many at once ---- */

/* Rows with as many parameters each. */
static void run_batch(const char *row, size_t function, const sdp_dal_value *values) {
    static sdp_dal_ref *outputs[ROWS];
    uint64_t begun = now();
    OK(sdp_dal_caller_issue(caller, function, values, ROWS, outputs));
    for (size_t i = 0; i < ROWS; i++) wait_for(outputs[i]);
    sample(row, since(begun) / ROWS);
}

static void batch(void) {
    static const int64_t numbers[NUMBERS], shape[1] = {NUMBERS};
    static sdp_dal_value of_empty[ROWS * 2 + 1], of_add[ROWS * MOST_PARAMS];
    const sdp_dal_tensor_view view = view_of(numbers, shape, SDP_DAL_INT64);
    sdp_dal_ref *ys = NULL;
    begin(TWO_CPUS);
    OK(sdp_dal_tensor_put(store, &view, &ys));
    /* Each row's last parameter is its output: what give() writes there is null, and then the next
     * row's. */
    for (size_t i = 0; i < ROWS; i++) {
        give(&of_empty[i * 2], NULL, NULL);
        give(&of_add[i * MOST_PARAMS], ys, NULL);
    }
    while (sampling()) {
        run_batch("batch.empty", EMPTY, of_empty);
        run_batch("batch.with_tensors", ADD, of_add);
    }
    sdp_dal_ref_free(ys);
    end();
}

static const struct job jobs[] = {
    {"call_two", call_two},
    {"call_one", call_one},
    {"call_two_silent", call_two_silent},
    {"call_one_silent", call_one_silent},
    {"call_beside_1", call_beside_1},
    {"call_beside_2", call_beside_2},
    {"tensor", tensors},
    {"batch", batch},
};

int main(int argc, char **argv) { return bench_main(argc, argv, jobs, sizeof jobs / sizeof *jobs); }
