#include "config/config_document.h"

#include "base/text.h"
#include "config/ini_lines.h"

#include <string.h>

enum { ALL_FILES_MOST_BYTES = 8 * 1024 * 1024 };

struct reading {
    struct config_document *document;
    struct arena *arena;
    const char *file;
    struct config_problems *problems;
    struct config_section *section; /* the one being read; NULL before the first */
};

struct config_section *config_section_find(const struct config_document *document, const char *kind,
                                           const char *name)
{
    for (struct config_section *at = document->sections; at != NULL; at = at->next)
        if (strcmp(at->kind, kind) == 0 && strcmp(at->name, name) == 0)
            return at;
    return NULL;
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

static void append(struct config_document *document, struct config_section *section)
{
    if (document->last == NULL)
        document->sections = section;
    else
        document->last->next = section;
    document->last = section;
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
    if (twin == NULL) {
        append(reading->document, section);
        return true;
    }
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
        return; /* told of the file before */
    if (reading.file == NULL)
        config_problem(problems, &(struct config_place){.file = file}, "memory ran out");
    else
        document->bytes += ini_lines_read(fd, reading.file, &reader, problems);
    if (document->bytes > ALL_FILES_MOST_BYTES)
        config_problem(problems, &(struct config_place){.file = file},
                       "brings all files of the configuration over 8 MiB together; include fewer");
}
