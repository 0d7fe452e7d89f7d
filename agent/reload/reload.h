/*
 * reload - makes the consumer look at its files again
 *
 * The reload lines of a section, in order; the first that fails ends it.
 */
#ifndef LEAFD_RELOAD_RELOAD_H
#define LEAFD_RELOAD_RELOAD_H

#include "base/slot.h"
#include "config/config.h"
#include "http/http_loop.h"
#include "reload/reload_turn.h"

/* All borrowed. */
struct reload_tools {
    sd_event *loop;
    struct http_loop *http;     /* the one for consumers, not the CA's */
    struct reload_turns *turns; /* one for all certificates */
};

/*
 * reload_start - carries out all reload lines
 *
 * Borrows `cert` until it has ended, `variables` (as in child_order) during the call; takes a
 * reference of `config`, which owns `cert`, and a copy of `tools`. Failures are class consumer.
 * NULL with *err filled if it could not start.
 */
struct slot *reload_start(const struct reload_tools *tools, struct config *config,
                          const struct cert_config *cert, const char *const *variables,
                          slot_done *on_done, void *arg, struct err *err);

#endif
