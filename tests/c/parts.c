/* Parts of tensors, with a function that gets them and passes them on. argv[1]: the store's path.
 */
#include "check.h"

#define SUM "sum(x: int64[i,j]) -> (y: int64[n=2])"
#define ANY "any(x: oid) -> (y: int64[n=2])"
#define REST SDP_DAL_COUNT_REST

static int64_t at(const sdp_dal_tensor_view *view, int64_t i, int64_t j) {
    const char *data = (const char *)view->data;
    return *(const int64_t *)(const void *)(data + i * view->strides[0] + j * view->strides[1]);
}

static void answer(sdp_dal_call *call, int64_t first, int64_t second) {
    const int64_t shape[1] = {2};
    void *y = NULL;
    OK(sdp_dal_call_create_tensor(call, "y", 1, shape, NULL, &y));
    ((int64_t *)y)[0] = first;
    ((int64_t *)y)[1] = second;
}

/* The sum, and the stride of the first dimension. */
static sdp_dal_status sum(sdp_dal_call *call, void *user_data) {
    sdp_dal_tensor_view x;
    int64_t all = 0;
    (void)user_data;
    CLEAR(x);
    OK(sdp_dal_call_get_tensor(call, "x", SDP_DAL_ORDER_ANY, &x));
    for (int64_t i = 0; i < x.shape[0]; i++)
        for (int64_t j = 0; j < x.shape[1]; j++) all += at(&x, i, j);
    answer(call, all, x.strides[0]);
    return SDP_DAL_OK;
}

/* An object of any kind that is a part: as a value, by its reference, but not by an ID. */
static sdp_dal_status any(sdp_dal_call *call, void *user_data) {
    sdp_dal_value values[2];
    sdp_dal_ref *x = NULL, *inner = NULL;
    sdp_dal_ref_info info;
    sdp_dal_tensor *held = NULL;
    sdp_dal_tensor_view view;
    uint8_t id[SDP_DAL_ID_SIZE];
    const int64_t start[2] = {-1, -1};
    (void)user_data;
    OK(sdp_dal_call_values(call, values, 2));
    CHECK(values[0].kind == SDP_DAL_VALUE_TENSOR && values[0].view->ndim == 2);
    FAILS(sdp_dal_call_get_id(call, "x", id), SDP_DAL_INVALID_ARGUMENT);
    SAYS("has no ID of its own");
    OK(sdp_dal_call_get_ref(call, "x", &x));
    OK(ref_info(x, &info));
    CHECK(info.part != NULL && strcmp(info.part, "[1:3, ::-2]") == 0);
    OK(sdp_dal_ref_part(x, 2, start, NULL, NULL, &inner));
    CLEAR(view);
    OK(sdp_dal_ref_get_tensor(inner, SDP_DAL_POLL, &held, &view));
    CHECK(view.shape[0] == 1 && view.shape[1] == 1);
    answer(call, *(const int64_t *)view.data, at(values[0].view, 0, 0));
    sdp_dal_tensor_free(held);
    sdp_dal_ref_free(inner);
    sdp_dal_ref_free(x);
    return SDP_DAL_OK;
}

static sdp_dal_ref *part_of(const sdp_dal_ref *whole, const char *text) {
    sdp_dal_ref *out = NULL;
    OK(sdp_dal_ref_part_from_text(whole, text, &out));
    return out;
}

static void views(const sdp_dal_ref *whole) {
    const int64_t start[2] = {3, 1}, count[2] = {2, REST}, step[2] = {-2, 0};
    const int64_t negative[2] = {-2, 1}, far[2] = {3, 3}, zero[2] = {0, 2};
    sdp_dal_ref *part = NULL, *copy = NULL;
    sdp_dal_ref_info info;
    sdp_dal_tensor *held = NULL;
    sdp_dal_tensor_view view;
    OK(sdp_dal_ref_part(whole, 2, start, count, step, &part));
    OK(sdp_dal_ref_clone(part, &copy));
    sdp_dal_ref_free(part);
    OK(ref_info(copy, &info));
    CHECK(strcmp(info.part, "[3+:2:-2, 1]") == 0);
    CHECK(info.ndim == 1 && info.dtype == SDP_DAL_INT64 && strcmp(info.dim_names[0], "i") == 0);
    CLEAR(view);
    OK(sdp_dal_ref_get_tensor(copy, SDP_DAL_POLL, &held, &view));
    CHECK(view.ndim == 1 && view.shape[0] == 2 && view.strides[0] == -2 * 5 * 8);
    CHECK(view.order == SDP_DAL_ORDER_ANY && strcmp(view.dim_names[0], "i") == 0);
    CHECK(((const int64_t *)view.data)[0] == 16 && ((const int64_t *)view.data)[-10] == 6);
    sdp_dal_tensor_free(held);
    sdp_dal_ref_free(copy);

    /* All defaults: the whole. */
    OK(sdp_dal_ref_part(whole, 0, NULL, NULL, NULL, &part));
    CLEAR(view);
    OK(sdp_dal_ref_get_tensor(part, SDP_DAL_POLL, &held, &view));
    CHECK(view.shape[0] == 4 && view.shape[1] == 5 && view.order == SDP_DAL_ORDER_C);
    sdp_dal_tensor_free(held);
    sdp_dal_ref_free(part);
    OK(ref_info(whole, &info));
    CHECK(info.part == NULL);

    FAILS(sdp_dal_ref_part(whole, 2, far, far, NULL, &part), SDP_DAL_INVALID_ARGUMENT);
    SAYS("dimension 0 ('i'): it has size 4, so there are no 3 elements from 3 on");
    CHECK(part == NULL);
    FAILS(sdp_dal_ref_part(whole, 2, NULL, negative, NULL, &part), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'count[0]' is -2, expected 0 or more, or SDP_DAL_COUNT_REST");
    FAILS(sdp_dal_ref_part(whole, 2, NULL, zero, zero, &part), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'count[0]' is 0");
    FAILS(sdp_dal_ref_part(whole, 9, NULL, NULL, NULL, &part), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'ndim' is 9");
    FAILS(sdp_dal_ref_part(whole, 3, NULL, NULL, NULL, &part), SDP_DAL_INVALID_ARGUMENT);
    SAYS("it has 3 dimensions, but the tensor has 2");
    FAILS(sdp_dal_ref_part_from_text(whole, "[0:x]", &part), SDP_DAL_INVALID_ARGUMENT);
    SAYS("column 4: found 'x'");
    FAILS(sdp_dal_ref_part_from_text(whole, NULL, &part), SDP_DAL_INVALID_ARGUMENT);
    part = part_of(whole, "[:, 2:]");
    FAILS(sdp_dal_ref_disown(part), SDP_DAL_INVALID_ARGUMENT);
    SAYS("disown the reference to the whole");
    sdp_dal_ref_free(part);
}

static void calls(const sdp_dal_store *store, sdp_dal_processor *processor,
                  const sdp_dal_ref *whole) {
    const char *const signatures[2] = {SUM, ANY};
    sdp_dal_caller *caller = NULL;
    OK(sdp_dal_caller_open(store, signatures, 2, NULL, &caller));
    for (int which = 0; which < 2; which++) {
        sdp_dal_args *args = NULL;
        sdp_dal_results *results = NULL;
        const sdp_dal_ref *y = NULL;
        sdp_dal_ref *part = part_of(whole, "[1:3, ::-2]");
        sdp_dal_tensor *held = NULL;
        sdp_dal_tensor_view view;
        OK(sdp_dal_args_create(&args));
        OK(sdp_dal_args_set_ref(args, "x", part));
        OK(sdp_dal_caller_call(caller, which == 0 ? "sum" : "any", args, &results));
        sdp_dal_ref_free(part);
        sdp_dal_args_free(args);
        OK(sdp_dal_processor_process(processor, 30000000000));
        OK(sdp_dal_results_get_ref(results, "y", &y));
        CLEAR(view);
        OK(sdp_dal_ref_get_tensor(y, SDP_DAL_POLL, &held, &view));
        if (which == 0) {
            CHECK(((const int64_t *)view.data)[0] == 9 + 7 + 5 + 14 + 12 + 10);
            CHECK(((const int64_t *)view.data)[1] == 40);
        } else {
            CHECK(((const int64_t *)view.data)[0] == 10);
            CHECK(((const int64_t *)view.data)[1] == 9);
        }
        sdp_dal_tensor_free(held);
        sdp_dal_results_free(results);
    }
    sdp_dal_caller_close(caller);
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    sdp_dal_processor *processor = NULL;
    sdp_dal_ref *whole = NULL;
    int64_t elements[20];
    const int64_t shape[2] = {4, 5};
    const char *const names[2] = {"i", "j"};
    sdp_dal_tensor_view value;
    CHECK(argc >= 2);
    for (int i = 0; i < 20; i++) elements[i] = i;
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    CLEAR(value);
    value.data = elements;
    value.shape = shape;
    value.dim_names = names;
    value.dtype = SDP_DAL_INT64;
    value.ndim = 2;
    OK(sdp_dal_tensor_put(store, &value, &whole));
    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register(processor, SUM, NULL, sum, NULL, NULL));
    OK(sdp_dal_processor_register(processor, ANY, NULL, any, NULL, NULL));
    OK(sdp_dal_processor_start(processor));
    views(whole);
    calls(store, processor, whole);
    sdp_dal_processor_close(processor);
    sdp_dal_ref_free(whole);
    sdp_dal_store_close(store);
    return 0;
}
