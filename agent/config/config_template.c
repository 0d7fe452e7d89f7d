#include "config/config_template.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "config/config_values.h"

#include <errno.h>
#include <string.h>

enum { NAMES_MOST = 1000 };

struct config_template {
    struct config_template *next;
    const char *name;
    struct config_section *section; /* NULL: missing or broken */
};

static struct config_template *find(const struct config_templates *templates, const char *name)
{
    for (struct config_template *at = templates->known; at != NULL; at = at->next)
        if (strcmp(at->name, name) == 0)
            return at;
    return NULL;
}

/*
 * Opens the template's file. The path that was opened, or that cannot be trusted, with *err; NULL
 * if neither folder has one that can be read.
 */
static const char *locate(const struct config_templates *templates, const char *name, int *ret_fd,
                          struct err *err)
{
    const char *const folders[] = {templates->directory, LEAFD_TEMPLATE_DIRECTORY};

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const char *path = folders[i] == NULL
                               ? NULL
                               : arena_format(templates->arena, "%s/%s.ini", folders[i], name);

        if (path != NULL && (config_trust_open(&templates->scope->trust, path, ret_fd, err) ||
                             (err->errnum != ENOENT && err->errnum != EACCES)))
            return path;
    }
    return NULL;
}

/* Adds the names of a folder's templates; a folder that is not there has none. */
static void list_folder(struct arena *arena, const char *folder, struct text_list *names)
{
    DIR *stream = folder == NULL ? NULL : opendir(folder);
    const struct dirent *entry;

    while (stream != NULL && (entry = readdir(stream)) != NULL && names->count < NAMES_MOST) {
        size_t length = strlen(entry->d_name);

        if (length > 4 && strcmp(entry->d_name + length - 4, ".ini") == 0) {
            const char *name = arena_copy_part(arena, entry->d_name, length - 4);

            if (name != NULL && !text_list_has(names, name))
                text_list_add(names, arena, name, length - 4);
        }
    }
    if (stream != NULL)
        closedir(stream);
}

static void tell_missing(const struct config_templates *templates, const struct config_place *place,
                         const char *name)
{
    const char *own = templates->directory == NULL ? "-" : templates->directory;
    struct text_list names = {0};
    const char *near;

    list_folder(templates->arena, templates->directory, &names);
    list_folder(templates->arena, LEAFD_TEMPLATE_DIRECTORY, &names);
    near = text_near(templates->arena, name, names.items, names.count);
    if (near != NULL)
        config_problem(templates->problems, place,
                       "\"%s\" is neither in %s nor in %s; did you mean %s?", name, own,
                       LEAFD_TEMPLATE_DIRECTORY, near);
    else
        config_problem(templates->problems, place,
                       "\"%s\" is neither in %s nor in %s; leafd-templates(7) lists them", name,
                       own, LEAFD_TEMPLATE_DIRECTORY);
}

static struct config_section *read_template(const struct config_templates *templates, int fd,
                                            const char *path)
{
    struct config_document document = {0};
    struct config_section *section;

    config_document_read(&document, templates->arena, fd, path, templates->problems);
    section = config_section_find(&document, "template", "");
    if (section == NULL || section->next != NULL || document.sections != section)
        config_problem(templates->problems, &(struct config_place){.file = path},
                       "is no template; it needs one section, [template], and no other");
    if (section != NULL)
        config_check_keys(section, IN_TEMPLATE, templates->problems);
    return section;
}

struct config_section *config_template_of(struct config_templates *templates,
                                          const struct config_section *cert,
                                          const struct config_section *defaults)
{
    CLEANUP(close_fd) int fd = -1;
    const struct config_section *from = cert;
    const struct config_entry *entry = config_entry_find(cert, "template");
    struct config_template *template;
    const char *name = NULL, *path;
    struct err err;

    if (entry == NULL) {
        from = defaults;
        entry = config_entry_find(defaults, "template");
    }
    /* What is wrong with the name itself is told where the key is filled in. */
    if (entry == NULL || parse_api_name(templates->scope, entry->value, &name) != NULL)
        return NULL;
    template = find(templates, name);
    if (template != NULL)
        return template->section;
    template = arena_take(templates->arena, sizeof *template);
    if (template == NULL)
        return NULL;
    *template = (struct config_template){.next = templates->known, .name = name};
    templates->known = template;
    path = locate(templates, name, &fd, &err);
    if (path == NULL)
        tell_missing(templates,
                     &(struct config_place){from->file, entry->line, from->title, "template"},
                     name);
    else if (fd < 0)
        config_problem(templates->problems, &(struct config_place){.file = path}, "%s", err.text);
    else
        template->section = read_template(templates, fd, path);
    return template->section;
}
