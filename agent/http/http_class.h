/*
 * http_class - what libcurl's codes, and a Retry-After, mean for the next try
 *
 * One table, as vault_reply has one for the statuses: a transfer that failed before there was a
 * status has its class by libcurl's code alone.
 */
#ifndef LEAFD_HTTP_HTTP_CLASS_H
#define LEAFD_HTTP_HTTP_CLASS_H

#include "base/err.h"

#include <curl/curl.h>

#include <stdint.h>

/* http_class_of - the class; what no line of the table names is the network's fault: transient */
enum err_kind http_class_of(CURLcode code);

/*
 * http_retry_after_s - the seconds that a Retry-After asks for (RFC 9110 section 10.2.3)
 *
 * A number of seconds, or a date, which is held against `now_s`: the reply's own Date where it has
 * one, so that our clock does not count. More than fits is the most that fits; what is negative,
 * over, or neither of the two asks for nothing: 0.
 */
uint32_t http_retry_after_s(const char *value, uint64_t now_s);

#endif
