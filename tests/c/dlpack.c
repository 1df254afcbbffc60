/* Tensors as DLPack's structs. argv[1]: the store's path. */
#include "check.h"

/* The structs of DLPack 1.0, as a program has them from its own header, after ours. */
typedef struct {
    int32_t device_type, device_id;
} DLDevice;
typedef struct {
    uint8_t code, bits;
    uint16_t lanes;
} DLDataType;
typedef struct {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} DLTensor;
typedef struct DLManagedTensor {
    DLTensor dl_tensor;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensor *self);
} DLManagedTensor;
typedef struct DLManagedTensorVersioned {
    struct {
        uint32_t major, minor;
    } version;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensorVersioned *self);
    uint64_t flags;
    DLTensor dl_tensor;
} DLManagedTensorVersioned;

/* Puts a tensor of 2 by 3 with these byte strides, and holds it. */
static sdp_dal_tensor *put(sdp_dal_store *store, int32_t dtype, const void *data,
                           const int64_t *strides) {
    const int64_t shape[2] = {2, 3};
    sdp_dal_tensor_view view;
    sdp_dal_ref *ref = NULL;
    sdp_dal_tensor *tensor = NULL;
    CLEAR(view);
    view.data = data;
    view.shape = shape;
    view.strides = strides;
    view.dtype = dtype;
    view.ndim = 2;
    OK(sdp_dal_tensor_put(store, &view, &ref));
    OK(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, NULL));
    sdp_dal_ref_free(ref);
    return tensor;
}

static void every_type(sdp_dal_store *store) {
    static const struct {
        int32_t dtype;
        uint8_t code, bits;
    } types[] = {{SDP_DAL_BOOL, 6, 8},       {SDP_DAL_INT8, 0, 8},        {SDP_DAL_INT16, 0, 16},
                 {SDP_DAL_INT32, 0, 32},     {SDP_DAL_INT64, 0, 64},      {SDP_DAL_UINT8, 1, 8},
                 {SDP_DAL_UINT16, 1, 16},    {SDP_DAL_UINT32, 1, 32},     {SDP_DAL_UINT64, 1, 64},
                 {SDP_DAL_FLOAT16, 2, 16},   {SDP_DAL_FLOAT32, 2, 32},    {SDP_DAL_FLOAT64, 2, 64},
                 {SDP_DAL_COMPLEX64, 5, 64}, {SDP_DAL_COMPLEX128, 5, 128}};
    uint8_t bytes[96];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i % 2);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const size_t size = sdp_dal_dtype_size(types[i].dtype);
        const int64_t byte_strides[2] = {(int64_t)size, (int64_t)(2 * size)};
        sdp_dal_tensor *tensor = put(store, types[i].dtype, bytes, byte_strides);
        DLManagedTensorVersioned *out = NULL;
        DLManagedTensor *old = NULL;
        int64_t strides[SDP_DAL_MAX_DIMS];
        sdp_dal_tensor_view view;
        OK(sdp_dal_tensor_to_dlpack(tensor, 1, (void **)&out));
        OK(sdp_dal_tensor_to_dlpack(tensor, 0, (void **)&old));
        sdp_dal_tensor_free(tensor);
        CHECK(out->version.major == 1 && (out->flags & 1) != 0);
        const DLTensor *dl = &out->dl_tensor;
        CHECK(dl->device.device_type == 1 && dl->ndim == 2 && dl->dtype.lanes == 1);
        CHECK(dl->dtype.code == types[i].code && dl->dtype.bits == types[i].bits);
        CHECK(dl->shape[0] == 2 && dl->shape[1] == 3 && dl->strides[0] == 1 && dl->strides[1] == 2);
        CHECK(memcmp((const char *)dl->data + dl->byte_offset, bytes, 6 * size) == 0);
        CHECK(old->dl_tensor.data == dl->data && old->dl_tensor.strides[1] == 2);
        /* And in again: what was given out is put. */
        CLEAR(view);
        OK(sdp_dal_tensor_view_from_dlpack(out, 1, strides, &view));
        CHECK(view.dtype == types[i].dtype && view.strides[1] == byte_strides[1]);
        tensor = put(store, view.dtype, view.data, view.strides);
        OK(sdp_dal_tensor_get_view(tensor, &view));
        CHECK(memcmp(view.data, bytes, 6 * size) == 0);
        sdp_dal_tensor_free(tensor);
        OK(sdp_dal_tensor_view_from_dlpack(old, 0, strides, &view));
        CHECK(view.dtype == types[i].dtype && view.ndim == 2);
        old->deleter(old);
        CHECK(memcmp(dl->data, bytes, 6 * size) == 0);
        out->deleter(out);
    }
}

static void refused(void) {
    float values[6] = {0, 1, 2, 3, 4, 5};
    int64_t shape[2] = {2, 3}, strides[SDP_DAL_MAX_DIMS];
    DLManagedTensor in;
    DLManagedTensorVersioned versioned;
    sdp_dal_tensor_view view;
    memset(&in, 0, sizeof in);
    in.dl_tensor.data = values;
    in.dl_tensor.device.device_type = 1;
    in.dl_tensor.ndim = 2;
    in.dl_tensor.dtype.code = 2;
    in.dl_tensor.dtype.bits = 32;
    in.dl_tensor.dtype.lanes = 1;
    in.dl_tensor.shape = shape;
    in.dl_tensor.byte_offset = 4;
    CLEAR(view);
    /* Without strides it is in C order. */
    OK(sdp_dal_tensor_view_from_dlpack(&in, 0, strides, &view));
    CHECK(view.data == &values[1] && view.strides[0] == 12 && view.strides[1] == 4);
    /* A dimension of one element has any stride; others must fit into memory. */
    int64_t elements[2] = {INT64_MAX, 1}, row[2] = {1, 3};
    in.dl_tensor.shape = row;
    in.dl_tensor.strides = elements;
    OK(sdp_dal_tensor_view_from_dlpack(&in, 0, strides, &view));
    CHECK(strides[1] == 4);
    in.dl_tensor.shape = shape;
    FAILS(sdp_dal_tensor_view_from_dlpack(&in, 0, strides, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("span more than the address space");
    in.dl_tensor.strides = NULL;
    in.dl_tensor.device.device_type = 2;
    FAILS(sdp_dal_tensor_view_from_dlpack(&in, 0, strides, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("device of DLPack type 2");
    in.dl_tensor.device.device_type = 1;
    in.dl_tensor.dtype.lanes = 4;
    FAILS(sdp_dal_tensor_view_from_dlpack(&in, 0, strides, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("4 lanes");
    in.dl_tensor.dtype.lanes = 1;
    in.dl_tensor.dtype.code = 4;
    in.dl_tensor.dtype.bits = 16;
    FAILS(sdp_dal_tensor_view_from_dlpack(&in, 0, strides, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("bfloat16");
    in.dl_tensor.dtype.code = 3;
    FAILS(sdp_dal_tensor_view_from_dlpack(&in, 0, strides, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("type code 3 with 16 bits");
    in.dl_tensor.dtype.code = 2;
    in.dl_tensor.ndim = 9;
    FAILS(sdp_dal_tensor_view_from_dlpack(&in, 0, strides, &view), SDP_DAL_INVALID_ARGUMENT);
    CHECK(view.data == NULL);
    memset(&versioned, 0, sizeof versioned);
    versioned.version.major = 2;
    FAILS(sdp_dal_tensor_view_from_dlpack(&versioned, 1, strides, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("version 2.0");
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    sdp_dal_tensor *tensor = NULL;
    DLManagedTensorVersioned *out = NULL;
    const int16_t values[6] = {1, 2, 3, 4, 5, 6};
    CHECK(argc == 2);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    every_type(store);
    refused();
    tensor = put(store, SDP_DAL_INT16, values, NULL);
    OK(sdp_dal_tensor_to_dlpack(tensor, 1, (void **)&out));
    sdp_dal_tensor_free(tensor);
    sdp_dal_store_close(store);
    CHECK(memcmp(out->dl_tensor.data, values, sizeof values) == 0);
    out->deleter(out);
    return 0;
}
