/* A caller and a processor in one process: callbacks, pull style, errors. argv[1]: the store's
 * path. */
#include "check.h"

#define SIGNATURE "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])"
#define EVERYTHING                                                                                 \
    "everything(b: bool, i: int32, u: uint8, f: float32, name: utf8, raw: binary, who: id, "       \
    "wgt: float64[i]?, ys: int64[i]) -> (tag: int64[], zs: int64[i]?)"

static int drops;

static void count_drop(void *user_data) {
    CHECK(user_data == &drops);
    drops++;
}

static sdp_dal_status simple_fn(sdp_dal_call *call, void *user_data) {
    int64_t x = 0;
    sdp_dal_tensor_view ys;
    void *zs = NULL;
    sdp_dal_call_info info;
    CHECK(user_data == &drops);
    CLEAR(info);
    OK(sdp_dal_call_get_info(call, &info));
    CHECK(strcmp(info.function, "simple_fn") == 0 && info.function_index == 0);
    CHECK(info.row == 0 && info.num_params == 3);
    CHECK(!sdp_dal_call_is_cancelled(call));
    OK(sdp_dal_call_get_int64(call, "x", &x));
    if (x == -1) {
        OK(sdp_dal_call_fail(call, SDP_DAL_FUNCTION_FAILED, "x must not be -1"));
        return SDP_DAL_FUNCTION_FAILED;
    }
    if (x == -2) return 17;
    /* An error of the library is handed on with its text. */
    if (x == -3) return sdp_dal_call_get_int64(call, "no_such_parameter", &x);
    if (x == -4) {
        OK(sdp_dal_call_fail(call, SDP_DAL_IO, "the tape is torn"));
        FAILS(sdp_dal_call_fail(call, 5, "no status"), SDP_DAL_INVALID_ARGUMENT);
        return SDP_DAL_OK;
    }
    if (x == -5) return SDP_DAL_OK;
    CLEAR(ys);
    OK(sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &ys));
    CHECK(ys.ndim == 1 && ys.dtype == SDP_DAL_INT64);
    OK(sdp_dal_call_create_tensor(call, "zs", ys.ndim, ys.shape, NULL, &zs));
    for (int64_t i = 0; i < ys.shape[0]; i++)
        ((int64_t *)zs)[i] =
            x + *(const int64_t *)(const void *)((const char *)ys.data + i * ys.strides[0]);
    /* It is borrowed: this is refused. */
    sdp_dal_call_free(call);
    SAYS("borrowed");
    return SDP_DAL_OK;
}

static sdp_dal_results *call_simple(sdp_dal_caller *caller, sdp_dal_args *args, int64_t x) {
    sdp_dal_results *results = NULL;
    OK(sdp_dal_args_set_int64(args, "x", x));
    OK(sdp_dal_caller_call(caller, "simple_fn", args, &results));
    return results;
}

static void check_zs(const sdp_dal_ref *ref, int64_t first) {
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view;
    OK(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, NULL));
    CLEAR(view);
    OK(sdp_dal_tensor_get_view(tensor, &view));
    CHECK(view.ndim == 1 && view.shape[0] == 3 && strcmp(view.dim_names[0], "i") == 0);
    for (int64_t i = 0; i < 3; i++) CHECK(((const int64_t *)view.data)[i] == first + i);
    sdp_dal_tensor_free(tensor);
}

static void fails_with(sdp_dal_caller *caller, sdp_dal_processor *processor, sdp_dal_args *args,
                       int64_t x, sdp_dal_status wanted, const char *text) {
    const sdp_dal_ref *zs = NULL;
    sdp_dal_ref_state state;
    sdp_dal_results *results = call_simple(caller, args, x);
    OK(sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER));
    OK(sdp_dal_results_get_ref(results, "zs", &zs));
    FAILS(sdp_dal_ref_wait(zs, SDP_DAL_WAIT_FOREVER), wanted);
    CHECK(strstr(check_last_error(), text) != NULL);
    OK(ref_state(zs, &state));
    CHECK(state.state == SDP_DAL_STATE_FAILED && state.running == 0);
    FAILS(sdp_dal_ref_wait(zs, SDP_DAL_POLL), wanted);
    CHECK(strstr(check_last_error(), text) != NULL);
    sdp_dal_results_free(results);
}

static void callbacks(sdp_dal_store *store) {
    const char *const signatures[] = {SIGNATURE};
    const int64_t values[3] = {10, 11, 12};
    const int64_t shape[1] = {3};
    sdp_dal_processor_options options;
    sdp_dal_processor *processor = NULL;
    sdp_dal_caller *caller = NULL;
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_tensor_view ys;
    const sdp_dal_ref *zs = NULL;
    sdp_dal_ref *kept = NULL;
    uint8_t prefix[SDP_DAL_PREFIX_SIZE], found_prefix[SDP_DAL_PREFIX_SIZE];
    char name[64];
    size_t length, count = 0;

    FAILS(sdp_dal_caller_open(store, signatures, 1, NULL, &caller), SDP_DAL_NO_PROCESSOR);
    CHECK(caller == NULL);

    CLEAR(options);
    options.name = "SimpleProcessor";
    OK(sdp_dal_processor_open(store, &options, &processor));
    FAILS(sdp_dal_processor_register(processor, "f(", NULL, simple_fn, &drops, count_drop),
          SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_processor_register(processor, SIGNATURE, NULL, simple_fn, &drops, count_drop));
    FAILS(sdp_dal_processor_register(processor, SIGNATURE, NULL, simple_fn, &drops, count_drop),
          SDP_DAL_ALREADY_EXISTS);
    /* What was not registered is not dropped. */
    CHECK(drops == 0);
    OK(sdp_dal_processor_start(processor));
    FAILS(sdp_dal_processor_register(processor, "g()", NULL, simple_fn, NULL, NULL),
          SDP_DAL_ALREADY_STARTED);
    OK(sdp_dal_processor_get_prefix(processor, prefix));
    length = sizeof name;
    OK(sdp_dal_processor_get_name(processor, name, &length));
    CHECK(strcmp(name, "SimpleProcessor") == 0);
    FAILS(sdp_dal_processor_process(processor, SDP_DAL_POLL), SDP_DAL_TIMEOUT);

    OK(sdp_dal_caller_open(store, signatures, 1, NULL, &caller));
    CHECK(sdp_dal_caller_num_processors(caller) == 1);
    OK(sdp_dal_caller_find_processors(caller, SDP_DAL_POLL, &count));
    CHECK(count == 1);
    OK(sdp_dal_caller_find_processors(caller, SDP_DAL_POLL, NULL));
    length = sizeof name;
    OK(sdp_dal_caller_get_processor(caller, 0, found_prefix, name, &length));
    CHECK(strcmp(name, "SimpleProcessor") == 0 && memcmp(prefix, found_prefix, sizeof prefix) == 0);
    length = sizeof name;
    FAILS(sdp_dal_caller_get_processor(caller, 1, found_prefix, name, &length),
          SDP_DAL_INVALID_ARGUMENT);

    OK(sdp_dal_args_create(&args));
    CLEAR(ys);
    ys.data = values;
    ys.shape = shape;
    ys.dtype = SDP_DAL_INT64;
    ys.ndim = 1;
    OK(sdp_dal_args_set_tensor(args, "ys", &ys));
    results = call_simple(caller, args, 5);
    const char *output = NULL;
    OK(sdp_dal_results_get_output(results, 0, &output, &zs));
    CHECK(strcmp(output, "zs") == 0 && zs != NULL);
    FAILS(sdp_dal_results_get_output(results, 1, &output, &zs), SDP_DAL_NOT_FOUND);
    CHECK(output == NULL && zs == NULL);
    OK(sdp_dal_results_get_ref(results, "zs", &zs));
    FAILS(sdp_dal_results_get_ref(results, "ys", &zs), SDP_DAL_NOT_FOUND);
    CHECK(zs == NULL);
    OK(sdp_dal_results_get_ref(results, "zs", &zs));
    FAILS(sdp_dal_ref_wait(zs, SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    OK(sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER));
    check_zs(zs, 15);

    /* The output is the next call's input; a reference outlives its results. */
    OK(sdp_dal_ref_clone(zs, &kept));
    sdp_dal_results_free(results);
    check_zs(kept, 15);
    OK(sdp_dal_args_set_ref(args, "ys", kept));
    sdp_dal_ref_free(kept);
    results = call_simple(caller, args, 100);
    OK(sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER));
    OK(sdp_dal_results_get_ref(results, "zs", &zs));
    check_zs(zs, 115);
    sdp_dal_results_free(results);

    fails_with(caller, processor, args, -1, SDP_DAL_FUNCTION_FAILED, "x must not be -1");
    fails_with(caller, processor, args, -2, SDP_DAL_FUNCTION_FAILED, "17");
    fails_with(caller, processor, args, -3, SDP_DAL_FUNCTION_FAILED, "no_such_parameter");
    fails_with(caller, processor, args, -4, SDP_DAL_IO, "the tape is torn");
    fails_with(caller, processor, args, -5, SDP_DAL_OUTPUT_NOT_WRITTEN, "zs");

    FAILS(sdp_dal_caller_call(caller, "no_such_function", args, &results), SDP_DAL_NOT_FOUND);
    CHECK(results == NULL);
    OK(sdp_dal_args_set_double(args, "x", 1.5));
    FAILS(sdp_dal_caller_call(caller, "simple_fn", args, &results), SDP_DAL_INVALID_ARGUMENT);
    SAYS("x");

    OK(sdp_dal_args_set_int64(args, "x", 1));

    /* Nobody wants its output: cancelled. */
    sdp_dal_results_free(call_simple(caller, args, 1));
    FAILS(sdp_dal_processor_process(processor, SDP_DAL_POLL), SDP_DAL_TIMEOUT);

    /* A processor that closes fails what waits for it. */
    results = call_simple(caller, args, 1);
    CHECK(drops == 0);
    sdp_dal_processor_close(processor);
    CHECK(drops == 1);
    OK(sdp_dal_results_get_ref(results, "zs", &zs));
    FAILS(sdp_dal_ref_wait(zs, SDP_DAL_WAIT_FOREVER), SDP_DAL_PROCESSOR_LOST);
    sdp_dal_results_free(results);
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
}

static void read_everything(sdp_dal_call *call, const uint8_t *id) {
    bool flag = false, is_null = false;
    int64_t i64 = 0;
    uint64_t u64 = 0;
    double f64 = 0;
    char text[64];
    size_t length = sizeof text, size = 0, index = 99;
    const void *bytes = NULL;
    uint8_t found[SDP_DAL_ID_SIZE];
    sdp_dal_ref *ref = NULL;
    sdp_dal_tensor_view view;

    OK(sdp_dal_call_get_bool(call, "b", &flag));
    CHECK(flag);
    OK(sdp_dal_call_get_int64(call, "i", &i64));
    CHECK(i64 == -7);
    FAILS(sdp_dal_call_get_uint64(call, "i", &u64), SDP_DAL_INVALID_ARGUMENT);
    SAYS("-7");
    OK(sdp_dal_call_get_uint64(call, "u", &u64));
    CHECK(u64 == 200);
    OK(sdp_dal_call_get_int64(call, "u", &i64));
    CHECK(i64 == 200);
    OK(sdp_dal_call_get_double(call, "f", &f64));
    CHECK(f64 > 0.49 && f64 < 0.51);
    FAILS(sdp_dal_call_get_int64(call, "f", &i64), SDP_DAL_INVALID_ARGUMENT);
    SAYS("sdp_dal_call_get_double()");
    OK(sdp_dal_call_get_string(call, "name", text, &length));
    CHECK(strcmp(text, "J1008+0730") == 0 && length == 11);
    length = 4;
    memset(text, 'x', 4);
    OK(sdp_dal_call_get_string(call, "name", text, &length));
    CHECK(length == 11 && memcmp(text, "xxxx", 4) == 0);
    OK(sdp_dal_call_get_binary(call, "raw", &bytes, &size));
    CHECK(size == 3 && memcmp(bytes, "\0\1\2", 3) == 0);
    OK(sdp_dal_call_get_ref(call, "who", &ref));
    OK(ref_id(ref, found));
    CHECK(memcmp(found, id, sizeof found) == 0 && !ref_is_owning(ref));
    sdp_dal_ref_free(ref);

    OK(sdp_dal_call_is_null(call, "wgt", &is_null));
    CHECK(is_null);
    OK(sdp_dal_call_is_null(call, "ys", &is_null));
    CHECK(!is_null);
    CLEAR(view);
    FAILS(sdp_dal_call_get_tensor(call, "wgt", SDP_DAL_ORDER_ANY, &view), SDP_DAL_INVALID_ARGUMENT);
    CHECK(view.data == NULL);
    const sdp_dal_schema *schema = NULL;
    sdp_dal_param_info info;
    CLEAR(info);
    OK(sdp_dal_call_get_schema(call, &schema));
    OK(sdp_dal_schema_get_index(schema, "ys", &index));
    CHECK(index == 8);
    FAILS(sdp_dal_schema_get_index(schema, "nobody", &index), SDP_DAL_NOT_FOUND);
    OK(sdp_dal_schema_get_param(schema, 8, &info));
    CHECK(strcmp(info.name, "ys") == 0);
    FAILS(sdp_dal_schema_get_param(schema, 11, &info), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'index' is 11, but 'everything' has 11 parameters");
    /* It is the call's. */
    sdp_dal_schema_free((sdp_dal_schema *)(uintptr_t)schema);
    SAYS("borrowed");
}

static void pull_style(sdp_dal_store *store) {
    const char *const signatures[] = {EVERYTHING};
    const int64_t values[3] = {1, 2, 3}, shape[1] = {3};
    const uint8_t id[SDP_DAL_ID_SIZE] = {9, 8, 7, 6, 5}, raw[3] = {0, 1, 2};
    sdp_dal_processor *processor = NULL;
    sdp_dal_caller *caller = NULL;
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_call *call = NULL, *second = NULL;
    sdp_dal_tensor_view view, again;
    sdp_dal_tensor *held = NULL;
    sdp_dal_output_options options;
    const sdp_dal_ref *tag = NULL, *none = NULL;
    void *data = NULL;
    char text[512];
    size_t length = sizeof text;

    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register(processor, EVERYTHING, NULL, NULL, NULL, NULL));
    FAILS(sdp_dal_processor_next(processor, SDP_DAL_POLL, &call, NULL), SDP_DAL_TIMEOUT);
    CHECK(call == NULL);
    OK(sdp_dal_caller_open(store, signatures, 1, NULL, &caller));
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_bool(args, NULL, true));
    OK(sdp_dal_args_set_int64(args, NULL, -7));
    OK(sdp_dal_args_set_uint64(args, NULL, 200));
    OK(sdp_dal_args_set_double(args, NULL, 0.5));
    OK(sdp_dal_args_set_string(args, NULL, "J1008+0730"));
    OK(sdp_dal_args_set_binary(args, NULL, raw, sizeof raw));
    OK(sdp_dal_args_set_id(args, NULL, id));
    OK(sdp_dal_args_set_null(args, NULL));
    CLEAR(view);
    view.data = values;
    view.shape = shape;
    view.ndim = 1;
    view.dtype = SDP_DAL_INT64;
    OK(sdp_dal_args_set_tensor(args, NULL, &view));
    OK(sdp_dal_args_set_null(args, "zs"));
    OK(sdp_dal_caller_call(caller, "everything", args, &results));
    OK(sdp_dal_results_get_ref(results, "tag", &tag));
    OK(sdp_dal_results_get_ref(results, "zs", &none));
    CHECK(tag != NULL && none == NULL);

    OK(sdp_dal_processor_next(processor, SDP_DAL_WAIT_FOREVER, &call, NULL));
    read_everything(call, id);
    const sdp_dal_schema *schema = NULL;
    OK(sdp_dal_call_get_schema(call, &schema));
    OK(sdp_dal_schema_format(schema, text, &length));
    OK(signature_check(text));
    OK(sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &view));
    CLEAR(again);
    OK(sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &again));
    CHECK(view.data == again.data && view.shape == again.shape);
    OK(sdp_dal_call_hold_tensor(call, "ys", &held, NULL));
    OK(sdp_dal_call_retain(call, &second));

    CLEAR(options);
    options.flags = SDP_DAL_TENSOR_ZEROED;
    FAILS(sdp_dal_call_create_tensor(call, "zs", 1, shape, NULL, &data), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_create_tensor(call, "tag", 1, shape, NULL, &data), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_create_tensor(call, "ys", 1, shape, NULL, &data), SDP_DAL_INVALID_ARGUMENT);
    CHECK(data == NULL);
    FAILS(sdp_dal_call_seal(call, "tag"), SDP_DAL_NOT_FOUND);
    OK(sdp_dal_call_create_tensor(call, "tag", 0, NULL, &options, &data));
    CHECK(*(const int64_t *)data == 0);
    FAILS(sdp_dal_ref_wait(tag, SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    OK(sdp_dal_call_seal(call, "tag"));
    OK(sdp_dal_ref_wait(tag, SDP_DAL_POLL));
    OK(sdp_dal_call_finish(call, NULL, 0));
    sdp_dal_call_free(call);
    /* What the second handle keeps stays readable. */
    CHECK(*(const int64_t *)view.data == 1);
    sdp_dal_call_free(second);
    sdp_dal_results_free(results);
    OK(sdp_dal_tensor_get_view(held, &view));
    CHECK(((const int64_t *)view.data)[2] == 3);
    sdp_dal_tensor_free(held);

    /* A call that is let go unfinished. */
    OK(sdp_dal_caller_call(caller, "everything", args, &results));
    OK(sdp_dal_processor_next(processor, SDP_DAL_WAIT_FOREVER, &call, NULL));
    sdp_dal_call_free(call);
    OK(sdp_dal_results_get_ref(results, "tag", &tag));
    FAILS(sdp_dal_ref_wait(tag, SDP_DAL_WAIT_FOREVER), SDP_DAL_OUTPUT_NOT_WRITTEN);
    sdp_dal_results_free(results);

    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
    sdp_dal_processor_close(processor);
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    CHECK(argc == 2);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    callbacks(store);
    pull_style(store);
    sdp_dal_store_close(store);
    return 0;
}
