/*
 * ini_lines - a safe reader of INI files, in front of inih
 *
 * inih splits lines of 200 bytes or more, joins an indented line to the previous value, cuts
 * section names at 49 bytes, removes everything after " ;", and reports no line numbers. These are
 * vulnerabilities in a file that names commands. So this reader checks each line first. A line that
 * inih would misread is reported with its number and a correction, and reading continues. For other
 * lines, inih gets a short placeholder, while key and value are copied as they were written. A
 * value may have up to 4096 bytes.
 */
#ifndef LEAFD_CONFIG_INI_LINES_H
#define LEAFD_CONFIG_INI_LINES_H

#include "config/config_problems.h"

#include <stdbool.h>

/* Callbacks, in the order of the file. Texts are valid during the call only; false: memory ran
 * out. */
struct ini_reader {
    bool (*on_section)(void *arg, const char *section, unsigned line);
    bool (*on_entry)(void *arg, const char *key, const char *value, unsigned line);
    void *arg;
};

/*
 * ini_lines_read - reads the open file `fd`; `file` is its name in messages
 *
 * Adds what is wrong to `problems`. Refuses files over 8 MiB. Returns the size of the file in
 * bytes, 0 if it could not be read. Blocks on the disk.
 */
size_t ini_lines_read(int fd, const char *file, const struct ini_reader *reader,
                      struct config_problems *problems);

#endif
