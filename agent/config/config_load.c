#include "config/config_load.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "config/config_check.h"
#include "config/config_document.h"
#include "config/config_keys.h"
#include "config/config_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- templates ------------------------------------------------------------------------------------
 */

enum { NAMES_MOST = 1000 };

struct config_template {
    struct config_template *next;
    const char *name;
    struct config_section *section; /* NULL: missing or broken */
};

/* The templates that were read; each is read once. */
struct config_templates {
    struct arena *arena, *source;
    const char *directory; /* the template_directory of [agent]; NULL: none */
    struct config_scope *scope;
    struct config_problems *problems;
    struct config_template *known;
};

static struct config_template *find(const struct config_templates *templates, const char *name)
{
    for (struct config_template *at = templates->known; at != NULL; at = at->next)
        if (strcmp(at->name, name) == 0)
            return at;
    return NULL;
}

/*
 * Opens the template's file. Returns its path, also if the file cannot be opened safely (*err);
 * NULL if neither directory has a readable one.
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

/* Adds the names of the templates in a directory; a missing directory has none. */
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

    config_document_read(&document, templates->source, fd, path, templates->problems);
    section = config_section_find(&document, "template", "");
    if (section == NULL || section->next != NULL || document.sections != section)
        config_problem(templates->problems, &(struct config_place){.file = path},
                       "is not a template; it needs one section, [template], and no other");
    if (section != NULL)
        config_check_keys(section, IN_TEMPLATE, templates->problems);
    return section;
}

/* The [template] section that the certificate or [defaults] names. NULL if there is none, or if it
 * is missing or wrong, which is reported once. */
static struct config_section *template_of(struct config_templates *templates,
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
    /* config_fill reports a wrong name. */
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

/* -- from files to sections -----------------------------------------------------------------------
 */

struct loading {
    struct config *config;
    struct config_document *document;
    struct config_templates templates;
    struct config_scope scope;
    struct config_base *bases;
    const char *file; /* name of the file of the last certificate, in the configuration's arena */
    struct config_problems *problems;
};

/* The pattern if it is absolute, else relative to the main file's directory. */
static const char *include_pattern(struct loading *loading, const char *main_file,
                                   const char *pattern)
{
    const char *slash = strrchr(main_file, '/');

    if (pattern[0] == '/' || slash == NULL)
        return pattern;
    return arena_format(&loading->config->arena, "%.*s/%s", (int)(slash - main_file), main_file,
                        pattern);
}

/* A missing file is reported only if the line names it without a pattern: a pattern may match
 * directories without such a file. */
static void include_one(struct loading *loading, const struct config_place *place,
                        const char *pattern, const char *path)
{
    CLEANUP(close_fd) int fd = -1;
    struct err err;
    bool given = strpbrk(pattern, "*?[") == NULL;

    if (config_trust_open(&loading->scope.trust, path, &fd, &err))
        config_document_read(loading->document, &loading->config->source, fd, path,
                             loading->problems);
    else if (err.errnum != ENOENT && err.errnum != ENOTDIR)
        config_problem(loading->problems, &(struct config_place){.file = path}, "%s", err.text);
    else if (given)
        config_problem(loading->problems, place, "\"%s\" does not exist; check the path", pattern);
}

static void include(struct loading *loading, const struct config_section *agent,
                    const struct config_entry *entry)
{
    const char *pattern = include_pattern(loading, agent->file, entry->value);
    const struct config_place place = {agent->file, entry->line, agent->title, entry->key};
    struct text_list found = {0};
    struct err err;

    /* A pattern without matches is no problem. */
    if (pattern == NULL)
        config_problem(loading->problems, &place, "memory ran out");
    else if (!config_trust_search(&loading->scope.trust, pattern, &found, &err))
        config_problem(loading->problems, &place, "%s%s", err.text,
                       err.errnum == EACCES ? "; check who may read it" : "");
    for (size_t i = 0; i < found.count; i++)
        include_one(loading, &place, pattern, found.items[i]);
}

/* Reads the file that the command line names. */
static void read_main(struct loading *loading, const char *file)
{
    CLEANUP(close_fd) int fd = -1;
    struct err err;

    if (config_trust_open(&loading->scope.trust, file, &fd, &err))
        config_document_read(loading->document, &loading->config->source, fd, file,
                             loading->problems);
    else
        config_problem(loading->problems, &(struct config_place){.file = file}, "%s", err.text);
}

static void read_all(struct loading *loading, const char *file)
{
    const struct config_section *agent;

    read_main(loading, file);
    agent = config_section_find(loading->document, "agent", "");
    for (struct config_entry *entry = config_entry_find(agent, "include"); entry != NULL;
         entry = entry->next) {
        if (strcmp(entry->key, "include") == 0)
            include(loading, agent, entry);
    }
    for (const struct config_section *at = loading->document->sections; at != NULL; at = at->next) {
        const struct config_entry *nested = config_entry_find(at, "include");

        if (at != agent && nested != NULL && strcmp(at->kind, "agent") == 0)
            config_problem(loading->problems,
                           &(struct config_place){at->file, nested->line, at->title, "include"},
                           "stands in an included file; include from the main file only");
    }
}

static bool is_cert_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' &&
           name[strspn(
               name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")] == '\0';
}

/* Whether the section describes a set on disk. */
static bool is_set(const struct config_section *section)
{
    return strcmp(section->kind, "cert") == 0 || strcmp(section->kind, "trust") == 0;
}

static void check_section(struct loading *loading, const struct config_section *section)
{
    static const struct kind {
        const char *kind;
        unsigned sections;
    } kinds[] = {{"vault", IN_VAULT},   {"auth", IN_AUTH}, {"agent", IN_AGENT},
                 {"defaults", IN_CERT}, {"cert", IN_CERT}, {"trust", IN_TRUST}};
    const struct config_place place = {section->file, section->line, section->title, NULL};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(section->kind, kinds[i].kind) != 0)
            continue;
        config_check_keys(section, kinds[i].sections, loading->problems);
        if (is_set(section)) {
            if (!is_cert_name(section->name))
                config_problem(loading->problems, &place,
                               "needs a name of letters, digits, - . and _; write for example "
                               "[%s web]",
                               section->kind);
        } else if (section->name[0] != '\0') {
            config_problem(loading->problems, &place, "takes no name; write [%s]", section->kind);
        }
        return;
    }
    config_problem(loading->problems, &place,
                   "is no section of leafd; there are [vault], [auth], [agent], [defaults], "
                   "[cert NAME] and [trust NAME]");
}

static void fill_section(struct loading *loading, const char *kind, unsigned sections, void *target,
                         struct digest *digest)
{
    const struct config_filling filling = {
        .layers = {config_section_find(loading->document, kind, "")},
        .sections = sections,
        .target = target,
        .scope = &loading->scope,
        .digest = digest,
        .problems = loading->problems,
    };

    config_fill(&filling);
}

/* The default token_file. It is checked like a configured one. */
static void take_pods_token(struct loading *loading)
{
    const struct config_place place = config_place_of(loading->document, "auth", "", "token_file");
    const char *why =
        config_trust_file(&loading->scope.trust, config_service_account_token, R_OK, NULL);

    loading->config->auth.token_file = config_service_account_token;
    if (why != NULL)
        config_problem(loading->problems, &place, "%s", why);
}

static void fill_session(struct loading *loading)
{
    CLEANUP(digest_drop) struct digest session = {0}, agent = {0};
    struct config *config = loading->config;
    struct err err;

    loading->scope.auth = &config->auth;
    fill_section(loading, "auth", IN_AUTH, &config->auth, &session);
    fill_section(loading, "vault", IN_VAULT, &config->vault, &session);
    fill_section(loading, "agent", IN_AGENT, &config->agent, &agent);
    if (config->auth.mount == NULL)
        config->auth.mount = auth_method_words[config->auth.method];
    if (config->auth.token_file == NULL && config->auth.method == AUTH_KUBERNETES)
        take_pods_token(loading);
    if (!digest_hex(&session, config->session_digest, &err))
        config_problem(loading->problems, &(struct config_place){0}, "%s", err.text);
}

/* A changed password makes it a changed section. The digest is not printed or saved. */
static void digest_password(struct digest *digest, const struct cert_config *cert)
{
    CLEANUP(secret_wipe) struct secret password = {0};
    struct err err;

    if (cert->keystore_password_file != NULL &&
        file_read_password(cert->keystore_password_file, &password, &err))
        digest_add(digest, secret_expose(&password), password.length);
}

/* The keys exclude each other: one in the section itself replaces the other one in [defaults] or a
 * template. */
static void prefer_own_renewal(struct cert_config *cert)
{
    bool window = config_entry_find(cert->own, "renew_at") != NULL;
    bool before = config_entry_find(cert->own, "renew_before") != NULL;

    if (before && !window)
        cert->renewal.from_percent = cert->renewal.to_percent = 0;
    if (window && !before)
        cert->renewal.before_s = 0;
}

/* A copy that outlives config_forget_source, shared by the sections of one file. */
static const char *file_name(struct loading *loading, const char *file)
{
    if (loading->file == NULL || strcmp(loading->file, file) != 0)
        loading->file = arena_copy(&loading->config->arena, file);
    return loading->file;
}

/* [defaults] and templates are for certificates. */
static void choose_layers(struct loading *loading, struct config_section *section,
                          struct config_filling *filling)
{
    struct config_section *defaults = config_section_find(loading->document, "defaults", "");

    filling->layers[0] = section;
    filling->sections = strcmp(section->kind, "trust") == 0 ? IN_TRUST : IN_CERT;
    if (filling->sections == IN_TRUST)
        return;
    filling->layers[1] = template_of(&loading->templates, section, defaults);
    filling->layers[2] = defaults;
    filling->bases = &loading->bases;
}

static bool fill_cert(struct loading *loading, struct config_section *section,
                      struct cert_config *cert)
{
    CLEANUP(digest_drop) struct digest digest = {0};
    struct config_filling filling = {
        .target = cert,
        .bytes = sizeof *cert,
        .scope = &loading->scope,
        .digest = &digest,
        .problems = loading->problems,
        .source = &loading->config->source,
    };
    struct err err;

    const char *name = arena_copy(&loading->config->arena, section->name);
    const char *file = file_name(loading, section->file);

    if (name == NULL || file == NULL) {
        config_problem(loading->problems, &(struct config_place){0}, "memory ran out");
        return false;
    }
    loading->scope.cert_name = name;
    loading->scope.cert_directory = &cert->directory;
    choose_layers(loading, section, &filling);
    cert->is_trust = filling.sections == IN_TRUST;
    config_fill(&filling);
    cert->name = name;
    cert->file = file;
    cert->line = section->line;
    cert->own = section;
    cert->template_section = filling.layers[1];
    prefer_own_renewal(cert);
    loading->scope.cert_directory = NULL;
    loading->scope.cert_name = NULL;
    digest_password(&digest, cert);
    if (!digest_hex(&digest, cert->digest, &err))
        config_problem(loading->problems, &(struct config_place){0}, "%s", err.text);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct cert_config *const *)a)->name,
                  (*(const struct cert_config *const *)b)->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Called when every section is known to have a directory. */
static void list_directories(struct loading *loading)
{
    struct config *config = loading->config;

    config->directories =
        arena_take(&config->arena, (config->cert_count + 1) * sizeof *config->directories);
    if (config->directories == NULL) {
        config_problem(loading->problems, &(struct config_place){0}, "memory ran out");
        return;
    }
    for (size_t i = 0; i < config->cert_count; i++)
        config->directories[i] = config->certs[i].directory;
    qsort(config->directories, config->cert_count, sizeof *config->directories, by_text);
}

static void fill_certs(struct loading *loading)
{
    struct config *config = loading->config;
    size_t count = 0;

    for (struct config_section *at = loading->document->sections; at != NULL; at = at->next)
        count += is_set(at);
    config->certs = arena_take(&config->arena, (count + 1) * sizeof *config->certs);
    config->by_name = arena_take(&config->arena, (count + 1) * sizeof *config->by_name);
    if (config->certs == NULL || config->by_name == NULL) {
        config_problem(loading->problems, &(struct config_place){0}, "memory ran out");
        return;
    }
    for (struct config_section *at = loading->document->sections; at != NULL; at = at->next)
        if (is_set(at))
            if (!fill_cert(loading, at, &config->certs[config->cert_count++]))
                return;
    for (size_t i = 0; i < config->cert_count; i++)
        config->by_name[i] = &config->certs[i];
    qsort(config->by_name, config->cert_count, sizeof *config->by_name, by_name);
}

static void digest_source(struct config *config)
{
    struct digest digest = {0};
    struct err err;

    for (const struct config_section *at = config->document->sections; at != NULL; at = at->next) {
        digest_add(&digest, at->title, strlen(at->title) + 1);
        for (const struct config_entry *entry = at->entries; entry != NULL; entry = entry->next) {
            digest_add(&digest, entry->key, strlen(entry->key) + 1);
            digest_add(&digest, entry->value, strlen(entry->value) + 1);
        }
    }
    if (!digest_hex(&digest, config->source_digest, &err))
        config->source_digest[0] = '\0';
}

/* A configuration whose files were read, and no value yet; false if memory ran out. */
static bool begin(struct loading *loading, const char *file, bool only_looks)
{
    struct config *config = calloc(1, sizeof *config);

    if (config != NULL)
        loading->document = arena_take(&config->source, sizeof *loading->document);
    if (loading->document == NULL) {
        config_problem(loading->problems, &(struct config_place){.file = file}, "memory ran out");
        free(config);
        return false;
    }
    config->references = 1;
    config->document = loading->document;
    loading->config = config;
    loading->scope.arena = &config->arena;
    config_trust_start(&loading->scope.trust, file, only_looks, &config->arena, &config->advice);
    read_all(loading, file);
    digest_source(config);
    return true;
}

bool config_load_source(const char *file, char to[static DIGEST_HEX_BYTES],
                        struct config_problems *problems)
{
    struct loading loading = {.problems = problems};

    if (!begin(&loading, file, true))
        return false;
    memcpy(to, loading.config->source_digest, DIGEST_HEX_BYTES);
    config_unref(loading.config);
    return problems->count == 0;
}

struct config *config_load(const char *file, bool only_looks, struct config_problems *problems)
{
    struct loading loading = {.problems = problems};
    struct config *config;

    if (!begin(&loading, file, only_looks))
        return NULL;
    config = loading.config;
    for (const struct config_section *at = loading.document->sections; at != NULL; at = at->next)
        check_section(&loading, at);
    fill_session(&loading);
    loading.templates = (struct config_templates){
        .arena = &config->arena,
        .source = &config->source,
        .directory = config->agent.template_directory,
        .scope = &loading.scope,
        .problems = problems,
    };
    fill_certs(&loading);
    /* Only then: rules across keys would repeat problems of single keys in other words. */
    if (problems->count == 0)
        config_check(config, loading.document, problems);
    if (problems->count == 0)
        list_directories(&loading);
    if (problems->count > 0) {
        problems->awaits_token = loading.scope.claims_problem != NULL &&
                                 config_problems_all_say(problems, loading.scope.claims_problem);
        config_problems_sort(problems);
        config_unref(config);
        return NULL;
    }
    return config;
}
