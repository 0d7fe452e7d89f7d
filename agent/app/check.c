#include "app/check.h"

#include "app/configuration.h"
#include "base/cleanup.h"
#include "config/config_document.h"
#include "install/foreign.h"
#include "install/installed.h"
#include "install/publish.h"
#include "install/set_directory.h"
#include "pki/certificate.h"
#include "plan/lint.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- the configuration ----------------------------------------------------------------------------
 */

static void lint(struct findings *findings, const struct cert_config *cert)
{
    struct lint_facts facts = {
        .request = &cert->request,
        .key_never_rotates = cert->key_rotation == KEY_ROTATE_NEVER,
        .key_from_ca = cert->key_origin.source == KEY_FROM_VAULT,
        .nothing_reloads =
            cert->reloads.items[0].verb == RELOAD_NONE && cert->template_name == NULL,
        .nothing_proves = cert->prove.method == PROVE_NONE,
        .renewal = cert->renewal,
    };
    struct lint_advice advice[LINT_MOST];
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
        finding_warn(findings, advice[i].id, cert, advice[i].key, advice[i].text, NULL);
}

/* Prints the settings of the template, and those that the section overrides. */
static void print_template(const struct findings *findings, const struct cert_config *cert)
{
    const struct config_section *given = cert->template_section;

    if (given == NULL)
        return;
    findings_tell(findings, "[cert %s] template %s (%s) gives", cert->name, cert->template_name,
                  given->file);
    for (const struct config_entry *at = given->entries; at != NULL; at = at->next)
        if (config_entry_find(cert->own, at->key) == NULL)
            findings_tell(findings, "    %s = %s", at->key, at->value);
    for (const struct config_entry *at = cert->own->entries; at != NULL; at = at->next)
        if (config_entry_find(given, at->key) != NULL)
            findings_tell(findings, "    %s = %s    (the section's own, line %u)", at->key,
                          at->value, at->line);
}

/* -- this machine ---------------------------------------------------------------------------------
 */

/*
 * Tells why the agent would refuse a directory, checked for the owner of the set; false if it is
 * certain. If the set does not exist yet, root does not know which user the agent will run as.
 */
static bool tell_refusal(struct findings *findings, const struct cert_config *cert, bool is_there,
                         const char *text)
{
    char said[ERR_TEXT_BYTES + 64];

    if (is_there || geteuid() != 0) {
        finding_add(findings, FINDING_REFUSED, cert, "directory", text, NULL);
        return false;
    }
    snprintf(said, sizeof said, "refused if root runs leafd: %s", text);
    finding_warn(findings, POSTURE_OTHERS_WRITE, cert, "directory", said, NULL);
    return true;
}

/* Reports files that other users left in the set while they could write it. */
static void look_for_foreign(struct findings *findings, const struct cert_config *cert, int set_fd)
{
    char said[2 * ERR_TEXT_BYTES];
    struct err err;

    if (!foreign_find(set_fd, &err))
        return;
    snprintf(said, sizeof said, "%s: %s; leafd ignores it, and the agent removes it",
             cert->directory, err.text);
    finding_warn(findings, POSTURE_FOREIGN_FILES, cert, "directory", said, NULL);
}

/* Whether peers can learn of a revocation is seen in the certificate that is in place. */
static void look_at_published(struct findings *findings, const struct cert_config *cert, int set_fd)
{
    CLEANUP(arena_free) struct arena arena = {0};
    struct certificate_limits limits;
    struct record record;
    struct err err;

    if (!cert->is_trust && installed_record(set_fd, &arena, &record, &err) &&
        record_is_of(&record, cert) && certificate_limits_read(record.leaf_pem, &limits, &err) &&
        !limits.has_revocation_address)
        finding_warn(findings, POSTURE_NO_CRL_ADDRESS, cert, "pki_mount",
                     "the published certificate names neither a CRL nor an OCSP responder: peers "
                     "cannot see that it was revoked; on the CA: set crl_distribution_points in "
                     "config/urls of the mount",
                     NULL);
}

static void look_at_set(struct findings *findings, const struct cert_config *cert)
{
    CLEANUP(close_fd) int set_fd = -1;
    struct err err;

    if (!set_directory_look(cert->directory, &set_fd, &err))
        return;
    look_for_foreign(findings, cert, set_fd);
    look_at_published(findings, cert, set_fd);
}

/* Reports other users who may write the directories of the set and of its links; false if the agent
 * would refuse one of them. */
static bool look_at_places(struct findings *findings, const struct cert_config *cert, bool online)
{
    struct set_directory_remarks remarks;
    bool right = true;

    set_directory_remark(cert->directory, &remarks);
    if (remarks.refusal[0] != '\0' && !online)
        right = tell_refusal(findings, cert, remarks.is_there, remarks.refusal);
    if (remarks.advice[0] != '\0')
        finding_warn(findings, POSTURE_OTHERS_WRITE, cert, "directory", remarks.advice, NULL);
    look_at_set(findings, cert);
    for (size_t i = 0; i < cert->links.count; i++) {
        struct err err;

        if (!publish_may_link(&cert->links.items[i], remarks.user, &err))
            right &= tell_refusal(findings, cert, remarks.is_there, err.text);
    }
    return right;
}

bool check_configuration(struct findings *findings, const struct config *config, bool online)
{
    CLEANUP(config_problems_free) struct config_problems files = {0};
    bool right = true;

    for (size_t i = 0; i < config->cert_count; i++)
        print_template(findings, &config->certs[i]);
    for (size_t i = 0; i < config->cert_count; i++)
        if (!config->certs[i].is_trust)
            lint(findings, &config->certs[i]);
    configuration_advise(config, &files);
    findings_add_problems(findings, &files);
    for (size_t i = 0; i < config->cert_count; i++)
        right &= look_at_places(findings, &config->certs[i], online);
    findings_tell(findings, "the configuration is right%s: %zu certificate%s from %s, %u warning%s",
                  right ? "" : ", and a directory that it names is refused", config->cert_count,
                  config->cert_count == 1 ? "" : "s", config->vault.address, findings->warnings,
                  findings->warnings == 1 ? "" : "s");
    return right;
}
