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
    OK(sdp_dal_call_create_tensor(call, "tag", 0, NULL, &tag));
    *(int64_t *)tag = 0;
    return SDP_DAL_OK;
}

static sdp_dal_status add(sdp_dal_call *call, void *user_data) {
    sdp_dal_tensor_view ys;
    int64_t x = 0;
    void *zs = NULL;
    (void)user_data;
    OK(sdp_dal_tensor_view_init(&ys, sizeof ys));
    OK(sdp_dal_call_get_int64(call, "x", &x));
    OK(sdp_dal_call_get_tensor(call, "ys", &ys));
    OK(sdp_dal_call_create_tensor(call, "zs", ys.ndim, ys.shape, &zs));
    for (int64_t i = 0; i < ys.shape[0]; i++)
        ((int64_t *)zs)[i] = x + ((const int64_t *)ys.data)[i];
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
    OK(sdp_dal_processor_register(processor, signatures[0], empty, NULL, NULL));
    OK(sdp_dal_processor_register(processor, signatures[1], add, NULL, NULL));
    for (;;) OK(sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER));
}

static pid_t processor;
static sdp_dal_caller *caller;
static sdp_dal_args *args;

static void begin(int cpus) {
    sdp_dal_caller_options options;
    where = cpus;
    processor = start(process, 0);
    if (where != ANYWHERE) pin(0);
    open_store(CALLS_STORE);
    OK(sdp_dal_caller_options_init(&options, sizeof options));
    options.timeout_ns = INT64_C(10000000000);
    OK(sdp_dal_caller_open(store, signatures, 2, &options, &caller));
    OK(sdp_dal_args_create(&args));
}

static void end(void) {
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
    stop(processor);
    close_store();
}

static void wait_for(const sdp_dal_results *results) {
    const sdp_dal_ref *output = NULL;
    OK(sdp_dal_results_ref_at(results, 0, &output));
    OK(sdp_dal_ref_wait(output, SDP_DAL_WAIT_FOREVER));
}

static void call_and_wait(const char *function) {
    sdp_dal_results *results = NULL;
    OK(sdp_dal_caller_call(caller, function, args, &results));
    wait_for(results);
    sdp_dal_results_free(results);
}

/* ---- one at a time, there and back ---- */

static void empty_calls(const char *row, double silence, int turns) {
    OK(sdp_dal_args_set_int64(args, "x", 1));
    while (sampling()) {
        if (silence > 0) pause_ms(silence);
        uint64_t begun = now();
        for (int i = 0; i < turns; i++) call_and_wait("empty");
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
    OK(sdp_dal_args_set_int64(args, "x", 1));
    while (sampling()) {
        uint64_t begun = now();
        OK(sdp_dal_args_set_ref(args, "ys", ys));
        for (int i = 0; i < 500; i++) call_and_wait("add");
        sample("tensor.in_the_store", since(begun) / 500);
        begun = now();
        OK(sdp_dal_args_set_tensor(args, "ys", &view));
        for (int i = 0; i < 500; i++) call_and_wait("add");
        sample("tensor.put_for_the_call", since(begun) / 500);
    }
    sdp_dal_ref_free(ys);
    end();
}

/* ---- many at once ---- */

static void run_batch(const char *row, const char *function) {
    static const sdp_dal_args *rows[ROWS];
    sdp_dal_replies *replies = NULL;
    const sdp_dal_results *results = NULL;
    for (int i = 0; i < ROWS; i++) rows[i] = args;
    uint64_t begun = now();
    OK(sdp_dal_caller_batch(caller, function, rows, ROWS, &replies));
    for (size_t i = 0; i < ROWS; i++) {
        OK(sdp_dal_replies_results(replies, 0, i, &results));
        wait_for(results);
    }
    sdp_dal_replies_free(replies);
    sample(row, since(begun) / ROWS);
}

static void batch(void) {
    static const int64_t numbers[NUMBERS], shape[1] = {NUMBERS};
    const sdp_dal_tensor_view view = view_of(numbers, shape, SDP_DAL_INT64);
    sdp_dal_ref *ys = NULL;
    begin(TWO_CPUS);
    OK(sdp_dal_tensor_put(store, &view, &ys));
    while (sampling()) {
        OK(sdp_dal_args_clear(args));
        OK(sdp_dal_args_set_int64(args, "x", 1));
        run_batch("batch.empty", "empty");
        OK(sdp_dal_args_set_ref(args, "ys", ys));
        run_batch("batch.with_tensors", "add");
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
