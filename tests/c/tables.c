/* Tables, values of any Arrow type, objects of any kind and DLPack. The calls are between two
 * processes. argv[1]: the store's path. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arrow_check.h"

#define SIGNATURE                                                                                  \
    "all_fn(t: table{x:float64,name:utf8}, o: oid, i: id, z: complex64, d: "                       \
    "dictionary<int8,utf8>?, "                                                                     \
    "f: float64[a,b]) -> (u: table{x:float64,name:utf8}, any: oid, g: float64[a,b], more: oid?)"

static sdp_dal_table_options chunks_of(size_t rows) {
    sdp_dal_table_options options;
    CLEAR(options);
    options.max_chunksize = rows;
    return options;
}

static void put_and_get(sdp_dal_store *store) {
    const sdp_dal_table_options options = chunks_of(100);
    struct ArrowArrayStream stream, second, columns[2];
    struct ArrowSchema schema;
    struct ArrowArray batch;
    sdp_dal_ref *ref = NULL;
    uint8_t id[SDP_DAL_ID_SIZE];
    bool exists = true;

    make_stream(&stream, TABLE, 2, 150);
    OK(sdp_dal_table_put(store, &stream, NULL, &ref));
    CHECK(stream.release == NULL && arrow_alive == 0);
    OK(sdp_dal_ref_get_table(ref, SDP_DAL_POLL, &stream));
    CHECK(check_stream(&stream, 300) == 2);
    FAILS(sdp_dal_ref_get_batch(ref, SDP_DAL_POLL, &batch, &schema), SDP_DAL_INVALID_ARGUMENT);
    SAYS("2 record batches: use sdp_dal_ref_get_table()");
    CHECK(batch.release == NULL && schema.release == NULL);
    OK(sdp_dal_ref_get_columns(ref, &schema));
    CHECK(schema.n_children == 2);
    schema.release(&schema);
    /* What was got can be put again, and holds the object meanwhile. */
    OK(sdp_dal_ref_get_table(ref, SDP_DAL_POLL, &stream));
    OK(sdp_dal_ref_get_table(ref, SDP_DAL_POLL, &second));
    OK(ref_id(ref, id));
    sdp_dal_ref_free(ref);
    OK(sdp_dal_object_contains(store, id, &exists));
    CHECK(!exists);
    OK(sdp_dal_table_put(store, &stream, &options, &ref));
    CHECK(check_stream(&second, 300) == 2);
    OK(sdp_dal_ref_get_table(ref, SDP_DAL_POLL, &stream));
    CHECK(check_stream(&stream, 300) == 4);
    sdp_dal_ref_free(ref);

    table_schema(&schema);
    make_stream(&columns[0], COLUMN_X, 3, 10);
    make_stream(&columns[1], COLUMN_NAME, 3, 10);
    OK(sdp_dal_table_put_columns(store, &schema, columns, 2, NULL, &ref));
    OK(sdp_dal_ref_get_table(ref, SDP_DAL_POLL, &stream));
    CHECK(check_stream(&stream, 30) == 3);
    sdp_dal_ref_free(ref);
    make_stream(&columns[0], COLUMN_X, 3, 10);
    make_stream(&columns[1], COLUMN_NAME, 2, 15);
    FAILS(sdp_dal_table_put_columns(store, &schema, columns, 2, NULL, &ref),
          SDP_DAL_INVALID_ARGUMENT);
    SAYS("column 'x' has chunks of 10, 10, 10 rows and column 'name' of 15, 15");
    CHECK(ref == NULL && columns[1].release == NULL && arrow_alive == 3);

    /* A reference that was made for a table. */
    const sdp_dal_expectation expected = a_table(&schema);
    OK(sdp_dal_ref_new(store, &expected, &ref));
    make_stream(&stream, COLUMN_X, 1, 1);
    FAILS(sdp_dal_ref_put_table(ref, &stream, NULL), SDP_DAL_INVALID_ARGUMENT);
    CHECK(stream.release == NULL);
    make_stream(&stream, TABLE, 1, 7);
    OK(sdp_dal_ref_put_table(ref, &stream, NULL));
    make_stream(&stream, TABLE, 1, 7);
    FAILS(sdp_dal_ref_put_table(ref, &stream, NULL), SDP_DAL_ALREADY_EXISTS);
    schema.release(&schema);
    OK(sdp_dal_ref_get_batch(ref, SDP_DAL_POLL, &batch, &schema));
    CHECK(batch.length == 7 && batch.n_children == 2 && strcmp(schema.format, "+s") == 0);
    sdp_dal_ref_free(ref);
    /* The array outlives the reference, and its children may be moved out of it. */
    struct ArrowArray moved = *batch.children[0];
    batch.children[0]->release = NULL;
    batch.release(&batch);
    const double *x = (const double *)moved.buffers[1];
    CHECK(x[6] > 5.5 && x[6] < 6.5);
    moved.release(&moved);
    schema.release(&schema);

    make_stream(&stream, BROKEN, 0, 0);
    FAILS(sdp_dal_table_put(store, &stream, NULL, &ref), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'stream' failed with error 5: the disk is on fire");
    FAILS(sdp_dal_table_put(store, &stream, NULL, &ref), SDP_DAL_INVALID_ARGUMENT);
    SAYS("released");
    make_stream(&stream, TABLE, 1, 1);
    FAILS(sdp_dal_table_put(NULL, &stream, NULL, &ref), SDP_DAL_INVALID_ARGUMENT);
    make_stream(&stream, TABLE, 0, 0);
    OK(sdp_dal_table_put(store, &stream, NULL, &ref));
    OK(sdp_dal_ref_get_batch(ref, SDP_DAL_POLL, &batch, &schema));
    CHECK(batch.length == 0 && batch.n_children == 2);
    batch.release(&batch);
    schema.release(&schema);
    sdp_dal_ref_free(ref);
    CHECK(arrow_alive == 0);
}

/* A dictionary<int8,utf8> of one value, "two". */
static void make_dictionary(struct ArrowArray *array, struct ArrowSchema *schema) {
    const int32_t offsets[3] = {0, 3, 6};
    const int8_t index = 1;
    make_schema(schema, "c", "", 0);
    schema->dictionary = (struct ArrowSchema *)calloc(1, sizeof *schema->dictionary);
    make_schema(schema->dictionary, "u", "", 0);
    make_array(array, 1, 2, 0);
    array->buffers[1] = copy_of(&index, sizeof index);
    array->dictionary = (struct ArrowArray *)calloc(1, sizeof *array->dictionary);
    make_array(array->dictionary, 2, 3, 0);
    array->dictionary->buffers[1] = copy_of(offsets, sizeof offsets);
    array->dictionary->buffers[2] = copy_of("onetwo", 6);
}

/* Arrays at addresses that their types do not allow are read all the same. */
static void unaligned(sdp_dal_store *store) {
    double storage[4] = {0};
    char *const values = (char *)storage + 4;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema, wrong;
    struct ArrowArray array;
    sdp_dal_ref *ref = NULL;
    sdp_dal_args *args = NULL;
    for (int i = 0; i < 3; i++) {
        const double value = i;
        memcpy(values + 8 * i, &value, sizeof value);
    }
    make_stream(&stream, UNALIGNED, 1, 3);
    ((struct stream_state *)stream.private_data)->values = values;
    make_schema(&schema, "+s", "", 1);
    make_schema(schema.children[0], "g", "x", 0);
    OK(sdp_dal_table_put_columns(store, &schema, &stream, 1, NULL, &ref));
    schema.release(&schema);
    OK(sdp_dal_ref_get_batch(ref, SDP_DAL_POLL, &array, &schema));
    const double *const x = (const double *)array.children[0]->buffers[1];
    CHECK(array.length == 3 && x[2] > 1.5 && x[2] < 2.5);
    array.release(&array);
    schema.release(&schema);
    sdp_dal_ref_free(ref);

    OK(sdp_dal_args_create(&args));
    make_doubles(&array, 0, 1);
    free((void *)(uintptr_t)array.buffers[1]);
    array.buffers[1] = values + 16;
    array.release = release_unowned;
    make_schema(&schema, "g", "", 0);
    OK(sdp_dal_args_set_arrow(args, "x", &array, &schema));
    /* A value that no reader would accept is not taken. */
    make_dictionary(&array, &schema);
    *(int8_t *)(uintptr_t)array.buffers[1] = 2;
    FAILS(sdp_dal_args_set_arrow(args, "x", &array, &schema), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'value' cannot be read");
    make_texts(&array, 0, 1);
    *(char *)(uintptr_t)array.buffers[2] = (char)0xff;
    make_schema(&wrong, "u", "", 0);
    FAILS(sdp_dal_args_set_arrow(args, NULL, &array, &wrong), SDP_DAL_INVALID_ARGUMENT);
    SAYS("UTF");
    CHECK(array.release == NULL && wrong.release == NULL);
    sdp_dal_args_free(args);
    CHECK(arrow_alive == 0);
}

/* Nothing: release_chain() does it, without as many calls inside each other. */
static void release_one_level(struct ArrowSchema *schema) { (void)schema; }

static void release_chain(struct ArrowSchema *schema) {
    struct ArrowSchema *level = schema->children[0];
    free(schema->children);
    while (level->n_children > 0) {
        struct ArrowSchema *const next = level->children[0];
        free(level->children);
        free(level);
        level = next;
        arrow_alive--;
    }
    free(level);
    schema->release = NULL;
    arrow_alive -= 2;
}

/* Schemas that Arrow does not allow, each with a sentence. */
static void wrong_schemas(sdp_dal_store *store) {
    struct ArrowSchema schema, *deep;
    struct ArrowArray array;
    sdp_dal_ref *ref = NULL;
    sdp_dal_args *args = NULL;
    table_schema(&schema);
    const sdp_dal_expectation expected = a_table(&schema);
    schema.children[0]->format = "\xff";
    FAILS(sdp_dal_ref_new(store, &expected, &ref), SDP_DAL_INVALID_ARGUMENT);
    SAYS("the schema of 'expected.columns' is invalid: a format is NULL or not UTF-8");
    schema.children[0]->format = "g";
    schema.children[1]->name = "\xff";
    FAILS(sdp_dal_ref_new(store, &expected, &ref), SDP_DAL_INVALID_ARGUMENT);
    SAYS("a name is not UTF-8");
    schema.children[1]->name = "name";
    schema.n_children = -1;
    FAILS(sdp_dal_ref_new(store, &expected, &ref), SDP_DAL_INVALID_ARGUMENT);
    SAYS("n_children is negative");
    schema.n_children = 2;
    struct ArrowSchema *const second = schema.children[1];
    schema.children[1] = NULL;
    FAILS(sdp_dal_ref_new(store, &expected, &ref), SDP_DAL_INVALID_ARGUMENT);
    SAYS("a child is NULL or not aligned");
    schema.children[1] = second;
    schema.release(&schema);

    OK(sdp_dal_args_create(&args));
    make_schema(&schema, "+l", "", 1);
    deep = schema.children[0];
    for (int i = 0; i < 100000; i++) {
        make_schema(deep, "+l", "item", 1);
        deep->release = release_one_level;
        deep = deep->children[0];
    }
    make_schema(deep, "g", "item", 0);
    make_doubles(&array, 0, 1);
    schema.release = release_chain;
    FAILS(sdp_dal_args_set_arrow(args, "x", &array, &schema), SDP_DAL_INVALID_ARGUMENT);
    SAYS("its type is nested too deeply");
    sdp_dal_args_free(args);
    CHECK(arrow_alive == 0);
}

/* What other programs leave in a store may have names that C has no texts for. */
static void impossible_names(sdp_dal_store *store) {
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray batch;
    sdp_dal_ref *ref = NULL;
    sdp_dal_buffer *buffer = NULL;
    uint8_t *bytes = NULL;
    sdp_dal_buffer_info info;
    const void *data = NULL, *metadata = NULL;
    size_t size = 0, metadata_size = 0, changed = 0;
    make_stream(&stream, TABLE, 1, 3);
    OK(sdp_dal_table_put(store, &stream, NULL, &ref));
    OK(sdp_dal_ref_get_buffer(ref, SDP_DAL_POLL, &buffer));
    OK(buffer_data(buffer, &data, &size));
    CLEAR(info);
    OK(sdp_dal_buffer_get_info(buffer, &info));
    metadata = info.metadata, metadata_size = info.metadata_size;
    bytes = (uint8_t *)copy_of(data, size);
    for (size_t i = 0; i + 4 <= size; i++) {
        if (memcmp(bytes + i, "name", 4) == 0) {
            bytes[i + 2] = 0;
            changed++;
        }
    }
    CHECK(changed == 1);
    sdp_dal_ref_free(ref);
    OK(sdp_dal_object_put(store, bytes, size, (const uint8_t *)metadata, metadata_size, &ref));
    free(bytes);
    sdp_dal_buffer_free(buffer);
    FAILS(sdp_dal_ref_get_table(ref, SDP_DAL_POLL, &stream), SDP_DAL_INVALID_ARGUMENT);
    SAYS("a name contains a NUL byte: \"na\\0e\"");
    CHECK(stream.release == NULL);
    FAILS(sdp_dal_ref_get_batch(ref, SDP_DAL_POLL, &batch, &schema), SDP_DAL_INVALID_ARGUMENT);
    CHECK(batch.release == NULL && schema.release == NULL);
    FAILS(sdp_dal_ref_get_columns(ref, &schema), SDP_DAL_INVALID_ARGUMENT);
    sdp_dal_ref_free(ref);
}

static void expectations(sdp_dal_store *store) {
    const char *const names[2] = {"row", ""};
    sdp_dal_ref *table = NULL, *tensor = NULL, *typed = NULL;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    sdp_dal_tensor *held = NULL;
    uint8_t id[SDP_DAL_ID_SIZE];
    sdp_dal_ref_info info;
    make_stream(&stream, TABLE, 1, 5);
    OK(sdp_dal_table_put(store, &stream, NULL, &table));
    OK(ref_id(table, id));
    const sdp_dal_expectation floats = a_tensor(SDP_DAL_FLOAT32, 2, names);
    OK(sdp_dal_ref_from_id(store, id, &floats, &tensor));
    OK(ref_info(tensor, &info));
    CHECK(info.kind == SDP_DAL_PARAM_TENSOR && info.dtype == SDP_DAL_FLOAT32 && info.ndim == 2);
    CHECK(info.owning == 0 && strcmp(info.dim_names[0], "row") == 0);
    FAILS(sdp_dal_ref_get_tensor(tensor, SDP_DAL_POLL, &held, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_ref_get_table(tensor, SDP_DAL_POLL, &stream), SDP_DAL_INVALID_ARGUMENT);
    SAYS("found a table, expected float32[row,?]");
    OK(ref_info(table, &info));
    CHECK(info.kind == 0 && info.dtype == 0 && info.ndim == -1);
    CHECK(info.owning == 1 && info.dim_names == NULL);
    sdp_dal_expectation wrong = floats;
    wrong.kind = 99;
    FAILS(sdp_dal_ref_from_id(store, id, &wrong, &typed), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'expected.kind' is 99");

    table_schema(&schema);
    const sdp_dal_expectation expected = a_table(&schema);
    schema.children[0]->format = "f";
    OK(sdp_dal_ref_from_id(store, id, &expected, &typed));
    FAILS(sdp_dal_ref_get_table(typed, SDP_DAL_POLL, &stream), SDP_DAL_INVALID_ARGUMENT);
    SAYS("column 'x' is float64, expected float32");
    sdp_dal_ref_free(typed);
    schema.children[0]->format = "g";
    OK(sdp_dal_ref_from_id(store, id, &expected, &typed));
    OK(sdp_dal_ref_get_table(typed, SDP_DAL_POLL, &stream));
    CHECK(check_stream(&stream, 5) == 1);
    OK(ref_info(typed, &info));
    CHECK(info.kind == SDP_DAL_PARAM_TABLE && info.ndim == -1);
    schema.release(&schema);
    OK(sdp_dal_ref_get_columns(typed, &schema));
    CHECK(strcmp(schema.children[1]->name, "name") == 0);
    schema.release(&schema);
    sdp_dal_ref_free(typed);
    sdp_dal_ref_free(tensor);
    sdp_dal_ref_free(table);
    CHECK(arrow_alive == 0);
}

static void check_dictionary(const struct ArrowArray *array, const struct ArrowSchema *schema) {
    CHECK(strcmp(schema->format, "c") == 0 && strcmp(schema->dictionary->format, "u") == 0);
    CHECK(array->length == 1 && array->dictionary != NULL);
    const int8_t index = ((const int8_t *)array->buffers[1])[array->offset];
    const int32_t *offsets =
        (const int32_t *)array->dictionary->buffers[1] + array->dictionary->offset;
    CHECK(memcmp((const char *)array->dictionary->buffers[2] + offsets[index], "two", 3) == 0);
}

static sdp_dal_status all_fn(sdp_dal_call *call, void *user_data) {
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    struct ArrowSchema schema;
    sdp_dal_tensor_view view;
    sdp_dal_output_options options;
    sdp_dal_ref *o = NULL;
    sdp_dal_buffer *bytes = NULL;
    uint8_t id[SDP_DAL_ID_SIZE], other[SDP_DAL_ID_SIZE];
    double re = 0, im = 0, *g = NULL;
    bool null = false;
    void *data = NULL;
    (void)user_data;
    OK(sdp_dal_call_get_table(call, "t", &stream));
    CHECK(check_stream(&stream, 20) == 2);
    OK(sdp_dal_call_get_table(call, "t", &stream));
    stream.release(&stream);
    FAILS(sdp_dal_call_get_table(call, "f", &stream), SDP_DAL_INVALID_ARGUMENT);
    CHECK(stream.release == NULL);
    OK(sdp_dal_call_get_complex(call, "z", &re, &im));
    CHECK(re > 1.4 && re < 1.6 && im < -2.4 && im > -2.6);
    FAILS(sdp_dal_call_get_complex(call, "f", &re, &im), SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_call_get_arrow(call, "z", &array, &schema));
    CHECK(strcmp(schema.format, "+w:2") == 0 && array.length == 1);
    array.release(&array);
    schema.release(&schema);
    OK(sdp_dal_call_is_null(call, "d", &null));
    OK(sdp_dal_call_get_arrow(call, "d", &array, &schema));
    if (!null) check_dictionary(&array, &schema);
    array.release(&array);
    schema.release(&schema);
    /* An oid is there when the function runs; an id need not be. */
    OK(sdp_dal_call_get_ref(call, "o", &o));
    OK(sdp_dal_ref_get_buffer(o, SDP_DAL_POLL, &bytes));
    sdp_dal_buffer_free(bytes);
    OK(sdp_dal_call_get_id(call, "o", id));
    OK(ref_id(o, other));
    CHECK(memcmp(id, other, sizeof id) == 0);
    sdp_dal_ref_free(o);
    OK(sdp_dal_call_get_id(call, "i", id));
    CHECK(id[7] == 77);
    FAILS(sdp_dal_call_get_id(call, "z", id), SDP_DAL_INVALID_ARGUMENT);

    CLEAR(view);
    OK(sdp_dal_call_get_tensor(call, "f", SDP_DAL_ORDER_ANY, &view));
    CHECK(view.order == SDP_DAL_ORDER_F && view.strides[0] == 8 && view.strides[1] == 16);
    CLEAR(options);
    options.order = SDP_DAL_ORDER_F;
    OK(sdp_dal_call_create_tensor(call, "g", 2, view.shape, &options, &data));
    g = (double *)data;
    for (int i = 0; i < 6; i++) g[i] = 2 * ((const double *)view.data)[i];

    make_stream(&stream, COLUMN_X, 1, 3);
    FAILS(sdp_dal_call_put_table(call, "u", &stream, NULL), SDP_DAL_INVALID_ARGUMENT);
    make_stream(&stream, TABLE, 1, 3);
    FAILS(sdp_dal_call_put_table(call, "g", &stream, NULL), SDP_DAL_INVALID_ARGUMENT);
    CHECK(stream.release == NULL);
    FAILS(sdp_dal_call_put_object(call, "u", "abc", 3, NULL, 0), SDP_DAL_INVALID_ARGUMENT);
    SAYS("cannot be written as bytes");
    make_stream(&stream, TABLE, 1, 3);
    OK(sdp_dal_call_put_table(call, "u", &stream, NULL));
    make_stream(&stream, TABLE, 1, 3);
    FAILS(sdp_dal_call_put_table(call, "u", &stream, NULL), SDP_DAL_ALREADY_EXISTS);
    if (null) {
        make_stream(&stream, TABLE, 1, 4);
        OK(sdp_dal_call_put_table(call, "any", &stream, NULL));
        OK(sdp_dal_call_put_tensor(call, "more", &view));
    } else {
        OK(sdp_dal_call_put_object(call, "any", "abc", 3, "meta", 4));
    }
    CHECK(arrow_alive == 0);
    return SDP_DAL_OK;
}

static int process(const char *path) {
    sdp_dal_store *store = NULL;
    sdp_dal_processor *processor = NULL;
    OK(sdp_dal_store_open(path, NULL, &store));
    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register(processor, SIGNATURE, NULL, all_fn, NULL, NULL));
    for (int i = 0; i < 2; i++) OK(sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER));
    sdp_dal_processor_close(processor);
    sdp_dal_store_close(store);
    return 0;
}

static void calls(sdp_dal_store *store) {
    const char *const signature = SIGNATURE;
    const double f[6] = {1, 2, 3, 4, 5, 6};
    const int64_t shape[2] = {2, 3}, strides[2] = {8, 16};
    uint8_t unborn[SDP_DAL_ID_SIZE] = {0, 0, 0, 9, 0, 0, 0, 77};
    const void *found = NULL;
    size_t size = 0;
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    struct ArrowSchema schema;
    sdp_dal_caller_options options;
    sdp_dal_caller *caller = NULL;
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_ref *o = NULL, *table = NULL;
    const sdp_dal_ref *out = NULL;
    sdp_dal_tensor_view view;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_buffer *buffer = NULL;
    CLEAR(options);
    options.minimum_processors = 1;
    options.timeout_ns = SDP_DAL_WAIT_FOREVER;
    OK(sdp_dal_caller_open(store, &signature, 1, &options, &caller));
    OK(sdp_dal_args_create(&args));

    make_stream(&stream, COLUMN_X, 1, 1);
    FAILS(sdp_dal_args_set_table(args, "t", &stream), SDP_DAL_INVALID_ARGUMENT);
    make_stream(&stream, TABLE, 2, 10);
    OK(sdp_dal_args_set_table(args, "t", &stream));
    CHECK(stream.release == NULL && arrow_alive > 0);
    OK(sdp_dal_ref_new(store, NULL, &o));
    OK(sdp_dal_args_set_ref(args, "o", o));
    OK(sdp_dal_args_set_id(args, "i", unborn));
    OK(sdp_dal_args_set_complex(args, "z", 1.5, -2.5));
    make_dictionary(&array, &schema);
    OK(sdp_dal_args_set_arrow(args, "d", &array, &schema));
    CHECK(array.release == NULL && schema.release == NULL);
    make_doubles(&array, 0, 2);
    make_schema(&schema, "g", "", 0);
    FAILS(sdp_dal_args_set_arrow(args, "d", &array, &schema), SDP_DAL_INVALID_ARGUMENT);
    SAYS("has 2 elements, expected one");
    CLEAR(view);
    view.data = f;
    view.shape = shape;
    view.strides = strides;
    view.dtype = SDP_DAL_FLOAT64;
    view.ndim = 2;
    OK(sdp_dal_args_set_tensor(args, "f", &view));
    OK(sdp_dal_caller_call(caller, "all_fn", args, &results));
    /* The call waits for its oid. */
    OK(sdp_dal_ref_put_tensor(o, &view));
    OK(sdp_dal_results_get_ref(results, "u", &out));
    OK(sdp_dal_ref_get_table(out, SDP_DAL_WAIT_FOREVER, &stream));
    CHECK(check_stream(&stream, 3) == 1);
    OK(sdp_dal_results_get_ref(results, "any", &out));
    OK(sdp_dal_ref_get_buffer(out, SDP_DAL_WAIT_FOREVER, &buffer));
    OK(buffer_data(buffer, &found, &size));
    CHECK(size == 3 && memcmp(found, "abc", 3) == 0);
    sdp_dal_buffer_info info;
    CLEAR(info);
    OK(sdp_dal_buffer_get_info(buffer, &info));
    CHECK(info.metadata_size == 4 && memcmp(info.metadata, "meta", 4) == 0);
    sdp_dal_buffer_free(buffer);
    OK(sdp_dal_results_get_ref(results, "g", &out));
    OK(sdp_dal_ref_get_tensor(out, SDP_DAL_WAIT_FOREVER, &tensor, NULL));
    OK(sdp_dal_tensor_get_view(tensor, &view));
    CHECK(view.order == SDP_DAL_ORDER_F && view.strides[1] == 16);
    CHECK(((const double *)view.data)[5] > 11.5 && ((const double *)view.data)[5] < 12.5);
    sdp_dal_tensor_free(tensor);
    sdp_dal_results_free(results);

    /* A table where a tensor is needed; nothing is sent. */
    const sdp_dal_expectation any = a_table(NULL);
    OK(sdp_dal_ref_new(store, &any, &table));
    OK(sdp_dal_args_set_ref(args, "f", table));
    FAILS(sdp_dal_caller_call(caller, "all_fn", args, &results), SDP_DAL_INVALID_ARGUMENT);
    SAYS("is a reference to table, expected float64[a,b]");
    sdp_dal_ref_free(table);

    view.data = f;
    view.shape = shape;
    view.strides = strides;
    view.dim_names = NULL;
    OK(sdp_dal_args_set_tensor(args, "f", &view));
    OK(sdp_dal_args_set_null(args, "d"));
    OK(sdp_dal_caller_call(caller, "all_fn", args, &results));
    OK(sdp_dal_results_get_ref(results, "any", &out));
    OK(sdp_dal_ref_get_table(out, SDP_DAL_WAIT_FOREVER, &stream));
    CHECK(check_stream(&stream, 4) == 1);
    OK(sdp_dal_results_get_ref(results, "more", &out));
    OK(sdp_dal_ref_get_tensor(out, SDP_DAL_WAIT_FOREVER, &tensor, NULL));
    sdp_dal_tensor_free(tensor);
    sdp_dal_results_free(results);
    sdp_dal_ref_free(o);
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
    CHECK(arrow_alive == 0);
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    struct ArrowArrayStream stream;
    sdp_dal_ref *ref = NULL;
    int status = 0;
    CHECK(argc == 2);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        /* If a check fails in the caller, nobody is left to wait for. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        return process(argv[1]);
    }
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    put_and_get(store);
    unaligned(store);
    impossible_names(store);
    wrong_schemas(store);
    expectations(store);
    calls(store);
    make_stream(&stream, TABLE, 1, 9);
    OK(sdp_dal_table_put(store, &stream, NULL, &ref));
    OK(sdp_dal_ref_get_table(ref, SDP_DAL_POLL, &stream));
    sdp_dal_ref_free(ref);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* What was got outlives the store's handle. */
    sdp_dal_store_close(store);
    CHECK(check_stream(&stream, 9) == 1);
    return 0;
}
