/*
 * log - writes events as lines of text, as JSON or to the journal
 *
 * Under systemd an event goes to the journal with its fields; on a terminal it is a line of text;
 * anywhere else it is one JSON object.
 *
 * The reader of the log may stop reading: lines wait in a queue of bounded size, and a thread of
 * its own writes them. If the queue is full, lines are lost; their number is logged when the reader
 * continues. When the process ends, waiting lines get LOG_END_MS to be written.
 *
 * The logger is global: the process has one log.
 */
#ifndef LEAFD_BASE_LOG_H
#define LEAFD_BASE_LOG_H

#include "base/event.h"

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JOURNAL, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

enum { LOG_END_MS = 2000 };

/*
 * log_setup - writes all events from now on, in that form and up to that severity
 *
 * LOG_FORMAT_AUTO uses the journal if standard error is connected to it (JOURNAL_STREAM,
 * systemd.exec(5)), text if it is a terminal, else JSON.
 */
void log_setup(enum log_format format, enum log_level most);

/* log_stderr_is_journal - whether standard error is connected to the journal: JOURNAL_STREAM,
 * systemd.exec(5) */
bool log_stderr_is_journal(void);

/*
 * log_detail - a line of the debug log, which is no event
 *
 * `cert` is the certificate in question, or NULL. Text from outside is made printable. May be
 * called from any thread. Never fails: a line that cannot be written is lost.
 */
void log_detail(const char *cert, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* log_end - waits at most two seconds for the queue to drain; exit(3) calls it, _exit(2) does not
 */
void log_end(void);

/* log_lost - how many lines were lost since the start */
uint64_t log_lost(void);

#endif
