#include "app/check.h"

#include "app/ask.h"
#include "app/configuration.h"
#include "app/exit_code.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "config/config_document.h"
#include "install/installed.h"
#include "install/publish.h"
#include "install/set_directory.h"
#include "pki/bundle.h"
#include "plan/fit_identity.h"
#include "plan/lint.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- the configuration ----------------------------------------------------------------------------
 */

static size_t print_advice(const struct cert_config *cert)
{
    struct lint_facts facts = {
        .request = &cert->request,
        .key_never_rotates = cert->key_rotation == KEY_ROTATE_NEVER,
        .key_from_ca = cert->key_source == KEY_FROM_VAULT,
        .nothing_reloads =
            cert->reloads.items[0].verb == RELOAD_NONE && cert->template_name == NULL,
        .renew_before_s = cert->renewal.before_s,
    };
    const char *advice[LINT_MOST];
    size_t count;

    for (size_t i = 0; i < cert->outputs.count; i++)
        facts.key_for_group |= content_holds_key(cert->outputs.items[i].content) &&
                               (cert->outputs.items[i].mode & 040) != 0;
    for (size_t i = 0; i < cert->outputs.count; i++)
        facts.trusts_what_ca_says |=
            cert->trust_anchor == NULL && (cert->outputs.items[i].content == CONTENT_CA ||
                                           cert->outputs.items[i].content == CONTENT_TRUSTSTORE ||
                                           cert->outputs.items[i].content == CONTENT_ENVOY_SDS_CA);
    count = lint_advise(&facts, advice);
    for (size_t i = 0; i < count; i++)
        terminal_line(stdout, "%s:%u: [cert %s] advice: %s", cert->file, cert->line, cert->name,
                      advice[i]);
    return count;
}

/* Prints the settings of the template, and those that the section overrides. */
static void print_template(const struct cert_config *cert)
{
    const struct config_section *given = cert->template_section;

    if (given == NULL)
        return;
    terminal_line(stdout, "[cert %s] template %s (%s) gives", cert->name, cert->template_name,
                  given->file);
    for (const struct config_entry *at = given->entries; at != NULL; at = at->next)
        if (config_entry_find(cert->own, at->key) == NULL)
            terminal_line(stdout, "    %s = %s", at->key, at->value);
    for (const struct config_entry *at = cert->own->entries; at != NULL; at = at->next)
        if (config_entry_find(given, at->key) != NULL)
            terminal_line(stdout, "    %s = %s    (the section's own, line %u)", at->key, at->value,
                          at->line);
}

static void print_about(const struct cert_config *cert, const char *what, const char *text)
{
    terminal_line(stdout, "%s:%u: [%s %s] %s: %s", cert->file, cert->line, config_kind(cert),
                  cert->name, what, text);
}

/*
 * Prints why the agent would refuse a directory, checked for the owner of the set; false if it is
 * certain. If the set does not exist yet, root does not know which user the agent will run as.
 */
static bool print_refusal(const struct cert_config *cert, bool is_there, const char *text,
                          size_t *advice)
{
    bool is_certain = is_there || geteuid() != 0;

    print_about(cert, is_certain ? "refused" : "advice: refused if root runs leafd", text);
    *advice += !is_certain;
    return !is_certain;
}

/* Reports files that other users left in the set while they could write it. */
static bool print_foreign(const struct cert_config *cert)
{
    CLEANUP(close_fd) int set_fd = -1;
    char text[2 * ERR_TEXT_BYTES];
    struct err err;

    if (!set_directory_look(cert->directory, &set_fd, &err) || !foreign_find(set_fd, &err))
        return false;
    snprintf(text, sizeof text, "%s: %s; leafd ignores it, and the agent removes it",
             cert->directory, err.text);
    print_about(cert, "advice", text);
    return true;
}

/* Reports other users who may write the directories of the set and of its links; false if the agent
 * would refuse one of them. */
static bool print_places(const struct cert_config *cert, bool online, size_t *advice)
{
    struct set_directory_remarks remarks;
    bool right = true;

    set_directory_remark(cert->directory, &remarks);
    if (remarks.refusal[0] != '\0' && !online)
        right = print_refusal(cert, remarks.is_there, remarks.refusal, advice);
    if (remarks.advice[0] != '\0')
        print_about(cert, "advice", remarks.advice);
    *advice += remarks.advice[0] != '\0';
    *advice += print_foreign(cert);
    for (size_t i = 0; i < cert->links.count; i++) {
        struct err err;

        if (!publish_may_link(&cert->links.items[i], remarks.user, &err))
            right &= print_refusal(cert, remarks.is_there, err.text, advice);
    }
    return right;
}

bool check_print(const struct config *config, bool online)
{
    struct config_problems files = {0};
    size_t advice = 0;
    bool right = true;

    for (size_t i = 0; i < config->cert_count; i++)
        print_template(&config->certs[i]);
    for (size_t i = 0; i < config->cert_count; i++)
        if (!config->certs[i].is_trust)
            advice += print_advice(&config->certs[i]);
    configuration_advise(config, &files);
    config_problems_print(&files, stdout);
    advice += files.count;
    config_problems_free(&files);
    for (size_t i = 0; i < config->cert_count; i++)
        right &= print_places(&config->certs[i], online, &advice);
    terminal_line(
        stdout, "the configuration is right%s: %zu certificate%s from %s, %zu piece%s of advice",
        right ? "" : ", and a directory that it names is refused", config->cert_count,
        config->cert_count == 1 ? "" : "s", config->vault.address, advice, advice == 1 ? "" : "s");
    return right;
}

/* -- the CA ---------------------------------------------------------------------------------------
 */

enum { GROUPS_MOST = 256 };

struct survey {
    struct config *config;
    struct ask ask;
    struct arena arena;
    unsigned refused, open; /* lines printed of each kind */
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

/* -- a section ------------------------------------------------------------------------------------
 */

/* Comes before the findings about the role: without this right the role does not matter. */
static void print_right(struct survey *survey, const struct cert_config *cert,
                        const struct ca_terms *terms)
{
    if (terms->may_sign) {
        terminal_line(stdout, "[cert %s] the token may use %s", cert->name, terms->path);
        return;
    }
    terminal_line(
        stdout,
        "%s:%u: [cert %s] refused: the policies of the token do not allow it to use %s. Remedy: "
        "add to a policy of the auth role: path \"%s\" { capabilities = [\"update\"] }",
        cert->file, cert->line, cert->name, terms->path, terms->path);
    count_refused(survey, EXIT_REFUSED);
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

/* A role does not limit a token that may bypass it. */
static bool find_bypass(struct survey *survey, const struct ca_terms *terms,
                        struct fit_findings *findings)
{
    const char *found = "";
    struct fit_finding *finding;

    for (size_t i = 0; i < terms->bypasses.count && found != NULL; i++)
        found = arena_format(&survey->arena, "%s%s%s", found, i == 0 ? "" : ", ",
                             terms->bypasses.items[i]);
    if (found == NULL || found[0] == '\0')
        return found != NULL;
    finding = arena_append(&survey->arena, &findings->items, &findings->count, sizeof *finding);
    if (finding == NULL)
        return false;
    *finding = (struct fit_finding){
        FIT_ADVICE,
        arena_format(&survey->arena,
                     "the policies of the token let it have any name, whatever the role allows: "
                     "they allow it to write %s",
                     found),
        "list only the paths that are needed in the policies, see POLICY in leafd(8)"};
    return finding->text != NULL;
}

/* Whether this login could get the names of other workloads through the role or around it; reported
 * once, at the first section that uses the role. */
static bool find_strangers(struct survey *survey, const struct cert_config *cert,
                           const struct ca_terms *terms, struct fit_findings *findings)
{
    const struct config *config = survey->config;
    struct fit_use use = {.pki_mount = cert->pki_mount, .pki_role = cert->pki_role};
    bool is_first = true;

    for (size_t i = 0; i < config->cert_count; i++) {
        const struct cert_config *other = &config->certs[i];

        if (other->is_trust || strcmp(other->pki_mount, cert->pki_mount) != 0 ||
            strcmp(other->pki_role, cert->pki_role) != 0)
            continue;
        if (is_first && other != cert)
            return true;
        is_first = false;
        if (!add_names(survey, &other->request.names, &use.names))
            return false;
    }
    return find_bypass(survey, terms, findings) &&
           (terms->role == NULL || terms->role->known != TERMS_KNOWN ||
            fit_identity_find(&use, terms->role, terms->identity, &survey->arena, findings));
}

static bool survey_cert(struct survey *survey, const struct cert_config *cert, struct err *err)
{
    struct ca_terms terms = {0};
    struct fit_findings findings = {0};
    bool described = ask_describe(&survey->ask, cert, &terms, err);
    const struct fit_request request = {
        .wanted = &cert->request,
        .pki_mount = cert->pki_mount,
        .pki_role = cert->pki_role,
        .issuer = terms.issuer_ref,
        .identity = terms.identity,
        .key_from_ca = cert->key_source == KEY_FROM_VAULT,
        .request_names = cert->request_names,
        .now_s = clock_now_s(),
    };

    if (terms.path != NULL)
        print_right(survey, cert, &terms);
    if (!described)
        return false;
    if (!fit_find(&request, terms.mount, terms.role, terms.issuer, &survey->arena, &findings) ||
        !find_strangers(survey, cert, &terms, &findings))
        return err_memory(err);
    print_findings(survey, cert, &findings);
    return true;
}

/* Reads and verifies the issuers, as the agent does. */
static bool survey_trust(struct survey *survey, const struct cert_config *cert, struct err *err)
{
    const struct bundle_order order = {.trust_anchor = cert->trust_anchor, .now_s = clock_now_s()};
    CLEANUP(ca_signed_free) struct ca_signed reply = {0};
    CLEANUP(issued_free) struct issued issued = {0};

    if (!ask_bundle(&survey->ask, cert, &reply, err))
        return false;
    if (!bundle_vet(&order, &reply.issuers, &issued, err)) {
        print_about(cert, "refused", err->text);
        count_refused(survey, exit_code_of(err));
        return true;
    }
    terminal_line(stdout, "[trust %s] %zu CA certificates of the mount %s end at trust_anchor",
                  cert->name, issued.ca_pem.count, cert->pki_mount);
    if (issued.left_out[0] != '\0')
        print_about(cert, "advice", issued.left_out);
    return true;
}

static bool survey_certs(struct survey *survey, struct err *err)
{
    const struct config *config = survey->config;

    if (!config_needs_login(config))
        return true;
    if (!ask_log_in(&survey->ask, err))
        return false;
    terminal_line(stdout, "logged in by %s", auth_method_words[config->auth.method]);
    for (size_t i = 0; i < config->cert_count; i++)
        if (!config->certs[i].is_trust && !survey_cert(survey, &config->certs[i], err))
            return false;
    return true;
}

static bool survey_ca(struct survey *survey, struct err *err)
{
    const struct config *config = survey->config;

    if (!ask_open(&survey->ask, survey->config, err))
        return false;
    for (size_t i = 0; i < config->cert_count; i++)
        if (config->certs[i].is_trust && !survey_trust(survey, &config->certs[i], err))
            return false;
    if (!survey_certs(survey, err))
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
        print_about(cert, "refused", err.text);
        count_refused(survey, EXIT_RETRY);
    }
    for (size_t i = 0; i < cert->outputs.count && geteuid() != 0; i++) {
        const struct output *output = &cert->outputs.items[i];
        bool other_owner = output->owner != OWNER_UNCHANGED && (uid_t)output->owner != geteuid();
        bool other_group = output->group != OWNER_UNCHANGED && !is_our_group((gid_t)output->group);

        if (!other_owner && !other_group)
            continue;
        terminal_line(stdout,
                      "%s:%u: [%s %s] not decided: the file %s gets another %s, which needs "
                      "CAP_CHOWN; this command cannot see whether the agent has it",
                      cert->file, cert->line, config_kind(cert), cert->name, output->name,
                      other_owner ? "owner" : "group");
        survey->open++;
    }
}

/* A login may use up its credential, and the CA does not announce that in advance. */
static bool may_be_spent(const struct auth_config *auth)
{
    return auth->method == AUTH_TOKEN ||
           (auth->method == AUTH_APPROLE && auth->secret_id_file != NULL);
}

/* The CA refused the login, or did not answer every request. */
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
    if (may_be_spent(auth) && !spend && config_needs_login(survey->config)) {
        terminal_line(
            stdout,
            "not asked: the CA. A login by %s uses its credential once, and may spend one with a "
            "limited number of uses; check --online --spend logs in all the same",
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
    ask_close(&survey.ask);
    arena_free(&survey.arena);
    return survey.code;
}
