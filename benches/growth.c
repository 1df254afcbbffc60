/* Measures puts that need new memory; scripts/growth.sh runs it. Prints a line for each put: its
 * number in its store, the seconds that it took, and the processor seconds.
 *
 * argv: where the stores are to be made; how many, one after the other; puts in each (all are
 * held); bytes of a put; and "busy" if a real-time thread is to keep the second CPU busy meanwhile.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tests/c/check.h"

enum { MOST = 64 };

static double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
}

static pid_t keep_busy(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child > 0) {
        pin(0);
        /* So that it spins by now. */
        usleep(200000);
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(1);
    const struct sched_param priority = {.sched_priority = 10};
    if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {
        perror("SCHED_FIFO");
        _exit(1);
    }
    for (;;) {
    }
}

static void fill_a_store(const char *path, int puts, const sdp_dal_tensor_view *view,
                         int64_t bytes) {
    sdp_dal_store_options options = {.struct_size = sizeof options};
    sdp_dal_store *store = NULL;
    sdp_dal_ref *refs[MOST];
    options.size = (uint64_t)bytes * (uint64_t)(puts + 1);
    OK(sdp_dal_store_open(path, &options, &store));
    for (int i = 0; i < puts; i++) {
        double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
        OK(sdp_dal_tensor_put(store, view, &refs[i]));
        wall = seconds(CLOCK_MONOTONIC) - wall;
        cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
        printf("%d %.6f %.6f\n", i, wall, cpu);
    }
    for (int i = 0; i < puts; i++) sdp_dal_ref_free(refs[i]);
    sdp_dal_store_close(store);
    CHECK(access(path, F_OK) != 0);
}

int main(int argc, char **argv) {
    CHECK(argc >= 5);
    const int stores = atoi(argv[2]), puts = atoi(argv[3]);
    const int64_t bytes = atoll(argv[4]), shape[1] = {bytes};
    CHECK(puts >= 1 && puts <= MOST && bytes >= 1);
    pid_t busy = argc > 5 && strcmp(argv[5], "busy") == 0 ? keep_busy() : 0;
    unsigned char *data = malloc((size_t)bytes);
    CHECK(data != NULL);
    memset(data, 7, (size_t)bytes);
    sdp_dal_tensor_view view;
    CLEAR(view);
    view.data = data;
    view.shape = shape;
    view.dtype = SDP_DAL_UINT8;
    view.ndim = 1;
    for (int i = 0; i < stores; i++) fill_a_store(argv[1], puts, &view, bytes);
    free(data);
    if (busy > 0) {
        int status = 0;
        CHECK(waitpid(busy, &status, WNOHANG) == 0);
        kill(busy, SIGKILL);
        waitpid(busy, &status, 0);
    }
    return 0;
}
