/* Tensors and references. argv[1]: the store's path. */
#include "check.h"

static void copied(sdp_dal_store *store) {
    const double values[6] = {0, 1, 2, 3, 4, 5};
    const int64_t shape[2] = {2, 3};
    const char *const names[2] = {"row", "uvw"};
    sdp_dal_tensor_view view, found;
    sdp_dal_ref *ref = NULL;
    sdp_dal_tensor *tensor = NULL, *second = NULL;
    sdp_dal_buffer *buffer = NULL;
    uint8_t id[SDP_DAL_ID_SIZE], other[SDP_DAL_ID_SIZE], prefix[SDP_DAL_PREFIX_SIZE];
    bool exists = false;
    CLEAR(view);
    view.data = values;
    view.shape = shape;
    view.dim_names = names;
    view.dtype = SDP_DAL_FLOAT64;
    view.ndim = 2;
    OK(sdp_dal_tensor_put(store, &view, &ref));
    CHECK(ref_is_owning(ref));
    OK(ref_exists(ref, &exists));
    CHECK(exists);
    OK(sdp_dal_ref_wait(ref, SDP_DAL_POLL));
    OK(ref_id(ref, id));
    OK(sdp_dal_store_get_prefix(store, prefix));
    CHECK(memcmp(id, prefix, sizeof prefix) == 0);

    OK(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, NULL));
    CLEAR(found);
    OK(sdp_dal_tensor_get_view(tensor, &found));
    CHECK(found.dtype == SDP_DAL_FLOAT64 && found.ndim == 2 && found.order == SDP_DAL_ORDER_C);
    CHECK(found.shape[0] == 2 && found.shape[1] == 3 && found.strides[0] == 24 &&
          found.strides[1] == 8);
    CHECK(strcmp(found.dim_names[0], "row") == 0 && strcmp(found.dim_names[1], "uvw") == 0);
    CHECK(memcmp(found.data, values, sizeof values) == 0 && (uintptr_t)found.data % 64 == 0);
    OK(sdp_dal_tensor_get_id(tensor, other));
    CHECK(memcmp(id, other, sizeof id) == 0);

    OK(sdp_dal_ref_get_buffer(ref, SDP_DAL_POLL, &buffer));
    sdp_dal_buffer_free(buffer);

    /* Held bytes outlive references, deletion, and the first handle. */
    OK(sdp_dal_tensor_clone(tensor, &second));
    sdp_dal_tensor_free(tensor);
    sdp_dal_ref_free(ref);
    OK(sdp_dal_object_contains(store, id, &exists));
    CHECK(!exists);
    OK(sdp_dal_tensor_get_view(second, &found));
    CHECK(memcmp(found.data, values, sizeof values) == 0);
    /* What was received can be put as it is. */
    OK(sdp_dal_tensor_put(store, &found, &ref));
    sdp_dal_tensor_free(second);
    OK(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, NULL));
    OK(sdp_dal_tensor_get_view(tensor, &found));
    CHECK(memcmp(found.data, values, sizeof values) == 0);
    CHECK(strcmp(found.dim_names[1], "uvw") == 0);
    sdp_dal_tensor_free(tensor);
    sdp_dal_ref_free(ref);
}

static void strided(sdp_dal_store *store) {
    /* Every second element, backwards; and a transposed matrix. */
    const int32_t values[6] = {0, 1, 2, 3, 4, 5};
    int64_t shape[2] = {3, 0}, strides[2] = {-8, 0};
    sdp_dal_tensor_view view, found;
    sdp_dal_ref *ref = NULL;
    sdp_dal_tensor *tensor = NULL;
    CLEAR(view);
    view.data = &values[4];
    view.shape = shape;
    view.strides = strides;
    view.dtype = SDP_DAL_INT32;
    view.ndim = 1;
    OK(sdp_dal_tensor_put(store, &view, &ref));
    OK(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, NULL));
    CLEAR(found);
    OK(sdp_dal_tensor_get_view(tensor, &found));
    CHECK(found.strides[0] == 4 && found.dim_names == NULL);
    CHECK(((const int32_t *)found.data)[0] == 4 && ((const int32_t *)found.data)[2] == 0);
    sdp_dal_tensor_free(tensor);
    sdp_dal_ref_free(ref);

    shape[0] = 2, shape[1] = 3, strides[0] = 4, strides[1] = 8;
    view.data = values;
    view.ndim = 2;
    OK(sdp_dal_tensor_put(store, &view, &ref));
    OK(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, NULL));
    OK(sdp_dal_tensor_get_view(tensor, &found));
    CHECK(found.order == SDP_DAL_ORDER_F && found.strides[0] == 4 && found.strides[1] == 8);
    CHECK(memcmp(found.data, values, sizeof values) == 0);
    sdp_dal_tensor_free(tensor);
    sdp_dal_ref_free(ref);
}

static void in_place(sdp_dal_store *store) {
    const int64_t shape[2] = {4, 5};
    sdp_dal_tensor_spec spec;
    sdp_dal_tensor_view view;
    sdp_dal_ref *ref = NULL, *second = NULL;
    sdp_dal_tensor *tensor = NULL;
    void *data = NULL;
    bool exists = true;
    uint8_t id[SDP_DAL_ID_SIZE];
    CLEAR(spec);
    spec.shape = shape;
    spec.ndim = 2;
    spec.dtype = SDP_DAL_COMPLEX64;
    spec.order = SDP_DAL_ORDER_F;
    spec.flags = SDP_DAL_TENSOR_ZEROED;
    OK(sdp_dal_tensor_create(store, &spec, &data, &ref));
    CHECK(data != NULL && (uintptr_t)data % 64 == 0);
    for (int i = 0; i < 40; i++)
        CHECK(!(((const float *)data)[i] > 0) && !(((const float *)data)[i] < 0));
    OK(ref_exists(ref, &exists));
    CHECK(!exists);
    FAILS(sdp_dal_ref_get_tensor(ref, SDP_DAL_POLL, &tensor, NULL), SDP_DAL_TIMEOUT);
    ((float *)data)[1] = 2.5f;
    OK(sdp_dal_ref_clone(ref, &second));
    OK(sdp_dal_ref_seal(ref));
    FAILS(sdp_dal_ref_seal(ref), SDP_DAL_INVALID_ARGUMENT);
    OK(ref_exists(second, &exists));
    CHECK(exists);
    /* The clone owns it too. */
    sdp_dal_ref_free(ref);
    OK(sdp_dal_ref_get_tensor(second, SDP_DAL_POLL, &tensor, NULL));
    CLEAR(view);
    OK(sdp_dal_tensor_get_view(tensor, &view));
    CHECK(view.dtype == SDP_DAL_COMPLEX64 && view.order == SDP_DAL_ORDER_F);
    CHECK(view.strides[0] == 8 && view.strides[1] == 32);
    CHECK(((const float *)view.data)[1] > 2.4f);
    sdp_dal_tensor_free(tensor);
    OK(ref_id(second, id));
    sdp_dal_ref_free(second);
    OK(sdp_dal_object_contains(store, id, &exists));
    CHECK(!exists);

    /* Freed without sealing. */
    OK(sdp_dal_tensor_create(store, &spec, &data, &ref));
    OK(ref_id(ref, id));
    sdp_dal_ref_free(ref);
    OK(sdp_dal_object_contains(store, id, &exists));
    CHECK(!exists);

    spec.order = 3;
    FAILS(sdp_dal_tensor_create(store, &spec, &data, &ref), SDP_DAL_INVALID_ARGUMENT);
    CHECK(data == NULL && ref == NULL);
    SAYS("'spec.order' is 3");
    spec.order = 0;
    spec.dtype = 99;
    FAILS(sdp_dal_tensor_create(store, &spec, &data, &ref), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'spec.dtype' is 99");
}

static void references(sdp_dal_store *store) {
    const int64_t value = 42;
    sdp_dal_ref *ref = NULL, *borrowed = NULL;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_tensor_view view;
    uint8_t id[SDP_DAL_ID_SIZE];
    bool exists = true;
    const sdp_dal_expectation number = a_tensor(SDP_DAL_INT64, 0, NULL);
    OK(sdp_dal_ref_new(store, &number, &ref));
    OK(ref_exists(ref, &exists));
    CHECK(!exists);
    FAILS(sdp_dal_ref_wait(ref, SDP_DAL_POLL), SDP_DAL_TIMEOUT);
    CLEAR(view);
    view.data = &value;
    view.dtype = SDP_DAL_INT64;
    OK(sdp_dal_ref_put_tensor(ref, &view));
    FAILS(sdp_dal_ref_put_tensor(ref, &view), SDP_DAL_ALREADY_EXISTS);
    OK(ref_id(ref, id));
    OK(sdp_dal_ref_from_id(store, id, NULL, &borrowed));
    CHECK(!ref_is_owning(borrowed));
    OK(sdp_dal_ref_get_tensor(borrowed, SDP_DAL_POLL, &tensor, NULL));
    OK(sdp_dal_tensor_get_view(tensor, &view));
    CHECK(view.ndim == 0 && *(const int64_t *)view.data == 42);
    sdp_dal_tensor_free(tensor);
    sdp_dal_ref_free(borrowed);
    OK(ref_exists(ref, &exists));
    CHECK(exists);

    /* Disowned: it stays until it is deleted. */
    OK(sdp_dal_ref_disown(ref));
    sdp_dal_ref_free(ref);
    OK(sdp_dal_object_contains(store, id, &exists));
    CHECK(exists);
    OK(sdp_dal_object_delete(store, id, SDP_DAL_DELETE_NOW));
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL, *other = NULL;
    CHECK(argc == 2);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    sdp_dal_namespace_options options;
    CLEAR(options);
    options.name = "other";
    OK(sdp_dal_store_new_namespace(store, &options, &other));
    copied(store);
    strided(store);
    in_place(other);
    references(store);
    uint8_t one[SDP_DAL_PREFIX_SIZE], two[SDP_DAL_PREFIX_SIZE];
    OK(sdp_dal_store_get_prefix(store, one));
    OK(sdp_dal_store_get_prefix(other, two));
    CHECK(memcmp(one, two, sizeof one) != 0);
    sdp_dal_store_close(other);
    sdp_dal_store_close(store);
    return 0;
}
