/* What the machine can do at all: the floors of scripts/bench.sh. */
#include "bench.h"

#include "memory.h"

/* ---- waking and answering: two processes that wake each other, and do nothing else ---- */

static bool on_one_cpu;

static void place(int side) { pin(on_one_cpu ? 0 : side); }

static void sleeper(int number) {
    struct shared *shared = bench.shared;
    place(1);
    (void)number;
    for (uint32_t turn = 1;; turn++) {
        say(&shared->ready, turn);
        hear(&shared->ping, turn);
        atomic_store(&shared->stamp, now());
        say(&shared->pong, turn);
    }
}

/* From before the waking until the other one runs. */
static void wake(const char *row, bool one_cpu) {
    struct shared *shared = bench.shared;
    on_one_cpu = one_cpu;
    pid_t child = start(sleeper, 0);
    place(0);
    for (uint32_t turn = 1; sampling(); turn++) {
        hear(&shared->ready, turn);
        pause_ms(1);
        uint64_t begun = now();
        say(&shared->ping, turn);
        hear(&shared->pong, turn);
        sample(row, (double)(atomic_load(&shared->stamp) - begun) * 1e-9);
    }
    stop(child);
}

static void wake_two(void) { wake("wake_two.sleeper_runs", false); }
static void wake_one(void) { wake("wake_one.sleeper_runs", true); }

static void answer(int number) {
    (void)number;
    place(1);
    for (uint32_t turn = 1;; turn++) {
        hear(&bench.shared->ping, turn);
        say(&bench.shared->pong, turn);
    }
}

static void ping_pong(const char *row, bool one_cpu, double silence, int turns) {
    on_one_cpu = one_cpu;
    pid_t child = start(answer, 0);
    place(0);
    for (uint32_t turn = 1; sampling();) {
        if (silence > 0) pause_ms(silence);
        uint64_t begun = now();
        for (int i = 0; i < turns; i++, turn++) {
            say(&bench.shared->ping, turn);
            hear(&bench.shared->pong, turn);
        }
        sample(row, since(begun) / turns);
    }
    stop(child);
}

static void ping_two(void) { ping_pong("ping_two.awake", false, 0, BATCH); }
static void ping_one(void) { ping_pong("ping_one.awake", true, 0, BATCH); }
static void ping_two_silent(void) { ping_pong("ping_two_silent.after_3_ms", false, 3, 1); }
static void ping_one_silent(void) { ping_pong("ping_one_silent.after_3_ms", true, 3, 1); }

/* Beside processes that compute. Nobody is bound to a processor. */
static void ping_beside(const char *row, int neighbours) {
    pid_t others[MOST_WORKERS];
    CPU_ZERO(&bench.allowed);
    for (int i = 0; i < neighbours; i++) others[i] = start(compute, i);
    ping_pong(row, false, 0, 100);
    for (int i = 0; i < neighbours; i++) stop(others[i]);
}

static void ping_beside_1(void) { ping_beside("ping_beside_1.awake", 1); }
static void ping_beside_2(void) { ping_beside("ping_beside_2.awake", 2); }

/* ---- memory ---- */

static void time_copies(const char *row, copier copy, unsigned char *to, unsigned char *from) {
    uint64_t begun = now();
    copy(to, from, large());
    sample(row, since(begun));
}

static void copies(void) {
    unsigned char *from = source(large()), *to = warm_memory(large());
    copy_libc(to, from, large());
    while (sampling()) {
        time_copies("copy.libc", copy_libc, to, from);
#ifdef __x86_64__
        time_copies("copy.rep_movsb", copy_movsb, to, from);
        time_copies("copy.past_the_cache", copy_lines, to, from);
        time_copies("copy.pages_side_by_side", copy_pages, to, from);
#endif
    }
}

/* The best copy into memory that the system must supply first. */
static void fresh(const char *row, const unsigned char *from, bool huge) {
    const size_t size = whole_pages(large());
    uint64_t begun = now();
    unsigned char *to = map_file(size);
    bool taken = take(to, size, huge);
    fast_copy(to, from, large());
    if (taken) sample(row, since(begun));
    munmap(to, size);
}

static void fresh_copies(void) {
    const unsigned char *from = source(large());
    while (sampling()) {
        fresh("fresh.huge_pages", from, true);
        fresh("fresh.plain_pages", from, false);
    }
}

/* Reads that each say where the next one is, all over 256 MB in plain pages. */
static void reads(void) {
    enum { LINE = 64 / sizeof(uint64_t) };
    const uint64_t lines = bench.check ? 1 << 14 : 1 << 22;
    uint64_t *memory =
        mmap(NULL, lines * 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(memory != MAP_FAILED, "memory");
    madvise(memory, lines * 64, MADV_NOHUGEPAGE);
    /* A generator that goes through all numbers once before it repeats one. */
    for (uint64_t i = 0; i < lines; i++)
        memory[i * LINE] = (i * UINT64_C(6364136223846793005) + 1442695040888963407) % lines;
    uint64_t place = 0;
    while (sampling()) {
        uint64_t begun = now();
        for (int i = 0; i < 10 * BATCH; i++) place = memory[place * LINE];
        sample("read.random", since(begun) / (10 * BATCH));
        sink = place;
    }
}

/* Opening a file, mapping it, touching it, and all back. */
static void map(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/mapped", bench.folder);
    int file = open(path, O_RDWR | O_CREAT, 0600);
    need(file >= 0 && ftruncate(file, LARGE) == 0, path);
    while (sampling()) {
        uint64_t begun = now();
        for (int i = 0; i < 100; i++) {
            int again = open(path, O_RDWR | O_CLOEXEC);
            unsigned char *memory = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
            need(memory != MAP_FAILED, path);
            memory[0] = 1;
            munmap(memory, LARGE);
            close(again);
        }
        sample("map.file", since(begun) / 100);
    }
    unlink(path);
}

static const struct job jobs[] = {
    {"wake_two", wake_two},
    {"wake_one", wake_one},
    {"ping_two", ping_two},
    {"ping_one", ping_one},
    {"ping_two_silent", ping_two_silent},
    {"ping_one_silent", ping_one_silent},
    {"ping_beside_1", ping_beside_1},
    {"ping_beside_2", ping_beside_2},
    {"copy", copies},
    {"fresh", fresh_copies},
    {"read", reads},
    {"map", map},
};

int main(int argc, char **argv) { return bench_main(argc, argv, jobs, sizeof jobs / sizeof *jobs); }
