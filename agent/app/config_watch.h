/*
 * config_watch - notices changes of the configuration's files: [agent] watch_config
 *
 * Watches the directories of the files by inotify(7): an editor replaces a file, and kubelet
 * switches "..data" to another directory. Changes that belong together come within a moment, so the
 * listener is called a moment later. Each read of the configuration gives the list of files anew. A
 * thread of its own resolves the paths, which may hang. It does so again every half minute, because
 * a symbolic link on the way may lead to another directory by then.
 */
#ifndef LEAFD_APP_CONFIG_WATCH_H
#define LEAFD_APP_CONFIG_WATCH_H

#include "base/digest.h"
#include "config/config.h"

#include <systemd/sd-event.h>

#include <stdatomic.h>

/* The files of a configuration. */
struct config_sources {
    struct arena arena;
    atomic_uint shares; /* of further owners: the thread that looks directories up has its own */
    struct config_source {
        const char *directory;
        const char *pattern; /* of the names in it: glob(7) */
    } * items;
    size_t count;
    /* Of the content of the files and the templates, and of the passwords that they name: equal
     * digests mean equal configurations. */
    char digest[DIGEST_HEX_BYTES];
};

/*
 * config_sources_of - the files of the configuration that starts with `file`
 *
 * Call it before config_forget_source. NULL if memory ran out.
 */
struct config_sources *config_sources_of(const struct config *config, const char *file);

/* config_sources_free - gives one share back, and frees the list with the last one; NULL is fine */
void config_sources_free(struct config_sources *sources);

struct config_watch;

/* Called when a file was changed, or may have been. */
typedef void config_watch_noticed(void *arg);

/*
 * config_watch_open - makes a watch that watches nothing yet; starts no thread
 *
 * Borrows `loop`. Fails with class local; config_watch_close is due in any case.
 */
bool config_watch_open(sd_event *loop, config_watch_noticed *on_change, void *arg,
                       struct config_watch **ret_watch, struct err *err);

/*
 * config_watch_use - watches these files from now on; NULL: none
 *
 * Takes `sources`. When it starts to watch a directory, it reports a change at once, because a
 * change between the read and the watch was not noticed. A directory that cannot be watched is an
 * event.
 */
void config_watch_use(struct config_watch *watch, struct config_sources *sources);

/* config_watch_close - stops and frees the watch; NULL is fine. Returns false as workers_close does
 */
bool config_watch_close(struct config_watch *watch);

#endif
