/* worker.c: one of the processes of scripts/torture.sh, over the C interface.
 *
 *   worker ROLE STORE SEED TALLY [NAME=VALUE...]
 *
 * ROLE is storm, caller, processor or bystander. TALLY is a file of words that it maps and counts
 * in, so that what a killed process has done is known. It ends in order on SIGTERM. Its exit status
 * is 3 if it saw what must not be; the line that begins with FAILURE says what.
 *
 * Everything it writes can be checked by whoever finds it: see word_of(). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sdp_dal.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { SHARED = 48, HOLDS = 6, OWNED = 8, MOST_THREADS = 8, METADATA = 24, CHAIN = 8, ROWS = 12 };

/* The words of the tally; tally.py knows them, too. */
enum {
    READY = 0,
    VERIFIED = 1,
    WRONG = 2,
    STALL = 3,
    CONTROL = 4,
    DOING = 8,
    SINCE = 16,
    COUNTS = 32,
    ERRORS = 96,
    WORDS = 160
};

/* What is counted, in the order of tally.py's OPERATIONS. */
enum operation {
    OPEN,
    PUT,
    CREATE,
    ABORT,
    GET,
    WAIT,
    MANY,
    RELEASE,
    DELETE,
    DELETE_WHEN_RELEASED,
    OWN_GET,
    KEEP,
    LOOK,
    LIST,
    EVENTS,
    TRIM,
    EVICT,
    PASS,
    DESCRIPTOR,
    CALL,
    CHAIN_OF_CALLS,
    BATCH,
    BROADCAST,
    CANCEL,
    FAILING_CALL,
    FIND,
    PROCESS,
    CLOSE,
};

static const char *const names[] = {
    "open",    "put",      "create",    "abort",      "get",
    "wait",    "get_many", "release",   "delete",     "delete_when_released",
    "own_get", "keep",     "look",      "list",       "events",
    "trim",    "evict",    "pass",      "descriptor", "call",
    "chain",   "batch",    "broadcast", "cancel",     "failing_call",
    "find",    "process",  "close",
};

static const char *path;
static _Atomic uint64_t *tally;
static uint32_t allowed; /* By the phase: a bit for each status. */
static uint64_t store_size, largest;
static int threads, evicting, wild, comes_and_goes;
static atomic_int told_to_end;
static int caught; /* The signal that it sends itself when it has the store's lock; 0: none. */

/* A thread, and what it has. */
struct held {
    sdp_dal_buffer *buffer;
    uint8_t id[SDP_DAL_ID_SIZE];
};

struct owned {
    sdp_dal_ref *ref;
    sdp_dal_writer *writer; /* In place of a reference, for a raw object under an ID of its own. */
    uint8_t id[SDP_DAL_ID_SIZE];
    uint64_t key;
    int tensor;
};

struct thread {
    pthread_t pthread;
    int number;
    uint64_t random;
    sdp_dal_store *store;
    sdp_dal_subscription *events;
    uint64_t last_event;
    struct held held[HOLDS];
    struct owned owned[OWNED];
    sdp_dal_caller *caller;
};

/* ---- numbers
 * -----------------------------------------------------------------------------------------------------
 */

static uint64_t mixed(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

/* Word i of whatever has this key. */
static uint64_t word_of(uint64_t key, uint64_t i) { return mixed(key + i * 0x9e3779b97f4a7c15u); }

static uint64_t next(struct thread *me) {
    me->random ^= me->random << 13;
    me->random ^= me->random >> 7;
    me->random ^= me->random << 17;
    return me->random * 0x2545f4914f6cdd1du;
}

static uint64_t below(struct thread *me, uint64_t limit) { return (next(me) >> 11) % limit; }

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void nap(int64_t ns) {
    const struct timespec time = {ns / 1000000000, ns % 1000000000};
    nanosleep(&time, NULL);
}

static void add(int word, uint64_t value) {
    atomic_fetch_add_explicit(&tally[word], value, memory_order_relaxed);
}

static void raise_to(int word, uint64_t value) {
    if (value > atomic_load_explicit(&tally[word], memory_order_relaxed)) {
        atomic_store_explicit(&tally[word], value, memory_order_relaxed);
    }
}

/* ---- what an operation came to
 * ----------------------------------------------------------------------------------- */

static void fail(const char *what) {
    fprintf(stderr, "FAILURE %s\n", what);
    fflush(stderr);
    _exit(3);
}

static void wrong(const char *what, const uint8_t *id) {
    char text[200], name[2 * SDP_DAL_ID_SIZE + 1] = "";
    size_t length = sizeof name;
    add(WRONG, 1);
    if (wild) return;
    if (id != NULL) sdp_dal_id_format(id, SDP_DAL_ID_SIZE, name, &length);
    snprintf(text, sizeof text, "wrong bytes: %s %s", what, name);
    fail(text);
}

static void begin(const struct thread *me, enum operation operation) {
    atomic_store(&tally[SINCE + me->number], (uint64_t)now());
    atomic_store(&tally[DOING + me->number], (uint64_t)operation + 1);
}

static void done(const struct thread *me, enum operation operation) {
    atomic_store(&tally[DOING + me->number], 0);
    add(COUNTS + (int)operation, 1);
}

#define BIT(name) (1u << -(SDP_DAL_##name))

/* Whether it worked. Anything but what the operation (`may`) or the phase allows is a failure. */
static int went(enum operation operation, sdp_dal_status status, uint32_t may) {
    if (status == SDP_DAL_OK) return 1;
    const int known = status < 0 && status > -32;
    if (known) add(ERRORS - status, 1);
    if (known && ((may | allowed) & 1u << -status) != 0) return 0;
    char text[SDP_DAL_MESSAGE_SIZE] = "", line[SDP_DAL_MESSAGE_SIZE + 100];
    size_t length = sizeof text;
    sdp_dal_last_error(text, &length);
    snprintf(line, sizeof line, "%s: %s: %s", names[operation], sdp_dal_status_name(status), text);
    fail(line);
    return 0;
}

/* ---- contents
 * ----------------------------------------------------------------------------------------------------
 */

/* From nothing to some megabytes, mostly small. */
static uint64_t some_size(struct thread *me) {
    switch (below(me, 8)) {
    case 0:
        return below(me, 17);
    case 1:
    case 2:
    case 3:
        return below(me, 4200);
    case 4:
    case 5:
    case 6:
        return below(me, largest < 65536 ? largest : 65536);
    default:
        return below(me, largest + 1);
    }
}

static uint64_t key_of(const uint8_t *id, uint64_t sequence) {
    uint64_t hash = sequence;
    for (int i = 0; i < SDP_DAL_ID_SIZE; i++) hash = (hash ^ id[i]) * 0x100000001b3u;
    return mixed(hash);
}

/* An object under an ID: its first word is a number, from which and the ID all others follow. */
static void fill(uint8_t *data, uint64_t size, const uint8_t *id, uint64_t sequence) {
    const uint64_t key = key_of(id, sequence);
    uint64_t *words = (uint64_t *)data;
    for (uint64_t i = 0; i < size / 8; i++) words[i] = i == 0 ? sequence : word_of(key, i);
    const uint64_t last = word_of(size < 8 ? key_of(id, 0) : key, size / 8);
    memcpy(data + size / 8 * 8, &last, size % 8);
}

static int is_right(const uint8_t *data, uint64_t size, const uint8_t *id) {
    const uint64_t *words = (const uint64_t *)data;
    const uint64_t key = size < 8 ? 0 : key_of(id, words[0]);
    uint64_t difference = 0;
    for (uint64_t i = 1; i < size / 8; i++) difference |= words[i] ^ word_of(key, i);
    const uint64_t last = word_of(size < 8 ? key_of(id, 0) : key, size / 8);
    add(VERIFIED, size);
    return difference == 0 && (size % 8 == 0 || memcmp(data + size / 8 * 8, &last, size % 8) == 0);
}

static void metadata_of(uint64_t *metadata, uint64_t size, const uint8_t *id, uint64_t sequence) {
    metadata[0] = sequence;
    metadata[1] = size;
    metadata[2] = key_of(id, sequence ^ size);
}

static void verify(const sdp_dal_buffer *buffer, const uint8_t *id) {
    sdp_dal_buffer_info info = {.struct_size = sizeof info};
    uint64_t found[3], expected[3];
    if (!went(RELEASE, sdp_dal_buffer_get_info(buffer, &info), 0)) return;
    const void *data = info.data, *metadata = info.metadata;
    const size_t size = info.data_size, metadata_size = info.metadata_size;
    if (memcmp(info.id, id, sizeof info.id) != 0) wrong("a buffer of another object", id);
    if (!is_right(data, size, id)) wrong("data", id);
    /* Python writes no metadata. */
    if (metadata_size == 0) return;
    memset(found, 0, sizeof found);
    memcpy(found, metadata, metadata_size < METADATA ? metadata_size : METADATA);
    metadata_of(expected, size, id, found[0]);
    const int other = size >= 8 && memcmp(data, found, 8) != 0;
    if (metadata_size != METADATA || other || memcmp(found, expected, METADATA) != 0)
        wrong("metadata", id);
}

/* An array that goes through calls: a key, an offset, and words that follow from both. */
static void fill_array(int64_t *array, uint64_t count, uint64_t key) {
    for (uint64_t i = 0; i < count; i++)
        array[i] = (int64_t)(i == 0 ? key : i == 1 ? 0 : word_of(key, i));
}

static int array_is_right(const int64_t *array, uint64_t count) {
    uint64_t difference = 0;
    for (uint64_t i = 2; i < count; i++) {
        difference |= (uint64_t)array[i] ^ (word_of((uint64_t)array[0], i) + (uint64_t)array[1]);
    }
    add(VERIFIED, 8 * count);
    return difference == 0;
}

static int64_t array_size(struct thread *me) { return 2 + (int64_t)(some_size(me) / 8); }

static void shared_id(struct thread *me, uint8_t *id) {
    memset(id, 0xee, SDP_DAL_ID_SIZE);
    id[SDP_DAL_ID_SIZE - 1] = (uint8_t)below(me, SHARED);
}

/* ---- the store
 * ---------------------------------------------------------------------------------------------------
 */

/* Until there is one; ended if that is told meanwhile. */
static int open_store(struct thread *me) {
    sdp_dal_store_options options = {.struct_size = sizeof options};
    while (!told_to_end) {
        options.size = store_size;
        options.max_objects = 1 << 16;
        options.flags = evicting ? SDP_DAL_STORE_EVICTION : 0;
        begin(me, OPEN);
        sdp_dal_status status = sdp_dal_store_open(path, &options, &me->store);
        done(me, OPEN);
        if (went(OPEN, status, 0)) return 1;
        nap(5000000);
    }
    return 0;
}

static void release(struct thread *me, struct held *held) {
    if (held->buffer == NULL) return;
    begin(me, RELEASE);
    verify(held->buffer, held->id);
    sdp_dal_buffer_free(held->buffer);
    held->buffer = NULL;
    done(me, RELEASE);
}

static void disown(struct owned *owned) {
    sdp_dal_ref_free(owned->ref);
    sdp_dal_writer_free(owned->writer);
    memset(owned, 0, sizeof *owned);
}

static void close_store(struct thread *me) {
    for (int i = 0; i < HOLDS; i++) release(me, &me->held[i]);
    begin(me, CLOSE);
    for (int i = 0; i < OWNED; i++) disown(&me->owned[i]);
    sdp_dal_subscription_free(me->events);
    me->events = NULL;
    sdp_dal_caller_close(me->caller);
    me->caller = NULL;
    sdp_dal_store_close(me->store);
    me->store = NULL;
    done(me, CLOSE);
}

/* ---- objects under IDs that all workers know
 * --------------------------------------------------------------------- */

static sdp_dal_writer *create(struct thread *me, const uint8_t *id, uint32_t flags, uint32_t may) {
    sdp_dal_object_spec spec = {.struct_size = sizeof spec};
    sdp_dal_writer *writer = NULL;
    void *data = NULL;
    uint64_t metadata[3];
    const uint64_t size = some_size(me), sequence = next(me);
    metadata_of(metadata, size, id, sequence);
    spec.data_size = size;
    spec.metadata = (const uint8_t *)metadata;
    spec.metadata_size = sizeof metadata;
    spec.full_timeout_ns = below(me, 2) == 0 ? 1 : (int64_t)below(me, 300) * 1000000;
    spec.flags = flags;
    if (!went(CREATE, sdp_dal_object_create(me->store, id, &spec, &data, &writer), may))
        return NULL;
    fill(data, size, id, sequence);
    if (below(me, 16) == 0) nap((int64_t)below(me, 20) * 1000000);
    return writer;
}

static void put_shared(struct thread *me) {
    uint8_t id[SDP_DAL_ID_SIZE];
    shared_id(me, id);
    begin(me, CREATE);
    sdp_dal_writer *writer =
        create(me, id, evicting ? SDP_DAL_OBJECT_EVICTABLE : 0, BIT(ALREADY_EXISTS));
    if (writer != NULL && below(me, 8) != 0) {
        went(CREATE, sdp_dal_writer_seal(writer), BIT(OBJECT_DELETED));
    } else if (writer != NULL) {
        /* Freed without having been sealed: given up. */
        add(COUNTS + ABORT, 1);
    }
    sdp_dal_writer_free(writer);
    done(me, CREATE);
}

static void hold(struct thread *me, sdp_dal_buffer *buffer, const uint8_t *id) {
    struct held *place = &me->held[below(me, HOLDS)];
    release(me, place);
    verify(buffer, id);
    place->buffer = buffer;
    memcpy(place->id, id, SDP_DAL_ID_SIZE);
}

static void get_shared(struct thread *me) {
    uint8_t id[SDP_DAL_ID_SIZE];
    sdp_dal_buffer *buffer = NULL;
    const enum operation operation = below(me, 4) == 0 ? WAIT : GET;
    shared_id(me, id);
    begin(me, operation);
    sdp_dal_status status = sdp_dal_object_get(
        me->store, id, operation == GET ? 0 : (int64_t)below(me, 30) * 1000000, &buffer);
    done(me, operation);
    if (went(operation, status, BIT(TIMEOUT) | BIT(OBJECT_DELETED))) hold(me, buffer, id);
}

static void get_many(struct thread *me) {
    enum { COUNT = 6 };
    uint8_t ids[COUNT][SDP_DAL_ID_SIZE];
    sdp_dal_buffer *buffers[COUNT] = {NULL};
    sdp_dal_status statuses[COUNT];
    for (int i = 0; i < COUNT; i++) shared_id(me, ids[i]);
    begin(me, MANY);
    sdp_dal_status status = sdp_dal_object_get_many(
        me->store, ids[0], COUNT, (int64_t)below(me, 10) * 1000000, buffers, statuses);
    done(me, MANY);
    if (!went(MANY, status, 0)) return;
    for (int i = 0; i < COUNT; i++) {
        if (went(MANY, statuses[i], BIT(TIMEOUT) | BIT(OBJECT_DELETED)))
            hold(me, buffers[i], ids[i]);
    }
}

static void delete_shared(struct thread *me) {
    uint8_t id[SDP_DAL_ID_SIZE];
    const int released = below(me, 2) == 0;
    const enum operation operation = released ? DELETE_WHEN_RELEASED : DELETE;
    shared_id(me, id);
    begin(me, operation);
    sdp_dal_status status = sdp_dal_object_delete(
        me->store, id, released ? SDP_DAL_DELETE_WHEN_RELEASED : SDP_DAL_DELETE_NOW);
    done(me, operation);
    went(operation, status, BIT(NOT_FOUND));
}

static void keep_shared(struct thread *me) {
    uint8_t id[SDP_DAL_ID_SIZE];
    shared_id(me, id);
    begin(me, KEEP);
    sdp_dal_status status = sdp_dal_object_set_keep(me->store, id, below(me, 4) != 0);
    done(me, KEEP);
    went(KEEP, status, BIT(NOT_FOUND) | BIT(OBJECT_DELETED));
}

/* ---- objects of its own
 * ------------------------------------------------------------------------------------------ */

static void put_own(struct thread *me) {
    struct owned *owned = &me->owned[below(me, OWNED)];
    const uint64_t key = next(me);
    begin(me, PUT);
    disown(owned);
    owned->key = key;
    if (below(me, 2) == 0) {
        sdp_dal_tensor_spec spec = {.struct_size = sizeof spec};
        sdp_dal_ref_info about = {.struct_size = sizeof about};
        void *data = NULL;
        const int64_t shape[1] = {array_size(me)};
        spec.shape = shape, spec.ndim = 1, spec.dtype = SDP_DAL_INT64;
        owned->tensor = 1;
        if (went(PUT, sdp_dal_tensor_create(me->store, &spec, &data, &owned->ref), 0)) {
            fill_array(data, (uint64_t)shape[0], key);
            if (!went(PUT, sdp_dal_ref_seal(owned->ref), 0) ||
                !went(PUT, sdp_dal_ref_get_info(owned->ref, &about), 0)) {
                disown(owned);
            }
            memcpy(owned->id, about.id, sizeof owned->id);
        }
    } else if (went(PUT, sdp_dal_store_new_id(me->store, owned->id), 0)) {
        owned->writer = create(me, owned->id, SDP_DAL_OBJECT_WANTED, 0);
        if (owned->writer != NULL && !went(PUT, sdp_dal_writer_seal(owned->writer), 0))
            disown(owned);
    }
    done(me, PUT);
}

static void verify_tensor(const sdp_dal_tensor *tensor, uint64_t key, uint64_t offset,
                          const uint8_t *id) {
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    if (!went(OWN_GET, sdp_dal_tensor_get_view(tensor, &view), 0)) return;
    if (view.ndim != 1 || view.dtype != SDP_DAL_INT64 || view.shape[0] < 2) {
        wrong("a tensor of another type", id);
        return;
    }
    const int64_t *array = view.data;
    if ((uint64_t)array[0] != key || (uint64_t)array[1] != offset ||
        !array_is_right(array, (uint64_t)view.shape[0])) {
        wrong("a tensor", id);
    }
}

/* What it owns is there, whoever died or was stopped. */
static void get_own(struct thread *me) {
    struct owned *owned = &me->owned[below(me, OWNED)];
    if (owned->ref == NULL && owned->writer == NULL) return;
    begin(me, OWN_GET);
    if (owned->tensor) {
        sdp_dal_tensor *tensor = NULL;
        if (went(OWN_GET, sdp_dal_ref_get_tensor(owned->ref, 0, &tensor, NULL), 0)) {
            verify_tensor(tensor, owned->key, 0, owned->id);
        }
        sdp_dal_tensor_free(tensor);
    } else {
        sdp_dal_buffer *buffer = NULL;
        if (went(OWN_GET, sdp_dal_object_get(me->store, owned->id, 0, &buffer), 0))
            verify(buffer, owned->id);
        sdp_dal_buffer_free(buffer);
    }
    done(me, OWN_GET);
}

/* By text to another handle, which then is the owner. */
static void pass(struct thread *me) {
    struct owned *owned = &me->owned[below(me, OWNED)];
    static _Thread_local char text[4096];
    size_t length = sizeof text;
    sdp_dal_ref *adopted = NULL;
    if (owned->ref == NULL) return;
    begin(me, PASS);
    if (went(PASS, sdp_dal_ref_export(owned->ref, text, &length), 0) &&
        went(PASS, sdp_dal_ref_import(me->store, text, &adopted), 0)) {
        sdp_dal_ref_free(owned->ref);
        owned->ref = adopted;
    }
    done(me, PASS);
}

/* ---- looking
 * -----------------------------------------------------------------------------------------------------
 */

static void look(struct thread *me) {
    uint8_t id[SDP_DAL_ID_SIZE];
    uint32_t numbers[64];
    size_t count = 64;
    bool there = false;
    sdp_dal_store_stat stat = {.struct_size = sizeof stat};
    sdp_dal_object_info info = {.struct_size = sizeof info};
    sdp_dal_clients *clients = NULL;
    size_t many = 0;
    shared_id(me, id);
    begin(me, LOOK);
    switch (below(me, 5)) {
    case 0:
        went(LOOK, sdp_dal_store_get_stat(me->store, &stat), 0);
        break;
    case 1:
        went(LOOK, sdp_dal_object_get_info(me->store, id, &info), BIT(NOT_FOUND));
        break;
    case 2:
        went(LOOK, sdp_dal_object_contains(me->store, id, &there), 0);
        break;
    case 3:
        went(LOOK, sdp_dal_store_list_clients(me->store, &clients, &many), 0);
        break;
    default:
        went(LOOK, sdp_dal_object_holders(me->store, id, (int32_t)below(me, 2), numbers, &count),
             BIT(NOT_FOUND));
    }
    sdp_dal_clients_free(clients);
    done(me, LOOK);
}

static void list(struct thread *me) {
    sdp_dal_list *objects = NULL;
    sdp_dal_namespaces *namespaces = NULL;
    size_t count = 0;
    begin(me, LIST);
    went(LIST, sdp_dal_store_list_objects(me->store, NULL, 0, &objects, &count), 0);
    went(LIST, sdp_dal_store_list_namespaces(me->store, &namespaces, &count), 0);
    sdp_dal_list_free(objects);
    sdp_dal_namespaces_free(namespaces);
    done(me, LIST);
}

static void read_events(struct thread *me) {
    sdp_dal_event event = {.struct_size = sizeof event};
    begin(me, EVENTS);
    if (me->events == NULL) {
        went(EVENTS, sdp_dal_store_subscribe(me->store, NULL, 0, &me->events), 0);
        me->last_event = 0;
    }
    for (int i = 0; me->events != NULL && i < 64; i++) {
        if (!went(EVENTS, sdp_dal_subscription_next(me->events, i == 0 ? 1000000 : 0, &event),
                  BIT(TIMEOUT)))
            break;
        if (event.kind == SDP_DAL_EVENT_RESYNC)
            me->last_event = 0;
        else if (!wild && (event.sequence <= me->last_event || event.kind < 1 ||
                           event.kind > SDP_DAL_EVENT_RESYNC)) {
            fail("events: one that was told before, or of no kind");
        } else
            me->last_event = event.sequence;
    }
    if (below(me, 16) == 0) {
        sdp_dal_subscription_free(me->events);
        me->events = NULL;
    }
    done(me, EVENTS);
}

static void descriptor(struct thread *me) {
    int file = -1;
    begin(me, DESCRIPTOR);
    if (went(DESCRIPTOR, sdp_dal_store_event_fd(me->store, &file), 0)) {
        went(DESCRIPTOR, sdp_dal_store_clear_event_fd(me->store), 0);
    }
    done(me, DESCRIPTOR);
}

static void give_memory_back(struct thread *me) {
    uint64_t bytes = 0;
    const enum operation operation = evicting && below(me, 2) == 0 ? EVICT : TRIM;
    begin(me, operation);
    went(operation,
         operation == TRIM ? sdp_dal_store_trim(me->store, &bytes)
                           : sdp_dal_store_evict(me->store, 100000, &bytes),
         0);
    done(me, operation);
}

static void storm(struct thread *me) {
    while (!told_to_end) {
        if (me->store == NULL && !open_store(me)) return;
        const uint64_t dice = below(me, 1000);
        if (dice < 220)
            put_shared(me);
        else if (dice < 480)
            get_shared(me);
        else if (dice < 520)
            get_many(me);
        else if (dice < 600)
            release(me, &me->held[below(me, HOLDS)]);
        else if (dice < 740)
            delete_shared(me);
        else if (dice < 820)
            put_own(me);
        else if (dice < 900)
            get_own(me);
        else if (dice < 920)
            keep_shared(me);
        else if (dice < 940)
            pass(me);
        else if (dice < 970)
            look(me);
        else if (dice < 985)
            read_events(me);
        else if (dice < 992)
            list(me);
        else if (dice < 995)
            give_memory_back(me);
        else if (dice < 997)
            descriptor(me);
        else if (comes_and_goes || dice == 999)
            close_store(me);
        if (comes_and_goes && below(me, 20) == 0 && me->store != NULL) close_store(me);
        if (below(me, 4) == 0) nap(200000);
    }
    if (me->store != NULL) close_store(me);
}

/* ---- calls
 * -------------------------------------------------------------------------------------------------------
 */

static const char *const signatures[] = {
    "add(x: int64, ys: int64[i]) -> (zs: int64[i])",
    "make(n: int64, key: int64) -> (zs: int64[i])",
    "fails(x: int64) -> (zs: int64[])",
    "slow(ms: int64) -> (zs: int64[])",
};
enum { FUNCTIONS = 4 };

static sdp_dal_status run_add(sdp_dal_call *call, void *user_data) {
    int64_t x = 0;
    void *data = NULL;
    sdp_dal_tensor_view ys = {.struct_size = sizeof ys};
    sdp_dal_status status = sdp_dal_call_get_int64(call, "x", &x);
    (void)user_data;
    if (status == SDP_DAL_OK) status = sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &ys);
    if (status == SDP_DAL_OK && !array_is_right(ys.data, (uint64_t)ys.shape[0]))
        wrong("the input of a call", NULL);
    if (status == SDP_DAL_OK)
        status = sdp_dal_call_create_tensor(call, "zs", 1, ys.shape, NULL, &data);
    if (status != SDP_DAL_OK) return status;
    const int64_t *in = ys.data;
    int64_t *out = data;
    for (int64_t i = 0; i < ys.shape[0]; i++)
        out[i] = (int64_t)((uint64_t)in[i] + (uint64_t)(i == 0 ? 0 : x));
    if (!array_is_right(ys.data, (uint64_t)ys.shape[0]))
        wrong("the input of a call, at its end", NULL);
    return SDP_DAL_OK;
}

static sdp_dal_status run_make(sdp_dal_call *call, void *user_data) {
    int64_t n = 0, key = 0;
    void *data = NULL;
    (void)user_data;
    sdp_dal_status status = sdp_dal_call_get_int64(call, "n", &n);
    if (status == SDP_DAL_OK) status = sdp_dal_call_get_int64(call, "key", &key);
    if (status == SDP_DAL_OK) status = sdp_dal_call_create_tensor(call, "zs", 1, &n, NULL, &data);
    if (status == SDP_DAL_OK) fill_array(data, (uint64_t)n, (uint64_t)key);
    return status;
}

static sdp_dal_status run_fails(sdp_dal_call *call, void *user_data) {
    int64_t x = 0;
    char text[64];
    (void)user_data;
    sdp_dal_status status = sdp_dal_call_get_int64(call, "x", &x);
    if (status != SDP_DAL_OK) return status;
    snprintf(text, sizeof text, "refused %lld", (long long)x);
    status = sdp_dal_call_fail(call, SDP_DAL_FUNCTION_FAILED, text);
    return status == SDP_DAL_OK ? SDP_DAL_FUNCTION_FAILED : status;
}

static sdp_dal_status run_slow(sdp_dal_call *call, void *user_data) {
    int64_t ms = 0;
    void *data = NULL;
    (void)user_data;
    sdp_dal_status status = sdp_dal_call_get_int64(call, "ms", &ms);
    for (int64_t i = 0; status == SDP_DAL_OK && i < ms && !sdp_dal_call_is_cancelled(call); i++)
        nap(1000000);
    if (status == SDP_DAL_OK) status = sdp_dal_call_create_tensor(call, "zs", 0, NULL, NULL, &data);
    if (status == SDP_DAL_OK) memcpy(data, &ms, sizeof ms);
    return status;
}

static void process(struct thread *me) {
    static const sdp_dal_function functions[FUNCTIONS] = {run_add, run_make, run_fails, run_slow};
    sdp_dal_processor *processor = NULL;
    while (!told_to_end) {
        if (me->store == NULL && !open_store(me)) return;
        if (processor == NULL &&
            went(PROCESS, sdp_dal_processor_open(me->store, NULL, &processor), 0)) {
            for (int i = 0; i < FUNCTIONS; i++) {
                went(PROCESS,
                     sdp_dal_processor_register(processor, signatures[i], NULL, functions[i], NULL,
                                                NULL),
                     0);
            }
        }
        if (processor == NULL) {
            nap(5000000);
            continue;
        }
        begin(me, PROCESS);
        sdp_dal_status status = sdp_dal_processor_process(processor, 100000000);
        done(me, PROCESS);
        const int one = went(PROCESS, status, BIT(TIMEOUT));
        /* A store that was replaced under its path is left. */
        if ((!one && status != SDP_DAL_TIMEOUT) || (comes_and_goes && below(me, 30) == 0)) {
            begin(me, CLOSE);
            sdp_dal_processor_close(processor);
            processor = NULL;
            sdp_dal_store_close(me->store);
            me->store = NULL;
            done(me, CLOSE);
        }
    }
    sdp_dal_processor_close(processor);
    if (me->store != NULL) close_store(me);
}

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

static void calls(struct thread *me) {
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

/* ---- the bystander
 * -----------------------------------------------------------------------------------------------
 */

/* What the machine does to a thread that uses no library. */
static void *control(void *argument) {
    (void)argument;
    while (!told_to_end) {
        const int64_t began = now();
        while (now() - began < 50000) {
        }
        raise_to(CONTROL, (uint64_t)(now() - began - 50000));
        const int64_t slept = now();
        nap(1000000);
        raise_to(CONTROL, (uint64_t)(now() - slept - 1000000));
    }
    return NULL;
}

static void stand_by(struct thread *me) {
    pthread_t other;
    largest = 3000;
    if (pthread_create(&other, NULL, control, NULL) != 0) fail("no thread");
    if (!open_store(me)) return;
    /* What it owns from the start must be there in the end. */
    while (!told_to_end) {
        for (int i = 0; i < OWNED && !told_to_end; i++) {
            const int64_t began = now();
            if (below(me, 4) == 0 || (me->owned[i].ref == NULL && me->owned[i].writer == NULL))
                put_own(me);
            else
                get_own(me);
            raise_to(STALL, (uint64_t)(now() - began));
            nap(500000);
        }
    }
    pthread_join(other, NULL);
    close_store(me);
}

/* ---- caught in the act
 * ------------------------------------------------------------------------------------------ */

/* Where the lock is, and what of it is its holder's number: src/shm/layout.rs, src/sync/lock.rs. */
enum { LOCK = 640, HOLDER = (1 << 30) - 1 };

/* Waits for a moment in which a thread of this process has the store's lock. */
static void *catch (void *argument) {
    struct thread *me = argument;
    sdp_dal_store *store = NULL;
    sdp_dal_store_info info = {.struct_size = sizeof info};
    while (!told_to_end && sdp_dal_store_open(path, NULL, &store) != SDP_DAL_OK) nap(5000000);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || sdp_dal_store_get_info(store, &info) != SDP_DAL_OK) return NULL;
    const uint32_t number = info.client;
    const char *header = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (header == MAP_FAILED) return NULL;
    const _Atomic uint32_t *lock = (const _Atomic uint32_t *)(const void *)(header + LOCK);
    const pid_t self = getpid();
    while (!told_to_end) {
        nap((int64_t)below(me, 400) * 1000000);
        for (int64_t began = now(); now() - began < 100000000 && !told_to_end;) {
            for (int i = 0; i < 1000; i++) {
                if ((atomic_load_explicit(lock, memory_order_relaxed) & HOLDER) == number) {
                    kill(self, caught);
                    break;
                }
            }
        }
    }
    sdp_dal_store_close(store);
    return NULL;
}

/* ---- all of it
 * ---------------------------------------------------------------------------------------------------
 */

static void end(int signal) {
    (void)signal;
    told_to_end = 1;
}

static void (*role)(struct thread *);

static void *run(void *argument) {
    role(argument);
    return NULL;
}

static uint32_t statuses(const char *list) {
    uint32_t found = 0;
    for (int status = -1; status > -32; status--) {
        const char *name = sdp_dal_status_name(status), *at = strstr(list, name);
        for (; at != NULL; at = strstr(at + 1, name)) {
            const char after = at[strlen(name)];
            if ((at == list || at[-1] == ',') && (after == 0 || after == ','))
                found |= 1u << -status;
        }
    }
    return found;
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise) {
    const size_t length = strlen(name);
    for (int i = 5; i < argc; i++) {
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=')
            return argv[i] + length + 1;
    }
    return otherwise;
}

int main(int argc, char **argv) {
    static struct thread all[MOST_THREADS];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc < 5) return 2;
    path = argv[2];
    const uint64_t seed = strtoull(argv[3], NULL, 10);
    const int file = open(argv[4], O_RDWR | O_CLOEXEC);
    if (file < 0) return 2;
    tally = mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (tally == MAP_FAILED) return 2;
    close(file);
    store_size = strtoull(option(argc, argv, "size", "16777216"), NULL, 10);
    largest = strtoull(option(argc, argv, "largest", "131072"), NULL, 10);
    threads = atoi(option(argc, argv, "threads", "1"));
    evicting = atoi(option(argc, argv, "evicting", "0"));
    wild = atoi(option(argc, argv, "wild", "0"));
    comes_and_goes = atoi(option(argc, argv, "comes_and_goes", "0"));
    const char *by = option(argc, argv, "caught", "");
    caught = strcmp(by, "kill") == 0 ? SIGKILL : strcmp(by, "stop") == 0 ? SIGSTOP : 0;
    allowed = statuses(option(argc, argv, "allowed", ""));
    if (strcmp(argv[1], "storm") == 0)
        role = storm;
    else if (strcmp(argv[1], "caller") == 0)
        role = calls;
    else if (strcmp(argv[1], "processor") == 0)
        role = process;
    else if (strcmp(argv[1], "bystander") == 0)
        role = stand_by;
    else
        return 2;
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    atomic_store(&tally[READY], 1);
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    for (int i = 0; i < threads; i++) {
        all[i].number = i;
        all[i].random = mixed(seed * 1000003u + (uint64_t)i + 1) | 1;
        if (i > 0 && pthread_create(&all[i].pthread, NULL, run, &all[i]) != 0) fail("no thread");
    }
    pthread_t catcher;
    static struct thread of_catcher;
    of_catcher.random = mixed(seed) | 1;
    if (caught != 0 && pthread_create(&catcher, NULL, catch, &of_catcher) != 0) fail("no thread");
    role(&all[0]);
    if (caught != 0) pthread_join(catcher, NULL);
    for (int i = 1; i < threads; i++) pthread_join(all[i].pthread, NULL);
    return 0;
}
