/* Two copies of the library in one process, as a Python package has its own beside a program's.
 * They pass references on: one exports, the other imports and lets the first forget. argv: the
 * store's path, the two copies. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sdp_dal.h>

/* The functions of one copy that are used here. */
#define FUNCTIONS(f)                                                                               \
    f(last_error) f(store_open) f(store_close) f(store_get_info) f(store_get_stat) f(tensor_put)   \
        f(tensor_get_view) f(tensor_free) f(ref_clone) f(ref_free) f(ref_export) f(ref_import)     \
            f(ref_get_tensor) f(ref_get_info) f(processor_open) f(processor_register)              \
                f(processor_process) f(processor_close) f(caller_open) f(caller_call)              \
                    f(caller_close) f(args_create) f(args_set_ref) f(args_clear) f(args_free)      \
                        f(results_get_ref) f(results_free) f(call_get_tensor)                      \
                            f(call_create_tensor)
#define MEMBER(name) __typeof__(&sdp_dal_##name) name;
struct copy {
    FUNCTIONS(MEMBER)
};

static const struct copy *failing;

static void check(int holds, const char *what, int line) {
    char text[SDP_DAL_MESSAGE_SIZE] = "";
    size_t length = sizeof text;
    if (holds) return;
    if (failing != NULL) failing->last_error(text, &length);
    fprintf(stderr, "line %d: %s does not hold; last error: %s\n", line, what, text);
    exit(1);
}
#define CHECK(condition) check((condition) ? 1 : 0, #condition, __LINE__)
#define OK(copy, call) (failing = &(copy), check((copy).call == SDP_DAL_OK, #call, __LINE__))
#define FAILS(copy, call, status)                                                                  \
    (failing = &(copy), check((copy).call == (status), #call, __LINE__))

static void *symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) fprintf(stderr, "no %s\n", name);
    CHECK(found != NULL);
    return found;
}

static struct copy load(const char *path) {
    struct copy copy;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) fprintf(stderr, "%s\n", dlerror());
    CHECK(library != NULL);
#define FIND(name) *(void **)&copy.name = symbol(library, "sdp_dal_" #name);
    FUNCTIONS(FIND)
    return copy;
}

static sdp_dal_ref *put(const struct copy *copy, const sdp_dal_store *store, double value) {
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    sdp_dal_ref *reference = NULL;
    const int64_t one = 1;
    view.data = &value;
    view.dtype = SDP_DAL_FLOAT64;
    view.ndim = 1;
    view.shape = &one;
    OK(*copy, tensor_put(store, &view, &reference));
    return reference;
}

static double get(const struct copy *copy, const sdp_dal_ref *reference) {
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    double value;
    OK(*copy, ref_get_tensor(reference, 30000000000, &tensor, NULL));
    OK(*copy, tensor_get_view(tensor, &view));
    value = *(const double *)view.data;
    copy->tensor_free(tensor);
    return value;
}

/* Moves a reference from one copy to the other: the first keeps nothing. */
static sdp_dal_ref *move(const struct copy *from, sdp_dal_ref *reference, const struct copy *to,
                         const sdp_dal_store *store) {
    size_t length = 0;
    sdp_dal_ref *moved = NULL;
    OK(*from, ref_export(reference, NULL, &length));
    char *text = malloc(length);
    CHECK(text != NULL);
    OK(*from, ref_export(reference, text, &length));
    OK(*to, ref_import(store, text, &moved));
    from->ref_free(reference);
    sdp_dal_ref_info info = {.struct_size = sizeof info};
    CHECK(to->ref_get_info(moved, &info) == SDP_DAL_OK && info.owning == 1);
    free(text);
    return moved;
}

static sdp_dal_status twice(sdp_dal_call *call, void *user_data) {
    const struct copy *copy = user_data;
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    void *data = NULL;
    if (copy->call_get_tensor(call, "x", SDP_DAL_ORDER_ANY, &view) != SDP_DAL_OK)
        return SDP_DAL_INTERNAL;
    sdp_dal_status status = copy->call_create_tensor(call, "y", view.ndim, view.shape, NULL, &data);
    if (status == SDP_DAL_OK) *(double *)data = 2 * *(const double *)view.data;
    return status;
}

static sdp_dal_ref *call(const struct copy *copy, sdp_dal_caller *caller, sdp_dal_ref *input) {
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_ref *output = NULL;
    const sdp_dal_ref *borrowed = NULL;
    OK(*copy, args_create(&args));
    OK(*copy, args_set_ref(args, "x", input));
    OK(*copy, caller_call(caller, "twice", args, &results));
    OK(*copy, results_get_ref(results, "y", &borrowed));
    OK(*copy, ref_clone(borrowed, &output));
    copy->args_free(args);
    copy->results_free(results);
    copy->ref_free(input);
    return output;
}

static uint64_t objects(const struct copy *copy, const sdp_dal_store *store) {
    sdp_dal_store_stat stat = {.struct_size = sizeof stat};
    OK(*copy, store_get_stat(store, &stat));
    return stat.objects;
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    struct copy first = load(argv[2]), second = load(argv[3]);
    CHECK(first.store_open != second.store_open);
    sdp_dal_store *ours = NULL, *theirs = NULL;
    sdp_dal_store_info number = {.struct_size = sizeof number}, other = number;
    OK(first, store_open(argv[1], NULL, &ours));
    OK(second, store_open(argv[1], NULL, &theirs));
    OK(first, store_get_info(ours, &number));
    OK(second, store_get_info(theirs, &other));
    CHECK(number.client != other.client && number.identity == other.identity);

    /* An object that is there. */
    sdp_dal_ref *reference = move(&first, put(&first, ours, 4.5), &second, theirs);
    CHECK(get(&second, reference) == 4.5);
    second.ref_free(reference);

    /* The third of a chain of calls, none of which has run: the importer keeps all of them, and the
     * input, though the exporter has forgotten everything, and closed the store. */
    sdp_dal_processor *processor = NULL;
    sdp_dal_caller *caller = NULL;
    OK(second, processor_open(theirs, NULL, &processor));
    OK(second, processor_register(processor, "twice(x: float64[i]) -> (y: float64[i])", NULL, twice,
                                  &second, NULL));
    FAILS(second, processor_process(processor, SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    const char *signature = "twice(x: float64[i]) -> (y: float64[i])";
    OK(first, caller_open(ours, &signature, 1, NULL, &caller));
    uint64_t before = objects(&second, theirs);
    reference = put(&first, ours, 1.25);
    for (int i = 0; i < 3; i++) reference = call(&first, caller, reference);
    /* There and back, and there again. */
    reference = move(&first, reference, &second, theirs);
    reference = move(&second, reference, &first, ours);
    reference = move(&first, reference, &second, theirs);
    first.caller_close(caller);
    first.store_close(ours);
    for (int i = 0; i < 3; i++) OK(second, processor_process(processor, SDP_DAL_POLL));
    CHECK(get(&second, reference) == 10.0);
    second.ref_free(reference);
    CHECK(objects(&second, theirs) <= before);

    /* Dropped by the importer too, the call is cancelled. */
    OK(first, store_open(argv[1], NULL, &ours));
    OK(first, caller_open(ours, &signature, 1, NULL, &caller));
    reference = move(&first, call(&first, caller, put(&first, ours, 1.0)), &second, theirs);
    second.ref_free(reference);
    FAILS(second, processor_process(processor, SDP_DAL_POLL), SDP_DAL_TIMEOUT);

    /* Without a store: it is opened at the path of the text. */
    reference = move(&first, put(&first, ours, 5.5), &second, NULL);
    CHECK(get(&second, reference) == 5.5);
    second.ref_free(reference);
    first.caller_close(caller);
    first.store_close(ours);
    second.processor_close(processor);
    second.store_close(theirs);
    return 0;
}
