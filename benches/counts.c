/* Does the operations whose instructions scripts/counts.sh counts, under callgrind and in one
 * thread: what is waited for is there already, so that nothing sleeps or spins.
 *
 *   counts STORE
 *
 * callgrind writes a file for each part of a row. benches/counts_call.py has this file as a shared
 * library.
 */
#include <valgrind/callgrind.h>

#include "../tests/c/check.h"

enum {
    PARTS = 16,
    /* Operations in a part; benches/counts.py divides by it. */
    TURNS = 8,
    /* Before counting: memory has been touched, tables have grown, spare parts are there. */
    WARM_UP = 500,
    SMALL = 100
};

/* A row counts what lies between two marks that name it. */
enum row {
    GET_RELEASE = 1,
    CREATE_SEAL_DELETE = 2,
    ISSUE = 4,
    TAKE = 8,
    END = 16,
    CALLER = 32,
    PROCESSOR = 64
};

/* ---- what Python has of this, too ---- */

void counts_start(void);
void counts_mark(void);
void counts_end_part(const char *row);

void counts_start(void) { CALLGRIND_START_INSTRUMENTATION; }
void counts_mark(void) { CALLGRIND_TOGGLE_COLLECT; }
void counts_end_part(const char *row) { CALLGRIND_DUMP_STATS_AT(row); }

/* ---- the operations ---- */

/* The row that is counted now. */
static unsigned counted;

static void mark(unsigned rows) {
    if (rows & counted) counts_mark();
}

static sdp_dal_store *store;
static sdp_dal_processor *processor;
static sdp_dal_caller *caller;

struct id {
    uint8_t bytes[SDP_DAL_ID_SIZE];
};

/* Namespaces have the first prefixes. */
static struct id id_of(int number) {
    struct id id;
    memset(&id, 0xff, sizeof id);
    memcpy(id.bytes + sizeof id - sizeof number, &number, sizeof number);
    return id;
}

static void create(const struct id *id) {
    sdp_dal_object_spec spec;
    sdp_dal_writer *writer = NULL;
    void *data = NULL;
    CLEAR(spec);
    spec.data_size = SMALL;
    OK(sdp_dal_object_create(store, id->bytes, &spec, &data, &writer));
    memset(data, 1, SMALL);
    OK(sdp_dal_writer_seal(writer));
    sdp_dal_writer_free(writer);
}

static void create_and_delete(int turn) {
    const struct id id = id_of(TURNS + turn);
    mark(CREATE_SEAL_DELETE);
    create(&id);
    OK(sdp_dal_object_delete(store, id.bytes, SDP_DAL_DELETE_NOW));
    mark(CREATE_SEAL_DELETE);
}

static void get_and_release(int turn) {
    const struct id id = id_of(turn);
    sdp_dal_buffer *buffer = NULL;
    mark(GET_RELEASE);
    OK(sdp_dal_object_get(store, id.bytes, SDP_DAL_WAIT_FOREVER, &buffer));
    sdp_dal_buffer_free(buffer);
    mark(GET_RELEASE);
}

/* Caller and processor take turns. */
static void call(int turn) {
    static const int64_t tag = 0;
    static sdp_dal_tensor_view view;
    sdp_dal_value in[2] = {{.kind = SDP_DAL_VALUE_INT64}, {0}}, taken[2], out = {0};
    sdp_dal_ref *output = NULL;
    sdp_dal_call *run = NULL;
    CLEAR(view);
    view.data = &tag;
    view.dtype = SDP_DAL_INT64;
    out.kind = SDP_DAL_VALUE_TENSOR;
    out.view = &view;
    in[0].int64 = turn;

    mark(ISSUE | CALLER);
    OK(sdp_dal_caller_issue(caller, 0, in, 1, &output));
    mark(ISSUE | CALLER);

    mark(TAKE | PROCESSOR);
    OK(sdp_dal_processor_next(processor, 0, &run, NULL));
    OK(sdp_dal_call_values(run, taken, 2));
    mark(TAKE);
    mark(END);
    OK(sdp_dal_call_finish(run, &out, 1));
    mark(END);
    sdp_dal_call_free(run);
    mark(PROCESSOR);

    mark(CALLER);
    OK(sdp_dal_ref_wait(output, 0));
    sdp_dal_ref_free(output);
    mark(CALLER);
    CHECK(taken[0].int64 == turn);
}

static const struct {
    const char *name;
    enum row row;
    void (*work)(int turn);
} rows[] = {
    {"get_release", GET_RELEASE, get_and_release},
    {"create_seal_delete", CREATE_SEAL_DELETE, create_and_delete},
    {"issue", ISSUE, call},
    {"take", TAKE, call},
    {"end", END, call},
    {"caller", CALLER, call},
    {"processor", PROCESSOR, call},
};

int main(int argc, char **argv) {
    static const char *const signature = "empty(x: int64) -> (tag: int64[])";
    const size_t num_rows = sizeof rows / sizeof *rows;
    sdp_dal_store_options options;
    CHECK(argc == 2);
    CLEAR(options);
    options.size = 16 << 20;
    OK(sdp_dal_store_open(argv[1], &options, &store));
    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register(processor, signature, NULL, NULL, NULL, NULL));
    OK(sdp_dal_processor_start(processor));
    OK(sdp_dal_caller_open(store, &signature, 1, NULL, &caller));
    for (int i = 0; i < TURNS; i++) {
        const struct id id = id_of(i);
        create(&id);
    }

    for (size_t i = 0; i < num_rows; i++)
        for (int turn = 0; turn < WARM_UP; turn++) rows[i].work(turn % TURNS);
    counts_start();
    for (size_t i = 0; i < num_rows; i++) {
        for (int part = 0; part < PARTS; part++) {
            /* Writing a file took time: what the library does every quarter of a second is done
             * here. */
            rows[i].work(0);
            counted = rows[i].row;
            for (int turn = 0; turn < TURNS; turn++) rows[i].work(turn);
            counted = 0;
            counts_end_part(rows[i].name);
        }
    }

    sdp_dal_caller_close(caller);
    sdp_dal_processor_close(processor);
    sdp_dal_store_close(store);
    return 0;
}
