/*
 * config_fill - from entries to the fields of a struct, along the key table
 *
 * A section's own entry goes before its template's, that before [defaults], that before the
 * environment, that before the key's default. A key that holds a list takes the whole list from the
 * first of these that has the key.
 */
#ifndef LEAFD_CONFIG_CONFIG_FILL_H
#define LEAFD_CONFIG_CONFIG_FILL_H

#include "base/digest.h"
#include "config/config_document.h"
#include "config/config_expand.h"
#include "config/config_keys.h"

enum { CONFIG_LAYERS = 3 };

struct config_filling {
    struct config_section
        *layers[CONFIG_LAYERS]; /* the first goes first; NULL where there is none */
    unsigned sections;          /* whose keys: one bit of enum config_sections */
    void *target;               /* the struct that the offsets count in */
    struct config_scope *scope;
    struct digest *digest; /* gets every key and value that counts */
    struct config_problems *problems;
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
