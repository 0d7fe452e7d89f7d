/*
 * revoke_set - revokes the certificate that is published in a set
 *
 * For the agent; `leafd revoke` without an agent uses the same steps on its own loop. A worker
 * reads which certificate it is, the CA revokes it, and a worker writes the mark of revocation.
 */
#ifndef LEAFD_APP_REVOKE_SET_H
#define LEAFD_APP_REVOKE_SET_H

#include "base/event.h"
#include "cert/cert_work.h"
#include "install/installed.h"
#include "install/publish.h"

/* The certificate that is published in a set. Initialise with {.set_fd = -1}, end with
 * revoke_set_free. */
struct revoke_set {
    struct config *config; /* a reference; NULL: borrowed from the caller */
    const struct cert_config *cert;
    int set_fd;
    struct installed installed;
    enum revocation mark; /* to be written */
    bool has_agent;       /* result of revoke_set_mark: an agent works in the directory */
};

/* revoke_set_read - reads which certificate is published; blocks on the disk. Fails with class
 * local, or refused if there is none, or another section's */
bool revoke_set_read(struct revoke_set *set, struct err *err);

/* revoke_set_mark - marks it as revoked; blocks on the disk; fails with class local */
bool revoke_set_mark(struct revoke_set *set, struct err *err);

/* revoke_set_tell - emits the event that it was revoked */
void revoke_set_tell(const struct revoke_set *set, enum log_level level);

/* revoke_set_free - releases what it holds */
void revoke_set_free(struct revoke_set *set);

/* What was revoked. */
struct revoked_set {
    char serial[SERIAL_TEXT_BYTES]; /* "": it was not */
    char generation[GENERATION_NAME_BYTES];
};

/*
 * revoke_set_start - does all of it in the agent
 *
 * Takes a reference of `config`, in which `cert` lies; borrows `tools`. *ret_revoked belongs to the
 * caller; it is filled once the CA has revoked the certificate, also if the mark could not be
 * written. Fails with the class of the step that failed. NULL with *err filled, class local.
 */
struct slot *revoke_set_start(struct cert_tools *tools, struct config *config,
                              const struct cert_config *cert, enum revocation mark,
                              struct revoked_set *ret_revoked, slot_done *on_done, void *arg,
                              struct err *err);

#endif
