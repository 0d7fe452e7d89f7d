#include "base/mounts.h"

#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TABLE_MOST_BYTES = 4 * 1024 * 1024 };

struct mount {
    const char *path;
    size_t length; /* of the path; 0 for /, so that it is a prefix of every path */
    uint64_t disk;
};

/* Decodes space, tab, newline and backslash, which are written in octal: proc_pid_mountinfo(5). */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; to++) {
        if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* Parses "36 35 98:0 /root /mount/point options ...". */
static bool parse_line(char *line, struct mount *ret_mount)
{
    char *rest = NULL, *fields[5] = {NULL};
    unsigned major, minor;

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        fields[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
        if (fields[i] == NULL)
            return false;
    }
    /* NOLINTNEXTLINE(cert-err34-c): the kernel wrote these numbers */
    if (sscanf(fields[2], "%u:%u", &major, &minor) != 2 || fields[4][0] != '/')
        return false;
    unescape(fields[4]);
    ret_mount->path = fields[4];
    ret_mount->length = strcmp(fields[4], "/") == 0 ? 0 : strlen(fields[4]);
    ret_mount->disk = (uint64_t)major << 32 | minor;
    return true;
}

/* strcmp(3) with the first `length` bytes of `path`. */
static int compare_to(const struct mount *mount, const char *path, size_t length)
{
    size_t shorter = mount->length < length ? mount->length : length;
    int r = memcmp(mount->path, path, shorter);

    if (r != 0)
        return r;
    return mount->length < length ? -1 : mount->length > length;
}

/* Of two mounts at one path the later one, which hides the other, sorts last. */
static int compare(const void *left, const void *right)
{
    const struct mount *a = left, *b = right;
    int r = compare_to(a, b->path, b->length);

    return r != 0 ? r : (a->path > b->path) - (a->path < b->path);
}

static size_t count_lines(const char *text)
{
    size_t lines = 1;

    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    return lines;
}

void mounts_parse(struct mounts *mounts, struct bytes *text)
{
    char *rest = NULL;

    free(mounts->items);
    bytes_free(&mounts->text);
    mounts->text = *text;
    *text = (struct bytes){.limit = text->limit};
    mounts->count = 0;
    mounts->items = calloc(count_lines(bytes_text(&mounts->text)), sizeof *mounts->items);
    if (mounts->items == NULL || mounts->text.data == NULL)
        return;
    for (char *line = strtok_r(mounts->text.data, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest))
        mounts->count += parse_line(line, &mounts->items[mounts->count]);
    qsort(mounts->items, mounts->count, sizeof *mounts->items, compare);
}

/* The last mount at exactly this path. */
static const struct mount *find(const struct mounts *mounts, const char *path, size_t length)
{
    size_t from = 0, to = mounts->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (compare_to(&mounts->items[middle], path, length) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from > 0 && compare_to(&mounts->items[from - 1], path, length) == 0
               ? &mounts->items[from - 1]
               : NULL;
}

uint64_t mounts_find(const struct mounts *mounts, const char *path)
{
    size_t length = strlen(path);

    for (;;) {
        const struct mount *mount = find(mounts, path, length);

        if (mount != NULL)
            return mount->disk;
        if (length == 0)
            return 0;
        while (length > 0 && path[length - 1] != '/')
            length--;
        length -= length > 0;
    }
}

static void read_table(struct mounts *mounts)
{
    struct bytes text = {.limit = TABLE_MOST_BYTES};
    struct err err;

    if (lseek(mounts->fd, 0, SEEK_SET) == 0 && file_read(mounts->fd, "mountinfo", &text, &err))
        mounts_parse(mounts, &text);
    bytes_free(&text);
}

/* The kernel generates the table from memory and accesses no disk. */
uint64_t mounts_disk(struct mounts *mounts, const char *path)
{
    struct pollfd table = {.events = POLLPRI};
    bool is_new = mounts->fd == 0;

    if (is_new)
        mounts->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (mounts->fd < 0)
        return 0;
    table.fd = mounts->fd;
    if (is_new || (poll(&table, 1, 0) > 0 && (table.revents & (POLLPRI | POLLERR)) != 0))
        read_table(mounts);
    return mounts_find(mounts, path);
}

void mounts_close(struct mounts *mounts)
{
    if (mounts->fd > 0)
        close(mounts->fd);
    free(mounts->items);
    bytes_free(&mounts->text);
    *mounts = (struct mounts){0};
}
