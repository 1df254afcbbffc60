/* The store as a thread opens and closes it, how objects are created, and those that are a thread's
 * own. */
#include "worker.h"

#include <string.h>

/* ---- the store ------------------------------------------------------------------------------- */

/* Until there is one; ended if that is told meanwhile. */
int open_store(struct thread *me) {
    sdp_dal_store_options options = {.struct_size = sizeof options};
    while (!told_to_end) {
        options.size = store_size;
        options.max_objects = 1 << 16;
        options.flags = evicting ? SDP_DAL_STORE_EVICTION : 0;
        begin(me, OPEN);
        sdp_dal_status status = sdp_dal_store_open(path, &options, &me->store);
        done(me, OPEN);
        if (went(OPEN, status, 0)) return 1;
        nap(5000000);
    }
    return 0;
}

void release(struct thread *me, struct held *held) {
    if (held->buffer == NULL) return;
    begin(me, RELEASE);
    verify(held->buffer, held->id);
    sdp_dal_buffer_free(held->buffer);
    held->buffer = NULL;
    done(me, RELEASE);
}

void disown(struct owned *owned) {
    sdp_dal_ref_free(owned->ref);
    sdp_dal_writer_free(owned->writer);
    memset(owned, 0, sizeof *owned);
}

void close_store(struct thread *me) {
    for (int i = 0; i < HOLDS; i++) release(me, &me->held[i]);
    begin(me, CLOSE);
    for (int i = 0; i < OWNED; i++) disown(&me->owned[i]);
    sdp_dal_subscription_free(me->events);
    me->events = NULL;
    sdp_dal_caller_close(me->caller);
    me->caller = NULL;
    sdp_dal_store_close(me->store);
    me->store = NULL;
    done(me, CLOSE);
}

/* ---- creating objects, and those of its own -------------------------------------------------- */

sdp_dal_writer *create(struct thread *me, const uint8_t *id, uint32_t flags, uint32_t may) {
    sdp_dal_object_spec spec = {.struct_size = sizeof spec};
    sdp_dal_writer *writer = NULL;
    void *data = NULL;
    uint64_t metadata[3];
    const uint64_t size = some_size(me), sequence = next(me);
    metadata_of(metadata, size, id, sequence);
    spec.data_size = size;
    spec.metadata = (const uint8_t *)metadata;
    spec.metadata_size = sizeof metadata;
    spec.full_timeout_ns = below(me, 2) == 0 ? 1 : (int64_t)below(me, 300) * 1000000;
    spec.flags = flags;
    if (!went(CREATE, sdp_dal_object_create(me->store, id, &spec, &data, &writer), may))
        return NULL;
    fill(data, size, id, sequence);
    if (below(me, 16) == 0) nap((int64_t)below(me, 20) * 1000000);
    return writer;
}

void put_own(struct thread *me) {
    struct owned *owned = &me->owned[below(me, OWNED)];
    const uint64_t key = next(me);
    begin(me, PUT);
    disown(owned);
    owned->key = key;
    if (below(me, 2) == 0) {
        sdp_dal_tensor_spec spec = {.struct_size = sizeof spec};
        sdp_dal_ref_info about = {.struct_size = sizeof about};
        void *data = NULL;
        const int64_t shape[1] = {array_size(me)};
        spec.shape = shape, spec.ndim = 1, spec.dtype = SDP_DAL_INT64;
        owned->tensor = 1;
        if (went(PUT, sdp_dal_tensor_create(me->store, &spec, &data, &owned->ref), 0)) {
            fill_array(data, (uint64_t)shape[0], key);
            if (!went(PUT, sdp_dal_ref_seal(owned->ref), 0) ||
                !went(PUT, sdp_dal_ref_get_info(owned->ref, &about), 0)) {
                disown(owned);
            }
            memcpy(owned->id, about.id, sizeof owned->id);
        }
    } else if (went(PUT, sdp_dal_store_new_id(me->store, owned->id), 0)) {
        owned->writer = create(me, owned->id, SDP_DAL_OBJECT_WANTED, 0);
        if (owned->writer != NULL && !went(PUT, sdp_dal_writer_seal(owned->writer), 0))
            disown(owned);
    }
    done(me, PUT);
}

/* What it owns is there, whoever died or was stopped. */
void get_own(struct thread *me) {
    struct owned *owned = &me->owned[below(me, OWNED)];
    if (owned->ref == NULL && owned->writer == NULL) return;
    begin(me, OWN_GET);
    if (owned->tensor) {
        sdp_dal_tensor *tensor = NULL;
        if (went(OWN_GET, sdp_dal_ref_get_tensor(owned->ref, 0, &tensor, NULL), 0)) {
            verify_tensor(tensor, owned->key, 0, owned->id);
        }
        sdp_dal_tensor_free(tensor);
    } else {
        sdp_dal_buffer *buffer = NULL;
        if (went(OWN_GET, sdp_dal_object_get(me->store, owned->id, 0, &buffer), 0))
            verify(buffer, owned->id);
        sdp_dal_buffer_free(buffer);
    }
    done(me, OWN_GET);
}

/* By text to another handle, which then is the owner. */
void pass(struct thread *me) {
    struct owned *owned = &me->owned[below(me, OWNED)];
    static _Thread_local char text[4096];
    size_t length = sizeof text;
    sdp_dal_ref *adopted = NULL;
    if (owned->ref == NULL) return;
    begin(me, PASS);
    if (went(PASS, sdp_dal_ref_export(owned->ref, text, &length), 0) &&
        went(PASS, sdp_dal_ref_import(me->store, text, &adopted), 0)) {
        sdp_dal_ref_free(owned->ref);
        owned->ref = adopted;
    }
    done(me, PASS);
}
