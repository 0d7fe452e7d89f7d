/*
 * curl_library - libcurl, loaded while the configuration is read, by the commands that ask the CA
 *
 * Debian's libcurl brings two dozen libraries along. Loading them takes as long as all else that a
 * start does, and `leafd ready`, which a probe may run every few seconds, needs none of them. So
 * the program is not linked with libcurl: it has functions of the same names, which call those of
 * the library that was loaded. With a static libcurl there is nothing to load.
 */
#ifndef LEAFD_HTTP_CURL_LIBRARY_H
#define LEAFD_HTTP_CURL_LIBRARY_H

#include "base/err.h"

#include <stdbool.h>

/* curl_library_begin - begins to load libcurl on a thread of its own; before the first other thread
 */
void curl_library_begin(void);

/* curl_library_open - waits until libcurl may be called. Fails with class local: it is not there */
bool curl_library_open(struct err *err);

/* curl_library_end - waits for what has begun; the process must not end while it is loaded */
void curl_library_end(void);

#endif
