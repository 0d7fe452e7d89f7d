#include "app/check_online.h"

#include "app/ask.h"
#include "app/exit_code.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "install/set_directory.h"
#include "pki/bundle.h"
#include "plan/fit_identity.h"
#include "plan/fit_posture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { GROUPS_MOST = 256 };

struct survey {
    struct config *config;
    struct findings *findings;
    struct ask ask;
    struct arena arena;
    struct text_list issuers; /* those that were judged, as MOUNT/ISSUER */
    unsigned refused, open;   /* findings before this survey */
    int code;
};

/* -- findings -------------------------------------------------------------------------------------
 */

static void refuse(struct survey *survey, const struct cert_config *cert, const char *key, int code,
                   const char *said, const char *remedy)
{
    finding_add(survey->findings, FINDING_REFUSED, cert, key, said, remedy);
    survey->code = exit_code_worse(survey->code, code);
}

static void tell_findings(struct survey *survey, const struct cert_config *cert,
                          const struct fit_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct fit_finding *finding = &findings->items[i];

        if (finding->grade == FIT_REFUSED)
            refuse(survey, cert, NULL, EXIT_REFUSED, finding->text, finding->remedy);
        else if (finding->grade == FIT_OPEN)
            finding_add(survey->findings, FINDING_OPEN, cert, NULL, finding->text, finding->remedy);
        else
            finding_warn(survey->findings, finding->id, cert, NULL, finding->text, finding->remedy);
    }
}

static void tell_skew(struct survey *survey, const struct clock_skew *skew)
{
    char words[CLOCK_SKEW_WORDS_BYTES];

    clock_skew_words(skew, words);
    if (skew->told_ms != 0 &&
        (survey->config->agent.ignored & posture_bit(POSTURE_CLOCK_SKEW)) == 0)
        finding_warn(survey->findings, POSTURE_CLOCK_SKEW, NULL, NULL, words, NULL);
}

/* -- a section ------------------------------------------------------------------------------------
 */

/* Comes before the findings about the role: without this right the role does not matter. */
static void tell_right(struct survey *survey, const struct cert_config *cert,
                       const struct ca_terms *terms)
{
    if (terms->may_sign) {
        findings_tell(survey->findings, "[cert %s] the token may use %s", cert->name, terms->path);
        return;
    }
    refuse(survey, cert, "pki_role", EXIT_REFUSED,
           arena_format(&survey->arena, "the policies of the token do not allow it to use %s",
                        terms->path),
           arena_format(&survey->arena,
                        "add to a policy of the auth role: path \"%s\" { capabilities = "
                        "[\"update\"] }",
                        terms->path));
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
        FIT_ADVICE, POSTURE_POLICY_BYPASS,
        arena_format(&survey->arena,
                     "the policies of the token let it have any name, whatever the role allows: "
                     "they allow it to write %s",
                     found),
        "list only the paths that are needed in the policies, see POLICY in leafd(8)"};
    return finding->text != NULL;
}

/* The longest ttl; 0: one of them leaves it to the role. */
static uint64_t longer(uint64_t a, uint64_t b)
{
    return a == 0 || b == 0 ? 0 : a > b ? a : b;
}

/* Whether this login could get the names of other workloads, or longer lives, through the role or
 * around it; reported once, at the first section that uses the role. */
static bool judge_role(struct survey *survey, const struct cert_config *cert,
                       const struct ca_terms *terms, struct fit_findings *findings)
{
    const struct config *config = survey->config;
    struct fit_use use = {
        .pki_mount = cert->pki_mount, .pki_role = cert->pki_role, .ttl_s = cert->request.ttl_s};
    bool is_first = true;

    for (size_t i = 0; i < config->cert_count; i++) {
        const struct cert_config *other = &config->certs[i];

        if (other->is_trust || strcmp(other->pki_mount, cert->pki_mount) != 0 ||
            strcmp(other->pki_role, cert->pki_role) != 0)
            continue;
        if (is_first && other != cert)
            return true;
        is_first = false;
        use.ttl_s = longer(use.ttl_s, other->request.ttl_s);
        if (!add_names(survey, &other->request.names, &use.names))
            return false;
    }
    return find_bypass(survey, terms, findings) &&
           (terms->role == NULL || terms->role->known != TERMS_KNOWN ||
            (fit_identity_find(&use, terms->role, terms->identity, &survey->arena, findings) &&
             fit_posture_role(&use, terms->mount, terms->role, &survey->arena, findings)));
}

/* Likewise once, at the first section that it signs for. */
static bool judge_issuer(struct survey *survey, const struct cert_config *cert,
                         const struct ca_terms *terms, struct fit_findings *findings)
{
    const char *name = terms->issuer == NULL ? ""
                                             : arena_format(&survey->arena, "%s/%s",
                                                            cert->pki_mount, terms->issuer_ref);

    if (name == NULL)
        return false;
    if (name[0] == '\0' || text_list_has(&survey->issuers, name))
        return true;
    return text_list_add(&survey->issuers, &survey->arena, name, strlen(name)) &&
           fit_posture_issuer(name, terms->issuer, &survey->arena, findings);
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
        .key_from_ca = cert->key_origin.source == KEY_FROM_VAULT,
        .request_names = cert->request_names,
        .now_s = clock_now_s(),
    };

    if (terms.path != NULL)
        tell_right(survey, cert, &terms);
    if (!described)
        return false;
    if (!fit_find(&request, terms.mount, terms.role, terms.issuer, &survey->arena, &findings) ||
        !judge_role(survey, cert, &terms, &findings) ||
        !judge_issuer(survey, cert, &terms, &findings))
        return err_memory(err);
    tell_findings(survey, cert, &findings);
    return true;
}

/* Reads and verifies the issuers, as the agent does. */
static bool survey_trust(struct survey *survey, const struct cert_config *cert, struct err *err)
{
    CLEANUP(ca_signed_free) struct ca_signed reply = {0};
    const struct bundle_order order = {
        .trust_anchor = cert->trust_anchor,
        .now_s = clock_now_s(),
        .lists = config_output(cert, CONTENT_CRL) == NULL ? NULL : &reply.lists,
        .crl_file = cert->crl_file,
    };
    CLEANUP(issued_free) struct issued issued = {0};

    if (!ask_bundle(&survey->ask, cert, &reply, err))
        return false;
    if (!bundle_vet(&order, &reply.issuers, &issued, err)) {
        refuse(survey, cert, "trust_anchor", exit_code_of(err), err->text, NULL);
        return true;
    }
    findings_tell(survey->findings,
                  "[trust %s] %zu CA certificates of the mount %s end at trust_anchor", cert->name,
                  issued.ca_pem.count, cert->pki_mount);
    if (issued.left_out[0] != '\0')
        finding_warn(survey->findings, POSTURE_CA_LEFT_OUT, cert, "trust_anchor", issued.left_out,
                     NULL);
    return true;
}

static bool survey_certs(struct survey *survey, struct err *err)
{
    const struct config *config = survey->config;

    if (!config_needs_login(config))
        return true;
    if (!ask_log_in(&survey->ask, err))
        return false;
    findings_tell(survey->findings, "logged in by %s", auth_method_words[config->auth.method]);
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
    tell_skew(survey, &survey->ask.engine.skew);
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
    char said[2 * ERR_TEXT_BYTES];
    struct err err;

    if (!set_directory_would_open(cert->directory, &err))
        refuse(survey, cert, "directory", EXIT_RETRY, err.text, NULL);
    for (size_t i = 0; i < cert->outputs.count && geteuid() != 0; i++) {
        const struct output *output = &cert->outputs.items[i];
        bool other_owner = output->owner != OWNER_UNCHANGED && (uid_t)output->owner != geteuid();
        bool other_group = output->group != OWNER_UNCHANGED && !is_our_group((gid_t)output->group);

        if (!other_owner && !other_group)
            continue;
        snprintf(said, sizeof said,
                 "the file %s gets another %s, which needs CAP_CHOWN; this command cannot see "
                 "whether the agent has it",
                 output->name, other_owner ? "owner" : "group");
        finding_add(survey->findings, FINDING_OPEN, cert, "file", said, NULL);
    }
}

/* A login may use up its credential, and the CA does not announce that in advance. */
static bool may_be_spent(const struct auth_config *auth)
{
    return auth->method == AUTH_TOKEN ||
           (auth->method == AUTH_APPROLE && auth->secret_id_file != NULL);
}

/* The CA refused the login, or did not answer every request. */
static void tell_failure(struct survey *survey, const struct err *err)
{
    int code = exit_code_of(err);
    char said[ERR_TEXT_BYTES + 32];

    snprintf(said, sizeof said, "%s (%s)", err->text, err_kind_name(err->kind));
    finding_add(survey->findings, code == EXIT_REFUSED ? FINDING_REFUSED : FINDING_NOT_ASKED, NULL,
                NULL, said, NULL);
    survey->code = exit_code_worse(survey->code, code);
}

static void survey_all(struct survey *survey, bool spend)
{
    const struct auth_config *auth = &survey->config->auth;
    char said[ERR_TEXT_BYTES];
    struct err err = {0};

    for (size_t i = 0; i < survey->config->cert_count; i++)
        survey_place(survey, &survey->config->certs[i]);
    if (may_be_spent(auth) && !spend && config_needs_login(survey->config)) {
        snprintf(said, sizeof said,
                 "the CA. A login by %s uses its credential once, and may spend one with a limited "
                 "number of uses; check --online --spend logs in all the same",
                 auth_method_words[auth->method]);
        finding_add(survey->findings, FINDING_NOT_ASKED, NULL, NULL, said, NULL);
        survey->code = exit_code_worse(survey->code, EXIT_RETRY);
    } else if (!survey_ca(survey, &err)) {
        tell_failure(survey, &err);
    }
}

int check_online(struct findings *findings, struct config *config, bool spend)
{
    struct survey survey = {.config = config,
                            .findings = findings,
                            .refused = findings->errors,
                            .open = findings->open};

    survey_all(&survey, spend);
    findings_tell(findings, "%u would be refused, %u not decided or not asked",
                  findings->errors - survey.refused, findings->open - survey.open);
    ask_close(&survey.ask);
    arena_free(&survey.arena);
    return survey.code;
}
