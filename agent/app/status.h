/*
 * status - the document of what is known of the certificates, and its views
 *
 * A JSON object, which leafd(8) documents: "source" is "agent" or "disk", "agent" tells of the
 * running agent, and "certs" has an object for each certificate. The sets are always read from
 * disk: by the agent, with the configuration that it uses, or by the command if no agent answers.
 * The agent adds what only it remembers, such as the history of a certificate. The table, `status
 * --json` and `leafd ready` are views of the document.
 */
#ifndef LEAFD_APP_STATUS_H
#define LEAFD_APP_STATUS_H

#include "cert/cert.h"
#include "config/config.h"

#include <jansson.h>

#include <stdbool.h>

/* status_moment - a time as the document has it, RFC 3339 in UTC, or null for 0; a new reference */
json_t *status_moment(uint64_t moment_s);

/*
 * status_read - the objects of `most` certificates of the configuration, from number `first` on
 *
 * `is_whole` adds what is only told of certificates that are asked for by name: files and path.
 * Takes no lock and needs no permission to read keys. Blocks on the disks. A read error is reported
 * in the row. A new reference; NULL with *err filled, class local, if memory ran out.
 */
json_t *status_read(const struct config *config, size_t first, size_t most, bool is_whole,
                    struct err *err);

/* status_read_named - likewise, the whole object of one certificate; empty if there is none of the
 * name */
json_t *status_read_named(const struct config *config, const char *name, struct err *err);

/*
 * status_remember - adds to a row what the agent's memory has of the certificate
 *
 * What it does now, its last failure, and what it holds. False if memory ran out; the row then is
 * as it was.
 */
bool status_remember(json_t *row, const struct cert *cert);

/*
 * status_document - the document of these rows; takes both references
 *
 * `agent` tells of the agent, or is null where the rows were read without one. NULL if memory ran
 * out.
 */
json_t *status_document(json_t *agent, json_t *rows);

/* status_is_hidden - whether there is a row that this user may not read completely */
bool status_is_hidden(const json_t *document);

/* status_all_fresh - whether every row is fresh; false without rows */
bool status_all_fresh(const json_t *document);

/* status_all_ready - whether every row is ready, see status_is_ready; false without rows */
bool status_all_ready(const json_t *document);

#endif
