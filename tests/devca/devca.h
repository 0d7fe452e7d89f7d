/*
 * devca - everything that the CA knows while it runs
 *
 * One struct, one lock: the server lets one request at a time in here, so that nothing below it has
 * to think of threads.
 */
#ifndef DEVCA_DEVCA_H
#define DEVCA_DEVCA_H

#include "authority.h"
#include "faults.h"
#include "ledger.h"
#include "odd_authorities.h"
#include "roles.h"
#include "tokens.h"

#include <jansson.h>
#include <openssl/evp.h>

#include <stdint.h>

struct devca {
    struct ca ca;
    struct odd_authorities odd;
    struct roles roles;
    struct tokens tokens;
    struct ledger ledger;
    struct faults faults;

    EVP_PKEY *jwt_key;    /* verifies the tokens of kubernetes and jwt logins */
    const char *audience; /* that they must be meant for */
    char role_id[UUID_BYTES], secret_id[UUID_BYTES];
    char entity_id[UUID_BYTES], cluster_id[UUID_BYTES];

    json_t *counts; /* "POST pki_int/sign/web" to number */
    uint64_t total;
    json_t *answered; /* path to the data of the last certificate issued there */

    const char *directory; /* where trust and credentials are written */
};

#endif
