/* Provokes the errors that docs/errors.md shows of tables, values, batches and the ways functions
 * run, and prints each as tests/c/errors.c does. argv[1]: a path for a store of its own. */
#include "arrow_check.h"

static const char *const signature = "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])";
static const char *const tables = "flag(vis: table{x: float64, name: utf8}) -> (flags: bool[row])";
static const char *const coded = "coded(word: dictionary<int8,utf8>, z: complex64)";

/* A function that has failed. */
static void show(sdp_dal_status status) {
    CHECK(status != SDP_DAL_OK);
    printf("%s\t%s\n", sdp_dal_status_name(status), check_last_error());
    fflush(stdout);
}

static void wrong_tables(sdp_dal_store *store) {
    struct ArrowArrayStream stream, columns[2];
    struct ArrowSchema schema;
    struct ArrowArray batch;
    const double number = 1;
    sdp_dal_tensor_view view;
    sdp_dal_ref *ref = NULL, *typed = NULL;
    make_stream(&stream, BROKEN, 0, 0);
    show(sdp_dal_table_put(store, &stream, NULL, &ref));
    show(sdp_dal_table_put(store, &stream, NULL, &ref)); /* it was released */
    table_schema(&schema);
    make_stream(&columns[0], COLUMN_X, 3, 10);
    make_stream(&columns[1], COLUMN_NAME, 2, 15);
    show(sdp_dal_table_put_columns(store, &schema, columns, 2, NULL, &ref));
    make_stream(&columns[0], COLUMN_X, 1, 2);
    make_stream(&columns[1], COLUMN_X, 1, 2);
    show(sdp_dal_table_put_columns(store, &schema, columns, 2, NULL, &ref));

    const sdp_dal_expectation expected = a_table(&schema), any = a_table(NULL);
    OK(sdp_dal_ref_new(store, &expected, &typed));
    schema.release(&schema);
    make_stream(&stream, TABLE, 2, 4);
    OK(sdp_dal_ref_put_table(typed, &stream, NULL));
    show(sdp_dal_ref_get_batch(typed, SDP_DAL_POLL, &batch, &schema));
    table_schema(&schema);
    schema.children[0]->format = "f";
    uint8_t id[SDP_DAL_ID_SIZE];
    OK(ref_id(typed, id));
    OK(sdp_dal_ref_from_id(store, id, &expected, &ref));
    show(sdp_dal_ref_get_table(ref, SDP_DAL_POLL, &stream)); /* another type */
    sdp_dal_ref_free(ref);
    schema.children[0]->format = "g";
    schema.children[1]->name = "antenna";
    OK(sdp_dal_ref_from_id(store, id, &expected, &ref));
    show(sdp_dal_ref_get_table(ref, SDP_DAL_POLL, &stream)); /* another name */
    sdp_dal_ref_free(ref);
    schema.release(&schema);
    OK(sdp_dal_ref_get_table(typed, SDP_DAL_POLL, &stream));
    CHECK(check_stream(&stream, 8) == 2);
    sdp_dal_ref_free(typed);

    CLEAR(view);
    view.data = &number;
    view.dtype = SDP_DAL_FLOAT64;
    OK(sdp_dal_tensor_put(store, &view, &ref));
    show(sdp_dal_ref_get_table(ref, SDP_DAL_POLL, &stream)); /* a tensor */
    sdp_dal_ref_free(ref);
    OK(sdp_dal_ref_new(store, &any, &ref));
    show(sdp_dal_ref_get_columns(ref, &schema));
    sdp_dal_ref_free(ref);
}

/* A tensor as DLPack 1.0 describes it. */
struct DLManagedTensor {
    struct {
        void *data;
        int32_t device_type, device_id, ndim;
        uint8_t code, bits;
        uint16_t lanes;
        int64_t *shape, *strides;
        uint64_t byte_offset;
    } tensor;
    void *context;
    void (*deleter)(struct DLManagedTensor *self);
};

static void wrong_tensors(void) {
    int64_t strides[SDP_DAL_MAX_DIMS];
    float number = 1;
    struct DLManagedTensor tensor;
    sdp_dal_tensor_view view;
    memset(&tensor, 0, sizeof tensor);
    CLEAR(view);
    tensor.tensor.data = &number;
    tensor.tensor.device_type = 2;
    tensor.tensor.code = 2;
    tensor.tensor.bits = 32;
    tensor.tensor.lanes = 1;
    show(sdp_dal_tensor_view_from_dlpack(&tensor, 0, strides, &view));
    tensor.tensor.device_type = 1;
    tensor.tensor.lanes = 4;
    show(sdp_dal_tensor_view_from_dlpack(&tensor, 0, strides, &view));
    tensor.tensor.lanes = 1;
    tensor.tensor.code = 4;
    tensor.tensor.bits = 16;
    show(sdp_dal_tensor_view_from_dlpack(&tensor, 0, strides, &view));
    tensor.tensor.code = 3;
    show(sdp_dal_tensor_view_from_dlpack(&tensor, 0, strides, &view));
}

static void wrong_values(void) {
    const int8_t index = 3;
    const int32_t offsets[2] = {0, 1};
    struct ArrowArray array;
    struct ArrowSchema schema;
    sdp_dal_args *args = NULL;
    OK(sdp_dal_args_create(&args));
    make_doubles(&array, 0, 2);
    make_schema(&schema, "g", "", 0);
    show(sdp_dal_args_set_arrow(args, "word", &array, &schema));
    make_schema(&schema, "c", "", 0);
    schema.dictionary = (struct ArrowSchema *)calloc(1, sizeof *schema.dictionary);
    make_schema(schema.dictionary, "u", "", 0);
    make_array(&array, 1, 2, 0);
    array.buffers[1] = copy_of(&index, sizeof index);
    array.dictionary = (struct ArrowArray *)calloc(1, sizeof *array.dictionary);
    make_array(array.dictionary, 1, 3, 0);
    array.dictionary->buffers[1] = copy_of(offsets, sizeof offsets);
    array.dictionary->buffers[2] = copy_of("a", 1);
    show(sdp_dal_args_set_arrow(args, "word", &array, &schema));
    sdp_dal_args_free(args);
}

static sdp_dal_status nothing(sdp_dal_call *call, void *user_data) {
    (void)call;
    (void)user_data;
    return SDP_DAL_OK;
}

static sdp_dal_processor *processor_of(const sdp_dal_store *store) {
    const char *const all[3] = {signature, tables, coded};
    sdp_dal_processor *processor = NULL;
    OK(sdp_dal_processor_open(store, NULL, &processor));
    for (int i = 0; i < 3; i++)
        OK(sdp_dal_processor_register(processor, all[i], NULL, nothing, NULL, NULL));
    return processor;
}

static void wrong_calls(sdp_dal_store *store) {
    const char *const all[3] = {signature, tables, coded};
    const int64_t numbers[3] = {1, 2, 3}, shape[1] = {3};
    struct ArrowArrayStream stream;
    sdp_dal_processor *first = processor_of(store), *second = processor_of(store);
    sdp_dal_function_options options;
    sdp_dal_caller *caller = NULL;
    sdp_dal_args *good = NULL, *bad = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_replies *replies = NULL;
    sdp_dal_ref *ref = NULL, *other = NULL;
    sdp_dal_tensor_view view;
    CLEAR(options);
    options.flags = SDP_DAL_FUNCTION_REENTRANT | SDP_DAL_FUNCTION_ORDERED;
    show(sdp_dal_processor_register(first, "both()", &options, nothing, NULL, NULL));
    OK(sdp_dal_processor_start(first));
    OK(sdp_dal_processor_start(second));
    OK(sdp_dal_caller_open(store, all, 3, NULL, &caller));
    OK(sdp_dal_args_create(&good));
    OK(sdp_dal_args_create(&bad));

    /* A batch whose second row is wrong. */
    CLEAR(view);
    view.data = numbers, view.shape = shape, view.ndim = 1, view.dtype = SDP_DAL_INT64;
    OK(sdp_dal_args_set_int64(good, NULL, 1));
    OK(sdp_dal_args_set_tensor(good, NULL, &view));
    OK(sdp_dal_args_set_string(bad, NULL, "one"));
    OK(sdp_dal_args_set_tensor(bad, NULL, &view));
    const sdp_dal_args *rows[2] = {good, bad};
    show(sdp_dal_caller_batch(caller, "simple_fn", rows, 2, &replies, NULL));
    OK(sdp_dal_args_clear(bad));
    OK(sdp_dal_args_set_int64(bad, NULL, 1));
    show(sdp_dal_caller_batch(caller, "simple_fn", rows, 2, &replies, NULL));
    /* An output that several rows, or several processors, would write. */
    const sdp_dal_expectation vector = a_tensor(SDP_DAL_INT64, 1, NULL);
    OK(sdp_dal_ref_new(store, &vector, &ref));
    OK(sdp_dal_args_set_ref(good, "zs", ref));
    rows[1] = good;
    show(sdp_dal_caller_batch(caller, "simple_fn", rows, 2, &replies, NULL));
    show(sdp_dal_caller_broadcast(caller, "simple_fn", rows, 1, &replies, NULL));
    /* Two rows of which each takes what the other one makes. */
    OK(sdp_dal_ref_new(store, &vector, &other));
    OK(sdp_dal_args_clear(good));
    OK(sdp_dal_args_set_int64(good, NULL, 1));
    OK(sdp_dal_args_set_ref(good, NULL, other));
    OK(sdp_dal_args_set_ref(good, NULL, ref));
    OK(sdp_dal_args_clear(bad));
    OK(sdp_dal_args_set_int64(bad, NULL, 1));
    OK(sdp_dal_args_set_ref(bad, NULL, ref));
    OK(sdp_dal_args_set_ref(bad, NULL, other));
    rows[1] = bad;
    show(sdp_dal_caller_batch(caller, "simple_fn", rows, 2, &replies, NULL));
    sdp_dal_ref_free(other);
    sdp_dal_ref_free(ref);

    OK(sdp_dal_args_clear(good));
    make_stream(&stream, COLUMN_X, 1, 1);
    show(sdp_dal_args_set_table(good, "vis", &stream)); /* one array, not a table */
    OK(sdp_dal_args_set_tensor(good, NULL, &view));
    show(sdp_dal_caller_call(caller, "flag", good, &results));
    OK(sdp_dal_args_clear(good));
    OK(sdp_dal_args_set_double(good, NULL, 1));
    show(sdp_dal_caller_call(caller, "coded", good, &results));
    sdp_dal_args_free(good);
    sdp_dal_args_free(bad);
    sdp_dal_caller_close(caller);
    sdp_dal_processor_close(first);
    sdp_dal_processor_close(second);
}

static void wrong_forms(sdp_dal_store *store) {
    static const char *const forms[] = {"scale(xs: float32[i]) -> (ys: float32[i])",
                                        "scale(xs: float64[i]) -> (ys: float64[i])"};
    const int64_t number = 1;
    sdp_dal_tensor_view whole;
    sdp_dal_caller_options options;
    sdp_dal_caller *caller = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_args *args = NULL;
    sdp_dal_value values[2];
    size_t form = 0;
    CLEAR(whole);
    whole.data = &number;
    whole.dtype = SDP_DAL_INT64;
    CLEAR(options);
    options.flags = SDP_DAL_CALLER_NONE_NEEDED;
    OK(sdp_dal_caller_open(store, forms, 2, &options, &caller));
    OK(sdp_dal_args_create(&args));
    memset(values, 0, sizeof values);
    show(sdp_dal_caller_choose_form(caller, "scale", values, 2, 1, &form));
    values[0].kind = SDP_DAL_VALUE_TENSOR;
    values[0].view = &whole;
    show(sdp_dal_caller_choose_form(caller, "scale", values, 2, 1, &form));
    show(sdp_dal_caller_call(caller, "scale<int8>", args, &results));
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    CHECK(argc == 2);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    wrong_tables(store);
    wrong_tensors();
    wrong_values();
    wrong_calls(store);
    wrong_forms(store);
    CHECK(arrow_alive == 0);
    sdp_dal_store_close(store);
    return 0;
}
