/* This library's tables through its C interface: 16 columns of doubles, given and got by Arrow's
 * own structs. */
#include "bench.h"

#include "memory.h"
#include "ours.h"

enum { COLUMNS = 16 };

/* ---- a table of this process: one record batch, which owns nothing ---- */

static const double *values;
static int64_t rows;
static bool given;

static struct ArrowSchema column_schemas[COLUMNS], *schema_children[COLUMNS];
static struct ArrowArray columns[COLUMNS], *array_children[COLUMNS];
static const void *column_buffers[COLUMNS][2], *batch_buffers[1];

static void release_schema(struct ArrowSchema *schema) { schema->release = NULL; }
static void release_array(struct ArrowArray *array) { array->release = NULL; }
static void release_stream(struct ArrowArrayStream *stream) { stream->release = NULL; }

static const char *last_error(struct ArrowArrayStream *stream) {
    (void)stream;
    return NULL;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
    static const char names[COLUMNS][2] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                           "i", "j", "k", "l", "m", "n", "o", "p"};
    (void)stream;
    for (int i = 0; i < COLUMNS; i++) {
        column_schemas[i] =
            (struct ArrowSchema){.format = "g", .name = names[i], .release = release_schema};
        schema_children[i] = &column_schemas[i];
    }
    *out = (struct ArrowSchema){.format = "+s",
                                .name = "",
                                .n_children = COLUMNS,
                                .children = schema_children,
                                .release = release_schema};
    return 0;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
    (void)stream;
    *out = (struct ArrowArray){.release = NULL};
    if (given) return 0;
    for (int i = 0; i < COLUMNS; i++) {
        column_buffers[i][1] = values + i * rows;
        columns[i] = (struct ArrowArray){
            .length = rows, .n_buffers = 2, .buffers = column_buffers[i], .release = release_array};
        array_children[i] = &columns[i];
    }
    *out = (struct ArrowArray){.length = rows,
                               .n_buffers = 1,
                               .n_children = COLUMNS,
                               .buffers = batch_buffers,
                               .children = array_children,
                               .release = release_array};
    given = true;
    return 0;
}

/* ---- rows ---- */

static sdp_dal_ref *put(size_t size) {
    struct ArrowArrayStream stream = {.get_schema = get_schema,
                                      .get_next = get_next,
                                      .get_last_error = last_error,
                                      .release = release_stream};
    sdp_dal_ref *ref = NULL;
    rows = (int64_t)(size / sizeof *values / COLUMNS);
    given = false;
    OK(sdp_dal_table_put(store, &stream, NULL, &ref));
    return ref;
}

static void get(const char *row, const sdp_dal_ref *ref) {
    uint64_t begun = now();
    for (int i = 0; i < 100; i++) {
        struct ArrowArray batch;
        struct ArrowSchema schema;
        OK(sdp_dal_ref_get_batch(ref, SDP_DAL_POLL, &batch, &schema));
        batch.release(&batch);
        schema.release(&schema);
    }
    sample(row, since(begun) / 100);
}

static void tables(void) {
    values = (const double *)source(large());
    open_store(2 * large() + (16 << 20));
    sdp_dal_ref *small = put(large() / 1000);
    while (sampling()) {
        uint64_t begun = now();
        sdp_dal_ref *ref = put(large());
        sample("table.put_80_MB", since(begun));
        get("table.get_80_MB", ref);
        get("table.get_80_kB", small);
        sdp_dal_ref_free(ref);
    }
    sdp_dal_ref_free(small);
    close_store();
}

static const struct job jobs[] = {{"table", tables}};

int main(int argc, char **argv) { return bench_main(argc, argv, jobs, sizeof jobs / sizeof *jobs); }
