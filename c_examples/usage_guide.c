/* The usage guide's examples: calls, references, batches, broadcast, scoping.
 * Run simple_processor in the same store first (two of them for broadcast). */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

enum { COUNT = 100 };

static const char *const arguments = "STORE simple|references|graph|batch|broadcast|scoping";
static const char *const text =
    "Calls simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i]) of a processor "
    "in the store at the\n"
    "path STORE, in the way of one section of the usage guide.\n";

static const char *const signature = "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])";

/* 0, 1, ... 99, in this program's memory. */
static sdp_dal_tensor_view numbers(void) {
    static int64_t data[COUNT];
    static const int64_t shape[1] = {COUNT};
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    for (int64_t i = 0; i < COUNT; i++) data[i] = i;
    view.data = data;
    view.shape = shape;
    view.ndim = 1;
    view.dtype = SDP_DAL_INT64;
    return view;
}

/* Waits for an output zs and prints its first and last element. */
static void print_zs(const sdp_dal_results *results) {
    const sdp_dal_ref *zs = NULL;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    check(sdp_dal_results_get_ref(results, "zs", &zs), "zs");
    check(sdp_dal_ref_get_tensor(zs, SDP_DAL_WAIT_FOREVER, &tensor, &view), "zs");
    const int64_t *data = view.data;
    printf("zs = %lld ... %lld\n", (long long)data[0], (long long)data[view.shape[0] - 1]);
    sdp_dal_tensor_free(tensor);
}

/* Issues simple_fn(x, ys) and does not wait for it. */
static sdp_dal_results *simple_fn(sdp_dal_caller *caller, int64_t x, const sdp_dal_ref *ys) {
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    check(sdp_dal_args_create(&args), "arguments");
    check(sdp_dal_args_set_int64(args, NULL, x), "x");
    check(sdp_dal_args_set_ref(args, NULL, ys), "ys");
    check(sdp_dal_caller_call(caller, "simple_fn", args, &results), "simple_fn");
    sdp_dal_args_free(args);
    return results;
}

/* Parameters go by name or by position, values or references; outputs that are
 * left out are made. */
static void simple(sdp_dal_caller *caller) {
    sdp_dal_tensor_view ys = numbers();
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    check(sdp_dal_args_create(&args), "arguments");
    check(sdp_dal_args_set_int64(args, NULL, 1), "x");
    check(sdp_dal_args_set_tensor(args, NULL, &ys), "ys");
    check(sdp_dal_caller_call(caller, "simple_fn", args, &results), "simple_fn");
    print_zs(results);
    sdp_dal_results_free(results);
    sdp_dal_args_free(args);
}

/* ys goes into shared memory once, and is passed to three calls without a copy.
 */
static void references(sdp_dal_store *store, sdp_dal_caller *caller) {
    sdp_dal_tensor_view value = numbers();
    sdp_dal_ref *ys = NULL;
    check(sdp_dal_tensor_put(store, &value, &ys), "ys");
    for (int64_t x = 1; x <= 3; x++) {
        sdp_dal_results *results = simple_fn(caller, x, ys);
        print_zs(results);
        sdp_dal_results_free(results);
    }
    sdp_dal_ref_free(ys);
}

/* Each result is the next call's input before it exists; this program waits
 * once, at the end. */
static void graph(sdp_dal_store *store, sdp_dal_caller *caller) {
    sdp_dal_tensor_view value = numbers();
    sdp_dal_ref *ys = NULL;
    sdp_dal_results *stages[3] = {NULL, NULL, NULL};
    check(sdp_dal_tensor_put(store, &value, &ys), "ys");
    const sdp_dal_ref *input = ys;
    for (int stage = 0; stage < 3; stage++) {
        stages[stage] = simple_fn(caller, stage + 1, input);
        check(sdp_dal_results_get_ref(stages[stage], "zs", &input), "zs");
    }
    print_zs(stages[2]);
    for (int stage = 0; stage < 3; stage++) sdp_dal_results_free(stages[stage]);
    sdp_dal_ref_free(ys);
}

/* Three calls in one go. */
static void batch(sdp_dal_store *store, sdp_dal_caller *caller) {
    sdp_dal_tensor_view value = numbers();
    sdp_dal_ref *ys = NULL;
    sdp_dal_args *rows[3] = {NULL, NULL, NULL};
    sdp_dal_replies *replies = NULL;
    check(sdp_dal_tensor_put(store, &value, &ys), "ys");
    for (int row = 0; row < 3; row++) {
        check(sdp_dal_args_create(&rows[row]), "arguments");
        check(sdp_dal_args_set_int64(rows[row], "x", row + 1), "x");
        check(sdp_dal_args_set_ref(rows[row], "ys", ys), "ys");
    }
    check(sdp_dal_caller_batch(caller, "simple_fn", (const sdp_dal_args *const *)rows, 3, &replies,
                               NULL),
          "simple_fn");
    for (size_t row = 0; row < 3; row++) {
        const sdp_dal_results *results = NULL;
        check(sdp_dal_replies_get_results(replies, 0, row, &results), "a row");
        print_zs(results);
        sdp_dal_args_free(rows[row]);
    }
    sdp_dal_replies_free(replies);
    sdp_dal_ref_free(ys);
}

/* Every processor that there is gets the call; new ones join when they are
 * looked for. */
static void broadcast(sdp_dal_store *store) {
    sdp_dal_tensor_view value = numbers();
    sdp_dal_caller_options options = {.struct_size = sizeof options};
    sdp_dal_caller *caller = NULL;
    sdp_dal_ref *ys = NULL;
    sdp_dal_args *args = NULL;
    options.flags = SDP_DAL_CALLER_NONE_NEEDED;
    check(sdp_dal_caller_open(store, &signature, 1, &options, &caller), "a caller");
    check(sdp_dal_tensor_put(store, &value, &ys), "ys");
    check(sdp_dal_args_create(&args), "arguments");
    check(sdp_dal_args_set_ref(args, "ys", ys), "ys");
    for (int64_t i = 0; i < 10 && !stopped; i++) {
        const struct timespec pause = {0, 100000000};
        const sdp_dal_args *const row = args;
        sdp_dal_replies *replies = NULL;
        check(sdp_dal_caller_find_processors(caller, SDP_DAL_POLL, NULL), "looking for processors");
        check(sdp_dal_args_set_int64(args, "x", i), "x");
        size_t count = 0;
        check(sdp_dal_caller_broadcast(caller, "simple_fn", &row, 1, &replies, &count),
              "simple_fn");
        printf("Have %zu processors\n", count);
        for (size_t processor = 0; processor < count; processor++) {
            const sdp_dal_results *results = NULL;
            sdp_dal_status status = sdp_dal_replies_get_results(replies, processor, 0, &results);
            /* One that has gone since it was found. */
            if (status == SDP_DAL_PROCESSOR_LOST) continue;
            check(status, "a processor's results");
            print_zs(results);
        }
        sdp_dal_replies_free(replies);
        nanosleep(&pause, NULL);
    }
    sdp_dal_args_free(args);
    sdp_dal_ref_free(ys);
    sdp_dal_caller_close(caller);
}

/* What runs is what somebody still refers to. */
static void scoping(sdp_dal_store *store, sdp_dal_caller *caller) {
    enum { CALLS = 100 };
    const struct timespec pause = {0, 10000000};
    sdp_dal_tensor_view value = numbers();
    sdp_dal_ref *ys = NULL;
    sdp_dal_results *results[CALLS];
    int finished = 0;
    check(sdp_dal_tensor_put(store, &value, &ys), "ys");

    /* Nobody keeps the result: the call is cancelled, unless a processor was
     * quick. */
    sdp_dal_results_free(simple_fn(caller, 1, ys));

    for (int64_t i = 0; i < CALLS; i++) results[i] = simple_fn(caller, i, ys);
    nanosleep(&pause, NULL);
    for (int i = 0; i < CALLS; i++) {
        const sdp_dal_ref *zs = NULL;
        check(sdp_dal_results_get_ref(results[i], "zs", &zs), "zs");
        sdp_dal_status status = sdp_dal_ref_wait(zs, SDP_DAL_POLL);
        if (status != SDP_DAL_OK && status != SDP_DAL_TIMEOUT) die("zs");
        if (status == SDP_DAL_OK) finished++;
        /* What has not begun by now will not. */
        sdp_dal_results_free(results[i]);
    }
    printf("%d of %d calls were done in 10 ms, the others are cancelled\n", finished, CALLS);
    sdp_dal_ref_free(ys);
}

int main(int argc, char **argv) {
    if (argc == 2 && is_help(argv[1])) {
        usage(stdout, argv[0], arguments, text);
        return 0;
    }
    if (argc != 3) {
        usage(stderr, argv[0], arguments, text);
        return 2;
    }
    const char *section = argv[2];
    sdp_dal_store *store = open_store(argv[1], "usage_guide");
    if (strcmp(section, "broadcast") == 0) {
        broadcast(store);
        close_store(store);
        return 0;
    }
    sdp_dal_caller *caller = open_caller(store, signature);
    int result = 0;
    if (strcmp(section, "simple") == 0) {
        simple(caller);
    } else if (strcmp(section, "references") == 0) {
        references(store, caller);
    } else if (strcmp(section, "graph") == 0) {
        graph(store, caller);
    } else if (strcmp(section, "batch") == 0) {
        batch(store, caller);
    } else if (strcmp(section, "scoping") == 0) {
        scoping(store, caller);
    } else {
        usage(stderr, argv[0], arguments, text);
        result = 2;
    }
    sdp_dal_caller_close(caller);
    close_store(store);
    return result;
}
