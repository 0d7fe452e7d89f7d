#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[32]; /* in memory: millions of files are written */

static void remove_directory(void)
{
    DIR *entries = opendir(directory);

    if (entries != NULL) {
        for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
            unlinkat(dirfd(entries), entry->d_name, 0);
        closedir(entries);
    }
    rmdir(directory);
}

const char *fuzz_directory(void)
{
    if (directory[0] == '\0') {
        strcpy(directory, "/dev/shm/leafd-fuzz-XXXXXX");
        fuzz_promise(mkdtemp(directory) != NULL, "a directory in /dev/shm");
        atexit(remove_directory);
    }
    return directory;
}

const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
    static char path[64];
    int fd;

    snprintf(path, sizeof path, "%s/%s", fuzz_directory(), name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    fuzz_promise(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file in there");
    close(fd);
    return path;
}

void fuzz_promise(bool kept, const char *what)
{
    if (kept)
        return;
    fprintf(stderr, "fuzz: broken promise: %s\n", what);
    abort();
}

void fuzz_words(const char *text, const char *what)
{
    bool printable = text[0] != '\0';

    for (; *text != '\0'; text++)
        printable = printable && *text >= ' ' && *text <= '~';
    fuzz_promise(printable, what);
}

void fuzz_failure(const struct err *err)
{
    fuzz_promise(err->kind > ERR_NONE && err->kind < ERR_KIND_COUNT, "a failure has a class");
    fuzz_words(err->text, "a failure has printable words");
}
