/* What needs no store, but element types and signatures. */
#include "check.h"

static void dtypes(void) {
    static const struct {
        int32_t dtype;
        size_t size;
        const char *name;
    } known[] = {
        {SDP_DAL_BOOL, 1, "bool"},           {SDP_DAL_INT8, 1, "int8"},
        {SDP_DAL_INT16, 2, "int16"},         {SDP_DAL_INT32, 4, "int32"},
        {SDP_DAL_INT64, 8, "int64"},         {SDP_DAL_UINT8, 1, "uint8"},
        {SDP_DAL_UINT16, 2, "uint16"},       {SDP_DAL_UINT32, 4, "uint32"},
        {SDP_DAL_UINT64, 8, "uint64"},       {SDP_DAL_FLOAT16, 2, "float16"},
        {SDP_DAL_FLOAT32, 4, "float32"},     {SDP_DAL_FLOAT64, 8, "float64"},
        {SDP_DAL_COMPLEX64, 8, "complex64"}, {SDP_DAL_COMPLEX128, 16, "complex128"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        CHECK(sdp_dal_dtype_size(known[i].dtype) == known[i].size);
        CHECK(strcmp(sdp_dal_dtype_name(known[i].dtype), known[i].name) == 0);
    }
    CHECK(sdp_dal_dtype_size(0) == 0 && sdp_dal_dtype_size(15) == 0 && sdp_dal_dtype_size(-1) == 0);
    SAYS("'dtype' is -1, which is not a value of sdp_dal_dtype");
    CHECK(strcmp(sdp_dal_dtype_name(15), "unknown") == 0);
}

static void signatures(void) {
    OK(signature_check("simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])"));
    OK(signature_check("f()"));
    OK(signature_check(
        "g(uvw: float64[row,uvw=3], wgt: float64[row,chan]?, out dirty: float64[x,y])"));
    FAILS(signature_check(""), SDP_DAL_INVALID_ARGUMENT);
    FAILS(signature_check("f(x: int63)"), SDP_DAL_INVALID_ARGUMENT);
    SAYS("int63");
    FAILS(signature_check("f(x: int64"), SDP_DAL_INVALID_ARGUMENT);
    FAILS(signature_check("f(x: int64, x: int64)"), SDP_DAL_INVALID_ARGUMENT);
    FAILS(signature_check("f(\xff)"), SDP_DAL_INVALID_ARGUMENT);
    SAYS("not UTF-8");
}

static void views(void) {
    double values[6] = {0, 1, 2, 3, 4, 5};
    int64_t shape[2] = {2, 3}, strides[2] = {24, 8};
    const char *names[2] = {"x", "\xff"};
    sdp_dal_args *args = NULL;
    sdp_dal_tensor_view view;
    OK(sdp_dal_args_create(&args));

    CLEAR(view);
    FAILS(sdp_dal_args_set_tensor(args, NULL, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'value.dtype' is 0");
    view.dtype = SDP_DAL_FLOAT64;
    FAILS(sdp_dal_args_set_tensor(args, NULL, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'value.data' is NULL, expected 8 bytes");
    view.data = values;
    OK(sdp_dal_args_set_tensor(args, NULL, &view));
    view.ndim = 2;
    FAILS(sdp_dal_args_set_tensor(args, NULL, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'value.shape' is NULL");
    view.shape = shape;
    OK(sdp_dal_args_set_tensor(args, NULL, &view));
    view.strides = strides;
    OK(sdp_dal_args_set_tensor(args, NULL, &view));
    view.ndim = 9;
    FAILS(sdp_dal_args_set_tensor(args, NULL, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'value.ndim' is 9");
    view.ndim = -1;
    FAILS(sdp_dal_args_set_tensor(args, NULL, &view), SDP_DAL_INVALID_ARGUMENT);
    view.ndim = 2;
    view.dim_names = names;
    FAILS(sdp_dal_args_set_tensor(args, NULL, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'value.dim_names' is not UTF-8");
    names[1] = NULL;
    OK(sdp_dal_args_set_tensor(args, NULL, &view));
    shape[1] = -3;
    FAILS(sdp_dal_args_set_tensor(args, NULL, &view), SDP_DAL_INVALID_ARGUMENT);
    shape[1] = 3;
    strides[0] = INT64_MAX / 2;
    shape[0] = 4;
    FAILS(sdp_dal_args_set_tensor(args, NULL, &view), SDP_DAL_INVALID_ARGUMENT);
    SAYS("more than the address space");
    /* No elements need no memory. */
    shape[0] = 0;
    view.data = NULL;
    OK(sdp_dal_args_set_tensor(args, NULL, &view));
    sdp_dal_args_free(args);
}

int main(void) {
    dtypes();
    signatures();
    views();
    return 0;
}
