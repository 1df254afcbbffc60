/* What objects and the arrays of calls contain: all of it follows from a few numbers, so that it
 * can be checked. */
#include "worker.h"

#include <string.h>

/* Word i of whatever has this key. */
static uint64_t word_of(uint64_t key, uint64_t i) { return mixed(key + i * 0x9e3779b97f4a7c15u); }

/* From nothing to some megabytes, mostly small. */
uint64_t some_size(struct thread *me) {
    switch (below(me, 8)) {
    case 0:
        return below(me, 17);
    case 1:
    case 2:
    case 3:
        return below(me, 4200);
    case 4:
    case 5:
    case 6:
        return below(me, largest < 65536 ? largest : 65536);
    default:
        return below(me, largest + 1);
    }
}

static uint64_t key_of(const uint8_t *id, uint64_t sequence) {
    uint64_t hash = sequence;
    for (int i = 0; i < SDP_DAL_ID_SIZE; i++) hash = (hash ^ id[i]) * 0x100000001b3u;
    return mixed(hash);
}

/* An object under an ID: its first word is a number, from which and the ID all others follow. */
void fill(uint8_t *data, uint64_t size, const uint8_t *id, uint64_t sequence) {
    const uint64_t key = key_of(id, sequence);
    uint64_t *words = (uint64_t *)data;
    for (uint64_t i = 0; i < size / 8; i++) words[i] = i == 0 ? sequence : word_of(key, i);
    const uint64_t last = word_of(size < 8 ? key_of(id, 0) : key, size / 8);
    memcpy(data + size / 8 * 8, &last, size % 8);
}

static int is_right(const uint8_t *data, uint64_t size, const uint8_t *id) {
    const uint64_t *words = (const uint64_t *)data;
    const uint64_t key = size < 8 ? 0 : key_of(id, words[0]);
    uint64_t difference = 0;
    for (uint64_t i = 1; i < size / 8; i++) difference |= words[i] ^ word_of(key, i);
    const uint64_t last = word_of(size < 8 ? key_of(id, 0) : key, size / 8);
    add(VERIFIED, size);
    return difference == 0 && (size % 8 == 0 || memcmp(data + size / 8 * 8, &last, size % 8) == 0);
}

void metadata_of(uint64_t *metadata, uint64_t size, const uint8_t *id, uint64_t sequence) {
    metadata[0] = sequence;
    metadata[1] = size;
    metadata[2] = key_of(id, sequence ^ size);
}

void verify(const sdp_dal_buffer *buffer, const uint8_t *id) {
    sdp_dal_buffer_info info = {.struct_size = sizeof info};
    uint64_t found[3], expected[3];
    if (!went(RELEASE, sdp_dal_buffer_get_info(buffer, &info), 0)) return;
    const void *data = info.data, *metadata = info.metadata;
    const size_t size = info.data_size, metadata_size = info.metadata_size;
    if (memcmp(info.id, id, sizeof info.id) != 0) wrong("a buffer of another object", id);
    if (!is_right(data, size, id)) wrong("data", id);
    /* Python writes no metadata. */
    if (metadata_size == 0) return;
    memset(found, 0, sizeof found);
    memcpy(found, metadata, metadata_size < METADATA ? metadata_size : METADATA);
    metadata_of(expected, size, id, found[0]);
    const int other = size >= 8 && memcmp(data, found, 8) != 0;
    if (metadata_size != METADATA || other || memcmp(found, expected, METADATA) != 0)
        wrong("metadata", id);
}

void verify_tensor(const sdp_dal_tensor *tensor, uint64_t key, uint64_t offset, const uint8_t *id) {
    sdp_dal_tensor_view view = {.struct_size = sizeof view};
    if (!went(OWN_GET, sdp_dal_tensor_get_view(tensor, &view), 0)) return;
    if (view.ndim != 1 || view.dtype != SDP_DAL_INT64 || view.shape[0] < 2) {
        wrong("a tensor of another type", id);
        return;
    }
    const int64_t *array = view.data;
    if ((uint64_t)array[0] != key || (uint64_t)array[1] != offset ||
        !array_is_right(array, (uint64_t)view.shape[0])) {
        wrong("a tensor", id);
    }
}

/* An array that goes through calls: a key, an offset, and words that follow from both. */
void fill_array(int64_t *array, uint64_t count, uint64_t key) {
    for (uint64_t i = 0; i < count; i++)
        array[i] = (int64_t)(i == 0 ? key : i == 1 ? 0 : word_of(key, i));
}

int array_is_right(const int64_t *array, uint64_t count) {
    uint64_t difference = 0;
    for (uint64_t i = 2; i < count; i++) {
        difference |= (uint64_t)array[i] ^ (word_of((uint64_t)array[0], i) + (uint64_t)array[1]);
    }
    add(VERIFIED, 8 * count);
    return difference == 0;
}

int64_t array_size(struct thread *me) { return 2 + (int64_t)(some_size(me) / 8); }

void shared_id(struct thread *me, uint8_t *id) {
    memset(id, 0xee, SDP_DAL_ID_SIZE);
    id[SDP_DAL_ID_SIZE - 1] = (uint8_t)below(me, SHARED);
}
