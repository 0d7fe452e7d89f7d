/*
 * ini_lines - a guarded reader over inih
 *
 * inih splits a line of 200 bytes or more into several, takes an indented line for the continuation
 * of the last value, cuts section names at 49 bytes, drops what stands behind " ;", and numbers no
 * lines. In a file that names commands these are security holes. This reader looks at every raw
 * line first. What inih could misread becomes a problem with its line and what to write instead,
 * and reading goes on behind it. Of the other lines inih gets a short stand-in, while key and value
 * are kept aside as they were written: a value may have 4096 bytes.
 */
#ifndef LEAFD_CONFIG_INI_LINES_H
#define LEAFD_CONFIG_INI_LINES_H

#include "config/config_problems.h"

#include <stdbool.h>

/* What is found, in the order of the file; the texts live only during the call. */
struct ini_reader {
    bool (*on_section)(void *arg, const char *section, unsigned line);
    bool (*on_entry)(void *arg, const char *key, const char *value, unsigned line);
    void *arg;
};

/*
 * ini_lines_read - reads one file, which is open; `file` is its name in messages
 *
 * The callbacks return false when memory ran out. What is wrong with the file is added to
 * `problems`. Files over 8 MiB are refused. Returns how many bytes the file has, 0 if it was not
 * read.
 */
size_t ini_lines_read(int fd, const char *file, const struct ini_reader *reader,
                      struct config_problems *problems);

#endif
