/*
 * config_trust - refuses a configuration that other users can change
 *
 * The configuration names commands that run with leafd's rights, and files that decide who leafd is
 * and whom it trusts. A user who can write one of these files, or a directory on the way to one,
 * has leafd's rights. So each must belong to root or to the user of the agent (base/trust).
 * Commands that only read what is on disk run and send nothing. They accept the owner of the main
 * file instead of their own user, so that other users can run `leafd status`.
 */
#ifndef LEAFD_CONFIG_CONFIG_TRUST_H
#define LEAFD_CONFIG_CONFIG_TRUST_H

#include "base/arena.h"
#include "base/text.h"
#include "base/trust.h"
#include "config/config_problems.h"

#include <stdbool.h>

enum { JUDGED_KEPT = 32 };

struct config_trust {
    struct trust trust;
    bool only_looks; /* do not check the files that the configuration names */
    struct arena *arena;
    struct text_list *advice; /* warnings, each once; borrowed */
    /* The last results: thousands of sections may name the same few files. */
    struct judged {
        const char *path, *why;
        int how;
        bool usable;
    } judged[JUDGED_KEPT];
    unsigned judged_count;
};

/* config_trust_start - prepares checks for the configuration in `file`; borrows `arena` and
 * `advice` */
void config_trust_start(struct config_trust *trust, const char *file, bool only_looks,
                        struct arena *arena, struct text_list *advice);

/*
 * config_trust_file - why a file that the configuration names must not be used, or NULL
 *
 * `how` is R_OK or X_OK. Returns `unusable` if the file is missing or this process may not use it;
 * NULL there accepts a file that may come later. A path that is not a regular file is refused only
 * as a program; other callers check the content.
 */
const char *config_trust_file(struct config_trust *trust, const char *path, int how,
                              const char *unusable);

/*
 * config_trust_mention - warns if an argument of a command is a file that other users may write
 *
 * It may be a script for an interpreter; or a log that all users write, so it is not an error.
 */
void config_trust_mention(struct config_trust *trust, const char *path);

/* config_trust_directory - as config_trust_file, for a directory and each file in it */
const char *config_trust_directory(struct config_trust *trust, const char *path);

/*
 * config_trust_open - opens a file of the configuration, after checking it
 *
 * The descriptor belongs to the caller. Fails with class local; the text follows the file's name.
 */
bool config_trust_open(struct config_trust *trust, const char *path, int *ret_fd, struct err *err);

/*
 * config_trust_search - finds the files that match a pattern, sorted
 *
 * `pattern` is a path that may have *, ? or [] in any part, as in glob(7). A missing directory has
 * no files. Parts without these characters are not checked for existence. Each directory that is
 * searched must be writable for trusted users only, since who adds a file there adds to the
 * configuration. Fails as config_trust_open.
 */
bool config_trust_search(struct config_trust *trust, const char *pattern, struct text_list *paths,
                         struct err *err);

#endif
