/*
 * audit - the audit file: one JSON line for each issuance, proof and revocation
 *
 * A view of the stream of events. Lines are appended by a worker, in order, so that the event loop
 * does not wait for the disk. If the file cannot be written, lines wait in memory up to a limit and
 * are lost above it; that is reported, and certificates are issued all the same. The file is opened
 * for each write, so that it may be renamed at any time (logrotate(8)).
 */
#ifndef LEAFD_APP_AUDIT_H
#define LEAFD_APP_AUDIT_H

#include "base/worker.h"
#include "config/config.h"

enum { AUDIT_MOST_BYTES = 1024 * 1024 /* of lines that wait */ };

struct audit;

/*
 * audit_open - listens to events from now on
 *
 * Writes nothing if the configuration has no audit_file; else it opens the file at once, so that a
 * wrong path is reported at the start. Borrows `loop` and `workers`, takes a reference of `config`.
 * Fails with class local; call audit_end and audit_close in any case.
 */
bool audit_open(sd_event *loop, struct workers *workers, struct config *config,
                struct audit **ret_audit, struct err *err);

/* audit_use - goes on with another configuration, and ends the wait after a failure */
void audit_use(struct audit *audit, struct config *config);

/* audit_end - sends what waits to the workers, before they are closed; NULL is fine */
void audit_end(struct audit *audit);

/* audit_close - reports lines that could not be written at the end, and frees all; after the
 * workers were closed. NULL is fine */
void audit_close(struct audit *audit);

#endif
