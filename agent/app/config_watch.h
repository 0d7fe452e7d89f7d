/*
 * config_watch - notices that a file of the configuration was changed: [agent] watch_config
 *
 * By inotify(7) on the directories of the files, where names appear and go: an editor replaces a
 * file, and kubelet turns "..data" to another directory. What belongs together comes within a
 * moment, so it is told of a moment later. Which files these are, each reading tells anew. Paths
 * are looked up on a thread of its own.
 */
#ifndef LEAFD_APP_CONFIG_WATCH_H
#define LEAFD_APP_CONFIG_WATCH_H

#include "base/digest.h"
#include "config/config.h"

#include <systemd/sd-event.h>

/* The files of a configuration. */
struct config_sources {
    struct arena arena;
    struct config_source {
        const char *directory;
        const char *pattern; /* of the names in it: glob(7) */
    } * items;
    size_t count;
    /* Of all that stands in them and in the templates, and of the passwords that they name: equal
     * digests are equal configurations. */
    char digest[DIGEST_HEX_BYTES];
};

/*
 * config_sources_of - the files of the configuration that starts with `file`
 *
 * Before config_forget_source. NULL if memory ran out.
 */
struct config_sources *config_sources_of(const struct config *config, const char *file);

/* config_sources_free - NULL is fine */
void config_sources_free(struct config_sources *sources);

struct config_watch;

/* Told when a file was changed, or may have been. */
typedef void config_watch_noticed(void *arg);

/*
 * config_watch_open - gets ready; watches nothing yet and starts no thread
 *
 * Borrows `loop`. Fails with class local; config_watch_close is due in any case.
 */
bool config_watch_open(sd_event *loop, config_watch_noticed *on_change, void *arg,
                       struct config_watch **ret_watch, struct err *err);

/*
 * config_watch_use - watches these files from now on; NULL: none
 *
 * Takes `sources`. Whenever it watches a directory for the first time, a change is told of: what
 * was changed since the files were read was not noticed. What cannot be watched is an event.
 */
void config_watch_use(struct config_watch *watch, struct config_sources *sources);

/* config_watch_close - ends it; NULL is fine. False as workers_close */
bool config_watch_close(struct config_watch *watch);

#endif
