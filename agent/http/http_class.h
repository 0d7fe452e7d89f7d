/*
 * http_class - what libcurl's codes mean for the next try
 *
 * One table, as vault_reply has one for the statuses: a transfer that failed before there was a
 * status has its class by libcurl's code alone.
 */
#ifndef LEAFD_HTTP_HTTP_CLASS_H
#define LEAFD_HTTP_HTTP_CLASS_H

#include "base/err.h"

#include <curl/curl.h>

/* http_class_of - the class; what no line of the table names is the network's fault: transient */
enum err_kind http_class_of(CURLcode code);

#endif
