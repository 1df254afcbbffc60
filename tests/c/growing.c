/* A store whose memory grows. argv: the store's path and what to try; the kernel is that of
 * tests/preload/kernel.c. */
#include <unistd.h>

#include "check.h"

static sdp_dal_store *opened(const char *path, uint64_t size) {
    sdp_dal_store_options options;
    sdp_dal_store *store = NULL;
    CLEAR(options);
    options.size = size;
    OK(sdp_dal_store_open(path, &options, &store));
    return store;
}

static sdp_dal_status put(const sdp_dal_store *store, int64_t bytes, unsigned char value,
                          sdp_dal_ref **out) {
    sdp_dal_tensor_view view;
    unsigned char *data = (unsigned char *)malloc((size_t)bytes);
    CHECK(data != NULL);
    memset(data, value, (size_t)bytes);
    CLEAR(view);
    view.data = data;
    view.shape = &bytes;
    view.dtype = SDP_DAL_UINT8;
    view.ndim = 1;
    sdp_dal_status status = sdp_dal_tensor_put(store, &view, out);
    free(data);
    return status;
}

static void holds(const sdp_dal_ref *ref, int64_t bytes, unsigned char value) {
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view;
    OK(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, NULL));
    CLEAR(view);
    OK(sdp_dal_tensor_get_view(tensor, &view));
    const unsigned char *data = (const unsigned char *)view.data;
    CHECK(view.shape[0] == bytes);
    for (int64_t i = 0; i < bytes; i++) CHECK(data[i] == value);
    sdp_dal_tensor_free(tensor);
}

/* Tensors of 4 KB to 3 MB, some deleted before others are put. */
static void sizes(const char *path) {
    enum { COUNT = 60, HELD = 6 };
    sdp_dal_store *store = opened(path, 64 << 20);
    sdp_dal_ref *refs[HELD] = {NULL};
    int64_t bytes[HELD] = {0};
    for (int i = 0; i < COUNT; i++) {
        const int slot = i * 5 % HELD;
        if (refs[slot] != NULL) {
            holds(refs[slot], bytes[slot], (unsigned char)slot);
            sdp_dal_ref_free(refs[slot]);
        }
        bytes[slot] = 4096 + (int64_t)i * 997 * 53 % (3 << 20);
        OK(put(store, bytes[slot], (unsigned char)slot, &refs[slot]));
        for (int j = 0; j < HELD; j++) {
            if (refs[j] != NULL) holds(refs[j], bytes[j], (unsigned char)j);
        }
    }
    for (int j = 0; j < HELD; j++) sdp_dal_ref_free(refs[j]);
    sdp_dal_store_close(store);
}

/* The second opening of pages for writing fails, and each one after it. */
static void not_writable(const char *path) {
    sdp_dal_store *store = opened(path, 64 << 20);
    sdp_dal_ref *first = NULL, *second = NULL;
    sdp_dal_store_stat before, after;
    CLEAR(before);
    CLEAR(after);
    OK(put(store, 3 << 20, 1, &first));
    OK(sdp_dal_store_get_stat(store, &before));
    FAILS(put(store, 3 << 20, 2, &second), SDP_DAL_OUT_OF_MEMORY);
    SAYS("SDP_DAL_PROTECT");
    CHECK(second == NULL);
    holds(first, 3 << 20, 1);
    OK(sdp_dal_store_get_stat(store, &after));
    CHECK(after.objects == before.objects && after.used == before.used);
    sdp_dal_ref_free(first);
    sdp_dal_store_close(store);
}

/* Grows by 30 MB. */
static void grow(const char *path) {
    sdp_dal_store *store = opened(path, 64 << 20);
    sdp_dal_ref *refs[10];
    for (int i = 0; i < 10; i++) OK(put(store, 3 << 20, (unsigned char)i, &refs[i]));
    for (int i = 0; i < 10; i++) holds(refs[i], 3 << 20, (unsigned char)i);
    for (int i = 0; i < 10; i++) sdp_dal_ref_free(refs[i]);
    sdp_dal_store_close(store);
}

/* Grows by 24 MB at once. */
static void grow_at_once(const char *path) {
    sdp_dal_store *store = opened(path, 64 << 20);
    sdp_dal_ref *ref = NULL;
    OK(put(store, 24 << 20, 1, &ref));
    holds(ref, 24 << 20, 1);
    sdp_dal_ref_free(ref);
    sdp_dal_store_close(store);
}

/* Grows by 1 MB. */
static void grow_little(const char *path) {
    sdp_dal_store *store = opened(path, 64 << 20);
    sdp_dal_ref *ref = NULL;
    OK(put(store, 1 << 20, 1, &ref));
    sdp_dal_ref_free(ref);
    sdp_dal_store_close(store);
}

/* The file system has no more memory. */
static void full(const char *path) {
    sdp_dal_store *store = opened(path, 64 << 20);
    sdp_dal_ref *ref = NULL;
    FAILS(put(store, 24 << 20, 1, &ref), SDP_DAL_OUT_OF_MEMORY);
    CHECK(ref == NULL);
    puts(check_last_error());
    sdp_dal_store_close(store);
}

static void reserve(const char *path) {
    sdp_dal_store_options options;
    sdp_dal_store *store = NULL;
    CLEAR(options);
    options.size = 64 << 20;
    options.flags = SDP_DAL_STORE_RESERVE;
    FAILS(sdp_dal_store_open(path, &options, &store), SDP_DAL_OUT_OF_MEMORY);
    puts(check_last_error());
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    const struct {
        const char *name;
        void (*run)(const char *);
    } parts[] = {{"sizes", sizes},
                 {"not writable", not_writable},
                 {"grow", grow},
                 {"grow at once", grow_at_once},
                 {"grow little", grow_little},
                 {"full", full},
                 {"reserve", reserve}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(parts[i].name, argv[2]) == 0) {
            parts[i].run(argv[1]);
            return 0;
        }
    }
    fprintf(stderr, "no part '%s'\n", argv[2]);
    return 1;
}
