/*
 * credentials - notices that what the CA was asked with is another one by now
 *
 * Whoever puts a credential or a CA file right wants to see now whether it works, and not when a
 * wait is over. The files are only looked at, and only while something fails.
 */
#ifndef LEAFD_CA_CREDENTIALS_H
#define LEAFD_CA_CREDENTIALS_H

#include "config/config.h"

#include <systemd/sd-event.h>

/*
 * credential_stamp - changes when [vault], [auth] or one of the files that they name changes
 *
 * A digest of the sections and of each file's identity, size and times, never of its content. "" if
 * it could not be made. Blocks on the files' directories, as a login does.
 */
void credential_stamp(const struct config *config, char to[static DIGEST_HEX_BYTES]);

struct credential_watch;

/* Called when they have changed, and at every look: false ends the watch until it is armed anew. */
typedef bool credentials_seen(void *arg, bool changed);

/* credential_watch_open - not armed yet; borrows `loop`; fails with class local */
bool credential_watch_open(sd_event *loop, credentials_seen *on_seen, void *arg,
                           struct credential_watch **ret_watch, struct err *err);

/*
 * credential_watch_arm - looks every few seconds from now on for what differs from `asked_with`
 *
 * That is the credential_stamp of what the CA was asked with: what was put right while it was asked
 * is a change as well. NULL for the watch is fine.
 */
void credential_watch_arm(struct credential_watch *watch, const struct config *config,
                          const char *asked_with);

/* credential_watch_close - ends it; NULL is fine */
void credential_watch_close(struct credential_watch *watch);

#endif
