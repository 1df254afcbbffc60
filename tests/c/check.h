/* What the C tests share: a failed check prints where and why, and ends the program. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sdp_dal.h>

static inline const char *check_last_error(void) {
    static char text[SDP_DAL_MESSAGE_SIZE];
    size_t length = sizeof text;
    if (sdp_dal_last_error(text, &length) != SDP_DAL_OK) return "sdp_dal_last_error failed";
    return text;
}

static inline void check_status(sdp_dal_status found, sdp_dal_status wanted, const char *what,
                                int line) {
    if (found == wanted) return;
    fprintf(stderr, "line %d: %s gave %s, not %s; last error: %s\n", line, what,
            sdp_dal_status_name(found), sdp_dal_status_name(wanted), check_last_error());
    exit(1);
}

static inline void check_true(int holds, const char *what, int line) {
    if (holds) return;
    fprintf(stderr, "line %d: %s does not hold; last error: %s\n", line, what, check_last_error());
    exit(1);
}

#define OK(call) check_status((call), SDP_DAL_OK, #call, __LINE__)
#define FAILS(call, status) check_status((call), (status), #call, __LINE__)
#define CHECK(condition) check_true((condition) ? 1 : 0, #condition, __LINE__)
/* The last error has this text in it. */
#define SAYS(text) check_true(strstr(check_last_error(), (text)) != NULL, "says " text, __LINE__)

/* All defaults: zero, and its size. */
#define CLEAR(value)                                                                               \
    (memset(&(value), 0, sizeof(value)), (void)((value).struct_size = sizeof(value)))

/* What infos tell, one thing at a time. */

static inline sdp_dal_status ref_info(const sdp_dal_ref *reference, sdp_dal_ref_info *info) {
    CLEAR(*info);
    return sdp_dal_ref_get_info(reference, info);
}

static inline sdp_dal_status ref_id(const sdp_dal_ref *reference, uint8_t *id) {
    sdp_dal_ref_info info;
    sdp_dal_status status = ref_info(reference, &info);
    memcpy(id, info.id, sizeof info.id);
    return status;
}

static inline bool ref_is_owning(const sdp_dal_ref *reference) {
    sdp_dal_ref_info info;
    return ref_info(reference, &info) == SDP_DAL_OK && info.owning == 1;
}

static inline sdp_dal_status ref_state(const sdp_dal_ref *reference, sdp_dal_ref_state *state) {
    CLEAR(*state);
    return sdp_dal_ref_get_state(reference, state);
}

static inline sdp_dal_status ref_exists(const sdp_dal_ref *reference, bool *exists) {
    sdp_dal_ref_state state;
    sdp_dal_status status = ref_state(reference, &state);
    *exists = state.state == SDP_DAL_STATE_SEALED;
    return status;
}

static inline sdp_dal_status buffer_data(const sdp_dal_buffer *buffer, const void **data,
                                         size_t *size) {
    sdp_dal_buffer_info info;
    CLEAR(info);
    sdp_dal_status status = sdp_dal_buffer_get_info(buffer, &info);
    *data = info.data;
    *size = info.data_size;
    return status;
}

static inline sdp_dal_status signature_check(const char *signature) {
    sdp_dal_schema *schema = NULL;
    sdp_dal_status status = sdp_dal_schema_parse(signature, &schema);
    sdp_dal_schema_free(schema);
    return status;
}

static inline sdp_dal_status store_info(const sdp_dal_store *store, sdp_dal_store_info *info) {
    CLEAR(*info);
    return sdp_dal_store_get_info(store, info);
}

/* What references expect: a table of these columns (NULL: of any), a tensor. */
static inline sdp_dal_expectation a_table(const struct ArrowSchema *columns) {
    sdp_dal_expectation expected;
    CLEAR(expected);
    expected.kind = SDP_DAL_PARAM_TABLE;
    expected.columns = columns;
    return expected;
}

static inline sdp_dal_expectation a_tensor(int32_t dtype, int32_t ndim, const char *const *names) {
    sdp_dal_expectation expected;
    CLEAR(expected);
    expected.kind = SDP_DAL_PARAM_TENSOR;
    expected.dtype = dtype;
    expected.ndim = ndim;
    expected.dim_names = names;
    return expected;
}

#endif
