/*
 * reconfigure - reads the configuration again, on a thread of its own
 *
 * Reading takes as long as disks and name services like, so nothing else runs on that thread: a
 * read that hangs holds nothing but itself. However often somebody asks during a read, one more
 * follows it, since what was changed meanwhile may have been read already.
 */
#ifndef LEAFD_APP_RECONFIGURE_H
#define LEAFD_APP_RECONFIGURE_H

#include "app/config_watch.h"
#include "config/config.h"
#include "config/config_problems.h"

#include <systemd/sd-event.h>

struct reconfigure;

/* A read as it ended; all of it lives until the receiver returns. */
struct reconfigure_result {
    uint64_t number;       /* of the read: reconfigure_ask */
    bool asked;            /* somebody wants to hear of it; else a file was seen to change */
    struct config *config; /* NULL: it is broken, and `problems` tells how */
    const struct config_problems *problems;
    struct config_sources *sources; /* for the receiver to take; NULL: not to be watched */
};

/* Told on the loop after each read. */
typedef void reconfigure_done(void *arg, struct reconfigure_result *result);

/*
 * reconfigure_open - gets ready to read the configuration that starts with `file`
 *
 * Borrows `loop` and `file`. Starts no thread. Fails with class local; reconfigure_close is due in
 * any case.
 */
bool reconfigure_open(sd_event *loop, const char *file, reconfigure_done *on_read, void *arg,
                      struct reconfigure **ret_reconfigure, struct err *err);

/*
 * reconfigure_ask - has it read, at once or again after the read that is under way
 *
 * Gives the number of the read that the question is answered by. The numbers grow by one.
 */
uint64_t reconfigure_ask(struct reconfigure *reconfigure);

/* reconfigure_notice - the same, since a file was seen to change */
void reconfigure_notice(struct reconfigure *reconfigure);

/* reconfigure_is_pending - whether somebody has asked for one more read, behind the one that is
 * under way or being told of; a file that was seen to change asks nothing */
bool reconfigure_is_pending(const struct reconfigure *reconfigure);

/* reconfigure_close - ends it without waiting for a read that is under way: false, as
 * workers_close. NULL is fine */
bool reconfigure_close(struct reconfigure *reconfigure);

#endif
