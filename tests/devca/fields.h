/*
 * fields - the fields of a request's body, read as Vault's framework reads them
 *
 * It converts generously (a number is a text, "1" is true, "a,b" is a list) and refuses what it
 * cannot convert before the endpoint sees the request. The first such refusal is kept; the caller
 * reads all its fields and then looks for it once.
 */
#ifndef DEVCA_FIELDS_H
#define DEVCA_FIELDS_H

#include "base/text.h"

#include "reply.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>

/* Initialise with the first two. */
struct fields {
    const json_t *body;
    struct arena *arena;
    const char *failure; /* NULL: all could be read */
};

/* fields_given - whether the body has the field, whatever is in it */
bool fields_given(const struct fields *fields, const char *name);

/* fields_text - a text, "" where the field is missing */
const char *fields_text(struct fields *fields, const char *name);

/* fields_true - a truth value, false where the field is missing */
bool fields_true(struct fields *fields, const char *name);

/* fields_seconds - a duration, 0 where the field is missing */
uint64_t fields_seconds(struct fields *fields, const char *name);

/* fields_list - an array, or a text with commas; empty where the field is missing */
struct text_list fields_list(struct fields *fields, const char *name);

/* fields_warn_unknown - adds Vault's warning about fields that are not in `known`, NULL at its end
 */
void fields_warn_unknown(const struct fields *fields, const char *const *known,
                         struct reply *reply);

#endif
