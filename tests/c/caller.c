/* Batches, broadcasts, losses and relations, with processors in processes of their own. argv[1]:
 * the store's path; with argv[2] it is such a processor, of that prefix. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SIGNATURE "scale(factor: int64, ys: int64[i]) -> (zs: int64[i], tag: int64[])"
#define LONG 30000000000
#define ROWS 5
#define IN_FLIGHT 3

/* ---- the processor ---- */

static sdp_dal_status scale(sdp_dal_call *call, void *user_data) {
    int64_t factor = 0;
    sdp_dal_tensor_view ys;
    void *zs = NULL, *tag = NULL;
    (void)user_data;
    OK(sdp_dal_call_get_int64(call, "factor", &factor));
    if (factor < 0) {
        OK(sdp_dal_call_fail(call, SDP_DAL_FUNCTION_FAILED, "the factor is negative"));
        return SDP_DAL_FUNCTION_FAILED;
    }
    CLEAR(ys);
    OK(sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &ys));
    OK(sdp_dal_call_create_tensor(call, "zs", 1, ys.shape, NULL, &zs));
    for (int64_t i = 0; i < ys.shape[0]; i++)
        ((int64_t *)zs)[i] = factor * ((const int64_t *)ys.data)[i];
    OK(sdp_dal_call_create_tensor(call, "tag", 0, NULL, NULL, &tag));
    *(int64_t *)tag = (int64_t)getpid();
    return SDP_DAL_OK;
}

static void be_processor(sdp_dal_store *store, const char *prefix) {
    sdp_dal_processor_options options;
    sdp_dal_processor *processor = NULL;
    uint8_t bytes[SDP_DAL_ID_SIZE];
    CLEAR(options);
    options.name = prefix;
    OK(sdp_dal_id_parse(prefix, bytes, &options.prefix_size));
    options.prefix = bytes;
    OK(sdp_dal_processor_open(store, &options, &processor));
    OK(sdp_dal_processor_register(processor, SIGNATURE, NULL, scale, NULL, NULL));
    while (sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER) == SDP_DAL_OK) {
    }
    sdp_dal_processor_close(processor);
}

static pid_t started[2];
static int num_started;

/* A failed check leaves nobody behind. */
static void end_all(void) {
    for (int i = 0; i < num_started; i++)
        if (started[i] > 0) kill(started[i], SIGKILL);
}

static pid_t start(const char *path, const char *prefix) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", "caller", path, prefix, (char *)NULL);
        _exit(127);
    }
    started[num_started++] = pid;
    return pid;
}

static void end(pid_t pid) {
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, NULL, 0) == pid);
    for (int i = 0; i < num_started; i++)
        if (started[i] == pid) started[i] = 0;
}

/* ---- the caller ---- */

static sdp_dal_ref *put(sdp_dal_store *store, int64_t value) {
    const int64_t shape[1] = {1};
    sdp_dal_tensor_view view;
    sdp_dal_ref *ref = NULL;
    CLEAR(view);
    view.data = &value;
    view.shape = shape;
    view.dtype = SDP_DAL_INT64;
    view.ndim = 1;
    OK(sdp_dal_tensor_put(store, &view, &ref));
    return ref;
}

static int64_t number(const sdp_dal_results *results, const char *name) {
    const sdp_dal_ref *ref = NULL;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view;
    int64_t value;
    OK(sdp_dal_results_get_ref(results, name, &ref));
    OK(sdp_dal_ref_get_tensor(ref, LONG, &tensor, NULL));
    CLEAR(view);
    OK(sdp_dal_tensor_get_view(tensor, &view));
    value = *(const int64_t *)view.data;
    sdp_dal_tensor_free(tensor);
    return value;
}

static sdp_dal_args *row(int64_t factor, const sdp_dal_ref *ys) {
    sdp_dal_args *args = NULL;
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_int64(args, NULL, factor));
    OK(sdp_dal_args_set_ref(args, NULL, ys));
    return args;
}

static sdp_dal_caller *open_caller(sdp_dal_store *store, uint64_t processors, int32_t select) {
    const char *const signatures[] = {SIGNATURE};
    sdp_dal_caller_options options;
    sdp_dal_caller *caller = NULL;
    CLEAR(options);
    CHECK(options.select == SDP_DAL_SELECT_LEAST_BUSY && options.flags == 0);
    options.minimum_processors = processors;
    options.timeout_ns = LONG;
    options.max_in_flight = IN_FLIGHT;
    options.select = 7;
    FAILS(sdp_dal_caller_open(store, signatures, 1, &options, &caller), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'options.select' is 7, which is not a value of sdp_dal_select");
    options.select = select;
    options.flags = 4;
    FAILS(sdp_dal_caller_open(store, signatures, 1, &options, &caller), SDP_DAL_INVALID_ARGUMENT);
    options.flags = SDP_DAL_CALLER_LOOSE_DIMS;
    OK(sdp_dal_caller_open(store, signatures, 1, &options, &caller));
    return caller;
}

static void batches(sdp_dal_store *store, sdp_dal_caller *caller) {
    const sdp_dal_args *rows[ROWS];
    sdp_dal_args *owned[ROWS];
    sdp_dal_ref *ys = put(store, 10);
    const sdp_dal_results *results = NULL;
    const sdp_dal_ref *zs = NULL;
    sdp_dal_replies *replies = NULL;
    sdp_dal_reply reply;
    size_t count = 0;
    for (int64_t i = 0; i < ROWS; i++) rows[i] = owned[i] = row(i == 2 ? -1 : i, ys);
    OK(sdp_dal_caller_batch(caller, "scale", rows, ROWS, &replies, &count));
    CHECK(count == 1);
    CLEAR(reply);
    OK(sdp_dal_replies_get_reply(replies, 0, &reply));
    CHECK(reply.status == SDP_DAL_OK && strncmp(reply.name, "0000", 4) == 0);
    CHECK(reply.prefix[0] == 0 && reply.prefix[2] != 0);
    FAILS(sdp_dal_replies_get_reply(replies, 1, &reply), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_replies_get_results(replies, 0, ROWS, &results), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'row' is 5, but the call has 5 rows");
    for (size_t i = 0; i < ROWS; i++) {
        OK(sdp_dal_replies_get_results(replies, 0, i, &results));
        if (i == 2) {
            OK(sdp_dal_results_get_ref(results, "zs", &zs));
            FAILS(sdp_dal_ref_wait(zs, LONG), SDP_DAL_FUNCTION_FAILED);
            SAYS("the factor is negative");
        } else {
            CHECK(number(results, "zs") == (int64_t)i * 10);
        }
    }
    /* What is borrowed is not freed. */
    sdp_dal_results_free((sdp_dal_results *)(uintptr_t)results);
    SAYS("borrowed");
    sdp_dal_replies_free(replies);

    OK(sdp_dal_caller_batch(caller, "scale", NULL, 0, &replies, &count));
    CHECK(count == 0);
    sdp_dal_replies_free(replies);

    rows[3] = NULL;
    FAILS(sdp_dal_caller_batch(caller, "scale", rows, ROWS, &replies, NULL),
          SDP_DAL_INVALID_ARGUMENT);
    SAYS("'rows[3]' is NULL");
    CHECK(replies == NULL);
    rows[3] = owned[0];
    OK(sdp_dal_args_set_null(owned[4], "zs"));
    FAILS(sdp_dal_caller_batch(caller, "scale", rows, ROWS, &replies, NULL),
          SDP_DAL_INVALID_ARGUMENT);
    SAYS("row 4: scale: parameter 'zs': found null, but this output is not nullable");
    /* The same output in two rows. */
    OK(sdp_dal_args_set_ref(owned[4], "zs", ys));
    OK(sdp_dal_args_set_ref(owned[1], "zs", ys));
    FAILS(sdp_dal_caller_batch(caller, "scale", rows, ROWS, &replies, NULL),
          SDP_DAL_INVALID_ARGUMENT);
    for (int i = 0; i < ROWS; i++) sdp_dal_args_free(owned[i]);
    sdp_dal_ref_free(ys);
}

/* A receiver that hands every payload to whoever is there, and has three under way. */
static void broadcasts(sdp_dal_caller *caller, const pid_t *processors) {
    sdp_dal_replies *under_way[IN_FLIGHT] = {NULL, NULL, NULL};
    sdp_dal_args *args = NULL;
    const sdp_dal_args *only;
    sdp_dal_tensor_view payload;
    const sdp_dal_results *results = NULL;
    const int64_t shape[1] = {1};
    int64_t value = 0;
    OK(sdp_dal_args_create(&args));
    CLEAR(payload);
    payload.data = &value;
    payload.shape = shape;
    payload.dtype = SDP_DAL_INT64;
    payload.ndim = 1;
    OK(sdp_dal_args_set_tensor(args, "ys", &payload));
    OK(sdp_dal_args_set_int64(args, "factor", 2));
    only = args;
    for (value = 0; value < 50; value++) {
        sdp_dal_replies **oldest = &under_way[value % IN_FLIGHT];
        if (*oldest != NULL) {
            for (size_t i = 0; i < 2; i++) {
                OK(sdp_dal_replies_get_results(*oldest, i, 0, &results));
                CHECK(number(results, "zs") == 2 * (value - IN_FLIGHT));
                CHECK(number(results, "tag") == (int64_t)processors[i]);
            }
            sdp_dal_replies_free(*oldest);
        }
        size_t count = 0;
        OK(sdp_dal_caller_broadcast(caller, "scale", &only, 1, oldest, &count));
        CHECK(count == 2);
    }
    for (int i = 0; i < IN_FLIGHT; i++) sdp_dal_replies_free(under_way[i]);
    sdp_dal_args_free(args);
}

static void losses(sdp_dal_store *store, sdp_dal_caller *caller, pid_t first) {
    sdp_dal_ref *ys = put(store, 1);
    sdp_dal_args *args = row(3, ys);
    const sdp_dal_args *only = args;
    sdp_dal_replies *replies = NULL;
    const sdp_dal_results *results = NULL;
    sdp_dal_reply reply;
    uint8_t prefix[SDP_DAL_PREFIX_SIZE];
    char name[32];
    size_t length = sizeof name;
    FAILS(sdp_dal_caller_next_lost(caller, SDP_DAL_POLL, prefix, name, &length), SDP_DAL_TIMEOUT);
    CHECK(length == 0);
    end(first);
    OK(sdp_dal_caller_broadcast(caller, "scale", &only, 1, &replies, NULL));
    CLEAR(reply);
    OK(sdp_dal_replies_get_reply(replies, 0, &reply));
    CHECK(reply.status == SDP_DAL_PROCESSOR_LOST && strcmp(reply.name, "00000100") == 0);
    FAILS(sdp_dal_replies_get_results(replies, 0, 0, &results), SDP_DAL_PROCESSOR_LOST);
    SAYS("scale: processor '00000100' at prefix 00000100 crashed or was closed");
    CHECK(results == NULL);
    OK(sdp_dal_replies_get_results(replies, 1, 0, &results));
    CHECK(number(results, "zs") == 3);
    sdp_dal_replies_free(replies);
    length = sizeof name;
    OK(sdp_dal_caller_next_lost(caller, LONG, prefix, name, &length));
    CHECK(strcmp(name, "00000100") == 0 && prefix[2] == 1 && prefix[3] == 0);
    length = sizeof name;
    FAILS(sdp_dal_caller_next_lost(caller, 1000000, prefix, name, &length), SDP_DAL_TIMEOUT);
    CHECK(sdp_dal_caller_num_processors(caller) == 1);
    sdp_dal_args_free(args);
    sdp_dal_ref_free(ys);
}

static void relations(sdp_dal_store *store) {
    sdp_dal_ref *index = put(store, 1), *part = put(store, 2), *later = NULL, *seen = NULL;
    uint8_t id[SDP_DAL_ID_SIZE];
    bool exists = false;
    int64_t value = 5;
    sdp_dal_tensor_view view;
    CLEAR(view);
    view.data = &value;
    view.dtype = SDP_DAL_INT64;
    OK(ref_id(part, id));
    OK(sdp_dal_ref_from_id(store, id, NULL, &seen));
    FAILS(sdp_dal_ref_add_reference(index, index, SDP_DAL_POLL), SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_ref_add_reference(index, part, SDP_DAL_POLL));
    FAILS(sdp_dal_ref_add_reference(part, index, SDP_DAL_POLL), SDP_DAL_INVALID_ARGUMENT);
    SAYS("would ever be deleted");
    sdp_dal_ref_free(part);
    OK(ref_exists(seen, &exists));
    CHECK(exists);
    sdp_dal_ref_free(index);
    OK(ref_exists(seen, &exists));
    CHECK(!exists);
    sdp_dal_ref_free(seen);

    part = put(store, 3);
    OK(ref_id(part, id));
    OK(sdp_dal_ref_from_id(store, id, NULL, &seen));
    OK(sdp_dal_ref_new(store, NULL, &later));
    FAILS(sdp_dal_ref_add_dependency(part, later, 1000000), SDP_DAL_TIMEOUT);
    OK(sdp_dal_ref_add_dependency(later, part, SDP_DAL_POLL));
    sdp_dal_ref_free(part);
    OK(ref_exists(seen, &exists));
    CHECK(exists);
    OK(sdp_dal_ref_put_tensor(later, &view));
    OK(ref_exists(seen, &exists));
    CHECK(!exists);
    sdp_dal_ref_free(seen);
    sdp_dal_ref_free(later);
}

/* The one that calls go to stays the same while it lives. */
static void first(sdp_dal_store *store, const pid_t *processors) {
    sdp_dal_caller *caller = open_caller(store, 2, SDP_DAL_SELECT_FIRST);
    sdp_dal_ref *ys = put(store, 1);
    sdp_dal_args *args = row(1, ys);
    sdp_dal_results *results = NULL;
    for (int i = 0; i < 10; i++) {
        OK(sdp_dal_caller_call(caller, "scale", args, &results));
        CHECK(number(results, "tag") == (int64_t)processors[0]);
        sdp_dal_results_free(results);
    }
    sdp_dal_args_free(args);
    sdp_dal_ref_free(ys);
    sdp_dal_caller_close(caller);
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    sdp_dal_caller *caller = NULL;
    pid_t processors[2];
    CHECK(argc >= 2);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    if (argc > 2) {
        be_processor(store, argv[2]);
        sdp_dal_store_close(store);
        return 0;
    }
    CHECK(atexit(end_all) == 0);
    processors[0] = start(argv[1], "00000100");
    processors[1] = start(argv[1], "00000200");
    caller = open_caller(store, 2, SDP_DAL_SELECT_LEAST_BUSY);
    batches(store, caller);
    broadcasts(caller, processors);
    first(store, processors);
    losses(store, caller, processors[0]);
    relations(store);
    end(processors[1]);
    sdp_dal_caller_close(caller);
    sdp_dal_store_close(store);
    return 0;
}
