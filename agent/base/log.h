/*
 * log - the events as lines, for people and for machines
 *
 * Under systemd an event goes to the journal with its fields; on a terminal it is a line of text;
 * anywhere else it is one JSON object.
 *
 * Whoever reads the log may stop to: lines wait in a queue of bounded size, and a thread of its own
 * writes them. Lines that find it full are lost; how many is told as soon as somebody reads again.
 * When the process ends, what waits is given LOG_END_MS.
 *
 * The logger is global: where a line goes does not depend on who writes it.
 */
#ifndef LEAFD_BASE_LOG_H
#define LEAFD_BASE_LOG_H

#include "base/event.h"

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JOURNAL, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

enum { LOG_END_MS = 2000 };

/*
 * log_setup - writes all events from now on, in that form and up to that severity
 *
 * LOG_FORMAT_AUTO takes the journal if standard error is connected to it (JOURNAL_STREAM,
 * systemd.exec(5)), text if it is a terminal, else JSON.
 */
void log_setup(enum log_format format, enum log_level most);

/*
 * log_detail - a line of the debug log, which is no event
 *
 * `cert` is the certificate that it is about, or NULL. What it holds of foreign text is made
 * printable. From any thread. Never fails: a line that cannot be written is lost.
 */
void log_detail(const char *cert, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* log_end - waits two seconds at most until all is written; exit(3) does so by itself, _exit(2)
 * does not */
void log_end(void);

#endif
