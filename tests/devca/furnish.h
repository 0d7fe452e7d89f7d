/*
 * furnish - the files that a client needs
 *
 * Whatever somebody would have set up on a real server beforehand: whom to trust, and what to log
 * in with. All of it is made at start and worth nothing once devca has ended.
 */
#ifndef DEVCA_FURNISH_H
#define DEVCA_FURNISH_H

#include "base/err.h"

#include <stdbool.h>

struct devca;

/*
 * furnish_directory - writes trust and credentials to devca's directory
 *
 * tls-ca.pem, root.pem, intermediate.pem, role-id, secret-id, client.crt and client.key, and with
 * `with_token` token, a ServiceAccount's. Fails with class local.
 */
bool furnish_directory(const struct devca *devca, bool with_token, struct err *err);

/* furnish_address - writes the file address, which tells that all is ready; class local */
bool furnish_address(const struct devca *devca, const char *address, struct err *err);

/* furnish_token - adds a token to tokens-issued in devca's directory, a line each */
void furnish_token(const struct devca *devca, const char *token);

#endif
