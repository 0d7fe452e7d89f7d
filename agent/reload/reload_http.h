/*
 * reload_http - tells a consumer through its admin interface that its files have changed
 */
#ifndef LEAFD_RELOAD_RELOAD_HTTP_H
#define LEAFD_RELOAD_RELOAD_HTTP_H

#include "base/slot.h"
#include "config/config.h"
#include "http/http_loop.h"

/*
 * reload_http_start - sends the request of a reload line; any 2xx is success
 *
 * Borrows `action` and `cert` until it has ended; the time limit is the section's command_timeout.
 * Failures are class consumer, with the status and the first line of the reply. NULL with *err
 * filled if it could not start.
 */
struct slot *reload_http_start(struct http_loop *http, const struct reload_action *action,
                               const struct cert_config *cert, slot_done *on_done, void *arg,
                               struct err *err);

#endif
