/* Arrow's C structs made by hand, for the tests: columns of numbers and of texts, and streams of
 * them. */
#ifndef ARROW_CHECK_H
#define ARROW_CHECK_H

#include "check.h"

/* How many of these structs have been made and not released. */
static int arrow_alive;

static void release_schema(struct ArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL) schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    free(schema->children);
    if (schema->dictionary != NULL) {
        if (schema->dictionary->release != NULL) schema->dictionary->release(schema->dictionary);
        free(schema->dictionary);
    }
    schema->release = NULL;
    arrow_alive--;
}

static void release_array(struct ArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL) array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    free(array->children);
    if (array->dictionary != NULL) {
        if (array->dictionary->release != NULL) array->dictionary->release(array->dictionary);
        free(array->dictionary);
    }
    for (int64_t i = 0; i < array->n_buffers; i++) free((void *)(uintptr_t)array->buffers[i]);
    free((void *)array->buffers);
    array->release = NULL;
    arrow_alive--;
}

static void make_schema(struct ArrowSchema *schema, const char *format, const char *name,
                        int64_t children) {
    memset(schema, 0, sizeof *schema);
    schema->format = format;
    schema->name = name;
    schema->n_children = children;
    if (children > 0) {
        schema->children = (struct ArrowSchema **)calloc((size_t)children, sizeof(void *));
        for (int64_t i = 0; i < children; i++)
            schema->children[i] = (struct ArrowSchema *)calloc(1, sizeof **schema->children);
    }
    schema->release = release_schema;
    arrow_alive++;
}

static void make_array(struct ArrowArray *array, int64_t length, int64_t buffers,
                       int64_t children) {
    memset(array, 0, sizeof *array);
    array->length = length;
    array->n_buffers = buffers;
    array->n_children = children;
    array->buffers = (const void **)calloc((size_t)(buffers > 0 ? buffers : 1), sizeof(void *));
    if (children > 0) {
        array->children = (struct ArrowArray **)calloc((size_t)children, sizeof(void *));
        for (int64_t i = 0; i < children; i++)
            array->children[i] = (struct ArrowArray *)calloc(1, sizeof **array->children);
    }
    array->release = release_array;
    arrow_alive++;
}

static void *copy_of(const void *bytes, size_t size) {
    void *copy = malloc(size > 0 ? size : 1);
    if (size > 0) memcpy(copy, bytes, size);
    return copy;
}

static void make_doubles(struct ArrowArray *array, int64_t first, int64_t length) {
    double *values = (double *)malloc(sizeof(double) * (size_t)(length > 0 ? length : 1));
    for (int64_t i = 0; i < length; i++) values[i] = (double)(first + i);
    make_array(array, length, 2, 0);
    array->buffers[1] = values;
}

/* "0", "1", ... of one digit each. */
static void make_texts(struct ArrowArray *array, int64_t first, int64_t length) {
    int32_t *offsets = (int32_t *)malloc(sizeof(int32_t) * (size_t)(length + 1));
    char *text = (char *)malloc((size_t)(length > 0 ? length : 1));
    for (int64_t i = 0; i <= length; i++) offsets[i] = (int32_t)i;
    for (int64_t i = 0; i < length; i++) text[i] = (char)('0' + (first + i) % 10);
    make_array(array, length, 3, 0);
    array->buffers[1] = offsets;
    array->buffers[2] = text;
}

/* What the streams here give: a table x: float64, name: utf8, or one of its columns. */
enum { TABLE = 0, COLUMN_X = 1, COLUMN_NAME = 2, BROKEN = 3, UNALIGNED = 4 };

struct stream_state {
    int kind;
    int64_t chunk, chunks, rows;
    /* Of UNALIGNED, a column x. */
    const char *values;
};

static void table_schema(struct ArrowSchema *schema) {
    make_schema(schema, "+s", "", 2);
    make_schema(schema->children[0], "g", "x", 0);
    make_schema(schema->children[1], "u", "name", 0);
}

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
    const struct stream_state *state = (const struct stream_state *)stream->private_data;
    if (state->kind == COLUMN_X || state->kind == UNALIGNED)
        make_schema(out, "g", "", 0);
    else if (state->kind == COLUMN_NAME)
        make_schema(out, "u", "", 0);
    else
        table_schema(out);
    return 0;
}

/* An array whose values are somebody else's. */
static void release_unowned(struct ArrowArray *array) {
    free((void *)array->buffers);
    array->release = NULL;
    arrow_alive--;
}

static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
    struct stream_state *state = (struct stream_state *)stream->private_data;
    const int64_t first = state->chunk * state->rows;
    memset(out, 0, sizeof *out);
    if (state->kind == BROKEN) return 5;
    if (state->chunk++ == state->chunks) return 0;
    if (state->kind == COLUMN_X) {
        make_doubles(out, first, state->rows);
    } else if (state->kind == UNALIGNED) {
        make_array(out, state->rows, 2, 0);
        out->buffers[1] = state->values;
        out->release = release_unowned;
    } else if (state->kind == COLUMN_NAME) {
        make_texts(out, first, state->rows);
    } else {
        make_array(out, state->rows, 1, 2);
        make_doubles(out->children[0], first, state->rows);
        make_texts(out->children[1], first, state->rows);
    }
    return 0;
}

static const char *stream_error(struct ArrowArrayStream *stream) {
    (void)stream;
    return "the disk is on fire";
}

static void release_stream(struct ArrowArrayStream *stream) {
    free(stream->private_data);
    stream->release = NULL;
    arrow_alive--;
}

static void make_stream(struct ArrowArrayStream *stream, int kind, int64_t chunks, int64_t rows) {
    struct stream_state *state = (struct stream_state *)malloc(sizeof *state);
    state->kind = kind;
    state->chunk = 0;
    state->chunks = chunks;
    state->rows = rows;
    state->values = NULL;
    stream->get_schema = stream_schema;
    stream->get_next = stream_next;
    stream->get_last_error = stream_error;
    stream->release = release_stream;
    stream->private_data = state;
    arrow_alive++;
}

/* Reads a table as make_stream() makes it to its end and releases it; its number of chunks. */
static int64_t check_stream(struct ArrowArrayStream *stream, int64_t rows) {
    struct ArrowSchema schema;
    struct ArrowArray chunk;
    int64_t row = 0, chunks = 0;
    CHECK(stream->release != NULL && stream->get_schema(stream, &schema) == 0);
    CHECK(strcmp(schema.format, "+s") == 0 && schema.n_children == 2);
    CHECK(strcmp(schema.children[0]->format, "g") == 0 &&
          strcmp(schema.children[0]->name, "x") == 0);
    CHECK(strcmp(schema.children[1]->name, "name") == 0);
    schema.release(&schema);
    for (;; chunks++) {
        CHECK(stream->get_next(stream, &chunk) == 0);
        if (chunk.release == NULL) break;
        const double *x = (const double *)chunk.children[0]->buffers[1];
        const int32_t *offsets = (const int32_t *)chunk.children[1]->buffers[1];
        const char *text = (const char *)chunk.children[1]->buffers[2];
        CHECK((uintptr_t)x % 64 == 0 && (uintptr_t)offsets % 64 == 0);
        for (int64_t i = 0; i < chunk.length; i++, row++) {
            CHECK(!(x[i] > (double)row) && !(x[i] < (double)row));
            CHECK(offsets[i + 1] == offsets[i] + 1 && text[offsets[i]] == (char)('0' + row % 10));
        }
        chunk.release(&chunk);
    }
    CHECK(row == rows);
    stream->release(stream);
    return chunks;
}

#endif
