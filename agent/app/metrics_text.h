/*
 * metrics_text - /metrics: the document of app/status and the counts of app/metrics as text
 *
 * OpenMetrics 1.0 for who asks for it, else the text format of Prometheus (version 0.0.4). The
 * families are in one table, which leafd(8) repeats; tests/shape compares the two.
 */
#ifndef LEAFD_APP_METRICS_TEXT_H
#define LEAFD_APP_METRICS_TEXT_H

#include "app/metrics.h"
#include "app/serve_text.h"

#include <jansson.h>

struct metrics_text; /* in the making */

/* metrics_wants_open - whether an Accept header prefers OpenMetrics; NULL: there is none */
bool metrics_wants_open(const char *accept);

/*
 * metrics_text_new - begins a text with what is of the agent as a whole
 *
 * `agent` is that part of the document. NULL if memory ran out.
 */
struct metrics_text *metrics_text_new(bool is_open, const struct metrics *metrics,
                                      const struct config *config, const json_t *agent);

/* metrics_text_note - copies the counts of the certificates of a page, on the loop */
void metrics_text_note(struct metrics_text *text, const struct metrics *metrics,
                       const json_t *rows);

/* metrics_text_add - adds the page; the rows are those of the configuration from `first` on. False
 * if memory ran out */
bool metrics_text_add(struct metrics_text *text, const struct config *config, const json_t *rows,
                      size_t first);

/* metrics_text_end - completes it with the figures of the process; NULL if memory ran out */
struct serve_text *metrics_text_end(struct metrics_text *text);

/* metrics_text_free - frees what is left; NULL is fine */
void metrics_text_free(struct metrics_text *text);

#endif
