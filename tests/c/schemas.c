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
    struct ArrowSchema arrow;
    sdp_dal_schema *schema = NULL;
    OK(sdp_dal_schema_create("f", &schema));
    OK(sdp_dal_schema_add(schema, SDP_DAL_IN, "x", "int64", NULL, false));
    make_field(&arrow, "u", "");
    OK(sdp_dal_schema_add(schema, SDP_DAL_IN, "name", NULL, &arrow, true));
    CHECK(arrow.release == NULL);
    OK(sdp_dal_schema_add(schema, SDP_DAL_IN, "ys", "float64[row,uvw=3]", NULL, false));
    OK(sdp_dal_schema_add(schema, SDP_DAL_IN, "who", "id", NULL, false));
    OK(sdp_dal_schema_add(schema, SDP_DAL_IN, "any", "oid", NULL, true));
    OK(sdp_dal_schema_add(schema, SDP_DAL_IN, "t", "table", NULL, false));
    OK(sdp_dal_schema_add(schema, SDP_DAL_OUT, "zs", "complex128[]", NULL, false));
    make_columns(&arrow);
    OK(sdp_dal_schema_add(schema, SDP_DAL_OUT, "u", "table", &arrow, false));
    CHECK(arrow.release == NULL);
    return schema;
}

static void refusals(sdp_dal_schema *schema) {
    struct ArrowSchema arrow;
    sdp_dal_schema *none = NULL;
    int before = released;
    FAILS(sdp_dal_schema_create("a b", &none), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_schema_parse("f(", &none), SDP_DAL_INVALID_ARGUMENT);
    const int32_t in = SDP_DAL_IN, out = SDP_DAL_OUT, wrong = SDP_DAL_INVALID_ARGUMENT;
    FAILS(sdp_dal_schema_add(schema, in, "x", "int64", NULL, false), wrong);
    SAYS("two parameters 'x'");
    FAILS(sdp_dal_schema_add(schema, in, "n", "int65", NULL, false), wrong);
    SAYS("parameter 'n'");
    SAYS("found 'int65'");
    FAILS(sdp_dal_schema_add(schema, 2, "n", "oid", NULL, false), wrong);
    SAYS("not a value of sdp_dal_direction");
    FAILS(sdp_dal_schema_add(schema, out, "n", "int64", NULL, false), wrong);
    SAYS("outputs are tensors");
    FAILS(sdp_dal_schema_add(schema, in, "n", NULL, NULL, false), wrong);
    SAYS("'type_text' is NULL");
    /* Arrow's structs are taken, whatever comes of it. */
    make_field(&arrow, "nonsense", "");
    FAILS(sdp_dal_schema_add(schema, in, "n", NULL, &arrow, false), wrong);
    CHECK(arrow.release == NULL && released == before + 1);
    FAILS(sdp_dal_schema_add(schema, in, "n", NULL, &arrow, false), wrong);
    SAYS("was released");
    make_columns(&arrow);
    FAILS(sdp_dal_schema_add(NULL, in, "n", "table", &arrow, false), wrong);
    CHECK(arrow.release == NULL && released == before + 2);
    make_field(&arrow, "u", "");
    FAILS(sdp_dal_schema_add(schema, in, "n", "oid", &arrow, false), wrong);
    SAYS("must be NULL if 'type_text' is \"oid\"");
    CHECK(arrow.release == NULL && released == before + 3);
    make_columns(&arrow);
    FAILS(sdp_dal_schema_from_arrow(&arrow, &none), SDP_DAL_INVALID_ARGUMENT);
    SAYS("proc:func");
    CHECK(arrow.release == NULL && released == before + 4);
    format_is(schema, SIGNATURE);
}

static void questions(const sdp_dal_schema *schema) {
    sdp_dal_param_info info;
    struct ArrowSchema arrow;
    sdp_dal_schema_info about;
    size_t index = 0;
    CLEAR(info);
    CLEAR(about);
    OK(sdp_dal_schema_get_info(schema, &about));
    CHECK(strcmp(about.name, "f") == 0 && about.num_params == 8 && about.num_metadata == 0);
    OK(sdp_dal_schema_get_index(schema, "ys", &index));
    CHECK(index == 2);
    FAILS(sdp_dal_schema_get_index(schema, "no", &index), SDP_DAL_NOT_FOUND);
    OK(sdp_dal_schema_get_param(schema, 2, &info));
    CHECK(info.direction == SDP_DAL_IN && info.kind == SDP_DAL_PARAM_TENSOR);
    CHECK(info.dtype == SDP_DAL_FLOAT64 && info.ndim == 2 && info.flags == 0);
    CHECK(strcmp(info.name, "ys") == 0 && strcmp(info.type_text, "float64[row,uvw=3]") == 0);
    CHECK(strcmp(info.dim_names[0], "row") == 0 && strcmp(info.dim_names[1], "uvw") == 0);
    CHECK(info.dim_sizes[0] == -1 && info.dim_sizes[1] == 3);
    FAILS(sdp_dal_schema_get_param(schema, 8, &info), SDP_DAL_INVALID_ARGUMENT);
    OK(sdp_dal_schema_get_param(schema, 1, &info));
    CHECK(info.kind == SDP_DAL_PARAM_VALUE && info.flags == SDP_DAL_PARAM_NULLABLE);
    CHECK(info.ndim == 0 && info.dim_names == NULL && info.dim_sizes == NULL);
    OK(sdp_dal_schema_get_param(schema, 3, &info));
    CHECK(info.kind == SDP_DAL_PARAM_ID);
    OK(sdp_dal_schema_get_param(schema, 4, &info));
    CHECK(info.kind == SDP_DAL_PARAM_OID);
    OK(sdp_dal_schema_get_param(schema, 7, &info));
    CHECK(info.kind == SDP_DAL_PARAM_TABLE && info.direction == SDP_DAL_OUT);
    CHECK(info.flags == SDP_DAL_PARAM_COLUMNS);

    OK(sdp_dal_schema_get_arrow(schema, 1, &arrow));
    CHECK(strcmp(arrow.format, "u") == 0 && strcmp(arrow.name, "name") == 0);
    CHECK(arrow.flags & ARROW_FLAG_NULLABLE);
    arrow.release(&arrow);
    FAILS(sdp_dal_schema_get_arrow(schema, 2, &arrow), SDP_DAL_INVALID_ARGUMENT);
    CHECK(arrow.release == NULL);
    OK(sdp_dal_schema_get_arrow(schema, 7, &arrow));
    CHECK(strcmp(arrow.format, "+s") == 0 && arrow.n_children == 1);
    CHECK(strcmp(arrow.children[0]->name, "a") == 0);
    arrow.release(&arrow);
    FAILS(sdp_dal_schema_get_arrow(schema, 5, &arrow), SDP_DAL_NOT_FOUND);
    FAILS(sdp_dal_schema_get_arrow(schema, 4, &arrow), SDP_DAL_INVALID_ARGUMENT);
    SAYS("is oid, expected a value or a table");
}

static void metadata(sdp_dal_schema *schema) {
    sdp_dal_schema *copy = NULL, *plain = NULL, *other = NULL;
    struct ArrowSchema arrow;
    size_t count = 1, index = 0;
    sdp_dal_schema_info about;
    sdp_dal_param_info info;
    CLEAR(about);
    CLEAR(info);
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
    OK(sdp_dal_schema_get_info(copy, &about));
    CHECK(about.num_metadata == 1 && strcmp(about.metadata_keys[0], "version") == 0);
    CHECK(strcmp(about.metadata_values[0], "1.2") == 0);
    OK(sdp_dal_schema_get_index(copy, "ys", &index));
    OK(sdp_dal_schema_get_param(copy, index, &info));
    CHECK(info.num_metadata == 1 && strcmp(info.metadata_keys[0], "unit") == 0);
    CHECK(strcmp(info.metadata_values[0], "m") == 0);
    /* What is changed is lent anew. */
    OK(sdp_dal_schema_set_metadata(copy, "ys", "unit", "km"));
    OK(sdp_dal_schema_get_param(copy, index, &info));
    CHECK(strcmp(info.metadata_values[0], "km") == 0);
    /* Not in the signature, and no difference. */
    OK(sdp_dal_schema_parse(SIGNATURE, &plain));
    OK(sdp_dal_schema_get_info(plain, &about));
    CHECK(about.num_metadata == 0 && about.metadata_keys == NULL);
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
    OK(sdp_dal_store_get_prefix(store, prefix));
    CHECK(memcmp(id, again, sizeof id) != 0 && memcmp(id, prefix, sizeof prefix) == 0);
    length = sizeof text;
    OK(sdp_dal_id_format(id, sizeof id, text, &length));
    CHECK(length == 41);
    OK(sdp_dal_id_parse(text, again, &size));
    CHECK(size == sizeof id && memcmp(id, again, sizeof id) == 0);
    OK(sdp_dal_id_parse("0a0B", again, &size));
    CHECK(size == 2 && again[0] == 10 && again[1] == 11 && again[2] == 0);
    OK(sdp_dal_id_parse("00000007", again, &size));
    CHECK(size == SDP_DAL_PREFIX_SIZE);
    TEXT(sdp_dal_id_format(again, SDP_DAL_PREFIX_SIZE, text, &length), "00000007");
    FAILS(sdp_dal_id_parse("abc", again, &size), SDP_DAL_INVALID_ARGUMENT);
    FAILS(sdp_dal_id_parse("0x", again, &size), SDP_DAL_INVALID_ARGUMENT);
    length = sizeof text;
    FAILS(sdp_dal_id_format(id, 21, text, &length), SDP_DAL_INVALID_ARGUMENT);
}

/* The namespace of this name, and its place in the list. */
static size_t find(const sdp_dal_namespaces *list, size_t count, const char *name,
                   sdp_dal_namespace_info *info) {
    for (size_t i = 0; i < count; i++) {
        CLEAR(*info);
        OK(sdp_dal_namespaces_get_info(list, i, info));
        if (strcmp(info->name, name) == 0) return i;
    }
    CHECK(!"it is in the list");
    return count;
}

static const char *metadata_of(const sdp_dal_namespace_info *info, const char *key) {
    for (size_t i = 0; i < info->num_metadata; i++)
        if (strcmp(info->metadata_keys[i], key) == 0) return info->metadata_values[i];
    return "none";
}

static void reserving(sdp_dal_store *store, const sdp_dal_schema *schema) {
    const uint8_t prefix[SDP_DAL_PREFIX_SIZE] = {9, 8, 7, 6};
    const char *const keys[] = {"telescope", "band"}, *const values[] = {"Low", ""};
    const char *const reserved[] = {"proc:pid"};
    sdp_dal_namespace_options options;
    sdp_dal_namespace_info info;
    CLEAR(info);
    sdp_dal_store *ours = NULL, *other = NULL;
    sdp_dal_namespaces *list = NULL;
    sdp_dal_schema *offered = NULL;
    size_t place, before = 0, count = 0;
    OK(sdp_dal_store_list_namespaces(store, &list, &before));
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
    OK(sdp_dal_store_new_namespace(store, &options, &ours));
    FAILS(sdp_dal_store_new_namespace(store, &options, &other), SDP_DAL_NAMESPACE_IN_USE);
    options.metadata_keys = reserved;
    options.num_metadata = 1;
    FAILS(sdp_dal_store_new_namespace(store, &options, &other), SDP_DAL_INVALID_ARGUMENT);
    SAYS("'proc:pid' is not a valid metadata key");
    OK(sdp_dal_store_list_namespaces(store, &list, &count));
    CHECK(count == before + 1);
    FAILS(sdp_dal_namespaces_get_info(list, count, &info), SDP_DAL_INVALID_ARGUMENT);
    place = find(list, count, "Reserved", &info);
    CHECK(memcmp(info.prefix, prefix, sizeof prefix) == 0);
    CHECK(info.alive == 1 && info.queued == 0 && info.pid != 0 && info.owner != 0);
    CHECK(info.num_args == 2);
    CHECK(strstr(info.args[0], "schemas") != NULL);
    CHECK(strcmp(metadata_of(&info, "telescope"), "Low") == 0);
    CHECK(strcmp(metadata_of(&info, "band"), "") == 0);
    CHECK(strcmp(metadata_of(&info, "proc:namespace"), "Reserved") == 0);
    CHECK(strcmp(metadata_of(&info, "proc:prefix"), "09080706") == 0);
    CHECK(info.num_metadata == 7 && strcmp(info.metadata_keys[0], "band") == 0);
    CHECK(info.num_functions == 1);
    OK(sdp_dal_namespaces_get_function(list, place, 0, &offered));
    format_is(offered, SIGNATURE);
    sdp_dal_param_info ys;
    CLEAR(ys);
    OK(sdp_dal_schema_get_param(offered, 2, &ys));
    CHECK(ys.num_metadata == 1 && strcmp(ys.metadata_values[0], "m") == 0);
    sdp_dal_schema_free(offered);
    FAILS(sdp_dal_namespaces_get_function(list, place, 1, &offered), SDP_DAL_INVALID_ARGUMENT);
    sdp_dal_namespaces_free(list);
    sdp_dal_store_close(ours);
    OK(sdp_dal_store_list_namespaces(store, &list, &count));
    CHECK(count == before);
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
