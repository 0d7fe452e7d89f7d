/*
 * chain - parses, verifies and writes the CA certificates that come with a leaf
 *
 * pki/path.h decides which of them are published.
 */
#ifndef LEAFD_PKI_CHAIN_H
#define LEAFD_PKI_CHAIN_H

#include "base/err.h"
#include "base/text.h"

#include <openssl/x509.h>

/* The limits of a reply and of a trust_anchor file; and of one path, not counting the leaf. */
enum { CHAIN_MOST_CERTIFICATES = 32, CHAIN_MOST_BYTES = 64 * 1024, CHAIN_MOST_ON_PATH = 8 };

/*
 * chain_parse - appends every certificate in a PEM text to `certificates`, without duplicates
 *
 * The stack owns them. Fails with class untrusted if the text holds anything else or is longer than
 * CHAIN_MOST_BYTES, or if there are more than CHAIN_MOST_CERTIFICATES in all.
 */
bool chain_parse(const char *pem, STACK_OF(X509) * certificates, struct err *err);

/* chain_parse_all - the same for each text of a list */
bool chain_parse_all(const struct text_list *texts, STACK_OF(X509) * certificates, struct err *err);

/* chain_is_top - whether the certificate is self-signed, or none of `certificates` issued it */
bool chain_is_top(STACK_OF(X509) * certificates, X509 *certificate);

/* chain_has - whether an equal certificate is among them */
bool chain_has(STACK_OF(X509) * certificates, const X509 *certificate);

/*
 * chain_share - appends a certificate with a reference of its own; false if memory ran out
 *
 * With X509_ADD_FLAG_NO_DUP in `flags`, an equal certificate is not added twice. Does not use
 * X509_ADD_FLAG_UP_REF: OpenSSL 3.0 leaks the reference with it when memory runs out.
 */
bool chain_share(STACK_OF(X509) * to, X509 *certificate, int flags);

/* chain_share_all - the same for each certificate of `from` */
bool chain_share_all(STACK_OF(X509) * to, STACK_OF(X509) * from, int flags);

/* chain_to_pem - encodes the certificate as PEM and appends the text; false if memory ran out */
bool chain_to_pem(struct text_list *list, struct arena *arena, X509 *certificate);

/* -- cache of CA certificates ---------------------------------------------------------------------
 *
 * A thousand leaves come with the same two CA certificates. OpenSSL 3 takes a tenth of a
 * millisecond to parse one, and as long to verify its signature. The cache holds the last 32
 * certificates by their complete PEM text, and the issuer that each was verified with. It changes
 * only the time that a verification takes, not its result. It may be used from several threads.
 */

struct ca_cache;

/* ca_cache_new - an empty cache; NULL if memory ran out, which all functions here accept as no
 * cache */
struct ca_cache *ca_cache_new(void);

/* ca_cache_free - frees the cache and its certificates; NULL is fine */
void ca_cache_free(struct ca_cache *cache);

/* ca_cache_parse - as chain_parse; takes the certificate from the cache if it holds the same
 * text */
bool ca_cache_parse(struct ca_cache *cache, const char *pem, STACK_OF(X509) * certificates,
                    struct err *err);

/*
 * chain_read_anchors - appends the certificates of the trust_anchor file at `path`
 *
 * Blocks on the disk. Fails with class local.
 */
bool chain_read_anchors(struct ca_cache *cache, const char *path, STACK_OF(X509) * anchors,
                        struct err *err);

/*
 * chain_verify - verifies a path from `leaf` over `untrusted` to one of `trusted`
 *
 * As in OpenSSL's own peers, the path must end at a self-signed certificate if one of `trusted` is
 * self-signed; else it ends at any of them. Checks signatures, and validities at `at_s` (seconds
 * since 1970). Refuses algorithms below 112 bits of security (SSL_CTX_set_security_level(3), level
 * 2). Appends the verified path to `path`: the leaf, then each certificate's issuer. The signature
 * of an issuer from `cache` (NULL: none) is verified only once. Fails with class untrusted, or with
 * class local if memory ran out.
 */
bool chain_verify(struct ca_cache *cache, X509 *leaf, STACK_OF(X509) * untrusted,
                  STACK_OF(X509) * trusted, uint64_t at_s, STACK_OF(X509) * path, struct err *err);

#endif
