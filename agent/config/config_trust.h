/*
 * config_trust - who else may change what stands in the configuration and what it names
 *
 * Its files name commands, the files that it names say whom leafd is and whom it trusts, and its
 * commands run with leafd's rights: who may write one of them, or a directory on the way, has these
 * rights. So each must belong to root or to the user that leafd runs as: base/trust. A command that
 * only looks at what is on disk runs none of it and sends nobody anything: for it, whoever owns the
 * main file, if not root, takes the place of its own user, so that also others than the owner can
 * ask for the status.
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
    bool only_looks; /* then what the configuration names is not judged */
    struct arena *arena;
    struct text_list *advice; /* what is unwise and yet no fault, each once; borrowed */
    /* Sections by the thousand name the same few files. */
    struct judged {
        const char *path, *why;
        int how;
        bool usable;
    } judged[JUDGED_KEPT];
    unsigned judged_count;
};

/* config_trust_start - for the configuration that starts with `file`; borrows `arena`, `advice` */
void config_trust_start(struct config_trust *trust, const char *file, bool only_looks,
                        struct arena *arena, struct text_list *advice);

/*
 * config_trust_file - what speaks against a file that the configuration names, or NULL
 *
 * `how` is R_OK or X_OK. `unusable` is returned where it is not there, or not for us to use so;
 * NULL is for what may come later. That it is no regular file speaks against a program only: what a
 * file holds is judged elsewhere.
 */
const char *config_trust_file(struct config_trust *trust, const char *path, int how,
                              const char *unusable);

/*
 * config_trust_mention - advises against an argument of a command that is a file others may write
 *
 * It may be the script that an interpreter runs, or a log that everybody is to write.
 */
void config_trust_mention(struct config_trust *trust, const char *path);

/* config_trust_directory - the same for a directory, and for every file in it */
const char *config_trust_directory(struct config_trust *trust, const char *path);

/* config_trust_open - opens a file of the configuration; fails in words that follow its name */
bool config_trust_open(struct config_trust *trust, const char *path, int *ret_fd, struct err *err);

/*
 * config_trust_search - adds the paths of the files that match a pattern, in order
 *
 * `pattern` is a path with * ? or [] in any of its parts, as glob(7) has them; directories that are
 * not there have no files. A part without them is not looked for: its path may lead nowhere. Each
 * directory that is searched is judged: who may add a file there has it read. Fails as
 * config_trust_open.
 */
bool config_trust_search(struct config_trust *trust, const char *pattern, struct text_list *paths,
                         struct err *err);

#endif
