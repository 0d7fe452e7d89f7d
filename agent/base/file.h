/*
 * file - reading and writing whole files, bounded and without surprises
 *
 * Everything is opened with O_CLOEXEC and O_NOCTTY. What is read has a ceiling; what is written is
 * complete, synced and closed without error, or reported as failed. After a failed fsync the kernel
 * may have dropped the pages, so nobody here syncs twice: the caller starts over with a new file.
 */
#ifndef LEAFD_BASE_FILE_H
#define LEAFD_BASE_FILE_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/secret.h"

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * file_read_at - adds the whole of a regular file to `bytes`
 *
 * `name` is taken from the directory `dir_fd` (or AT_FDCWD). More than the limit of `bytes` is a
 * failure. Fails with class local and errnum set (ENOENT where the file is not there).
 */
bool file_read_at(int dir_fd, const char *name, struct bytes *bytes, struct err *err);

/* file_read - adds the rest of an open regular file; as file_read_at, `name` is for the text */
bool file_read(int fd, const char *name, struct bytes *bytes, struct err *err);

/*
 * file_read_trusted - as file_read_at, of a file that only root and this process's user may write
 *
 * Judged is what is read, and everything on the way to it: trust_open_file.
 */
bool file_read_trusted(const char *path, struct bytes *bytes, struct err *err);

/*
 * file_read_secret - reads a token or password file, without the white space around its content
 *
 * Replaces what is in `secret`. Fails with class local; an empty file, one over 64 KiB, or one with
 * control characters inside is a failure, and so is one that others may write.
 */
bool file_read_secret(const char *path, struct secret *secret, struct err *err);

/*
 * file_read_password - reads the password of a keystore: the file's one line, without its end
 *
 * Replaces what is in `secret`. Printable ASCII only, since Java takes nothing else (PBEKey of its
 * provider SunJCE); white space inside and around counts. Fails with class local in words that
 * follow "the file": empty, over 1 KiB, several lines, a file that others may write.
 */
bool file_read_password(const char *path, struct secret *secret, struct err *err);

/* file_write - writes all of it, however often write(2) takes only a part; fails with class local
 */
bool file_write(int fd, const void *data, size_t length, struct err *err);

/*
 * file_finish - syncs and closes a file that was written; *fd is -1 afterwards
 *
 * A failure is final: the file may hold anything. Fails with class local.
 */
bool file_finish(int *fd, struct err *err);

/*
 * file_drop_acl - takes access control lists from a file or directory that was made a moment ago
 *
 * What is made in a directory with a default list has a list from the start, and there chmod(2)
 * sets only the most that the list allows: a file 0640 may be read by all whom it names (acl(5)).
 * For what has no content yet; sets no mode. Fails with class local, in words for the file's name.
 */
bool file_drop_acl(int fd, struct err *err);

/* file_has_acl - whether an access control list allows more or less than the mode tells */
bool file_has_acl(int fd);

/* file_gives_acl - whether what others make in the directory gets an access control list from it */
bool file_gives_acl(int dir_fd);

/*
 * file_list_at - the entries of a directory, for closedir(3); NULL with errno. "." is that of
 * `dir_fd`
 *
 * By a descriptor of its own: readdir(3) moves the offset, which a dup(2) would share.
 */
DIR *file_list_at(int dir_fd, const char *name);

/*
 * file_make_way - removes what bears a name that is to be made anew; nothing there is fine
 *
 * For names that only leafd uses. An empty directory is removed; one that holds something is not of
 * leafd's making, and is renamed to "NAME.aside-XXXXXXXX". Fails with class local.
 */
bool file_make_way(int dir_fd, const char *name, struct err *err);

/*
 * file_replace_at - puts a small file in place of `name` in one rename
 *
 * The content is synced under "NAME.new" first and the directory after the rename, so that the name
 * holds the old content or the new one, whatever happens. Both names are leafd's own, as for
 * file_make_way. The file has no access control list. Fails with class local.
 */
bool file_replace_at(int dir_fd, const char *name, mode_t mode, const void *data, size_t length,
                     struct err *err);

#endif
