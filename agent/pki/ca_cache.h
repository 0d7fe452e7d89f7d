/*
 * ca_cache - the CA certificates of the last replies, parsed
 *
 * A thousand leaves come with the same two CA certificates, and OpenSSL 3 takes a tenth of a
 * millisecond to parse one. The cache is keyed by the whole text, so that it can change nothing but
 * the time it takes; it holds a handful of certificates and may be used by several threads.
 */
#ifndef LEAFD_PKI_CA_CACHE_H
#define LEAFD_PKI_CA_CACHE_H

#include "base/err.h"

#include <openssl/x509.h>

struct ca_cache;

/* ca_cache_new - an empty cache; NULL if memory ran out, which every function here takes for none
 */
struct ca_cache *ca_cache_new(void);

/* ca_cache_free - frees it with what it holds; NULL is fine */
void ca_cache_free(struct ca_cache *cache);

/* ca_cache_parse - as chain_parse, from the cache where the same text was parsed before */
bool ca_cache_parse(struct ca_cache *cache, const char *pem, STACK_OF(X509) * certificates,
                    struct err *err);

#endif
