/*
 * routes - which request goes where
 *
 * One table of paths, with who may ask. A request is counted, given its fault, held against its
 * token, and handled; what the handler replied is spoilt if a fault says so.
 */
#ifndef DEVCA_ROUTES_H
#define DEVCA_ROUTES_H

#include "request.h"

/* routes_answer - fills the reply to a request, ready to be sent */
void routes_answer(struct devca *devca, struct request *request, struct reply *reply);

/* routes_capability - what the holder of a token may do at a path below /v1/, in Vault's words */
const char *routes_capability(const struct token *holder, const char *path);

#endif
