#include "config/config_document.h"

#include "config/ini_lines.h"

#include <stdint.h>
#include <string.h>

enum { ALL_FILES_MOST_BYTES = 32 * 1024 * 1024, INDEX_LEAST = 16 };

struct reading {
    struct config_document *document;
    struct arena *arena;
    const char *file;
    struct config_problems *problems;
    struct config_section *section; /* the current section; NULL before the first one */
};

/* FNV-1a, draft-eastlake-fnv. Collisions by intent are no concern: only root chooses the names. */
static size_t place_in(const struct config_document *document, const char *kind, const char *name)
{
    uint64_t sum = 0xcbf29ce484222325;

    for (const char *c = kind; *c != '\0'; c++)
        sum = (sum ^ (unsigned char)*c) * 0x100000001b3;
    for (const char *c = name; *c != '\0'; c++)
        sum = (sum ^ (unsigned char)*c) * 0x100000001b3;
    return (size_t)(sum ^ sum >> 32) & (document->index_size - 1);
}

struct config_section *config_section_find(const struct config_document *document, const char *kind,
                                           const char *name)
{
    struct config_section *at =
        document->index_size == 0 ? NULL : document->index[place_in(document, kind, name)];

    while (at != NULL && (strcmp(at->kind, kind) != 0 || strcmp(at->name, name) != 0))
        at = at->alike;
    return at;
}

static void index_one(const struct config_document *document, struct config_section *section)
{
    struct config_section **place =
        &document->index[place_in(document, section->kind, section->name)];

    section->alike = *place;
    *place = section;
}

/* Makes room for one more section. The smaller index stays in the arena. */
static bool grow_index(struct config_document *document, struct arena *arena)
{
    size_t size = document->index_size == 0 ? INDEX_LEAST : document->index_size * 2;
    struct config_section **index;

    if (document->section_count < document->index_size)
        return true;
    index = arena_take(arena, size * sizeof *index);
    if (index == NULL)
        return false;
    document->index = index;
    document->index_size = size;
    for (struct config_section *at = document->sections; at != NULL; at = at->next)
        index_one(document, at);
    return true;
}

struct config_entry *config_entry_find(const struct config_section *section, const char *key)
{
    for (struct config_entry *at = section == NULL ? NULL : section->entries; at != NULL;
         at = at->next)
        if (strcmp(at->key, key) == 0)
            return at;
    return NULL;
}

struct config_place config_place_of(const struct config_document *document, const char *kind,
                                    const char *name, const char *key)
{
    const struct config_section *section = config_section_find(document, kind, name);
    const struct config_entry *entry = config_entry_find(section, key);
    struct config_place place = {.section = kind, .key = key};

    if (section != NULL) {
        place.file = section->file;
        place.line = entry == NULL ? section->line : entry->line;
        place.section = section->title;
    } else if (document->sections != NULL) {
        place.file = document->sections->file;
    }
    return place;
}

static bool append(struct config_document *document, struct arena *arena,
                   struct config_section *section)
{
    if (!grow_index(document, arena))
        return false;
    if (document->last == NULL)
        document->sections = section;
    else
        document->last->next = section;
    document->last = section;
    document->section_count++;
    index_one(document, section);
    return true;
}

/* Splits "cert web" at its first space. */
static bool name_section(struct arena *arena, struct config_section *section, const char *title)
{
    size_t kind = strcspn(title, " \t");

    section->title = arena_copy(arena, title);
    section->kind = arena_copy_part(arena, title, kind);
    section->name = arena_copy(arena, title + kind + strspn(title + kind, " \t"));
    return section->title != NULL && section->kind != NULL && section->name != NULL;
}

static bool on_section(void *arg, const char *title, unsigned line)
{
    struct reading *reading = arg;
    struct config_section *section = arena_take(reading->arena, sizeof *section);
    const struct config_section *twin;

    if (section == NULL || !name_section(reading->arena, section, title))
        return false;
    section->file = reading->file;
    section->line = line;
    section->end = &section->entries;
    reading->section = section;
    twin = config_section_find(reading->document, section->kind, section->name);
    if (twin == NULL)
        return append(reading->document, reading->arena, section);
    config_problem(reading->problems, &(struct config_place){reading->file, line, title, NULL},
                   "this section is given twice, first at %s:%u; merge the two", twin->file,
                   twin->line);
    return true;
}

static bool on_entry(void *arg, const char *key, const char *value, unsigned line)
{
    struct reading *reading = arg;
    struct config_entry *entry;

    if (reading->section == NULL) {
        config_problem(reading->problems, &(struct config_place){reading->file, line, NULL, key},
                       "stands before the first section; put it below one, such as [vault]");
        return true;
    }
    entry = arena_take(reading->arena, sizeof *entry);
    if (entry == NULL)
        return false;
    entry->key = arena_copy(reading->arena, key);
    entry->value = arena_copy(reading->arena, value);
    entry->line = line;
    *reading->section->end = entry;
    reading->section->end = &entry->next;
    return entry->key != NULL && entry->value != NULL;
}

void config_document_read(struct config_document *document, struct arena *arena, int fd,
                          const char *file, struct config_problems *problems)
{
    struct reading reading = {document, arena, arena_copy(arena, file), problems, NULL};
    const struct ini_reader reader = {on_section, on_entry, &reading};

    if (document->bytes > ALL_FILES_MOST_BYTES)
        return; /* reported for the previous file */
    if (reading.file == NULL)
        config_problem(problems, &(struct config_place){.file = file}, "memory ran out");
    else
        document->bytes += ini_lines_read(fd, reading.file, &reader, problems);
    if (document->bytes > ALL_FILES_MOST_BYTES)
        config_problem(
            problems, &(struct config_place){.file = file},
            "makes the files of the configuration larger than 32 MiB in all; include fewer");
}
