/*
 * config_keys - every key of the configuration, in one table
 *
 * A key is here or it does not exist: its sections, its parser, its environment variable, its
 * default and the words that explain it. The messages of `leafd check` print from this table, and a
 * test holds leafd.ini(5) against it.
 */
#ifndef LEAFD_CONFIG_CONFIG_KEYS_H
#define LEAFD_CONFIG_CONFIG_KEYS_H

#include "base/digest.h"
#include "config/config_document.h"
#include "config/config_expand.h"
#include "config/config_values.h"

#include <stdbool.h>
#include <stddef.h>

/* The sections a key may stand in; bits. IN_CERT keys stand in [defaults] too. */
enum config_sections { IN_VAULT = 1, IN_AUTH = 2, IN_AGENT = 4, IN_CERT = 8, IN_TEMPLATE = 16 };

struct config_key {
    const char *name;
    unsigned sections;
    config_parser *parse; /* NULL: read before the others, by config_load itself */
    size_t offset, bytes; /* of the field in the section's struct */
    bool repeats;
    bool credential;         /* messages never show the value: it can be a credential by mistake */
    bool orders;             /* nor the arguments of this one */
    const char *environment; /* read as BAO_X, then VAULT_X, where the key is not given; or NULL */
    const char *fallback;    /* the default, as it would be written; or NULL */
    const char *type;        /* what a value is, for people */
    const char *example;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/*
 * How a section's struct is filled: its own entry goes before its template's, that before
 * [defaults], that before the environment, that before the key's default. A key that holds a list
 * takes the whole list from the first of these that has the key.
 */
enum { CONFIG_LAYERS = 3 };

/*
 * What the layers behind the first mean for every section alike, which they do but for ${...}.
 *
 * It is parsed once, and not for each of ten thousand certificates, and what it points to is kept
 * once. One for each template, in the order in which they came up.
 */
struct config_base;

struct config_filling {
    struct config_section
        *layers[CONFIG_LAYERS]; /* the first goes first; NULL where there is none */
    unsigned sections;          /* whose keys: one bit of enum config_sections */
    void *target;               /* the struct that the offsets count in */
    size_t bytes;               /* of that struct */
    struct config_scope *scope;
    struct digest *digest; /* gets what tells every key and value that counts */
    struct config_problems *problems;
    struct config_base **bases; /* known so far, in `source`; NULL: of one section alone */
    struct arena *source;       /* lives until the last section is filled */
};

/* config_fill - sets every field of the section's struct; what is wrong becomes a problem */
void config_fill(const struct config_filling *filling);

/*
 * config_check_keys - finds unknown, misplaced and repeated keys of one section
 *
 * Once a section: [defaults] and templates serve many certificates.
 */
void config_check_keys(const struct config_section *section, unsigned sections,
                       struct config_problems *problems);

#endif
