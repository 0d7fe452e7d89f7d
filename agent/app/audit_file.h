/*
 * audit_file - appends lines to the audit file
 *
 * Only root and the process's user may be able to write the file and the directories on the way to
 * it (base/trust). A file that is not there is made, with mode 0600, or 0640 with a group that may
 * read it. Blocks: call it on a worker.
 */
#ifndef LEAFD_APP_AUDIT_FILE_H
#define LEAFD_APP_AUDIT_FILE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct audit_order {
    const char *path;
    int64_t group; /* gid of the group that may read a new file; 0: none */
    bool syncs;
    const char *lines; /* whole lines; none to see whether it can be written */
    size_t length;
};

/*
 * audit_file_append - appends the lines
 *
 * *ret_written is how many bytes of whole lines were written, also after a failure. A line that was
 * written in part is ended, so that the next one begins on a line of its own. Fails with class
 * local.
 */
bool audit_file_append(const struct audit_order *order, size_t *ret_written, struct err *err);

#endif
