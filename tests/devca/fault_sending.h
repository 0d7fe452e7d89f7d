/*
 * fault_sending - faults of the way between CA and client
 *
 * What proxies, load balancers and broken servers send, whatever was asked.
 */
#ifndef DEVCA_FAULT_SENDING_H
#define DEVCA_FAULT_SENDING_H

#include "faults.h"

/* fault_status - "status", with "retry_after" seconds, "errors", or a raw "body" */
fault_function fault_status;

/* fault_redirect - 307 to "location" */
fault_function fault_redirect;

/* fault_not_json - 200 with a page of HTML */
fault_function fault_not_json;

/* fault_empty - 200 without a body */
fault_function fault_empty;

/* fault_broken_json - the first half of the body, as if that were all */
fault_function fault_broken_json;

/* fault_duplicate_keys - the first key of the object a second time */
fault_function fault_duplicate_keys;

/* fault_deep_json - a member of a thousand arrays, each inside the other */
fault_function fault_deep_json;

/* fault_oversized - a member of two MiB */
fault_function fault_oversized;

/* fault_cut - the connection is closed after half of the body */
fault_function fault_cut;

/* fault_delay - the reply comes "ms" later */
fault_function fault_delay;

#endif
