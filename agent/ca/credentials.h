/*
 * credentials - how what the CA is asked with looks, and whether it is another by now
 *
 * Whoever puts a credential or a CA file right wants to see now whether it works, and not when a
 * wait is over. The files are only looked at, by a worker, since a file system may hang: whoever
 * waits for a look waits for a second at most, and goes by the look before.
 */
#ifndef LEAFD_CA_CREDENTIALS_H
#define LEAFD_CA_CREDENTIALS_H

#include "base/worker.h"
#include "config/config.h"

struct credentials;

/*
 * credentials_lane - where reading them belongs: the lane of the first file that they name
 *
 * Borrows the configuration. Of none, it is computation.
 */
struct lane_key credentials_lane(const struct config *config);

/* Called after each look that credentials_watch wanted: false ends the looks. */
typedef bool credentials_seen(void *arg, bool changed);

/*
 * credentials_open - looks at them once, at once
 *
 * Borrows loop and workers, takes a reference of `config`. Blocks on the files' directories, as
 * reading the configuration does. Fails with class local.
 */
bool credentials_open(sd_event *loop, struct workers *workers, struct config *config,
                      credentials_seen *on_seen, void *arg, struct credentials **ret_credentials,
                      struct err *err);

/* credentials_close - ends it; every slot of it has been dropped before. NULL is fine */
void credentials_close(struct credentials *credentials);

/* credentials_use - goes on with another configuration, which the next look goes by */
void credentials_use(struct credentials *credentials, struct config *config);

/*
 * credentials_stamp - changes when [vault], [auth] or one of the files that they name changes
 *
 * By the last look: a digest of the sections and of each file's identity, size and times, never of
 * its content. "" if it could not be made.
 */
const char *credentials_stamp(const struct credentials *credentials);

/*
 * credentials_look_start - sees to it that the stamp is not older than a moment
 *
 * Ends well, in a later iteration of the loop, when it is so, and after a second in any case. NULL
 * with *err filled if memory ran out.
 */
struct slot *credentials_look_start(struct credentials *credentials, slot_done *on_done, void *arg,
                                    struct err *err);

/*
 * credentials_watch - looks every few seconds from now on for what differs from `asked_with`
 *
 * That is the stamp from before the CA was asked: what was put right while it was asked is a change
 * as well.
 */
void credentials_watch(struct credentials *credentials, const char *asked_with);

#endif
