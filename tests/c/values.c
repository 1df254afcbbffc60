/* Calls whose parameters go as arrays of values: issued, taken and ended with one function each.
 * argv[1]: the store's path. */
#include "check.h"

#define EVERYTHING                                                                                 \
    "everything(b: bool, i: int32, u: uint8, f: float32, c: complex64, name: utf8, raw: binary, "  \
    "who: id, any: oid, wgt: float64[i]?, ys: int64[i] C) -> (tag: int64[], zs: int64[i]?, o: "    \
    "oid?)"
enum { B, I, U, F, C, NAME, RAW, WHO, ANY, WGT, YS, TAG, ZS, O, PARAMS };
enum { ROWS = 2, OUTPUTS = 3 };

static const int64_t numbers[3] = {1, 2, 3};
static const int64_t shape[1] = {3};

static sdp_dal_tensor_view three_numbers(void) {
    sdp_dal_tensor_view view;
    CLEAR(view);
    view.data = numbers;
    view.shape = shape;
    view.dtype = SDP_DAL_INT64;
    view.ndim = 1;
    return view;
}

/* A row: i tells one from another. */
static void fill(sdp_dal_value *values, int32_t i, const sdp_dal_tensor_view *ys,
                 const sdp_dal_ref *any, const uint8_t *id) {
    memset(values, 0, PARAMS * sizeof *values);
    values[B].kind = SDP_DAL_VALUE_BOOL;
    values[B].int64 = 1;
    values[I].kind = SDP_DAL_VALUE_INT64;
    values[I].int64 = i;
    values[U].kind = SDP_DAL_VALUE_UINT64;
    values[U].uint64 = 200;
    values[F].kind = SDP_DAL_VALUE_DOUBLE;
    values[F].real = 0.5;
    values[C].kind = SDP_DAL_VALUE_COMPLEX;
    values[C].real = 1.5;
    values[C].imag = -2.5;
    values[NAME].kind = SDP_DAL_VALUE_STRING;
    values[NAME].data = "J1008\0+0730";
    values[NAME].size = 11;
    values[RAW].kind = SDP_DAL_VALUE_BINARY;
    values[RAW].data = "\0\1\2";
    values[RAW].size = 3;
    values[WHO].kind = SDP_DAL_VALUE_ID;
    values[WHO].data = id;
    values[WHO].size = SDP_DAL_ID_SIZE;
    values[ANY].kind = SDP_DAL_VALUE_REF;
    values[ANY].reference = any;
    values[YS].kind = SDP_DAL_VALUE_TENSOR;
    values[YS].view = ys;
    values[O].kind = SDP_DAL_VALUE_UNWANTED;
}

static void is_text(const sdp_dal_value *value, int32_t kind, const char *bytes, size_t size) {
    CHECK(value->kind == kind && value->size == size && memcmp(value->data, bytes, size) == 0);
}

static void check_row(const sdp_dal_call *call, int64_t i, const uint8_t *id) {
    sdp_dal_value values[PARAMS];
    FAILS(sdp_dal_call_values(call, values, PARAMS - 1), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'count' is 13, but everything has 14 parameters");
    OK(sdp_dal_call_values(call, values, PARAMS));
    CHECK(values[B].kind == SDP_DAL_VALUE_BOOL && values[B].int64 == 1);
    CHECK(values[I].kind == SDP_DAL_VALUE_INT64 && values[I].int64 == i);
    CHECK(values[U].kind == SDP_DAL_VALUE_UINT64 && values[U].uint64 == 200);
    CHECK(values[F].kind == SDP_DAL_VALUE_DOUBLE && values[F].real > 0.49 && values[F].real < 0.51);
    CHECK(values[C].kind == SDP_DAL_VALUE_COMPLEX && values[C].real > 1.4 && values[C].imag < -2.4);
    is_text(&values[NAME], SDP_DAL_VALUE_STRING, "J1008\0+0730", 11);
    is_text(&values[RAW], SDP_DAL_VALUE_BINARY, "\0\1\2", 3);
    is_text(&values[WHO], SDP_DAL_VALUE_ID, (const char *)id, SDP_DAL_ID_SIZE);
    is_text(&values[ANY], SDP_DAL_VALUE_BINARY, "bytes of any kind", 17);
    CHECK(values[WGT].kind == SDP_DAL_VALUE_NULL && values[O].kind == SDP_DAL_VALUE_NULL);
    CHECK(values[YS].kind == SDP_DAL_VALUE_TENSOR && values[YS].view->shape[0] == 3);
    CHECK(((const int64_t *)values[YS].view->data)[2] == 3 && values[YS].view->strides[0] == 8);
    is_text(&values[TAG], SDP_DAL_VALUE_OUTPUT, "tag", 3);
    is_text(&values[ZS], SDP_DAL_VALUE_OUTPUT, "zs", 2);
}

/* Ends a call: zs is copied, tag written in place. */
static void end_row(sdp_dal_call *call) {
    sdp_dal_value made[OUTPUTS];
    sdp_dal_tensor_view zs = three_numbers();
    void *tag = NULL;
    memset(made, 0, sizeof made);
    OK(sdp_dal_call_create_tensor(call, "tag", 0, NULL, NULL, &tag));
    *(int64_t *)tag = 7;
    FAILS(sdp_dal_call_finish(call, made, 2), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'count' is 2, but everything has 3 outputs");
    made[1].kind = SDP_DAL_VALUE_INT64;
    FAILS(sdp_dal_call_finish(call, made, OUTPUTS), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'values[1].kind' is 2, which is not allowed here");
    made[1].kind = SDP_DAL_VALUE_TENSOR;
    made[1].view = &zs;
    OK(sdp_dal_call_finish(call, made, OUTPUTS));
    OK(sdp_dal_call_finish(call, NULL, 0));
}

static int64_t last_of(const sdp_dal_ref *ref) {
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view;
    CLEAR(view);
    OK(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, &view));
    const int64_t value = ((const int64_t *)view.data)[view.ndim == 0 ? 0 : view.shape[0] - 1];
    sdp_dal_tensor_free(tensor);
    return value;
}

static void refused(const sdp_dal_caller *caller, sdp_dal_value *values, sdp_dal_ref **refs) {
    FAILS(sdp_dal_caller_issue(caller, 1, values, 1, refs), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'function' is 1, but the caller has 1 functions");
    FAILS(sdp_dal_caller_issue(caller, 0, NULL, 1, refs), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_caller_issue(caller, 0, values, 1, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_caller_issue(caller, 0, values, SIZE_MAX, refs), SDP_DAL_INVALID_ARGUMENT);
    const int32_t kinds[] = {SDP_DAL_VALUE_OUTPUT, 15, -1};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        values[B].kind = kinds[i];
        FAILS(sdp_dal_caller_issue(caller, 0, values, 1, refs), SDP_DAL_INVALID_ARGUMENT);
        SAYS("which is not allowed here");
    }
    values[B].kind = SDP_DAL_VALUE_NULL;
    FAILS(sdp_dal_caller_issue(caller, 0, values, 1, refs), SDP_DAL_INVALID_ARGUMENT);
    SAYS("parameter 'b': no value was given, and it is not nullable");
    values[B].kind = SDP_DAL_VALUE_BOOL;
    values[B].flags = 1;
    FAILS(sdp_dal_caller_issue(caller, 0, values, 1, refs), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'values[0].flags' is 1, it must be 0");
    values[B].flags = 0;
    values[WHO].size = 19;
    FAILS(sdp_dal_caller_issue(caller, 0, values, 1, refs), SDP_DAL_INVALID_ARGUMENT);
    SAYS("an ID has 20 bytes");
    values[WHO].size = SDP_DAL_ID_SIZE;
    values[NAME].data = "\xff\xfe\xfd";
    values[NAME].size = 3;
    FAILS(sdp_dal_caller_issue(caller, 0, values, 1, refs), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'values[5].data' is not UTF-8: byte 0");
    CHECK(refs[0] == NULL && refs[1] == NULL);
}

/* The same values as arguments by position, and a processor whose taker runs the functions: a wait
 * for what only its own turn could make fails. */
static void by_args(const sdp_dal_caller *caller, const sdp_dal_processor *processor,
                    const sdp_dal_tensor_view *ys, const sdp_dal_ref *any, const uint8_t *id) {
    sdp_dal_value values[PARAMS];
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    const sdp_dal_ref *zs = NULL;
    sdp_dal_call *call = NULL;
    fill(values, -7, ys, any, id);
    OK(sdp_dal_args_create(&args));
    FAILS(sdp_dal_args_set_values(args, NULL, 1), SDP_DAL_INVALID_ARGUMENT);
    values[WHO].size = 19;
    FAILS(sdp_dal_args_set_values(args, values, PARAMS), SDP_DAL_INVALID_ARGUMENT);
    fill(values, -7, ys, any, id);
    OK(sdp_dal_args_set_values(args, values, PARAMS));
    OK(sdp_dal_caller_call(caller, "everything", args, &results));
    OK(sdp_dal_results_get_ref(results, "zs", &zs));
    OK(sdp_dal_processor_next(processor, SDP_DAL_WAIT_FOREVER, &call, NULL));
    check_row(call, -7, id);
    FAILS(sdp_dal_ref_wait(zs, 1000000000000), SDP_DAL_INVALID_ARGUMENT);
    end_row(call);
    sdp_dal_call_free(call);
    CHECK(last_of(zs) == 3);
    sdp_dal_results_free(results);
    sdp_dal_args_free(args);
}

int main(int argc, char **argv) {
    const char *const signatures[] = {EVERYTHING};
    const sdp_dal_tensor_view ys = three_numbers();
    sdp_dal_store *store = NULL;
    sdp_dal_processor *processor = NULL;
    sdp_dal_caller *caller = NULL;
    sdp_dal_ref *any = NULL, *given = NULL, *refs[ROWS * OUTPUTS];
    sdp_dal_value values[ROWS * PARAMS];
    uint8_t id[SDP_DAL_ID_SIZE];
    CHECK(argc == 2);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    OK(sdp_dal_object_put(store, "bytes of any kind", 17, NULL, 0, &any));
    OK(ref_id(any, id));
    sdp_dal_processor_options options;
    CLEAR(options);
    options.flags = 4;
    FAILS(sdp_dal_processor_open(store, &options, &processor), SDP_DAL_INVALID_ARGUMENT);
    options.flags = SDP_DAL_PROCESSOR_TAKER_RUNS;
    OK(sdp_dal_processor_open(store, &options, &processor));
    OK(sdp_dal_processor_register(processor, EVERYTHING, NULL, NULL, NULL, NULL));
    OK(sdp_dal_processor_start(processor));
    OK(sdp_dal_caller_open(store, signatures, 1, NULL, &caller));

    fill(&values[0], -7, &ys, any, id);
    fill(&values[PARAMS], -8, &ys, any, id);
    /* One row writes an output to a reference that is given. */
    const sdp_dal_expectation vector = a_tensor(SDP_DAL_INT64, 1, NULL);
    OK(sdp_dal_ref_new(store, &vector, &given));
    values[PARAMS + ZS].kind = SDP_DAL_VALUE_REF;
    values[PARAMS + ZS].reference = given;
    OK(sdp_dal_caller_issue(caller, 0, values, 0, NULL));
    OK(sdp_dal_caller_issue(caller, 0, values, ROWS, refs));
    CHECK(refs[0] != NULL && refs[1] != NULL && refs[2] == NULL);
    CHECK(refs[3] != NULL && refs[4] == NULL && refs[5] == NULL);
    for (int row = 0; row < ROWS; row++) {
        sdp_dal_call *call = NULL;
        sdp_dal_call_info info;
        CLEAR(info);
        OK(sdp_dal_processor_next(processor, SDP_DAL_WAIT_FOREVER, &call, &info));
        CHECK(info.row == (size_t)row && info.num_params == PARAMS);
        check_row(call, -7 - row, id);
        end_row(call);
        sdp_dal_call_free(call);
    }
    CHECK(last_of(refs[0]) == 7 && last_of(refs[1]) == 3 && last_of(refs[3]) == 7);
    CHECK(last_of(given) == 3);
    for (int i = 0; i < ROWS * OUTPUTS; i++) sdp_dal_ref_free(refs[i]);
    by_args(caller, processor, &ys, any, id);
    memset(refs, 0xff, sizeof refs);
    refused(caller, values, refs);
    FAILS(sdp_dal_call_values(NULL, values, 0), SDP_DAL_INVALID_ARGUMENT);

    sdp_dal_ref_free(given);
    sdp_dal_ref_free(any);
    sdp_dal_caller_close(caller);
    sdp_dal_processor_close(processor);
    sdp_dal_store_close(store);
    return 0;
}
