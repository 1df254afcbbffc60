/* What the examples share: errors end the program, Ctrl-C and SIGTERM end the waiting.
 *
 * SIGTERM is what Kubernetes and systemd send. A program that runs until it is stopped then exits
 * with status 0; one that had something left to do exits with 143 (130 after Ctrl-C), as shells
 * report signals. In either case its stores are closed. */
#ifndef COMMON_H
#define COMMON_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sdp_dal.h>

/* The signal that was received, or 0. */
static volatile sig_atomic_t stopped = 0;
static sdp_dal_store *store_to_interrupt = NULL;

static void on_signal(int number) {
    stopped = number;
    /* Allowed in a signal handler: whatever waits on the store returns SDP_DAL_INTERRUPTED. */
    if (store_to_interrupt != NULL) (void)sdp_dal_store_interrupt(store_to_interrupt, true);
}

/* Prints what went wrong in the last function of the library, and ends the program. A wait that a
 * signal has ended is no error. */
static inline void die(const char *what) {
    char text[SDP_DAL_MESSAGE_SIZE];
    size_t length = sizeof text;
    if (stopped) exit(128 + stopped);
    if (sdp_dal_last_error(text, &length) != SDP_DAL_OK) text[0] = '\0';
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static inline void check(sdp_dal_status status, const char *what) {
    if (status != SDP_DAL_OK) die(what);
}

/* However the program ends: a store that no other client uses is removed. */
static void leave_stores(void) { (void)sdp_dal_stores_leave(); }

/* Opens the store, and makes it if there is none; Ctrl-C and SIGTERM end all waiting on it from now
 * on. */
static inline sdp_dal_store *open_store(const char *path, const char *name) {
    sdp_dal_store_options options = {.struct_size = sizeof options};
    sdp_dal_store *store = NULL;
    struct sigaction action;
    /* Before the store is there: a signal that comes early must not leave it behind. */
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    atexit(leave_stores);
    options.name = name;
    check(sdp_dal_store_open(path, &options, &store), path);
    store_to_interrupt = store;
    if (stopped) check(sdp_dal_store_interrupt(store, true), path);
    /* Lines appear at once, in a pipe too. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    return store;
}

/* The handler must not touch a store that is gone. */
static inline void close_store(sdp_dal_store *store) {
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    store_to_interrupt = NULL;
    sdp_dal_store_close(store);
}

static inline sdp_dal_processor *open_processor(const sdp_dal_store *store, const char *name) {
    sdp_dal_processor_options options = {.struct_size = sizeof options};
    sdp_dal_processor *processor = NULL;
    options.name = name;
    check(sdp_dal_processor_open(store, &options, &processor), name);
    return processor;
}

/* Publishes the functions and says where. */
static inline void start_processor(sdp_dal_processor *processor, const char *name) {
    uint8_t prefix[SDP_DAL_PREFIX_SIZE];
    check(sdp_dal_processor_start(processor), name);
    check(sdp_dal_processor_get_prefix(processor, prefix), name);
    printf("%s waiting for calls at prefix %02x%02x%02x%02x\n", name, prefix[0], prefix[1],
           prefix[2], prefix[3]);
}

/* A caller of one function; waits for a processor and says which it found. */
static inline sdp_dal_caller *open_caller(const sdp_dal_store *store, const char *signature) {
    uint8_t prefix[SDP_DAL_PREFIX_SIZE];
    sdp_dal_caller_options options = {.struct_size = sizeof options};
    sdp_dal_caller *caller = NULL;
    check(sdp_dal_store_get_prefix(store, prefix), "the store's prefix");
    printf("Store using prefix %02x%02x%02x%02x for objects\n", prefix[0], prefix[1], prefix[2],
           prefix[3]);
    options.timeout_ns = INT64_C(10000000000);
    check(sdp_dal_caller_open(store, &signature, 1, &options, &caller), "looking for processors");
    for (size_t i = 0; i < sdp_dal_caller_num_processors(caller); i++) {
        char name[256] = "";
        size_t length = sizeof name;
        check(sdp_dal_caller_get_processor(caller, i, prefix, name, &length), "a processor");
        printf("Found processor %s at prefix %02x%02x%02x%02x\n", name, prefix[0], prefix[1],
               prefix[2], prefix[3]);
    }
    return caller;
}

static inline double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline void usage(FILE *out, const char *program, const char *arguments, const char *text) {
    fprintf(out, "usage: %s %s\n\n%s", program, arguments, text);
}

static inline bool is_help(const char *argument) {
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

#endif
