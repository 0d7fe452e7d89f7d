#include "config/config_template.h"

#include "config/config_fill.h"
#include "config/config_values.h"

#include <string.h>
#include <unistd.h>

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

/* The path of the template's file, or NULL if neither folder has it. */
static const char *locate(const struct config_templates *templates, const char *name)
{
    const char *const folders[] = {templates->directory, LEAFD_TEMPLATE_DIRECTORY};

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const char *path = folders[i] == NULL
                               ? NULL
                               : arena_format(templates->arena, "%s/%s.ini", folders[i], name);

        if (path != NULL && access(path, R_OK) == 0)
            return path;
    }
    return NULL;
}

static struct config_section *read_template(const struct config_templates *templates,
                                            const char *path)
{
    struct config_document document = {0};
    struct config_section *section;

    config_document_read(&document, templates->arena, path, templates->problems);
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
    const struct config_section *from = cert;
    const struct config_entry *entry = config_entry_find(cert, "template");
    struct config_template *template;
    const char *name = NULL, *path;

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
    path = locate(templates, name);
    if (path == NULL)
        config_problem(templates->problems,
                       &(struct config_place){from->file, entry->line, from->title, "template"},
                       "names a template that is neither in %s nor in %s",
                       templates->directory == NULL ? "-" : templates->directory,
                       LEAFD_TEMPLATE_DIRECTORY);
    else
        template->section = read_template(templates, path);
    return template->section;
}
