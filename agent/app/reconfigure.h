/*
 * reconfigure - reads the configuration again, on a thread of its own
 *
 * A read may hang on a disk or a name service, so nothing else runs on that thread. Requests during
 * a read cause one more read, since a file may have changed after it was read.
 */
#ifndef LEAFD_APP_RECONFIGURE_H
#define LEAFD_APP_RECONFIGURE_H

#include "app/config_watch.h"
#include "config/config.h"
#include "config/config_problems.h"

#include <systemd/sd-event.h>

struct reconfigure;

/* The result of a read; valid until the receiver returns. */
struct reconfigure_result {
    uint64_t number;       /* of the read: reconfigure_ask */
    bool asked;            /* a command or SIGHUP asked for it; else a file was seen to change */
    bool is_look;          /* nobody asked, and no file was seen to change: reconfigure_look */
    struct config *config; /* NULL: it has errors, which are in `problems` */
    const struct config_problems *problems;
    struct config_sources *sources; /* for the receiver to take; NULL: not to be watched */
};

/* Called on the loop after each read. */
typedef void reconfigure_done(void *arg, struct reconfigure_result *result);

/*
 * reconfigure_open - prepares to read the configuration that starts with `file`
 *
 * Borrows `loop` and `file`. Starts no thread. Fails with class local; call reconfigure_close in
 * any case.
 */
bool reconfigure_open(sd_event *loop, const char *file, reconfigure_done *on_read, void *arg,
                      struct reconfigure **ret_reconfigure, struct err *err);

/*
 * reconfigure_ask - starts a read, at once or after the one that is under way
 *
 * Gives the number of that read. The numbers grow by one.
 */
uint64_t reconfigure_ask(struct reconfigure *reconfigure);

/* reconfigure_notice - the same, because a file was seen to change */
void reconfigure_notice(struct reconfigure *reconfigure);

/* reconfigure_look - the same to see what is on disk, not to apply it; nothing if a read is under
 * way */
void reconfigure_look(struct reconfigure *reconfigure);

/* reconfigure_is_pending - whether somebody has asked for one more read, behind the one that is
 * under way or being told of; a file that was seen to change asks nothing */
bool reconfigure_is_pending(const struct reconfigure *reconfigure);

/* reconfigure_close - frees it without waiting for a read that is under way: then false, as
 * workers_close. NULL is fine */
bool reconfigure_close(struct reconfigure *reconfigure);

#endif
