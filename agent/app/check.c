#include "app/check.h"

#include "app/configuration.h"
#include "base/cleanup.h"
#include "base/terminal.h"
#include "config/config_document.h"
#include "install/foreign.h"
#include "install/publish.h"
#include "install/set_directory.h"
#include "plan/lint.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* What the template gave, and what stands in the section in place of it. */
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

/* One line about a certificate's section. */
static void print_about(const struct cert_config *cert, const char *what, const char *text)
{
    terminal_line(stdout, "%s:%u: [cert %s] %s: %s", cert->file, cert->line, cert->name, what,
                  text);
}

/*
 * One that the agent would refuse, judged for the owner of the set; false if so. Where the set is
 * not there, root does not know as whom the agent will run.
 */
static bool print_refusal(const struct cert_config *cert, bool is_there, const char *text,
                          size_t *advice)
{
    bool is_certain = is_there || geteuid() != 0;

    print_about(cert, is_certain ? "refused" : "advice: refused if root runs leafd", text);
    *advice += !is_certain;
    return !is_certain;
}

/* What others left in the set while it was open to them. */
static bool print_foreign(const struct cert_config *cert)
{
    CLEANUP(close_fd) int set_fd = -1;
    char text[2 * ERR_TEXT_BYTES];
    struct err err;

    if (!set_directory_look(cert->directory, &set_fd, &err) || !foreign_find(set_fd, &err))
        return false;
    snprintf(text, sizeof text, "%s: %s; it does not count, and the agent removes it",
             cert->directory, err.text);
    print_about(cert, "advice", text);
    return true;
}

/* Who else may write the directories of the set and of its links; false if the agent would refuse
 * one of them. */
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
