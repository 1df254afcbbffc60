/* What a forked child finds, and what a program finds that has closed its descriptors. argv[1]: the
 * store's path; argv[2]: what to do; argv[3]: a number or a folder. What lasts longer than a moment
 * waits for a line on standard input. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* For what would else hang. */
enum { WATCHDOG = 120 };
static const int64_t minute = INT64_C(60000000000);
static const char *const signature = "add(x: int64, ys: int64[i]) -> (zs: int64[i])";
static const size_t large = 100 << 20;

static void say(const char *what) {
    printf("%s\n", what);
    CHECK(fflush(stdout) == 0);
}

static void hear(void) {
    char line[16];
    CHECK(fgets(line, sizeof line, stdin) != NULL);
}

static sdp_dal_store *open_sized(const char *path, uint64_t size) {
    sdp_dal_store *store = NULL;
    sdp_dal_store_options options;
    CLEAR(options);
    options.size = size;
    OK(sdp_dal_store_open(path, &options, &store));
    return store;
}

static sdp_dal_store *open_store(const char *path) { return open_sized(path, 16 << 20); }

static sdp_dal_tensor_view numbers(void) {
    static const int64_t values[4] = {1, 2, 3, 4}, shape[1] = {4};
    static const char *const names[1] = {"i"};
    sdp_dal_tensor_view view;
    CLEAR(view);
    view.data = values;
    view.shape = shape;
    view.dim_names = names;
    view.dtype = SDP_DAL_INT64;
    view.ndim = 1;
    return view;
}

static void ends_well(pid_t child, const char *what) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    if (status == 0) return;
    fprintf(stderr, "%s: a child ended with %#x%s\n", what, (unsigned)status,
            WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it hangs" : "");
    exit(1);
}

/* A lock that comes with a descriptor would be the parent's. */
static void has_no_locks(void) {
    DIR *folder = opendir("/proc/self/fdinfo");
    const struct dirent *entry;
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL) {
        char name[300], line[300];
        FILE *info;
        snprintf(name, sizeof name, "/proc/self/fdinfo/%s", entry->d_name);
        if (entry->d_name[0] == '.' || (info = fopen(name, "r")) == NULL) continue;
        while (fgets(line, sizeof line, info) != NULL) {
            /* Those of the library; whoever started the tests may have left flock(2)'s. */
            if (strncmp(line, "lock:", 5) != 0 || strstr(line, " OFDLCK ") == NULL) continue;
            fprintf(stderr, "a child has a copy of a lock, %s", line);
            _exit(1);
        }
        fclose(info);
    }
    closedir(folder);
}

/* ---- memory ---- */

/* The handler of another library, which runs before the store's: it maps a page where the child
 * does not have the store. */
static char *wanted, *page;

static void maps_a_page(void) {
    if (wanted == NULL || page != NULL) return;
    page = (char *)mmap(wanted, 4096, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(page == wanted);
    page[0] = 5;
}

/* The handles of a parent, freed in a child that has filled its memory. */
static void keeps_its_memory(const char *path) {
    const int registered = pthread_atfork(NULL, NULL, maps_a_page);
    sdp_dal_store *store = open_sized(path, 256 << 20);
    sdp_dal_tensor_view view = numbers();
    sdp_dal_tensor_spec spec;
    sdp_dal_ref *sealed = NULL, *begun = NULL;
    sdp_dal_tensor *tensor = NULL;
    void *data = NULL;
    pid_t child;
    CHECK(registered == 0);
    OK(sdp_dal_tensor_put(store, &view, &sealed));
    OK(sdp_dal_ref_get_tensor(sealed, SDP_DAL_POLL, &tensor, NULL));
    OK(sdp_dal_tensor_get_view(tensor, &view));
    CLEAR(spec);
    spec.dtype = SDP_DAL_INT64;
    spec.ndim = 1;
    spec.shape = view.shape;
    OK(sdp_dal_tensor_create(store, &spec, &data, &begun));
    wanted = (char *)data + (64 << 20);
    wanted -= (uintptr_t)wanted % 4096;
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        unsigned char *memory[4];
        alarm(WATCHDOG);
        for (int i = 0; i < 4; i++) {
            memory[i] = malloc(large);
            CHECK(memory[i] != NULL);
            memset(memory[i], 0xa0 + i, large);
        }
        /* Its creator's pointer is its parent's: it hits nothing of the child's. */
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            memset(data, 0xff, 32);
            _exit(0);
        }
        {
            int status = 0;
            CHECK(waitpid(child, &status, 0) == child);
            CHECK(WIFSIGNALED(status) &&
                  (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS));
        }
        /* What is held can be read until the end. */
        CHECK(memcmp(view.data, numbers().data, 32) == 0);
        FAILS(sdp_dal_ref_seal(begun), SDP_DAL_FORKED);
        sdp_dal_tensor_free(tensor);
        sdp_dal_ref_free(begun);
        sdp_dal_ref_free(sealed);
        sdp_dal_store_close(store);
        for (int i = 0; i < 4; i++)
            for (size_t at = 0; at < large; at += 512) CHECK(memory[i][at] == 0xa0 + i);
        CHECK(page[0] == 5);
        _exit(0);
    }
    ends_well(child, "memory");
    memset(data, 1, 32);
    OK(sdp_dal_ref_seal(begun));
    sdp_dal_tensor_free(tensor);
    sdp_dal_ref_free(begun);
    sdp_dal_ref_free(sealed);
    sdp_dal_store_close(store);
}

/* ---- a spread of functions beside threads ---- */

static struct {
    const char *path;
    char other[256];
    sdp_dal_store *store;
    sdp_dal_ref *ref, *promised;
    sdp_dal_tensor *tensor;
    sdp_dal_buffer *buffer;
    sdp_dal_writer *writer;
    sdp_dal_caller *caller;
    sdp_dal_args *args;
    sdp_dal_results *results;
    sdp_dal_replies *replies;
    sdp_dal_processor *processor;
    sdp_dal_subscription *subscription;
    sdp_dal_schema *schema;
    uint8_t id[SDP_DAL_ID_SIZE];
} all;
/* The second: who calls has its last answer, so that the processor may end, too. */
static atomic_int stop, answered;
static atomic_long heard;

static void log_hook(int32_t level, const char *message, void *user_data) {
    (void)level, (void)message, (void)user_data;
    atomic_fetch_add(&heard, 1);
}

static bool check_hook(void *user_data) {
    (void)user_data;
    return false;
}

static sdp_dal_status add(sdp_dal_call *call, void *user_data) {
    sdp_dal_tensor_view view = numbers();
    (void)user_data;
    return sdp_dal_call_put_tensor(call, "zs", &view);
}

static void *puts_and_gets(void *unused) {
    sdp_dal_tensor_view view = numbers();
    while (!stop) {
        sdp_dal_ref *ref = NULL, *other = NULL;
        sdp_dal_tensor *tensor = NULL;
        OK(sdp_dal_tensor_put(all.store, &view, &ref));
        OK(sdp_dal_ref_new(all.store, NULL, &other));
        OK(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, NULL));
        sdp_dal_tensor_free(tensor);
        OK(sdp_dal_ref_get_tensor(all.ref, SDP_DAL_POLL, &tensor, NULL));
        sdp_dal_tensor_free(tensor);
        OK(sdp_dal_ref_add_reference(ref, all.ref, SDP_DAL_POLL));
        sdp_dal_ref_free(other);
        sdp_dal_ref_free(ref);
    }
    return unused;
}

static void *opens_and_closes(void *path) {
    while (!stop) sdp_dal_store_close(open_store(path));
    return NULL;
}

static void *calls(void *unused) {
    while (!stop) {
        sdp_dal_results *results = NULL;
        const sdp_dal_ref *zs = NULL;
        size_t found = 0;
        OK(sdp_dal_caller_find_processors(all.caller, minute, &found));
        OK(sdp_dal_caller_call(all.caller, "add", all.args, &results));
        OK(sdp_dal_results_get_ref(results, "zs", &zs));
        OK(sdp_dal_ref_wait(zs, minute));
        sdp_dal_results_free(results);
    }
    return unused;
}

static void *processes(void *unused) {
    while (!answered) {
        sdp_dal_status status = sdp_dal_processor_process(all.processor, minute / 60);
        /* Busy: on a loaded machine a thread that has the store's lock may get no processor for a
         * while. */
        CHECK(status == SDP_DAL_OK || status == SDP_DAL_TIMEOUT || status == SDP_DAL_BUSY);
    }
    return unused;
}

static void *hooks(void *unused) {
    while (!stop) {
        OK(sdp_dal_set_log(SDP_DAL_LOG_DEBUG, log_hook, NULL));
        OK(sdp_dal_set_interrupt_check(check_hook, NULL));
        sched_yield();
    }
    return unused;
}

static void open_all(const char *path) {
    sdp_dal_caller_options options;
    sdp_dal_tensor_view view = numbers();
    sdp_dal_object_spec spec;
    void *data = NULL;
    all.path = path;
    snprintf(all.other, sizeof all.other, "%s-other", path);
    all.store = open_store(path);
    OK(sdp_dal_processor_open(all.store, NULL, &all.processor));
    OK(sdp_dal_processor_register(all.processor, signature, NULL, add, NULL, NULL));
    OK(sdp_dal_processor_start(all.processor));
    CLEAR(options);
    OK(sdp_dal_caller_open(all.store, &signature, 1, &options, &all.caller));
    OK(sdp_dal_tensor_put(all.store, &view, &all.ref));
    OK(sdp_dal_ref_get_tensor(all.ref, SDP_DAL_POLL, &all.tensor, NULL));
    OK(sdp_dal_ref_get_buffer(all.ref, SDP_DAL_POLL, &all.buffer));
    OK(sdp_dal_ref_new(all.store, NULL, &all.promised));
    OK(sdp_dal_args_create(&all.args));
    OK(sdp_dal_args_set_int64(all.args, NULL, 1));
    OK(sdp_dal_args_set_ref(all.args, NULL, all.ref));
    OK(sdp_dal_caller_batch(all.caller, "add", (const sdp_dal_args *const *)&all.args, 1,
                            &all.replies, NULL));
    OK(sdp_dal_caller_call(all.caller, "add", all.args, &all.results));
    OK(sdp_dal_store_subscribe(all.store, NULL, 0, &all.subscription));
    OK(sdp_dal_schema_parse(signature, &all.schema));
    OK(ref_id(all.ref, all.id));
    OK(sdp_dal_store_new_id(all.store, all.id));
    CLEAR(spec);
    spec.data_size = 8;
    OK(sdp_dal_object_create(all.store, all.id, &spec, &data, &all.writer));
}

static void close_all(void) {
    sdp_dal_writer_free(all.writer);
    sdp_dal_subscription_free(all.subscription);
    sdp_dal_results_free(all.results);
    sdp_dal_replies_free(all.replies);
    sdp_dal_args_free(all.args);
    sdp_dal_buffer_free(all.buffer);
    sdp_dal_tensor_free(all.tensor);
    sdp_dal_ref_free(all.promised);
    sdp_dal_ref_free(all.ref);
    sdp_dal_caller_close(all.caller);
    sdp_dal_processor_close(all.processor);
    sdp_dal_schema_free(all.schema);
    sdp_dal_store_close(all.store);
}

#define FORKED(call) FAILS(call, SDP_DAL_FORKED)

static void use_what_was_inherited(void) {
    sdp_dal_tensor_view view = numbers();
    sdp_dal_ref *ref = NULL;
    sdp_dal_store *store = NULL;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_buffer *buffer = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_call *call = NULL;
    sdp_dal_schema *schema = NULL;
    sdp_dal_list *list = NULL;
    const sdp_dal_ref *zs = NULL;
    const sdp_dal_results *row = NULL;
    sdp_dal_store_stat stat;
    sdp_dal_event event;
    uint8_t id[SDP_DAL_ID_SIZE] = {0};
    uint64_t bytes = 0;
    size_t found = 0;
    bool is = false;
    int fd = 0;
    FORKED(sdp_dal_tensor_put(all.store, &view, &ref));
    FORKED(sdp_dal_ref_new(all.store, NULL, &ref));
    FORKED(sdp_dal_caller_find_processors(all.caller, SDP_DAL_POLL, &found));
    FORKED(sdp_dal_caller_call(all.caller, "add", all.args, &results));
    FORKED(sdp_dal_results_get_ref(all.results, "zs", &zs));
    FORKED(sdp_dal_store_new_namespace(all.store, NULL, &store));
    FORKED(sdp_dal_store_get_prefix(all.store, id));
    FORKED(sdp_dal_store_new_id(all.store, id));
    CLEAR(stat);
    FORKED(sdp_dal_store_get_stat(all.store, &stat));
    FORKED(sdp_dal_store_trim(all.store, &bytes));
    FORKED(sdp_dal_store_event_fd(all.store, &fd));
    FORKED(sdp_dal_object_contains(all.store, all.id, &is));
    FORKED(sdp_dal_object_get(all.store, all.id, minute, &buffer));
    FORKED(sdp_dal_object_delete(all.store, all.id, SDP_DAL_DELETE_NOW));
    FORKED(sdp_dal_store_list_objects(all.store, NULL, 0, &list, &found));
    FORKED(sdp_dal_writer_seal(all.writer));
    FORKED(sdp_dal_buffer_clone(all.buffer, &buffer));
    FORKED(sdp_dal_tensor_clone(all.tensor, &tensor));
    FORKED(sdp_dal_tensor_get_view(all.tensor, &view));
    FORKED(sdp_dal_ref_wait(all.promised, minute));
    FORKED(ref_exists(all.ref, &is));
    FORKED(sdp_dal_ref_clone(all.ref, &ref));
    FORKED(sdp_dal_ref_get_tensor(all.ref, minute, &tensor, NULL));
    FORKED(sdp_dal_ref_add_reference(all.promised, all.ref, minute));
    FORKED(sdp_dal_ref_put_tensor(all.promised, &view));
    FORKED(sdp_dal_args_set_int64(all.args, NULL, 1));
    FORKED(sdp_dal_processor_process(all.processor, minute));
    FORKED(sdp_dal_processor_next(all.processor, minute, &call, NULL));
    CLEAR(event);
    FORKED(sdp_dal_subscription_next(all.subscription, minute, &event));
    OK(sdp_dal_store_interrupt(all.store, true) == SDP_DAL_FORKED ? SDP_DAL_OK : SDP_DAL_INTERNAL);
    FORKED(sdp_dal_replies_get_results(all.replies, 0, 0, &row));
    /* What is memory only is the child's too. */
    OK(sdp_dal_schema_clone(all.schema, &schema));
    sdp_dal_schema_free(schema);
    sdp_dal_stores_leave();
}

static void use_what_is_its_own(const char *path) {
    sdp_dal_tensor_view view = numbers();
    sdp_dal_store *store = open_store(path);
    sdp_dal_processor *processor = NULL;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_ref *ref = NULL, *second = NULL;
    OK(sdp_dal_tensor_put(store, &view, &ref));
    OK(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, NULL));
    OK(sdp_dal_tensor_get_view(tensor, &view));
    CHECK(memcmp(view.data, numbers().data, 32) == 0);
    OK(sdp_dal_tensor_put(store, &view, &second));
    OK(sdp_dal_ref_add_reference(second, ref, SDP_DAL_POLL));
    OK(sdp_dal_processor_open(store, NULL, &processor));
    /* No function that the parent's caller looks for: it would call it. */
    OK(sdp_dal_processor_register(processor, "child(x: int64)", NULL, add, NULL, NULL));
    FAILS(sdp_dal_processor_process(processor, SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    OK(sdp_dal_set_log(SDP_DAL_LOG_DEBUG, log_hook, NULL));
    sdp_dal_processor_close(processor);
    sdp_dal_tensor_free(tensor);
    sdp_dal_ref_free(second);
    sdp_dal_ref_free(ref);
    sdp_dal_store_close(store);
}

static void child_beside_threads(long i) {
    alarm(WATCHDOG);
    has_no_locks();
    use_what_was_inherited();
    if (i % 8 == 0) use_what_is_its_own(all.path);
    if (i % 8 == 1) use_what_is_its_own(all.other);
    if (i % 2 == 0) {
        unsigned char *memory = malloc(large / 16);
        CHECK(memory != NULL);
        memset(memory, 0xa5, large / 16);
        close_all();
        for (size_t at = 0; at < large / 16; at += 4096) CHECK(memory[at] == 0xa5);
    }
    _exit(0);
}

static void forks_beside_threads(const char *path, long count) {
    enum { AT_ONCE = 8 };
    pthread_t threads[6];
    pid_t children[AT_ONCE] = {0};
    void *(*const work[6])(void *) = {puts_and_gets, puts_and_gets, opens_and_closes,
                                      calls,         hooks,         processes};
    open_all(path);
    for (int i = 0; i < 6; i++) CHECK(pthread_create(&threads[i], NULL, work[i], all.other) == 0);
    for (long i = 0; i < count + AT_ONCE; i++) {
        pid_t *child = &children[i % AT_ONCE];
        if (*child > 0) ends_well(*child, "beside threads");
        if (i >= count) continue;
        *child = fork();
        CHECK(*child >= 0);
        if (*child == 0) child_beside_threads(i);
    }
    stop = 1;
    for (int i = 0; i < 6; i++) {
        answered = i == 5;
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    close_all();
    CHECK(heard > 0);
}

/* ---- deaths ---- */

/* Clients that were closed while others forked: whoever still has their lock keeps them alive. */
static void forks_while_it_opens(const char *path, long count) {
    pthread_t thread;
    sdp_dal_store *store;
    uint32_t last = 0;
    CHECK(pthread_create(&thread, NULL, opens_and_closes, (void *)(uintptr_t)path) == 0);
    for (long i = 0; i < count; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(WATCHDOG);
            pause();
            _exit(0);
        }
    }
    stop = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    store = open_store(path);
    sdp_dal_store_info info;
    OK(store_info(store, &info));
    last = info.client;
    sdp_dal_store_close(store);
    printf("closed %u\n", (unsigned)last);
    say("done");
    hear();
}

/* A client with an object, of whom children live, to be killed. */
static void is_killed(const char *path, long count) {
    pthread_t thread;
    sdp_dal_store *store = open_store(path);
    sdp_dal_tensor_view view = numbers();
    sdp_dal_ref *ref = NULL;
    char other[256];
    snprintf(other, sizeof other, "%s-other", path);
    OK(sdp_dal_tensor_put(store, &view, &ref));
    CHECK(pthread_create(&thread, NULL, opens_and_closes, other) == 0);
    for (long i = 0; i < count; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(WATCHDOG);
            for (;;) pause();
        }
    }
    say("ready");
    hear();
}

/* ---- descriptors that were closed ---- */

enum { FILES = 32 };
static int files[FILES];

/* As daemons do; then the numbers are taken by files of the program. */
static void close_descriptors(const char *folder) {
    CHECK(syscall(SYS_close_range, 3, ~0U, 0) == 0);
    for (int i = 0; i < FILES; i++) {
        char name[300];
        snprintf(name, sizeof name, "%s/%d", folder, i);
        files[i] = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        CHECK(files[i] >= 0 && write(files[i], "precious", 8) == 8);
    }
}

static void files_are_whole(void) {
    for (int i = 0; i < FILES; i++) {
        char text[16];
        struct stat found;
        CHECK(fstat(files[i], &found) == 0 && found.st_size == 8 && found.st_blocks <= 8);
        CHECK(lseek(files[i], 0, SEEK_CUR) == 8 && pread(files[i], text, sizeof text, 0) == 8);
        CHECK(memcmp(text, "precious", 8) == 0);
    }
}

#define CLOSED(call)                                                                               \
    do {                                                                                           \
        FAILS(call, SDP_DAL_IO);                                                                   \
        SAYS("descriptors");                                                                       \
    } while (0)

static void object_id(uint8_t *id, uint8_t last) {
    memset(id, 0xa5, SDP_DAL_ID_SIZE);
    id[SDP_DAL_ID_SIZE - 1] = last;
}

/* It holds object 1 when it is taken for dead. */
static void is_taken_for_dead(const char *path, const char *folder) {
    sdp_dal_store *store = open_store(path), *again;
    sdp_dal_tensor_view view = numbers();
    sdp_dal_buffer *buffer = NULL, *second = NULL;
    sdp_dal_ref *ref = NULL, *own = NULL;
    const void *data = NULL;
    size_t size = 0;
    uint8_t id[SDP_DAL_ID_SIZE];
    bool is = false;
    int fd = -1;
    pid_t child;
    object_id(id, 1);
    OK(sdp_dal_object_get(store, id, SDP_DAL_POLL, &buffer));
    OK(sdp_dal_tensor_put(store, &view, &own));
    OK(sdp_dal_store_event_fd(store, &fd));
    close_descriptors(folder);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        files_are_whole();
        _exit(0);
    }
    ends_well(child, "files");
    say("closed");
    hear();
    /* Others have reaped it, and another client has its place. */
    CLOSED(sdp_dal_object_contains(store, id, &is));
    CLOSED(sdp_dal_object_get(store, id, SDP_DAL_POLL, &second));
    CLOSED(sdp_dal_tensor_put(store, &view, &ref));
    CLOSED(sdp_dal_store_clear_event_fd(store));
    CLOSED(sdp_dal_store_take_changed(store, 0, NULL, &size));
    CLOSED(sdp_dal_object_delete(store, id, SDP_DAL_DELETE_NOW));
    /* What it holds it can read. */
    OK(buffer_data(buffer, &data, &size));
    CHECK(size == 8);
    /* It may come back, beside what it was. */
    again = open_store(path);
    OK(sdp_dal_tensor_put(again, &view, &ref));
    CLOSED(sdp_dal_object_contains(store, id, &is));
    sdp_dal_buffer_free(buffer);
    sdp_dal_ref_free(own);
    sdp_dal_store_close(store);
    OK(sdp_dal_ref_wait(ref, SDP_DAL_POLL));
    files_are_whole();
    say("back");
    hear();
    sdp_dal_ref_free(ref);
    sdp_dal_store_close(again);
    files_are_whole();
}

/* Nobody has reaped it yet: it finds out by itself. */
static void finds_out(const char *path, const char *folder, const char *how) {
    sdp_dal_store *store = open_sized(path, 64 << 20);
    sdp_dal_object_spec spec;
    sdp_dal_buffer *buffer = NULL;
    sdp_dal_writer *writer = NULL;
    void *data = NULL;
    uint64_t bytes = 0;
    int fd = -1;
    uint8_t id[SDP_DAL_ID_SIZE];
    object_id(id, 2);
    OK(sdp_dal_store_event_fd(store, &fd));
    close_descriptors(folder);
    if (strcmp(how, "waits") == 0) {
        CLOSED(sdp_dal_object_get(store, id, minute, &buffer));
    } else if (strcmp(how, "grows") == 0) {
        CLEAR(spec);
        spec.data_size = 32 << 20;
        CLOSED(sdp_dal_object_create(store, id, &spec, &data, &writer));
    } else if (strcmp(how, "trims") == 0) {
        CLOSED(sdp_dal_store_trim(store, &bytes));
    } else {
        CHECK(strcmp(how, "closes") == 0);
    }
    sdp_dal_store_close(store);
    files_are_whole();
}

/* Holds object 1 until it is told to go. */
static void holds(const char *path) {
    sdp_dal_store *store = open_store(path);
    sdp_dal_buffer *buffer = NULL;
    uint8_t id[SDP_DAL_ID_SIZE];
    const void *data = NULL;
    size_t size = 0;
    object_id(id, 1);
    OK(sdp_dal_object_get(store, id, SDP_DAL_POLL, &buffer));
    say("holds");
    hear();
    OK(buffer_data(buffer, &data, &size));
    CHECK(size == 8 && memcmp(data, "\1\1\1\1\1\1\1\1", 8) == 0);
    sdp_dal_buffer_free(buffer);
    sdp_dal_store_close(store);
}

int main(int argc, char **argv) {
    const char *path, *mode;
    long count;
    CHECK(argc > 3);
    path = argv[1], mode = argv[2], count = atol(argv[3]);
    if (strcmp(mode, "memory") == 0)
        keeps_its_memory(path);
    else if (strcmp(mode, "threads") == 0)
        forks_beside_threads(path, count);
    else if (strcmp(mode, "opening") == 0)
        forks_while_it_opens(path, count);
    else if (strcmp(mode, "killed") == 0)
        is_killed(path, count);
    else if (strcmp(mode, "closer") == 0)
        is_taken_for_dead(path, argv[3]);
    else if (strcmp(mode, "holder") == 0)
        holds(path);
    else
        finds_out(path, argv[3], mode);
    return 0;
}
