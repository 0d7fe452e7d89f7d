#include "flow/check.h"

#include "config/config_document.h"
#include "flow/ask.h"
#include "flow/once.h"
#include "plan/posture.h"
#include "vault/vault_capabilities.h"

#include <stdio.h>
#include <string.h>

static size_t print_advice(const struct cert_config *cert)
{
    struct posture_facts facts = {
        .wish = &cert->wish,
        .key_never_rotates = cert->key_rotation == KEY_ROTATE_NEVER,
        .key_from_ca = cert->key_source == KEY_FROM_VAULT,
        .nothing_reloads =
            cert->reloads.items[0].verb == RELOAD_NONE && cert->template_name == NULL,
        .renew_before_s = cert->renewal.before_s,
    };
    const char *advice[POSTURE_MOST];
    size_t count;

    for (size_t i = 0; i < cert->outputs.count; i++)
        facts.key_for_group |= content_holds_key(cert->outputs.items[i].content) &&
                               (cert->outputs.items[i].mode & 040) != 0;
    count = posture_advise(&facts, advice);
    for (size_t i = 0; i < count; i++)
        printf("%s:%u: [cert %s] advice: %s\n", cert->file, cert->line, cert->name, advice[i]);
    return count;
}

/* What the template gave, and what stands in the section in place of it. */
static void print_template(const struct cert_config *cert)
{
    const struct config_section *given = cert->template_section;

    if (given == NULL)
        return;
    printf("[cert %s] template %s (%s) gives\n", cert->name, cert->template_name, given->file);
    for (const struct config_entry *at = given->entries; at != NULL; at = at->next)
        if (config_entry_find(cert->own, at->key) == NULL)
            printf("    %s = %s\n", at->key, at->value);
    for (const struct config_entry *at = cert->own->entries; at != NULL; at = at->next)
        if (config_entry_find(given, at->key) != NULL)
            printf("    %s = %s    (the section's own, line %u)\n", at->key, at->value, at->line);
}

void check_print(const struct config *config)
{
    size_t advice = 0;

    for (size_t i = 0; i < config->cert_count; i++)
        print_template(&config->certs[i]);
    for (size_t i = 0; i < config->cert_count; i++)
        advice += print_advice(&config->certs[i]);
    printf("the configuration is right: %zu certificate%s from %s, %zu piece%s of advice\n",
           config->cert_count, config->cert_count == 1 ? "" : "s", config->vault.address, advice,
           advice == 1 ? "" : "s");
}

static int print_capabilities(const struct config *config, const struct vault_reply *reply)
{
    int code = EXIT_FINE;

    for (size_t i = 0; i < config->cert_count; i++) {
        const struct cert_config *cert = &config->certs[i];
        char path[VAULT_PATH_BYTES];

        vault_sign_path(cert, path);
        if (vault_capability_has(reply, path, "update")) {
            printf("[cert %s] the CA lets us use %s\n", cert->name, path);
            continue;
        }
        printf("[cert %s] the CA does not let us use %s; add to a policy of the auth role: "
               "path \"%s\" { capabilities = [\"update\"] }\n",
               cert->name, path, path);
        code = EXIT_REFUSED;
    }
    return code;
}

static void print_skew(const struct clock_skew *skew)
{
    char words[CLOCK_SKEW_WORDS_BYTES];

    clock_skew_words(skew, words);
    if (skew->told_ms != 0)
        printf("advice: %s\n", words);
}

static bool ask_about_all(struct ask *ask, const struct config *config,
                          struct vault_reply *ret_reply, struct err *err)
{
    struct arena arena = {0};
    struct text_list paths = {0};
    bool asked = true;

    for (size_t i = 0; asked && i < config->cert_count; i++) {
        char path[VAULT_PATH_BYTES];

        vault_sign_path(&config->certs[i], path);
        if (!text_list_has(&paths, path) && !text_list_add(&paths, &arena, path, strlen(path)))
            asked = err_memory(err);
    }
    asked = asked && ask_capabilities(ask, &paths, ret_reply, err);
    arena_free(&arena);
    return asked;
}

int check_online(struct config *config)
{
    struct vault_reply reply = {0};
    struct ask ask = {0};
    struct err err = {0};
    int code;

    if (ask_open(&ask, config, &err) && ask_log_in(&ask, &err) &&
        ask_about_all(&ask, config, &reply, &err)) {
        printf("logged in by %s\n", auth_method_words[config->auth.method]);
        print_skew(&ask.engine.skew);
        code = print_capabilities(config, &reply);
    } else {
        printf("%s (%s)\n", err.text, err_kind_name(err.kind));
        code = exit_code_of(&err);
    }
    vault_reply_free(&reply);
    ask_close(&ask);
    return code;
}
