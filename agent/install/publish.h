/*
 * publish - switches the visible names to a generation, in one rename
 *
 *     tls.crt -> ..data/tls.crt
 *     tls.key -> ..data/tls.key
 *     ..data  -> ..2026_11_20_21_28_38.4f2a91
 *
 * Kubernetes' layout, which every watcher of files knows. Renaming a new ..data over the old one is
 * the moment in which the set changes; before it the old set is whole, after it the new one. The
 * visible names are made first, so that the files of a first generation appear together as well.
 */
#ifndef LEAFD_INSTALL_PUBLISH_H
#define LEAFD_INSTALL_PUBLISH_H

#include "base/err.h"
#include "config/config.h"
#include "install/generation.h"

#include <stdbool.h>

extern const char publish_data_name[];

/*
 * publish_check - whether every visible name is ours to take
 *
 * A file of somebody else's at such a name is never replaced: class local, with the name.
 */
bool publish_check(int set_fd, const struct cert_config *cert, struct err *err);

/*
 * publish_swap - makes `generation` the published one, durably
 *
 * Heals what an interrupted swap left, makes the visible names, and removes visible names of ours
 * that the section does not want any more. Gives the name of the generation
 * that was published before, "" if there was none. Blocks on the disk. Fails with class local;
 * until the rename no file has changed.
 */
bool publish_swap(int set_fd, const struct cert_config *cert, const char *generation,
                  char ret_previous[static GENERATION_NAME_BYTES], struct err *err);

/* publish_names - makes the visible names for what is published already; class local */
bool publish_names(int set_fd, const struct cert_config *cert, struct err *err);

/* publish_check_links - whether every link elsewhere can be made: class local, with the path */
bool publish_check_links(const struct cert_config *cert, struct err *err);

/* publish_may_link - whether nobody but root and the user may exchange the link; class local if
 * not. One whose directory is not there, or may not be looked at, is nobody's. */
bool publish_may_link(const struct outside_link *link, uid_t user, struct err *err);

/*
 * publish_links - makes the links elsewhere
 *
 * Makes all that it can and fails with the first that it cannot, class local. The set is published
 * with and without them.
 */
bool publish_links(const struct cert_config *cert, struct err *err);

/* publish_name_stands - whether that visible name leads where leafd made it lead; class local if
 * not */
bool publish_name_stands(int set_fd, const char *name, struct err *err);

/*
 * publish_stands - whether every visible name, and every link elsewhere, leads to where it should
 *
 * A link whose place may not be looked at is taken for good. Class local, with what is wrong.
 */
bool publish_stands(int set_fd, const struct cert_config *cert, struct err *err);

/*
 * publish_may_be - whether a generation is the published one, or may be
 *
 * True as well if it cannot be told: what may be published is never removed.
 */
bool publish_may_be(int set_fd, const char *generation);

/*
 * publish_leave_only - removes every generation but the published one; nothing while that is not
 * known
 */
void publish_leave_only(int set_fd);

/*
 * publish_current - the name of the published generation
 *
 * Fails with class local if there is none of ours, and errnum EPERM if somebody else may have made
 * the link that tells it.
 */
bool publish_current(int set_fd, char ret_name[static GENERATION_NAME_BYTES], struct err *err);

/* -- what is published was revoked ----------------------------------------------------------------
 *
 * "..revoked" in the set's directory holds the name of the generation and, on a second line,
 * whether nobody wants another certificate (`leafd revoke --no-reissue`). `leafd revoke` writes it;
 * the agent sees it at once (inotify), at its next look or at its next start. It means nothing as
 * soon as another generation is published.
 */

enum revocation {
    REVOCATION_NONE,
    REVOCATION_REPLACED, /* revoked, and to be replaced */
    REVOCATION_FINAL     /* revoked, and not to be replaced until somebody asks for it */
};

extern const char revoked_mark_name[];

/* revoked_mark_write - marks the generation; fails with class local */
bool revoked_mark_write(int set_fd, const char *generation, enum revocation revocation,
                        struct err *err);

/* revoked_mark_read - what the mark says of the generation; nothing if others may write the mark */
enum revocation revoked_mark_read(int set_fd, const char *generation);

/* revoked_mark_clear - removes the mark, whatever it says; none is fine */
void revoked_mark_clear(int set_fd);

#endif
