/* Handles that are used, or ended, after their end: every kind says so. argv[1]: the store's path.
 */
#include "check.h"

#define SIGNATURE "simple_fn(x: int64) -> (y: int64[])"

#define FREED_BEFORE "a handle that was already freed or closed"

/* Ends a handle, then uses it and ends it again. */
#define FREED(end, handle, use)                                                                    \
    do {                                                                                           \
        end(handle);                                                                               \
        (void)(use);                                                                               \
        SAYS(FREED_BEFORE);                                                                        \
        end(handle);                                                                               \
        SAYS(#end ": ");                                                                           \
        SAYS(FREED_BEFORE);                                                                        \
    } while (0)

static sdp_dal_store *open_store(const char *path) {
    sdp_dal_store *store = NULL;
    sdp_dal_store_options options;
    CLEAR(options);
    options.size = 1 << 20;
    /* Rounded up to what the layout needs. */
    options.max_objects = 1500;
    OK(sdp_dal_store_open(path, &options, &store));
    return store;
}

static sdp_dal_ref *put_bytes(const sdp_dal_store *store) {
    sdp_dal_ref *ref = NULL;
    OK(sdp_dal_object_put(store, (const uint8_t *)"bytes", 5, NULL, 0, &ref));
    return ref;
}

static void without_a_store(void) {
    sdp_dal_args *args = NULL;
    sdp_dal_schema *schema = NULL;
    sdp_dal_stores *stores = NULL;
    OK(sdp_dal_args_create(&args));
    FREED(sdp_dal_args_free, args, sdp_dal_args_clear(args));
    OK(sdp_dal_schema_parse(SIGNATURE, &schema));
    sdp_dal_schema_info about;
    sdp_dal_store_summary summary;
    size_t count = 0;
    CLEAR(about);
    CLEAR(summary);
    FREED(sdp_dal_schema_free, schema, sdp_dal_schema_get_info(schema, &about));
    OK(sdp_dal_stores_list(&stores, &count, NULL));
    FREED(sdp_dal_stores_free, stores, sdp_dal_stores_get_summary(stores, 0, &summary));
}

static void objects(const sdp_dal_store *store) {
    const uint8_t id[SDP_DAL_ID_SIZE] = {0xfe, 1};
    const double one = 1;
    bool exists = false;
    void *data = NULL;
    sdp_dal_object_spec spec;
    sdp_dal_tensor_view view;
    sdp_dal_ref *ref = put_bytes(store);
    sdp_dal_buffer *buffer = NULL;
    sdp_dal_tensor *tensor = NULL;
    sdp_dal_writer *writer = NULL;
    sdp_dal_list *list = NULL;
    sdp_dal_object_info info;
    const void *bytes = NULL;
    size_t count = 0;
    OK(sdp_dal_ref_get_buffer(ref, 0, &buffer));
    FREED(sdp_dal_buffer_free, buffer, buffer_data(buffer, &bytes, &count));
    FREED(sdp_dal_ref_free, ref, ref_exists(ref, &exists));

    CLEAR(view);
    view.data = &one, view.dtype = SDP_DAL_FLOAT64;
    OK(sdp_dal_tensor_put(store, &view, &ref));
    OK(sdp_dal_ref_get_tensor(ref, 0, &tensor, NULL));
    FREED(sdp_dal_tensor_free, tensor, sdp_dal_tensor_get_view(tensor, &view));
    sdp_dal_ref_free(ref);

    CLEAR(spec);
    spec.data_size = 1;
    OK(sdp_dal_object_create(store, id, &spec, &data, &writer));
    FREED(sdp_dal_writer_free, writer, sdp_dal_writer_seal(writer));
    OK(sdp_dal_store_list_objects(store, NULL, 0, &list, &count));
    CLEAR(info);
    FREED(sdp_dal_list_free, list, sdp_dal_list_get_info(list, 0, &info));
}

static void a_call(const sdp_dal_store *store) {
    const char *const signatures[1] = {SIGNATURE};
    int64_t x = 0;
    sdp_dal_processor *processor = NULL;
    sdp_dal_caller *caller = NULL;
    sdp_dal_args *args = NULL;
    const sdp_dal_results *row = NULL;
    const sdp_dal_ref *zs = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_replies *replies = NULL;
    sdp_dal_call *call = NULL;
    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register(processor, SIGNATURE, NULL, NULL, NULL, NULL));
    OK(sdp_dal_processor_start(processor));
    OK(sdp_dal_caller_open(store, signatures, 1, NULL, &caller));
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_int64(args, "x", 1));
    OK(sdp_dal_caller_call(caller, "simple_fn", args, &results));
    OK(sdp_dal_caller_batch(caller, "simple_fn", (const sdp_dal_args *const *)&args, 1, &replies,
                            NULL));
    OK(sdp_dal_processor_next(processor, SDP_DAL_WAIT_FOREVER, &call, NULL));
    FREED(sdp_dal_call_free, call, sdp_dal_call_get_int64(call, "x", &x));
    FREED(sdp_dal_results_free, results, sdp_dal_results_get_ref(results, "zs", &zs));
    FREED(sdp_dal_replies_free, replies, sdp_dal_replies_get_results(replies, 0, 0, &row));
    FREED(sdp_dal_caller_close, caller, sdp_dal_caller_num_processors(caller));
    FREED(sdp_dal_processor_close, processor, sdp_dal_processor_start(processor));
    sdp_dal_args_free(args);
}

static void lists(const sdp_dal_store *store) {
    sdp_dal_clients *clients = NULL;
    sdp_dal_namespaces *namespaces = NULL;
    sdp_dal_subscription *subscription = NULL;
    sdp_dal_event event;
    sdp_dal_client_info client;
    sdp_dal_namespace_info about;
    size_t count = 0;
    CLEAR(client);
    CLEAR(about);
    OK(sdp_dal_store_list_clients(store, &clients, &count));
    FREED(sdp_dal_clients_free, clients, sdp_dal_clients_get_info(clients, 0, &client));
    OK(sdp_dal_store_list_namespaces(store, &namespaces, &count));
    FREED(sdp_dal_namespaces_free, namespaces, sdp_dal_namespaces_get_info(namespaces, 0, &about));
    OK(sdp_dal_store_subscribe(store, NULL, 0, &subscription));
    CLEAR(event);
    FREED(sdp_dal_subscription_free, subscription,
          sdp_dal_subscription_next(subscription, 0, &event));
}

/* An old pointer does not mean the next handle. */
static void the_next_handle_lies_elsewhere(const sdp_dal_store *store) {
    sdp_dal_ref *old = put_bytes(store);
    bool exists = false;
    sdp_dal_ref_free(old);
    for (int i = 0; i < 10; i++) {
        sdp_dal_ref *next = put_bytes(store);
        CHECK(next != old);
        FAILS(ref_exists(old, &exists), SDP_DAL_INVALID_ARGUMENT);
        SAYS(FREED_BEFORE);
        sdp_dal_ref_free(next);
    }
    /* Given back to the allocator it still says so. */
    sdp_dal_args *handles[20] = {NULL};
    for (int i = 0; i < 20; i++) OK(sdp_dal_args_create(&handles[i]));
    for (int i = 0; i < 20; i++) sdp_dal_args_free(handles[i]);
    for (int i = 0; i < 20; i++) {
        FAILS(sdp_dal_args_clear(handles[i]), SDP_DAL_INVALID_ARGUMENT);
        SAYS(FREED_BEFORE);
    }
}

int main(int argc, char **argv) {
    sdp_dal_store_stat stat;
    sdp_dal_store *store = NULL;
    CHECK(argc == 2);
    without_a_store();
    store = open_store(argv[1]);
    CLEAR(stat);
    OK(sdp_dal_store_get_stat(store, &stat));
    CHECK(stat.max_objects == 2048);
    objects(store);
    a_call(store);
    lists(store);
    the_next_handle_lies_elsewhere(store);
    FREED(sdp_dal_store_close, store, sdp_dal_store_get_stat(store, &stat));
    return 0;
}
