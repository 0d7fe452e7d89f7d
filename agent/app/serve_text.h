/*
 * serve_text - the body of replies, shared by all that send it
 *
 * A thousand requests for the same text hold it once. References are counted on the loop's thread;
 * a worker may make one.
 */
#ifndef LEAFD_APP_SERVE_TEXT_H
#define LEAFD_APP_SERVE_TEXT_H

#include "base/bytes.h"

/* What kind of body it is; static. */
struct serve_kind {
    const char *type;   /* Content-Type */
    const char *policy; /* Content-Security-Policy; NULL: the one that permits nothing */
};

extern const struct serve_kind serve_json;

struct serve_text {
    unsigned references;
    unsigned status; /* of HTTP */
    const struct serve_kind *kind;
    size_t length;
    char content[];
};

/*
 * serve_text_join - one text of the parts, with one reference; frees the parts one by one
 *
 * NULL if memory ran out.
 */
struct serve_text *serve_text_join(unsigned status, const struct serve_kind *kind,
                                   struct bytes *parts, size_t count);

/* serve_text_ref - one more reference; gives the text */
struct serve_text *serve_text_ref(struct serve_text *text);

/* serve_text_unref - gives a reference back; the last one frees the text; NULL is fine */
void serve_text_unref(struct serve_text *text);

#endif
