/*
 * status_view - the table of `leafd status`, and the reason of `leafd ready`
 */
#ifndef LEAFD_APP_STATUS_VIEW_H
#define LEAFD_APP_STATUS_VIEW_H

#include <jansson.h>

#include <stdio.h>

/*
 * status_view_table - a line for each certificate, the most urgent first
 *
 * Below each that is not fresh stands why, and what to do; at last where the document comes from,
 * and a line that sums it up.
 */
void status_view_table(const json_t *document, FILE *to);

/* status_view_unready - prints on one line why the most urgent certificate is not ready, and how
 * many are not; nothing if all are */
void status_view_unready(const json_t *document, FILE *to);

#endif
