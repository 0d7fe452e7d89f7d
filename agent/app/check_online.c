#include "app/check_online.h"

#include "app/ask.h"
#include "app/exit_code.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "ca/vault_describe.h"
#include "ca/vault_sign.h"
#include "install/set_directory.h"
#include "plan/fit_identity.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { GROUPS_MOST = 256, BYPASSES = 3 };

/* What was read once, by its path at the CA. */
struct known_mount {
    const char *path;
    struct mount_terms terms;
};

struct known_role {
    const char *path;
    struct role_terms terms;
};

struct known_issuer {
    const char *path;
    struct issuer_terms terms;
};

struct survey {
    struct config *config;
    struct ask ask;
    struct arena arena;
    struct vault_reply rights;
    struct identity_terms identity;
    bool identity_asked;
    struct known_mount *mounts;
    struct known_role *roles;
    struct known_issuer *issuers;
    size_t mount_count, role_count, issuer_count;
    unsigned refused, open; /* lines that say so */
    int code;
};

/* -- printing -------------------------------------------------------------------------------------
 */

static void count_refused(struct survey *survey, int code)
{
    survey->refused++;
    survey->code = exit_code_worse(survey->code, code);
}

static void print_findings(struct survey *survey, const struct cert_config *cert,
                           const struct fit_findings *findings)
{
    static const char *const words[] = {
        [FIT_REFUSED] = "refused", [FIT_OPEN] = "not decided", [FIT_ADVICE] = "advice"};

    for (size_t i = 0; i < findings->count; i++) {
        const struct fit_finding *finding = &findings->items[i];

        terminal_line(stdout, "%s:%u: [cert %s] %s: %s%s%s", cert->file, cert->line, cert->name,
                      words[finding->grade], finding->text,
                      finding->remedy == NULL ? "" : ". Remedy: ",
                      finding->remedy == NULL ? "" : finding->remedy);
        survey->open += finding->grade == FIT_OPEN;
        if (finding->grade == FIT_REFUSED)
            count_refused(survey, EXIT_REFUSED);
    }
}

static void print_skew(const struct clock_skew *skew)
{
    char words[CLOCK_SKEW_WORDS_BYTES];

    clock_skew_words(skew, words);
    if (skew->told_ms != 0)
        terminal_line(stdout, "advice: %s", words);
}

/* -- what the CA says -----------------------------------------------------------------------------
 */

/*
 * What lets a token have any name, whatever the role says: to sign a request as it stands, and to
 * change the role. NULL: memory, or an index that is too high.
 */
static const char *bypass_path(struct survey *survey, const struct cert_config *cert, size_t index)
{
    switch (index) {
    case 0:
        return arena_format(&survey->arena, "%s/sign-verbatim", cert->pki_mount);
    case 1:
        return arena_format(&survey->arena, "%s/sign-verbatim/%s", cert->pki_mount, cert->pki_role);
    case 2:
        return arena_format(&survey->arena, "%s/roles/%s", cert->pki_mount, cert->pki_role);
    default:
        return NULL;
    }
}

static bool add_path(struct survey *survey, struct text_list *paths, const char *path)
{
    return path != NULL &&
           (text_list_has(paths, path) || text_list_add(paths, &survey->arena, path, strlen(path)));
}

static bool read_rights(struct survey *survey, struct err *err)
{
    struct text_list paths = {0};

    for (size_t i = 0; i < survey->config->cert_count; i++) {
        const struct cert_config *cert = &survey->config->certs[i];
        char path[VAULT_PATH_BYTES];

        vault_sign_path(cert, path);
        if (!add_path(survey, &paths, path))
            return err_memory(err);
        for (size_t j = 0; j < BYPASSES; j++)
            if (!add_path(survey, &paths, bypass_path(survey, cert, j)))
                return err_memory(err);
    }
    return ask_capabilities(&survey->ask, &paths, &survey->rights, err);
}

/* The server answers 403 alike for a mount that is not there and for one that the token may not
 * use: a token that may sign there tells them apart. */
static bool read_mount(struct survey *survey, const char *path, bool may_sign,
                       struct mount_terms *ret_terms, struct err *err)
{
    struct vault_reply reply = {0};
    const char *where = arena_format(&survey->arena, "sys/internal/ui/mounts/%s", path);
    bool read = true;

    if (where == NULL)
        return err_memory(err);
    if (ask_describe(&survey->ask, where, &reply, err))
        read = vault_mount_read(&reply, &survey->arena, ret_terms, err);
    else if (err->http_status == 403 && may_sign)
        ret_terms->known = TERMS_MISSING;
    vault_reply_free(&reply);
    return read;
}

static const struct mount_terms *find_mount(struct survey *survey, const struct cert_config *cert,
                                            bool may_sign, struct err *err)
{
    struct known_mount *mount;

    for (size_t i = 0; i < survey->mount_count; i++)
        if (strcmp(survey->mounts[i].path, cert->pki_mount) == 0)
            return &survey->mounts[i].terms;
    mount = arena_append(&survey->arena, &survey->mounts, &survey->mount_count, sizeof *mount);
    if (mount == NULL) {
        err_memory(err);
        return NULL;
    }
    *mount = (struct known_mount){.path = cert->pki_mount};
    return read_mount(survey, cert->pki_mount, may_sign, &mount->terms, err) ? &mount->terms : NULL;
}

static bool read_role(struct survey *survey, const char *path, struct role_terms *ret_terms,
                      struct err *err)
{
    struct vault_reply reply = {0};
    bool read = true;

    if (ask_describe(&survey->ask, path, &reply, err))
        read = vault_role_read(&reply, &survey->arena, ret_terms, err);
    else if (vault_describe_missing(err))
        ret_terms->known = TERMS_MISSING;
    else
        ret_terms->not_asked_why = arena_copy(&survey->arena, err->text);
    vault_reply_free(&reply);
    return read;
}

static const struct role_terms *find_role(struct survey *survey, const struct cert_config *cert,
                                          struct err *err)
{
    const char *path = arena_format(&survey->arena, "%s/roles/%s", cert->pki_mount, cert->pki_role);
    struct known_role *role;

    for (size_t i = 0; path != NULL && i < survey->role_count; i++)
        if (strcmp(survey->roles[i].path, path) == 0)
            return &survey->roles[i].terms;
    role = path == NULL
               ? NULL
               : arena_append(&survey->arena, &survey->roles, &survey->role_count, sizeof *role);
    if (role == NULL) {
        err_memory(err);
        return NULL;
    }
    *role = (struct known_role){.path = path};
    return read_role(survey, path, &role->terms, err) ? &role->terms : NULL;
}

/* All of it where the policy lets us, else the certificate, which everybody may read. */
static bool read_issuer(struct survey *survey, const char *path, struct issuer_terms *ret_terms,
                        struct err *err)
{
    struct vault_reply reply = {0}, open_reply = {0};
    const char *open_path = arena_format(&survey->arena, "%s/json", path);
    const char *why = NULL;
    bool read = true;

    *ret_terms = (struct issuer_terms){.leaf_not_after = LEAF_NOT_KNOWN};
    if (open_path == NULL)
        return err_memory(err);
    if (ask_describe(&survey->ask, path, &reply, err)) {
        read = vault_issuer_read(&reply, &survey->arena, ret_terms, err);
    } else if (vault_describe_missing(err)) {
        ret_terms->known = TERMS_MISSING;
    } else {
        why = arena_copy(&survey->arena, err->text);
        if (ask_describe(&survey->ask, open_path, &open_reply, err))
            read = vault_issuer_read(&open_reply, &survey->arena, ret_terms, err);
        else if (vault_describe_missing(err))
            ret_terms->known = TERMS_MISSING;
        ret_terms->not_asked_why = why;
    }
    vault_reply_free(&reply);
    vault_reply_free(&open_reply);
    return read;
}

static const struct issuer_terms *find_issuer(struct survey *survey, const struct cert_config *cert,
                                              const char *reference, struct err *err)
{
    const char *path = arena_format(&survey->arena, "%s/issuer/%s", cert->pki_mount, reference);
    struct known_issuer *issuer;

    for (size_t i = 0; path != NULL && i < survey->issuer_count; i++)
        if (strcmp(survey->issuers[i].path, path) == 0)
            return &survey->issuers[i].terms;
    issuer = path == NULL ? NULL
                          : arena_append(&survey->arena, &survey->issuers, &survey->issuer_count,
                                         sizeof *issuer);
    if (issuer == NULL) {
        err_memory(err);
        return NULL;
    }
    *issuer = (struct known_issuer){.path = path};
    return read_issuer(survey, path, &issuer->terms, err) ? &issuer->terms : NULL;
}

/* What the CA says is no path before it was looked at. */
static bool is_entity_id(const char *text)
{
    return text != NULL && text[0] != '\0' && strspn(text, "0123456789abcdef-") == strlen(text);
}

/*
 * The entity behind the token, which the policy `default` lets every token read; once, and after
 * all else, since a token may be good for a few calls only. Where it is not known the templates of
 * roles are not decided: no failure.
 */
static bool read_identity(struct survey *survey, struct err *err)
{
    struct vault_reply token = {0}, entity = {0};
    const char *id = NULL, *path = NULL;
    bool read = true;

    if (survey->identity_asked)
        return true;
    survey->identity_asked = true;
    if (ask_describe(&survey->ask, "auth/token/lookup-self", &token, err))
        id = vault_reply_text(&token, "data", "entity_id");
    if (is_entity_id(id)) {
        path = arena_format(&survey->arena, "identity/entity/id/%s", id);
        if (path == NULL)
            read = err_memory(err);
        else if (ask_describe(&survey->ask, path, &entity, err))
            read = vault_identity_read(&entity, survey->config->auth.mount, &survey->arena,
                                       &survey->identity, err);
    }
    vault_reply_free(&token);
    vault_reply_free(&entity);
    return read;
}

/* -- a section ------------------------------------------------------------------------------------
 */

/* Whether the policy lets us sign; the way to the mount matters more than its role. */
static bool survey_right(struct survey *survey, const struct cert_config *cert)
{
    char path[VAULT_PATH_BYTES];

    vault_sign_path(cert, path);
    if (vault_capability_has(&survey->rights, path, "update")) {
        terminal_line(stdout, "[cert %s] the CA lets us use %s", cert->name, path);
        return true;
    }
    terminal_line(
        stdout,
        "%s:%u: [cert %s] refused: the policies of the token do not let it use %s. Remedy: "
        "add to a policy of the auth role: path \"%s\" { capabilities = [\"update\"] }",
        cert->file, cert->line, cert->name, path, path);
    count_refused(survey, EXIT_REFUSED);
    return false;
}

static bool add_names(struct survey *survey, const struct names *names, struct names *all)
{
    const struct text_list *from[] = {&names->dns, &names->ip, &names->uri, &names->email};
    struct text_list *to[] = {&all->dns, &all->ip, &all->uri, &all->email};
    const char *common = names->common_name;

    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        for (size_t j = 0; j < from[i]->count; j++)
            if (!text_list_add(to[i], &survey->arena, from[i]->items[j], strlen(from[i]->items[j])))
                return false;
    return common == NULL || text_list_add(&all->dns, &survey->arena, common, strlen(common));
}

/* A role binds nobody who may pass it by. */
static bool find_bypass(struct survey *survey, const struct cert_config *cert,
                        struct fit_findings *findings)
{
    const char *found = "";
    struct fit_finding *finding;

    for (size_t i = 0; i < BYPASSES && found != NULL; i++) {
        const char *path = bypass_path(survey, cert, i);

        if (path == NULL)
            return false;
        if (vault_capability_has(&survey->rights, path, "update") ||
            vault_capability_has(&survey->rights, path, "create") ||
            vault_capability_has(&survey->rights, path, "patch"))
            found =
                arena_format(&survey->arena, "%s%s%s", found, found[0] == '\0' ? "" : ", ", path);
    }
    if (found == NULL || found[0] == '\0')
        return found != NULL;
    finding = arena_append(&survey->arena, &findings->items, &findings->count, sizeof *finding);
    if (finding == NULL)
        return false;
    *finding = (struct fit_finding){
        FIT_ADVICE,
        arena_format(&survey->arena,
                     "the policies of the token let it have any name, whatever the role says: "
                     "they allow to write %s",
                     found),
        "name the paths that are needed in the policies, see POLICY in leafd(8)"};
    return finding->text != NULL;
}

/* Whether this login could have names of others by the role, or past it; told once, at the first
 * section that uses the role. */
static bool find_strangers(struct survey *survey, const struct cert_config *cert,
                           const struct role_terms *role, struct fit_findings *findings)
{
    const struct config *config = survey->config;
    struct fit_use use = {.pki_mount = cert->pki_mount, .pki_role = cert->pki_role};
    bool is_first = true;

    for (size_t i = 0; i < config->cert_count; i++) {
        const struct cert_config *other = &config->certs[i];

        if (strcmp(other->pki_mount, cert->pki_mount) != 0 ||
            strcmp(other->pki_role, cert->pki_role) != 0)
            continue;
        if (is_first && other != cert)
            return true;
        is_first = false;
        if (!add_names(survey, &other->request.names, &use.names))
            return false;
    }
    return find_bypass(survey, cert, findings) &&
           (role->known != TERMS_KNOWN ||
            fit_identity_find(&use, role, &survey->identity, &survey->arena, findings));
}

static bool survey_cert(struct survey *survey, const struct cert_config *cert, struct err *err)
{
    const struct issuer_terms no_issuer = {.known = TERMS_MISSING};
    const struct issuer_terms *issuer = &no_issuer;
    struct fit_request request = {
        .wanted = &cert->request,
        .pki_mount = cert->pki_mount,
        .pki_role = cert->pki_role,
        .issuer = cert->issuer,
        .identity = &survey->identity,
        .key_from_ca = cert->key_source == KEY_FROM_VAULT,
        .request_names = cert->request_names,
        .now_s = clock_now_s(),
    };
    struct fit_findings findings = {0};
    const struct mount_terms *mount = find_mount(survey, cert, survey_right(survey, cert), err);
    const struct role_terms *role = mount == NULL ? NULL : find_role(survey, cert, err);

    if (role == NULL)
        return false;
    if (request.issuer == NULL)
        request.issuer = role->known == TERMS_KNOWN ? role->issuer_ref : "default";
    if (role->known != TERMS_MISSING && mount->known != TERMS_MISSING)
        issuer = find_issuer(survey, cert, request.issuer, err);
    if (issuer == NULL || (role->known == TERMS_KNOWN && !read_identity(survey, err)))
        return false;
    if (!fit_find(&request, mount, role, issuer, &survey->arena, &findings) ||
        !find_strangers(survey, cert, role, &findings))
        return err_memory(err);
    print_findings(survey, cert, &findings);
    return true;
}

static bool survey_ca(struct survey *survey, struct err *err)
{
    if (!ask_open(&survey->ask, survey->config, err) || !ask_log_in(&survey->ask, err))
        return false;
    terminal_line(stdout, "logged in by %s", auth_method_words[survey->config->auth.method]);
    if (!read_rights(survey, err))
        return false;
    for (size_t i = 0; i < survey->config->cert_count; i++)
        if (!survey_cert(survey, &survey->config->certs[i], err))
            return false;
    print_skew(&survey->ask.engine.skew);
    return true;
}

/* -- this machine ---------------------------------------------------------------------------------
 */

static bool is_our_group(gid_t group)
{
    gid_t groups[GROUPS_MOST];
    int count = getgroups(GROUPS_MOST, groups);

    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return group == getegid();
}

static void survey_place(struct survey *survey, const struct cert_config *cert)
{
    struct err err;

    if (!set_directory_would_open(cert->directory, &err)) {
        terminal_line(stdout, "%s:%u: [cert %s] refused: %s", cert->file, cert->line, cert->name,
                      err.text);
        count_refused(survey, EXIT_RETRY);
    }
    for (size_t i = 0; i < cert->outputs.count && geteuid() != 0; i++) {
        const struct output *output = &cert->outputs.items[i];
        bool other_owner = output->owner != OWNER_UNCHANGED && (uid_t)output->owner != geteuid();
        bool other_group = output->group != OWNER_UNCHANGED && !is_our_group((gid_t)output->group);

        if (!other_owner && !other_group)
            continue;
        terminal_line(stdout,
                      "%s:%u: [cert %s] not decided: the file %s goes to another %s, which takes "
                      "CAP_CHOWN; whether the agent has it is not seen from here",
                      cert->file, cert->line, cert->name, output->name,
                      other_owner ? "owner" : "group");
        survey->open++;
    }
}

/* A login may use up what it is done with, and nothing tells before it. */
static bool may_be_spent(const struct auth_config *auth)
{
    return auth->method == AUTH_TOKEN ||
           (auth->method == AUTH_APPROLE && auth->secret_id_file != NULL);
}

/* The CA refused us, or was not asked to the end. */
static void count_failure(struct survey *survey, const struct err *err)
{
    int code = exit_code_of(err);

    terminal_line(stdout, "%s: %s (%s)", code == EXIT_REFUSED ? "refused" : "not asked", err->text,
                  err_kind_name(err->kind));
    if (code == EXIT_REFUSED)
        count_refused(survey, code);
    else
        survey->open++;
    survey->code = exit_code_worse(survey->code, code);
}

static void survey_all(struct survey *survey, bool spend)
{
    const struct auth_config *auth = &survey->config->auth;
    struct err err = {0};

    for (size_t i = 0; i < survey->config->cert_count; i++)
        survey_place(survey, &survey->config->certs[i]);
    if (may_be_spent(auth) && !spend) {
        terminal_line(
            stdout,
            "not asked: the CA. A login by %s uses its credential once, and one with a limited "
            "number of uses may be spent by it; check --online --spend logs in all the same",
            auth_method_words[auth->method]);
        survey->open++;
        survey->code = exit_code_worse(survey->code, EXIT_RETRY);
    } else if (!survey_ca(survey, &err)) {
        count_failure(survey, &err);
    }
}

int check_online(struct config *config, bool spend)
{
    struct survey survey = {.config = config};

    survey_all(&survey, spend);
    terminal_line(stdout, "%u would be refused, %u not decided or not asked", survey.refused,
                  survey.open);
    vault_reply_free(&survey.rights);
    ask_close(&survey.ask);
    arena_free(&survey.arena);
    return survey.code;
}
