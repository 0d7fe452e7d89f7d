#include "app/revoke.h"

#include "app/ask.h"
#include "app/once.h"
#include "base/cleanup.h"
#include "base/terminal.h"
#include "base/trust.h"
#include "config/config_values.h"
#include "install/installed.h"
#include "install/revoked_mark.h"
#include "install/set_directory.h"
#include "install/set_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is noted says what is revoked: whoever may write it could name any certificate. */
static bool is_ours(int set_fd, const struct cert_config *cert, const char *generation,
                    struct err *err)
{
    CLEANUP(close_fd)
    int fd = openat(set_fd, generation, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CLEANUP(close_fd)
    int record_fd =
        fd < 0 ? -1 : openat(fd, record_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct trust trust = {.user = geteuid()};
    char path[PATH_MAX];

    if (record_fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open %s in %s", record_name,
                         cert->directory);
    snprintf(path, sizeof path, "%s/%s", cert->directory, generation);
    if (!trust_check_fd(&trust, fd, path, err))
        return false;
    snprintf(path, sizeof path, "%s/%s/%s", cert->directory, generation, record_name);
    return trust_check_fd(&trust, record_fd, path, err);
}

/*
 * Whether it is the section's own certificate, of a mount of the CA. A section that was given more
 * names since, or fewer, still means it.
 */
static bool is_the_sections(const struct cert_config *cert, const struct record *record,
                            struct err *err)
{
    const char *missing = names_beyond(&cert->request.names, &record->leaf.names);
    const char *mount = record->request.pki_mount;

    if (missing != NULL && names_beyond(&record->leaf.names, &cert->request.names) != NULL)
        return err_set(err, ERR_REFUSED,
                       "the certificate in %s, serial %s, is not for the names of the section: %s "
                       "is missing in it; set the names and the directory that it was issued for, "
                       "or revoke it by its serial number on the CA",
                       cert->directory, record->leaf.serial, missing);
    if (mount == NULL || !is_api_path(mount))
        return err_set(err, ERR_REFUSED,
                       "%s in %s names no mount of the CA as pki_mount; it was not written by "
                       "leafd: revoke serial %s on the CA",
                       record_name, cert->directory, record->leaf.serial);
    return true;
}

/* Revokes one certificate; *ret_agent tells whether an agent works in its directory. */
static bool revoke_one(struct ask *ask, const struct cert_config *cert, bool reissue,
                       bool *ret_agent, struct err *err)
{
    CLEANUP(installed_free) struct installed installed = {0};
    CLEANUP(close_fd) int set_fd = -1;
    struct err who;

    if (!set_directory_visit(cert->directory, &set_fd, err))
        return false;
    installed_glance(set_fd, cert, &installed);
    if (installed.health == INSTALLED_NOTHING)
        return err_set(err, ERR_REFUSED, "there is nothing to revoke: %s", installed.why);
    if (!is_ours(set_fd, cert, installed.generation, err) ||
        !is_the_sections(cert, &installed.record, err))
        return false;
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
