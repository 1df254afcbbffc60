/* What the programs that measure this library share. */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include "bench.h"

#include <sdp_dal.h>

#define OK(call) check((call), #call)

static inline void check(sdp_dal_status status, const char *what) {
    char text[SDP_DAL_MESSAGE_SIZE] = "";
    size_t length = sizeof text;
    if (status == SDP_DAL_OK) return;
    sdp_dal_last_error(text, &length);
    fprintf(stderr, "%s: %s: %s\n", what, sdp_dal_status_name(status), text);
    exit(1);
}

static sdp_dal_store *store;
/* What a store is made for, 0: the default. */
static uint32_t max_objects;

/* The store of this job; it is made by the first who opens it. */
static inline void open_store(uint64_t size) {
    char path[4096];
    sdp_dal_store_options options = {.struct_size = sizeof options};
    snprintf(path, sizeof path, "%s/store", bench.folder);
    options.size = size;
    options.max_objects = max_objects;
    OK(sdp_dal_store_open(path, &options, &store));
}

static inline void close_store(void) {
    sdp_dal_store_close(store);
    store = NULL;
}

struct id {
    uint8_t bytes[SDP_DAL_ID_SIZE];
};

/* The first four bytes are those of a prefix, as IDs of namespaces have it. */
static inline struct id id_of(uint32_t prefix, uint64_t number) {
    struct id id = {{0}};
    memcpy(id.bytes, &prefix, sizeof prefix);
    memcpy(id.bytes + sizeof id.bytes - sizeof number, &number, sizeof number);
    return id;
}

static inline sdp_dal_object_spec spec_of(uint64_t size) {
    sdp_dal_object_spec spec = {.struct_size = sizeof spec};
    spec.data_size = size;
    return spec;
}

/* Creates an object of 100 bytes, writes it and seals it. */
static inline void put_small(const struct id *id, const sdp_dal_object_spec *spec) {
    static const unsigned char bytes[SMALL] = {1, 2, 3};
    sdp_dal_writer *writer = NULL;
    void *data = NULL;
    OK(sdp_dal_object_create(store, id->bytes, spec, &data, &writer));
    memcpy(data, bytes, SMALL);
    OK(sdp_dal_writer_seal(writer));
    sdp_dal_writer_free(writer);
}

static inline void delete_object(const struct id *id) {
    OK(sdp_dal_object_delete(store, id->bytes, SDP_DAL_DELETE_NOW));
}

static inline sdp_dal_tensor_view view_of(const void *data, const int64_t *shape, int32_t dtype) {
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    view.data = data;
    view.shape = shape;
    view.ndim = 1;
    view.dtype = dtype;
    return view;
}

#endif
