/*
 * reload - makes the consumer load its files again
 *
 * Carries out the reload lines of a section in order, up to the first that fails. Identical lines
 * of several certificates that are pending at the same time are carried out once (reload_batch).
 */
#ifndef LEAFD_RELOAD_RELOAD_H
#define LEAFD_RELOAD_RELOAD_H

#include "base/worker.h"
#include "config/config.h"
#include "http/http_loop.h"
#include "reload/reload_batch.h"

/* All borrowed. */
struct reload_tools {
    sd_event *loop;
    struct workers *workers;
    struct http_loop *http;         /* the loop for consumers, not the CA's */
    struct reload_batches *batches; /* one for all certificates */
};

/*
 * reload_start - carries out all reload lines
 *
 * Borrows `cert` until the reload has ended, `variables` (as in child_order) during the call; takes
 * a reference of `config`, which owns `cert`, and a copy of `tools`. Fails with class consumer, or
 * with class local where memory, threads or trust are at fault. NULL with *err filled if it could
 * not start.
 */
struct slot *reload_start(const struct reload_tools *tools, struct config *config,
                          const struct cert_config *cert, const char *const *variables,
                          slot_done *on_done, void *arg, struct err *err);

/*
 * reload_lines_in_batch - how many lines from `first` on are carried out in one batch
 *
 * A batch has the lines from a `socket` line to the last one for the same socket before a line for
 * another socket, with all lines between them: lines of another certificate must not come in
 * between.
 */
size_t reload_lines_in_batch(const struct reload_list *lines, size_t first);

/*
 * reload_order_batch - sets key and lane of a batch of `count` lines from `first` on
 *
 * The keys of two batches are equal if their lines have the same effect. Commands must have the
 * same program, arguments and `variables`; these name the certificate, so commands of two
 * certificates are never equal. A payload must be the same file, and the time limits must be equal.
 * Pure. Fails with class local.
 */
bool reload_order_batch(const struct cert_config *cert, size_t first, size_t count,
                        const char *const *variables, struct batch_order *order, struct err *err);

#endif
