/* Subscriptions, the descriptor for event loops, waiting for many. argv[1]: the store's path.
 * Another process makes the objects and issues the call. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char *const signature = "add(x: int64) -> (tag: int64[])";
static const int64_t minute = INT64_C(60000000000);

static sdp_dal_store *open_store(const char *path) {
    sdp_dal_store *store = NULL;
    sdp_dal_store_options options;
    CLEAR(options);
    options.size = 16 << 20;
    OK(sdp_dal_store_open(path, &options, &store));
    return store;
}

static void object_id(uint8_t *id, uint8_t last) {
    memset(id, 0xa5, SDP_DAL_ID_SIZE);
    id[SDP_DAL_ID_SIZE - 1] = last;
}

static void put(const sdp_dal_store *store, uint8_t last) {
    uint8_t id[SDP_DAL_ID_SIZE];
    void *data = NULL;
    sdp_dal_object_spec spec;
    sdp_dal_writer *writer = NULL;
    object_id(id, last);
    CLEAR(spec);
    spec.data_size = 8;
    OK(sdp_dal_object_create(store, id, &spec, &data, &writer));
    memset(data, last, 8);
    OK(sdp_dal_writer_seal(writer));
    sdp_dal_writer_free(writer);
}

/* The other process: calls add(1), and puts object 1 when it is done. */
static void other_process(const char *path) {
    sdp_dal_store *store = open_store(path);
    sdp_dal_caller *caller = NULL;
    sdp_dal_caller_options options;
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    const sdp_dal_ref *tag = NULL;
    CLEAR(options);
    options.timeout_ns = minute;
    OK(sdp_dal_caller_open(store, &signature, 1, &options, &caller));
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_int64(args, NULL, 1));
    OK(sdp_dal_caller_call(caller, "add", args, &results));
    OK(sdp_dal_results_get_ref(results, "tag", &tag));
    OK(sdp_dal_ref_wait(tag, minute));
    put(store, 1);
    sdp_dal_results_free(results);
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
    sdp_dal_store_close(store);
}

static sdp_dal_status add(sdp_dal_call *call, void *user_data) {
    void *data = NULL;
    int64_t x = 0;
    sdp_dal_status status = sdp_dal_call_get_int64(call, "x", &x);
    if (status == SDP_DAL_OK)
        status = sdp_dal_call_create_tensor(call, "tag", 0, NULL, NULL, &data);
    if (status == SDP_DAL_OK) memcpy(data, &x, sizeof x);
    *(int64_t *)user_data += x;
    return status;
}

/* One turn of an event loop: true if the descriptor was readable. */
static bool readable(int fd, int milliseconds) {
    struct pollfd one = {fd, POLLIN, 0};
    int count = poll(&one, 1, milliseconds);
    CHECK(count >= 0);
    return count == 1;
}

/* A processor, a reference and a subscription in one loop that sleeps on nothing but the
 * descriptor. */
static void loop(sdp_dal_store *store, sdp_dal_processor *processor, int64_t *sum) {
    int fd = -1, turns = 0;
    uint8_t id[SDP_DAL_ID_SIZE];
    sdp_dal_ref *one = NULL;
    sdp_dal_subscription *subscription = NULL;
    bool exists = false, told = false;
    object_id(id, 1);
    OK(sdp_dal_store_event_fd(store, &fd));
    OK(sdp_dal_processor_watch(processor, true));
    OK(sdp_dal_ref_from_id(store, id, NULL, &one));
    OK(sdp_dal_ref_watch(one, true));
    OK(sdp_dal_store_subscribe(store, id, sizeof id, &subscription));
    while (!exists || !told) {
        sdp_dal_event event;
        sdp_dal_status status = SDP_DAL_OK;
        CHECK(readable(fd, 60000));
        CHECK(++turns < 10000);
        OK(sdp_dal_store_clear_event_fd(store));
        while (status == SDP_DAL_OK) status = sdp_dal_processor_process(processor, SDP_DAL_POLL);
        CHECK(status == SDP_DAL_TIMEOUT);
        OK(ref_exists(one, &exists));
        CLEAR(event);
        status = sdp_dal_subscription_next(subscription, SDP_DAL_POLL, &event);
        if (status == SDP_DAL_OK && event.kind == SDP_DAL_EVENT_SEALED) {
            told = true;
            CHECK(memcmp(event.id, id, sizeof id) == 0);
            CHECK(event.data_size == 8 && event.metadata_size == 0 && event.metadata_length == 0);
            CHECK(event.actor != 0 && event.sequence > 0 && event.time_ns > 0);
        }
    }
    CHECK(*sum == 1);
    /* A second call with the same number gives the same descriptor. */
    int again = -1;
    OK(sdp_dal_store_event_fd(store, &again));
    CHECK(again == fd);
    OK(sdp_dal_processor_watch(processor, false));
    sdp_dal_subscription_free(subscription);
    sdp_dal_ref_free(one);
}

/* Of many objects that are watched, a loop looks at those that changed. */
static void changes(sdp_dal_store *store) {
    uint8_t ids[3][SDP_DAL_ID_SIZE], told[8][SDP_DAL_ID_SIZE];
    sdp_dal_ref *refs[3] = {NULL, NULL, NULL};
    size_t count = 9;
    int fd = -1;
    OK(sdp_dal_store_event_fd(store, &fd));
    /* What the loop before saw by itself, and what rang before. */
    OK(sdp_dal_store_take_changed(store, 8, *told, &count));
    for (int i = 0; i < 3; i++) {
        object_id(ids[i], (uint8_t)(10 + i));
        OK(sdp_dal_ref_from_id(store, ids[i], NULL, &refs[i]));
        OK(sdp_dal_ref_watch(refs[i], true));
    }
    OK(sdp_dal_store_take_changed(store, 8, *told, &count));
    CHECK(count == 0);
    put(store, 11);
    CHECK(readable(fd, 60000));
    OK(sdp_dal_store_take_changed(store, 8, *told, &count));
    /* Others may share its bucket. */
    bool found = false;
    for (size_t i = 0; i < count; i++)
        found = found || memcmp(told[i], ids[1], SDP_DAL_ID_SIZE) == 0;
    CHECK(found && count <= 3);
    OK(sdp_dal_store_take_changed(store, 0, NULL, &count));
    CHECK(count == 0);
    FAILS(sdp_dal_store_take_changed(store, 8, NULL, &count), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'out_ids' is NULL");
    FAILS(sdp_dal_store_take_changed(store, 8, *told, NULL), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'out_count' is NULL");
    for (int i = 0; i < 3; i++) sdp_dal_ref_free(refs[i]);
}

static void wait_for_many(sdp_dal_store *store) {
    uint8_t ids[2][SDP_DAL_ID_SIZE];
    sdp_dal_ref *refs[2] = {NULL, NULL};
    sdp_dal_status statuses[2] = {1, 1};
    for (int i = 0; i < 2; i++) {
        object_id(ids[i], (uint8_t)(1 + i));
        OK(sdp_dal_ref_from_id(store, ids[i], NULL, &refs[i]));
    }
    const sdp_dal_ref *const *list = (const sdp_dal_ref *const *)refs;
    OK(sdp_dal_ref_wait_many(list, 2, SDP_DAL_WAIT_ANY, minute, statuses));
    CHECK(statuses[0] == SDP_DAL_OK && statuses[1] == SDP_DAL_TIMEOUT);
    FAILS(sdp_dal_ref_wait_many(list, 2, SDP_DAL_WAIT_ALL, 1000000, statuses), SDP_DAL_TIMEOUT);
    SAYS("1 of 2 objects");
    CHECK(statuses[0] == SDP_DAL_OK && statuses[1] == SDP_DAL_TIMEOUT);
    put(store, 2);
    OK(sdp_dal_ref_wait_many(list, 2, SDP_DAL_WAIT_ALL, minute, NULL));
    FAILS(sdp_dal_ref_wait_many(list, 2, 2, 0, statuses), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'mode' is 2");
    OK(sdp_dal_ref_wait_many(NULL, 0, SDP_DAL_WAIT_ANY, SDP_DAL_WAIT_FOREVER, NULL));
    for (int i = 0; i < 2; i++) sdp_dal_ref_free(refs[i]);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    /* Before this process has anything of the store. */
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        other_process(argv[1]);
        return 0;
    }
    int64_t sum = 0;
    int status = 0;
    sdp_dal_store *store = open_store(argv[1]);
    sdp_dal_processor *processor = NULL;
    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register(processor, signature, NULL, add, &sum, NULL));
    loop(store, processor, &sum);
    changes(store);
    wait_for_many(store);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    sdp_dal_processor_close(processor);
    sdp_dal_store_close(store);
    return 0;
}
