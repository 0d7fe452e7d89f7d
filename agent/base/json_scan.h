/*
 * json_scan - a JSON text read from its beginning to its end, without a tree of it
 *
 * For texts of leafd's own making that are read ten thousand at a time: a tree of such a text takes
 * twenty times as long as the reading does. Members may stand in any order, and those that nobody
 * knows are passed over; a known one that is given twice is wrong. What is no JSON (RFC 8259)
 * breaks the scan, which then gives nothing more. Texts are UTF-8 without NUL, objects and arrays
 * are at most JSON_SCAN_DEPTH deep.
 */
#ifndef LEAFD_BASE_JSON_SCAN_H
#define LEAFD_BASE_JSON_SCAN_H

#include "base/arena.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_SCAN_DEPTH = 32 };

struct json_scan {
    const char *at, *end;
    struct arena *arena; /* where texts go */
    unsigned depth;
    bool is_broken;
};

/* What a member is, and where its value goes. */
enum json_member_kind {
    JSON_MEMBER_TEXT,  /* `const char *`; null leaves it as it is */
    JSON_MEMBER_CHARS, /* an array of `bytes` chars, which the text must fit */
    JSON_MEMBER_TEXTS, /* `struct text_list`: an array of texts */
    JSON_MEMBER_INT64, /* `int64_t` */
    JSON_MEMBER_TRUTH, /* `bool` */
    JSON_MEMBER_OTHER  /* whatever `read` makes of it */
};

struct json_member {
    const char *name;
    enum json_member_kind kind;
    bool is_needed; /* the object is wrong without it */
    size_t offset, bytes;
    /* Takes the value off the scan; false if it is wrong. */
    bool (*read)(struct json_scan *scan, void *field);
};

/* json_scan_begin - at the beginning of a text, which is borrowed, as is the arena */
struct json_scan json_scan_begin(const char *text, size_t length, struct arena *arena);

/* json_scan_ended - whether all of the text was JSON, and has been read */
bool json_scan_ended(struct json_scan *scan);

/*
 * json_scan_object - fills the struct at `to` with the members, at most 32, of which the last has
 * no name
 *
 * False if the value is no object, lacks what is needed, or a member is given twice or wrong. All
 * of it has been passed then all the same, unless the scan is broken or memory ran out.
 */
bool json_scan_object(struct json_scan *scan, const struct json_member *members, void *to);

/* json_scan_items - calls `read` for each item of an array until it tells that one is wrong; false
 * then, and if the value is no array */
bool json_scan_items(struct json_scan *scan, bool (*read)(struct json_scan *scan, void *field),
                     void *field);

/* json_scan_text - a text, in the arena; NULL for null; false if it is neither, or memory ran out
 */
bool json_scan_text(struct json_scan *scan, const char **ret_text);

/* json_scan_word - the index of a text among `words`, which end with NULL; false if it is none */
bool json_scan_word(struct json_scan *scan, const char *const *words, unsigned *ret_index);

#endif
