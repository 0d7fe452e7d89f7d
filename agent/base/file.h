/*
 * file - reads and writes whole files, with limits and syncs
 *
 * All files are opened with O_CLOEXEC and O_NOCTTY. Reads have a limit; a written file is complete,
 * synced and closed without error, or the write fails. After a failed fsync the kernel may have
 * dropped the pages, so a sync is never repeated: the caller starts over with a new file.
 */
#ifndef LEAFD_BASE_FILE_H
#define LEAFD_BASE_FILE_H

#include "base/bytes.h"
#include "base/digest.h"
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

/* file_read - adds the rest of an open regular file to `bytes`; `name` is for the text; fails as
 * file_read_at */
bool file_read(int fd, const char *name, struct bytes *bytes, struct err *err);

/*
 * file_read_trusted - as file_read_at, of a file that only root and this process's user may write
 *
 * The check covers the opened file and every directory on the way to it: trust_open_file.
 */
bool file_read_trusted(const char *path, struct bytes *bytes, struct err *err);

/*
 * file_read_secret - reads a token or password file, without the white space around its content
 *
 * Replaces the content of `secret`. Fails with class local, also for an empty file, one over 64
 * KiB, one with control characters inside, and one that others may write.
 */
bool file_read_secret(const char *path, struct secret *secret, struct err *err);

/*
 * file_read_password - reads the password of a keystore: the only line of the file, without its
 * line end
 *
 * Replaces the content of `secret`. Printable ASCII only, since Java accepts nothing else (PBEKey
 * of its provider SunJCE); white space is part of the password. Fails with class local, with a text
 * that follows "the file": empty, over 1 KiB, several lines, a file that others may write.
 */
bool file_read_password(const char *path, struct secret *secret, struct err *err);

/*
 * file_stamp_at - adds how a file looks, to notice a change without reading it
 *
 * Links are followed. One that is not there, and NULL, are stamped as such.
 */
void file_stamp_at(struct digest *stamp, int dir_fd, const char *name);

/* file_write - writes all bytes, with as many calls of write(2) as needed; fails with class local
 */
bool file_write(int fd, const void *data, size_t length, struct err *err);

/*
 * file_finish - syncs and closes a file that was written; *fd is -1 afterwards
 *
 * A failure is final: the content of the file is undefined then. Fails with class local.
 */
bool file_finish(int *fd, struct err *err);

/* file_in_memory - an open file without a name that holds the text, to be read from its start;
 * fails with class local */
bool file_in_memory(const char *text, int *ret_fd, struct err *err);

/*
 * file_drop_acl - removes the access control list of a new file
 *
 * A new entry of a directory with a default list has a list from the start, and then chmod(2) sets
 * only the list's mask: users that the list names may read a file 0640 (acl(5)). Call it before the
 * file has content; it sets no mode. Fails with class local; the text follows the file's name.
 */
bool file_drop_acl(int fd, struct err *err);

/* file_drop_directory_acls - the same for a new directory, and removes its default list as well */
bool file_drop_directory_acls(int fd, struct err *err);

/* file_has_acl - whether the file has an access control list, so that its mode is not all */
bool file_has_acl(int fd);

/* file_gives_acl - whether new entries of the directory get an access control list from it */
bool file_gives_acl(int dir_fd);

/*
 * file_list_at - the entries of a directory, for closedir(3); NULL with errno. "." is that of
 * `dir_fd`
 *
 * By a descriptor of its own: readdir(3) moves the offset, which a dup(2) would share.
 */
DIR *file_list_at(int dir_fd, const char *name);

/*
 * file_make_way - frees a name for a new file; no entry is fine
 *
 * For names that only leafd uses. A file or an empty directory is removed; a directory with content
 * was not made by leafd and is renamed to "NAME.aside-XXXXXXXX". Fails with class local.
 */
bool file_make_way(int dir_fd, const char *name, struct err *err);

/*
 * file_replace_at - puts a small file in place of `name` in one rename
 *
 * The content is synced under "NAME.new" first and the directory after the rename, so that a crash
 * leaves the old content or the new one. Only leafd uses both names, as for file_make_way. The file
 * has no access control list. Fails with class local.
 */
bool file_replace_at(int dir_fd, const char *name, mode_t mode, const void *data, size_t length,
                     struct err *err);

#endif
