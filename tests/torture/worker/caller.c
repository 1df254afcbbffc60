/* The caller: single calls, chains, batches, broadcasts, and calls that are given up or fail. */
#include "worker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How a call may end that is not at fault itself. */
static int ended_well(enum operation operation, const sdp_dal_ref *ref, sdp_dal_tensor **out,
                      struct thread *me) {
    sdp_dal_status status = SDP_DAL_TIMEOUT;
    /* In slices of all lengths; the driver watches that it ends. Whoever is told to end waits on:
     * the processors end, too, so that the output has an end. */
    while (status == SDP_DAL_TIMEOUT && !(wild && told_to_end)) {
        status = sdp_dal_ref_get_tensor(ref, (int64_t)below(me, 400) * 1000000, out, NULL);
    }
    if (status == SDP_DAL_TIMEOUT) return 0;
    return went(operation, status, 0);
}

static void ended_with(enum operation operation, const sdp_dal_results *results, uint64_t key,
                       uint64_t offset, struct thread *me) {
    const sdp_dal_ref *zs = NULL;
    sdp_dal_tensor *tensor = NULL;
    if (!went(operation, sdp_dal_results_get_ref(results, "zs", &zs), 0)) return;
    if (ended_well(operation, zs, &tensor, me)) verify_tensor(tensor, key, offset, NULL);
    sdp_dal_tensor_free(tensor);
}

static sdp_dal_results *issue(enum operation operation, struct thread *me, const char *function,
                              const sdp_dal_args *args) {
    sdp_dal_results *results = NULL;
    went(operation, sdp_dal_caller_call(me->caller, function, args, &results),
         BIT(PROCESSOR_LOST) | BIT(NO_PROCESSOR));
    return results;
}

static sdp_dal_results *issue_make(enum operation operation, struct thread *me, uint64_t key) {
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    if (went(operation, sdp_dal_args_create(&args), 0) &&
        went(operation, sdp_dal_args_set_int64(args, "n", array_size(me)), 0) &&
        went(operation, sdp_dal_args_set_int64(args, "key", (int64_t)key), 0)) {
        results = issue(operation, me, "make", args);
    }
    sdp_dal_args_free(args);
    return results;
}

/* The output of each call is the input of the next one; the results between may go at once. */
static void chain_of_calls(struct thread *me) {
    const uint64_t key = next(me), length = 1 + below(me, CHAIN);
    uint64_t offset = 0;
    const int early = below(me, 2) == 0;
    sdp_dal_results *stages[CHAIN + 1] = {NULL};
    stages[0] = issue_make(CHAIN_OF_CALLS, me, key);
    uint64_t last = 0;
    for (uint64_t i = 1; i <= length && stages[last] != NULL; i++) {
        const sdp_dal_ref *ys = NULL;
        sdp_dal_args *args = NULL;
        const uint64_t x = below(me, 1000);
        sdp_dal_results *results = NULL;
        if (went(CHAIN_OF_CALLS, sdp_dal_results_get_ref(stages[last], "zs", &ys), 0) &&
            went(CHAIN_OF_CALLS, sdp_dal_args_create(&args), 0) &&
            went(CHAIN_OF_CALLS, sdp_dal_args_set_int64(args, NULL, (int64_t)x), 0) &&
            went(CHAIN_OF_CALLS, sdp_dal_args_set_ref(args, NULL, ys), 0)) {
            results = issue(CHAIN_OF_CALLS, me, "add", args);
        }
        sdp_dal_args_free(args);
        if (results == NULL) break;
        if (early) {
            sdp_dal_results_free(stages[last]);
            stages[last] = NULL;
        }
        last = i;
        stages[last] = results;
        offset += x;
    }
    if (stages[last] != NULL) ended_with(CHAIN_OF_CALLS, stages[last], key, offset, me);
    for (uint64_t i = 0; i <= CHAIN; i++) sdp_dal_results_free(stages[i]);
}

/* With a value in this process's memory, which may be written over at once. */
static void call(struct thread *me) {
    static _Thread_local int64_t array[4096];
    sdp_dal_args *args = NULL;
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    int64_t shape[1] = {array_size(me)};
    const uint64_t key = next(me), x = below(me, 1000);
    sdp_dal_results *results = NULL;
    if (shape[0] > 4096) shape[0] = 4096;
    fill_array(array, (uint64_t)shape[0], key);
    view.data = array, view.shape = shape, view.ndim = 1, view.dtype = SDP_DAL_INT64;
    if (went(CALL, sdp_dal_args_create(&args), 0) &&
        went(CALL, sdp_dal_args_set_int64(args, NULL, (int64_t)x), 0) &&
        went(CALL, sdp_dal_args_set_tensor(args, NULL, &view), 0)) {
        results = issue(CALL, me, "add", args);
    }
    sdp_dal_args_free(args);
    memset(array, 0x55, sizeof array);
    if (results != NULL) ended_with(CALL, results, key, x, me);
    sdp_dal_results_free(results);
}

static void rows_of_calls(struct thread *me, enum operation operation) {
    const size_t count = 1 + (size_t)below(me, ROWS);
    sdp_dal_args *rows[ROWS] = {NULL};
    uint64_t keys[ROWS];
    sdp_dal_replies *replies = NULL;
    size_t processors = 0;
    for (size_t i = 0; i < count; i++) {
        keys[i] = next(me);
        went(operation, sdp_dal_args_create(&rows[i]), 0);
        went(operation, sdp_dal_args_set_int64(rows[i], "n", array_size(me)), 0);
        went(operation, sdp_dal_args_set_int64(rows[i], "key", (int64_t)keys[i]), 0);
    }
    const sdp_dal_args *const *all = (const sdp_dal_args *const *)rows;
    sdp_dal_status status =
        operation == BATCH
            ? sdp_dal_caller_batch(me->caller, "make", all, count, &replies, &processors)
            : sdp_dal_caller_broadcast(me->caller, "make", all, count, &replies, &processors);
    if (went(operation, status, BIT(PROCESSOR_LOST) | BIT(NO_PROCESSOR))) {
        for (size_t processor = 0; processor < processors; processor++) {
            for (size_t row = 0; row < count; row++) {
                const sdp_dal_results *results = NULL;
                if (went(operation, sdp_dal_replies_get_results(replies, processor, row, &results),
                         BIT(PROCESSOR_LOST))) {
                    ended_with(operation, results, keys[row], 0, me);
                }
            }
        }
    }
    sdp_dal_replies_free(replies);
    for (size_t i = 0; i < count; i++) sdp_dal_args_free(rows[i]);
}

/* Nobody keeps the results: what has not begun is not run, and what runs finds out. */
static void cancel(struct thread *me) {
    sdp_dal_args *args = NULL;
    sdp_dal_results *results[4] = {NULL};
    went(CANCEL, sdp_dal_args_create(&args), 0);
    went(CANCEL, sdp_dal_args_set_int64(args, "ms", 5 + (int64_t)below(me, 20)), 0);
    for (int i = 0; i < 4; i++) results[i] = issue(CANCEL, me, "slow", args);
    nap((int64_t)below(me, 4000000));
    for (int i = 0; i < 4; i++) sdp_dal_results_free(results[i]);
    sdp_dal_args_free(args);
}

static void failing_call(struct thread *me) {
    sdp_dal_args *args = NULL;
    const sdp_dal_ref *zs = NULL;
    sdp_dal_tensor *tensor = NULL;
    char text[SDP_DAL_MESSAGE_SIZE] = "", expected[64];
    size_t length = sizeof text;
    const uint64_t x = below(me, 1000000);
    snprintf(expected, sizeof expected, "refused %llu", (unsigned long long)x);
    went(FAILING_CALL, sdp_dal_args_create(&args), 0);
    went(FAILING_CALL, sdp_dal_args_set_int64(args, "x", (int64_t)x), 0);
    sdp_dal_results *results = issue(FAILING_CALL, me, "fails", args);
    if (results != NULL && went(FAILING_CALL, sdp_dal_results_get_ref(results, "zs", &zs), 0)) {
        sdp_dal_status status = SDP_DAL_TIMEOUT;
        while (status == SDP_DAL_TIMEOUT && !(wild && told_to_end))
            status = sdp_dal_ref_get_tensor(zs, 100000000, &tensor, NULL);
        if (status == SDP_DAL_FUNCTION_FAILED) sdp_dal_last_error(text, &length);
        if (status == SDP_DAL_OK) wrong("a call that fails gave a result", NULL);
        /* In a full store there may be no room for the text. */
        if (status == SDP_DAL_FUNCTION_FAILED && strstr(text, expected) == NULL && !wild &&
            (allowed & BIT(OUT_OF_MEMORY)) == 0) {
            fprintf(stderr, "FAILURE failing_call: expected '%s' in: %s\n", expected, text);
            _exit(3);
        }
        went(FAILING_CALL, status, BIT(FUNCTION_FAILED) | BIT(TIMEOUT));
    }
    sdp_dal_tensor_free(tensor);
    sdp_dal_results_free(results);
    sdp_dal_args_free(args);
}

static int find(struct thread *me) {
    sdp_dal_caller_options options = {.struct_size = sizeof options};
    size_t count = 0;
    sdp_dal_status status;
    begin(me, FIND);
    if (me->caller != NULL) {
        status = sdp_dal_caller_find_processors(me->caller, 20000000, &count);
    } else {
        options.timeout_ns = 50000000;
        options.max_in_flight = 64;
        status = sdp_dal_caller_open(me->store, signatures, FUNCTIONS, &options, &me->caller);
    }
    done(me, FIND);
    return went(FIND, status, BIT(NO_PROCESSOR) | BIT(TIMEOUT));
}

void calls(struct thread *me) {
    while (!told_to_end) {
        if (me->store == NULL && !open_store(me)) return;
        if (me->caller == NULL || sdp_dal_caller_num_processors(me->caller) == 0 ||
            below(me, 20) == 0) {
            if (!find(me)) {
                nap(5000000);
                if (comes_and_goes || below(me, 10) == 0) close_store(me);
                continue;
            }
        }
        const uint64_t dice = below(me, 100);
        const enum operation operation = dice < 35   ? CALL
                                         : dice < 60 ? CHAIN_OF_CALLS
                                         : dice < 75 ? BATCH
                                         : dice < 85 ? BROADCAST
                                         : dice < 93 ? CANCEL
                                                     : FAILING_CALL;
        begin(me, operation);
        switch (operation) {
        case CALL:
            call(me);
            break;
        case CHAIN_OF_CALLS:
            chain_of_calls(me);
            break;
        case CANCEL:
            cancel(me);
            break;
        case FAILING_CALL:
            failing_call(me);
            break;
        default:
            rows_of_calls(me, operation);
        }
        done(me, operation);
        if (comes_and_goes && below(me, 20) == 0) close_store(me);
    }
    if (me->store != NULL) close_store(me);
}
