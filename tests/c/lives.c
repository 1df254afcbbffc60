/* What outlives a store, and what outlives a thread: identities, IDs that were written down, and
   pthread_cancel(). argv[1]: the store's path. */
#include "check.h"

#include <pthread.h>

static sdp_dal_store *open_store(const char *path) {
    sdp_dal_store *store = NULL;
    sdp_dal_store_options options;
    CLEAR(options);
    options.size = 32 << 20;
    OK(sdp_dal_store_open(path, &options, &store));
    return store;
}

static sdp_dal_ref *put(const sdp_dal_store *store, size_t size, uint8_t *id) {
    sdp_dal_ref *ref = NULL;
    uint8_t *bytes = (uint8_t *)calloc(1, size);
    CHECK(bytes != NULL);
    OK(sdp_dal_object_put(store, bytes, size, NULL, 0, &ref));
    OK(ref_id(ref, id));
    free(bytes);
    return ref;
}

/* A store that is made again at the same path is another one, and repeats no ID. */
static void identities(const char *path) {
    uint8_t first[SDP_DAL_ID_SIZE], second[SDP_DAL_ID_SIZE];
    sdp_dal_store_info one, same, other;
    sdp_dal_store *store = open_store(path);
    sdp_dal_store *again = open_store(path);
    OK(store_info(store, &one));
    OK(store_info(again, &same));
    CHECK(one.identity == same.identity && one.identity != 0 && one.client == same.client);
    sdp_dal_ref_free(put(store, 8, first));
    sdp_dal_store_close(store);
    sdp_dal_store_close(again);

    store = open_store(path);
    OK(store_info(store, &other));
    CHECK(other.identity != one.identity);
    sdp_dal_ref_free(put(store, 8, second));
    CHECK(memcmp(first, second, sizeof first) != 0);
    sdp_dal_store_close(store);
}

static void *trims(void *argument) {
    const sdp_dal_store *store = (const sdp_dal_store *)argument;
    uint64_t bytes = 0;
    /* From here on the first cancellation point ends this thread: trimming has one under the
     * store's lock. */
    pthread_cancel(pthread_self());
    OK(sdp_dal_store_trim(store, &bytes));
    CHECK(bytes > 0);
    pthread_testcancel();
    return argument;
}

/* pthread_cancel() waits until a thread that holds the lock has given it back. */
static void cancels(const char *path) {
    uint8_t id[SDP_DAL_ID_SIZE];
    sdp_dal_store *store = open_store(path);
    sdp_dal_store_stat stat;
    pthread_t thread;
    void *result = NULL;
    sdp_dal_ref_free(put(store, 8 << 20, id));
    CHECK(pthread_create(&thread, NULL, trims, store) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
    CLEAR(stat);
    OK(sdp_dal_store_get_stat(store, &stat));
    CHECK(stat.recoveries == 0);
    sdp_dal_store_close(store);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    identities(argv[1]);
    cancels(argv[1]);
    return 0;
}
