/*
 * http_admin - asks the admin interface of a consumer
 *
 * It gets neither the CA's token nor its namespace, goes through no proxy and is not redirected.
 * Each request has a connection of its own: one that is kept would lead to the same old worker
 * again. https is verified as everywhere; plain http is for the caller to keep on this machine,
 * which config/ sees to.
 */
#ifndef LEAFD_HTTP_HTTP_ADMIN_H
#define LEAFD_HTTP_HTTP_ADMIN_H

#include "http/http_call.h"

struct http_admin_order {
    const char *method;
    const char *url;         /* http:// or https:// */
    const char *unix_socket; /* asked in place of the URL's host; or NULL */
    const char *ca_file;     /* whom to trust by https; NULL: the system's */
    uint64_t limit_s;        /* from connecting to the last byte, at least 1 */
};

/* http_admin_start - sends the order; what http_call_start says holds here */
struct slot *http_admin_start(struct http_loop *loop, const struct http_admin_order *order,
                              struct http_response *ret_response, slot_done *on_done, void *arg,
                              struct err *err);

#endif
