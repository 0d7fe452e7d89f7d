/*
 * config_document - sections and entries as they were written, with their places
 *
 * They come from the main file and its included files, or from a template. Values are not parsed
 * yet. A repeated section is reported here, a repeated key by config_keys.
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
    bool told; /* a problem of the value was reported; a value of [defaults] is parsed for many
                  certificates */
};

struct config_section {
    struct config_section *next, *alike; /* alike: the next one in the same slot of the index */
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
    struct config_section **index; /* hash table by kind and name */
    size_t index_size;             /* a power of two, or 0 */
};

/*
 * config_document_read - adds the sections of the open file `fd`; `file` is its name
 *
 * All texts are allocated in `arena`. Adds to `problems`: a section that was read before, and files
 * of more than 32 MiB in all. Blocks on the disk.
 */
void config_document_read(struct config_document *document, struct arena *arena, int fd,
                          const char *file, struct config_problems *problems);

/* config_section_find - the section of that kind and name ("": none), or NULL */
struct config_section *config_section_find(const struct config_document *document, const char *kind,
                                           const char *name);

/* config_entry_find - the first entry of that key, or NULL; `section` may be NULL */
struct config_entry *config_entry_find(const struct config_section *section, const char *key);

/* config_place_of - the place of the key, else of the section, else only their names */
struct config_place config_place_of(const struct config_document *document, const char *kind,
                                    const char *name, const char *key);

#endif
