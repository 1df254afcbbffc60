/* What the files of a worker share: the words of the tally, what the worker was told, what a thread
 * has, and the functions that each file offers to the others. */
#ifndef WORKER_H
#define WORKER_H

#define _GNU_SOURCE
#include <pthread.h>
#include <sdp_dal.h>
#include <stdatomic.h>

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

/* worker.c: what it was told */
extern const char *path;
extern _Atomic uint64_t *tally;
extern uint32_t allowed; /* By the phase: a bit for each status. */
extern uint64_t store_size, largest;
extern int evicting, wild, comes_and_goes;
extern atomic_int told_to_end;

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

/* numbers.c */
uint64_t mixed(uint64_t x);
uint64_t next(struct thread *me);
uint64_t below(struct thread *me, uint64_t limit);
int64_t now(void);
void nap(int64_t ns);

/* tally.c */
void add(int word, uint64_t value);
void raise_to(int word, uint64_t value);
void fail(const char *what);
void wrong(const char *what, const uint8_t *id);
void begin(const struct thread *me, enum operation operation);
void done(const struct thread *me, enum operation operation);
int went(enum operation operation, sdp_dal_status status, uint32_t may);

#define BIT(name) (1u << -(SDP_DAL_##name))

/* contents.c */
uint64_t some_size(struct thread *me);
void fill(uint8_t *data, uint64_t size, const uint8_t *id, uint64_t sequence);
void metadata_of(uint64_t *metadata, uint64_t size, const uint8_t *id, uint64_t sequence);
void verify(const sdp_dal_buffer *buffer, const uint8_t *id);
void verify_tensor(const sdp_dal_tensor *tensor, uint64_t key, uint64_t offset, const uint8_t *id);
void fill_array(int64_t *array, uint64_t count, uint64_t key);
int array_is_right(const int64_t *array, uint64_t count);
int64_t array_size(struct thread *me);
void shared_id(struct thread *me, uint8_t *id);

/* objects.c */
int open_store(struct thread *me);
void close_store(struct thread *me);
void release(struct thread *me, struct held *held);
void disown(struct owned *owned);
sdp_dal_writer *create(struct thread *me, const uint8_t *id, uint32_t flags, uint32_t may);
void put_own(struct thread *me);
void get_own(struct thread *me);
void pass(struct thread *me);

/* processor.c: its functions */
enum { FUNCTIONS = 4 };
extern const char *const signatures[FUNCTIONS];

/* The roles: storm.c, caller.c, processor.c, bystander.c */
void storm(struct thread *me);
void calls(struct thread *me);
void process(struct thread *me);
void stand_by(struct thread *me);

#endif
