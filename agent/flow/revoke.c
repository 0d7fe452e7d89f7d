#include "flow/revoke.h"

#include "base/cleanup.h"
#include "base/terminal.h"
#include "flow/ask.h"
#include "flow/once.h"
#include "install/installed.h"
#include "install/revoked_mark.h"
#include "install/set_directory.h"
#include "install/set_lock.h"

#include <stdio.h>
#include <string.h>

/* Revokes one certificate; *ret_agent tells whether an agent works in its directory. */
static bool revoke_one(struct ask *ask, const struct cert_config *cert, bool reissue,
                       bool *ret_agent, struct err *err)
{
    CLEANUP(installed_free) struct installed installed = {0};
    CLEANUP(close_fd) int set_fd = -1;
    struct err who;

    if (!set_directory_look(cert->directory, &set_fd, err))
        return false;
    installed_glance(set_fd, cert, &installed);
    if (installed.health == INSTALLED_NOTHING)
        return err_set(err, ERR_REFUSED, "there is nothing to revoke: %s", installed.why);
    if (!ask_revoke(ask, installed.record.request.pki_mount, installed.record.leaf.serial,
                    installed.record.leaf_pem, err))
        return false;
    terminal_line(stdout, "[cert %s] revoked serial %s", cert->name, installed.record.leaf.serial);
    *ret_agent = set_lock_is_held(set_fd, cert->directory, &who);
    return revoked_mark_write(set_fd, installed.generation,
                              reissue ? REVOCATION_REPLACED : REVOCATION_FINAL, err);
}

int revoke_run(struct config *config, const char *const *names, size_t count, bool reissue)
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
        terminal_line(stdout, "the running agent issues anew; `leafd status` shows when it has");
        return code;
    }
    again = once_run(config_ref(config), revoked.items, revoked.count, 0);
    return exit_code_worse(code, again);
}
