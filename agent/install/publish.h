/*
 * publish - switches the visible names to a generation, in one rename
 *
 *     tls.crt -> ..data/tls.crt
 *     tls.key -> ..data/tls.key
 *     ..data  -> ..2026_11_20_21_28_38.4f2a91
 *
 * This is the layout of Kubernetes volumes, which programs that watch files support. A new link
 * ..data is renamed over the old one: before the rename a consumer sees the complete old
 * generation, after it the complete new one. The visible names are made before the rename, so that
 * the files of a first generation also appear together.
 */
#ifndef LEAFD_INSTALL_PUBLISH_H
#define LEAFD_INSTALL_PUBLISH_H

#include "base/err.h"
#include "config/config.h"
#include "install/generation.h"

#include <stdbool.h>

extern const char publish_data_name[];

/*
 * publish_check - whether every visible name is free, or a link that leafd made
 *
 * leafd never replaces a file of others. Fails with class local and names the file.
 */
bool publish_check(int set_fd, const struct cert_config *cert, struct err *err);

/*
 * publish_swap - publishes `generation`, durably
 *
 * Repairs what an interrupted call left, makes the visible names, renames ..data, and removes
 * visible names that the section no longer asks for. *ret_previous is the name of the previously
 * published generation, "" if there was none. Blocks on the disk. Fails with class local; if that
 * is before the rename, the visible files are unchanged.
 */
bool publish_swap(int set_fd, const struct cert_config *cert, const char *generation,
                  char ret_previous[static GENERATION_NAME_BYTES], struct err *err);

/*
 * publish_names - makes the visible names of the published generation
 *
 * *ret_lost is the first name that it had to make, borrowed from `cert`, or NULL; it is set on
 * failure as well. Fails with class local.
 */
bool publish_names(int set_fd, const struct cert_config *cert, const char **ret_lost,
                   struct err *err);

/* publish_check_links - whether every `link` line can be carried out; fails with class local and
 * names the path */
bool publish_check_links(const struct cert_config *cert, struct err *err);

/* publish_may_link - whether only root and the user can exchange the link; fails with class local
 * if others can. Succeeds if the link's directory does not exist or may not be read. */
bool publish_may_link(const struct outside_link *link, uid_t user, struct err *err);

/*
 * publish_links - makes the links of the `link` lines, outside the set
 *
 * Makes as many as possible, and fails with class local and the first failure. The set is published
 * in either case.
 */
bool publish_links(const struct cert_config *cert, struct err *err);

/* publish_name_stands - whether the visible name leads into ..data as leafd made it; fails with
 * class local if not */
bool publish_name_stands(int set_fd, const char *name, struct err *err);

/*
 * publish_stands - whether all visible names and all links lead to the set
 *
 * A link in a directory that may not be read counts as correct. Fails with class local and names
 * the first one that is wrong.
 */
bool publish_stands(int set_fd, const struct cert_config *cert, struct err *err);

/*
 * publish_may_be - whether the generation is the published one, or may be
 *
 * True if ..data cannot be read: a generation that may be published is never removed.
 */
bool publish_may_be(int set_fd, const char *generation);

/*
 * publish_leave_only - removes all generations except the published one; none if ..data cannot be
 * read
 */
void publish_leave_only(int set_fd);

/*
 * publish_current - the name of the published generation
 *
 * Fails with class local if ..data is missing or wrong; errnum is EPERM if other users may have
 * made the link.
 */
bool publish_current(int set_fd, char ret_name[static GENERATION_NAME_BYTES], struct err *err);

/* -- the mark of a revoked generation -------------------------------------------------------------
 *
 * "..revoked" in the set's directory holds the name of the generation, and a second line if it is
 * not to be replaced (`leafd revoke --no-reissue`). `leafd revoke` writes it. The agent notices it
 * by inotify, at its next check of the files or at its next start. It has no meaning once another
 * generation is published.
 */

enum revocation {
    REVOCATION_NONE,
    REVOCATION_REPLACED, /* revoked, and to be replaced */
    REVOCATION_FINAL     /* revoked, and not to be replaced until the operator asks for it */
};

extern const char revoked_mark_name[];

/* revoked_mark_write - marks the generation; blocks on the disk; fails with class local */
bool revoked_mark_write(int set_fd, const char *generation, enum revocation revocation,
                        struct err *err);

/* revoked_mark_read - what the mark says about the generation; REVOCATION_NONE if others may write
 * the mark */
enum revocation revoked_mark_read(int set_fd, const char *generation);

/* revoked_mark_clear - removes the mark; a missing one is fine */
void revoked_mark_clear(int set_fd);

#endif
