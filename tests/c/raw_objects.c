/* Raw objects by their ID, as Plasma had them. argv[1]: the store's path. */
#include "check.h"

static sdp_dal_store *open_store(const char *path) {
    sdp_dal_store *store = NULL;
    sdp_dal_store_options options;
    CLEAR(options);
    options.size = 16 << 20;
    options.name = "raw objects";
    OK(sdp_dal_store_open(path, &options, &store));
    CHECK(store != NULL);
    return store;
}

static void make_id(uint8_t *id, uint8_t number) {
    memset(id, 0, SDP_DAL_ID_SIZE);
    memcpy(id, "test", 4);
    id[19] = number;
}

static void put(sdp_dal_store *store, const uint8_t *id, const char *text, uint32_t flags) {
    static const uint8_t metadata[] = "kind=text";
    sdp_dal_object_spec spec;
    sdp_dal_writer *writer = NULL;
    void *data = NULL;
    bool there = true;
    CLEAR(spec);
    spec.data_size = strlen(text);
    spec.metadata = metadata;
    spec.metadata_size = sizeof metadata;
    spec.flags = flags;
    OK(sdp_dal_object_create(store, id, &spec, &data, &writer));
    CHECK(data != NULL && (uintptr_t)data % 64 == 0);
    OK(sdp_dal_object_contains(store, id, &there));
    CHECK(!there);
    memcpy(data, text, strlen(text));
    OK(sdp_dal_writer_seal(writer));
    FAILS(sdp_dal_writer_seal(writer), SDP_DAL_ALREADY_EXISTS);
    sdp_dal_writer_free(writer);
}

static void life(sdp_dal_store *store) {
    uint8_t id[SDP_DAL_ID_SIZE];
    sdp_dal_buffer_info info;
    const void *bytes = NULL;
    size_t size = 0;
    bool there = false;
    sdp_dal_buffer *buffer = NULL, *second = NULL;
    sdp_dal_writer *writer = NULL;
    sdp_dal_object_spec spec;
    void *data = NULL;
    make_id(id, 1);
    put(store, id, "visibility", 0);
    OK(sdp_dal_object_contains(store, id, &there));
    CHECK(there);

    CLEAR(spec);
    spec.data_size = 1;
    FAILS(sdp_dal_object_create(store, id, &spec, &data, &writer), SDP_DAL_ALREADY_EXISTS);
    CHECK(data == NULL && writer == NULL);

    OK(sdp_dal_object_get(store, id, SDP_DAL_POLL, &buffer));
    OK(buffer_data(buffer, &bytes, &size));
    CHECK(size == 10 && memcmp(bytes, "visibility", size) == 0);
    CLEAR(info);
    OK(sdp_dal_buffer_get_info(buffer, &info));
    CHECK(info.metadata_size == 10 && memcmp(info.metadata, "kind=text", 10) == 0);
    CHECK(memcmp(info.id, id, sizeof id) == 0);
    OK(sdp_dal_buffer_clone(buffer, &second));
    sdp_dal_buffer_free(buffer);

    /* Deleted, but held. */
    OK(sdp_dal_object_delete(store, id, SDP_DAL_DELETE_NOW));
    OK(sdp_dal_object_contains(store, id, &there));
    CHECK(!there);
    FAILS(sdp_dal_object_delete(store, id, SDP_DAL_DELETE_NOW), SDP_DAL_NOT_FOUND);
    OK(buffer_data(second, &bytes, &size));
    CHECK(memcmp(bytes, "visibility", size) == 0);
    sdp_dal_buffer_free(second);

    FAILS(sdp_dal_object_get(store, id, SDP_DAL_POLL, &buffer), SDP_DAL_TIMEOUT);
    CHECK(buffer == NULL);
    FAILS(sdp_dal_object_get(store, id, 1000000, &buffer), SDP_DAL_TIMEOUT);
    FAILS(sdp_dal_object_get(store, id, -2, &buffer), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'timeout_ns' is -2");
    FAILS(sdp_dal_object_delete(store, id, 2), SDP_DAL_INVALID_ARGUMENT);

    put(store, id, "again", 0);
    OK(sdp_dal_object_get(store, id, SDP_DAL_POLL, &buffer));
    OK(sdp_dal_object_delete(store, id, SDP_DAL_DELETE_WHEN_RELEASED));
    OK(sdp_dal_object_contains(store, id, &there));
    CHECK(there);
    sdp_dal_buffer_free(buffer);
    OK(sdp_dal_object_contains(store, id, &there));
    CHECK(!there);
}

static void aborted(sdp_dal_store *store) {
    uint8_t id[SDP_DAL_ID_SIZE];
    sdp_dal_object_spec spec;
    sdp_dal_writer *writer = NULL;
    void *data = NULL;
    bool there = true;
    make_id(id, 2);
    CLEAR(spec);
    spec.data_size = 100;
    spec.flags = SDP_DAL_OBJECT_ZEROED;
    OK(sdp_dal_object_create(store, id, &spec, &data, &writer));
    for (int i = 0; i < 100; i++) CHECK(((const char *)data)[i] == 0);
    /* Freed without sealing: given up. */
    sdp_dal_writer_free(writer);
    OK(sdp_dal_object_contains(store, id, &there));
    CHECK(!there);

    spec.flags = 64;
    FAILS(sdp_dal_object_create(store, id, &spec, &data, &writer), SDP_DAL_INVALID_ARGUMENT);
    spec.flags = 0;
    spec.data_size = UINT64_MAX;
    spec.full_timeout_ns = 1;
    sdp_dal_status status = sdp_dal_object_create(store, id, &spec, &data, &writer);
    CHECK(status == SDP_DAL_OUT_OF_MEMORY || status == SDP_DAL_INVALID_ARGUMENT);
    CHECK(data == NULL && writer == NULL);
}

/* A store without room for a megabyte: what is put waits as long as each option says. */
static void full(const char *path) {
    char other[4096];
    sdp_dal_store_options options;
    sdp_dal_store *store = NULL;
    sdp_dal_ref *filling = NULL, *ref = NULL;
    sdp_dal_tensor_spec spec;
    sdp_dal_tensor_view view;
    void *data = NULL;
    static const char much[1 << 20] = {0};
    const int64_t most = (4 << 20) - (1 << 19), shape = (int64_t)sizeof much;
    snprintf(other, sizeof other, "%s-full", path);
    CLEAR(options);
    options.size = 4 << 20;
    OK(sdp_dal_store_open(other, &options, &store));
    CLEAR(spec);
    spec.ndim = 1;
    spec.dtype = SDP_DAL_UINT8;
    spec.shape = &most;
    OK(sdp_dal_tensor_create(store, &spec, &data, &filling));
    CLEAR(view);
    view.data = much;
    view.ndim = 1;
    view.dtype = SDP_DAL_UINT8;
    view.shape = spec.shape = &shape;
    spec.full_timeout_ns = 1000000;
    FAILS(sdp_dal_tensor_create(store, &spec, &data, &ref), SDP_DAL_OUT_OF_MEMORY);
    FAILS(sdp_dal_store_set_full_timeout(store, -2), SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_store_set_full_timeout(store, 1));
    FAILS(sdp_dal_tensor_put(store, &view, &ref), SDP_DAL_OUT_OF_MEMORY);
    FAILS(sdp_dal_object_put(store, much, sizeof much, NULL, 0, &ref), SDP_DAL_OUT_OF_MEMORY);
    OK(sdp_dal_store_set_full_timeout(store, 0));
    OK(sdp_dal_ref_new(store, NULL, &ref));
    OK(sdp_dal_ref_set_full_timeout(ref, 1));
    FAILS(sdp_dal_ref_put_tensor(ref, &view), SDP_DAL_OUT_OF_MEMORY);
    /* There is room again. */
    sdp_dal_ref_free(filling);
    OK(sdp_dal_ref_set_full_timeout(ref, SDP_DAL_WAIT_FOREVER));
    OK(sdp_dal_ref_put_tensor(ref, &view));
    sdp_dal_ref_free(ref);
    sdp_dal_store_close(store);
}

static void many(sdp_dal_store *store) {
    uint8_t ids[3 * SDP_DAL_ID_SIZE];
    sdp_dal_buffer *buffers[3];
    sdp_dal_status statuses[3];
    const void *bytes = NULL;
    size_t size = 0;
    for (uint8_t i = 0; i < 3; i++) make_id(ids + i * SDP_DAL_ID_SIZE, (uint8_t)(10 + i));
    put(store, ids, "first", 0);
    put(store, ids + 2 * SDP_DAL_ID_SIZE, "third", SDP_DAL_OBJECT_EVICTABLE);
    OK(sdp_dal_object_get_many(store, ids, 3, 1000000, buffers, statuses));
    CHECK(buffers[0] != NULL && buffers[1] == NULL && buffers[2] != NULL);
    CHECK(statuses[0] == SDP_DAL_OK && statuses[1] == SDP_DAL_TIMEOUT && statuses[2] == SDP_DAL_OK);
    OK(buffer_data(buffers[2], &bytes, &size));
    CHECK(size == 5 && memcmp(bytes, "third", 5) == 0);
    for (int i = 0; i < 3; i++) sdp_dal_buffer_free(buffers[i]);
    OK(sdp_dal_object_get_many(store, ids, 3, SDP_DAL_POLL, buffers, NULL));
    for (int i = 0; i < 3; i++) sdp_dal_buffer_free(buffers[i]);
    OK(sdp_dal_object_get_many(store, NULL, 0, SDP_DAL_POLL, NULL, NULL));
}

static void listed(sdp_dal_store *store) {
    uint8_t id[SDP_DAL_ID_SIZE];
    sdp_dal_list *list = NULL;
    sdp_dal_object_info info;
    size_t first = 0, count = 0;
    make_id(id, 10);
    OK(sdp_dal_store_list_objects(store, (const uint8_t *)"test", 4, &list, &count));
    CHECK(count == 2);
    CLEAR(info);
    OK(sdp_dal_list_get_info(list, 0, &info));
    if (memcmp(info.id, id, sizeof id) != 0) first = 1;
    OK(sdp_dal_list_get_info(list, first, &info));
    CHECK(memcmp(info.id, id, sizeof id) == 0);
    CHECK(info.struct_size == sizeof info);
    CHECK(info.state == SDP_DAL_STATE_SEALED && info.data_size == 5 && info.metadata_size == 10);
    CHECK((info.flags & SDP_DAL_INFO_KEPT) != 0 && info.created_ns > 0 && info.pins == 0);
    FAILS(sdp_dal_list_get_info(list, 2, &info), SDP_DAL_INVALID_ARGUMENT);
    CHECK(info.struct_size == sizeof info && info.data_size == 0);
    sdp_dal_list_free(list);

    OK(sdp_dal_object_get_info(store, id, &info));
    CHECK(info.data_size == 5);
    /* A caller that knows only the first fields. */
    sdp_dal_object_info small;
    memset(&small, 0x55, sizeof small);
    small.struct_size = offsetof(sdp_dal_object_info, created_ns);
    OK(sdp_dal_object_get_info(store, id, &small));
    CHECK(small.data_size == 5 && small.metadata_size == 10 &&
          small.created_ns == 0x5555555555555555);

    /* Nobody wants it, so that it goes when it is not kept. */
    OK(sdp_dal_object_set_keep(store, id, true));
    OK(sdp_dal_object_set_keep(store, id, false));
    make_id(id, 99);
    FAILS(sdp_dal_object_set_keep(store, id, true), SDP_DAL_NOT_FOUND);
    FAILS(sdp_dal_object_get_info(store, id, &info), SDP_DAL_NOT_FOUND);
    FAILS(sdp_dal_store_list_objects(store, id, 21, &list, &count), SDP_DAL_INVALID_ARGUMENT);
    CHECK(list == NULL && count == 0);
}

static void about_the_store(sdp_dal_store *store, const char *path) {
    sdp_dal_store_info info;
    sdp_dal_store_stat stat;
    sdp_dal_buffer *buffer = NULL;
    uint8_t id[SDP_DAL_ID_SIZE];
    OK(store_info(store, &info));
    CHECK(strcmp(info.path, path) == 0);
    CLEAR(stat);
    OK(sdp_dal_store_get_stat(store, &stat));
    CHECK(stat.size == 16 << 20 && stat.clients >= 1 && stat.used <= stat.size);
    stat.struct_size = 0;
    FAILS(sdp_dal_store_get_stat(store, &stat), SDP_DAL_INVALID_ARGUMENT);

    make_id(id, 77);
    OK(sdp_dal_store_interrupt(store, true));
    FAILS(sdp_dal_object_get(store, id, SDP_DAL_WAIT_FOREVER, &buffer), SDP_DAL_INTERRUPTED);
    OK(sdp_dal_store_interrupt(store, false));
    FAILS(sdp_dal_object_get(store, id, SDP_DAL_POLL, &buffer), SDP_DAL_TIMEOUT);
}

static void no_store_there(const char *path) {
    char other[4096];
    sdp_dal_store *store = NULL;
    sdp_dal_store_options options;
    snprintf(other, sizeof other, "%s-not-there", path);
    CLEAR(options);
    options.create = SDP_DAL_CREATE_NEVER;
    FAILS(sdp_dal_store_open(other, &options, &store), SDP_DAL_NOT_FOUND);
    CHECK(store == NULL);
    FAILS(sdp_dal_store_open("\xff", NULL, &store), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'path' is not UTF-8");
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    sdp_dal_store *store = open_store(argv[1]);
    life(store);
    aborted(store);
    full(argv[1]);
    many(store);
    listed(store);
    about_the_store(store, argv[1]);
    no_store_there(argv[1]);
    sdp_dal_store_close(store);
    return 0;
}
