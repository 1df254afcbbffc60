/* What a worker counts, and what an operation came to. */
#include "worker.h"

#include <stdio.h>
#include <unistd.h>

static const char *const names[] = {
    "open",    "put",      "create",    "abort",      "get",
    "wait",    "get_many", "release",   "delete",     "delete_when_released",
    "own_get", "keep",     "look",      "list",       "events",
    "trim",    "evict",    "pass",      "descriptor", "call",
    "chain",   "batch",    "broadcast", "cancel",     "failing_call",
    "find",    "process",  "close",
};

void add(int word, uint64_t value) {
    atomic_fetch_add_explicit(&tally[word], value, memory_order_relaxed);
}

void raise_to(int word, uint64_t value) {
    if (value > atomic_load_explicit(&tally[word], memory_order_relaxed)) {
        atomic_store_explicit(&tally[word], value, memory_order_relaxed);
    }
}

void fail(const char *what) {
    fprintf(stderr, "FAILURE %s\n", what);
    fflush(stderr);
    _exit(3);
}

void wrong(const char *what, const uint8_t *id) {
    char text[200], name[2 * SDP_DAL_ID_SIZE + 1] = "";
    size_t length = sizeof name;
    add(WRONG, 1);
    if (wild) return;
    if (id != NULL) sdp_dal_id_format(id, SDP_DAL_ID_SIZE, name, &length);
    snprintf(text, sizeof text, "wrong bytes: %s %s", what, name);
    fail(text);
}

void begin(const struct thread *me, enum operation operation) {
    atomic_store(&tally[SINCE + me->number], (uint64_t)now());
    atomic_store(&tally[DOING + me->number], (uint64_t)operation + 1);
}

void done(const struct thread *me, enum operation operation) {
    atomic_store(&tally[DOING + me->number], 0);
    add(COUNTS + (int)operation, 1);
}

/* Whether it worked. Anything but what the operation (`may`) or the phase allows is a failure. */
int went(enum operation operation, sdp_dal_status status, uint32_t may) {
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
