/*
 * config_keys - the table of all keys of the configuration
 *
 * It defines for each key its sections, its parser, its environment variable, its default and its
 * explanation. The messages of `leafd check` come from this table, and tests/shape compares
 * leafd.ini(5) with it.
 */
#ifndef LEAFD_CONFIG_CONFIG_KEYS_H
#define LEAFD_CONFIG_CONFIG_KEYS_H

#include "base/digest.h"
#include "config/config_document.h"
#include "config/config_expand.h"
#include "config/config_values.h"

#include <stdbool.h>
#include <stddef.h>

/* The sections of a key; bits. Keys of IN_CERT may also stand in [defaults]. */
enum config_sections {
    IN_VAULT = 1,
    IN_AUTH = 2,
    IN_AGENT = 4,
    IN_CERT = 8,
    IN_TEMPLATE = 16,
    IN_TRUST = 32
};

struct config_key {
    const char *name;
    unsigned sections;
    config_parser *parse; /* NULL: config_load reads it before the others */
    size_t offset, bytes; /* of the field in the section's struct */
    bool repeats;
    bool may_be_empty;
    bool credential; /* may hold a credential, if only by mistake: messages never show the value */
    bool orders;     /* messages do not show the arguments of this value */
    const char *environment; /* BAO_X, then VAULT_X, is the default; or NULL */
    const char *fallback;    /* the default as it would be written; or NULL */
    const char *type;        /* the form of the value, for messages */
    const char *example;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/*
 * The layers of a section. Of several values the first counts: that of the section itself, of its
 * template, of [defaults], of the environment, the default of the key. The layer that counts gives
 * the whole list of a key that repeats.
 */
enum { CONFIG_LAYERS = 3 };

/*
 * The values that all sections with the same template inherit, unless they contain ${...}.
 *
 * They are parsed once and not for each of ten thousand certificates, and are kept in memory once.
 */
struct config_base;

struct config_filling {
    struct config_section *layers[CONFIG_LAYERS]; /* first to last; NULL: there is no such layer */
    unsigned sections;                            /* one bit of enum config_sections */
    void *target; /* the struct that is filled, to which the offsets of the keys apply */
    size_t bytes; /* of that struct */
    struct config_scope *scope;
    struct digest *digest; /* is extended by every key and value that counts */
    struct config_problems *problems;
    struct config_base **
        bases; /* list of all bases, allocated in `source`; NULL: inherited values are not shared */
    struct arena *source; /* lives until the last section is filled */
};

/* config_fill - fills all fields of the section's struct; adds what is wrong to `problems` */
void config_fill(const struct config_filling *filling);

/*
 * config_check_keys - reports unknown, misplaced and repeated keys of a section
 *
 * Called once for each section, since [defaults] and templates serve many certificates.
 */
void config_check_keys(const struct config_section *section, unsigned sections,
                       struct config_problems *problems);

#endif
