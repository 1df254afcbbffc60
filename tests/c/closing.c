/* Ends processors while threads are inside, and from their own functions; sizes that no memory has.
 * argv[1]: the store's path. */
#include <pthread.h>
#include <time.h>

#include "check.h"

#define ADD "add(x: int64) -> (z: int64[])"
#define BLOB "blob(bytes: binary, text: utf8) -> (z: int64[])"
#define LONG ((int64_t)60 * 1000 * 1000 * 1000)
enum { THREADS = 3, ROUNDS = 30 };

#ifdef __cplusplus
#define LOCAL thread_local
#else
#define LOCAL _Thread_local
#endif

typedef struct {
    sdp_dal_processor *processor;
    int drops, runs, closes;
} world;

static void count_drop(void *user_data) { ((world *)user_data)->drops++; }

static sdp_dal_status add(sdp_dal_call *call, void *user_data) {
    int64_t x = 0;
    void *data = NULL;
    ((world *)user_data)->runs++;
    OK(sdp_dal_call_get_int64(call, "x", &x));
    OK(sdp_dal_call_create_tensor(call, "z", 0, NULL, NULL, &data));
    *(int64_t *)data = x + 1;
    return SDP_DAL_OK;
}

/* Tries to close the processor that runs it: nothing happens. Then shuts it down. */
static sdp_dal_status quit(sdp_dal_call *call, void *user_data) {
    world *w = (world *)user_data;
    if (w->closes) {
        sdp_dal_processor_close(w->processor);
        SAYS("a function cannot close the processor that runs it");
        CHECK(w->drops == 0);
    }
    OK(sdp_dal_processor_shutdown(w->processor));
    return add(call, user_data);
}

static void open_processor(sdp_dal_store *store, world *w, sdp_dal_function function) {
    OK(sdp_dal_processor_open(store, NULL, &w->processor));
    OK(sdp_dal_processor_register(w->processor, ADD, NULL, function, w, count_drop));
}

static void *process(void *argument) {
    const sdp_dal_processor *processor = (const sdp_dal_processor *)argument;
    sdp_dal_status status;
    while ((status = sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER)) == SDP_DAL_OK) {
    }
    FAILS(status, SDP_DAL_PROCESSOR_LOST);
    return NULL;
}

/* How many threads are inside: each says so once, when it waits there. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int inside;
static LOCAL int comes;

static bool is_inside(void *user_data) {
    (void)user_data;
    if (comes) {
        comes = 0;
        pthread_mutex_lock(&mutex);
        inside++;
        pthread_mutex_unlock(&mutex);
    }
    return false;
}

/* Goes in once: the handle may be gone when it comes out. */
static void *process_once(void *argument) {
    const sdp_dal_processor *processor = (const sdp_dal_processor *)argument;
    comes = 1;
    FAILS(sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER), SDP_DAL_PROCESSOR_LOST);
    return NULL;
}

static void *next_once(void *argument) {
    const sdp_dal_processor *processor = (const sdp_dal_processor *)argument;
    sdp_dal_call *call = NULL;
    comes = 1;
    FAILS(sdp_dal_processor_next(processor, SDP_DAL_WAIT_FOREVER, &call, NULL),
          SDP_DAL_PROCESSOR_LOST);
    CHECK(call == NULL);
    return NULL;
}

static void nap(long milliseconds) {
    struct timespec time = {0, 0};
    time.tv_nsec = milliseconds * 1000000;
    nanosleep(&time, NULL);
}

static sdp_dal_results *call(sdp_dal_store *store, const char *signature, int64_t x) {
    sdp_dal_caller *caller = NULL;
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    OK(sdp_dal_caller_open(store, &signature, 1, NULL, &caller));
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_int64(args, NULL, x));
    OK(sdp_dal_caller_call(caller, "add", args, &results));
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
    return results;
}

static sdp_dal_status ended(const sdp_dal_results *results, int64_t timeout_ns) {
    const sdp_dal_ref *z = NULL;
    OK(sdp_dal_results_get_ref(results, "z", &z));
    return sdp_dal_ref_wait(z, timeout_ns);
}

/* Threads wait inside: closing ends their waits, and frees nothing before they are out. */
static void with_threads_inside(sdp_dal_store *store) {
    OK(sdp_dal_set_interrupt_check(is_inside, NULL));
    for (int round = 0; round < 3; round++) {
        pthread_t threads[THREADS];
        world w = {NULL, 0, 0, 0};
        int count = 0;
        inside = 0;
        open_processor(store, &w, add);
        OK(sdp_dal_processor_start(w.processor));
        for (int i = 0; i < THREADS; i++) {
            CHECK(pthread_create(&threads[i], NULL, i ? process_once : next_once, w.processor) ==
                  0);
        }
        /* They have to be inside: a thread that comes later would find the handle freed. */
        while (count < THREADS) {
            nap(5);
            pthread_mutex_lock(&mutex);
            count = inside;
            pthread_mutex_unlock(&mutex);
        }
        sdp_dal_processor_close(w.processor);
        CHECK(w.drops == 1);
        for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    }
    OK(sdp_dal_set_interrupt_check(NULL, NULL));
}

/* Shut down, join, close: threads may be anywhere. */
static void with_threads_anywhere(sdp_dal_store *store) {
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        world w = {NULL, 0, 0, 0};
        sdp_dal_results *results;
        open_processor(store, &w, add);
        /* In every other round one of them may be the first to start it. */
        if (round % 2) OK(sdp_dal_processor_start(w.processor));
        for (int i = 0; i < THREADS; i++) {
            CHECK(pthread_create(&threads[i], NULL, process, w.processor) == 0);
        }
        if (round % 4 == 1) {
            results = call(store, ADD, round);
            OK(ended(results, LONG));
            sdp_dal_results_free(results);
        }
        OK(sdp_dal_processor_shutdown(w.processor));
        OK(sdp_dal_processor_shutdown(w.processor));
        for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(w.drops == 0);
        FAILS(sdp_dal_processor_process(w.processor, SDP_DAL_POLL), SDP_DAL_PROCESSOR_LOST);
        sdp_dal_processor_close(w.processor);
        CHECK(w.drops == 1 && w.runs == (round % 4 == 1));
    }
}

static void from_its_own_function(sdp_dal_store *store, int closes) {
    world w = {NULL, 0, 0, 0};
    sdp_dal_results *first, *second;
    w.closes = closes;
    open_processor(store, &w, quit);
    OK(sdp_dal_processor_start(w.processor));
    first = call(store, ADD, 1);
    second = call(store, ADD, 2);
    OK(sdp_dal_processor_process(w.processor, LONG));
    OK(ended(first, SDP_DAL_POLL));
    FAILS(ended(second, SDP_DAL_POLL), SDP_DAL_PROCESSOR_LOST);
    FAILS(sdp_dal_processor_process(w.processor, LONG), SDP_DAL_PROCESSOR_LOST);
    CHECK(w.drops == 0 && w.runs == 1);
    sdp_dal_processor_close(w.processor);
    CHECK(w.drops == 1);
    sdp_dal_results_free(first);
    sdp_dal_results_free(second);
}

static sdp_dal_status length(sdp_dal_call *call, void *user_data) {
    const void *bytes = NULL;
    size_t size = 0;
    void *data = NULL;
    (void)user_data;
    OK(sdp_dal_call_get_binary(call, "bytes", &bytes, &size));
    OK(sdp_dal_call_create_tensor(call, "z", 0, NULL, NULL, &data));
    *(int64_t *)data = (int64_t)size;
    return SDP_DAL_OK;
}

/* A size that cannot be had is an error, and the arguments are as they were. */
static void sizes(sdp_dal_store *store) {
    const uint8_t bytes[3] = {1, 2, 3};
    const char *const signatures[] = {BLOB};
    sdp_dal_processor *processor = NULL;
    sdp_dal_caller *caller = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_args *args = NULL;
    sdp_dal_ref *table = NULL;
    struct ArrowArrayStream stream;
    sdp_dal_schema *not_args = NULL;
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_binary(args, "bytes", bytes, 3));
    FAILS(sdp_dal_args_set_binary(args, "bytes", bytes, (size_t)1 << 46), SDP_DAL_OUT_OF_MEMORY);
    SAYS("'value'");
    FAILS(sdp_dal_args_set_binary(args, NULL, bytes, (size_t)1 << 46), SDP_DAL_OUT_OF_MEMORY);
    FAILS(sdp_dal_args_set_binary(args, NULL, bytes, SIZE_MAX), SDP_DAL_INVALID_ARGUMENT);
    /* What is wrong with the handle is said before anything is copied. */
    OK(sdp_dal_schema_parse("f()", &not_args));
    FAILS(sdp_dal_args_set_binary((sdp_dal_args *)not_args, NULL, bytes, (size_t)1 << 46),
          SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_args_set_binary(NULL, NULL, bytes, (size_t)1 << 46), SDP_DAL_INVALID_ARGUMENT);
    sdp_dal_schema_free(not_args);
    memset(&stream, 0, sizeof stream);
    FAILS(sdp_dal_table_put_columns(store, NULL, &stream, (size_t)1 << 46, NULL, &table),
          SDP_DAL_OUT_OF_MEMORY);
    FAILS(sdp_dal_table_put_columns(store, NULL, &stream, SIZE_MAX, NULL, &table),
          SDP_DAL_OUT_OF_MEMORY);

    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register(processor, BLOB, NULL, length, NULL, NULL));
    OK(sdp_dal_processor_start(processor));
    OK(sdp_dal_caller_open(store, signatures, 1, NULL, &caller));
    OK(sdp_dal_args_set_string(args, "text", "abc"));
    OK(sdp_dal_caller_call(caller, "blob", args, &results));
    OK(sdp_dal_processor_process(processor, LONG));
    OK(ended(results, SDP_DAL_POLL));
    sdp_dal_results_free(results);
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
    sdp_dal_processor_close(processor);
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    CHECK(argc == 2);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    FAILS(sdp_dal_processor_shutdown(NULL), SDP_DAL_INVALID_ARGUMENT);
    sdp_dal_processor_close(NULL);
    with_threads_inside(store);
    with_threads_anywhere(store);
    from_its_own_function(store, 0);
    from_its_own_function(store, 1);
    sizes(store);
    sdp_dal_store_close(store);
    return 0;
}
