/* What can be tested without a store: NULLs, wrong kinds, sizes of structs, texts, names. */
#include "check.h"

static void versions(void) {
    char text[32];
    CHECK(sdp_dal_version() == SDP_DAL_VERSION);
    CHECK(sdp_dal_version() >> 24 == SDP_DAL_VERSION_MAJOR);
    CHECK((sdp_dal_version() >> 12 & 0xfff) == SDP_DAL_VERSION_MINOR);
    CHECK((sdp_dal_version() & 0xfff) == SDP_DAL_VERSION_PATCH);
    snprintf(text, sizeof text, "%d.%d.%d", SDP_DAL_VERSION_MAJOR, SDP_DAL_VERSION_MINOR,
             SDP_DAL_VERSION_PATCH);
    CHECK(strcmp(SDP_DAL_VERSION_STRING, text) == 0);
}

static void status_names(void) {
    CHECK(strcmp(sdp_dal_status_name(SDP_DAL_OK), "OK") == 0);
    CHECK(strcmp(sdp_dal_status_name(SDP_DAL_INVALID_ARGUMENT), "INVALID_ARGUMENT") == 0);
    CHECK(strcmp(sdp_dal_status_name(SDP_DAL_CANCELLED), "CANCELLED") == 0);
    CHECK(strcmp(sdp_dal_status_name(-4711), "UNKNOWN") == 0);
    CHECK(strcmp(sdp_dal_status_name(4711), "UNKNOWN") == 0);
    /* Without a gap from the first to the last. */
    for (int32_t status = SDP_DAL_CANCELLED; status <= SDP_DAL_OK; status++)
        CHECK(strcmp(sdp_dal_status_name(status), "UNKNOWN") != 0);
}

static void ends_accept_null(void) {
    sdp_dal_store_close(NULL);
    sdp_dal_caller_close(NULL);
    sdp_dal_processor_close(NULL);
    sdp_dal_args_free(NULL);
    sdp_dal_buffer_free(NULL);
    sdp_dal_call_free(NULL);
    sdp_dal_list_free(NULL);
    sdp_dal_ref_free(NULL);
    sdp_dal_results_free(NULL);
    sdp_dal_tensor_free(NULL);
    sdp_dal_writer_free(NULL);
}

static void last_error_is_copied(void) {
    char text[SDP_DAL_MESSAGE_SIZE], small[8];
    size_t length = 0;
    /* Nothing has failed in this thread yet. */
    OK(sdp_dal_last_error(NULL, &length));
    CHECK(length == 1);

    FAILS(sdp_dal_args_create(NULL), SDP_DAL_INVALID_ARGUMENT);
    length = sizeof text;
    OK(sdp_dal_last_error(text, &length));
    CHECK(strcmp(text, "sdp_dal_args_create: 'out' is NULL, expected a pointer for the result") ==
          0);
    CHECK(length == strlen(text) + 1);

    /* Too small: nothing is written, the needed size is given. */
    memset(small, 'x', sizeof small);
    size_t needed = sizeof small;
    OK(sdp_dal_last_error(small, &needed));
    CHECK(needed == length);
    CHECK(memcmp(small, "xxxxxxxx", sizeof small) == 0);

    /* Success changes nothing. */
    sdp_dal_args *args = NULL;
    OK(sdp_dal_args_create(&args));
    SAYS("sdp_dal_args_create");
    sdp_dal_args_free(args);

    FAILS(sdp_dal_last_error(text, NULL), SDP_DAL_INVALID_ARGUMENT);
    length = 5;
    FAILS(sdp_dal_last_error(NULL, &length), SDP_DAL_INVALID_ARGUMENT);
    CHECK(length == 0);
}

static void nulls(void) {
    sdp_dal_store *store = (sdp_dal_store *)&store;
    sdp_dal_ref *ref = (sdp_dal_ref *)&ref;
    sdp_dal_tensor *tensor = (sdp_dal_tensor *)&tensor;
    sdp_dal_buffer *buffer = (sdp_dal_buffer *)&buffer;
    sdp_dal_caller *caller = (sdp_dal_caller *)&caller;
    sdp_dal_processor *processor = (sdp_dal_processor *)&processor;
    sdp_dal_results *results = (sdp_dal_results *)&results;
    sdp_dal_call *call = (sdp_dal_call *)&call;
    sdp_dal_list *list = (sdp_dal_list *)&list;
    sdp_dal_writer *writer = (sdp_dal_writer *)&writer;
    const sdp_dal_ref *borrowed = (const sdp_dal_ref *)&borrowed;
    void *data = &data;
    const void *bytes = &bytes;
    size_t size = 7;
    int64_t i64 = 7;
    uint64_t u64 = 7;
    double f64 = 7;
    bool flag = true;
    int32_t i32 = 7;
    uint8_t id[SDP_DAL_ID_SIZE];
    char text[8];
    size_t length;
    memset(id, 7, sizeof id);

    FAILS(sdp_dal_store_open("/nowhere", NULL, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_store_new_namespace(NULL, NULL, &store), SDP_DAL_INVALID_ARGUMENT);
    CHECK(store == NULL);
    SAYS("'store' is NULL, expected a store handle");
    sdp_dal_store_info info;
    FAILS(store_info(NULL, &info), SDP_DAL_INVALID_ARGUMENT);
    CHECK(info.path == NULL && info.identity == 0);
    FAILS(sdp_dal_store_get_prefix(NULL, id), SDP_DAL_INVALID_ARGUMENT);
    CHECK(id[0] == 0 && id[3] == 0 && id[4] == 7);
    FAILS(sdp_dal_store_get_stat(NULL, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_store_interrupt(NULL, true), SDP_DAL_INVALID_ARGUMENT);

    FAILS(sdp_dal_object_create(NULL, id, NULL, &data, &writer), SDP_DAL_INVALID_ARGUMENT);
    CHECK(data == NULL && writer == NULL);
    FAILS(sdp_dal_object_put(NULL, NULL, 0, NULL, 0, &ref), SDP_DAL_INVALID_ARGUMENT);
    CHECK(ref == NULL);
    FAILS(sdp_dal_object_get(NULL, id, SDP_DAL_POLL, &buffer), SDP_DAL_INVALID_ARGUMENT);
    CHECK(buffer == NULL);
    buffer = (sdp_dal_buffer *)&buffer;
    FAILS(sdp_dal_object_get_many(NULL, id, 1, SDP_DAL_POLL, &buffer, &i32),
          SDP_DAL_INVALID_ARGUMENT);
    CHECK(buffer == NULL && i32 == 0);
    FAILS(sdp_dal_object_contains(NULL, id, &flag), SDP_DAL_INVALID_ARGUMENT);
    CHECK(!flag);
    FAILS(sdp_dal_object_delete(NULL, id, SDP_DAL_DELETE_NOW), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_object_set_keep(NULL, id, true), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_object_get_info(NULL, id, NULL), SDP_DAL_INVALID_ARGUMENT);
    size = 7;
    FAILS(sdp_dal_store_list_objects(NULL, NULL, 0, &list, &size), SDP_DAL_INVALID_ARGUMENT);
    CHECK(list == NULL && size == 0);
    FAILS(sdp_dal_list_get_info(NULL, 0, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_writer_seal(NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(buffer_data(NULL, &bytes, &size), SDP_DAL_INVALID_ARGUMENT);
    CHECK(bytes == NULL && size == 0);
    FAILS(sdp_dal_buffer_get_info(NULL, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_buffer_clone(NULL, &buffer), SDP_DAL_INVALID_ARGUMENT);

    FAILS(sdp_dal_tensor_put(NULL, NULL, &ref), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_tensor_create(NULL, NULL, &data, &ref), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_tensor_get_view(NULL, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_tensor_get_id(NULL, id), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_tensor_clone(NULL, &tensor), SDP_DAL_INVALID_ARGUMENT);
    CHECK(tensor == NULL);

    FAILS(sdp_dal_ref_new(NULL, NULL, &ref), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_ref_from_id(NULL, id, NULL, &ref), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_ref_put_tensor(NULL, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_ref_create_tensor(NULL, NULL, &data), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_ref_seal(NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(ref_id(NULL, id), SDP_DAL_INVALID_ARGUMENT);
    CHECK(!ref_is_owning(NULL));
    FAILS(ref_exists(NULL, &flag), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_ref_wait(NULL, SDP_DAL_POLL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_ref_get_tensor(NULL, SDP_DAL_POLL, &tensor, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_ref_get_buffer(NULL, SDP_DAL_POLL, &buffer), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_ref_disown(NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_ref_clone(NULL, &ref), SDP_DAL_INVALID_ARGUMENT);

    FAILS(sdp_dal_caller_open(NULL, NULL, 0, NULL, &caller), SDP_DAL_INVALID_ARGUMENT);
    CHECK(caller == NULL);
    FAILS(sdp_dal_caller_find_processors(NULL, SDP_DAL_POLL, &size), SDP_DAL_INVALID_ARGUMENT);
    CHECK(sdp_dal_caller_num_processors(NULL) == 0);
    length = sizeof text;
    FAILS(sdp_dal_caller_get_processor(NULL, 0, id, text, &length), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_caller_call(NULL, "f", NULL, &results), SDP_DAL_INVALID_ARGUMENT);
    CHECK(results == NULL);
    const char *output = "some";
    FAILS(sdp_dal_results_get_output(NULL, 0, &output, &borrowed), SDP_DAL_INVALID_ARGUMENT);
    CHECK(output == NULL && borrowed == NULL);
    FAILS(sdp_dal_results_get_ref(NULL, "zs", &borrowed), SDP_DAL_INVALID_ARGUMENT);
    CHECK(borrowed == NULL);

    FAILS(sdp_dal_processor_open(NULL, NULL, &processor), SDP_DAL_INVALID_ARGUMENT);
    CHECK(processor == NULL);
    FAILS(sdp_dal_processor_register(NULL, "f()", NULL, NULL, NULL, NULL),
          SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_processor_start(NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_processor_process(NULL, SDP_DAL_POLL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_processor_next(NULL, SDP_DAL_POLL, &call, NULL), SDP_DAL_INVALID_ARGUMENT);
    CHECK(call == NULL);
    FAILS(sdp_dal_processor_get_prefix(NULL, id), SDP_DAL_INVALID_ARGUMENT);
    length = sizeof text;
    FAILS(sdp_dal_processor_get_name(NULL, text, &length), SDP_DAL_INVALID_ARGUMENT);

    const sdp_dal_schema *schema = (const sdp_dal_schema *)&schema;
    FAILS(sdp_dal_call_get_info(NULL, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_get_schema(NULL, &schema), SDP_DAL_INVALID_ARGUMENT);
    CHECK(schema == NULL);
    CHECK(!sdp_dal_call_is_cancelled(NULL));
    FAILS(sdp_dal_call_fail(NULL, SDP_DAL_IO, "no"), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_finish(NULL, NULL, 0), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_retain(NULL, &call), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_is_null(NULL, "x", &flag), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_get_int64(NULL, "x", &i64), SDP_DAL_INVALID_ARGUMENT);
    CHECK(i64 == 0);
    FAILS(sdp_dal_call_get_uint64(NULL, "x", &u64), SDP_DAL_INVALID_ARGUMENT);
    CHECK(u64 == 0);
    FAILS(sdp_dal_call_get_double(NULL, "x", &f64), SDP_DAL_INVALID_ARGUMENT);
    CHECK(!(f64 < 0) && !(f64 > 0));
    FAILS(sdp_dal_call_get_bool(NULL, "x", &flag), SDP_DAL_INVALID_ARGUMENT);
    length = sizeof text;
    FAILS(sdp_dal_call_get_string(NULL, "x", text, &length), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_get_binary(NULL, "x", &bytes, &size), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_get_tensor(NULL, "x", SDP_DAL_ORDER_ANY, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_hold_tensor(NULL, "x", &tensor, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_get_ref(NULL, "x", &ref), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_create_tensor(NULL, "z", 0, NULL, NULL, &data), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_put_tensor(NULL, "z", NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_call_seal(NULL, "z"), SDP_DAL_INVALID_ARGUMENT);

    FAILS(sdp_dal_args_clear(NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_args_set_int64(NULL, "x", 1), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_args_set_null(NULL, NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(signature_check(NULL), SDP_DAL_INVALID_ARGUMENT);
}

static void wrong_kinds(void) {
    sdp_dal_args *args = NULL;
    bool flag;
    OK(sdp_dal_args_create(&args));
    FAILS(sdp_dal_store_interrupt((sdp_dal_store *)(void *)args, true), SDP_DAL_INVALID_ARGUMENT);
    SAYS("sdp_dal_store_interrupt: 'store' is an args handle, expected a store handle");
    FAILS(ref_exists((sdp_dal_ref *)(void *)args, &flag), SDP_DAL_INVALID_ARGUMENT);
    SAYS("expected a reference handle");
    /* The wrong end does not end it. */
    sdp_dal_tensor_free((sdp_dal_tensor *)(void *)args);
    SAYS("sdp_dal_tensor_free: 'tensor' is an args handle");
    OK(sdp_dal_args_set_int64(args, NULL, 1));

    uint64_t memory[8] = {12345};
    FAILS(sdp_dal_args_clear((sdp_dal_args *)(void *)memory), SDP_DAL_INVALID_ARGUMENT);
    SAYS("not a handle of this library");
    FAILS(sdp_dal_args_clear((sdp_dal_args *)(void *)((char *)memory + 1)),
          SDP_DAL_INVALID_ARGUMENT);
    SAYS("not a handle of this library");
    sdp_dal_args_free(args);
}

static void arguments(void) {
    const uint8_t id[SDP_DAL_ID_SIZE] = {1};
    sdp_dal_args *args = NULL;
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_int64(args, "x", -1));
    OK(sdp_dal_args_set_uint64(args, "x", 1));
    OK(sdp_dal_args_set_double(args, "eps", 1e-12));
    OK(sdp_dal_args_set_bool(args, "do_wstacking", true));
    OK(sdp_dal_args_set_string(args, "name", "J1008+0730"));
    OK(sdp_dal_args_set_binary(args, "bytes", id, sizeof id));
    OK(sdp_dal_args_set_binary(args, "nothing", NULL, 0));
    OK(sdp_dal_args_set_id(args, "id", id));
    OK(sdp_dal_args_set_null(args, "wgt"));
    FAILS(sdp_dal_args_set_string(args, "name", NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_args_set_string(args, "name", "\xff\xfe"), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'value' is not UTF-8: byte 0");
    FAILS(sdp_dal_args_set_int64(args, "x\xc3", 1), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'name' is not UTF-8: byte 1");
    FAILS(sdp_dal_args_set_binary(args, "bytes", NULL, 3), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_args_set_id(args, "id", NULL), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_args_set_ref(args, "ref", NULL), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'value' is NULL, expected a reference handle");
    FAILS(sdp_dal_args_set_tensor(args, "ys", NULL), SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_args_clear(args));
    sdp_dal_args_free(args);
}

/* A struct of a later version: the same, and more behind it. */
typedef struct {
    sdp_dal_store_options known;
    uint64_t unknown;
} later_options;

static void structs(void) {
    sdp_dal_store *store = NULL;
    sdp_dal_store_options options;
    CLEAR(options);

    /* Never set. */
    options.struct_size = 0;
    FAILS(sdp_dal_store_open("/nowhere", &options, &store), SDP_DAL_INVALID_ARGUMENT);
    SAYS("sizeof(sdp_dal_store_options)");
    options.struct_size = 3;
    FAILS(sdp_dal_store_open("/nowhere", &options, &store), SDP_DAL_INVALID_ARGUMENT);
    options.struct_size = (size_t)-1;
    FAILS(sdp_dal_store_open("/nowhere", &options, &store), SDP_DAL_INVALID_ARGUMENT);

    /* Unknown values. */
    CLEAR(options);
    options.create = 17;
    FAILS(sdp_dal_store_open("/nowhere", &options, &store), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'options.create' is 17");
    options.create = SDP_DAL_CREATE_NEVER;
    options.flags = 1u << 31;
    FAILS(sdp_dal_store_open("/nowhere", &options, &store), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'options.flags' has unknown bits: 0x80000000");
    CHECK(store == NULL);

    /* Longer, and asking for something. */
    later_options later;
    memset(&later, 0, sizeof later);
    later.known.struct_size = sizeof later;
    later.known.create = 17;
    later.unknown = 1;
    FAILS(sdp_dal_store_open("/nowhere", &later.known, &store), SDP_DAL_INVALID_ARGUMENT);
    SAYS("this version of the library knows");
    /* Longer, but zero: read as far as it is known. */
    later.unknown = 0;
    FAILS(sdp_dal_store_open("/nowhere", &later.known, &store), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'options.create' is 17");
}

static void path_of_the_environment(void) {
    sdp_dal_store *store = (sdp_dal_store *)&store;
    /* The driver takes SDP_DAL_STORE out of the environment. */
    FAILS(sdp_dal_store_open(NULL, NULL, &store), SDP_DAL_INVALID_ARGUMENT);
    CHECK(store == NULL);
    SAYS("SDP_DAL_STORE");
}

int main(void) {
    versions();
    status_names();
    last_error_is_copied();
    ends_accept_null();
    nulls();
    wrong_kinds();
    arguments();
    structs();
    path_of_the_environment();
    return 0;
}
