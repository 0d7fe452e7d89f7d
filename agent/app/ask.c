#include "app/ask.h"

#include "app/once.h"
#include "app/revoke_set.h"
#include "base/cleanup.h"
#include "base/terminal.h"

#include <stdio.h>
#include <string.h>

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

/* Revokes one certificate; *ret_agent says whether an agent holds the lock on its directory. */
static bool revoke_one(struct ask *ask, const struct cert_config *cert, bool reissue,
                       bool *ret_agent, struct err *err)
{
    CLEANUP(revoke_set_free)
    struct revoke_set set = {
        .cert = cert, .set_fd = -1, .mark = reissue ? REVOCATION_REPLACED : REVOCATION_FINAL};
    const struct record *record = &set.installed.record;
    bool marked;

    if (!revoke_set_read(&set, err) ||
        !await(ask,
               ca_revoke_start(ask->engine.tools.ca, record->request.pki_mount, record->leaf.serial,
                               record->leaf_pem, on_answered, ask, err),
               err))
        return false;
    terminal_line(stdout, "[cert %s] revoked serial %s", cert->name, record->leaf.serial);
    revoke_set_tell(&set, LOG_LEVEL_INFO);
    marked = revoke_set_mark(&set, err);
    *ret_agent = set.has_agent;
    return marked;
}

int ask_revoke(struct config *config, const char *const *names, size_t count, bool reissue)
{
    CLEANUP(arena_free) struct arena arena = {0};
    struct text_list revoked = {0};
    struct ask ask = {0};
    struct err err = {0};
    bool any_agent = false;
    int code = EXIT_FINE, again;

    if (!ask_open(&ask, config, &err) || !engine_audit(&ask.engine, &err) ||
        !ask_log_in(&ask, &err)) {
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
            stdout, "no other certificate is issued until `leafd renew CERT`, or `leafd once CERT` "
                    "while no agent runs, asks for it");
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
