/*
 * status - the document of what is known of the certificates, and its views
 *
 * A JSON object, which leafd(8) documents: "source" is "agent" or "disk", "agent" tells of the
 * running agent, and "certs" has an object for each certificate. The sets are always read from
 * disk: by the agent, with the configuration that it uses, or by the command if no agent answers.
 * The table, `status --json` and `leafd ready` are views of the document.
 */
#ifndef LEAFD_APP_STATUS_H
#define LEAFD_APP_STATUS_H

#include "config/config.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdio.h>

/* status_moment - a time as the document has it, RFC 3339 in UTC, or null for 0; a new reference */
json_t *status_moment(uint64_t moment_s);

/*
 * status_read - the objects of `most` certificates of the configuration, from number `first` on
 *
 * Takes no lock and needs no permission to read keys. Blocks on the disks. A read error is reported
 * in the row. A new reference; NULL with *err filled, class local, if memory ran out.
 */
json_t *status_read(const struct config *config, size_t first, size_t most, struct err *err);

/* status_from_disk - the document of a command that no agent answers, and why; likewise */
json_t *status_from_disk(const struct config *config, const char *why, struct err *err);

/* status_select - removes the rows of all certificates but the named ones; NULL, or the first name
 * that has no row */
const char *status_select(json_t *document, const char *const *names, size_t count);

/* status_is_hidden - whether there is a row that this user may not read completely */
bool status_is_hidden(const json_t *document);

/* status_all_fresh - whether every row is fresh; false without rows */
bool status_all_fresh(const json_t *document);

/* status_all_ready - whether every row is ready, see status_is_ready; false without rows */
bool status_all_ready(const json_t *document);

/* status_print_table - prints a line for each certificate, below it why it is not fresh, and at
 * last where the document comes from */
void status_print_table(const json_t *document, FILE *to);

/* status_print_json - prints the document; false if it could not be written */
bool status_print_json(const json_t *document, FILE *to);

#endif
