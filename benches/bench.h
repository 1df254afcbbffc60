/* What the programs of scripts/bench.sh share: time, processors, other processes, samples.
 *
 *   PROGRAM JOB FOLDER MILLISECONDS [check]
 *
 * runs one job and prints a line for each sample: the row's name (JOB.ROW) and the seconds of one
 * operation. FOLDER is where stores and files are made, MILLISECONDS how long the job measures.
 * With "check" sizes are small, and the times say nothing. Without arguments it lists its jobs.
 *
 * Include it first: it asks for GNU's functions.
 */
#ifndef BENCH_H
#define BENCH_H

#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SMALL = 100, LARGE = 80000000, BATCH = 1000, MOST_WORKERS = 4, MOST_SAMPLES = 20000 };

struct job {
    const char *name;
    void (*run)(void);
};

/* A word in a cache line of its own. */
struct word {
    _Alignas(64) _Atomic uint32_t value;
};

/* What the processes of a job have in common, beside what is measured. */
struct shared {
    struct word ready, go, stop, ping, pong;
    _Alignas(64) _Atomic uint64_t stamp;
    struct {
        _Alignas(64) _Atomic uint64_t operations;
    } workers[MOST_WORKERS];
};

static struct {
    const char *folder;
    uint64_t budget, deadline;
    bool check;
    cpu_set_t allowed;
    struct shared *shared;
    struct {
        const char *row;
        double seconds;
    } samples[MOST_SAMPLES];
    size_t num_samples;
} bench;

static inline void need(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline size_t large(void) { return bench.check ? LARGE / 80 : LARGE; }

/* ---- time ---- */

static inline uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline double since(uint64_t begun) { return (double)(now() - begun) * 1e-9; }

static inline void pause_ms(double milliseconds) {
    const int64_t whole = (int64_t)(milliseconds * 1e6);
    struct timespec time = {.tv_sec = whole / 1000000000, .tv_nsec = whole % 1000000000};
    nanosleep(&time, NULL);
}

/* What a waiting loop does between two looks. */
static inline void relax(void) {
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

/* Whether to go on. The first turn warms up: what it sampled is forgotten. The second is always
 * taken. */
static inline bool sampling(void) {
    static int turns = 0;
    if (++turns == 2) {
        bench.num_samples = 0;
        bench.deadline = now() + bench.budget;
    }
    return turns <= 2 || (now() < bench.deadline && bench.num_samples < MOST_SAMPLES - 16);
}

static inline void sample(const char *row, double seconds) {
    bench.samples[bench.num_samples].row = row;
    bench.samples[bench.num_samples++].seconds = seconds;
}

/* ---- processors and processes ---- */

static inline int num_cpus(void) { return CPU_COUNT(&bench.allowed); }

/* To the nth of the processors that this process may use, if it has as many. */
static inline void pin(int nth) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &bench.allowed) && nth-- == 0) CPU_SET(cpu, &set);
    need(CPU_COUNT(&set) == 0 || sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

static inline pid_t start(void (*work)(int), int number) {
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child > 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work(number);
    _exit(0);
}

static inline void finish(pid_t child) {
    int status = 0;
    need(waitpid(child, &status, 0) == child && status == 0, "the other process");
}

static inline void stop(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static inline void compute(int number) {
    (void)number;
    for (volatile uint64_t i = 0;; i++) {
    }
}

/* ---- words that processes sleep on ---- */

static inline void say(struct word *word, uint32_t value) {
    atomic_store(&word->value, value);
    syscall(SYS_futex, &word->value, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static inline bool has_reached(const struct word *word, uint32_t value) {
    return (int32_t)(atomic_load(&word->value) - value) >= 0;
}

/* Sleeps until the word has reached the value. */
static inline void hear(struct word *word, uint32_t value) {
    while (!has_reached(word, value)) {
        uint32_t seen = atomic_load(&word->value);
        if ((int32_t)(seen - value) < 0)
            syscall(SYS_futex, &word->value, FUTEX_WAIT, seen, NULL, NULL, 0);
    }
}

/* The same without sleeping. */
static inline void watch(struct word *word, uint32_t value) {
    while (!has_reached(word, value)) relax();
}

/* ---- several at once ---- */

/* A worker says that it is ready and waits for the others. */
static inline void ready(void) {
    atomic_fetch_add(&bench.shared->ready.value, 1);
    hear(&bench.shared->go, 1);
}

static inline bool going(void) {
    return atomic_load_explicit(&bench.shared->stop.value, memory_order_relaxed) == 0;
}

static inline void done(int worker, uint64_t operations) {
    atomic_fetch_add_explicit(&bench.shared->workers[worker].operations, operations,
                              memory_order_relaxed);
}

struct thread {
    void (*work)(int);
    int number;
    bool pinned;
};

static inline void *thread_main(void *argument) {
    struct thread *thread = argument;
    if (thread->pinned) pin(thread->number);
    thread->work(thread->number);
    return NULL;
}

/* The same as a process, which inherits what it is to do. */
static struct thread inherited;

static inline void process_main(int number) {
    (void)number;
    thread_main(&inherited);
}

static inline uint64_t operations(int count) {
    uint64_t sum = 0;
    for (int i = 0; i < count; i++) sum += atomic_load(&bench.shared->workers[i].operations);
    return sum;
}

/* Processes or threads that each do `ready(); while (going()) { ...; done(number, n); }`. A sample
 * is the time of one operation of all of them together. If there is a processor for each of
 * several, each has its own. */
static inline void together(const char *row, int count, bool threads, void (*work)(int)) {
    pthread_t ids[MOST_WORKERS];
    pid_t children[MOST_WORKERS];
    struct thread all[MOST_WORKERS];
    struct shared *shared = bench.shared;
    memset(shared, 0, sizeof *shared);
    for (int i = 0; i < count; i++) {
        all[i] = (struct thread){work, i, count > 1 && count <= num_cpus()};
        inherited = all[i];
        if (threads)
            need(pthread_create(&ids[i], NULL, thread_main, &all[i]) == 0, "a thread");
        else
            children[i] = start(process_main, i);
    }
    while (atomic_load(&shared->ready.value) != (uint32_t)count) pause_ms(0.2);
    say(&shared->go, 1);
    const int windows = 5;
    for (int i = 0; i <= windows; i++) {
        const uint64_t begun = now(), before = operations(count);
        uint64_t after;
        do {
            pause_ms((double)bench.budget * 1e-6 / windows);
            after = operations(count);
        } while (after == before);
        /* The first warms up. */
        if (i > 0) sample(row, since(begun) / (double)(after - before));
    }
    atomic_store(&shared->stop.value, 1);
    for (int i = 0; i < count; i++) {
        if (threads)
            pthread_join(ids[i], NULL);
        else
            finish(children[i]);
    }
}

/* ---- the program ---- */

static inline int bench_main(int argc, char **argv, const struct job *jobs, size_t num_jobs) {
    if (argc < 4) {
        for (size_t i = 0; i < num_jobs; i++) puts(jobs[i].name);
        return 0;
    }
    bench.folder = argv[2];
    bench.budget = strtoull(argv[3], NULL, 10) * 1000000u;
    bench.check = argc > 4 && strcmp(argv[4], "check") == 0;
    need(sched_getaffinity(0, sizeof bench.allowed, &bench.allowed) == 0, "sched_getaffinity");
    bench.shared =
        mmap(NULL, sizeof *bench.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    need(bench.shared != MAP_FAILED, "shared memory");
    for (size_t i = 0; i < num_jobs; i++) {
        if (strcmp(jobs[i].name, argv[1]) != 0) continue;
        jobs[i].run();
        for (size_t k = 0; k < bench.num_samples; k++)
            printf("%s %.4g\n", bench.samples[k].row, bench.samples[k].seconds);
        return 0;
    }
    fprintf(stderr, "%s: there is no job %s\n", argv[0], argv[1]);
    return 2;
}

#endif
