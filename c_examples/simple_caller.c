/* Calls simple_fn of simple_processor, first with a value, then with the result as the next input.
 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

enum { COUNT = 10 };

static const char *const arguments = "STORE";
static const char *const text =
    "Calls simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i]) of a processor in the store at the\n"
    "path STORE, and prints zs.\n";

/* Waits for the output zs and prints it. */
static void print_zs(const sdp_dal_results *results) {
    const sdp_dal_ref *zs = NULL;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    check(sdp_dal_results_get_ref(results, "zs", &zs), "zs");
    check(sdp_dal_ref_get_tensor(zs, SDP_DAL_WAIT_FOREVER, &tensor, &view), "zs");
    printf("zs =");
    for (int64_t i = 0; i < view.shape[0]; i++)
        printf(" %lld", (long long)((const int64_t *)view.data)[i]);
    printf("\n");
    sdp_dal_tensor_free(tensor);
}

int main(int argc, char **argv) {
    if (argc == 2 && is_help(argv[1])) {
        usage(stdout, argv[0], arguments, text);
        return 0;
    }
    if (argc != 2) {
        usage(stderr, argv[0], arguments, text);
        return 2;
    }
    sdp_dal_store *store = open_store(argv[1], "simple_caller");
    sdp_dal_caller *caller =
        open_caller(store, "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])");

    int64_t numbers[COUNT];
    const int64_t shape[1] = {COUNT};
    for (int64_t i = 0; i < COUNT; i++) numbers[i] = i;
    sdp_dal_tensor_view ys = {.struct_size = sizeof ys};
    ys.data = numbers;
    ys.shape = shape;
    ys.ndim = 1;
    ys.dtype = SDP_DAL_INT64;

    sdp_dal_args *args = NULL;
    sdp_dal_results *first = NULL, *second = NULL;
    const sdp_dal_ref *zs = NULL;
    check(sdp_dal_args_create(&args), "arguments");
    check(sdp_dal_args_set_int64(args, "x", 1), "x");
    check(sdp_dal_args_set_tensor(args, "ys", &ys), "ys");
    check(sdp_dal_caller_call(caller, "simple_fn", args, &first), "simple_fn");

    /* The output of the first call is the input of the second: it need not exist yet. */
    check(sdp_dal_results_get_ref(first, "zs", &zs), "zs");
    check(sdp_dal_args_set_int64(args, "x", 100), "x");
    check(sdp_dal_args_set_ref(args, "ys", zs), "ys");
    check(sdp_dal_caller_call(caller, "simple_fn", args, &second), "simple_fn");

    print_zs(first);
    print_zs(second);

    sdp_dal_results_free(second);
    sdp_dal_results_free(first);
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
    close_store(store);
    return 0;
}
