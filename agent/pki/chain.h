/*
 * chain - the CA certificates that come with a leaf
 *
 * Read here; which of them are of use is found out in path.h.
 */
#ifndef LEAFD_PKI_CHAIN_H
#define LEAFD_PKI_CHAIN_H

#include "base/err.h"
#include "base/text.h"

#include <openssl/x509.h>

/* Of a reply, or of a file of anchors; and those on one path, the leaf apart. */
enum { CHAIN_MOST_CERTIFICATES = 32, CHAIN_MOST_BYTES = 64 * 1024, CHAIN_MOST_ON_PATH = 8 };

/*
 * chain_parse - adds every certificate in a PEM text to `certificates`, each only once
 *
 * The stack owns them. Fails with class untrusted for anything else in the text, for more than
 * CHAIN_MOST_CERTIFICATES in all, and for a text over CHAIN_MOST_BYTES.
 */
bool chain_parse(const char *pem, STACK_OF(X509) * certificates, struct err *err);

/* chain_parse_all - the same for each text of a list */
bool chain_parse_all(const struct text_list *texts, STACK_OF(X509) * certificates, struct err *err);

/* chain_is_top - whether the certificate is a root, or no other of the chain issued it */
bool chain_is_top(STACK_OF(X509) * certificates, X509 *certificate);

/* chain_has - whether that very certificate is among them */
bool chain_has(STACK_OF(X509) * certificates, const X509 *certificate);

/*
 * chain_share - adds a certificate, with a reference of its own; false without memory
 *
 * With X509_ADD_FLAG_NO_DUP in `flags` not if an equal one is there already. In place of
 * X509_ADD_FLAG_UP_REF, which keeps the reference when memory runs out (OpenSSL 3.0).
 */
bool chain_share(STACK_OF(X509) * to, X509 *certificate, int flags);

/* chain_share_all - the same for each of `from` */
bool chain_share_all(STACK_OF(X509) * to, STACK_OF(X509) * from, int flags);

/* chain_to_pem - appends the certificate as PEM text of our own making; false without memory */
bool chain_to_pem(struct text_list *list, struct arena *arena, X509 *certificate);

/* -- the last ones, parsed and verified -----------------------------------------------------------
 *
 * A thousand leaves come with the same two CA certificates, and OpenSSL 3 takes a tenth of a
 * millisecond to parse one, and as long to verify its signature. The cache is keyed by the whole
 * text, and knows whose key a signature was verified with, so that it can change nothing but the
 * time it takes; it holds the last 32 certificates and may be used by several threads.
 */

struct ca_cache;

/* ca_cache_new - an empty cache; NULL if memory ran out, which every function here takes for none
 */
struct ca_cache *ca_cache_new(void);

/* ca_cache_free - frees it with what it holds; NULL is fine */
void ca_cache_free(struct ca_cache *cache);

/* ca_cache_parse - as chain_parse, from the cache where the same text was parsed before */
bool ca_cache_parse(struct ca_cache *cache, const char *pem, STACK_OF(X509) * certificates,
                    struct err *err);

/*
 * chain_verify - builds a path from `leaf` over `untrusted` to one of `trusted`, checking
 * signatures
 *
 * As OpenSSL peers do, the path goes up to a self-signed certificate, unless none of `trusted` is
 * one: then it ends at any of them. `at_s` is the moment for which validities are
 * checked. Algorithms below 112 bits of strength are refused. Appends the path to `path`, each
 * certificate signed by the next one. Of issuers out of `cache` (NULL: none) a signature that was
 * verified once is not verified again; all else is. Fails with class untrusted.
 */
bool chain_verify(struct ca_cache *cache, X509 *leaf, STACK_OF(X509) * untrusted,
                  STACK_OF(X509) * trusted, uint64_t at_s, STACK_OF(X509) * path, struct err *err);

#endif
