/* Schemas as objects, IDs as text, namespaces. argv[1]: the store's path. */
#include "check.h"

#define SIGNATURE                                                                                  \
    "f(x: int64, name: utf8?, ys: float64[row,uvw=3], who: id, any: oid?, t: table) "              \
    "-> (zs: complex128[], u: table{a: int64?})"

static char text[SDP_DAL_MESSAGE_SIZE];
static size_t length;

#define TEXT(call, wanted)                                                                         \
    do {                                                                                           \
        length = sizeof text;                                                                      \
        OK(call);                                                                                  \
        CHECK(strcmp(text, (wanted)) == 0 && length == strlen(text) + 1);                          \
    } while (0)

static void format_is(const sdp_dal_schema *schema, const char *wanted) {
    TEXT(sdp_dal_schema_format(schema, text, &length), wanted);
}

/* A schema of one column `a: int64?`, as another library would make it: static, so that nothing is
 * freed. */
static int released;

static void release(struct ArrowSchema *schema) {
    schema->release = NULL;
    released++;
}

static struct ArrowSchema column;
static struct ArrowSchema *columns[1] = {&column};

static void make_field(struct ArrowSchema *field, const char *format, const char *name) {
    memset(field, 0, sizeof *field);
    field->format = format;
    field->name = name;
    field->flags = ARROW_FLAG_NULLABLE;
    field->release = release;
}

static void make_columns(struct ArrowSchema *schema) {
    make_field(&column, "l", "a");
    make_field(schema, "+s", "");
    schema->flags = 0;
    schema->n_children = 1;
    schema->children = columns;
}

static sdp_dal_schema *build(void) {
    const char *const dims[] = {"row", "uvw=3"};
    struct ArrowSchema arrow;
    sdp_dal_schema *schema = NULL;
    OK(sdp_dal_schema_create("f", &schema));
    OK(sdp_dal_schema_add_value(schema, "x", "int64", false));
    make_field(&arrow, "u", "");
    OK(sdp_dal_schema_add_value_arrow(schema, "name", &arrow, true));
    CHECK(arrow.release == NULL);
    OK(sdp_dal_schema_add_tensor(schema, SDP_DAL_IN, "ys", SDP_DAL_FLOAT64, 2, dims, false));
    OK(sdp_dal_schema_add_id(schema, "who", false));
    OK(sdp_dal_schema_add_oid(schema, SDP_DAL_IN, "any", true));
    OK(sdp_dal_schema_add_table(schema, SDP_DAL_IN, "t", NULL, false));
    OK(sdp_dal_schema_add_tensor(schema, SDP_DAL_OUT, "zs", SDP_DAL_COMPLEX128, 0, NULL, false));
    make_columns(&arrow);
    OK(sdp_dal_schema_add_table(schema, SDP_DAL_OUT, "u", &arrow, false));
    CHECK(arrow.release == NULL);
    return schema;
}

static void refusals(sdp_dal_schema *schema) {
    const char *const dims[] = {"3"};
    struct ArrowSchema arrow;
    sdp_dal_schema *none = NULL;
    int before = released;
    FAILS(sdp_dal_schema_create("a b", &none), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_schema_parse("f(", &none), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_schema_add_value(schema, "x", "int64", false), SDP_DAL_INVALID_ARGUMENT);
    SAYS("two parameters 'x'");
    FAILS(sdp_dal_schema_add_value(schema, "n", "int65", false), SDP_DAL_INVALID_ARGUMENT);
    SAYS("parameter 'n'");
    SAYS("found 'int65'");
    FAILS(sdp_dal_schema_add_oid(schema, 2, "n", false), SDP_DAL_INVALID_ARGUMENT);
    SAYS("no sdp_dal_direction");
    FAILS(sdp_dal_schema_add_tensor(schema, SDP_DAL_IN, "n", SDP_DAL_INT8, 1, dims, false),
          SDP_DAL_INVALID_ARGUMENT);
    SAYS("write '=3'");
    /* Arrow's structs are taken, whatever comes of it. */
    make_field(&arrow, "nonsense", "");
    FAILS(sdp_dal_schema_add_value_arrow(schema, "n", &arrow, false), SDP_DAL_INVALID_ARGUMENT);
    CHECK(arrow.release == NULL && released == before + 1);
    FAILS(sdp_dal_schema_add_value_arrow(schema, "n", &arrow, false), SDP_DAL_INVALID_ARGUMENT);
    SAYS("was released");
    make_columns(&arrow);
    FAILS(sdp_dal_schema_add_table(NULL, SDP_DAL_IN, "n", &arrow, false), SDP_DAL_INVALID_ARGUMENT);
    CHECK(arrow.release == NULL && released == before + 2);
    make_columns(&arrow);
    FAILS(sdp_dal_schema_from_arrow(&arrow, &none), SDP_DAL_INVALID_ARGUMENT);
    SAYS("proc:func");
    CHECK(arrow.release == NULL && released == before + 3);
    format_is(schema, SIGNATURE);
}

static void questions(const sdp_dal_schema *schema) {
    sdp_dal_param_info info;
    struct ArrowSchema arrow;
    size_t index = 0;
    int64_t size = 0;
    CLEAR(info);
    TEXT(sdp_dal_schema_name(schema, text, &length), "f");
    CHECK(sdp_dal_schema_num_params(schema) == 8);
    OK(sdp_dal_schema_param_index(schema, "ys", &index));
    CHECK(index == 2);
    FAILS(sdp_dal_schema_param_index(schema, "no", &index), SDP_DAL_NOT_FOUND);
    TEXT(sdp_dal_schema_param_name(schema, 2, text, &length), "ys");
    TEXT(sdp_dal_schema_param_type(schema, 2, text, &length), "float64[row,uvw=3]");
    OK(sdp_dal_schema_param_info(schema, 2, &info));
    CHECK(info.direction == SDP_DAL_IN && info.kind == SDP_DAL_PARAM_TENSOR);
    CHECK(info.dtype == SDP_DAL_FLOAT64 && info.ndim == 2 && info.flags == 0);
    length = sizeof text;
    OK(sdp_dal_schema_param_dim(schema, 2, 1, &size, text, &length));
    CHECK(size == 3 && strcmp(text, "uvw") == 0);
    length = sizeof text;
    OK(sdp_dal_schema_param_dim(schema, 2, 0, &size, text, &length));
    CHECK(size == -1 && strcmp(text, "row") == 0);
    length = sizeof text;
    FAILS(sdp_dal_schema_param_dim(schema, 2, 2, &size, text, &length), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_schema_param_info(schema, 8, &info), SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_schema_param_info(schema, 1, &info));
    CHECK(info.kind == SDP_DAL_PARAM_VALUE && info.flags == SDP_DAL_PARAM_NULLABLE);
    OK(sdp_dal_schema_param_info(schema, 3, &info));
    CHECK(info.kind == SDP_DAL_PARAM_ID);
    OK(sdp_dal_schema_param_info(schema, 4, &info));
    CHECK(info.kind == SDP_DAL_PARAM_OID);
    OK(sdp_dal_schema_param_info(schema, 7, &info));
    CHECK(info.kind == SDP_DAL_PARAM_TABLE && info.direction == SDP_DAL_OUT);
    CHECK(info.flags == SDP_DAL_PARAM_COLUMNS);

    OK(sdp_dal_schema_param_arrow(schema, 1, &arrow));
    CHECK(strcmp(arrow.format, "u") == 0 && strcmp(arrow.name, "name") == 0);
    CHECK(arrow.flags & ARROW_FLAG_NULLABLE);
    arrow.release(&arrow);
    FAILS(sdp_dal_schema_param_arrow(schema, 2, &arrow), SDP_DAL_INVALID_ARGUMENT);
    CHECK(arrow.release == NULL);
    OK(sdp_dal_schema_param_columns(schema, 7, &arrow));
    CHECK(strcmp(arrow.format, "+s") == 0 && arrow.n_children == 1);
    CHECK(strcmp(arrow.children[0]->name, "a") == 0);
    arrow.release(&arrow);
    FAILS(sdp_dal_schema_param_columns(schema, 5, &arrow), SDP_DAL_NOT_FOUND);
    FAILS(sdp_dal_schema_param_columns(schema, 0, &arrow), SDP_DAL_INVALID_ARGUMENT);
}

static void metadata(sdp_dal_schema *schema) {
    sdp_dal_schema *copy = NULL, *plain = NULL, *other = NULL;
    struct ArrowSchema arrow;
    size_t count = 1;
    OK(sdp_dal_schema_set_metadata(schema, NULL, "version", "1.2"));
    OK(sdp_dal_schema_set_metadata(schema, "ys", "unit", "m"));
    OK(sdp_dal_schema_set_metadata(schema, "ys", "gone", "x"));
    OK(sdp_dal_schema_set_metadata(schema, "ys", "gone", NULL));
    FAILS(sdp_dal_schema_set_metadata(schema, NULL, "proc:func", "g"), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_schema_set_metadata(schema, "no", "a", "b"), SDP_DAL_NOT_FOUND);
    /* Through Arrow's structs and back. */
    OK(sdp_dal_schema_to_arrow(schema, &arrow));
    CHECK(arrow.n_children == 8);
    OK(sdp_dal_schema_from_arrow(&arrow, &copy));
    CHECK(arrow.release == NULL);
    format_is(copy, SIGNATURE);
    TEXT(sdp_dal_schema_metadata(copy, NULL, "version", text, &length), "1.2");
    TEXT(sdp_dal_schema_metadata(copy, "ys", "unit", text, &length), "m");
    OK(sdp_dal_schema_num_metadata(copy, "ys", &count));
    CHECK(count == 1);
    TEXT(sdp_dal_schema_metadata_key(copy, "ys", 0, text, &length), "unit");
    length = sizeof text;
    FAILS(sdp_dal_schema_metadata_key(copy, "ys", 1, text, &length), SDP_DAL_INVALID_ARGUMENT);
    length = sizeof text;
    FAILS(sdp_dal_schema_metadata(copy, "ys", "no", text, &length), SDP_DAL_NOT_FOUND);
    SAYS("only: unit");
    /* Not in the signature, and no difference. */
    OK(sdp_dal_schema_parse(SIGNATURE, &plain));
    OK(sdp_dal_schema_num_metadata(plain, NULL, &count));
    CHECK(count == 0);
    count = 1;
    TEXT(sdp_dal_schema_mismatches(plain, copy, &count, text, &length), "");
    CHECK(count == 0);
    OK(sdp_dal_schema_parse("f(x: int32, name: utf8?)", &other));
    length = sizeof text;
    OK(sdp_dal_schema_mismatches(other, plain, &count, text, &length));
    CHECK(count == 6);
    CHECK(strncmp(text, "parameter 'x' of 'f' is int64, expected int32\n", 46) == 0);
    sdp_dal_schema_free(copy);
    OK(sdp_dal_schema_clone(plain, &copy));
    format_is(copy, SIGNATURE);
    sdp_dal_schema_free(copy);
    sdp_dal_schema_free(plain);
    sdp_dal_schema_free(other);
}

static void ids(sdp_dal_store *store) {
    uint8_t id[SDP_DAL_ID_SIZE], again[SDP_DAL_ID_SIZE], prefix[SDP_DAL_PREFIX_SIZE];
    size_t size = 0;
    OK(sdp_dal_store_new_id(store, id));
    OK(sdp_dal_store_new_id(store, again));
    OK(sdp_dal_store_prefix(store, prefix));
    CHECK(memcmp(id, again, sizeof id) != 0 && memcmp(id, prefix, sizeof prefix) == 0);
    CHECK(!sdp_dal_id_is_declaration(id) && !sdp_dal_id_is_declaration(NULL));
    length = sizeof text;
    OK(sdp_dal_id_format(id, sizeof id, text, &length));
    CHECK(length == 41);
    OK(sdp_dal_id_parse(text, again, &size));
    CHECK(size == sizeof id && memcmp(id, again, sizeof id) == 0);
    OK(sdp_dal_id_parse("0a0B", again, &size));
    CHECK(size == 2 && again[0] == 10 && again[1] == 11 && again[2] == 0);
    CHECK(!sdp_dal_id_is_declaration(id));
    OK(sdp_dal_id_parse("00000007", again, &size));
    CHECK(size == SDP_DAL_PREFIX_SIZE && sdp_dal_id_is_declaration(again));
    TEXT(sdp_dal_id_format(again, SDP_DAL_PREFIX_SIZE, text, &length), "00000007");
    FAILS(sdp_dal_id_parse("abc", again, &size), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_id_parse("0x", again, &size), SDP_DAL_INVALID_ARGUMENT);
    length = sizeof text;
    FAILS(sdp_dal_id_format(id, 21, text, &length), SDP_DAL_INVALID_ARGUMENT);
}

static size_t find(const sdp_dal_namespaces *list, const char *name) {
    for (size_t i = 0; i < sdp_dal_namespaces_count(list); i++) {
        length = sizeof text;
        OK(sdp_dal_namespaces_name(list, i, text, &length));
        if (strcmp(text, name) == 0) return i;
    }
    return sdp_dal_namespaces_count(list);
}

static void reserving(sdp_dal_store *store, const sdp_dal_schema *schema) {
    const uint8_t prefix[SDP_DAL_PREFIX_SIZE] = {9, 8, 7, 6};
    const char *const keys[] = {"telescope", "band"}, *const values[] = {"Low", ""};
    const char *const reserved[] = {"proc:pid"};
    sdp_dal_namespace_options options;
    sdp_dal_namespace_info info;
    sdp_dal_store *ours = NULL, *other = NULL;
    sdp_dal_namespaces *list = NULL;
    sdp_dal_schema *offered = NULL;
    size_t place, before;
    OK(sdp_dal_namespace_list(store, &list));
    before = sdp_dal_namespaces_count(list);
    sdp_dal_namespaces_free(list);
    CLEAR(options);
    options.name = "Reserved";
    options.prefix = prefix;
    options.prefix_size = sizeof prefix;
    options.schemas = &schema;
    options.num_schemas = 1;
    options.metadata_keys = keys;
    options.metadata_values = values;
    options.num_metadata = 2;
    OK(sdp_dal_namespace_reserve(store, &options, &ours));
    FAILS(sdp_dal_namespace_reserve(store, &options, &other), SDP_DAL_NAMESPACE_IN_USE);
    options.metadata_keys = reserved;
    options.num_metadata = 1;
    FAILS(sdp_dal_namespace_reserve(store, &options, &other), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'proc:pid' is no key");
    OK(sdp_dal_namespace_list(store, &list));
    CHECK(sdp_dal_namespaces_count(list) == before + 1);
    place = find(list, "Reserved");
    CLEAR(info);
    OK(sdp_dal_namespaces_info(list, place, &info));
    CHECK(memcmp(info.prefix, prefix, sizeof prefix) == 0);
    CHECK(info.alive == 1 && info.queued == 0 && info.pid != 0 && info.owner != 0);
    CHECK(info.num_args == 2);
    length = sizeof text;
    OK(sdp_dal_namespaces_arg(list, place, 0, text, &length));
    CHECK(strstr(text, "schemas") != NULL);
    FAILS(sdp_dal_namespaces_arg(list, place, 2, text, &length), SDP_DAL_INVALID_ARGUMENT);
    TEXT(sdp_dal_namespaces_metadata(list, place, "telescope", text, &length), "Low");
    TEXT(sdp_dal_namespaces_metadata(list, place, "band", text, &length), "");
    TEXT(sdp_dal_namespaces_metadata(list, place, "proc:namespace", text, &length), "Reserved");
    TEXT(sdp_dal_namespaces_metadata(list, place, "proc:prefix", text, &length), "09080706");
    CHECK(sdp_dal_namespaces_num_metadata(list, place) == 7);
    TEXT(sdp_dal_namespaces_metadata_key(list, place, 0, text, &length), "band");
    CHECK(sdp_dal_namespaces_num_functions(list, place) == 1);
    OK(sdp_dal_namespaces_function(list, place, 0, &offered));
    format_is(offered, SIGNATURE);
    TEXT(sdp_dal_schema_metadata(offered, "ys", "unit", text, &length), "m");
    sdp_dal_schema_free(offered);
    FAILS(sdp_dal_namespaces_function(list, place, 1, &offered), SDP_DAL_INVALID_ARGUMENT);
    sdp_dal_namespaces_free(list);
    sdp_dal_store_close(ours);
    OK(sdp_dal_namespace_list(store, &list));
    CHECK(sdp_dal_namespaces_count(list) == before);
    sdp_dal_namespaces_free(list);
}

static sdp_dal_status nothing(sdp_dal_call *call, void *user_data) {
    (void)call;
    (*(int *)user_data)++;
    return SDP_DAL_OK;
}

/* A caller whose schema says other things than the processor's, and the same. */
static void calling(sdp_dal_store *store) {
    sdp_dal_schema *theirs = NULL, *ours = NULL;
    const sdp_dal_schema *schemas[1];
    sdp_dal_processor *processor = NULL;
    sdp_dal_caller *caller = NULL;
    sdp_dal_args *args = NULL;
    sdp_dal_results *results = NULL;
    sdp_dal_caller_options how;
    int runs = 0;
    OK(sdp_dal_schema_parse("g(x: int64)", &theirs));
    OK(sdp_dal_schema_clone(theirs, &ours));
    OK(sdp_dal_schema_set_metadata(theirs, "x", "unit", "m"));
    OK(sdp_dal_schema_set_metadata(ours, NULL, "caller", "me"));
    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register_schema(processor, theirs, NULL, nothing, &runs, NULL));
    FAILS(sdp_dal_processor_register_schema(processor, theirs, NULL, nothing, &runs, NULL),
          SDP_DAL_ALREADY_EXISTS);
    OK(sdp_dal_processor_start(processor));
    schemas[0] = ours;
    CLEAR(how);
    how.schemas = schemas;
    how.num_schemas = 1;
    OK(sdp_dal_caller_open(store, NULL, 0, &how, &caller));
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_int64(args, NULL, 1));
    OK(sdp_dal_caller_call(caller, "g", args, &results));
    OK(sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER));
    CHECK(runs == 1);
    sdp_dal_results_free(results);
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
    sdp_dal_processor_close(processor);
    sdp_dal_schema_free(theirs);
    sdp_dal_schema_free(ours);
}

int main(int argc, char **argv) {
    sdp_dal_store *store = NULL;
    sdp_dal_schema *schema = NULL;
    CHECK(argc == 2);
    OK(sdp_dal_store_open(argv[1], NULL, &store));
    schema = build();
    format_is(schema, SIGNATURE);
    refusals(schema);
    questions(schema);
    metadata(schema);
    ids(store);
    reserving(store, schema);
    calling(store);
    sdp_dal_schema_free(schema);
    sdp_dal_schema_free(NULL);
    sdp_dal_store_close(store);
    return 0;
}
