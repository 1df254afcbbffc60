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

#endif
