/* A store that does no more than it must: one file, a mutex, a hash table, words to sleep on. No
 * cleaning up after deaths, no names, no types, no encoding, no checks. What it takes is what the
 * rows of ours.c cannot take less of. */
#include "bench.h"

#include "memory.h"

enum { SLOTS = 1 << 14, BLOCK = 128, AREAS = 4, SPIN_NS = 20000 };

struct slot {
    _Atomic uint64_t key;
    _Atomic uint32_t holders, sealed;
};

struct store {
    pthread_mutex_t mutex;
    struct slot slots[SLOTS];
    _Alignas(64) unsigned char blocks[SLOTS][BLOCK];
};

static struct store *store;

static void make_store(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    store = (struct store *)warm_memory(sizeof *store);
    memset(store, 0, sizeof *store);
    need(pthread_mutex_init(&store->mutex, &attributes) == 0, "a mutex");
}

static size_t home(uint64_t key) {
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 50) % SLOTS;
}

static struct slot *look(uint64_t key) {
    for (size_t i = home(key);; i = (i + 1) % SLOTS) {
        uint64_t found = atomic_load_explicit(&store->slots[i].key, memory_order_acquire);
        if (found == key) return &store->slots[i];
        if (found == 0) return NULL;
    }
}

static unsigned char *data(const struct slot *slot) { return store->blocks[slot - store->slots]; }

static struct slot *create(uint64_t key) {
    pthread_mutex_lock(&store->mutex);
    size_t i = home(key);
    while (atomic_load(&store->slots[i].key) != 0) i = (i + 1) % SLOTS;
    atomic_store_explicit(&store->slots[i].key, key, memory_order_release);
    pthread_mutex_unlock(&store->mutex);
    return &store->slots[i];
}

static void seal(struct slot *slot) {
    atomic_store_explicit(&slot->sealed, 1, memory_order_release);
}

static void put(uint64_t key, const unsigned char *bytes) {
    struct slot *slot = create(key);
    memcpy(data(slot), bytes, SMALL);
    seal(slot);
}

static struct slot *get(uint64_t key) {
    struct slot *slot = look(key);
    atomic_fetch_add(&slot->holders, 1);
    return slot;
}

static void release(struct slot *slot) { atomic_fetch_sub(&slot->holders, 1); }

/* Keys move up into the gap, so that they are found. */
static void forget(uint64_t key) {
    pthread_mutex_lock(&store->mutex);
    size_t gap = (size_t)(look(key) - store->slots);
    atomic_store(&store->slots[gap].sealed, 0);
    atomic_store_explicit(&store->slots[gap].key, 0, memory_order_release);
    for (size_t i = (gap + 1) % SLOTS;; i = (i + 1) % SLOTS) {
        uint64_t other = atomic_load(&store->slots[i].key);
        if (other == 0) break;
        if ((i - home(other)) % SLOTS < (i - gap) % SLOTS) continue;
        memcpy(store->blocks[gap], store->blocks[i], BLOCK);
        atomic_store(&store->slots[gap].sealed, atomic_load(&store->slots[i].sealed));
        atomic_store(&store->slots[gap].key, other);
        atomic_store(&store->slots[i].key, 0);
        gap = i;
    }
    pthread_mutex_unlock(&store->mutex);
}

/* ---- small objects ---- */

static const unsigned char bytes[SMALL] = {1, 2, 3};

static void small(void) {
    static struct slot *held[BATCH];
    make_store();
    while (sampling()) {
        uint64_t begun = now();
        for (uint64_t i = 0; i < BATCH; i++) put(i + 1, bytes);
        sample("small.create_seal", since(begun) / BATCH);
        begun = now();
        for (uint64_t i = 0; i < BATCH; i++) held[i] = get(i + 1);
        sample("small.get", since(begun) / BATCH);
        begun = now();
        for (uint64_t i = 0; i < BATCH; i++) sink = look(i + 1) != NULL;
        sample("small.contains", since(begun) / BATCH);
        begun = now();
        for (int i = 0; i < BATCH; i++) release(held[i]);
        sample("small.release", since(begun) / BATCH);
        begun = now();
        for (uint64_t i = 0; i < BATCH; i++) forget(i + 1);
        sample("small.delete", since(begun) / BATCH);
    }
}

/* ---- clients and threads ---- */

static void live(int worker) {
    uint64_t key = ((uint64_t)worker + 1) << 32;
    ready();
    while (going()) {
        for (int i = 0; i < 100; i++, key++) {
            put(key, bytes);
            forget(key);
        }
        done(worker, 100);
    }
}

static void read_own(int worker) {
    const uint64_t first = ((uint64_t)worker + 1) << 32;
    for (uint64_t i = 0; i < BATCH; i++) put(first + i, bytes);
    ready();
    while (going()) {
        for (uint64_t i = 0; i < BATCH; i++) release(get(first + i));
        done(worker, BATCH);
    }
}

static void lives(const char *row, int count, bool threads) {
    make_store();
    together(row, count, threads, live);
}

static void lives_1(void) { lives("lives_1.cycle", 1, false); }
static void lives_2(void) { lives("lives_2.cycle", 2, false); }
static void lives_4(void) { lives("lives_4.cycle", 4, false); }
static void lives_2_threads(void) { lives("lives_2_threads.cycle", 2, true); }
static void lives_4_threads(void) { lives("lives_4_threads.cycle", 4, true); }

static void gets(const char *row, int count, bool threads) {
    make_store();
    together(row, count, threads, read_own);
}

static void gets_1(void) { gets("gets_1.get_release", 1, false); }
static void gets_2(void) { gets("gets_2.get_release", 2, false); }
static void gets_2_threads(void) { gets("gets_2_threads.get_release", 2, true); }

/* ---- requests and responses ---- */

static bool on_one_cpu;

/* Waits for a word as long as spinning pays, then sleeps. */
static void await(struct word *word, uint32_t value) {
    for (uint64_t begun = now(); !on_one_cpu && now() - begun < SPIN_NS; relax())
        if (has_reached(word, value)) return;
    hear(word, value);
}

static void serve(int number) {
    (void)number;
    pin(on_one_cpu ? 0 : 1);
    for (uint32_t turn = 1;; turn++) {
        await(&bench.shared->ping, turn);
        struct slot *input = get(2 * (uint64_t)turn);
        put(2 * (uint64_t)turn + 1, data(input));
        release(input);
        say(&bench.shared->pong, turn);
    }
}

/* A request with a hundred bytes and its response with a hundred. */
static void call(const char *row, bool one_cpu, double silence, int turns) {
    on_one_cpu = one_cpu;
    make_store();
    pid_t child = start(serve, 0);
    pin(0);
    for (uint32_t turn = 1; sampling();) {
        if (silence > 0) pause_ms(silence);
        uint64_t begun = now();
        for (int i = 0; i < turns; i++, turn++) {
            put(2 * (uint64_t)turn, bytes);
            say(&bench.shared->ping, turn);
            await(&bench.shared->pong, turn);
            struct slot *output = get(2 * (uint64_t)turn + 1);
            sink = data(output)[0];
            release(output);
            forget(2 * (uint64_t)turn);
            forget(2 * (uint64_t)turn + 1);
        }
        sample(row, since(begun) / turns);
    }
    stop(child);
}

static void call_two(void) { call("call_two.awake", false, 0, BATCH); }
static void call_one(void) { call("call_one.awake", true, 0, BATCH); }
static void call_two_silent(void) { call("call_two_silent.after_3_ms", false, 3, 1); }
static void call_one_silent(void) { call("call_one_silent.after_3_ms", true, 3, 1); }

/* ---- large objects ---- */

static unsigned char *areas[AREAS];

static void make_areas(void) {
    unsigned char *memory = warm_memory(AREAS * whole_pages(large()));
    for (int i = 0; i < AREAS; i++) areas[i] = memory + (size_t)i * whole_pages(large());
}

static void take_stream(int reads_all) {
    pin(1);
    for (uint32_t turn = 1;; turn++) {
        await(&bench.shared->ping, turn);
        sink = reads_all ? sum(areas[turn % AREAS], large()) : areas[turn % AREAS][0];
        say(&bench.shared->pong, turn);
    }
}

/* 80 MB are copied in, three of them on their way at most. */
static void stream(const char *row, bool reads_all) {
    make_areas();
    const unsigned char *from = source(large());
    pid_t child = start(take_stream, reads_all);
    pin(0);
    for (uint32_t turn = 1; sampling();) {
        uint64_t begun = now();
        for (int i = 0; i < 4; i++, turn++) {
            fast_copy(areas[turn % AREAS], from, large());
            say(&bench.shared->ping, turn);
            while (turn - atomic_load(&bench.shared->pong.value) >= AREAS - 1) relax();
        }
        sample(row, since(begun) / 4);
    }
    stop(child);
}

static void stream_unread(void) { stream("stream_unread.payload", false); }
static void stream_read(void) { stream("stream_read.payload", true); }

static void take_place(int number) {
    (void)number;
    pin(1);
    for (uint32_t turn = 1;; turn++) {
        say(&bench.shared->ready, turn);
        await(&bench.shared->ping, turn);
        sink = areas[0][0];
        atomic_store(&bench.shared->stamp, now());
        say(&bench.shared->pong, turn);
    }
}

/* 80 MB that are written where they are read: from before their first byte until the reader has
 * them. */
static void in_place(const char *row, double silence) {
    make_areas();
    pid_t child = start(take_place, 0);
    pin(0);
    for (uint32_t turn = 1; sampling(); turn++) {
        watch(&bench.shared->ready, turn);
        if (silence > 0) pause_ms(silence);
        uint64_t begun = now();
        areas[0][0] = (unsigned char)turn;
        say(&bench.shared->ping, turn);
        watch(&bench.shared->pong, turn);
        sample(row, (double)(atomic_load(&bench.shared->stamp) - begun) * 1e-9);
    }
    stop(child);
}

static void place_awake(void) { in_place("place_awake.reader_has_it", 0); }
static void place_asleep(void) { in_place("place_asleep.reader_has_it", 1); }

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
    {"call_two", call_two},
    {"call_one", call_one},
    {"call_two_silent", call_two_silent},
    {"call_one_silent", call_one_silent},
    {"stream_unread", stream_unread},
    {"stream_read", stream_read},
    {"place_awake", place_awake},
    {"place_asleep", place_asleep},
};

int main(int argc, char **argv) { return bench_main(argc, argv, jobs, sizeof jobs / sizeof *jobs); }
