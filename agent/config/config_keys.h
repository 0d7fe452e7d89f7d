/*
 * config_keys - every key of the configuration, in one table
 *
 * A key is here or it does not exist: its sections, its parser, its environment variable, its
 * default and the words that explain it. The messages of `leafd check` print from this table, and a
 * test holds leafd.ini(5) against it.
 */
#ifndef LEAFD_CONFIG_CONFIG_KEYS_H
#define LEAFD_CONFIG_CONFIG_KEYS_H

#include "config/config_values.h"

#include <stdbool.h>
#include <stddef.h>

/* The sections a key may stand in; bits. IN_CERT keys stand in [defaults] too. */
enum config_sections { IN_VAULT = 1, IN_AUTH = 2, IN_AGENT = 4, IN_CERT = 8, IN_TEMPLATE = 16 };

struct config_key {
    const char *name;
    unsigned sections;
    config_parser *parse; /* NULL: read before the others, by config_load itself */
    size_t offset;        /* of the field in the section's struct */
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

/* config_key_find - the key of that name which may stand in one of `sections`, or NULL */
const struct config_key *config_key_find(const char *name, unsigned sections);

/* config_key_near - the keys of `sections` that a mistyped name may have meant, as "a, b or c", in
 * `arena`; or NULL */
const char *config_key_near(const char *typed, unsigned sections, struct arena *arena);

#endif
