/* The log, clients and holders, trimming, exported references. argv[1]: the store's path. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static sdp_dal_store *open_store(const char *path, const char *name) {
    sdp_dal_store *store = NULL;
    sdp_dal_store_options options;
    CLEAR(options);
    options.size = 64 << 20;
    options.name = name;
    OK(sdp_dal_store_open(path, &options, &store));
    return store;
}

static sdp_dal_ref *put(const sdp_dal_store *store, double value, int64_t count) {
    sdp_dal_tensor_view view;
    sdp_dal_ref *reference = NULL;
    double *data = (double *)malloc((size_t)count * sizeof value);
    CHECK(data != NULL);
    for (int64_t i = 0; i < count; i++) data[i] = value;
    CLEAR(view);
    view.data = data;
    view.dtype = SDP_DAL_FLOAT64;
    view.ndim = 1;
    view.shape = &count;
    OK(sdp_dal_tensor_put(store, &view, &reference));
    free(data);
    return reference;
}

/* ---- the log ---- */

struct heard {
    int lines;
    int32_t level;
    char last[4096];
    const sdp_dal_store *uses;
};

static void hear(int32_t level, const char *message, void *user_data) {
    struct heard *heard = (struct heard *)user_data;
    uint8_t id[SDP_DAL_ID_SIZE] = {0};
    sdp_dal_object_info info;
    heard->lines++;
    heard->level = level;
    snprintf(heard->last, sizeof heard->last, "%s", message);
    /* It may use the library; what fails here is not the last error of who was interrupted. */
    CLEAR(info);
    if (heard->uses != NULL)
        FAILS(sdp_dal_object_get_info(heard->uses, id, &info), SDP_DAL_NOT_FOUND);
}

static void unset(int32_t level, const char *message, void *user_data) {
    (void)level;
    (void)message;
    ++*(int *)user_data;
    OK(sdp_dal_set_log(SDP_DAL_LOG_OFF, NULL, NULL));
}

static void the_log(const char *path) {
    struct heard heard;
    int once = 0;
    char other[4096];
    sdp_dal_store *store = NULL;
    memset(&heard, 0, sizeof heard);
    FAILS(sdp_dal_set_log(5, hear, NULL), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'level' is 5");
    FAILS(sdp_dal_set_log(-1, NULL, NULL), SDP_DAL_INVALID_ARGUMENT);

    OK(sdp_dal_set_log(SDP_DAL_LOG_DEBUG, hear, &heard));
    snprintf(other, sizeof other, "%s-log", path);
    store = open_store(other, "log");
    CHECK(heard.lines >= 2 && heard.level == SDP_DAL_LOG_DEBUG);
    CHECK(strstr(heard.last, "opened the store as client 1") != NULL);
    heard.uses = store;
    FAILS(sdp_dal_set_log(9, NULL, NULL), SDP_DAL_INVALID_ARGUMENT);
    sdp_dal_store *again = open_store(other, NULL);
    sdp_dal_store_close(again);
    SAYS("'level' is 9");
    heard.uses = NULL;
    sdp_dal_store_close(store);
    CHECK(strstr(heard.last, "closed the store") != NULL);

    OK(sdp_dal_set_log(SDP_DAL_LOG_WARNING, hear, &heard));
    heard.lines = 0;
    store = open_store(other, "log");
    sdp_dal_store_close(store);
    CHECK(heard.lines == 0);

    /* From within the hook. */
    OK(sdp_dal_set_log(SDP_DAL_LOG_DEBUG, unset, &once));
    store = open_store(other, "log");
    sdp_dal_store_close(store);
    CHECK(once == 1);
}

static int running, calls;

static int now(const int *number) { return __atomic_load_n(number, __ATOMIC_SEQ_CST); }

static void linger(int32_t level, const char *message, void *user_data) {
    (void)level;
    (void)message;
    (void)user_data;
    __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    usleep(50000);
    __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
}

static void *open_and_close(void *path) {
    sdp_dal_store_close(open_store((const char *)path, "thread"));
    return NULL;
}

static void a_hook_that_was_replaced_runs_no_more(const char *path) {
    pthread_t thread;
    char other[4096];
    snprintf(other, sizeof other, "%s-linger", path);
    OK(sdp_dal_set_log(SDP_DAL_LOG_DEBUG, linger, NULL));
    CHECK(pthread_create(&thread, NULL, open_and_close, other) == 0);
    while (now(&running) == 0) usleep(100);
    OK(sdp_dal_set_log(SDP_DAL_LOG_OFF, NULL, NULL));
    CHECK(now(&running) == 0);
    int before = now(&calls);
    pthread_join(thread, NULL);
    CHECK(now(&calls) == before);
}

/* ---- clients ---- */

static void clients_and_holders(const sdp_dal_store *store) {
    sdp_dal_clients *clients = NULL;
    sdp_dal_client_info info;
    uint8_t id[SDP_DAL_ID_SIZE];
    uint32_t own = 0, numbers[4] = {0, 0, 0, 0};
    char machine[300] = "";
    size_t found = 0, count = 4;
    sdp_dal_store_info about;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_ref *reference = put(store, 1.5, 1000);
    OK(sdp_dal_ref_get_tensor(reference, SDP_DAL_POLL, &tensor, NULL));
    OK(store_info(store, &about));
    own = about.client;
    CHECK(own != 0);

    OK(sdp_dal_store_list_clients(store, &clients, &found));
    CHECK(found == 1);
    CLEAR(info);
    OK(sdp_dal_clients_get_info(clients, 0, &info));
    CHECK(info.number == own && info.pid == (uint32_t)getpid() && info.alive == 1);
    CHECK(info.pins == 1 && info.wants >= 1 && info.pinned_bytes >= 8000 && info.since_ns > 0);
    CHECK(strcmp(info.name, "operate") == 0);
    CHECK(gethostname(machine, sizeof machine) == 0 && strcmp(info.host, machine) == 0);
    FAILS(sdp_dal_clients_get_info(clients, 1, &info), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'index' is 1, but the list has 1 clients");
    sdp_dal_clients_free(clients);

    OK(sdp_dal_store_set_client_name(store, "renamed"));
    OK(sdp_dal_store_list_clients(store, &clients, &found));
    OK(sdp_dal_clients_get_info(clients, 0, &info));
    CHECK(strcmp(info.name, "renamed") == 0);
    sdp_dal_clients_free(clients);
    FAILS(sdp_dal_store_set_client_name(store, NULL), SDP_DAL_INVALID_ARGUMENT);

    OK(ref_id(reference, id));
    OK(sdp_dal_object_holders(store, id, SDP_DAL_HOLDERS_OF_BYTES, numbers, &count));
    CHECK(count == 1 && numbers[0] == own && numbers[1] == 0);
    numbers[0] = 0;
    count = 0;
    OK(sdp_dal_object_holders(store, id, SDP_DAL_HOLDERS_OWNING, NULL, &count));
    CHECK(count == 1);
    count = 4;
    FAILS(sdp_dal_object_holders(store, id, 2, numbers, &count), SDP_DAL_INVALID_ARGUMENT);
    CHECK(count == 0);
    SAYS("'kind' is 2");
    count = 4;
    FAILS(sdp_dal_object_holders(store, id, 0, NULL, &count), SDP_DAL_INVALID_ARGUMENT);
    sdp_dal_tensor_free(tensor);
    count = 4;
    OK(sdp_dal_object_holders(store, id, SDP_DAL_HOLDERS_OF_BYTES, numbers, &count));
    CHECK(count == 0);
    sdp_dal_ref_free(reference);
    count = 4;
    FAILS(sdp_dal_object_holders(store, id, 0, numbers, &count), SDP_DAL_NOT_FOUND);
}

/* ---- all stores ---- */

static void all_stores(const char *path) {
    sdp_dal_stores *stores = NULL;
    sdp_dal_store_summary summary;
    size_t found = 0, count = 0, skipped = 1;
    OK(sdp_dal_stores_list(&stores, &count, &skipped));
    CLEAR(summary);
    for (size_t i = 0; i < count; i++) {
        OK(sdp_dal_stores_get_summary(stores, i, &summary));
        if (strcmp(summary.path, path) != 0) continue;
        found++;
        CHECK(strcmp(summary.file, path) == 0);
        CHECK(summary.size == 64 << 20 && summary.clients == 1 && summary.max_clients == 256);
        CHECK(summary.owner == getuid() && summary.created_ns > 0);
    }
    CHECK(found == 1);
    FAILS(sdp_dal_stores_get_summary(stores, count, &summary), SDP_DAL_INVALID_ARGUMENT);
    sdp_dal_stores_free(stores);
}

/* ---- trim ---- */

static void trimmed(const sdp_dal_store *store) {
    uint64_t bytes = 0;
    sdp_dal_store_stat stat;
    sdp_dal_ref_free(put(store, 2.5, 4 << 20));
    OK(sdp_dal_store_trim(store, &bytes));
    CHECK(bytes >= 32 << 20);
    CLEAR(stat);
    OK(sdp_dal_store_get_stat(store, &stat));
    CHECK(stat.reserved < 16 << 20);
    OK(sdp_dal_store_trim(store, &bytes));
    CHECK(bytes == 0);
    OK(sdp_dal_store_evict(store, 1, &bytes));
    CHECK(bytes == 0);
}

/* ---- references across processes ---- */

static double first_value(const sdp_dal_ref *reference) {
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view;
    double value;
    OK(sdp_dal_ref_get_tensor(reference, 30000000000, &tensor, NULL));
    CLEAR(view);
    OK(sdp_dal_tensor_get_view(tensor, &view));
    value = *(const double *)view.data;
    sdp_dal_tensor_free(tensor);
    return value;
}

/* The child imports, says so, and uses the object after the parent has let it go. */
static void import_in_child(int from_parent, int to_parent) {
    char text[8192], byte = 'i';
    sdp_dal_ref *reference = NULL;
    ssize_t size = read(from_parent, text, sizeof text - 1);
    CHECK(size > 0);
    text[size] = 0;
    OK(sdp_dal_ref_import(NULL, text, &reference));
    CHECK(ref_is_owning(reference));
    CHECK(write(to_parent, &byte, 1) == 1);
    CHECK(read(from_parent, &byte, 1) == 1);
    CHECK(first_value(reference) == 3.5);
    sdp_dal_ref_free(reference);
    FAILS(sdp_dal_ref_import(NULL, text, &reference), SDP_DAL_OBJECT_DELETED);
    CHECK(reference == NULL);
}

static void passed_to_another_process(const char *path) {
    int down[2], up[2], status = 0;
    char text[8192], byte;
    size_t length = sizeof text;
    CHECK(pipe(down) == 0 && pipe(up) == 0);
    /* Before the library is used: the child attaches for itself. */
    pid_t child = fork();
    if (child == 0) {
        import_in_child(down[0], up[1]);
        _exit(0);
    }
    sdp_dal_store *store = open_store(path, "exporter");
    sdp_dal_ref *unborn = NULL, *reference = put(store, 3.5, 100), *again = NULL;
    OK(sdp_dal_ref_new(store, NULL, &unborn));
    FAILS(sdp_dal_ref_export(unborn, text, &length), SDP_DAL_NOT_FOUND);
    sdp_dal_ref_free(unborn);
    length = sizeof text;
    OK(sdp_dal_ref_export(reference, text, &length));
    CHECK(length == strlen(text) + 1);
    CHECK(write(down[1], text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(read(up[0], &byte, 1) == 1);
    sdp_dal_ref_free(reference);
    CHECK(write(down[1], &byte, 1) == 1);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);

    FAILS(sdp_dal_ref_import(store, text, &again), SDP_DAL_OBJECT_DELETED);
    FAILS(sdp_dal_ref_import(store, "sdp-dal-ref:1:12", &again), SDP_DAL_INVALID_ARGUMENT);
    SAYS("cut off");
    FAILS(sdp_dal_ref_import(store, "hello", &again), SDP_DAL_INVALID_ARGUMENT);

    /* Another store, and a later one at the same path. */
    char other[4096];
    snprintf(other, sizeof other, "%s-other", path);
    sdp_dal_store *second = open_store(other, "exporter");
    FAILS(sdp_dal_ref_import(second, text, &again), SDP_DAL_INVALID_ARGUMENT);
    SAYS("is in the store");
    sdp_dal_store_close(second);
    sdp_dal_store_close(store);
    FAILS(sdp_dal_ref_import(NULL, text, &again), SDP_DAL_NOT_FOUND);
    store = open_store(path, "exporter");
    FAILS(sdp_dal_ref_import(store, text, &again), SDP_DAL_OBJECT_DELETED);
    SAYS("earlier store");
    sdp_dal_store_close(store);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    passed_to_another_process(argv[1]);
    the_log(argv[1]);
    a_hook_that_was_replaced_runs_no_more(argv[1]);
    sdp_dal_store *store = open_store(argv[1], "operate");
    clients_and_holders(store);
    all_stores(argv[1]);
    trimmed(store);
    sdp_dal_store_close(store);
    return 0;
}
