#include "config/config_trust.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOUND_MOST = 10000 };

void config_trust_start(struct config_trust *trust, const char *file, bool only_looks,
                        struct arena *arena, struct text_list *advice)
{
    struct stat about;

    *trust = (struct config_trust){
        .trust = {.user = geteuid()}, .only_looks = only_looks, .arena = arena, .advice = advice};
    if (only_looks && stat(file, &about) == 0 && about.st_uid != 0)
        trust->trust.user = about.st_uid;
}

/* Keeps the advice of the last check. */
static void keep_advice(struct config_trust *trust)
{
    const char *advice = trust->trust.advice;

    if (advice[0] != '\0' && !text_list_has(trust->advice, advice))
        text_list_add(trust->advice, trust->arena, advice, strlen(advice));
}

/* Whether other users may write the path; completes the text. */
static bool is_distrust(struct err *err)
{
    return err->errnum == EPERM && !err_wrap(err, "cannot be trusted");
}

static struct judged judge(struct config_trust *trust, const char *path, int how)
{
    struct judged judged = {.path = path, .how = how, .usable = true};
    struct err err;

    if (trust_check_file(&trust->trust, path, how, &err)) {
        keep_advice(trust);
    } else if (is_distrust(&err)) {
        judged.why = arena_copy(trust->arena, err.text);
        judged.usable = judged.why != NULL;
    } else {
        judged.usable = err.errnum == 0 && how != X_OK;
    }
    return judged;
}

const char *config_trust_file(struct config_trust *trust, const char *path, int how,
                              const char *unusable)
{
    const struct judged *judged = NULL;

    if (trust->only_looks)
        return NULL;
    for (size_t i = 0; i < JUDGED_KEPT && i < trust->judged_count; i++)
        if (trust->judged[i].how == how && strcmp(trust->judged[i].path, path) == 0)
            judged = &trust->judged[i];
    if (judged == NULL) {
        struct judged *next = &trust->judged[trust->judged_count++ % JUDGED_KEPT];

        *next = judge(trust, path, how);
        judged = next;
    }
    return judged->usable ? judged->why : unusable;
}

void config_trust_mention(struct config_trust *trust, const char *path)
{
    struct judged judged = {0};
    const char *advice;

    if (trust->only_looks)
        return;
    judged = judge(trust, path, F_OK);
    advice = judged.why == NULL ? NULL
                                : arena_format(trust->arena,
                                               "a command gets %s as an argument, which %s; if it "
                                               "is a script, others decide what it does",
                                               path, judged.why);
    if (advice != NULL && !text_list_has(trust->advice, advice))
        text_list_add(trust->advice, trust->arena, advice, strlen(advice));
}

/* Opens a directory to which no other user may even add files. */
static bool open_directory(struct config_trust *trust, const char *path, DIR **ret_stream,
                           struct err *err)
{
    CLEANUP(close_fd) int fd = -1;

    if (!trust_open_directory(&trust->trust, path, &fd, err))
        return false;
    keep_advice(trust);
    if (!trust_check_fd(&trust->trust, fd, path, err))
        return false;
    keep_advice(trust);
    *ret_stream = fdopendir(fd);
    if (*ret_stream == NULL)
        return err_errno(err, ERR_LOCAL, errno, "cannot read the directory %s", path);
    fd = -1;
    return true;
}

/* DIRECTORY/NAME; "" is the working directory. */
static const char *path_of(const struct config_trust *trust, const char *directory,
                           const char *name)
{
    size_t length = strlen(directory);
    bool apart = length > 0 && directory[length - 1] != '/';

    return arena_format(trust->arena, "%s%s%s", directory, apart ? "/" : "", name);
}

/* Adds DIRECTORY/NAME for each entry that matches, up to FOUND_MOST. */
static bool list(struct config_trust *trust, const char *directory, const char *pattern,
                 struct text_list *paths, struct err *err)
{
    CLEANUP(close_directory) DIR *stream = NULL;
    const struct dirent *entry;

    if (!open_directory(trust, directory[0] == '\0' ? "." : directory, &stream, err))
        return err->errnum == ENOENT || err->errnum == ENOTDIR;
    while ((entry = readdir(stream)) != NULL) {
        const char *path;

        if (fnmatch(pattern, entry->d_name, FNM_PERIOD) != 0)
            continue;
        path = path_of(trust, directory, entry->d_name);
        if (path == NULL || !text_list_add(paths, trust->arena, path, strlen(path)))
            return err_memory(err);
        if (paths->count > FOUND_MOST)
            return err_set(err, ERR_LOCAL, "%s has more than %d files that match; name fewer",
                           directory, FOUND_MOST);
    }
    return true;
}

const char *config_trust_directory(struct config_trust *trust, const char *path)
{
    struct text_list files = {0};
    const char *why = NULL;
    struct err err;

    if (trust->only_looks)
        return NULL;
    if (!list(trust, path, "*", &files, &err))
        return is_distrust(&err) ? arena_copy(trust->arena, err.text) : NULL;
    for (size_t i = 0; i < files.count && why == NULL; i++)
        why = judge(trust, files.items[i], R_OK).why;
    return why;
}

bool config_trust_open(struct config_trust *trust, const char *path, int *ret_fd, struct err *err)
{
    if (!trust_open_file(&trust->trust, path, ret_fd, err)) {
        is_distrust(err);
        return false;
    }
    keep_advice(trust);
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Applies the next part of the pattern in each directory that was found so far. */
static bool search_in(struct config_trust *trust, const struct text_list *directories,
                      const char *part, struct text_list *found, struct err *err)
{
    for (size_t i = 0; i < directories->count; i++) {
        const char *directory = directories->items[i], *path;

        if (strpbrk(part, "*?[") != NULL) {
            if (!list(trust, directory, part, found, err))
                return false;
            continue;
        }
        path = path_of(trust, directory, part);
        if (path == NULL || !text_list_add(found, trust->arena, path, strlen(path)))
            return err_memory(err);
    }
    return true;
}

bool config_trust_search(struct config_trust *trust, const char *pattern, struct text_list *paths,
                         struct err *err)
{
    struct text_list parts = {0}, at = {0};
    bool empty = false;

    if (!text_list_split(&parts, trust->arena, pattern, "/", &empty) ||
        !text_list_add(&at, trust->arena, pattern, pattern[0] == '/'))
        return err_memory(err);
    for (size_t i = 0; i < parts.count; i++) {
        struct text_list found = {0};

        if (!search_in(trust, &at, parts.items[i], &found, err)) {
            is_distrust(err);
            return false;
        }
        at = found;
    }
    if (at.count > 1)
        qsort(at.items, at.count, sizeof *at.items, by_text);
    *paths = at;
    return true;
}
