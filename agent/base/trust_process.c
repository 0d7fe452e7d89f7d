#include "base/trust_process.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST_BYTES = 65536 };

static bool read_of(pid_t pid, const char *name, struct bytes *bytes)
{
    char path[64];
    struct err err;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return file_read_at(AT_FDCWD, path, bytes, &err);
}

/* Reads the number `field` fields after `from`; false if there is none. */
static bool read_field(const char *from, unsigned field, uint64_t *ret_number)
{
    char digits[32];
    size_t length;

    for (; field > 0; field--) {
        from = strpbrk(from, " \t");
        if (from++ == NULL)
            return false;
    }
    length = strcspn(from, " \t\n");
    if (length >= sizeof digits)
        return false;
    memcpy(digits, from, length);
    digits[length] = '\0';
    return text_number(digits, UINT64_MAX, ret_number);
}

static bool read_stat(struct trust_process *process)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = FILE_MOST_BYTES};
    const char *open, *close;
    uint64_t parent;

    if (!read_of(process->pid, "stat", &bytes))
        return false;
    /* The name is in parentheses and may contain some: the last one closes it. */
    open = strchr(bytes_text(&bytes), '(');
    close = strrchr(bytes_text(&bytes), ')');
    if (open == NULL || close == NULL || close < open || text_starts(close, ") Z") != NULL ||
        text_starts(close, ") X") != NULL)
        return false;
    snprintf(process->name, sizeof process->name, "%.*s", (int)(close - open - 1), open + 1);
    /* After the name come the state (field 1), the parent (2) and starttime (20):
     * proc_pid_stat(5). */
    if (!read_field(close, 2, &parent) || !read_field(close, 20, &process->started_ticks))
        return false;
    process->parent = (pid_t)parent;
    return true;
}

/* The values of a line in /proc/PID/status. The name in that file cannot forge a line: its line
 * breaks are escaped. */
static const char *find_line(const struct bytes *status, const char *line)
{
    const char *at = strstr(bytes_text(status), line);

    return at == NULL ? NULL : at + strlen(line);
}

bool trust_process_read(pid_t pid, struct trust_process *ret_process)
{
    CLEANUP(bytes_free) struct bytes status = {.limit = FILE_MOST_BYTES};
    const char *users, *groups;
    uint64_t user, group;

    *ret_process = (struct trust_process){.pid = pid};
    if (!read_stat(ret_process) || !read_of(pid, "status", &status))
        return false;
    users = find_line(&status, "\nUid:\t");
    groups = find_line(&status, "\nGid:\t");
    if (users == NULL || groups == NULL || !read_field(users, 0, &user) ||
        !read_field(groups, 0, &group))
        return false;
    ret_process->user = (uid_t)user;
    ret_process->group = (gid_t)group;
    return true;
}

/* The nesting depth of the process's PID namespace; 0: not known. */
static size_t depth_of(pid_t pid)
{
    CLEANUP(bytes_free) struct bytes status = {.limit = FILE_MOST_BYTES};
    const char *at = read_of(pid, "status", &status) ? find_line(&status, "\nNSpid:") : NULL;
    size_t depth = 0;

    for (; at != NULL && *at != '\n' && *at != '\0'; at++)
        depth += *at == '\t' || *at == ' ';
    return depth;
}

bool trust_process_is_in_our_namespace(pid_t pid)
{
    char path[64];
    struct stat its, ours;

    snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
    if (stat(path, &its) == 0 && stat("/proc/self/ns/pid", &ours) == 0)
        return its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
    return depth_of(pid) == depth_of(getpid());
}

enum trust_program trust_process_program(const struct trust_process *process)
{
    static const char gone[] = " (deleted)"; /* the program was upgraded */
    char path[64], program[PATH_MAX];
    const char *base;
    ssize_t length;

    snprintf(path, sizeof path, "/proc/%d/exe", (int)process->pid);
    length = readlink(path, program, sizeof program - 1);
    if (length <= 0)
        return TRUST_PROGRAM_UNKNOWN;
    program[length] = '\0';
    if ((size_t)length > strlen(gone) && strcmp(program + length - strlen(gone), gone) == 0)
        program[(size_t)length - strlen(gone)] = '\0';
    base = strrchr(program, '/');
    base = base == NULL ? program : base + 1;
    return strncmp(base, process->name, PROCESS_NAME_MOST_BYTES) == 0 ? TRUST_PROGRAM_NAMED
                                                                      : TRUST_PROGRAM_OTHER;
}
