/* This library's objects through its C interface: small ones, many of them, many clients. */
#include "bench.h"

#include "ours.h"

enum { SMALL_STORE = 64 << 20 };

static void small(void) {
    static struct id ids[BATCH];
    static sdp_dal_buffer *held[BATCH], *again[BATCH];
    const sdp_dal_object_spec spec = spec_of(SMALL);
    bool there = false;
    open_store(SMALL_STORE);
    for (uint64_t i = 0; i < BATCH; i++) ids[i] = id_of(1, i);
    while (sampling()) {
        uint64_t begun = now();
        for (int i = 0; i < BATCH; i++) put_small(&ids[i], &spec);
        sample("small.create_seal", since(begun) / BATCH);
        begun = now();
        for (int i = 0; i < BATCH; i++) OK(sdp_dal_object_contains(store, ids[i].bytes, &there));
        sample("small.contains", since(begun) / BATCH);
        begun = now();
        for (int i = 0; i < BATCH; i++) OK(sdp_dal_object_get(store, ids[i].bytes, 0, &held[i]));
        sample("small.get", since(begun) / BATCH);
        begun = now();
        for (int i = 0; i < BATCH; i++) OK(sdp_dal_object_get(store, ids[i].bytes, 0, &again[i]));
        sample("small.get_again", since(begun) / BATCH);
        for (int i = 0; i < BATCH; i++) sdp_dal_buffer_free(again[i]);
        begun = now();
        for (int i = 0; i < BATCH; i++) sdp_dal_buffer_free(held[i]);
        sample("small.release", since(begun) / BATCH);
        begun = now();
        for (int i = 0; i < BATCH; i++) delete_object(&ids[i]);
        sample("small.delete", since(begun) / BATCH);
    }
    close_store();
}

/* ---- clients and threads ---- */

/* Threads share the handle that the process has. */
static bool shared_handle;

static void live(int worker) {
    const sdp_dal_object_spec spec = spec_of(SMALL);
    uint64_t number = 0;
    if (!shared_handle) open_store(SMALL_STORE);
    ready();
    while (going()) {
        for (int i = 0; i < 100; i++, number++) {
            struct id id = id_of((uint32_t)worker + 1, number);
            put_small(&id, &spec);
            delete_object(&id);
        }
        done(worker, 100);
    }
    if (!shared_handle) close_store();
}

static void read_own(int worker) {
    const sdp_dal_object_spec spec = spec_of(SMALL);
    struct id ids[BATCH];
    sdp_dal_buffer *buffer = NULL;
    if (!shared_handle) open_store(SMALL_STORE);
    for (uint64_t i = 0; i < BATCH; i++) {
        ids[i] = id_of((uint32_t)worker + 1, i);
        put_small(&ids[i], &spec);
    }
    ready();
    while (going()) {
        for (int i = 0; i < BATCH; i++) {
            OK(sdp_dal_object_get(store, ids[i].bytes, 0, &buffer));
            sdp_dal_buffer_free(buffer);
        }
        done(worker, BATCH);
    }
    if (!shared_handle) close_store();
}

static void clients(const char *row, int count, void (*work)(int)) {
    together(row, count, false, work);
}

static void threads(const char *row, int count, void (*work)(int)) {
    shared_handle = true;
    open_store(SMALL_STORE);
    together(row, count, true, work);
    close_store();
}

static void lives_1(void) { clients("lives_1.cycle", 1, live); }
static void lives_2(void) { clients("lives_2.cycle", 2, live); }
static void lives_4(void) { clients("lives_4.cycle", 4, live); }
static void lives_2_threads(void) { threads("lives_2_threads.cycle", 2, live); }
static void lives_4_threads(void) { threads("lives_4_threads.cycle", 4, live); }
static void gets_1(void) { clients("gets_1.get_release", 1, read_own); }
static void gets_2(void) { clients("gets_2.get_release", 2, read_own); }
static void gets_2_threads(void) { threads("gets_2_threads.get_release", 2, read_own); }

/* Beside processes that compute. */
static void beside(const char *row, int neighbours) {
    pid_t others[MOST_WORKERS];
    for (int i = 0; i < neighbours; i++) others[i] = start(compute, i);
    clients(row, 1, live);
    for (int i = 0; i < neighbours; i++) stop(others[i]);
}

static void lives_beside_1(void) { beside("lives_beside_1.cycle", 1); }
static void lives_beside_2(void) { beside("lives_beside_2.cycle", 2); }

/* ---- waiting for an object ---- */

static bool on_one_cpu;

static void wait_for_objects(int number) {
    sdp_dal_buffer *buffer = NULL;
    (void)number;
    pin(on_one_cpu ? 0 : 1);
    open_store(SMALL_STORE);
    for (uint32_t turn = 1;; turn++) {
        const struct id id = id_of(1, turn);
        say(&bench.shared->ready, turn);
        OK(sdp_dal_object_get(store, id.bytes, SDP_DAL_WAIT_FOREVER, &buffer));
        atomic_store(&bench.shared->stamp, now());
        sdp_dal_buffer_free(buffer);
        say(&bench.shared->pong, turn);
    }
}

/* From before the sealing until the other process, which slept, has the object. */
static void seal(const char *row, bool one_cpu) {
    const sdp_dal_object_spec spec = spec_of(SMALL);
    on_one_cpu = one_cpu;
    pid_t child = start(wait_for_objects, 0);
    pin(0);
    open_store(SMALL_STORE);
    for (uint32_t turn = 1; sampling(); turn++) {
        const struct id id = id_of(1, turn);
        sdp_dal_writer *writer = NULL;
        void *data = NULL;
        hear(&bench.shared->ready, turn);
        OK(sdp_dal_object_create(store, id.bytes, &spec, &data, &writer));
        pause_ms(1);
        uint64_t begun = now();
        OK(sdp_dal_writer_seal(writer));
        hear(&bench.shared->pong, turn);
        sample(row, (double)(atomic_load(&bench.shared->stamp) - begun) * 1e-9);
        sdp_dal_writer_free(writer);
        delete_object(&id);
    }
    stop(child);
    close_store();
}

static void seal_two(void) { seal("seal_two.reader_has_it", false); }
static void seal_one(void) { seal("seal_one.reader_has_it", true); }

/* ---- many objects ---- */

static void fill(uint32_t prefix, uint64_t first, uint64_t end) {
    const sdp_dal_object_spec spec = spec_of(SMALL);
    for (uint64_t i = first; i < end; i++) {
        const struct id id = id_of(prefix, i);
        put_small(&id, &spec);
    }
}

static void list(const char *row, const uint8_t *prefix, size_t size, size_t expected) {
    sdp_dal_list *found = NULL;
    size_t count = 0;
    uint64_t begun = now();
    OK(sdp_dal_store_list_objects(store, prefix, size, &found, &count));
    sample(row, since(begun));
    need(count == expected, "the number of objects");
    sdp_dal_list_free(found);
}

static void lists(void) {
    const uint64_t most = bench.check ? 10 * BATCH : 100 * BATCH, few = most / 100;
    const struct id declared = id_of(2, 0), undeclared = id_of(3, 0);
    sdp_dal_namespace_options options = {.struct_size = sizeof options};
    sdp_dal_store *namespace = NULL;
    open_store(4 * SMALL_STORE);
    options.prefix = declared.bytes;
    options.prefix_size = SDP_DAL_PREFIX_SIZE;
    OK(sdp_dal_store_new_namespace(store, &options, &namespace));
    /* Number 0 is the declaration of a namespace, and one of its objects. */
    fill(1, 1, 1 + most - 2 * few);
    fill(2, 1, few);
    fill(3, 1, 1 + few);
    while (sampling()) {
        list("list.all", NULL, 0, most);
        list("list.namespace", declared.bytes, SDP_DAL_PREFIX_SIZE, few);
        list("list.one_prefix", undeclared.bytes, SDP_DAL_PREFIX_SIZE, few);
    }
    sdp_dal_store_close(namespace);
    close_store();
}

/* Objects that are asked for in an order that caches cannot foresee. */
static void among(const char *row, uint64_t count) {
    sdp_dal_buffer *buffer = NULL;
    uint64_t number = 0;
    if (bench.check) count = 1 << 10;
    open_store(4 * SMALL_STORE);
    fill(1, 0, count);
    while (sampling()) {
        uint64_t begun = now();
        for (int i = 0; i < BATCH; i++) {
            number = (number * UINT64_C(6364136223846793005) + 1442695040888963407) % count;
            const struct id id = id_of(1, number);
            OK(sdp_dal_object_get(store, id.bytes, 0, &buffer));
            sdp_dal_buffer_free(buffer);
        }
        sample(row, since(begun) / BATCH);
    }
    close_store();
}

/* Powers of two, so that the order has each object once before it repeats one. */
static void among_3(void) { among("among_3.get_release", 1 << 10); }
static void among_5(void) { among("among_5.get_release", 1 << 17); }
static void among_6(void) {
    max_objects = 1 << 21;
    among("among_6.get_release", 1 << 20);
}

static void attach(void) {
    open_store(SMALL_STORE);
    sdp_dal_store *first = store;
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child == 0) {
        while (sampling()) {
            uint64_t begun = now(), attached;
            open_store(SMALL_STORE);
            attached = now();
            close_store();
            sample("attach.open", (double)(attached - begun) * 1e-9);
            sample("attach.close", since(attached));
        }
        /* It prints what it has found, as the parent has nothing to say. */
        return;
    }
    finish(child);
    store = first;
    close_store();
}

static const struct job jobs[] = {
    {"small", small},
    {"lives_1", lives_1},
    {"lives_2", lives_2},
    {"lives_4", lives_4},
    {"lives_2_threads", lives_2_threads},
    {"lives_4_threads", lives_4_threads},
    {"gets_1", gets_1},
    {"gets_2", gets_2},
    {"gets_2_threads", gets_2_threads},
    {"lives_beside_1", lives_beside_1},
    {"lives_beside_2", lives_beside_2},
    {"seal_two", seal_two},
    {"seal_one", seal_one},
    {"list", lists},
    {"among_3", among_3},
    {"among_5", among_5},
    {"among_6", among_6},
    {"attach", attach},
};

int main(int argc, char **argv) { return bench_main(argc, argv, jobs, sizeof jobs / sizeof *jobs); }
