/* Forms of a function: one name, several element types, with a processor in a process of its own.
 * argv[1]: the store's path; with argv[2] it is that processor. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define FLOATS "twice(x: float32[i], n: int64) -> (y: float32[i])"
#define DOUBLES "twice(x: float64[i], n: int64) -> (y: float64[i])"
#define LONG 30000000000
static const char *const signatures[] = {FLOATS, DOUBLES};

/* ---- the processor: a callback for each form, told apart by its user_data ---- */

static const sdp_dal_param_info *first_param(const sdp_dal_call *call, sdp_dal_param_info *info) {
    const sdp_dal_schema *schema = NULL;
    OK(sdp_dal_call_get_schema(call, &schema));
    CLEAR(*info);
    OK(sdp_dal_schema_get_param(schema, 0, info));
    return info;
}

static sdp_dal_status twice(sdp_dal_call *call, void *user_data) {
    const int32_t dtype = *(const int32_t *)user_data;
    sdp_dal_param_info info;
    sdp_dal_call_info about;
    sdp_dal_tensor_view x;
    void *y = NULL;
    CLEAR(about);
    OK(sdp_dal_call_get_info(call, &about));
    CHECK(strcmp(about.function, "twice") == 0);
    CHECK(about.function_index == (dtype == SDP_DAL_FLOAT32 ? 0 : 1));
    CHECK(first_param(call, &info)->dtype == dtype);
    CLEAR(x);
    OK(sdp_dal_call_get_tensor(call, "x", SDP_DAL_ORDER_ANY, &x));
    CHECK(x.dtype == dtype);
    OK(sdp_dal_call_create_tensor(call, "y", 1, x.shape, NULL, &y));
    for (int64_t i = 0; i < x.shape[0]; i++) {
        if (dtype == SDP_DAL_FLOAT32)
            ((float *)y)[i] = 2 * ((const float *)x.data)[i];
        else
            ((double *)y)[i] = 2 * ((const double *)x.data)[i];
    }
    return SDP_DAL_OK;
}

static void be_processor(sdp_dal_store *store) {
    static int32_t floats = SDP_DAL_FLOAT32, doubles = SDP_DAL_FLOAT64;
    sdp_dal_function_options ordered;
    sdp_dal_processor *processor = NULL;
    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register(processor, FLOATS, NULL, twice, &floats, NULL));
    FAILS(sdp_dal_processor_register(processor, FLOATS, NULL, twice, &doubles, NULL),
          SDP_DAL_ALREADY_EXISTS);
    SAYS("already has a function 'twice', and this is no further form of it: all its types");
    FAILS(sdp_dal_processor_register(processor, "twice(x: float64[j], n: int64) -> (y: float64[i])",
                                     NULL, twice, &doubles, NULL),
          SDP_DAL_ALREADY_EXISTS);
    SAYS("parameter 'x' is float64[j], but float32[i] in the other form");
    CLEAR(ordered);
    ordered.flags = SDP_DAL_FUNCTION_ORDERED;
    FAILS(sdp_dal_processor_register(processor, DOUBLES, &ordered, twice, &doubles, NULL),
          SDP_DAL_ALREADY_EXISTS);
    SAYS("it has other options than the other form");
    OK(sdp_dal_processor_register(processor, DOUBLES, NULL, twice, &doubles, NULL));
    while (sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER) == SDP_DAL_OK) {
    }
    sdp_dal_processor_close(processor);
}

static pid_t started;

static void end(void) {
    if (started <= 0) return;
    (void)kill(started, SIGKILL);
    (void)waitpid(started, NULL, 0);
    started = 0;
}

/* ---- the caller ---- */

static const int64_t shape[1] = {2};
static const float two_floats[2] = {1, 2};
static const double two_doubles[2] = {3, 4};

static sdp_dal_tensor_view view_of(const void *data, int32_t dtype) {
    sdp_dal_tensor_view view;
    CLEAR(view);
    view.data = data;
    view.shape = shape;
    view.dtype = dtype;
    view.ndim = 1;
    return view;
}

static sdp_dal_args *arguments(const sdp_dal_tensor_view *x) {
    sdp_dal_args *args = NULL;
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_tensor(args, "x", x));
    OK(sdp_dal_args_set_int64(args, "n", 1));
    return args;
}

static double last(const sdp_dal_ref *ref, int32_t dtype) {
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view;
    double value;
    OK(sdp_dal_ref_get_tensor(ref, LONG, &tensor, NULL));
    CLEAR(view);
    OK(sdp_dal_tensor_get_view(tensor, &view));
    CHECK(view.dtype == dtype);
    value =
        dtype == SDP_DAL_FLOAT32 ? ((const float *)view.data)[1] : ((const double *)view.data)[1];
    sdp_dal_tensor_free(tensor);
    return value;
}

static void by_name(const sdp_dal_caller *caller, const sdp_dal_args *args, int32_t dtype,
                    double wanted) {
    sdp_dal_results *results = NULL;
    const sdp_dal_ref *y = NULL;
    OK(sdp_dal_caller_call(caller, "twice", args, &results));
    OK(sdp_dal_results_get_ref(results, "y", &y));
    CHECK(last(y, dtype) == wanted);
    sdp_dal_results_free(results);
}

static void one_by_one(sdp_dal_store *store, const sdp_dal_caller *caller) {
    const sdp_dal_tensor_view floats = view_of(two_floats, SDP_DAL_FLOAT32);
    const sdp_dal_tensor_view doubles = view_of(two_doubles, SDP_DAL_FLOAT64);
    sdp_dal_args *small = arguments(&floats), *large = arguments(&doubles), *none = NULL;
    const sdp_dal_args *rows[2];
    sdp_dal_ref *later = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_replies *replies = NULL;
    by_name(caller, small, SDP_DAL_FLOAT32, 4);
    by_name(caller, large, SDP_DAL_FLOAT64, 8);
    FAILS(sdp_dal_caller_call(caller, "twice<float64>", small, &results), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'x' is float32, expected float64[i]");
    FAILS(sdp_dal_caller_call(caller, "twice<int8>", small, &results), SDP_DAL_NOT_FOUND);
    SAYS("no form <int8>, only: twice<float32,float32>, twice<float64,float64>");

    OK(sdp_dal_ref_new(store, NULL, &later));
    OK(sdp_dal_args_create(&none));
    OK(sdp_dal_args_set_ref(none, "x", later));
    OK(sdp_dal_args_set_int64(none, "n", 1));
    FAILS(sdp_dal_caller_call(caller, "twice", none, &results), SDP_DAL_INVALID_ARGUMENT);
    SAYS("fit more than one form: twice<float32,float32>, twice<float64,float64>. Call one of");
    OK(sdp_dal_caller_call(caller, "twice<float64>", none, &results));
    sdp_dal_results_free(results);
    sdp_dal_ref_free(later);

    rows[0] = small;
    rows[1] = large;
    FAILS(sdp_dal_caller_batch(caller, "twice", rows, 2, &replies, NULL), SDP_DAL_INVALID_ARGUMENT);
    SAYS("row 1: 'x' is float64, expected float32[i]");
    rows[1] = small;
    OK(sdp_dal_caller_broadcast(caller, "twice", rows, 2, &replies, NULL));
    sdp_dal_replies_free(replies);
    sdp_dal_args_free(small);
    sdp_dal_args_free(large);
    sdp_dal_args_free(none);
}

static void as_values(const sdp_dal_caller *caller) {
    const sdp_dal_tensor_view doubles = view_of(two_doubles, SDP_DAL_FLOAT64);
    sdp_dal_value values[3];
    sdp_dal_ref *y = NULL;
    size_t form = 7;
    memset(values, 0, sizeof values);
    FAILS(sdp_dal_caller_choose_form(caller, "twice", values, 3, 1, &form),
          SDP_DAL_INVALID_ARGUMENT);
    CHECK(form == 0);
    OK(sdp_dal_caller_choose_form(caller, "twice<float64>", values, 3, 1, &form));
    CHECK(form == 1);
    values[0].kind = SDP_DAL_VALUE_TENSOR;
    values[0].view = &doubles;
    values[1].kind = SDP_DAL_VALUE_INT64;
    FAILS(sdp_dal_caller_choose_form(caller, "twice", values, 2, 1, &form),
          SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_caller_choose_form(caller, "twine", values, 3, 1, &form), SDP_DAL_NOT_FOUND);
    FAILS(sdp_dal_caller_choose_form(caller, NULL, values, 3, 1, &form), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_caller_choose_form(caller, "twice", values, 3, 1, NULL),
          SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_caller_choose_form(caller, "twice", values, 3, 1, &form));
    CHECK(form == 1);
    OK(sdp_dal_caller_issue(caller, form, values, 1, &y));
    CHECK(last(y, SDP_DAL_FLOAT64) == 8);
    sdp_dal_ref_free(y);
    /* The index of a form is that form. */
    FAILS(sdp_dal_caller_issue(caller, 0, values, 1, &y), SDP_DAL_INVALID_ARGUMENT);
    SAYS("found float64[?], expected float32[i]");
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    sdp_dal_caller *caller = NULL;
    sdp_dal_caller_options options;
    const char *const twice_the_same[] = {FLOATS, FLOATS};
    CHECK(argc >= 2);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    if (argc > 2) {
        be_processor(store);
        sdp_dal_store_close(store);
        return 0;
    }
    CHECK(atexit(end) == 0);
    started = fork();
    CHECK(started >= 0);
    if (started == 0) {
        execl("/proc/self/exe", "forms", argv[1], "processor", (char *)NULL);
        _exit(127);
    }
    CLEAR(options);
    options.timeout_ns = LONG;
    FAILS(sdp_dal_caller_open(store, twice_the_same, 2, &options, &caller),
          SDP_DAL_INVALID_ARGUMENT);
    SAYS("the function 'twice' is given twice: all its types are those of the other form");
    OK(sdp_dal_caller_open(store, signatures, 2, &options, &caller));
    one_by_one(store, caller);
    as_values(caller);
    sdp_dal_caller_close(caller);
    /* Callers of one form find it, too. */
    for (int form = 0; form < 2; form++) {
        const sdp_dal_tensor_view floats = view_of(two_floats, SDP_DAL_FLOAT32);
        const sdp_dal_tensor_view doubles = view_of(two_doubles, SDP_DAL_FLOAT64);
        sdp_dal_args *args = arguments(form == 0 ? &floats : &doubles);
        OK(sdp_dal_caller_open(store, signatures + form, 1, &options, &caller));
        by_name(caller, args, form == 0 ? SDP_DAL_FLOAT32 : SDP_DAL_FLOAT64, form == 0 ? 4 : 8);
        sdp_dal_args_free(args);
        sdp_dal_caller_close(caller);
    }
    end();
    sdp_dal_store_close(store);
    return 0;
}
