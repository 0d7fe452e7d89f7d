/*
 * reload - makes the consumer look at its files again
 *
 * The reload lines of a section, in order; the first that fails ends it. Lines that are identical
 * to those of other certificates, and pending at the same time, are carried out once
 * (reload_batch).
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
    struct http_loop *http;         /* the one for consumers, not the CA's */
    struct reload_batches *batches; /* one for all certificates */
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

/*
 * reload_lines_in_batch - how many lines from `first` on are carried out in one batch
 *
 * From a line at a socket to the last one there before another socket's, whatever is between: the
 * lines of another certificate must not come in between.
 */
size_t reload_lines_in_batch(const struct reload_list *lines, size_t first);

/*
 * reload_order_batch - sets key and lane of a batch of so many lines from `first` on
 *
 * The keys of two batches are equal if either does what the other would do. Of a command that takes
 * the same program, arguments and `variables`: its certificate is among them, so that commands of
 * two certificates never are. Of a file that is sent along, it takes the same file. All else with a
 * time limit takes the same limit. Pure. Fails with class local.
 */
bool reload_order_batch(const struct cert_config *cert, size_t first, size_t count,
                        const char *const *variables, struct batch_order *order, struct err *err);

#endif
