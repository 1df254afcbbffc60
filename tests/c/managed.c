/* What languages with a runtime of their own need: a check that ends waits, the bytes of a call,
 * leaving stores at the end. argv[1]: the store's path. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

#define ADD "add(x: int64, ys: int64[i]) -> (zs: int64[i])"
#define NONE "none() -> (tag: int64[])"

/* ---- the check that ends waits ---- */

static volatile sig_atomic_t signals;

static void hear(int number) {
    (void)number;
    signals++;
}

struct asked {
    int times, end_at;
};

/* May use the library; what fails here is not the last error of who waited. */
static bool ask(void *user_data) {
    struct asked *asked = (struct asked *)user_data;
    FAILS(sdp_dal_store_get_prefix(NULL, NULL), SDP_DAL_INVALID_ARGUMENT);
    asked->times++;
    return asked->times >= asked->end_at;
}

/* A reference to what never comes to be. */
static sdp_dal_ref *never(const sdp_dal_store *store) {
    uint8_t id[SDP_DAL_ID_SIZE];
    sdp_dal_ref *ref = NULL;
    memset(id, 0xee, sizeof id);
    OK(sdp_dal_ref_from_id(store, id, NULL, &ref));
    return ref;
}

static void a_check_ends_waits(const sdp_dal_store *store) {
    struct asked asked = {0, 2};
    sdp_dal_ref *ref = never(store);
    OK(sdp_dal_set_interrupt_check(ask, &asked));
    FAILS(sdp_dal_ref_wait(ref, SDP_DAL_WAIT_FOREVER), SDP_DAL_INTERRUPTED);
    CHECK(asked.times == 2);
    SAYS("interrupted");
    /* What need not wait is not asked. */
    FAILS(sdp_dal_ref_wait(ref, SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    CHECK(asked.times == 2);
    /* A signal asks at once: long before a wait would by itself. */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = hear;
    OK(sigaction(SIGALRM, &action, NULL));
    const struct itimerval soon = {{0, 2000}, {0, 2000}};
    OK(setitimer(ITIMER_REAL, &soon, NULL));
    asked.times = 0, asked.end_at = 20;
    FAILS(sdp_dal_ref_wait(ref, SDP_DAL_WAIT_FOREVER), SDP_DAL_INTERRUPTED);
    const struct itimerval off = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &off, NULL));
    CHECK(asked.times == 20 && signals >= 10);
    /* Taken back, it is asked no more. */
    OK(sdp_dal_set_interrupt_check(NULL, NULL));
    FAILS(sdp_dal_ref_wait(ref, 600000000), SDP_DAL_TIMEOUT);
    CHECK(asked.times == 20);
    sdp_dal_ref_free(ref);
}

/* ---- which function, and the call's bytes ---- */

static sdp_dal_results *call(sdp_dal_caller *caller, const char *function, const sdp_dal_ref *ys) {
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    OK(sdp_dal_args_create(&args));
    if (ys != NULL) {
        OK(sdp_dal_args_set_int64(args, "x", 5));
        OK(sdp_dal_args_set_ref(args, "ys", ys));
    }
    OK(sdp_dal_caller_call(caller, function, args, &results));
    sdp_dal_args_free(args);
    return results;
}

/* Takes a call, looks at it, and fails it. */
static void take(const sdp_dal_processor *processor, size_t function) {
    sdp_dal_call *taken = NULL;
    sdp_dal_call_info info;
    sdp_dal_buffer *buffer = NULL;
    const void *data = NULL;
    size_t size = 0;
    OK(sdp_dal_processor_next(processor, 0, &taken, NULL));
    CLEAR(info);
    OK(sdp_dal_call_get_info(taken, &info));
    CHECK(info.function_index == function);
    OK(sdp_dal_call_get_buffer(taken, &buffer));
    OK(buffer_data(buffer, &data, &size));
    /* An Arrow stream. */
    CHECK(size > 64 && memcmp(data, "\xff\xff\xff\xff", 4) == 0);
    OK(sdp_dal_call_fail(taken, SDP_DAL_FUNCTION_FAILED, "as wanted"));
    OK(sdp_dal_call_finish(taken, NULL, 0));
    sdp_dal_buffer *late = NULL;
    FAILS(sdp_dal_call_get_buffer(taken, &late), SDP_DAL_INVALID_ARGUMENT);
    CHECK(late == NULL);
    sdp_dal_call_free(taken);
    /* It outlives the call. */
    CHECK(memcmp(data, "\xff\xff\xff\xff", 4) == 0);
    sdp_dal_buffer_free(buffer);
}

static void a_call_tells_what_it_is(const sdp_dal_store *store) {
    const char *signatures[] = {ADD, NONE};
    sdp_dal_processor *processor = NULL;
    sdp_dal_caller *caller = NULL;
    sdp_dal_function_options options;
    CLEAR(options);
    options.flags = SDP_DAL_FUNCTION_LOOSE_DIMS;
    OK(sdp_dal_processor_open(store, NULL, &processor));
    for (int i = 0; i < 2; i++) {
        sdp_dal_schema *schema = NULL;
        OK(sdp_dal_schema_parse(signatures[i], &schema));
        OK(sdp_dal_processor_register_schema(processor, schema, i == 0 ? &options : NULL, NULL,
                                             NULL, NULL));
        sdp_dal_schema_free(schema);
    }
    OK(sdp_dal_processor_start(processor));
    OK(sdp_dal_caller_open(store, signatures, 2, NULL, &caller));
    const int64_t values[1] = {1}, shape[1] = {1};
    sdp_dal_tensor_view view;
    CLEAR(view);
    view.data = values, view.shape = shape, view.ndim = 1, view.dtype = SDP_DAL_INT64;
    sdp_dal_ref *ys = NULL;
    OK(sdp_dal_tensor_put(store, &view, &ys));
    sdp_dal_results *second = call(caller, "none", NULL), *first = call(caller, "add", ys);
    take(processor, 1);
    take(processor, 0);
    sdp_dal_results_free(first);
    sdp_dal_results_free(second);
    sdp_dal_ref_free(ys);
    sdp_dal_caller_close(caller);
    sdp_dal_processor_close(processor);
}

int main(int argc, char **argv) {
    /* Never freed, and no leak: it can be reached until the end. */
    static sdp_dal_store *store = NULL;
    CHECK(argc == 2);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    a_check_ends_waits(store);
    a_call_tells_what_it_is(store);
    /* The program ends without closing its store, which nobody else uses. */
    CHECK(access(argv[1], F_OK) == 0);
    OK(sdp_dal_stores_leave());
    CHECK(access(argv[1], F_OK) != 0);
    OK(sdp_dal_stores_leave());
    return 0;
}
