/*
 * fault_leaf - faults of the certificate itself
 *
 * Each bends one thing and leaves the rest right, so that a client has to notice just that.
 */
#ifndef DEVCA_FAULT_LEAF_H
#define DEVCA_FAULT_LEAF_H

#include "faults.h"

/* fault_wrong_key - for a key that nobody asked for */
fault_function fault_wrong_key;

/* fault_wrong_key_type - issue: an RSA key in place of an EC key, or the other way about */
fault_function fault_wrong_key_type;

/* fault_missing_san - without the last of its names */
fault_function fault_missing_san;

/* fault_extra_san - with the DNS name extra.example besides */
fault_function fault_extra_san;

/* fault_nul_in_san - the first DNS name goes on behind a NUL */
fault_function fault_nul_in_san;

/* fault_other_name - with an otherName besides */
fault_function fault_other_name;

/* fault_wrong_cn - with the common name wrong.example */
fault_function fault_wrong_cn;

/* fault_expired - it ended an hour ago */
fault_function fault_expired;

/* fault_ends_soon - it ends in two seconds */
fault_function fault_ends_soon;

/* fault_future - it begins in "seconds" */
fault_function fault_future;

/* fault_is_ca - a CA's certificate */
fault_function fault_is_ca;

/* fault_no_digital_signature - its key usage lacks digitalSignature */
fault_function fault_no_digital_signature;

/* fault_no_server_auth - its extended key usage is clientAuth */
fault_function fault_no_server_auth;

/* fault_no_client_auth - its extended key usage is serverAuth */
fault_function fault_no_client_auth;

/* fault_sha1 - signed with SHA-1 */
fault_function fault_sha1;

/* fault_weak_key_ca - signed by an intermediate with RSA 1024 */
fault_function fault_weak_key_ca;

/* fault_long_chain - signed by the last of eleven intermediates */
fault_function fault_long_chain;

/* fault_issuer_ends_first - signed by an intermediate that ends in "seconds" */
fault_function fault_issuer_ends_first;

/* fault_restricted_issuer - signed by an intermediate whose extended key usage is clientAuth */
fault_function fault_restricted_issuer;

/* fault_bad_signature - one bit of the signature is another one */
fault_function fault_bad_signature;

#endif
