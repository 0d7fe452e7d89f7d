/*
 * config_document - the sections and entries of a configuration, not yet understood
 *
 * Raw texts with the place where each stands, from the main file and all that it includes, or from
 * a template. What makes no sense in any INI file is found here: a section or a key given twice.
 */
#ifndef LEAFD_CONFIG_CONFIG_DOCUMENT_H
#define LEAFD_CONFIG_CONFIG_DOCUMENT_H

#include "base/arena.h"
#include "config/config_problems.h"

#include <stdbool.h>

struct config_entry {
    struct config_entry *next;
    const char *key, *value;
    unsigned line;
    bool told; /* a problem with the value has been told: once is enough for a default of many */
};

struct config_section {
    struct config_section *next, *alike; /* alike: of the same place in the index */
    const char *title;                   /* "cert web" */
    const char *kind, *name;             /* "cert", "web"; name is "" if there is none */
    const char *file;
    unsigned line;
    struct config_entry *entries, **end;
};

/* Initialise with {0}. */
struct config_document {
    struct config_section *sections, *last;
    size_t section_count, bytes;   /* of all files */
    struct config_section **index; /* by kind and name */
    size_t index_size;             /* a power of two, or 0 */
};

/*
 * config_document_read - adds the sections of one file, which is open; `file` is its name
 *
 * Everything lives in `arena`. A section that is there already is a problem, and so are files of
 * more than 32 MiB together. Key repetition is left to config_keys, which knows the keys that hold
 * lists.
 */
void config_document_read(struct config_document *document, struct arena *arena, int fd,
                          const char *file, struct config_problems *problems);

/* config_section_find - the section of that kind and name ("" for none), or NULL */
struct config_section *config_section_find(const struct config_document *document, const char *kind,
                                           const char *name);

/* config_entry_find - the first entry of that key, or NULL; section may be NULL */
struct config_entry *config_entry_find(const struct config_section *section, const char *key);

/*
 * config_place_of - where the key stands in the section, or the section itself, or where it ought
 * to stand
 */
struct config_place config_place_of(const struct config_document *document, const char *kind,
                                    const char *name, const char *key);

#endif
