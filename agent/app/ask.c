#include "app/ask.h"

#include "app/once.h"
#include "base/cleanup.h"
#include "base/terminal.h"
#include "config/config_values.h"
#include "install/installed.h"
#include "install/publish.h"
#include "install/set_claim.h"
#include "install/set_directory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- single questions -----------------------------------------------------------------------------
 */

static void on_answered(void *arg, const struct err *err)
{
    struct ask *ask = arg;

    ask->err = *err;
    ask->answered = true;
}

/* Runs the loop until the operation of the slot has ended, then drops the slot. */
static bool await(struct ask *ask, struct slot *slot, struct err *err)
{
    int r = 0;

    if (slot == NULL)
        return false;
    for (ask->answered = false; !ask->answered && r >= 0;)
        r = sd_event_run(ask->engine.tools.loop, UINT64_MAX);
    slot_drop(slot);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "the event loop ended");
    *err = ask->err;
    return err->kind == ERR_NONE;
}

bool ask_open(struct ask *ask, struct config *config, struct err *err)
{
    return engine_open(&ask->engine, config, false, NULL, NULL, err);
}

bool ask_log_in(struct ask *ask, struct err *err)
{
    return await(ask, ca_log_in_start(ask->engine.tools.ca, on_answered, ask, err), err);
}

bool ask_describe(struct ask *ask, const struct cert_config *cert, struct ca_terms *ret_terms,
                  struct err *err)
{
    return await(
        ask, ca_describe_start(ask->engine.tools.ca, cert, ret_terms, on_answered, ask, err), err);
}

bool ask_bundle(struct ask *ask, const struct cert_config *cert, struct ca_signed *ret_signed,
                struct err *err)
{
    return await(
        ask, ca_bundle_start(ask->engine.tools.ca, cert, ret_signed, on_answered, ask, err), err);
}

void ask_close(struct ask *ask)
{
    engine_close(&ask->engine);
}

/* -- revoke ---------------------------------------------------------------------------------------
 */

/*
 * Whether the certificate belongs to the section and comes from a mount of the CA. The section may
 * have gained or lost names since.
 */
static bool is_the_sections(const struct cert_config *cert, const struct record *record,
                            struct err *err)
{
    const char *missing = names_missing_any(&cert->request.names, &record->leaf.names);
    const char *mount = record->request.pki_mount;

    if (missing != NULL && names_missing_any(&record->leaf.names, &cert->request.names) != NULL)
        return err_set(err, ERR_REFUSED,
                       "the certificate in %s, serial %s, is not for the names of the section: %s "
                       "is missing in it; set the names and the directory that it was issued for, "
                       "or revoke it on the CA by its serial number",
                       cert->directory, record->leaf.serial, missing);
    if (mount == NULL || !is_api_path(mount))
        return err_set(err, ERR_REFUSED,
                       "%s in %s names no mount of the CA as pki_mount; it was not written by "
                       "leafd: revoke serial %s on the CA",
                       record_name, cert->directory, record->leaf.serial);
    return true;
}

static bool revoke_record(struct ask *ask, const struct record *record, struct err *err)
{
    return await(ask,
                 ca_revoke_start(ask->engine.tools.ca, record->request.pki_mount,
                                 record->leaf.serial, record->leaf_pem, on_answered, ask, err),
                 err);
}

/* Revokes one certificate; *ret_agent says whether an agent holds the lock on its directory. */
static bool revoke_one(struct ask *ask, const struct cert_config *cert, bool reissue,
                       bool *ret_agent, struct err *err)
{
    CLEANUP(installed_free) struct installed installed = {0};
    CLEANUP(close_fd) int set_fd = -1;
    struct stat about;
    struct err who;

    if (cert->is_trust)
        return err_set(
            err, ERR_REFUSED,
            "is a [trust] section: it has no certificate of its own, so there is nothing "
            "to revoke; an issuer is revoked on the CA");
    if (!set_directory_visit(cert->directory, &set_fd, &about, err))
        return false;
    installed_glance(set_fd, cert, &installed);
    if (installed.health == INSTALLED_NOTHING)
        return err_set(err, ERR_REFUSED, "there is nothing to revoke: %s", installed.why);
    if (!is_the_sections(cert, &installed.record, err) ||
        !revoke_record(ask, &installed.record, err))
        return false;
    terminal_line(stdout, "[cert %s] revoked serial %s", cert->name, installed.record.leaf.serial);
    *ret_agent = set_claim_has(set_fd, cert->directory, &who);
    return revoked_mark_write(set_fd, installed.generation,
                              reissue ? REVOCATION_REPLACED : REVOCATION_FINAL, err);
}

int ask_revoke(struct config *config, const char *const *names, size_t count, bool reissue)
{
    CLEANUP(arena_free) struct arena arena = {0};
    struct text_list revoked = {0};
    struct ask ask = {0};
    struct err err = {0};
    bool any_agent = false;
    int code = EXIT_FINE, again;

    if (!ask_open(&ask, config, &err) || !ask_log_in(&ask, &err)) {
        terminal_line(stderr, "leafd: %s", err.text);
        ask_close(&ask);
        return exit_code_of(&err);
    }
    for (size_t i = 0; i < count; i++) {
        bool agent = false;

        if (!revoke_one(&ask, config_cert(config, names[i]), reissue, &agent, &err)) {
            terminal_line(stderr, "leafd: [cert %s] %s", names[i], err.text);
            code = exit_code_worse(code, exit_code_of(&err));
        } else if (!text_list_add(&revoked, &arena, names[i], strlen(names[i]))) {
            code = exit_code_worse(code, EXIT_RETRY);
        }
        any_agent |= agent;
    }
    ask_close(&ask);
    if (revoked.count == 0)
        return code;
    if (!reissue) {
        terminal_line(
            stdout, "no other certificate is issued until `leafd revoke` without --no-reissue, or "
                    "`leafd once CERT`, asks for it");
        return code;
    }
    if (any_agent) {
        terminal_line(
            stdout, "the running agent issues a new certificate; `leafd status` shows the result");
        return code;
    }
    again = once_run(config_ref(config), revoked.items, revoked.count, 0);
    return exit_code_worse(code, again);
}
