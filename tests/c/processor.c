/* A processor in one process and a caller in another: how functions are run. argv[1]: the store's
 * path; argv[2]: processor, caller or alone. */
#include <math.h>
#include <pthread.h>
#include <time.h>

#include "check.h"

#define SLOW "slow(x: int64) -> (z: int64[])"
#define COUNT "count() -> (ran: int64[], cancelled: int64[])"
#define LATER "later(x: int64) -> (a: int64[], b: int64[])"
#define IN_ORDER "in_order(x: int64, ys: int64[i]) -> (nth: int64[])"
#define SQUARE "square(ys: int64[i]) -> (zs: int64[i])"
#define MEET "meet(x: int64) -> (z: int64[])"
#define PAIR "pair(a: int64[i=2], b: int64[i]) -> (n: int64[])"
#define ABOUT "about(x: int64) -> (who: int64[], threads: int64[], id: uint8[n=20])"
#define SINK "sink(ys: int64[i])"
#define QUIT "quit()"

/* Longer than anything takes: what lasts as long has failed. */
#define LONG ((int64_t)60 * 1000 * 1000 * 1000)
#define THREADS 3

static const char *const SIGNATURES[] = {SLOW, COUNT, LATER, IN_ORDER, SQUARE,
                                         MEET, PAIR,  ABOUT, SINK,     QUIT};
enum { FUNCTIONS = sizeof SIGNATURES / sizeof *SIGNATURES };

/* ---- the processor ---------------------------------------------------------------------------*/

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int64_t cancelled, sinks, meeting, drops;
    int has_quit;
} world = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0, 0};

static void count_drop(void *user_data) {
    CHECK(user_data == &world);
    world.drops++;
}

static void nap(void) {
    struct timespec time = {0, 1000000};
    nanosleep(&time, NULL);
}

static void write_number(const sdp_dal_call *call, const char *name, int64_t value) {
    void *data = NULL;
    OK(sdp_dal_call_create_tensor(call, name, 0, NULL, NULL, &data));
    *(int64_t *)data = value;
}

/* Runs until nobody wants its output any more. */
static sdp_dal_status slow(sdp_dal_call *call, void *user_data) {
    (void)user_data;
    FAILS(sdp_dal_call_set_progress(call, NAN), SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_call_set_progress(call, 0.5));
    for (int i = 0; i < 60000 && !sdp_dal_call_is_cancelled(call); i++) nap();
    CHECK(sdp_dal_call_is_cancelled(call));
    pthread_mutex_lock(&world.mutex);
    world.cancelled++;
    pthread_mutex_unlock(&world.mutex);
    return SDP_DAL_CANCELLED;
}

static sdp_dal_status count(sdp_dal_call *call, void *user_data) {
    (void)user_data;
    pthread_mutex_lock(&world.mutex);
    write_number(call, "ran", world.sinks);
    write_number(call, "cancelled", world.cancelled);
    pthread_mutex_unlock(&world.mutex);
    return SDP_DAL_OK;
}

/* The rest of a deferred call, in a thread of its own. */
static void *finish_later(void *argument) {
    sdp_dal_call *call = (sdp_dal_call *)argument;
    int64_t x = 0;
    OK(sdp_dal_call_get_int64(call, "x", &x));
    nap();
    if (x >= 0) {
        write_number(call, "b", x + 1);
        OK(sdp_dal_call_finish(call, NULL, 0));
        OK(sdp_dal_call_finish(call, NULL, 0));
    }
    sdp_dal_call_free(call);
    return NULL;
}

static sdp_dal_status later(sdp_dal_call *call, void *user_data) {
    sdp_dal_call *deferred = NULL;
    pthread_t thread;
    (void)user_data;
    write_number(call, "a", 1);
    OK(sdp_dal_call_seal(call, "a"));
    OK(sdp_dal_call_defer(call, &deferred));
    CHECK(deferred != NULL && deferred != call);
    CHECK(pthread_create(&thread, NULL, finish_later, deferred) == 0);
    CHECK(pthread_detach(thread) == 0);
    return SDP_DAL_OK;
}

static sdp_dal_status in_order(sdp_dal_call *call, void *user_data) {
    static int64_t nth;
    (void)user_data;
    write_number(call, "nth", nth++);
    return SDP_DAL_OK;
}

/* Works in a private copy of its input, as libraries do that scribble on it. */
static sdp_dal_status square(sdp_dal_call *call, void *user_data) {
    sdp_dal_tensor_view ys, copy, again;
    void *data = NULL, *same = NULL;
    (void)user_data;
    CLEAR(ys);
    CLEAR(copy);
    CLEAR(again);
    OK(sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &ys));
    OK(sdp_dal_call_copy_tensor(call, "ys", &copy, &data));
    CHECK(copy.data == data && data != ys.data && (uintptr_t)data % 64 == 0);
    CHECK(copy.shape[0] == ys.shape[0] && copy.dtype == SDP_DAL_INT64);
    for (int64_t i = 0; i < copy.shape[0]; i++) {
        int64_t *place = (int64_t *)data + i;
        CHECK(*place == ((const int64_t *)ys.data)[i]);
        *place *= *place;
    }
    OK(sdp_dal_call_copy_tensor(call, "ys", &again, &same));
    CHECK(same == data);
    FAILS(sdp_dal_call_copy_tensor(call, "zs", &again, &same), SDP_DAL_INVALID_ARGUMENT);
    CHECK(same == NULL && again.data == NULL);
    FAILS(sdp_dal_call_copy_tensor(call, "nobody", &again, &same), SDP_DAL_NOT_FOUND);
    return sdp_dal_call_put_tensor(call, "zs", &copy);
}

/* Two runs must be in here at once. */
static sdp_dal_status meet(sdp_dal_call *call, void *user_data) {
    (void)user_data;
    pthread_mutex_lock(&world.mutex);
    world.meeting++;
    pthread_cond_broadcast(&world.changed);
    while (world.meeting < 2) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 60;
        CHECK(pthread_cond_timedwait(&world.changed, &world.mutex, &until) == 0);
    }
    pthread_mutex_unlock(&world.mutex);
    write_number(call, "z", 1);
    return SDP_DAL_OK;
}

static sdp_dal_status pair(sdp_dal_call *call, void *user_data) {
    sdp_dal_tensor_view a;
    (void)user_data;
    CLEAR(a);
    OK(sdp_dal_call_get_tensor(call, "a", SDP_DAL_ORDER_ANY, &a));
    write_number(call, "n", a.shape[0]);
    return SDP_DAL_OK;
}

static sdp_dal_status about(sdp_dal_call *call, void *user_data) {
    const int64_t size[1] = {SDP_DAL_ID_SIZE}, wrong[1] = {1};
    sdp_dal_call_info info;
    int32_t threads = 0;
    void *id = NULL;
    (void)user_data;
    CLEAR(info);
    OK(sdp_dal_call_get_info(call, &info));
    OK(sdp_dal_call_get_threads(call, &threads));
    write_number(call, "who", info.caller);
    write_number(call, "threads", threads);
    FAILS(sdp_dal_call_create_tensor(call, "id", 1, wrong, NULL, &id), SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_call_create_tensor(call, "id", 1, size, NULL, &id));
    /* Given back, and created again. */
    OK(sdp_dal_call_abort(call, "id"));
    FAILS(sdp_dal_call_abort(call, "id"), SDP_DAL_NOT_FOUND);
    OK(sdp_dal_call_create_tensor(call, "id", 1, size, NULL, &id));
    memcpy(id, info.id, sizeof info.id);
    return SDP_DAL_OK;
}

static sdp_dal_status sink(sdp_dal_call *call, void *user_data) {
    sdp_dal_tensor_view ys;
    (void)user_data;
    CLEAR(ys);
    OK(sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &ys));
    pthread_mutex_lock(&world.mutex);
    world.sinks += *(const int64_t *)ys.data;
    pthread_mutex_unlock(&world.mutex);
    /* Nobody but the log hears of it. */
    return sdp_dal_call_fail(call, SDP_DAL_FUNCTION_FAILED, "the sink is blocked") == SDP_DAL_OK
               ? 17
               : SDP_DAL_OK;
}

static sdp_dal_status quit(sdp_dal_call *call, void *user_data) {
    (void)call;
    (void)user_data;
    pthread_mutex_lock(&world.mutex);
    world.has_quit = 1;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.mutex);
    return SDP_DAL_OK;
}

static void *process(void *argument) {
    const sdp_dal_processor *processor = (const sdp_dal_processor *)argument;
    sdp_dal_status status = SDP_DAL_OK;
    while (status == SDP_DAL_OK || status == SDP_DAL_TIMEOUT) {
        int has_quit;
        pthread_mutex_lock(&world.mutex);
        has_quit = world.has_quit;
        pthread_mutex_unlock(&world.mutex);
        if (has_quit) return NULL;
        status = sdp_dal_processor_process(processor, 20 * 1000 * 1000);
    }
    FAILS(status, SDP_DAL_OK);
    return NULL;
}

static void be_processor(sdp_dal_store *store) {
    static const sdp_dal_function functions[] = {slow, count, later, in_order, square,
                                                 meet, pair,  about, sink,     quit};
    static const uint32_t flags[] = {0,
                                     SDP_DAL_FUNCTION_REENTRANT,
                                     SDP_DAL_FUNCTION_REENTRANT,
                                     SDP_DAL_FUNCTION_ORDERED,
                                     0,
                                     SDP_DAL_FUNCTION_REENTRANT,
                                     SDP_DAL_FUNCTION_LOOSE_DIMS,
                                     0,
                                     0,
                                     0};
    sdp_dal_processor_options options;
    sdp_dal_processor *processor = NULL;
    pthread_t threads[THREADS];
    CLEAR(options);
    options.threads = -1;
    FAILS(sdp_dal_processor_open(store, &options, &processor), SDP_DAL_INVALID_ARGUMENT);
    SAYS("options.threads");
    options.threads = 3 * THREADS;
    OK(sdp_dal_processor_open(store, &options, &processor));
    for (int i = 0; i < FUNCTIONS; i++) {
        sdp_dal_function_options how;
        CLEAR(how);
        how.flags = flags[i];
        OK(sdp_dal_processor_register(processor, SIGNATURES[i], &how, functions[i], &world,
                                      count_drop));
    }
    OK(sdp_dal_processor_start(processor));
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, process, processor) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    sdp_dal_processor_close(processor);
    CHECK(world.drops == FUNCTIONS);
}

/* ---- the caller ------------------------------------------------------------------------------*/

/* A vector; a scalar if length is -1. */
static sdp_dal_ref *put(sdp_dal_store *store, const int64_t *values, int64_t length) {
    sdp_dal_ref *ref = NULL;
    sdp_dal_tensor_view view;
    CLEAR(view);
    view.data = values;
    view.shape = &length;
    view.ndim = length < 0 ? 0 : 1;
    view.dtype = SDP_DAL_INT64;
    OK(sdp_dal_tensor_put(store, &view, &ref));
    return ref;
}

static sdp_dal_results *call_with(sdp_dal_caller *caller, const char *function, int64_t x,
                                  const sdp_dal_ref *ys) {
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    OK(sdp_dal_args_create(&args));
    if (x != INT64_MIN) OK(sdp_dal_args_set_int64(args, "x", x));
    if (ys != NULL) OK(sdp_dal_args_set_ref(args, "ys", ys));
    OK(sdp_dal_caller_call(caller, function, args, &results));
    sdp_dal_args_free(args);
    return results;
}

static const sdp_dal_ref *output(const sdp_dal_results *results, const char *name) {
    const sdp_dal_ref *ref = NULL;
    OK(sdp_dal_results_get_ref(results, name, &ref));
    return ref;
}

/* An element of a result that somebody makes. */
static int64_t value(const sdp_dal_ref *ref, int64_t index) {
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view;
    int64_t found;
    OK(sdp_dal_ref_get_tensor(ref, LONG, &tensor, NULL));
    CLEAR(view);
    OK(sdp_dal_tensor_get_view(tensor, &view));
    found = view.dtype == SDP_DAL_UINT8 ? ((const uint8_t *)view.data)[index]
                                        : ((const int64_t *)view.data)[index];
    sdp_dal_tensor_free(tensor);
    return found;
}

static int64_t counted(sdp_dal_caller *caller, const char *what) {
    sdp_dal_results *results = call_with(caller, "count", INT64_MIN, NULL);
    const int64_t number = value(output(results, what), 0);
    sdp_dal_results_free(results);
    return number;
}

static void cancelling(sdp_dal_caller *caller) {
    sdp_dal_results *running = call_with(caller, "slow", 1, NULL);
    sdp_dal_results *waiting = call_with(caller, "slow", 2, NULL);
    const sdp_dal_ref *z = output(running, "z");
    sdp_dal_ref_state state;
    CLEAR(state);
    for (int i = 0; i < 60000 && !(state.running && state.progress > 0); i++) {
        nap();
        OK(ref_state(z, &state));
    }
    CHECK(state.running == 1 && fabs(state.progress - 0.5) < 1e-6);
    CHECK(state.state == SDP_DAL_STATE_AWAITED);
    /* One thread at a time: the second has not begun, others go on meanwhile. */
    OK(ref_state(output(waiting, "z"), &state));
    CHECK(state.running == 0 && !(state.progress > 0));
    CHECK(counted(caller, "cancelled") == 0);
    sdp_dal_results_free(waiting);
    sdp_dal_results_free(running);
    for (int i = 0; i < 60000 && counted(caller, "cancelled") == 0; i++) nap();
    CHECK(counted(caller, "cancelled") == 1);
}

static void deferring(sdp_dal_caller *caller) {
    sdp_dal_results *written = call_with(caller, "later", 41, NULL);
    sdp_dal_results *forgotten = call_with(caller, "later", -1, NULL);
    sdp_dal_ref_state state;
    CHECK(value(output(written, "a"), 0) == 1 && value(output(written, "b"), 0) == 42);
    OK(ref_state(output(written, "b"), &state));
    CHECK(state.progress >= 1 && state.state == SDP_DAL_STATE_SEALED);
    CHECK(value(output(forgotten, "a"), 0) == 1);
    FAILS(sdp_dal_ref_wait(output(forgotten, "b"), LONG), SDP_DAL_OUTPUT_NOT_WRITTEN);
    SAYS("'b'");
    sdp_dal_results_free(written);
    sdp_dal_results_free(forgotten);
}

static void order(sdp_dal_store *store, sdp_dal_caller *caller) {
    enum { CALLS = 10 };
    const int64_t one = 1, there = 77;
    sdp_dal_results *results[CALLS], *skipped = NULL;
    sdp_dal_ref *late = NULL, *ys = put(store, &one, 1), *existing = put(store, &there, -1);
    sdp_dal_args *args = NULL;
    sdp_dal_tensor_view view;
    OK(sdp_dal_ref_new(store, NULL, &late));
    for (int i = 0; i < CALLS; i++) results[i] = call_with(caller, "in_order", i, i ? ys : late);
    /* One whose output exists is skipped: it does not count. */
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_int64(args, "x", 1));
    OK(sdp_dal_args_set_ref(args, "ys", ys));
    OK(sdp_dal_args_set_ref(args, "nth", existing));
    OK(sdp_dal_caller_call(caller, "in_order", args, &skipped));
    sdp_dal_args_free(args);
    CHECK(counted(caller, "ran") == 0);
    FAILS(sdp_dal_ref_wait(output(results[1], "nth"), SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    CLEAR(view);
    view.data = &one;
    view.shape = &one;
    view.ndim = 1;
    view.dtype = SDP_DAL_INT64;
    OK(sdp_dal_ref_put_tensor(late, &view));
    for (int i = 0; i < CALLS; i++) {
        CHECK(value(output(results[i], "nth"), 0) == i);
        sdp_dal_results_free(results[i]);
    }
    results[0] = call_with(caller, "in_order", 0, ys);
    CHECK(value(output(results[0], "nth"), 0) == CALLS);
    CHECK(value(existing, 0) == 77);
    sdp_dal_results_free(results[0]);
    sdp_dal_results_free(skipped);
    sdp_dal_ref_free(existing);
    sdp_dal_ref_free(late);
    sdp_dal_ref_free(ys);
}

static void copies_and_meetings(sdp_dal_store *store, sdp_dal_caller *caller) {
    const int64_t values[3] = {3, 4, 5}, lone = 1;
    sdp_dal_ref *ys = put(store, values, 3), *b = put(store, &lone, 1);
    sdp_dal_results *squares = call_with(caller, "square", INT64_MIN, ys);
    sdp_dal_results *one = call_with(caller, "meet", 1, NULL);
    sdp_dal_results *two = call_with(caller, "meet", 2, NULL);
    sdp_dal_results *sizes = NULL;
    sdp_dal_args *args = NULL;
    uint8_t id[SDP_DAL_ID_SIZE];
    for (int i = 0; i < 3; i++) {
        CHECK(value(output(squares, "zs"), i) == values[i] * values[i]);
        CHECK(value(ys, i) == values[i]);
    }
    CHECK(value(output(one, "z"), 0) == 1 && value(output(two, "z"), 0) == 1);
    /* Sizes that the signature forbids: the processor was told not to look. */
    OK(sdp_dal_args_create(&args));
    OK(ref_id(ys, id));
    OK(sdp_dal_args_set_id(args, "a", id));
    OK(ref_id(b, id));
    OK(sdp_dal_args_set_id(args, "b", id));
    OK(sdp_dal_caller_call(caller, "pair", args, &sizes));
    CHECK(value(output(sizes, "n"), 0) == 3);
    sdp_dal_args_free(args);
    sdp_dal_results_free(squares);
    sdp_dal_results_free(one);
    sdp_dal_results_free(two);
    sdp_dal_results_free(sizes);
    sdp_dal_ref_free(ys);
    sdp_dal_ref_free(b);
}

static void be_caller(sdp_dal_store *store) {
    const int64_t seven = 7;
    sdp_dal_caller_options options;
    sdp_dal_caller *caller = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_ref *ys = NULL;
    int64_t threads;
    CLEAR(options);
    options.timeout_ns = LONG;
    OK(sdp_dal_caller_open(store, SIGNATURES, FUNCTIONS, &options, &caller));
    cancelling(caller);
    deferring(caller);
    order(store, caller);
    copies_and_meetings(store, caller);

    results = call_with(caller, "about", 1, NULL);
    /* Of the processor's 9 threads a third, if all three are processing. */
    threads = value(output(results, "threads"), 0);
    CHECK(threads == 3 || threads == 4 || threads == 9);
    CHECK(value(output(results, "who"), 0) > 0 && value(output(results, "id"), 19) > 0);
    sdp_dal_results_free(results);

    ys = put(store, &seven, 1);
    sdp_dal_results_free(call_with(caller, "sink", INT64_MIN, ys));
    sdp_dal_ref_free(ys);
    for (int i = 0; i < 60000 && counted(caller, "ran") == 0; i++) nap();
    CHECK(counted(caller, "ran") == 7);
    sdp_dal_results_free(call_with(caller, "quit", INT64_MIN, NULL));
    /* It is wanted by this process until it was taken. */
    while (sdp_dal_caller_num_processors(caller) > 0) nap();
    sdp_dal_caller_close(caller);
}

/* ---- pull style, in one process --------------------------------------------------------------*/

static void be_alone(sdp_dal_store *store) {
    const char *const signatures[] = {LATER};
    sdp_dal_function_options how;
    sdp_dal_processor *processor = NULL;
    sdp_dal_caller *caller = NULL;
    sdp_dal_results *first = NULL, *second = NULL;
    sdp_dal_call *call = NULL, *deferred = NULL, *retained = NULL, *none = NULL;
    void *data = NULL;
    int64_t x = 0;
    OK(sdp_dal_processor_open(store, NULL, &processor));
    CLEAR(how);
    how.flags = SDP_DAL_FUNCTION_REENTRANT | SDP_DAL_FUNCTION_ORDERED;
    FAILS(sdp_dal_processor_register(processor, LATER, &how, NULL, NULL, NULL),
          SDP_DAL_INVALID_ARGUMENT);
    SAYS("ordered");
    how.flags = 8;
    FAILS(sdp_dal_processor_register(processor, LATER, &how, NULL, NULL, NULL),
          SDP_DAL_INVALID_ARGUMENT);
    how.flags = 0;
    how.reserved_0 = 1;
    FAILS(sdp_dal_processor_register(processor, LATER, &how, NULL, NULL, NULL),
          SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_processor_register(processor, LATER, NULL, NULL, NULL, NULL));
    OK(sdp_dal_processor_start(processor));
    OK(sdp_dal_caller_open(store, signatures, 1, NULL, &caller));
    first = call_with(caller, "later", 1, NULL);
    second = call_with(caller, "later", 2, NULL);
    OK(sdp_dal_processor_next(processor, LONG, &call, NULL));
    /* Not re-entrant: until this one is finished, or its handle is freed, there is no other. */
    FAILS(sdp_dal_processor_next(processor, SDP_DAL_POLL, &none, NULL), SDP_DAL_TIMEOUT);
    OK(sdp_dal_call_retain(call, &retained));
    OK(sdp_dal_call_defer(call, &deferred));
    FAILS(sdp_dal_processor_next(processor, SDP_DAL_POLL, &none, NULL), SDP_DAL_TIMEOUT);
    sdp_dal_call_free(call);
    OK(sdp_dal_processor_next(processor, SDP_DAL_POLL, &call, NULL));
    write_number(deferred, "a", 10);
    write_number(retained, "b", 20);
    FAILS(sdp_dal_ref_wait(output(first, "a"), SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    OK(sdp_dal_call_finish(deferred, NULL, 0));
    CHECK(value(output(first, "a"), 0) == 10 && value(output(first, "b"), 0) == 20);
    sdp_dal_call_free(deferred);
    OK(sdp_dal_call_get_int64(retained, "x", &x));
    CHECK(x == 1);
    FAILS(sdp_dal_call_defer(retained, &none), SDP_DAL_INVALID_ARGUMENT);
    SAYS("ended");
    CHECK(none == NULL);
    sdp_dal_call_free(retained);

    /* A retained handle does not keep the second call open; a deferred one does, beyond the
     * processor. */
    OK(sdp_dal_call_retain(call, &retained));
    OK(sdp_dal_call_create_tensor(call, "a", 0, NULL, NULL, &data));
    OK(sdp_dal_call_seal(call, "a"));
    OK(sdp_dal_call_defer(retained, &deferred));
    sdp_dal_call_free(call);
    sdp_dal_processor_close(processor);
    FAILS(sdp_dal_ref_wait(output(second, "b"), SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    sdp_dal_call_free(deferred);
    FAILS(sdp_dal_ref_wait(output(second, "b"), SDP_DAL_POLL), SDP_DAL_OUTPUT_NOT_WRITTEN);
    OK(sdp_dal_ref_wait(output(second, "a"), SDP_DAL_POLL));
    FAILS(sdp_dal_call_create_tensor(retained, "b", 0, NULL, NULL, &data), SDP_DAL_ALREADY_EXISTS);
    sdp_dal_call_free(retained);
    sdp_dal_results_free(first);
    sdp_dal_results_free(second);
    sdp_dal_caller_close(caller);
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    CHECK(argc == 3);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    if (strcmp(argv[2], "processor") == 0) {
        be_processor(store);
    } else if (strcmp(argv[2], "caller") == 0) {
        be_caller(store);
    } else {
        be_alone(store);
    }
    sdp_dal_store_close(store);
    return 0;
}
