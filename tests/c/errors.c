/* Provokes the errors that docs/errors.md shows, and prints each as the status' name, a tab, and
 * the text. Arguments: a path for a store in a folder of its own on tmpfs. tests/errors.rs
 * compares. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char *const signature = "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])";
static const char *const two_inputs = "add(a: float64[i], b: float64[i]) -> (sum: float64[i])";
static const int64_t second = INT64_C(1000000000);

/* A function that has failed. */
static void show(sdp_dal_status status) {
    const char *text = check_last_error();
    CHECK(status != SDP_DAL_OK);
    CHECK(strchr(text, '\n') == NULL);
    printf("%s\t%s\n", sdp_dal_status_name(status), text);
    fflush(stdout);
}

/* Runs what a process of its own does, and waits for it. */
#define IN_CHILD(body)                                                                             \
    do {                                                                                           \
        pid_t child = fork();                                                                      \
        CHECK(child >= 0);                                                                         \
        if (child == 0) {                                                                          \
            body;                                                                                  \
            fflush(stdout);                                                                        \
            _exit(0);                                                                              \
        }                                                                                          \
        int ended = 0;                                                                             \
        CHECK(waitpid(child, &ended, 0) > 0);                                                      \
        CHECK(ended == 0 || WIFSIGNALED(ended));                                                   \
    } while (0)

static sdp_dal_store *open_store(const char *path) {
    sdp_dal_store *store = NULL;
    sdp_dal_store_options options;
    CLEAR(options);
    options.size = 1 << 20;
    options.max_objects = 1024;
    options.max_clients = 64;
    options.name = "errors";
    OK(sdp_dal_store_open(path, &options, &store));
    return store;
}

static sdp_dal_tensor_view int64_view(const int64_t *values, const int64_t *shape) {
    sdp_dal_tensor_view view;
    CLEAR(view);
    view.data = values, view.shape = shape, view.ndim = 1, view.dtype = SDP_DAL_INT64;
    return view;
}

static const int64_t numbers[4] = {1, 2, 3, 4}, three[1] = {3}, four[1] = {4};

/* ---- the function that most cases call; x says what it does ---------------------------------- */

enum { WORKS, FAILS_WITH_TEXT, WRITES_NOTHING, ASKS_WRONGLY, GIVES_UP, HANDS_ON };

static sdp_dal_status simple_fn(sdp_dal_call *call, void *user_data) {
    int64_t x = 0;
    int64_t other = 0;
    double y = 0;
    sdp_dal_tensor_view ys;
    void *zs = NULL;
    (void)user_data;
    OK(sdp_dal_call_get_int64(call, "x", &x));
    CLEAR(ys);
    OK(sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &ys));
    switch (x) {
    case FAILS_WITH_TEXT:
        return sdp_dal_call_fail(call, SDP_DAL_FUNCTION_FAILED, "the matrix is singular") ==
                       SDP_DAL_OK
                   ? SDP_DAL_FUNCTION_FAILED
                   : SDP_DAL_OK;
    case WRITES_NOTHING:
        return SDP_DAL_OK;
    case ASKS_WRONGLY:
        show(sdp_dal_call_get_double(call, "x", &y));
        show(sdp_dal_call_get_int64(call, "z", &other));
        show(sdp_dal_call_create_tensor(call, "zs", 2, (const int64_t[2]){1, 2}, NULL, &zs));
        show(sdp_dal_call_seal(call, "zs"));
        break;
    case GIVES_UP:
        OK(sdp_dal_call_fail(call, SDP_DAL_CANCELLED, "stopped: no client wants zs"));
        return SDP_DAL_CANCELLED;
    case HANDS_ON:
        return sdp_dal_call_get_int64(call, "limit", &other);
    default:
        break;
    }
    OK(sdp_dal_call_create_tensor(call, "zs", ys.ndim, ys.shape, NULL, &zs));
    memcpy(zs, ys.data, (size_t)ys.shape[0] * sizeof(int64_t));
    if (x == ASKS_WRONGLY) show(sdp_dal_call_create_tensor(call, "zs", 1, ys.shape, NULL, &zs));
    return SDP_DAL_OK;
}

static sdp_dal_processor *open_processor(const sdp_dal_store *store) {
    sdp_dal_processor *processor = NULL;
    sdp_dal_processor_options options;
    CLEAR(options);
    options.name = "SimpleProcessor";
    OK(sdp_dal_processor_open(store, &options, &processor));
    OK(sdp_dal_processor_register(processor, signature, NULL, simple_fn, NULL, NULL));
    OK(sdp_dal_processor_register(processor, two_inputs, NULL, simple_fn, NULL, NULL));
    return processor;
}

static sdp_dal_caller *open_caller(const sdp_dal_store *store) {
    const char *const signatures[2] = {signature, two_inputs};
    sdp_dal_caller *caller = NULL;
    OK(sdp_dal_caller_open(store, signatures, 2, NULL, &caller));
    return caller;
}

/* Calls simple_fn; the error of the output zs after `process` calls were run. */
static void show_result(const sdp_dal_processor *processor, sdp_dal_caller *caller, int64_t x) {
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    const sdp_dal_ref *zs = NULL;
    sdp_dal_tensor_view ys = int64_view(numbers, three);
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_int64(args, NULL, x));
    OK(sdp_dal_args_set_tensor(args, NULL, &ys));
    OK(sdp_dal_caller_call(caller, "simple_fn", args, &results));
    OK(sdp_dal_results_get_ref(results, "zs", &zs));
    OK(sdp_dal_processor_process(processor, 10 * second));
    if (x == WORKS || x == ASKS_WRONGLY)
        OK(sdp_dal_ref_wait(zs, 10 * second));
    else
        show(sdp_dal_ref_wait(zs, 10 * second));
    sdp_dal_results_free(results);
    sdp_dal_args_free(args);
}

/* ---- arguments ------------------------------------------------------------------------------- */

static void wrong_arguments(const sdp_dal_store *store) {
    sdp_dal_args *args = NULL;
    sdp_dal_ref *ref = NULL;
    sdp_dal_tensor_view view;
    show(signature_check("simple_fn(x: int63)"));
    show(signature_check("simple_fn(x: int64, ys: int64[i]) -> (x: int64[i])"));
    show(sdp_dal_args_create(NULL));
    OK(sdp_dal_args_create(&args));
    show(sdp_dal_args_set_int64(NULL, "x", 1));
    show(sdp_dal_ref_new((const sdp_dal_store *)(void *)args, NULL, &ref));
    show(sdp_dal_args_set_int64(args, "\xff", 1));
    memset(&view, 0, sizeof view);
    show(sdp_dal_args_set_tensor(args, "ys", &view));
    CLEAR(view);
    show(sdp_dal_args_set_tensor(args, "ys", &view));
    view = int64_view(numbers, NULL);
    show(sdp_dal_args_set_tensor(args, "ys", &view));
    sdp_dal_args_free(args);
    show(sdp_dal_args_clear(args));
    const sdp_dal_expectation odd = a_tensor(99, 0, NULL);
    show(sdp_dal_ref_new(store, &odd, &ref));
}

/* Calls that are refused before anything is written. */
static void wrong_calls(const sdp_dal_store *store, sdp_dal_caller *caller) {
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_ref *ref = NULL;
    double doubles[4] = {0, 1, 2, 3};
    sdp_dal_tensor_view ys = int64_view(numbers, three), a, b;
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_int64(args, "x", 1));
    show(sdp_dal_caller_call(caller, "simple_fn", args, &results)); /* ys is missing */
    OK(sdp_dal_args_set_tensor(args, "ys", &ys));
    OK(sdp_dal_args_set_int64(args, "y", 1));
    show(sdp_dal_caller_call(caller, "simple_fn", args, &results)); /* no such parameter */
    OK(sdp_dal_args_clear(args));
    OK(sdp_dal_args_set_tensor(args, "ys", &ys));
    OK(sdp_dal_args_set_double(args, "x", 0.5));
    show(sdp_dal_caller_call(caller, "simple_fn", args, &results)); /* another type */
    OK(sdp_dal_args_clear(args));
    a = b = ys;
    a.data = b.data = doubles;
    a.dtype = b.dtype = SDP_DAL_FLOAT64;
    OK(sdp_dal_args_set_int64(args, NULL, 1));
    OK(sdp_dal_args_set_tensor(args, NULL, &a));
    show(sdp_dal_caller_call(caller, "simple_fn", args, &results)); /* other elements */
    OK(sdp_dal_args_clear(args));
    b.shape = four;
    OK(sdp_dal_args_set_tensor(args, NULL, &a));
    OK(sdp_dal_args_set_tensor(args, NULL, &b));
    show(sdp_dal_caller_call(caller, "add", args, &results)); /* equal names, other sizes */
    show(sdp_dal_caller_call(caller, "subtract", args, &results));
    OK(sdp_dal_args_clear(args));
    OK(sdp_dal_tensor_put(store, &ys, &ref));
    OK(sdp_dal_args_set_int64(args, NULL, 1));
    OK(sdp_dal_args_set_ref(args, NULL, ref));
    OK(sdp_dal_args_set_ref(args, NULL, ref));
    show(sdp_dal_caller_call(caller, "simple_fn", args, &results)); /* an input as output */
    sdp_dal_ref_free(ref);
    sdp_dal_args_free(args);
}

/* ---- objects and references ------------------------------------------------------------------ */

static void objects(const sdp_dal_store *store) {
    uint8_t id[SDP_DAL_ID_SIZE] = {0xaa};
    sdp_dal_object_spec spec;
    sdp_dal_writer *writer = NULL, *again = NULL;
    sdp_dal_buffer *buffer = NULL;
    sdp_dal_ref *ref = NULL, *other = NULL;
    sdp_dal_tensor_view view = int64_view(numbers, three);
    void *data = NULL;
    show(sdp_dal_object_delete(store, id, SDP_DAL_DELETE_NOW));
    CLEAR(spec);
    OK(sdp_dal_object_create(store, id, &spec, &data, &writer));
    show(sdp_dal_object_create(store, id, &spec, &data, &again));
    show(sdp_dal_object_get(store, id, second / 100, &buffer));
    OK(sdp_dal_writer_seal(writer));
    show(sdp_dal_writer_seal(writer));
    sdp_dal_writer_free(writer);
    OK(sdp_dal_object_delete(store, id, SDP_DAL_DELETE_NOW));
    OK(sdp_dal_object_create(store, id, &spec, &data, &writer));
    OK(sdp_dal_object_delete(store, id, SDP_DAL_DELETE_NOW));
    show(sdp_dal_writer_seal(writer));
    sdp_dal_writer_free(writer);

    OK(sdp_dal_tensor_put(store, &view, &ref));
    show(sdp_dal_ref_put_tensor(ref, &view));
    OK(ref_id(ref, id));
    OK(sdp_dal_object_delete(store, id, SDP_DAL_DELETE_NOW));
    show(sdp_dal_ref_wait(ref, 10 * second));
    sdp_dal_ref_free(ref);

    OK(sdp_dal_ref_new(store, NULL, &other));
    OK(sdp_dal_store_interrupt(store, true));
    show(sdp_dal_ref_wait(other, 10 * second));
    OK(sdp_dal_store_interrupt(store, false));
    show(sdp_dal_ref_wait(other, SDP_DAL_POLL));
    sdp_dal_ref_free(other);
}

/* The store that is there is another one than is asked for. */
static void other_size(const char *path) {
    sdp_dal_store *store = NULL;
    sdp_dal_store_options options;
    CLEAR(options);
    options.size = 2 << 20;
    options.flags = SDP_DAL_STORE_EVICTION | SDP_DAL_STORE_EXACT;
    show(sdp_dal_store_open(path, &options, &store));
    CHECK(store == NULL);
    options.size = 1 << 20;
    options.flags = SDP_DAL_STORE_EXACT;
    OK(sdp_dal_store_open(path, &options, &store));
    sdp_dal_store_close(store);
}

static void full(const sdp_dal_store *store) {
    uint8_t id[SDP_DAL_ID_SIZE] = {0xbb};
    sdp_dal_object_spec spec;
    sdp_dal_writer *writer = NULL, *writers[1100];
    void *data = NULL;
    size_t made = 0;
    sdp_dal_status status = SDP_DAL_OK;
    CLEAR(spec);
    spec.data_size = 2 << 20;
    spec.full_timeout_ns = 1;
    show(sdp_dal_object_create(store, id, &spec, &data, &writer));
    spec.data_size = 0;
    while (made < 1100 && status == SDP_DAL_OK) {
        id[1] = (uint8_t)(made >> 8), id[2] = (uint8_t)made;
        status = sdp_dal_object_create(store, id, &spec, &data, &writers[made]);
        if (status == SDP_DAL_OK) made++;
    }
    show(status);
    while (made > 0) sdp_dal_writer_free(writers[--made]);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void calls(const sdp_dal_store *store) {
    sdp_dal_processor *processor = open_processor(store);
    sdp_dal_processor *twin = NULL;
    sdp_dal_processor_options options;
    uint8_t prefix[SDP_DAL_PREFIX_SIZE];
    sdp_dal_caller *caller = NULL;
    const char *const other = "gridder(uvw: float64[row,uvw=3]) -> (grid: complex64[u,v])";
    const char *const changed = "simple_fn(x: int32, ys: int64[i]) -> (zs: int64[i])";
    show(sdp_dal_caller_open(store, &signature, 1, NULL, &caller));
    show(sdp_dal_processor_register(processor, signature, NULL, NULL, NULL, NULL));
    OK(sdp_dal_processor_start(processor));
    show(sdp_dal_processor_register(processor, other, NULL, NULL, NULL, NULL));
    show(sdp_dal_caller_open(store, &other, 1, NULL, &caller));
    show(sdp_dal_caller_open(store, &changed, 1, NULL, &caller));
    OK(sdp_dal_processor_get_prefix(processor, prefix));
    CLEAR(options);
    options.prefix = prefix;
    options.prefix_size = sizeof prefix;
    OK(sdp_dal_processor_open(store, &options, &twin));
    show(sdp_dal_processor_start(twin));
    sdp_dal_processor_close(twin);
    show(sdp_dal_processor_process(processor, SDP_DAL_POLL));
    caller = open_caller(store);
    wrong_calls(store, caller);
    show_result(processor, caller, ASKS_WRONGLY);
    show_result(processor, caller, FAILS_WITH_TEXT);
    show_result(processor, caller, WRITES_NOTHING);
    show_result(processor, caller, GIVES_UP);
    show_result(processor, caller, HANDS_ON);
    sdp_dal_caller_close(caller);
    sdp_dal_processor_close(processor);
}

/* Issues simple_fn(0, ys); the results. */
static sdp_dal_results *issue(sdp_dal_caller *caller, const sdp_dal_ref *ys) {
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_int64(args, NULL, WORKS));
    OK(sdp_dal_args_set_ref(args, NULL, ys));
    OK(sdp_dal_caller_call(caller, "simple_fn", args, &results));
    sdp_dal_args_free(args);
    return results;
}

/* Closed while a call waits that may be issued twice: to another one, and to none. */
static void attempted(const sdp_dal_store *store) {
    const sdp_dal_ref *zs = NULL;
    sdp_dal_ref *ys = NULL;
    sdp_dal_caller *caller = NULL;
    sdp_dal_caller_options options;
    sdp_dal_tensor_view view = int64_view(numbers, three);
    CLEAR(options);
    options.attempts = 2;
    OK(sdp_dal_tensor_put(store, &view, &ys));
    for (int others = 1; others >= 0; others--) {
        sdp_dal_processor *first = open_processor(store), *next = open_processor(store);
        OK(sdp_dal_processor_start(first));
        OK(sdp_dal_caller_open(store, &signature, 1, &options, &caller));
        sdp_dal_results *results = issue(caller, ys);
        OK(sdp_dal_results_get_ref(results, "zs", &zs));
        if (others == 1) OK(sdp_dal_processor_start(next));
        sdp_dal_processor_close(first);
        if (others == 1) FAILS(sdp_dal_ref_wait(zs, second * 4 / 10), SDP_DAL_TIMEOUT);
        sdp_dal_processor_close(next);
        show(sdp_dal_ref_wait(zs, 10 * second));
        sdp_dal_results_free(results);
        sdp_dal_caller_close(caller);
    }
    sdp_dal_ref_free(ys);
}

static void lost(const char *path, const sdp_dal_store *store) {
    const char *const hold = "hold() -> (out: int64[i])";
    sdp_dal_processor *processor = open_processor(store), *holder = NULL;
    OK(sdp_dal_processor_start(processor));
    OK(sdp_dal_processor_open(store, NULL, &holder));
    OK(sdp_dal_processor_register(holder, hold, NULL, NULL, NULL, NULL));
    OK(sdp_dal_processor_start(holder));
    sdp_dal_caller *caller = open_caller(store), *other = NULL;
    sdp_dal_ref *ys = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_args *args = NULL;
    const sdp_dal_ref *zs = NULL;
    uint8_t id[SDP_DAL_ID_SIZE];
    int ready[2];
    char byte;
    sdp_dal_tensor_view view = int64_view(numbers, three);

    /* An input that was promised, and is deleted by force. */
    sdp_dal_results *promised = NULL;
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_caller_open(store, &hold, 1, NULL, &other));
    OK(sdp_dal_caller_call(other, "hold", args, &promised));
    OK(sdp_dal_results_get_ref(promised, "out", &zs));
    OK(ref_id(zs, id));
    results = issue(caller, zs);
    FAILS(sdp_dal_processor_process(processor, SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    OK(sdp_dal_object_delete(store, id, SDP_DAL_DELETE_NOW));
    FAILS(sdp_dal_processor_process(processor, SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    OK(sdp_dal_results_get_ref(results, "zs", &zs));
    show(sdp_dal_ref_wait(zs, 10 * second));
    /* A graph: the next call's input has failed. */
    sdp_dal_results *next = issue(caller, zs);
    OK(sdp_dal_results_get_ref(next, "zs", &zs));
    FAILS(sdp_dal_processor_process(processor, SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    show(sdp_dal_ref_wait(zs, 10 * second));
    sdp_dal_results_free(next);
    sdp_dal_results_free(results);
    sdp_dal_results_free(promised);
    sdp_dal_caller_close(other);
    sdp_dal_processor_close(holder);

    /* Closed while a call waits, and called afterwards. */
    OK(sdp_dal_tensor_put(store, &view, &ys));
    results = issue(caller, ys);
    sdp_dal_processor_close(processor);
    OK(sdp_dal_results_get_ref(results, "zs", &zs));
    show(sdp_dal_ref_wait(zs, 10 * second));
    sdp_dal_results_free(results);
    results = NULL;
    OK(sdp_dal_args_set_int64(args, NULL, WORKS));
    OK(sdp_dal_args_set_ref(args, NULL, ys));
    show(sdp_dal_caller_call(caller, "simple_fn", args, &results));
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);

    /* Killed while a call waits. */
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        processor = open_processor(open_store(path));
        OK(sdp_dal_processor_start(processor));
        CHECK(write(ready[1], "r", 1) == 1);
        for (;;) pause();
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    caller = open_caller(store);
    results = issue(caller, ys);
    OK(sdp_dal_results_get_ref(results, "zs", &zs));
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    show(sdp_dal_ref_wait(zs, 10 * second));
    sdp_dal_results_free(results);
    sdp_dal_ref_free(ys);
    sdp_dal_caller_close(caller);
}

/* As daemons do when they start. */
static void without_descriptors(const char *path) {
    IN_CHILD({
        uint64_t bytes = 0;
        sdp_dal_store *store = open_store(path);
        CHECK(syscall(SYS_close_range, 3, ~0U, 0) == 0);
        show(sdp_dal_store_trim(store, &bytes));
    });
}

/* ---- opening --------------------------------------------------------------------------------- */

static void show_open(const char *path) {
    sdp_dal_store *store = NULL;
    show(sdp_dal_store_open(path, NULL, &store));
}

/* A file of a store's size with some bytes changed. */
static void damaged(const char *from, const char *path, off_t place, const char *bytes,
                    size_t size) {
    char header[4096];
    struct stat found;
    int in = open(from, O_RDONLY), out = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(in >= 0 && out >= 0 && fstat(in, &found) == 0);
    CHECK(read(in, header, sizeof header) == sizeof header);
    CHECK(write(out, header, sizeof header) == sizeof header);
    CHECK(ftruncate(out, found.st_size) == 0);
    CHECK(pwrite(out, bytes, size, place) == (ssize_t)size);
    close(in);
    close(out);
    show_open(path);
    CHECK(unlink(path) == 0);
}

static void opening(const char *path) {
    char other[4000];
    sdp_dal_store_options options;
    sdp_dal_store *store = NULL;
    snprintf(other, sizeof other, "%s-other", path);
    CLEAR(options);
    options.create = SDP_DAL_CREATE_NEVER;
    show(sdp_dal_store_open(other, &options, &store));
    unsetenv("SDP_DAL_STORE");
    show_open(NULL);
    show_open("/etc/passwd/store");
    damaged(path, other, 0, "garbage!", 8);
    damaged(path, other, 8, "\x63\0\0\0", 4);
    CHECK(symlink("/etc/passwd", other) == 0);
    show_open(other);
    CHECK(unlink(other) == 0);
    if (geteuid() != 0) return;
    /* What only root can provoke: a store that is another user's, and being another user. */
    int file = open(other, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(file >= 0 && fchown(file, 12345, 12345) == 0 && close(file) == 0);
    show_open(other);
    CHECK(unlink(other) == 0);
    IN_CHILD({
        CHECK(setuid(65534) == 0);
        show_open(path);
    });
}

/* Other clients, one more than there are slots for. */
static void many_clients(const char *path) {
    int go[2], there[2];
    char byte;
    CHECK(pipe(go) == 0 && pipe(there) == 0);
    for (int i = 0; i < 64; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child != 0) continue;
        sdp_dal_store *store = NULL;
        close(go[1]);
        sdp_dal_status status = sdp_dal_store_open(path, NULL, &store);
        if (status != SDP_DAL_OK) show(status);
        CHECK(write(there[1], "t", 1) == 1);
        CHECK(read(go[0], &byte, 1) == 0);
        sdp_dal_store_close(store);
        _exit(0);
    }
    for (int i = 0; i < 64; i++) CHECK(read(there[0], &byte, 1) == 1);
    close(go[1]);
    for (int i = 0; i < 64; i++) CHECK(wait(NULL) > 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    sdp_dal_store *store = open_store(argv[1]);
    sdp_dal_ref *ref = NULL;
    wrong_arguments(store);
    objects(store);
    other_size(argv[1]);
    full(store);
    calls(store);
    lost(argv[1], store);
    attempted(store);
    without_descriptors(argv[1]);
    IN_CHILD(show(sdp_dal_ref_new(store, NULL, &ref)));
    opening(argv[1]);
    many_clients(argv[1]);
    sdp_dal_store_close(store);
    return 0;
}
