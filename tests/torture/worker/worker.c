/* worker.c: one of the processes of scripts/torture.sh, over the C interface.
 *
 *   worker ROLE STORE SEED TALLY [NAME=VALUE...]
 *
 * ROLE is storm, caller, processor or bystander. TALLY is a file of words that it maps and counts
 * in, so that what a killed process has done is known. It ends in order on SIGTERM. Its exit status
 * is 3 if it saw what must not be; the line that begins with FAILURE says what.
 *
 * Everything it writes can be checked by whoever finds it: see word_of() in contents.c. */
#include "worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

const char *path;
_Atomic uint64_t *tally;
uint32_t allowed;
uint64_t store_size, largest;
int evicting, wild, comes_and_goes;
atomic_int told_to_end;
static int threads;
static int caught; /* The signal that it sends itself when it has the store's lock; 0: none. */

/* ---- caught in the act ----------------------------------------------------------------------- */

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

/* ---- all of it ------------------------------------------------------------------------------- */

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
