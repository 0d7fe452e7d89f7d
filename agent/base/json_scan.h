/*
 * json_scan - parses JSON into structs, in one pass and without a tree
 *
 * For files that leafd writes itself and reads by the ten thousand: a tree takes twenty times as
 * long. Members may have any order. Unknown members are skipped; a known member that is repeated is
 * an error. Invalid JSON (RFC 8259) breaks the scan, and every later call fails. Texts are UTF-8
 * without NUL. Objects and arrays may be JSON_SCAN_DEPTH deep.
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
    struct arena *arena; /* for texts */
    unsigned depth;
    bool is_broken;
};

/* The type of a member and of the field it is written to. */
enum json_member_kind {
    JSON_MEMBER_TEXT,  /* `const char *`; null leaves the field unchanged */
    JSON_MEMBER_CHARS, /* char array of `bytes`, which the text must fit */
    JSON_MEMBER_TEXTS, /* `struct text_list`, from an array of texts */
    JSON_MEMBER_INT64, /* `int64_t` */
    JSON_MEMBER_TRUTH, /* `bool` */
    JSON_MEMBER_OTHER  /* parsed by `read` */
};

struct json_member {
    const char *name;
    enum json_member_kind kind;
    bool is_needed; /* the object is invalid without it */
    size_t offset, bytes;
    /* Parses the value into `field`; false if it is invalid. */
    bool (*read)(struct json_scan *scan, void *field);
};

/* json_scan_begin - starts a scan; borrows text and arena */
struct json_scan json_scan_begin(const char *text, size_t length, struct arena *arena);

/* json_scan_ended - whether the whole text was read and is valid JSON */
bool json_scan_ended(struct json_scan *scan);

/*
 * json_scan_object - parses an object into the struct at `to`
 *
 * `members` has at most 32 entries and ends with one without a name. False if the value is no
 * object, if a needed member is missing, or if a member is repeated or invalid. The scan has then
 * still passed the whole object, unless it is broken or memory ran out.
 */
bool json_scan_object(struct json_scan *scan, const struct json_member *members, void *to);

/* json_scan_items - calls `read` for each item of an array; false if the value is no array or an
 * item is invalid */
bool json_scan_items(struct json_scan *scan, bool (*read)(struct json_scan *scan, void *field),
                     void *field);

/* json_scan_text - parses a text into the arena; null gives NULL; false for any other value, or if
 * memory ran out */
bool json_scan_text(struct json_scan *scan, const char **ret_text);

/* json_scan_word - parses a text and finds its index in `words`, which end with NULL; false if it
 * is not there */
bool json_scan_word(struct json_scan *scan, const char *const *words, unsigned *ret_index);

#endif
