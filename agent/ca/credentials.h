/*
 * credentials - notices changes of the files that a login uses
 *
 * An operator who corrects a credential or a CA file wants a try at once, and not at the end of the
 * backoff. A worker checks only the attributes of the files. A file system may hang, so a caller
 * waits at most a second for a check and then uses the previous one.
 */
#ifndef LEAFD_CA_CREDENTIALS_H
#define LEAFD_CA_CREDENTIALS_H

#include "base/worker.h"
#include "config/config.h"

struct credentials;

/*
 * credentials_lane - the lane for reading the credentials: that of the first file
 *
 * Borrows the configuration. Without files the lane is that of computation.
 */
struct lane_key credentials_lane(const struct config *config);

/* Called after each check that credentials_watch asked for; returning false ends the checks. */
typedef bool credentials_seen(void *arg, bool changed);

/*
 * credentials_open - begins the first check
 *
 * Borrows loop and workers, takes a reference of `config`. Fails with class local.
 */
bool credentials_open(sd_event *loop, struct workers *workers, struct config *config,
                      credentials_seen *on_seen, void *arg, struct credentials **ret_credentials,
                      struct err *err);

/* credentials_close - frees it; every slot of it has been dropped before. NULL is fine */
void credentials_close(struct credentials *credentials);

/* credentials_use - applies another configuration from the next check on */
void credentials_use(struct credentials *credentials, struct config *config);

/*
 * credentials_stamp - a digest that changes when [vault], [auth] or one of their files changes
 *
 * From the last check: the sections and each file's device, inode, size and times, never its
 * content. "" before the first check has ended, and if the stamp could not be made.
 */
const char *credentials_stamp(const struct credentials *credentials);

/*
 * credentials_look_start - updates the stamp unless it is recent
 *
 * Ends well, in a later iteration of the loop, when the stamp is updated, and after a second in any
 * case. NULL with *err filled if memory ran out.
 */
struct slot *credentials_look_start(struct credentials *credentials, slot_done *on_done, void *arg,
                                    struct err *err);

/*
 * credentials_watch - compares the stamp every few seconds from now on with `asked_with`
 *
 * That is the stamp from before the request to the CA: a correction during the request is a change
 * as well.
 */
void credentials_watch(struct credentials *credentials, const char *asked_with);

#endif
